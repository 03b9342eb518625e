//! A reply plugin that attacks in the way the message says, and leaves everything else to the model.

wit_bindgen::generate!({ world: "reply-plugin", path: "../../../wit/v0.1" });

use exports::switchhook::plugin::about::{self, Capabilities, Description, Problem};
use exports::switchhook::plugin::reply::{self, Outcome};
use switchhook::plugin::types::{Action, Content, ContentKinds, HookError, Message, Outgoing, TextFormat};

struct Guest;
export!(Guest);

impl about::Guest for Guest {
    fn describe() -> Description {
        Description {
            name: "hostile".into(),
            version: "1.0.0".into(),
            summary: "Attacks in the way the message says.".into(),
            settings_schema: String::new(),
            content: ContentKinds::TEXT,
            groups: vec![],
            capabilities: Capabilities::empty(),
        }
    }
    fn configure(_: String) -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

impl reply::Guest for Guest {
    fn handle(message: Message) -> Result<Outcome, HookError> {
        let Content::Text(text) = &message.content else { return Ok(Outcome::Pass) };
        hostile_plugins::attack(text);
        match text.as_str() {
            "list" => Ok(Outcome::Answered(vec![Action::MarkRead; 1 << 20])),
            "sends" => Ok(Outcome::Answered(vec![say("again", None); 5_000])),
            "string" => Ok(Outcome::Answered(vec![say(&"x".repeat(4 << 20), None)])),
            "elsewhere" => Ok(Outcome::Answered(vec![say("from a stranger", Some("2002"))])),
            _ => Ok(Outcome::Pass),
        }
    }
}

fn say(text: &str, to: Option<&str>) -> Action {
    Action::Send(Outgoing {
        to: to.map(str::to_owned),
        text: text.into(),
        format: TextFormat::Plain,
        reply_to: None,
        attachments: vec![],
        buttons: vec![],
        extra: vec![],
    })
}

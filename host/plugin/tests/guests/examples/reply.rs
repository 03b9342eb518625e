//! A reply plugin that returns one of everything.

wit_bindgen::generate!({ world: "reply-plugin", path: "../../../../wit/v0.1" });

use exports::switchhook::plugin::about::{Capabilities, Description, Problem};
use exports::switchhook::plugin::reply::Outcome;
use switchhook::plugin::types::*;

struct Guest;
export!(Guest);

impl exports::switchhook::plugin::about::Guest for Guest {
    fn describe() -> Description {
        Description {
            name: "everything".into(),
            version: "1.0.0".into(),
            summary: "Answers with one of everything.".into(),
            settings_schema: String::new(),
            content: ContentKinds::all(),
            groups: vec![],
            capabilities: Capabilities::empty(),
        }
    }
    fn configure(_: String) -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

impl exports::switchhook::plugin::reply::Guest for Guest {
    fn handle(message: Message) -> Result<Outcome, HookError> {
        match &message.content {
            Content::Text(text) if text == "pass" => Ok(Outcome::Pass),
            Content::Text(text) if text == "echo" => Ok(Outcome::Continue(vec![say(format!("{message:?}"))])),
            _ => Ok(Outcome::Answered(everything())),
        }
    }
}

fn say(text: String) -> Action {
    Action::Send(Outgoing {
        to: None,
        text,
        format: TextFormat::Plain,
        reply_to: None,
        attachments: vec![],
        buttons: vec![],
        extra: vec![],
    })
}

fn everything() -> Vec<Action> {
    let attachment = OutgoingAttachment {
        source: AttachmentSource::Bytes(vec![1, 2, 3]),
        kind: AttachmentKind::Voice,
        media_type: Some("audio/ogg".into()),
        file_name: None,
    };
    vec![
        Action::Send(Outgoing {
            to: Some("42".into()),
            text: "*hi*".into(),
            format: TextFormat::Markdown,
            reply_to: Some("7".into()),
            attachments: vec![attachment],
            buttons: vec![vec![Button { label: "Yes".into(), value: "y".into() }]],
            extra: vec![("silent".into(), "true".into())],
        }),
        Action::Edit(Edit { message_id: "1".into(), text: "new".into(), format: TextFormat::Plain }),
        Action::Delete("2".into()),
        Action::React(Reaction { message_id: "3".into(), emoji: None }),
        Action::MarkRead,
        Action::Forward(Forwarding { message_id: "4".into(), to: "5".into() }),
        Action::Schedule(Timer { name: "tea".into(), after_ms: 6 }),
        Action::CancelTurn,
        Action::NewConversation,
        Action::Other(("pin".into(), "{}".into())),
    ]
}

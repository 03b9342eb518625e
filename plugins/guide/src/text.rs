//! What the guide says.

use crate::Message;
use crate::settings::Settings;
use crate::visit::{Greeting, Visit};

/// Markdown. `visit` is none where the host keeps nothing for us.
pub(crate) fn text(settings: &Settings, message: &Message, visit: Option<&Visit>) -> String {
    let Settings { greeting, name, .. } = settings;
    let mut parts = vec![format!("**{greeting}** This is {name}, and it works.")];
    if visit.is_some_and(|v| v.greeting == Greeting::Edited) {
        parts.push(
            "**You changed the greeting, and this answer has it already.** Nothing was restarted, and this chat's \
             connection was not touched."
                .into(),
        );
    }
    parts.push(what_happened(message, visit));
    parts.push(invitation(settings));
    parts.join("\n\n")
}

fn what_happened(message: &Message, visit: Option<&Visit>) -> String {
    let (sender, chat) = (code(&message.sender.id), code(&message.chat.id));
    let (channel, connector) = (code(&message.channel), code(&message.connector));
    let mut lines = vec![
        "What just happened to your message:".to_owned(),
        format!("1. It came in on the channel {channel} ({connector}), in the chat {chat}, from {sender}."),
        "2. It was written to disk, and the channel's policy let it in.".to_owned(),
        "3. The plugin `guide` answered it, in a fresh WebAssembly sandbox that is gone by now. No language model \
         was asked."
            .to_owned(),
    ];
    match visit {
        Some(visit) if visit.count > 1 => lines.push(format!(
            "4. It is message {} of this chat that I answered. Plugins forget everything between two messages; the \
             host keeps the count for me, also over a restart.",
            visit.count
        )),
        Some(_) => lines.push("4. It is the first of this chat; I keep count, so write another.".to_owned()),
        None => {}
    }
    lines.join("\n")
}

fn invitation(settings: &Settings) -> String {
    format!(
        "**Your turn:** open {}, change {} to something of your own, save, and write again. The next answer begins \
         with it.",
        code(&settings.config_path),
        code(&format!("greeting = {:?}", settings.greeting))
    )
}

/// A code span that nothing in an id can break out of.
fn code(text: &str) -> String {
    format!("`{}`", text.replace(['`', '\n', '\r'], "'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chat, ChatKind, Content, Party, Standing};

    fn message() -> Message {
        Message {
            id: "1".into(),
            channel: "try-it".into(),
            connector: "web".into(),
            account: "web:try-it".into(),
            chat: Chat { id: "guest-7".into(), kind: ChatKind::Direct, title: None, thread: None },
            sender: Party { id: "web:guest-7`x".into(), aliases: vec![], name: None, standing: Standing::Unknown },
            content: Content::Text("hi".into()),
            attachments: vec![],
            mentions_me: true,
            quoted: None,
            sent_at_ms: 0,
            extra: vec![],
        }
    }

    fn said(greeting: &str, visit: Option<Visit>) -> String {
        text(&Settings { greeting: greeting.into(), ..Settings::default() }, &message(), visit.as_ref())
    }

    #[test]
    fn it_tells_what_happened_and_what_to_change() {
        let text = said("Hello!", Some(Visit { count: 1, greeting: Greeting::Known }));
        assert!(text.starts_with("**Hello!** This is Switchhook"), "{text}");
        for fact in ["`try-it`", "(`web`)", "`guest-7`", "the first of this chat", "`config/switchhook.toml`"] {
            assert!(text.contains(fact), "{fact}: {text}");
        }
        assert!(text.contains(r#"`greeting = "Hello!"`"#), "{text}");
        assert!(!text.contains("You changed"), "{text}");
    }

    #[test]
    fn an_edited_greeting_is_the_first_thing_said() {
        let text = said("Ahoy!", Some(Visit { count: 2, greeting: Greeting::Edited }));
        assert!(text.starts_with("**Ahoy!** "), "{text}");
        assert!(text.contains("You changed the greeting") && text.contains("message 2 of this chat"), "{text}");
    }

    #[test]
    fn without_a_store_there_is_no_count() {
        let text = said("Hello!", None);
        assert!(!text.contains("4."), "{text}");
    }

    #[test]
    fn an_id_can_not_break_the_markdown() {
        assert!(said("Hello!", None).contains("from `web:guest-7'x`."));
    }
}

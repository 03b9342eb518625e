//! What a command does and says.

use crate::command::{BuiltIn, Command};
use crate::settings::Settings;
use crate::{Action, ChatKind, Message, Outgoing, TextFormat};

pub(crate) fn answer(settings: &Settings, command: Command<'_>, message: &Message) -> Vec<Action> {
    match command {
        Command::Fixed(text) => vec![say(message, text.to_owned())],
        Command::BuiltIn(BuiltIn::Help) => vec![say(message, help(settings))],
        Command::BuiltIn(BuiltIn::New) => {
            let confirmation = "A new conversation: what was said before is forgotten.";
            vec![Action::NewConversation, say(message, confirmation.into())]
        }
        Command::BuiltIn(BuiltIn::Stop) => vec![Action::CancelTurn, say(message, "Stopped.".into())],
        Command::BuiltIn(BuiltIn::Id) => vec![say(message, ids(message))],
    }
}

fn help(settings: &Settings) -> String {
    let prefix = &settings.prefix;
    let built_in = BuiltIn::ALL.iter().map(|c| format!("{prefix}{}: {}", c.name(), c.summary()));
    let own = settings.commands.keys().map(|name| format!("{prefix}{name}"));
    let list = built_in.chain(own).collect::<Vec<_>>().join("\n");
    match settings.help.trim() {
        "" => list,
        text => format!("{text}\n\n{list}"),
    }
}

/// What an operator needs to let this person or this chat in.
fn ids(message: &Message) -> String {
    let sender = &message.sender;
    let mut lines = vec![format!("Your id: {}", sender.id)];
    // Among others, only the id they see anyway: an alias may be a telephone number.
    if message.chat.kind == ChatKind::Direct && !sender.aliases.is_empty() {
        lines.push(format!("Also known as: {}", sender.aliases.join(", ")));
    }
    lines.push(format!("Chat: {} ({})", message.chat.id, kind(message.chat.kind)));
    lines.extend(message.chat.thread.as_ref().map(|thread| format!("Thread: {thread}")));
    lines.push(format!("Channel: {}", message.channel));
    lines.push(format!("To let you in: allow_from = [\"{}\"]", sender.id));
    lines.join("\n")
}

fn kind(kind: ChatKind) -> &'static str {
    match kind {
        ChatKind::Direct => "direct",
        ChatKind::Group => "group",
        ChatKind::Channel => "channel",
    }
}

/// Among others, an answer shows what it answers.
fn say(message: &Message, text: String) -> Action {
    Action::Send(Outgoing {
        to: None,
        text,
        format: TextFormat::Plain,
        reply_to: (message.chat.kind != ChatKind::Direct).then(|| message.id.clone()),
        attachments: vec![],
        buttons: vec![],
        extra: vec![],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::parse;
    use crate::testing::message;

    /// The one text that is sent, with what is done before it.
    fn answered(command: BuiltIn, message: &Message) -> (Vec<Action>, String) {
        let mut actions = answer(&Settings::default(), Command::BuiltIn(command), message);
        let Some(Action::Send(sent)) = actions.pop() else { panic!("nothing is said") };
        (actions, sent.text)
    }

    #[test]
    fn help_lists_what_there_is() {
        let settings = parse(r#"{"prefix":"!","help":"The shop.","commands":{"hours":"9 to 5"}}"#).unwrap();
        let text = help(&settings);
        assert!(text.starts_with("The shop.\n\n!help: this list\n!new: "), "{text}");
        assert!(text.ends_with("\n!hours"), "{text}");
        assert!(help(&Settings::default()).starts_with("/help: "));
    }

    #[test]
    fn new_and_stop_act_and_confirm() {
        let message = message(ChatKind::Direct, "");
        let (actions, text) = answered(BuiltIn::New, &message);
        assert_eq!(actions, [Action::NewConversation]);
        assert!(text.contains("forgotten"));
        assert_eq!(answered(BuiltIn::Stop, &message), (vec![Action::CancelTurn], "Stopped.".into()));
    }

    #[test]
    fn id_says_what_to_write_into_allow_from() {
        let (actions, text) = answered(BuiltIn::Id, &message(ChatKind::Direct, ""));
        assert_eq!(actions, []);
        let expected = "Your id: tg:12345\nAlso known as: +15551234567\nChat: 7 (direct)\nThread: 3\nChannel: me\n\
                        To let you in: allow_from = [\"tg:12345\"]";
        assert_eq!(text, expected);
    }

    /// A number is nobody else's business.
    #[test]
    fn in_a_group_id_shows_no_alias() {
        let (_, text) = answered(BuiltIn::Id, &message(ChatKind::Group, ""));
        assert!(text.contains("tg:12345") && !text.contains("+1555"), "{text}");
    }

    #[test]
    fn an_own_command_says_its_text_and_in_a_group_quotes() {
        let reply_to =
            |kind| match answer(&Settings::default(), Command::Fixed("9 to 5"), &message(kind, "")).as_slice() {
                [Action::Send(sent)] if sent.text == "9 to 5" => sent.reply_to.clone(),
                actions => panic!("{actions:?}"),
            };
        assert_eq!(reply_to(ChatKind::Direct), None);
        assert_eq!(reply_to(ChatKind::Group), Some("1".into()));
    }
}

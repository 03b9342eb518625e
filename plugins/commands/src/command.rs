//! Which command a message is.

use crate::settings::Settings;
use crate::{ChatKind, Content, Message};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum BuiltIn {
    Help,
    New,
    Stop,
    Id,
}

impl BuiltIn {
    /// In the order `/help` lists them.
    pub(crate) const ALL: [Self; 4] = [Self::Help, Self::New, Self::Stop, Self::Id];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::New => "new",
            Self::Stop => "stop",
            Self::Id => "id",
        }
    }

    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::Help => "this list",
            Self::New => "start afresh: forget what was said so far",
            Self::Stop => "stop the answer that is being written",
            Self::Id => "your ids, for whoever runs this",
        }
    }

    /// `name` is lower case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.name() == name)
    }
}

#[derive(Debug, PartialEq)]
pub(crate) enum Command<'a> {
    BuiltIn(BuiltIn),
    /// One of the settings' own; its answer.
    Fixed(&'a str),
}

/// D6: a command is the whole message, never a part of a sentence. Case does not matter.
pub(crate) fn recognise<'a>(settings: &'a Settings, message: &Message) -> Option<Command<'a>> {
    let Content::Text(text) = &message.content else { return None };
    let text = text.trim().to_lowercase();
    let called = text.strip_prefix(&settings.prefix.to_lowercase())?;
    let name = match called.split_once('@') {
        Some((name, bot)) if is_ours(bot, message) => name,
        Some(_) => return None,
        None => called,
    };
    let fixed = || settings.commands.get(name).map(|answer| Command::Fixed(answer));
    BuiltIn::named(name).map(Command::BuiltIn).or_else(fixed)
}

/// `/help@some_bot` in a group is for the bot it names; whether that is us, the connector knows and says by a mention.
fn is_ours(bot: &str, message: &Message) -> bool {
    let is_username = !bot.is_empty() && bot.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_username && (message.mentions_me || message.chat.kind == ChatKind::Direct)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::parse;
    use crate::testing::message;

    fn recognised(text: &str) -> Option<BuiltIn> {
        match recognise(&Settings::default(), &message(ChatKind::Direct, text)) {
            Some(Command::BuiltIn(command)) => Some(command),
            Some(Command::Fixed(answer)) => panic!("{answer}"),
            None => None,
        }
    }

    #[test]
    fn a_command_is_known_by_its_name_in_any_case() {
        assert_eq!(recognised("/help"), Some(BuiltIn::Help));
        assert_eq!(recognised(" /NEW\n"), Some(BuiltIn::New));
        assert_eq!(recognised("/Stop@my_bot"), Some(BuiltIn::Stop));
        assert_eq!(recognised("/id"), Some(BuiltIn::Id));
    }

    /// D6
    #[test]
    fn a_command_inside_a_sentence_is_none() {
        for text in ["please /help", "/help me", "/helpme", "help", "/", "", "/help@", "/help@a b", "//help"] {
            assert_eq!(recognised(text), None, "{text}");
        }
    }

    #[test]
    fn in_a_group_a_command_of_another_bot_is_left_alone() {
        let settings = Settings::default();
        let mut message = message(ChatKind::Group, "/help@other_bot");
        assert_eq!(recognise(&settings, &message), None);
        message.mentions_me = true;
        assert_eq!(recognise(&settings, &message), Some(Command::BuiltIn(BuiltIn::Help)));
    }

    #[test]
    fn the_settings_add_commands_and_change_the_prefix() {
        let settings = parse(r#"{"prefix":"bot ","commands":{}}"#);
        assert!(settings.is_err());
        let settings = parse(r#"{"prefix":"!","commands":{"Hours":"9 to 5"}}"#).unwrap();
        let of = |text: &str| recognise(&settings, &message(ChatKind::Direct, text));
        assert_eq!(of("!HOURS"), Some(Command::Fixed("9 to 5")));
        assert_eq!(of("!stop"), Some(Command::BuiltIn(BuiltIn::Stop)));
        assert_eq!(of("/stop"), None);
    }

    #[test]
    fn only_text_is_a_command() {
        let mut message = message(ChatKind::Direct, "");
        message.content = Content::Button("/help".into());
        assert_eq!(recognise(&Settings::default(), &message), None);
    }
}

//! Which route takes a message.

use crate::settings::{Conditions, Kind, Settings};
use crate::{ChatKind, Content, Message, Verdict};

/// `sender_in` asks the host whether the sender is in a group.
pub(crate) fn decide(settings: &Settings, message: &Message, sender_in: impl Fn(&str) -> bool) -> Verdict {
    let rule = settings.rules.iter().find(|rule| holds(&rule.conditions, message, &sender_in));
    rule.map_or(Verdict::Pass, |rule| Verdict::Route(rule.route.clone()))
}

fn holds(conditions: &Conditions, message: &Message, sender_in: impl Fn(&str) -> bool) -> bool {
    let is = |wanted: &Option<String>, actual: &str| wanted.as_ref().is_none_or(|wanted| wanted == actual);
    is(&conditions.connector, &message.connector)
        && is(&conditions.channel, &message.channel)
        && is(&conditions.chat, &message.chat.id)
        && is(&conditions.thread, message.chat.thread.as_deref().unwrap_or_default())
        && conditions.chat_kind.is_none_or(|kind| kind == kind_of(message))
        && text_holds(conditions, text_of(&message.content))
        // Last, because it alone asks the host.
        && conditions.sender_in.as_deref().is_none_or(sender_in)
}

/// Case and surrounding space do not matter. What has no text, such as a reaction, meets no condition on it.
fn text_holds(conditions: &Conditions, text: Option<&str>) -> bool {
    let normal = |text: &str| text.trim().to_lowercase();
    let text = text.map(normal);
    let is = |wanted: &Option<String>, test: fn(&str, &str) -> bool| match (wanted, &text) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wanted), Some(text)) => test(text, &normal(wanted)),
    };
    is(&conditions.text_prefix, |text, prefix| text.starts_with(prefix))
        && is(&conditions.text_equals, |text, whole| text == whole)
}

fn text_of(content: &Content) -> Option<&str> {
    match content {
        Content::Text(text) => Some(text),
        Content::Edited(edited) => Some(&edited.text),
        _ => None,
    }
}

fn kind_of(message: &Message) -> Kind {
    match message.chat.kind {
        ChatKind::Direct => Kind::Direct,
        ChatKind::Group => Kind::Group,
        ChatKind::Channel => Kind::Channel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::parse;
    use crate::{Chat, Edited, Party, Standing};

    fn message(content: Content) -> Message {
        Message {
            id: "1".into(),
            channel: "shop".into(),
            connector: "telegram".into(),
            account: "telegram:4242".into(),
            chat: Chat { id: "7".into(), kind: ChatKind::Group, title: None, thread: Some("3".into()) },
            sender: Party { id: "tg:12345".into(), aliases: vec![], name: None, standing: Standing::Unknown },
            content,
            attachments: vec![],
            mentions_me: true,
            quoted: None,
            sent_at_ms: 0,
            extra: vec![],
        }
    }

    fn text(text: &str) -> Message {
        message(Content::Text(text.into()))
    }

    /// Whether one rule with these conditions, as JSON, takes the message.
    fn takes(conditions: &str, message: &Message) -> bool {
        let settings = parse(&format!(r#"{{"rules":[{{"route":"r","if":{conditions}}}]}}"#)).expect(conditions);
        match decide(&settings, message, |group| group == "staff") {
            Verdict::Route(route) => route == "r",
            verdict => {
                assert_eq!(verdict, Verdict::Pass);
                false
            }
        }
    }

    #[test]
    fn each_condition_holds_or_not() {
        let hello = text("  Hello there ");
        let cases = [
            (r#"{"text_prefix":"hello"}"#, r#"{"text_prefix":"there"}"#),
            (r#"{"text_equals":"HELLO THERE"}"#, r#"{"text_equals":"hello"}"#),
            (r#"{"chat_kind":"group"}"#, r#"{"chat_kind":"direct"}"#),
            (r#"{"sender_in":"staff"}"#, r#"{"sender_in":"family"}"#),
            (r#"{"connector":"telegram"}"#, r#"{"connector":"web"}"#),
            (r#"{"channel":"shop"}"#, r#"{"channel":"home"}"#),
            (r#"{"thread":"3"}"#, r#"{"thread":"4"}"#),
            (r#"{"chat":"7"}"#, r#"{"chat":"8"}"#),
        ];
        for (yes, no) in cases {
            assert!(takes(yes, &hello), "{yes}");
            assert!(!takes(no, &hello), "{no}");
        }
    }

    #[test]
    fn conditions_must_hold_together() {
        let hello = text("hello");
        assert!(takes(r#"{"chat":"7","text_prefix":"he","text_equals":"hello"}"#, &hello));
        assert!(!takes(r#"{"chat":"7","text_prefix":"he","text_equals":"help"}"#, &hello));
        assert!(!takes(r#"{"chat":"8","text_prefix":"he"}"#, &hello));
    }

    #[test]
    fn an_edit_has_text_and_a_button_has_none() {
        let edit = message(Content::Edited(Edited { message_id: "1".into(), text: "Sales, please".into() }));
        assert!(takes(r#"{"text_prefix":"sales"}"#, &edit));
        let button = message(Content::Button("sales".into()));
        assert!(!takes(r#"{"text_prefix":"sales"}"#, &button));
        assert!(takes("{}", &button));
    }

    #[test]
    fn no_thread_is_not_any_thread() {
        let mut outside = text("hello");
        outside.chat.thread = None;
        assert!(!takes(r#"{"thread":"3"}"#, &outside));
    }

    #[test]
    fn the_first_rule_that_holds_wins() {
        let json = r#"{"rules":[{"route":"a","if":{"chat":"8"}},{"route":"b","if":{"chat":"7"}},{"route":"c"}]}"#;
        let settings = parse(json).unwrap();
        assert_eq!(decide(&settings, &text("hi"), |_| false), Verdict::Route("b".into()));
        assert_eq!(decide(&Default::default(), &text("hi"), |_| true), Verdict::Pass);
    }
}

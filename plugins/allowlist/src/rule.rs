//! Who may come in.

use crate::settings::{Groups, OnStranger, Settings};
use crate::{ChatKind, Content, Denial, Message, Standing, Verdict};

/// The group that a channel's `allow_from` becomes.
pub(crate) const GROUP: &str = "allow_from";

/// `sender_in` asks the host whether the sender is in a group.
pub(crate) fn decide(settings: &Settings, message: &Message, sender_in: impl Fn(&str) -> bool) -> Verdict {
    let sender = &message.sender;
    if sender.standing == Standing::Blocked {
        return deny(format!("{} is blocked", sender.id), None);
    }
    // Before strangers: in a busy group, what is not meant for us must neither be held nor earn a notice.
    if settings.groups == Groups::Mention && !is_addressed(message) {
        return deny("not addressed to us in a group".into(), None);
    }
    if sender.standing == Standing::Approved || sender_in(GROUP) {
        return Verdict::Pass;
    }
    let reason = format!("{} is not in {GROUP}", sender.id);
    match settings.on_stranger {
        OnStranger::Deny => deny(reason, settings.notice.clone()),
        OnStranger::Hold => Verdict::Hold(reason),
    }
}

/// A button or a timer is an answer to something of ours, even where the provider marks no mention.
fn is_addressed(message: &Message) -> bool {
    message.chat.kind == ChatKind::Direct
        || message.mentions_me
        || matches!(message.content, Content::Button(_) | Content::Timer(_))
}

fn deny(reason: String, notice: Option<String>) -> Verdict {
    Verdict::Deny(Denial { reason, notice })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chat, Party};

    fn message(kind: ChatKind, standing: Standing) -> Message {
        Message {
            id: "1".into(),
            channel: "me".into(),
            connector: "telegram".into(),
            account: "telegram:4242".into(),
            chat: Chat { id: "7".into(), kind, title: None, thread: None },
            sender: Party { id: "tg:12345".into(), aliases: vec![], name: None, standing },
            content: Content::Text("hi".into()),
            attachments: vec![],
            mentions_me: kind == ChatKind::Direct,
            quoted: None,
            sent_at_ms: 0,
            extra: vec![],
        }
    }

    fn direct(standing: Standing) -> Message {
        message(ChatKind::Direct, standing)
    }

    fn denied(reason: &str) -> Verdict {
        deny(reason.into(), None)
    }

    const MEMBER: fn(&str) -> bool = |group| group == "allow_from";
    const STRANGER: fn(&str) -> bool = |_| false;

    /// A2: a member comes in; so does whom the operator approved.
    #[test]
    fn members_and_the_approved_pass() {
        let settings = Settings::default();
        assert_eq!(decide(&settings, &direct(Standing::Unknown), MEMBER), Verdict::Pass);
        assert_eq!(decide(&settings, &direct(Standing::Approved), STRANGER), Verdict::Pass);
    }

    /// A3: the denial names who was refused, and nothing is said to them unless it is configured.
    #[test]
    fn a_stranger_is_denied_by_id() {
        let message = direct(Standing::Unknown);
        assert_eq!(decide(&Settings::default(), &message, STRANGER), denied("tg:12345 is not in allow_from"));
        let settings = Settings { notice: Some("Sorry.".into()), ..Settings::default() };
        let expected = deny("tg:12345 is not in allow_from".into(), Some("Sorry.".into()));
        assert_eq!(decide(&settings, &message, STRANGER), expected);
    }

    #[test]
    fn a_stranger_is_held_where_that_is_wanted() {
        let settings = Settings { on_stranger: OnStranger::Hold, ..Settings::default() };
        let expected = Verdict::Hold("tg:12345 is not in allow_from".into());
        assert_eq!(decide(&settings, &direct(Standing::Unknown), STRANGER), expected);
    }

    #[test]
    fn the_blocked_stay_out_whatever_the_list_says() {
        let settings = Settings { on_stranger: OnStranger::Hold, notice: Some("Sorry.".into()), ..Settings::default() };
        assert_eq!(decide(&settings, &direct(Standing::Blocked), MEMBER), denied("tg:12345 is blocked"));
    }

    #[test]
    fn in_a_group_only_what_is_addressed_to_us_comes_in() {
        let settings = Settings { on_stranger: OnStranger::Hold, notice: Some("Sorry.".into()), ..Settings::default() };
        let mut message = message(ChatKind::Group, Standing::Unknown);
        let not_addressed = denied("not addressed to us in a group");
        assert_eq!(decide(&settings, &message, MEMBER), not_addressed);
        assert_eq!(decide(&settings, &message, STRANGER), not_addressed);
        message.mentions_me = true;
        assert_eq!(decide(&settings, &message, MEMBER), Verdict::Pass);
        message.mentions_me = false;
        message.content = Content::Button("yes".into());
        assert_eq!(decide(&settings, &message, MEMBER), Verdict::Pass);
    }

    #[test]
    fn a_group_can_be_read_whole() {
        let settings = Settings { groups: Groups::All, ..Settings::default() };
        let message = message(ChatKind::Group, Standing::Unknown);
        assert_eq!(decide(&settings, &message, MEMBER), Verdict::Pass);
        assert_eq!(decide(&settings, &message, STRANGER), denied("tg:12345 is not in allow_from"));
    }
}

//! From actions to deliveries: where they go, whether they may, and in how many parts.

use std::time::Duration;

use switchhook_core::action::{Action, Outgoing};
use switchhook_core::hook::{Speaker, Turn};
use switchhook_core::message::{ChatKind, Content, Conversation, Message};
use switchhook_core::split::split_text;
use switchhook_core::time::UnixMillis;
use switchhook_store::{NewDelivery, NewTimer};

use crate::permit::Permitted;
use crate::wiring::ChannelWiring;

/// The furthest ahead a timer may lie: a year.
const MAX_TIMER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Whether the model call under way in this chat goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TurnUnderWay {
    #[default]
    GoesOn,
    Cancelled,
}

/// What the actions of one answer come to.
#[derive(Default)]
pub(crate) struct Dispatch {
    pub(crate) deliveries: Vec<NewDelivery>,
    pub(crate) turns: Vec<(Conversation, Turn)>,
    pub(crate) forget: Vec<Conversation>,
    pub(crate) timers: Vec<NewTimer>,
    pub(crate) under_way: TurnUnderWay,
    /// What was asked for and may not be.
    pub(crate) refused: Vec<String>,
}

/// Turns actions into deliveries to the chat of `permitted`, or to others where the config allows it.
pub(crate) fn address(permitted: &Permitted, actions: Vec<Action>, now: UnixMillis) -> Dispatch {
    let mut dispatch = Dispatch::default();
    for action in actions {
        if let Err(refused) = dispatch.add(permitted, action, now) {
            tracing::warn!(channel = %permitted.channel().name, message = %permitted.id(), "{refused}");
            dispatch.refused.push(refused);
        }
    }
    dispatch
}

impl Dispatch {
    /// Takes in what another message of the same turn brings about.
    pub(crate) fn add_all(&mut self, more: Self) {
        self.deliveries.extend(more.deliveries);
        self.turns.extend(more.turns);
        self.forget.extend(more.forget);
        self.timers.extend(more.timers);
        self.refused.extend(more.refused);
        if more.under_way == TurnUnderWay::Cancelled {
            self.under_way = TurnUnderWay::Cancelled;
        }
    }

    fn add(&mut self, permitted: &Permitted, action: Action, now: UnixMillis) -> Result<(), String> {
        let message = permitted.message();
        match action {
            Action::Send(outgoing) => return self.send(permitted, outgoing, now),
            Action::Forward { message_id, to } => {
                allow(permitted.channel(), message, &to)?;
                self.deliver(permitted, message.chat.id.clone(), Action::Forward { message_id, to });
            }
            Action::Schedule { name, after_ms } => {
                let wait = Duration::from_millis(after_ms).min(MAX_TIMER);
                self.timers.push(NewTimer { due: now.plus(wait), message: timer(message, &name), name });
            }
            Action::CancelTurn => self.under_way = TurnUnderWay::Cancelled,
            Action::NewConversation => self.forget.push(message.conversation()),
            other => self.deliver(permitted, message.chat.id.clone(), other),
        }
        Ok(())
    }

    fn send(&mut self, permitted: &Permitted, outgoing: Outgoing, now: UnixMillis) -> Result<(), String> {
        let message = permitted.message();
        let chat = match &outgoing.to {
            Some(to) if *to != message.chat.id => {
                allow(permitted.channel(), message, to)?;
                to.clone()
            }
            _ => message.chat.id.clone(),
        };
        if chat == message.chat.id && !outgoing.text.is_empty() {
            let turn = Turn { speaker: Speaker::Us, name: None, text: outgoing.text.clone(), at: now };
            self.turns.push((message.conversation(), turn));
        }
        for part in parts(outgoing, permitted.channel()) {
            self.deliver(permitted, chat.clone(), Action::Send(part));
        }
        Ok(())
    }

    fn deliver(&mut self, permitted: &Permitted, chat: String, action: Action) {
        let message = permitted.message();
        let own = chat == message.chat.id;
        self.deliveries.push(NewDelivery {
            channel: permitted.channel().name.clone(),
            account: permitted.channel().account.clone(),
            chat_kind: if own { message.chat.kind } else { ChatKind::Direct },
            thread: if own { message.chat.thread.clone() } else { None },
            chat,
            action,
            answers: own.then(|| message.id.clone()),
            armed: false,
            fingerprint: permitted.basis().as_str().to_owned(),
        });
    }
}

/// Whether the config lets an answer go to another chat.
fn allow(channel: &ChannelWiring, message: &Message, to: &str) -> Result<(), String> {
    if to == message.chat.id || channel.may_send_to.iter().any(|allowed| allowed == "*" || allowed == to) {
        Ok(())
    } else {
        Err("not sent: the chat is not the one being answered; add it to `may_send_to` of the channel".to_owned())
    }
}

/// The message that comes when a timer is due: of the same person in the same chat, with nothing in it but the name.
fn timer(message: &Message, name: &str) -> Message {
    Message {
        id: format!("timer-{name}"),
        content: Content::Timer(name.to_owned()),
        attachments: Vec::new(),
        mentions_me: true,
        quoted: None,
        ..message.clone()
    }
}

/// Cuts a text the provider would refuse. The first part answers and carries attachments, the last has the buttons.
fn parts(outgoing: Outgoing, channel: &ChannelWiring) -> Vec<Outgoing> {
    let texts = split_text(&outgoing.text, channel.abilities.text);
    if texts.len() <= 1 {
        return vec![outgoing];
    }
    let last = texts.len() - 1;
    let Outgoing { to, format, reply_to, attachments, buttons, extra, .. } = outgoing;
    let (mut reply_to, mut attachments, mut buttons) = (reply_to, attachments, buttons);
    texts
        .into_iter()
        .enumerate()
        .map(|(index, text)| Outgoing {
            to: to.clone(),
            text,
            format,
            reply_to: reply_to.take(),
            attachments: std::mem::take(&mut attachments),
            buttons: if index == last { std::mem::take(&mut buttons) } else { Vec::new() },
            extra: extra.clone(),
        })
        .collect()
}

//! A bot: its chats, their messages, and the updates it has not confirmed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::refusal::{Answer, Refusal};

/// A message somebody wrote, or the bot sent.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// As the Bot API shows it.
    pub(crate) shown: Value,
    pub(crate) by_bot: bool,
}

#[derive(Debug)]
pub(crate) struct Chat {
    /// As the Bot API shows it.
    pub(crate) shown: Value,
    pub(crate) messages: BTreeMap<i64, Stored>,
    pub(crate) threads: BTreeSet<i64>,
    /// The person blocked the bot.
    pub(crate) blocked: bool,
    last_message: i64,
}

impl Chat {
    pub(crate) fn is_private(&self) -> bool {
        self.shown["type"] == "private"
    }
    pub(crate) fn next_message(&mut self) -> i64 {
        self.last_message += 1;
        self.last_message
    }
    pub(crate) fn keep(&mut self, id: i64, shown: Value, by_bot: bool) {
        self.messages.insert(id, Stored { shown, by_bot });
    }
}

#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) path: String,
    pub(crate) bytes: Bytes,
}

#[derive(Debug)]
pub(crate) struct Bot {
    pub(crate) id: i64,
    pub(crate) chats: BTreeMap<i64, Chat>,
    pub(crate) files: HashMap<String, StoredFile>,
    /// Presses of buttons that nobody answered yet.
    pub(crate) presses: HashSet<String>,
    updates: VecDeque<Value>,
    last_update: i64,
    pressed: u64,
    polls: u64,
    open_poll: Option<u64>,
    /// The number of a poll that ended, and when, in microseconds.
    ended_poll: Option<(u64, u64)>,
    /// Wakes its polls, and nobody else's: with a thousand bots on one fake that would be what is measured.
    bell: watch::Sender<()>,
}

impl Bot {
    pub(crate) fn new(id: i64) -> Self {
        Self {
            id,
            chats: BTreeMap::new(),
            files: HashMap::new(),
            presses: HashSet::new(),
            updates: VecDeque::new(),
            // Telegram starts at an arbitrary number; 1 would hide mistakes.
            last_update: 1000,
            pressed: 0,
            polls: 0,
            open_poll: None,
            ended_poll: None,
            bell: watch::Sender::new(()),
        }
    }

    pub(crate) fn username(&self) -> String {
        format!("fake_{}_bot", self.id)
    }

    pub(crate) fn me(&self) -> Value {
        json!({
            "id": self.id, "is_bot": true, "first_name": format!("Fake {}", self.id), "username": self.username(),
            "can_join_groups": true, "can_read_all_group_messages": true, "supports_inline_queries": false,
        })
    }

    pub(crate) fn user(&self) -> Value {
        json!({
            "id": self.id, "is_bot": true, "first_name": format!("Fake {}", self.id), "username": self.username(),
        })
    }

    /// A chat the bot may write to: somebody wrote there first.
    pub(crate) fn chat(&mut self, id: i64) -> Answer<&mut Chat> {
        let chat = self.chats.get_mut(&id).ok_or_else(|| Refusal::bad_request("chat not found"))?;
        if chat.blocked {
            return Err(Refusal::new(403, "Forbidden: bot was blocked by the user"));
        }
        Ok(chat)
    }

    pub(crate) fn meet(&mut self, id: i64, shown: Value) -> &mut Chat {
        let new = |shown| Chat {
            shown,
            messages: BTreeMap::new(),
            threads: BTreeSet::new(),
            blocked: false,
            last_message: 0,
        };
        self.chats.entry(id).or_insert_with(|| new(shown))
    }

    /// Queues an update of one kind and gives its id.
    pub(crate) fn queue(&mut self, mut update: Value) -> i64 {
        let id = update["update_id"].as_i64().unwrap_or(self.last_update + 1);
        self.last_update = self.last_update.max(id);
        update["update_id"] = id.into();
        self.updates.push_back(update);
        self.bell.send_replace(());
        id
    }

    /// Confirms what lies before the offset; a negative one keeps that many of the newest.
    pub(crate) fn confirm(&mut self, offset: i64) {
        if offset < 0 {
            let keep = usize::try_from(-offset).unwrap_or(usize::MAX);
            self.updates.drain(..self.updates.len().saturating_sub(keep));
        } else {
            self.updates.retain(|update| update["update_id"].as_i64() >= Some(offset));
        }
    }

    /// What is not confirmed, oldest first. Kinds that were not asked for are gone.
    pub(crate) fn pending(&mut self, limit: usize, allowed: &[String]) -> Vec<Value> {
        self.updates.retain(|update| asked_for(update, allowed));
        self.updates.iter().take(limit).cloned().collect()
    }

    /// Forgets what was written in all chats; the numbers go on.
    pub(crate) fn forget_messages(&mut self) {
        self.chats.values_mut().for_each(|chat| chat.messages.clear());
    }

    pub(crate) fn unconfirmed(&self) -> Vec<Value> {
        self.updates.iter().cloned().collect()
    }

    pub(crate) fn next_press(&mut self) -> u64 {
        self.pressed += 1;
        self.pressed
    }

    /// Starts a poll, which ends any other. One that does not wait is never seen as open.
    pub(crate) fn poll_starts(&mut self, wait: i64) -> u64 {
        self.polls += 1;
        self.open_poll = Some(self.polls).filter(|_| wait > 0);
        self.bell.send_replace(());
        self.polls
    }
    /// Rings when there is something to look at for a poll.
    pub(crate) fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }
    pub(crate) fn poll_is_current(&self, number: u64) -> bool {
        self.polls == number
    }
    pub(crate) fn poll_ends(&mut self, number: u64, at_us: u64) {
        self.open_poll = self.open_poll.filter(|open| *open != number);
        self.ended_poll = Some((number, at_us));
    }
    /// How long nobody has polled, if the last poll has ended.
    pub(crate) fn idle_us(&self, at_us: u64) -> Option<u64> {
        let (_, ended) = self.ended_poll.filter(|(number, _)| *number == self.polls)?;
        Some(at_us.saturating_sub(ended))
    }
    pub(crate) fn is_polled(&self) -> bool {
        self.open_poll.is_some()
    }
}

/// Without a list, Telegram leaves out what changes in a chat's members and reactions.
fn asked_for(update: &Value, allowed: &[String]) -> bool {
    const NOT_BY_DEFAULT: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];
    let kinds = update.as_object().into_iter().flat_map(|fields| fields.keys());
    let mut kinds = kinds.map(String::as_str).filter(|kind| *kind != "update_id");
    kinds.all(|kind| match allowed {
        [] => !NOT_BY_DEFAULT.contains(&kind),
        allowed => allowed.iter().any(|a| a == kind),
    })
}

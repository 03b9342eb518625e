//! Order within a chat, chats side by side.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::net::{Line, Model, Telegram};

#[derive(Default)]
struct Chat {
    /// A task is answering; it ends when nothing waits any more.
    answering: bool,
    waiting: VecDeque<String>,
    said: VecDeque<Line>,
}

pub(crate) struct Chats {
    telegram: Telegram,
    model: Model,
    history: usize,
    chats: Mutex<HashMap<i64, Chat>>,
}

impl Chats {
    pub(crate) fn new(telegram: Telegram, model: Model, history: usize) -> Self {
        Self { telegram, model, history, chats: Mutex::default() }
    }

    pub(crate) fn take(self: &Arc<Self>, chat: i64, text: String) {
        let mut chats = self.chats();
        let entry = chats.entry(chat).or_default();
        entry.waiting.push_back(text);
        if !std::mem::replace(&mut entry.answering, true) {
            tokio::spawn(Arc::clone(self).answer_all(chat));
        }
    }

    async fn answer_all(self: Arc<Self>, chat: i64) {
        while let Some((text, said)) = self.next(chat) {
            if let Err(error) = self.answer(chat, text, said).await {
                eprintln!("a message of chat {chat} is lost: {error:#}");
            }
        }
    }

    /// What is to be answered now, and what was said before.
    fn next(&self, chat: i64) -> Option<(String, Vec<Line>)> {
        let mut chats = self.chats();
        let entry = chats.entry(chat).or_default();
        match entry.waiting.pop_front() {
            Some(text) => Some((text, entry.said.iter().cloned().collect())),
            None => {
                entry.answering = false;
                None
            }
        }
    }

    async fn answer(&self, chat: i64, text: String, said: Vec<Line>) -> anyhow::Result<()> {
        let answer = self.model.ask(&said, &text).await?;
        self.telegram.send(chat, &answer).await?;
        let mut chats = self.chats();
        let said = &mut chats.entry(chat).or_default().said;
        said.extend([Line::user(text), Line::assistant(answer)]);
        let extra = said.len().saturating_sub(self.history);
        said.drain(..extra);
        Ok(())
    }

    fn chats(&self) -> MutexGuard<'_, HashMap<i64, Chat>> {
        self.chats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

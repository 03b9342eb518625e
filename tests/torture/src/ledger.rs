//! The ledger of the fake Telegram, read from its file as it grows: it is outside the process under test, and outlives
//! every kill.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

/// What the fake model puts before what it was told.
pub(crate) const ECHO: &str = "echo: ";

/// A chat and a text in it.
pub(crate) type Line = (i64, String);

pub(crate) struct Ledger {
    path: PathBuf,
    read: u64,
    /// The number of every message that came into a chat with this text.
    copies: HashMap<Line, Vec<i64>>,
    /// Messages altogether.
    pub(crate) count: usize,
}

impl Ledger {
    pub(crate) fn open(path: PathBuf) -> Self {
        Self { path, read: 0, copies: HashMap::new(), count: 0 }
    }

    /// Reads what was added since.
    pub(crate) fn catch_up(&mut self) {
        let mut file = File::open(&self.path).expect("the ledger is there");
        file.seek(SeekFrom::Start(self.read)).expect("the ledger only grows");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("the ledger is text");
        // Half a line is read next time.
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        self.read += whole as u64;
        for line in text[..whole].lines() {
            self.note(&serde_json::from_str(line).expect("a ledger has a JSON value a line"));
        }
    }

    fn note(&mut self, entry: &Value) {
        let sent = entry["method"].as_str().is_some_and(|method| method.eq_ignore_ascii_case("sendMessage"));
        if let (true, Some(chat), Some(text), Some(id)) =
            (sent, entry["chat"].as_i64(), entry["text"].as_str(), entry["message_id"].as_i64())
        {
            self.copies.entry((chat, text.to_owned())).or_default().push(id);
            self.count += 1;
        }
    }

    pub(crate) fn copies(&self, line: &Line) -> &[i64] {
        self.copies.get(line).map_or(&[], Vec::as_slice)
    }
}

//! What was asked and how it ended: in memory, and line by line in a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::fake::{Fake, now_ms};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// Still being answered.
    Open,
    /// Answered to the end, if only with an error.
    Completed,
    /// The client went away first.
    Cancelled,
    /// The connection was broken on purpose.
    Cut,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    number: u64,
    /// When it came.
    time_ms: u64,
    ended_ms: Option<u64>,
    model: Value,
    messages: Value,
    tools: Value,
    stream: Value,
    /// What was answered; 0 as long as nothing was.
    status: u16,
    fault: Option<&'static str>,
    pub(crate) outcome: Outcome,
}

#[derive(Default)]
struct Book {
    numbered: u64,
    entries: Vec<Entry>,
    file: Option<File>,
}

pub(crate) struct Ledger {
    book: Mutex<Book>,
    changes: watch::Sender<()>,
}

impl Ledger {
    pub(crate) fn in_memory() -> Self {
        Self { book: Mutex::default(), changes: watch::Sender::new(()) }
    }

    pub(crate) fn appending(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let ledger = Self::in_memory();
        ledger.book.lock().file = Some(file);
        Ok(ledger)
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.book.lock().entries.clone()
    }

    pub(crate) fn clear(&self) {
        self.book.lock().entries.clear();
        self.changes.send_replace(());
    }

    /// Told whenever an entry came or changed.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn open(&self, body: &Value) -> Entry {
        let mut book = self.book.lock();
        book.numbered += 1;
        let entry = Entry {
            number: book.numbered,
            time_ms: now_ms(),
            ended_ms: None,
            model: body["model"].clone(),
            messages: body["messages"].clone(),
            tools: body["tools"].clone(),
            stream: body["stream"].clone(),
            status: 0,
            fault: None,
            outcome: Outcome::Open,
        };
        book.entries.push(entry.clone());
        drop(book);
        self.changes.send_replace(());
        entry
    }

    /// Writes down what an entry has become. One that was cleared meanwhile stays out of memory.
    fn update(&self, entry: &Entry) {
        let mut book = self.book.lock();
        // From the end, where what is still being answered lies.
        if let Some(known) = book.entries.iter_mut().rfind(|known| known.number == entry.number) {
            known.clone_from(entry);
        }
        if entry.outcome != Outcome::Open
            && let Some(file) = &mut book.file
        {
            append(file, entry).expect("the ledger file can be written");
        }
        drop(book);
        self.changes.send_replace(());
    }
}

/// One write a line, so that a reader never sees half of one.
fn append(file: &mut File, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.flush()
}

/// A request's entry while it is being answered. Dropped before its end, the client has gone away.
pub(crate) struct Record {
    fake: Arc<Fake>,
    entry: Entry,
}

impl Record {
    pub(crate) fn open(fake: &Arc<Fake>, body: &Value) -> Self {
        Self { fake: Arc::clone(fake), entry: fake.ledger.open(body) }
    }

    pub(crate) fn met(&mut self, fault: &'static str) {
        self.entry.fault = Some(fault);
        self.fake.ledger.update(&self.entry);
    }

    pub(crate) fn answers(&mut self, status: u16) {
        self.entry.status = status;
        self.fake.ledger.update(&self.entry);
    }

    pub(crate) fn end(&mut self, outcome: Outcome) {
        if self.entry.outcome == Outcome::Open {
            self.entry.outcome = outcome;
            self.entry.ended_ms = Some(now_ms());
            self.fake.ledger.update(&self.entry);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled);
    }
}

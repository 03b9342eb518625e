//! The transaction that several writes share, and what is undone where one of them fails.

use rusqlite::{CachedStatement, Connection, Params};

use crate::error::StoreError;
use crate::memory::{Effect, Memory};

/// What is undone where a write fails half-way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undo {
    /// Its own changes, whatever the others of the transaction did. SQLite copies every page that it touches for that,
    /// which is a good part of what a small write costs.
    Write,
    /// The transaction: for a write that looks before it changes anything, so that what fails afterwards is the disk. Its
    /// refusal, with nothing changed, is its own.
    Transaction,
}

/// The transaction that several writes share.
pub(crate) struct Batch<'a> {
    conn: &'a Connection,
    effects: Vec<Effect>,
    pub(crate) memory: &'a Memory,
    /// Why the transaction as a whole is lost.
    broken: Option<StoreError>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(conn: &'a Connection, memory: &'a Memory) -> Self {
        Self { conn, effects: Vec::new(), memory, broken: None }
    }
    /// The transaction as a whole is not to be kept.
    pub(super) fn spoil(&mut self, why: StoreError) {
        self.broken = Some(why);
    }
    /// Why the transaction as a whole is lost, where it is.
    pub(super) fn take_broken(&mut self) -> Option<StoreError> {
        self.broken.take()
    }
    pub(super) fn into_effects(self) -> Vec<Effect> {
        self.effects
    }
    pub(crate) fn conn(&self) -> &'a Connection {
        self.conn
    }
    pub(crate) fn sql(&self, sql: &str) -> Result<CachedStatement<'a>, StoreError> {
        Ok(self.conn.prepare_cached(sql)?)
    }
    pub(crate) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        Ok(self.sql(sql)?.execute(params)?)
    }
    /// What memory must learn once the commit is on disk.
    pub(crate) fn note(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
    pub(crate) fn effects(&self) -> &[Effect] {
        &self.effects
    }
    /// Runs one write so that it happens as a whole or not at all.
    pub(crate) fn run<T>(
        &mut self,
        undo: Undo,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match undo {
            Undo::Write => self.whole(work),
            Undo::Transaction => self.looking_first(work),
        }
    }
    fn looking_first<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let (noted, changes) = (self.effects.len(), self.conn.total_changes());
        let result = work(self);
        if let Err(error) = &result {
            self.effects.truncate(noted);
            // A full disk, for one, may have rolled the transaction back by itself.
            if self.conn.total_changes() != changes || self.conn.is_autocommit() {
                self.broken = Some(error.clone());
            }
        }
        result
    }
    fn whole<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let noted = self.effects.len();
        let result = self.execute("SAVEPOINT op", []).and_then(|_| work(self));
        let closed = match &result {
            Ok(_) => self.execute("RELEASE op", []),
            Err(_) => self.execute("ROLLBACK TO op", []).and_then(|_| self.execute("RELEASE op", [])),
        };
        if let Err(error) = closed.map_err(|closing| result.as_ref().err().cloned().unwrap_or(closing)) {
            // A full disk, for one, rolls the whole transaction back, and the savepoint with it.
            self.effects.truncate(noted);
            self.broken = Some(error.clone());
            return Err(error);
        }
        if result.is_err() {
            self.effects.truncate(noted);
        }
        result
    }
}

//! What happened, in memory and in a file that outlives a kill.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde_json::{Value, json};

pub(crate) struct Ledger {
    file: Option<File>,
    entries: Vec<Value>,
}

/// Which entries are meant: every field that is given has to be so.
#[derive(Debug, Default, Clone, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Filter {
    pub(crate) event: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) text: Option<String>,
    /// Only entries after the first so many.
    pub(crate) after: usize,
}

impl Filter {
    fn takes(&self, entry: &Value) -> bool {
        let is = |name: &str, wanted: &Option<String>| wanted.as_ref().is_none_or(|w| entry[name] == w.as_str());
        is("event", &self.event) && is("account", &self.account) && is("id", &self.id) && is("text", &self.text)
    }
}

impl Ledger {
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.with_context(|| format!("the ledger {} can't be written", path.display()))
        };
        Ok(Self { file: path.map(open).transpose()?, entries: Vec::new() })
    }

    /// Appends an entry: `event`, the time, and what belongs to it. Written with one call, so that a kill leaves whole
    /// lines; the page cache outlives the process.
    pub(crate) fn add(&mut self, event: &str, mut entry: Value) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        entry["event"] = event.into();
        entry["at_us"] = (since.as_micros() as u64).into();
        if let Some(file) = &mut self.file {
            // A ledger that can't be written proves nothing any more: better to fall over than to go on.
            file.write_all(format!("{entry}\n").as_bytes()).expect("the ledger can be written");
        }
        self.entries.push(entry);
    }

    /// Something the real server, or a real phone, would have refused.
    pub(crate) fn violation(&mut self, account: Option<&str>, what: impl std::fmt::Display) {
        self.add("violation", json!({ "account": account, "what": what.to_string() }));
    }

    pub(crate) fn find(&self, filter: &Filter) -> Vec<&Value> {
        self.entries.iter().skip(filter.after).filter(|entry| filter.takes(entry)).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// Forgets the entries; the file keeps its lines.
    pub(crate) fn forget(&mut self) {
        self.entries.clear();
    }
}

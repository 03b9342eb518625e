//! The difference of two configs, as steps. Pure: nothing is started or stopped here.

use std::fmt;

use serde::Serialize;

use crate::config::Config;

/// What is done about one thing that the config names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    Keep,
    /// Settings, people or wiring change in place; no socket is touched.
    Update,
    /// Another version of a plugin's code takes over.
    Swap,
    /// The channel's connection is made anew.
    Restart,
    Add,
    Remove,
    /// Takes effect only when the host is started again.
    NextStart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Host,
    Plugin,
    Group,
    Model,
    Route,
    Channel,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Plugin => "plugin",
            Self::Group => "group",
            Self::Model => "model",
            Self::Route => "route",
            Self::Channel => "channel",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub subject: Subject,
    pub name: String,
    pub step: Step,
    /// For a person: what changed.
    pub reason: String,
}

/// One entry for each thing that either config names, in the order of [`Subject`] and name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub changes: Vec<Change>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|c| c.step == Step::Keep)
    }
    pub fn step(&self, subject: Subject, name: &str) -> Step {
        self.changes.iter().find(|c| c.subject == subject && c.name == name).map_or(Step::Keep, |c| c.step)
    }
}

/// Startup is the first edit: `old` is then none, and every step is [`Step::Add`].
pub fn plan(_old: Option<&Config>, _new: &Config) -> Plan {
    Plan::default()
}

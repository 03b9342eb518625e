//! The difference of two configs, as steps. Pure: nothing is started or stopped here.

mod compare;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::config::{ChannelConfig, Config};

/// What is done about one thing that the config names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Host,
    Plugin,
    Group,
    Model,
    Route,
    Channel,
}

impl Display for Subject {
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub subject: Subject,
    /// Its name in the config; of the host, the key.
    pub name: String,
    pub step: Step,
    /// For a person: what changed. Empty for [`Step::Keep`].
    pub reason: String,
}

/// One entry for each thing that either config names, in the order of [`Subject`] and name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
///
/// A channel that does not run (`enabled = false`) is no part of the plan until it is enabled: that is when it is
/// added. What changes behind a channel (its route, a plugin, a group) shows at that thing and keeps the channel.
pub fn plan(old: Option<&Config>, new: &Config) -> Plan {
    let mut steps = Steps::default();
    steps.host(old, new);
    steps.section(Subject::Plugin, old.map(|c| &c.plugins), &new.plugins, |old, new| {
        let step = if old.description.digest == new.description.digest { Step::Update } else { Step::Swap };
        (step, compare::plugin(old, new))
    });
    steps.section(Subject::Group, old.map(|c| &c.groups), &new.groups, |old, new| {
        (Step::Update, compare::group(old, new))
    });
    steps.section(Subject::Model, old.map(|c| &c.models), &new.models, |old, new| {
        (Step::Update, compare::model(old, new))
    });
    steps.section(Subject::Route, old.map(|c| &c.routes), &new.routes, |old, new| {
        (Step::Update, compare::route(old, new))
    });
    steps.channels(old, new);
    Plan { changes: steps.0 }
}

#[derive(Default)]
struct Steps(Vec<Change>);

impl Steps {
    fn push(&mut self, subject: Subject, name: impl Display, step: Step, reason: impl Into<String>) {
        self.0.push(Change { subject, name: name.to_string(), step, reason: reason.into() });
    }

    /// What two versions of a thing differ in, as one entry.
    fn changed(&mut self, subject: Subject, name: impl Display, step: Step, differences: Vec<String>) {
        match differences.is_empty() {
            true => self.push(subject, name, Step::Keep, ""),
            false => self.push(subject, name, step, differences.join("; ")),
        }
    }

    fn host(&mut self, old: Option<&Config>, new: &Config) {
        let Some(old) = old else { return self.push(Subject::Host, "host", Step::Add, "new") };
        let (live, at_start) = compare::host(&old.host, &new.host);
        if live.is_empty() && at_start.is_empty() {
            return self.push(Subject::Host, "host", Step::Keep, "");
        }
        for (step, keys) in [(Step::Update, live), (Step::NextStart, at_start)] {
            for (key, difference) in keys {
                self.push(Subject::Host, key, step, difference);
            }
        }
    }

    fn section<N: Ord + Display, T>(
        &mut self,
        subject: Subject,
        old: Option<&BTreeMap<N, T>>,
        new: &BTreeMap<N, T>,
        compare: impl Fn(&T, &T) -> (Step, Vec<String>),
    ) {
        let empty = BTreeMap::new();
        let old = old.unwrap_or(&empty);
        for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) => {
                    let (step, differences) = compare(old, new);
                    self.changed(subject, name, step, differences);
                }
                (None, Some(_)) => self.push(subject, name, Step::Add, "new"),
                (Some(_), None) => self.push(subject, name, Step::Remove, "no longer in the config"),
                (None, None) => {}
            }
        }
    }

    fn channels(&mut self, old: Option<&Config>, new: &Config) {
        let empty = BTreeMap::new();
        let old = old.map_or(&empty, |config| &config.channels);
        for name in old.keys().chain(new.channels.keys()).collect::<BTreeSet<_>>() {
            let (before, after) = (old.get(name), new.channels.get(name));
            match (before.filter(|c| c.enabled), after.filter(|c| c.enabled)) {
                (Some(before), Some(after)) => {
                    let (step, differences) = channel(before, after);
                    self.changed(Subject::Channel, name, step, differences);
                }
                (None, Some(_)) => {
                    let reason = if before.is_some() { "enabled" } else { "new" };
                    self.push(Subject::Channel, name, Step::Add, reason);
                }
                (Some(_), None) => {
                    let reason = if after.is_some() { "disabled" } else { "no longer in the config" };
                    self.push(Subject::Channel, name, Step::Remove, reason);
                }
                // It ran neither before nor does it now: there is nothing to be done, whatever was edited.
                (None, None) => self.push(Subject::Channel, name, Step::Keep, ""),
            }
        }
    }
}

fn channel(old: &ChannelConfig, new: &ChannelConfig) -> (Step, Vec<String>) {
    let step = if old.identity == new.identity { Step::Update } else { Step::Restart };
    (step, compare::channel(old, new))
}

#[cfg(test)]
mod tests;

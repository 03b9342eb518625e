//! In what two versions of a thing differ, in words for a person. Values are named, never shown: they may be secret.

use std::collections::BTreeSet;
use std::fmt::Display;

use secrecy::{ExposeSecret, SecretString};
use switchhook_core::kind::KeyValue;
use switchhook_core::person::People;

use crate::config::{ChannelConfig, HostConfig, Listed, ModelConfig, PluginConfig, RouteConfig};

/// Collects what differs.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn changed<T: PartialEq + ?Sized>(&mut self, what: impl Display, old: &T, new: &T) {
        if old != new {
            self.0.push(format!("{what} changed"));
        }
    }

    /// For values short enough to be read.
    fn shown<T: PartialEq + Display>(&mut self, what: &str, old: &T, new: &T) {
        if old != new {
            self.0.push(format!("{what}: {old} → {new}"));
        }
    }

    fn counted(&mut self, what: &str, added: usize, removed: usize) {
        let counts = [(added, "added"), (removed, "removed")];
        let counts: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, how)| format!("{n} {how}")).collect();
        if !counts.is_empty() {
            self.0.push(format!("{what}: {}", counts.join(", ")));
        }
    }
}

/// How many of one are not in the other.
fn missing(from: &People, of: &People) -> usize {
    of.iter().filter(|id| !from.contains(id)).count()
}

type Keyed = Vec<(&'static str, String)>;

/// The keys that take effect at once, and those that do at the next start.
pub(crate) fn host(old: &HostConfig, new: &HostConfig) -> (Keyed, Keyed) {
    let differing = |keys: &[(&'static str, bool)], suffix: &str| -> Keyed {
        keys.iter().filter(|(_, same)| !same).map(|(key, _)| (*key, format!("{key} changed{suffix}"))).collect()
    };
    let live = [
        ("drain", old.drain == new.drain),
        ("link_attempts_per_hour", old.link_attempts_per_hour == new.link_attempts_per_hour),
        ("max_age", old.max_age == new.max_age),
        ("max_connections", old.max_connections == new.max_connections),
        ("time_zone", old.time_zone == new.time_zone),
    ];
    let at_start = [
        ("data_dir", old.data_dir == new.data_dir),
        ("durability", old.durability == new.durability),
        ("hosts", old.hosts == new.hosts),
        ("keys_dir", old.keys_dir == new.keys_dir),
        ("listen", old.listen == new.listen),
        ("log", old.log == new.log),
        ("master_key", old.master_key == new.master_key),
    ];
    (differing(&live, ""), differing(&at_start, "; restart the host to use it"))
}

pub(crate) fn plugin(old: &PluginConfig, new: &PluginConfig) -> Vec<String> {
    let mut found = Differences::default();
    let (before, after) = (&old.description, &new.description);
    if before.digest != after.digest {
        found.0.push(format!(
            "code changed: {} ({}) → {} ({})",
            before.version,
            before.digest.short(),
            after.version,
            after.digest.short()
        ));
    }
    found.shown("source", &old.source, &new.source);
    found.changed("settings", &old.settings, &new.settings);
    found.changed("limits", &old.limits, &new.limits);
    found.changed("on_failure", &old.on_failure, &new.on_failure);
    found.changed("grants", &old.grants, &new.grants);
    found.0
}

pub(crate) fn group(old: &People, new: &People) -> Vec<String> {
    let mut found = Differences::default();
    found.counted("members", missing(old, new), missing(new, old));
    found.0
}

pub(crate) fn model(old: &ModelConfig, new: &ModelConfig) -> Vec<String> {
    let mut found = Differences::default();
    found.shown("base_url", &old.base_url, &new.base_url);
    found.shown("model", &old.model, &new.model);
    found.changed("api_key", &exposed(old.api_key.as_ref()), &exposed(new.api_key.as_ref()));
    found.changed("fallback", &old.fallback, &new.fallback);
    found.changed("timeout", &old.timeout, &new.timeout);
    found.changed("total_timeout", &old.total_timeout, &new.total_timeout);
    found.shown("concurrency", &old.concurrency, &new.concurrency);
    found.shown("stream", &old.stream, &new.stream);
    found.0
}

fn exposed(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(|secret| secret.expose_secret())
}

pub(crate) fn route(old: &RouteConfig, new: &RouteConfig) -> Vec<String> {
    let mut found = Differences::default();
    found.changed("policies", &old.policies, &new.policies);
    found.changed("replies", &old.replies, &new.replies);
    found.changed("prompt", &old.prompt, &new.prompt);
    found.changed("model", &old.model, &new.model);
    found.changed("while_busy", &old.while_busy, &new.while_busy);
    found.0
}

/// What stands in the channel's own table: what changed behind a name shows where the name is defined.
pub(crate) fn channel(old: &ChannelConfig, new: &ChannelConfig) -> Vec<String> {
    let mut found = Differences::default();
    found.shown("kind", &old.kind, &new.kind);
    found.shown("account", &old.account, &new.account);
    connector(&mut found, old, new);
    found.shown("route", &old.route, &new.route);
    found.changed("routes", &old.routes, &new.routes);
    found.changed("open", &old.open, &new.open);
    allow_from(&mut found, old.listed.as_deref(), new.listed.as_deref());
    settings(&mut found, old, new);
    found.changed("may_send_to", &old.may_send_to, &new.may_send_to);
    found.changed("on_unknown", &old.on_unknown, &new.on_unknown);
    found.changed("send_limits", &old.send_limits, &new.send_limits);
    found.changed("per_minute", &old.per_minute, &new.per_minute);
    found.changed("daily_limit", &old.daily_limit, &new.daily_limit);
    found.changed("at_daily_limit", &old.at_daily_limit, &new.at_daily_limit);
    found.shown("max_reconnect_attempts", &old.max_reconnect_attempts, &new.max_reconnect_attempts);
    found.changed("denial_notice", &old.denial_notice, &new.denial_notice);
    found.0
}

fn allow_from(found: &mut Differences, old: Option<&Listed>, new: Option<&Listed>) {
    if old.is_some() != new.is_some() {
        found.0.push(format!("allow_from {}", if new.is_some() { "added" } else { "removed" }));
    } else if let (Some(old), Some(new)) = (old, new) {
        let added = missing(&old.people, &new.people) + new.groups.difference(&old.groups).count();
        let removed = missing(&new.people, &old.people) + old.groups.difference(&new.groups).count();
        found.counted("allow_from", added, removed);
    }
}

/// The keys of the kind, each by its name.
fn connector(found: &mut Differences, old: &ChannelConfig, new: &ChannelConfig) {
    let (before, after) = (&old.connector.values, &new.connector.values);
    for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let same = match (before.get(key), after.get(key)) {
            (Some(before), Some(after)) => same_value(before, after),
            (before, after) => before.is_none() && after.is_none(),
        };
        if !same {
            found.0.push(format!("{key} changed"));
        }
    }
}

fn same_value(old: &KeyValue, new: &KeyValue) -> bool {
    match (old, new) {
        (KeyValue::Text(old), KeyValue::Text(new)) => old == new,
        (KeyValue::Flag(old), KeyValue::Flag(new)) => old == new,
        (KeyValue::Number(old), KeyValue::Number(new)) => old == new,
        (KeyValue::Duration(old), KeyValue::Duration(new)) => old == new,
        (KeyValue::Secret(old), KeyValue::Secret(new)) => old.expose_secret() == new.expose_secret(),
        (KeyValue::Secrets(old), KeyValue::Secrets(new)) => {
            let exposed = |(name, secret): (&String, &SecretString)| (name.clone(), secret.expose_secret().to_owned());
            old.iter().map(exposed).eq(new.iter().map(exposed))
        }
        _ => false,
    }
}

/// What the channel lays over the settings of plugins.
fn settings(found: &mut Differences, old: &ChannelConfig, new: &ChannelConfig) {
    let (before, after) = (&old.overrides, &new.overrides);
    for plugin in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        if before.get(plugin) != after.get(plugin) {
            found.0.push(format!("settings of plugin `{plugin}` changed"));
        }
    }
}

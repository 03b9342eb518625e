//! `[channels.X]`: who is connected, who is let in, and whether what they reach fits together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use switchhook_core::catalogue::Description;
use switchhook_core::id::{AccountId, ChannelName, Digest, PluginName, RouteName};
use switchhook_core::kind::{ChannelSettings, ConnectorKind};
use switchhook_core::person::People;

use super::context::{Context, Declared, What};
use super::groups::{self, ALLOW_FROM, Groups};
use super::keys;
use super::kind_keys::{self, Keys};
use super::node::{Node, Table};
use super::plugins::Plugins;
use super::report::{Place, Report};
use super::routes::{ReadRoute, Routes};
use super::suggest;
use crate::config::{AtDailyLimit, ChannelConfig, Listed, OnUnknown, SendLimitsMode};

/// Failures in a row that are critical (C4).
const MAX_RECONNECT_ATTEMPTS: u32 = 5;

/// A channel as it was read: what its wiring is checked by is known even where its account is not.
pub(crate) struct ReadChannel<'t> {
    pub(crate) place: Place,
    route: Option<(RouteName, Place)>,
    routes: Vec<RouteName>,
    open: bool,
    allow_from: Option<AllowFrom>,
    /// What it lays over plugins' settings.
    pub(crate) overrides: Vec<(PluginName, Node<'t>)>,
    /// None where something was reported; its `settings` and `overrides` are filled in later.
    pub(crate) config: Option<ChannelConfig>,
}

struct AllowFrom {
    listed: Arc<Listed>,
    people: Arc<People>,
    place: Place,
}

pub(crate) type Channels<'t> = BTreeMap<ChannelName, ReadChannel<'t>>;

impl ReadChannel<'_> {
    /// The sound routes it can reach, its own first.
    fn reach<'r>(&'r self, routes: &'r Routes) -> impl Iterator<Item = &'r ReadRoute> {
        let own = self.route.as_ref().map(|(name, _)| name);
        let others = self.routes.iter().filter(move |name| Some(*name) != own);
        own.into_iter().chain(others).filter_map(|name| routes.get(name))
    }

    /// Every plugin of every route it can reach.
    pub(crate) fn plugins<'r>(&'r self, routes: &'r Routes) -> BTreeSet<&'r PluginName> {
        self.reach(routes).flat_map(plugins_of).collect()
    }

    /// Whether all it can reach was read without an error.
    pub(crate) fn is_whole(&self, routes: &Routes) -> bool {
        let count =
            1 + self.routes.iter().filter(|name| self.route.as_ref().is_none_or(|(own, _)| own != *name)).count();
        self.route.is_some() && self.reach(routes).filter(|route| route.whole).count() == count
    }
}

fn plugins_of(route: &ReadRoute) -> impl Iterator<Item = &PluginName> {
    route.config.policies.iter().chain(&route.config.replies).chain(&route.config.prompt)
}

pub(crate) fn read<'t>(cx: &mut Context<'_>, root: &Node<'t>, declared: &Declared, groups: &Groups) -> Channels<'t> {
    let mut channels = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    for (name, node) in cx.section::<ChannelName>(root, "channels") {
        let Some(channel) = channel(cx, &name, &node, declared, groups) else { continue };
        if let Some(config) = channel.config.as_ref().filter(|config| config.enabled) {
            refuse_shared(cx, &mut accounts, &name, &channel.place, &config.account);
        }
        channels.insert(name, channel);
    }
    channels
}

/// Two connections of one account would take each other's messages.
fn refuse_shared(
    cx: &mut Context<'_>,
    accounts: &mut BTreeMap<AccountId, ChannelName>,
    name: &ChannelName,
    place: &Place,
    account: &AccountId,
) {
    if let Some(first) = accounts.get(account) {
        let message = format!("the channels `{first}` and `{name}` serve the same account `{account}`");
        let help = "give each its own account, or set `enabled = false` on one of them";
        cx.report.add(place, message, Some(help.to_owned()));
    } else {
        accounts.insert(account.clone(), name.clone());
    }
}

fn channel<'t>(
    cx: &mut Context<'_>,
    name: &ChannelName,
    node: &Node<'t>,
    declared: &Declared,
    groups: &Groups,
) -> Option<ReadChannel<'t>> {
    if !node.value.is_table() {
        node.expected(&mut cx.report, "a table");
        return None;
    }
    let kind = kind(cx, node);
    if let Some(kind) = &kind {
        let known = keys::CHANNEL.iter().map(|key| key.name).chain(kind.spec().keys.iter().map(|key| key.name));
        node.refuse_unknown(&mut cx.report, known);
    }
    let table = Table::checked(node.clone(), keys::CHANNEL);
    let route = table.require(&mut cx.report, "route");
    let route = route.and_then(|node| Some((cx.reference(&node, What::Route, declared)?, node.place)));
    let routes = table.texts(&mut cx.report, "routes");
    let routes = routes.into_iter().filter_map(|(node, _)| cx.reference(&node, What::Route, declared)).collect();
    let prefix = kind.as_ref().map_or("unknown", |kind| kind.spec().id_prefix);
    let allow_from = table.get(ALLOW_FROM).map(|list| {
        let (listed, people) = groups::people(cx, &list, Some(prefix), declared, groups);
        AllowFrom { listed: Arc::new(listed), people: Arc::new(people), place: list.name_place() }
    });
    let mut channel = ReadChannel {
        place: node.name_place(),
        route,
        routes,
        open: table.flag(&mut cx.report, "open").unwrap_or(false),
        allow_from,
        overrides: overrides(cx, &table, declared),
        config: None,
    };
    channel.config = config(cx, name, &table, kind.as_deref(), &channel);
    Some(channel)
}

fn kind(cx: &mut Context<'_>, node: &Node<'_>) -> Option<Arc<dyn ConnectorKind>> {
    let table = Table::checked(node.clone(), keys::CHANNEL);
    let node = table.require(&mut cx.report, "kind")?;
    let text = node.text(&mut cx.report)?;
    let kind = cx.sources.kinds.get(text).cloned();
    if kind.is_none() {
        let why_not = cx.sources.kinds.why_not(text).map(str::to_owned);
        let help = why_not.or_else(|| suggest::help(text, cx.sources.kinds.names()));
        cx.report.add(&node.place, format!("this build has no channels of kind `{text}`"), help);
    }
    kind
}

fn overrides<'t>(cx: &mut Context<'_>, table: &Table<'t>, declared: &Declared) -> Vec<(PluginName, Node<'t>)> {
    let Some(node) = table.get("settings") else { return Vec::new() };
    if !node.value.is_table() {
        node.expected(&mut cx.report, "a table from plugins to settings, as in { assistant = { history = 50 } }");
    }
    let mut overrides = Vec::new();
    for (name, settings) in node.entries() {
        if !declared.names(What::Plugin).contains(name) {
            let help = suggest::help(name, declared.names(What::Plugin).iter().map(String::as_str));
            cx.report.add(&settings.name_place(), format!("there is no plugin `{name}`"), help);
        } else if !settings.value.is_table() {
            settings.expected(&mut cx.report, "a table");
        } else {
            overrides.extend(name.parse().ok().map(|name| (name, settings)));
        }
    }
    overrides
}

/// The channel itself; none where something was reported.
fn config(
    cx: &mut Context<'_>,
    name: &ChannelName,
    table: &Table<'_>,
    kind: Option<&dyn ConnectorKind>,
    read: &ReadChannel<'_>,
) -> Option<ChannelConfig> {
    let report = &mut cx.report;
    let enabled = table.flag(report, "enabled").unwrap_or(true);
    let on_unknown = table.choice(report, "on_unknown").unwrap_or(OnUnknown::Resend);
    let send_limits = table.choice(report, "send_limits").unwrap_or(SendLimitsMode::Vendor);
    let count = |report: &mut Report, key| table.number(report, key).and_then(|number| u32::try_from(number).ok());
    let (per_minute, daily_limit) = (count(report, "per_minute"), count(report, "daily_limit"));
    let at_daily_limit = table.choice(report, "at_daily_limit").unwrap_or(AtDailyLimit::Queue);
    let max_reconnect_attempts = count(report, "max_reconnect_attempts").unwrap_or(MAX_RECONNECT_ATTEMPTS);
    let denial_notice = table.flag(report, "denial_notice").unwrap_or(false);
    let may_send_to = table.texts(report, "may_send_to").into_iter().map(|(_, chat)| chat.to_owned()).collect();
    let (account, connector, identity, tuning) = connector(cx, name, table, kind?)?;
    Some(ChannelConfig {
        kind: kind?.spec().kind.to_owned(),
        enabled,
        account,
        route: read.route.as_ref()?.0.clone(),
        routes: read.routes.clone(),
        open: read.open,
        allow_from: read.allow_from.as_ref().map(|from| from.people.clone()),
        listed: read.allow_from.as_ref().map(|from| from.listed.clone()),
        settings: BTreeMap::new(),
        overrides: BTreeMap::new(),
        may_send_to,
        on_unknown,
        send_limits,
        per_minute,
        daily_limit,
        at_daily_limit,
        max_reconnect_attempts,
        denial_notice,
        connector,
        identity,
        tuning,
    })
}

/// What the channel's kind makes of its keys.
fn connector(
    cx: &mut Context<'_>,
    name: &ChannelName,
    table: &Table<'_>,
    kind: &dyn ConnectorKind,
) -> Option<(AccountId, ChannelSettings, Digest, Digest)> {
    let spec = kind.spec();
    let values = kind_keys::read(cx, &table.node, spec)?;
    let settings = ChannelSettings { name: name.clone(), values };
    match kind.account(&settings) {
        Ok(account) => {
            let also = [("kind", spec.kind), ("account", account.as_str())];
            let identity = kind_keys::digest(spec, &settings.values, Keys::Identity, &also);
            let tuning = kind_keys::digest(spec, &settings.values, Keys::Tuning, &[]);
            Some((account, settings, identity, tuning))
        }
        Err(error) => {
            let place = table.node.get(error.key).map_or_else(|| table.node.name_place(), |node| node.place);
            cx.report.add(&place, error.to_string(), None);
            None
        }
    }
}

/// Checks every channel against the routes it can reach, and what their plugins ask for.
pub(crate) fn check_wiring(
    cx: &mut Context<'_>,
    channels: &Channels<'_>,
    routes: &Routes,
    plugins: &Plugins<'_>,
    declared: &Declared,
) {
    for (name, channel) in channels {
        refuse_open_door(cx, name, channel, routes);
        refuse_unasked(cx, channel, routes, plugins);
        for plugin in channel.plugins(routes) {
            let Some(read) = plugins.get(plugin) else { continue };
            let Some(config) = &read.config else { continue };
            check_groups(cx, channel, plugin, (&config.description, &read.source_place), declared);
        }
        refuse_unreached(cx, channel, routes);
    }
}

fn refuse_open_door(cx: &mut Context<'_>, name: &ChannelName, channel: &ReadChannel<'_>, routes: &Routes) {
    let Some((route, place)) = &channel.route else { return };
    let Some(read) = routes.get(route).filter(|read| read.whole) else { return };
    if read.config.policies.is_empty() && !channel.open {
        let message = format!("`{name}` would let everybody in: its route `{route}` has no policies");
        let help =
            format!("give `[routes.{route}]` a policy, as in `policies = [\"allowlist\"]`, or say `open = true` here");
        cx.report.add(place, message, Some(help));
    }
}

/// A list of people that no policy looks at keeps nobody out.
fn refuse_unasked(cx: &mut Context<'_>, channel: &ReadChannel<'_>, routes: &Routes, plugins: &Plugins<'_>) {
    let Some(AllowFrom { place, .. }) = channel.allow_from.as_ref().filter(|_| channel.is_whole(routes)) else {
        return;
    };
    let policies = channel.reach(routes).flat_map(|route| &route.config.policies);
    let mut described = policies.map(|name| plugins.get(name).and_then(|read| read.config.as_ref()));
    let asks = |description: &Description| description.groups.iter().any(|group| group.as_str() == ALLOW_FROM);
    if described.all(|config| config.is_some_and(|config| !asks(&config.description))) {
        let help = "add a policy that does, such as `allowlist`, to the route, or leave `allow_from` out";
        let message = "`allow_from` keeps nobody out here: no policy of this channel's routes asks for it";
        cx.report.add(place, message, Some(help.to_owned()));
    }
}

fn check_groups(
    cx: &mut Context<'_>,
    channel: &ReadChannel<'_>,
    plugin: &PluginName,
    (description, source): (&Description, &Place),
    declared: &Declared,
) {
    for group in &description.groups {
        if group.as_str() == ALLOW_FROM {
            if channel.allow_from.is_none() {
                let message = format!("the plugin `{plugin}` asks who is in `allow_from`, and this channel has none");
                let help = "add `allow_from = [\"…\"]`; an empty list means nobody";
                cx.report.add(&channel.place, message, Some(help.to_owned()));
            }
        } else if !declared.names(What::Group).contains(group.as_str()) {
            let message = format!("the plugin `{plugin}` asks who is in the group `{group}`, which is not defined");
            let help = format!("add `[groups.{group}]` with `members = […]`; an empty list means nobody");
            cx.report.add(source, message, Some(help));
        }
    }
}

fn refuse_unreached(cx: &mut Context<'_>, channel: &ReadChannel<'_>, routes: &Routes) {
    if !channel.is_whole(routes) {
        return;
    }
    let reached = channel.plugins(routes);
    for (name, node) in &channel.overrides {
        if !reached.contains(name) {
            let help = suggest::help(name.as_str(), reached.iter().map(|name| name.as_str()));
            cx.report.add(&node.name_place(), format!("no route of this channel uses the plugin `{name}`"), help);
        }
    }
}

//! `[host]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use switchhook_core::zone::Zone;

use super::context::Context;
use super::keys;
use super::node::{Node, Table};
use super::secret::{self, Reference};
use super::suggest;
use crate::config::{Durability, HostConfig, LogFormat, MasterKeySource};

/// Loopback, so that nothing is open to others unless somebody says so.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 18789);
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
const DRAIN: Duration = Duration::from_secs(20);
const LINK_ATTEMPTS_PER_HOUR: u32 = 5;

/// None only where something was reported.
pub(crate) fn read(cx: &mut Context<'_>, node: Option<Node<'_>>) -> Option<HostConfig> {
    let mut host = HostConfig {
        data_dir: cx.path("data"),
        keys_dir: cx.path("keys"),
        master_key: None,
        listen: LISTEN,
        hosts: Vec::new(),
        durability: Durability::Power,
        max_age: MAX_AGE,
        time_zone: Zone::default(),
        link_attempts_per_hour: LINK_ATTEMPTS_PER_HOUR,
        max_connections: None,
        log: LogFormat::Pretty,
        drain: DRAIN,
    };
    let Some(node) = node else { return Some(host) };
    let table = node.table(&mut cx.report, keys::HOST)?;
    if let Some(text) = table.text(&mut cx.report, "data_dir") {
        host.data_dir = cx.path(text);
    }
    if let Some(text) = table.text(&mut cx.report, "keys_dir") {
        host.keys_dir = cx.path(text);
    }
    keep_keys_apart(cx, &table, &host);
    host.master_key = table.get("master_key").and_then(|node| master_key(cx, &node));
    host.listen = listen(cx, &table).unwrap_or(LISTEN);
    host.hosts = table.texts(&mut cx.report, "hosts").into_iter().map(|(_, name)| name.to_owned()).collect();
    host.time_zone = time_zone(cx, &table).unwrap_or(host.time_zone);
    let report = &mut cx.report;
    host.durability = table.choice(report, "durability").unwrap_or(host.durability);
    host.max_age = table.duration(report, "max_age").unwrap_or(MAX_AGE);
    let attempts = table.number(report, "link_attempts_per_hour").and_then(|n| n.try_into().ok());
    host.link_attempts_per_hour = attempts.unwrap_or(LINK_ATTEMPTS_PER_HOUR);
    host.max_connections = table.number(report, "max_connections").and_then(|n| n.try_into().ok());
    host.log = table.choice(report, "log").unwrap_or(host.log);
    host.drain = table.duration(report, "drain").unwrap_or(DRAIN);
    Some(host)
}

/// A copy of the data must not hold what opens it.
fn keep_keys_apart(cx: &mut Context<'_>, table: &Table<'_>, host: &HostConfig) {
    if host.keys_dir.starts_with(&host.data_dir)
        && let Some(node) = table.get("keys_dir").or_else(|| table.get("data_dir"))
    {
        let message = "`keys_dir` lies inside `data_dir`: a copy of the data would hold its key";
        cx.report.add(&node.place, message, Some("give `keys_dir` a folder of its own".to_owned()));
    }
}

/// A variable must be set; a file may still have to be made on the first run.
fn master_key(cx: &mut Context<'_>, node: &Node<'_>) -> Option<MasterKeySource> {
    match secret::reference(cx, node)? {
        Reference::Env(name, _) => secret::read(cx, node).map(|_| MasterKeySource::Env(name)),
        Reference::File(path, _) => Some(MasterKeySource::File(path)),
    }
}

fn listen(cx: &mut Context<'_>, table: &Table<'_>) -> Option<SocketAddr> {
    let node = table.get("listen")?;
    let text = node.text(&mut cx.report)?;
    let address = text.parse().ok();
    if address.is_none() {
        let help = "write an address and a port, as in \"127.0.0.1:18789\" or \"[::1]:18789\"";
        cx.report.add(&node.place, format!("\"{text}\" is nothing to listen on"), Some(help.to_owned()));
    }
    address
}

fn time_zone(cx: &mut Context<'_>, table: &Table<'_>) -> Option<Zone> {
    let node = table.get("time_zone")?;
    let text = node.text(&mut cx.report)?;
    let zone = Zone::named(text);
    if zone.is_none() {
        let names = Zone::names();
        let help = suggest::help(text, names.iter().map(String::as_str)).or_else(|| same_city(text, &names));
        let help = help.unwrap_or_else(|| "write a name of the IANA database, as in \"Europe/Berlin\"".to_owned());
        cx.report.add(&node.place, format!("there is no time zone \"{text}\""), Some(help));
    }
    zone
}

/// People know their city, and not always what it stands under.
fn same_city(text: &str, names: &[String]) -> Option<String> {
    let city = |name: &str| name.rsplit('/').next().map(|city| city.replace('_', " ").to_lowercase());
    let name = names.iter().find(|name| city(name) == city(text))?;
    Some(format!("did you mean `{name}`?"))
}

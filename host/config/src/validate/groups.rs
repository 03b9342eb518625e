//! `[groups.X]`, and lists of people in general.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use switchhook_core::id::GroupName;
use switchhook_core::person::{Member, People, PersonId};

use super::context::{Context, Declared, What};
use super::keys;
use super::node::Node;
use super::report::Place;
use crate::config::Listed;

pub(crate) type Groups = BTreeMap<GroupName, Arc<People>>;

/// The name of every channel's own group.
pub(crate) const ALLOW_FROM: &str = "allow_from";

/// A list of people as it stands in the file.
#[derive(Default)]
struct Members {
    people: Vec<PersonId>,
    groups: Vec<(GroupName, Place)>,
}

pub(crate) fn read(cx: &mut Context<'_>, root: &Node<'_>, declared: &Declared) -> Groups {
    let mut written = BTreeMap::new();
    for (name, node) in cx.section::<GroupName>(root, "groups") {
        if name.as_str() == ALLOW_FROM {
            let help = format!("give it another name; a channel's own people are its key `{ALLOW_FROM}`");
            cx.report.add(&node.name_place(), format!("every channel has its own group `{ALLOW_FROM}`"), Some(help));
        }
        let table = node.table(&mut cx.report, keys::GROUP);
        let list = table.and_then(|table| table.require(&mut cx.report, "members"));
        let members = list.map_or_else(Members::default, |list| members(cx, &list, None, declared));
        written.insert(name, members);
    }
    refuse_cycles(cx, &written);
    let names: Vec<GroupName> = written.keys().cloned().collect();
    names.into_iter().map(|name| (name.clone(), Arc::new(flatten(&written, &name)))).collect()
}

/// The people of a channel's list, as written and with groups resolved.
pub(crate) fn people(
    cx: &mut Context<'_>,
    list: &Node<'_>,
    bare_prefix: Option<&str>,
    declared: &Declared,
    groups: &Groups,
) -> (Listed, People) {
    let members = members(cx, list, bare_prefix, declared);
    let nested = members.groups.iter().filter_map(|(name, _)| groups.get(name)).flat_map(|group| group.iter());
    let resolved = members.people.iter().chain(nested).cloned().collect();
    let groups = members.groups.iter().map(|(name, _)| name.clone()).collect();
    (Listed { people: members.people.into_iter().collect(), groups }, resolved)
}

fn members(cx: &mut Context<'_>, list: &Node<'_>, bare_prefix: Option<&str>, declared: &Declared) -> Members {
    let mut members = Members::default();
    for (node, text) in list.texts(&mut cx.report) {
        match Member::parse(text, bare_prefix) {
            Ok(Member::Person(person)) => members.people.push(person),
            Ok(Member::Group(group)) if declared.names(What::Group).contains(group.as_str()) => {
                members.groups.push((group, node.place));
            }
            Ok(Member::Group(group)) => {
                let known = declared.names(What::Group).iter().map(String::as_str);
                let help = super::suggest::help(group.as_str(), known)
                    .unwrap_or_else(|| format!("add `[groups.{group}]` with `members = [\"tg:12345\"]`"));
                cx.report.add(&node.place, format!("there is no group `{group}`"), Some(help));
            }
            Err(error) => cx.report.add(&node.place, error.to_string(), None),
        }
    }
    members
}

/// Everybody of a group and of the groups in it, each group once.
fn flatten(written: &BTreeMap<GroupName, Members>, name: &GroupName) -> People {
    let mut seen = HashSet::from([name]);
    let mut open = vec![name];
    let mut people = Vec::new();
    while let Some(members) = open.pop().and_then(|name| written.get(name)) {
        people.extend(members.people.iter().cloned());
        open.extend(members.groups.iter().map(|(name, _)| name).filter(|name| seen.insert(*name)));
    }
    people.into_iter().collect()
}

fn refuse_cycles(cx: &mut Context<'_>, written: &BTreeMap<GroupName, Members>) {
    let next = |name: &GroupName| written.get(name).map_or(&[][..], |members| members.groups.as_slice());
    for (path, place) in cycles(written.keys(), next) {
        let help = Some("leave one of them out".to_owned());
        cx.report.add(&place, format!("the group `{}` contains itself: {}", path[0], path.join(" → ")), help);
    }
}

/// The cycles of a graph, each once: the names along it, and where its last step stands. Iterative, since the depth is
/// whatever somebody wrote.
pub(crate) fn cycles<'n, N: Ord + ToString + 'n>(
    names: impl Iterator<Item = &'n N>,
    next: impl Fn(&'n N) -> &'n [(N, Place)],
) -> Vec<(Vec<String>, Place)> {
    let mut done = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    for start in names {
        // Each entry: a name on the path, and how many of its steps were tried.
        let mut path: Vec<(&'n N, usize)> = if done.contains(start) { Vec::new() } else { vec![(start, 0)] };
        while let Some((name, tried)) = path.last_mut() {
            let (current, step) = (*name, next(name).get(*tried));
            *tried += 1;
            let Some((target, place)) = step else {
                done.insert(current);
                path.pop();
                continue;
            };
            if let Some(first) = path.iter().position(|(name, _)| *name == target) {
                let around = path[first..].iter().map(|(name, _)| *name).chain([target]);
                found.push((around.map(ToString::to_string).collect(), place.clone()));
            } else if !done.contains(target) {
                path.push((target, 0));
            }
        }
    }
    found
}

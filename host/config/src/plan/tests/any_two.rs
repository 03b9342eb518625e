//! Any two configs: what the plan says of each thing is worked out without it, too.

use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::*;
use switchhook_core::id::Digest;

use crate::fakes::World;
use crate::{Config, Plan, Step, Subject, plan};

/// A config in a few numbers; what may be missing is an option.
#[derive(Debug, Clone)]
struct Sketch {
    /// Which version of the assistant lies on disk.
    code: u8,
    history: u8,
    groups: [Option<u8>; 2],
    models: [Option<u8>; 2],
    replies: u8,
    channels: [Option<Channel>; 3],
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Channel {
    token: u8,
    enabled: bool,
    people: u8,
    route: &'static str,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let few = || 0..3u8;
    let maybe = || [prop::option::of(few()), prop::option::of(few())];
    let route = prop::sample::select(vec!["quiet", "chatty"]);
    let channel = (few(), prop::bool::weighted(0.8), few(), route)
        .prop_map(|(token, enabled, people, route)| Channel { token, enabled, people, route });
    let channels = [0, 1, 2].map(|_| prop::option::weighted(0.7, channel.clone()));
    (0..2u8, few(), maybe(), maybe(), 0..2u8, channels).prop_map(
        |(code, history, groups, models, replies, channels)| Sketch {
            code,
            history,
            groups,
            models,
            replies,
            channels,
        },
    )
}

fn people(count: u8) -> String {
    (0..count).map(|n| format!("\"tg:{n}\", ")).collect()
}

impl Sketch {
    fn text(&self) -> String {
        let mut text = format!(
            "[plugins.assistant]\nsource = \"builtin:assistant\"\nsettings = {{ history = {} }}\n\
             [models.main]\nbase_url = \"http://127.0.0.1:1/v1\"\nmodel = \"m\"\n\
             [routes.quiet]\npolicies = [\"allowlist\"]\nprompt = \"assistant\"\nmodel = \"main\"\n\
             [routes.chatty]\npolicies = [\"allowlist\"]\nreplies = [{}]\n",
            self.history,
            ["", "\"commands\""][self.replies as usize],
        );
        for (n, count) in self.groups.iter().enumerate().filter_map(|(n, group)| Some((n, (*group)?))) {
            let _ = write!(text, "[groups.g{n}]\nmembers = [{}]\n", people(count));
        }
        for (n, model) in self.models.iter().enumerate().filter_map(|(n, model)| Some((n, (*model)?))) {
            let _ = write!(text, "[models.m{n}]\nbase_url = \"http://127.0.0.1:1/v1\"\nmodel = \"m{model}\"\n");
        }
        for (n, channel) in self.channels.iter().enumerate().filter_map(|(n, channel)| Some((n, channel.as_ref()?))) {
            let Channel { token, enabled, people: count, route } = channel;
            let _ = write!(
                text,
                "[channels.c{n}]\nkind = \"telegram\"\ntoken = {{ env = \"T{n}{token}\" }}\nroute = \"{route}\"\n\
                 enabled = {enabled}\nallow_from = [{}]\n",
                people(*count),
            );
        }
        text
    }

    fn config(&self) -> Config {
        let mut world = World::new();
        for (n, token) in (0..3).flat_map(|n| (0..3).map(move |token| (n, token))) {
            world.secrets.set(&format!("T{n}{token}"), &format!("{n}{token}:secret"));
        }
        world.catalogue.edit("builtin:assistant", |d| d.digest = Digest::from_hex(self.code.to_string().repeat(64)));
        world.config(&self.text())
    }
}

/// What a thing that may be in either config goes through.
fn step<T: PartialEq>(old: Option<&T>, new: Option<&T>, changed: impl Fn(&T, &T) -> Step) -> Step {
    match (old, new) {
        (Some(old), Some(new)) if old == new => Step::Keep,
        (Some(old), Some(new)) => changed(old, new),
        (None, Some(_)) => Step::Add,
        (Some(_), None) => Step::Remove,
        (None, None) => Step::Keep,
    }
}

/// Everything that is not kept.
type Steps = BTreeMap<(Subject, String), Step>;

fn expected(old: &Sketch, new: &Sketch) -> Steps {
    let mut steps = Steps::new();
    let mut add = |subject, name: String, step| {
        if step != Step::Keep {
            steps.insert((subject, name), step);
        }
    };
    let update = |_: &u8, _: &u8| Step::Update;
    let assistant =
        if old.code == new.code { step(Some(&old.history), Some(&new.history), update) } else { Step::Swap };
    add(Subject::Plugin, "assistant".into(), assistant);
    // A builtin that some route names is there without being declared.
    let commands = |sketch: &Sketch| (sketch.replies > 0).then_some(());
    add(Subject::Plugin, "commands".into(), step(commands(old).as_ref(), commands(new).as_ref(), |_, _| Step::Keep));
    add(Subject::Route, "chatty".into(), step(Some(&old.replies), Some(&new.replies), update));
    for n in 0..2 {
        add(Subject::Group, format!("g{n}"), step(old.groups[n].as_ref(), new.groups[n].as_ref(), update));
        add(Subject::Model, format!("m{n}"), step(old.models[n].as_ref(), new.models[n].as_ref(), update));
    }
    for n in 0..3 {
        let running = |sketch: &Sketch| sketch.channels[n].clone().filter(|channel| channel.enabled);
        let changed = |old: &Channel, new: &Channel| if old.token == new.token { Step::Update } else { Step::Restart };
        add(Subject::Channel, format!("c{n}"), step(running(old).as_ref(), running(new).as_ref(), changed));
    }
    steps
}

fn found(plan: &Plan) -> Steps {
    let changes = plan.changes.iter().filter(|change| change.step != Step::Keep);
    changes.map(|change| ((change.subject, change.name.clone()), change.step)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// F2: each thing gets the one step that its own difference asks for; no channel is touched for another's sake.
    #[test]
    fn any_edit_touches_what_it_changes_and_nothing_else(old in sketch(), new in sketch()) {
        let (before, after) = (old.config(), new.config());
        let there = plan(Some(&before), &after);
        prop_assert_eq!(found(&there), expected(&old, &new));
        prop_assert_eq!(there.is_empty(), found(&there).is_empty());
        let names: Vec<_> = there.changes.iter().map(|change| (change.subject, &change.name)).collect();
        prop_assert!(names.is_sorted_by(|a, b| a < b), "each thing once, in order: {:?}", names);
        prop_assert!(there.changes.iter().all(|change| (change.step == Step::Keep) == change.reason.is_empty()));
        prop_assert!(plan(Some(&after), &after).is_empty());
    }
}

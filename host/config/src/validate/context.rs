//! What is at hand while a config is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use switchhook_core::id::{Digest, InvalidName};

use super::node::Node;
use super::report::Report;
use super::suggest;
use crate::digest::Hasher;
use crate::sources::Sources;

pub(crate) struct Context<'a> {
    pub(crate) sources: &'a Sources<'a>,
    pub(crate) report: Report,
    /// The folder of the config file, absolute.
    base: PathBuf,
    files: BTreeSet<PathBuf>,
    /// What the config depends on, by name, each as a hash.
    inputs: BTreeMap<String, [u8; 32]>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(sources: &'a Sources<'a>, path: &Path) -> Self {
        let base = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let files = BTreeSet::from([path.to_owned()]);
        Self { sources, report: Report::default(), base, files, inputs: BTreeMap::new() }
    }

    /// A path of the config, made absolute.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        let mut clean = PathBuf::new();
        for part in self.base.join(text).components() {
            match part {
                Component::CurDir => {}
                // A `..` behind a symlink means another folder than the text suggests: only what stands in the text is
                // folded, so it stays as it is behind what came from the base.
                Component::ParentDir if clean.file_name().is_some() && !clean.is_symlink() => {
                    clean.pop();
                }
                part => clean.push(part),
            }
        }
        clean
    }

    /// Notes a file whose change may change the config.
    pub(crate) fn file(&mut self, path: PathBuf) {
        self.files.insert(path);
    }

    /// Notes something the config depends on.
    pub(crate) fn input(&mut self, name: impl Into<String>, value: &[u8]) {
        self.inputs.insert(name.into(), Sha256::digest(value).into());
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.files.iter().cloned().collect()
    }

    pub(crate) fn digest(&self) -> Digest {
        let mut hasher = Hasher::default();
        for (name, value) in &self.inputs {
            hasher.part(name, value);
        }
        hasher.finish()
    }

    /// The tables of a section by name. What is no table, or has no name, is reported and left out.
    pub(crate) fn section<'t, N: FromStr<Err = InvalidName>>(
        &mut self,
        root: &Node<'t>,
        section: &str,
    ) -> Vec<(N, Node<'t>)> {
        let Some(node) = root.get(section) else { return Vec::new() };
        if !node.value.is_table() {
            node.expected(&mut self.report, "a table of tables");
        }
        let mut named = Vec::new();
        for (name, node) in node.entries() {
            match name.parse::<N>() {
                Ok(name) => named.push((name, node)),
                Err(error) => self.report.add(&node.name_place(), error.to_string(), None),
            }
        }
        named
    }

    /// A name that something else in the config goes by.
    pub(crate) fn reference<N: FromStr>(&mut self, node: &Node<'_>, what: What, declared: &Declared) -> Option<N> {
        let text = node.text(&mut self.report)?;
        let known = declared.names(what);
        if !known.contains(text) {
            let section = what.section();
            let add = || format!("add `[{section}.{text}]`");
            let help = suggest::help(text, declared.suggestions(what)).unwrap_or_else(add);
            self.report.add(&node.place, format!("there is no {} `{text}`", what.noun()), Some(help));
            return None;
        }
        // What is declared under no proper name was reported where it stands.
        text.parse().ok()
    }
}

/// A section whose entries are referred to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Plugin,
    Group,
    Model,
    Route,
}

impl What {
    fn noun(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Group => "group",
            Self::Model => "model",
            Self::Route => "route",
        }
    }
    fn section(self) -> &'static str {
        match self {
            Self::Plugin => "plugins",
            Self::Group => "groups",
            Self::Model => "models",
            Self::Route => "routes",
        }
    }
}

/// The names that the config declares, sound or not: a name is not dangling because what it names has an error.
pub(crate) struct Declared {
    names: BTreeMap<What, BTreeSet<String>>,
    /// Plugins that a route can name without declaring them, as far as they are known.
    builtins: BTreeSet<String>,
}

impl Declared {
    pub(crate) fn of(root: &Node<'_>) -> Self {
        let names = |what: What| {
            let entries = root.get(what.section()).map(|section| section.entries()).unwrap_or_default();
            (what, entries.into_iter().map(|(name, _)| name.to_owned()).collect())
        };
        let names = [What::Plugin, What::Group, What::Model, What::Route].map(names).into();
        Self { names, builtins: BTreeSet::new() }
    }
    pub(crate) fn names(&self, what: What) -> &BTreeSet<String> {
        &self.names[&what]
    }
    pub(crate) fn add(&mut self, what: What, name: &str) {
        self.names.entry(what).or_default().insert(name.to_owned());
    }
    /// Takes note of the names in a list of builtin plugins, as an error of the catalogue has it.
    pub(crate) fn builtins(&mut self, listed: &str) {
        let names = listed.split(|c: char| c == ',' || c == '`' || c.is_whitespace());
        self.builtins.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    /// What may have been meant by a name that is not there.
    fn suggestions(&self, what: What) -> impl Iterator<Item = &str> {
        let builtins = (what == What::Plugin).then_some(&self.builtins);
        self.names[&what].iter().chain(builtins.into_iter().flatten()).map(String::as_str)
    }
}

//! What the host's config has beside the main job.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use switchhook_bench::{grown, version};

use crate::fakes::ATTACKED;
use crate::subject::CHATS;

/// A component as large as an interpreter, in bytes.
const LARGE: usize = 18 << 20;
/// The file of the plugin that is compiled while messages flow.
pub(crate) const LARGE_FILE: &str = "large.wasm";

/// Additions to a stage: further keys of the channel, further tables, what they name, and bots.
#[derive(Default)]
pub(crate) struct More {
    /// Further members of the channel's `allow_from`.
    pub(crate) allow_from: &'static str,
    pub(crate) channel: String,
    pub(crate) tables: String,
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) bots: Vec<String>,
    /// Where the host listens; 0 for wherever there is room.
    pub(crate) port: u16,
}

/// How much there is of everything that a message has nothing to do with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// With the one that is written to.
    pub(crate) channels: usize,
    /// In the group that the sender is looked for in.
    pub(crate) people: usize,
    /// Beside the three that every message meets, each on a route that a policy might pick.
    pub(crate) plugins: usize,
}

impl More {
    /// A second channel, whose only policy is this plugin.
    pub(crate) fn besieged(plugin: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(plugin).with_context(|| plugin.display().to_string())?;
        Ok(Self::second_channel("hostile.wasm", bytes, ""))
    }

    /// A second channel, whose only policy takes long to compile.
    pub(crate) fn large() -> anyhow::Result<Self> {
        Ok(Self::second_channel(LARGE_FILE, large_version(0)?, "allow_from = [\"tg:6000\"]"))
    }

    fn second_channel(file: &str, plugin: Vec<u8>, keys: &str) -> Self {
        let tables = format!(
            r#"
[plugins.other]
source = "{file}"

[routes.other]
policies = ["other"]

[channels.other]
kind = "telegram"
api_url = "{{TELEGRAM}}"
token = {{ file = "other.token" }}
route = "other"
{keys}
"#
        );
        let files = vec![(file.to_owned(), plugin), ("other.token".to_owned(), ATTACKED.into())];
        Self { tables, files, bots: vec![ATTACKED.to_owned()], ..Self::default() }
    }

    pub(crate) fn sized(size: Size) -> anyhow::Result<Self> {
        let mut more = Self { allow_from: "\"group:crowd\"", ..Self::default() };
        more.add_crowd(size.people);
        more.add_channels(size.channels - 1);
        more.add_plugins(size.plugins)?;
        Ok(more)
    }

    /// Those who write are in it, too.
    fn add_crowd(&mut self, people: usize) {
        let ids = CHATS.chain(100_000..).take(people.max(CHATS.count()));
        let members: Vec<String> = ids.map(|id| format!("\"tg:{id}\"")).collect();
        self.write(&format!("\n[groups.crowd]\nmembers = [{}]\n", members.join(", ")));
    }

    fn add_channels(&mut self, count: usize) {
        for n in 0..count {
            let token = format!("{}:SECRET", 10_000 + n);
            self.write(&format!(
                r#"
[channels.c{n}]
kind = "telegram"
api_url = "{{TELEGRAM}}"
token = {{ file = "c{n}.token" }}
route = "personal"
allow_from = ["group:crowd"]
"#
            ));
            self.files.push((format!("c{n}.token"), token.clone().into_bytes()));
            self.bots.push(token);
        }
    }

    fn add_plugins(&mut self, count: usize) -> anyhow::Result<()> {
        let bytes = switchhook_builtin::component("router").context("there is no router")?;
        let names: Vec<String> = (0..count).map(|n| format!("\"r{n}\"")).collect();
        self.channel = format!("routes = [{}]\n", names.join(", "));
        for n in 0..count {
            self.write(&format!("\n[plugins.p{n}]\nsource = \"p{n}.wasm\"\n\n[routes.r{n}]\npolicies = [\"p{n}\"]\n"));
            self.files.push((format!("p{n}.wasm"), version(bytes, n as u32)));
        }
        Ok(())
    }

    fn write(&mut self, tables: &str) {
        // Writing to a text does not fail.
        let _ = self.tables.write_str(tables);
    }
}

/// A version of the plugin that takes long to compile.
pub(crate) fn large_version(number: u32) -> anyhow::Result<Vec<u8>> {
    let bytes = switchhook_builtin::component("allowlist").context("there is no allowlist")?;
    Ok(grown(bytes, LARGE, number))
}

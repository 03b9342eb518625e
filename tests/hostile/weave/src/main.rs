//! `weave WIT WORLD IN.wat OUT.wasm`: makes a component of a module in text form that exports the world's functions by
//! the names of the canonical ABI. For what no compiler emits, such as a table that grows. One text may serve several
//! kinds of plugin: a line that exports a function of another hook than the world's is left out.

use std::path::PathBuf;

use anyhow::Context;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [wit, world, text, out] = &args[..] else { anyhow::bail!("usage: weave WIT WORLD IN.wat OUT.wasm") };
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(PathBuf::from(wit)).context("the contract")?;
    let world = resolve.select_world(&[package], Some(world)).context("the world")?;
    let all = std::fs::read_to_string(text).with_context(|| text.clone())?;
    let mut module = wat::parse_str(for_hook(&all, args[1].trim_end_matches("-plugin"))).context("the text")?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let component = ComponentEncoder::default().validate(true).module(&module)?.encode()?;
    std::fs::write(out, component).with_context(|| out.clone())
}

fn for_hook(text: &str, hook: &str) -> String {
    let others = ["policy", "reply", "prompt"].into_iter().filter(|other| *other != hook);
    let exports: Vec<String> = others.map(|other| format!("(export \"switchhook:plugin/{other}@")).collect();
    let kept = text.lines().filter(|line| !exports.iter().any(|export| line.contains(export)));
    kept.flat_map(|line| [line, "\n"]).collect()
}

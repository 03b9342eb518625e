//! `weave WIT WORLD IN.wat OUT.wasm`: makes a component of a module in text form that exports the world's functions by
//! the names of the canonical ABI. For what no compiler emits, such as a table that grows.

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
    let mut module = wat::parse_file(text).context("the text")?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let component = ComponentEncoder::default().validate(true).module(&module)?.encode()?;
    std::fs::write(out, component).with_context(|| out.clone())
}

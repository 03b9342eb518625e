//! The commands, one file each. Every one gives back the text it has to say.

mod check;
mod compile;
mod contacts;
mod dead;
mod devices;
mod explain;
mod held;
mod key;
mod link;
mod messages;
mod plugin;
mod reload;
mod schema;
mod status;

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use switchhook_core::time::Clock;

use crate::args::{Args, Command, Output};
use crate::client::Client;
use crate::failure::Failure;
use crate::places::Places;
use crate::run;

pub(crate) fn execute(args: Args, clock: Arc<dyn Clock>) -> Result<String, Failure> {
    let places = || Places::find(args.config.as_deref());
    match args.command.unwrap_or(Command::Run) {
        Command::Run => run::run(places()?, clock),
        Command::Check(output) => check::check(&places()?, output),
        Command::Schema => schema::schema(),
        Command::Reload { dry_run: true, output } => ask(places()?, async |c| reload::dry_run(&c, output).await),
        Command::Reload { dry_run: false, output } => ask(places()?, async |c| reload::reload(&c, output).await),
        Command::Status(output) => ask(places()?, async |c| status::status(&c, output).await),
        Command::Explain { message, output } => ask(places()?, async |c| explain::explain(&c, message, output).await),
        Command::Plugin(command) => plugin::plugin(places, command),
        Command::Dead(command) => ask(places()?, async |c| dead::dead(&c, command).await),
        Command::Held(command) => ask(places()?, async |c| held::held(&c, command).await),
        Command::Contacts(command) => ask(places()?, async |c| contacts::contacts(&c, command).await),
        Command::Link(args) => ask(places()?, async |c| link::link(&c, args).await),
        Command::Devices { channel, output } => ask(places()?, async |c| devices::devices(&c, channel, output).await),
        Command::Messages(args) => ask(places()?, async |c| messages::messages(&c, args).await),
        Command::Unlink { channel } => ask(places()?, async |c| devices::unlink(&c, &channel).await),
        Command::Reset { channel } => ask(places()?, async |c| devices::reset(&c, &channel).await),
        Command::Key(command) => key::key(places()?, command),
        Command::Compile { arguments } => compile::compile(arguments),
    }
}

/// Asks the running host something.
fn ask<F: Future<Output = Result<String, Failure>>>(
    places: Places,
    question: impl FnOnce(Client) -> F,
) -> Result<String, Failure> {
    let client = Client::new(places)?;
    wait_for(question(client))
}

fn wait_for<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::other("the runtime did not start", error))?.block_on(work)
}

/// As JSON where that is wanted, or else as people read it.
fn say<T: Serialize>(output: Output, answer: &T, people: impl FnOnce(&T) -> String) -> Result<String, Failure> {
    if !output.json {
        return Ok(people(answer));
    }
    let mut text =
        serde_json::to_string_pretty(answer).map_err(|error| Failure::other("the answer can't be written", error))?;
    text.push('\n');
    Ok(text)
}

/// A word as the API writes it, such as the name of a state.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => other.map(|value| value.to_string()).unwrap_or_default(),
    }
}

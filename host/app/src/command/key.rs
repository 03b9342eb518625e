//! `switchhook key`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use switchhook_core::time::{Clock, SystemClock};
use switchhook_runtime::{KeySource, KeyState, KeyStatus, RotationRefusal};
use switchhook_store::{AuditEntry, Durability, Keyring, Resealed, Store, StoreOptions};

use crate::args::{KeyCommand, Output};
use crate::client::Client;
use crate::command::{ask, say, wait_for};
use crate::failure::Failure;
use crate::keys;
use crate::places::Places;

/// Between two looks at how far the running host is.
const GLANCE: Duration = Duration::from_millis(100);

pub(crate) fn key(places: Places, command: KeyCommand) -> Result<String, Failure> {
    let KeyCommand::Rotate { new_key_env, output } = command;
    match new_key_env {
        Some(name) => rotate_to_env(places, &name, output),
        None => match ask(places.clone(), async |client| rotate(&client, output).await) {
            // Nobody uses the data: the command does it by itself.
            Err(Failure::NoHost { .. } | Failure::NoToken { .. }) => rotate_here(places, output),
            told => told,
        },
    }
}

/// The running host does it.
async fn rotate(client: &Client, output: Output) -> Result<String, Failure> {
    let mut status: KeyStatus = client.post("key/rotate").await?;
    while status.state == KeyState::Rotating {
        tokio::time::sleep(GLANCE).await;
        status = match client.get("key").await {
            Err(Failure::NoHost { .. }) => return Err(cut_short()),
            told => told?,
        };
    }
    match status.error {
        Some(error) => Err(Failure::Other {
            what: format!("the rotation stopped: {error}"),
            help: Some("nothing is lost, both keys stay in use: mend that, and run this again".to_owned()),
        }),
        None => say(output, &status, tell),
    }
}

fn cut_short() -> Failure {
    Failure::Other {
        what: "the host ended while it rotated the key".to_owned(),
        help: Some("nothing is lost: it goes on when the host starts, or when you run this again".to_owned()),
    }
}

/// No host runs.
fn rotate_here(places: Places, output: Output) -> Result<String, Failure> {
    let source = keys::source(&places, places.master_key.as_ref());
    let file = match &source {
        KeySource::File(file) => file,
        KeySource::Env(name) => {
            return Err(Failure::other("no key was changed", RotationRefusal::FromEnv(name.clone())));
        }
    };
    wait_for(async {
        let store = open(&places, &source, || keys::keyring(&source))?;
        let rotated = async {
            store.begin_rotation_in(file).await?;
            store.finish_rotation_in(file, |_| ()).await
        };
        let (done, kept) = rotated.await.map_err(|error| Failure::other("the key was not changed wholly", error))?;
        end(store, done, Some(kept), output).await
    })
}

/// The operator keeps the keys, and no host runs.
fn rotate_to_env(places: Places, name: &str, output: Output) -> Result<String, Failure> {
    let source = keys::source(&places, places.master_key.as_ref());
    let new = keys::in_env(name)?;
    let both = || {
        let mut ring = keys::keyring(&source)?;
        let before = std::mem::replace(&mut ring.current, new.clone());
        if before.id() == new.id() {
            return Err(Failure::Other { what: format!("{name} holds the key that is in use"), help: None });
        }
        Ok(Keyring { old: [vec![before], ring.old].concat(), ..ring })
    };
    wait_for(async {
        let store = open(&places, &source, both)?;
        let done = store.finish_rotation(|_| ()).await;
        let done = done.map_err(|error| Failure::other("the key was not changed wholly: run this again", error))?;
        let place = match &source {
            KeySource::Env(variable) => format!("the environment variable {variable}"),
            KeySource::File(file) => file.path().display().to_string(),
        };
        let text = end(store, done, None, output).await?;
        if output.json {
            Ok(text)
        } else {
            Ok(format!("{text}Now give {place} the value of {name}, and start the host.\n"))
        }
    })
}

/// The data of a host that does not run.
fn open(
    places: &Places,
    source: &KeySource,
    ring: impl FnOnce() -> Result<Keyring, Failure>,
) -> Result<Store, Failure> {
    if !Store::is_in(&places.data_dir) {
        let what = format!("there is nothing to seal anew: {} holds no data yet", places.data_dir.display());
        return Err(Failure::Other { what, help: None });
    }
    let options = StoreOptions {
        dir: places.data_dir.clone(),
        keys: ring()?,
        durability: Durability::Power,
        network_fs: None,
        clock: Arc::new(SystemClock),
    };
    let (store, _) = Store::open(options).map_err(|error| keys::store_failure(error, source))?;
    Ok(store)
}

async fn end(store: Store, done: Resealed, kept: Option<PathBuf>, output: Output) -> Result<String, Failure> {
    let status = KeyStatus { resealed: done.cells, unreadable: done.unreadable, kept, ..KeyStatus::settled(&store) };
    let entry = AuditEntry {
        at: SystemClock.now(),
        actor: "command-line".to_owned(),
        address: None,
        user_agent: None,
        act: "key_rotate".to_owned(),
        subject: status.key.clone(),
        detail: json!({ "state": status.state, "resealed": status.resealed }),
    };
    store.audit(entry).await;
    store.close();
    say(output, &status, tell)
}

fn tell(status: &KeyStatus) -> String {
    let mut text =
        format!("Everything is sealed with the master key {} now ({} cells).\n", status.key, status.resealed);
    if status.unreadable > 0 {
        text += &format!("{} cells opened with no key and were left: they are lost.\n", status.unreadable);
    }
    if let Some(kept) = &status.kept {
        text += &format!(
            "The key before opens nothing here any more. It is kept as {}, for backups from before: delete it when you \
             need none of them.\n",
            kept.display()
        );
    }
    text
}

//! HTTP clients for outgoing calls: one for each runtime, so that a call wakes only whoever made it.
//!
//! A connection is driven by the runtime that made it. Over one of another runtime each call would wake two threads more
//! than it has to, which costs as much as the call; and whoever keeps a thread of that runtime would hold it up.

#[cfg(test)]
mod tests;

use std::time::Duration;

use parking_lot::RwLock;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use tokio::runtime::{Handle, Id};

/// A connection that takes longer is not coming.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Clients that are configured alike, with their pools of connections.
pub struct Clients {
    configure: fn(ClientBuilder) -> ClientBuilder,
    /// Of every runtime that has called. There are a few, as long as the host runs.
    by_runtime: RwLock<Vec<(Id, Client)>>,
    /// For the first runtime, and for whoever has none.
    first: Client,
}

impl Clients {
    /// Touches no network. Fails where there is no TLS.
    pub fn new(configure: fn(ClientBuilder) -> ClientBuilder) -> Result<Self, reqwest::Error> {
        let first = build(configure)?;
        Ok(Self { configure, by_runtime: RwLock::default(), first })
    }

    /// That of the runtime whose thread this is.
    pub fn here(&self) -> Client {
        let Ok(runtime) = Handle::try_current() else { return self.first.clone() };
        let known = of(&self.by_runtime.read(), runtime.id());
        known.unwrap_or_else(|| self.add(runtime.id()))
    }

    fn add(&self, runtime: Id) -> Client {
        let mut all = self.by_runtime.write();
        if let Some(client) = of(&all, runtime) {
            return client;
        }
        let client = if all.is_empty() { Ok(self.first.clone()) } else { build(self.configure) };
        match client {
            Ok(client) => {
                all.push((runtime, client.clone()));
                client
            }
            // Another's connections are slower, and they are there. The next call tries again.
            Err(_) => self.first.clone(),
        }
    }
}

fn of(all: &[(Id, Client)], runtime: Id) -> Option<Client> {
    all.iter().find(|(id, _)| *id == runtime).map(|(_, client)| client.clone())
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").field("runtimes", &self.by_runtime.read().len()).finish_non_exhaustive()
    }
}

/// Proxies of the environment and redirects are off: keys, also those in a URL, and conversations go where the config says,
/// nowhere else.
fn build(configure: fn(ClientBuilder) -> ClientBuilder) -> Result<Client, reqwest::Error> {
    let builder = Client::builder().no_proxy().redirect(Policy::none()).connect_timeout(CONNECT_TIMEOUT);
    configure(builder).build()
}

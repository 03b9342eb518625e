//! Everything there is, behind one lock, and a bell that rings when something happened.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use whatsapp_rust::wacore_binary::{Jid, Node};

use crate::account::Account;
use crate::certificate::Identity;
use crate::device::Device;
use crate::group::Group;
use crate::ledger::Ledger;
use crate::pairing::Refs;
use crate::person::Person;

pub(crate) struct Shared {
    pub(crate) identity: Identity,
    world: Mutex<World>,
    bell: watch::Sender<()>,
}

/// Accounts and people are known by their numbers.
pub(crate) struct World {
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) contacts: BTreeMap<String, Person>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) media: HashMap<String, Bytes>,
    pub(crate) ledger: Ledger,
    pub(crate) sockets: HashMap<u64, Socket>,
    /// Nobody can connect.
    pub(crate) outage: bool,
    /// Clients older than this are turned away.
    pub(crate) oldest: Option<(u32, u32, u32)>,
    pub(crate) connections: u64,
}

/// One connection, from the moment its handshake is done.
pub(crate) struct Socket {
    pub(crate) out: mpsc::Sender<Out>,
    pub(crate) cut: CancellationToken,
    /// The account it is logged in to, or is being paired with.
    pub(crate) account: Option<String>,
    pub(crate) noise: [u8; 32],
    /// The identity key of a device that is not linked yet.
    pub(crate) identity: Vec<u8>,
    pub(crate) name: String,
    pub(crate) refs: Option<Refs>,
    pub(crate) pairing: Option<crate::pairing::Pairing>,
    pub(crate) demand: Option<crate::passkey::Demand>,
}

pub(crate) enum Out {
    Node(Node),
    /// Ends the connection, after what was said before.
    Close,
}

impl Shared {
    pub(crate) fn open(ledger: Option<&Path>) -> anyhow::Result<Arc<Self>> {
        let world = World {
            accounts: BTreeMap::new(),
            contacts: BTreeMap::new(),
            groups: BTreeMap::new(),
            media: HashMap::new(),
            ledger: Ledger::open(ledger)?,
            sockets: HashMap::new(),
            outage: false,
            oldest: None,
            connections: 0,
        };
        Ok(Arc::new(Self { identity: Identity::generate()?, world: Mutex::new(world), bell: watch::Sender::new(()) }))
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }

    pub(crate) fn ring(&self) {
        self.bell.send_replace(());
    }

    pub(crate) fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }
}

impl World {
    pub(crate) fn account(&mut self, number: &str) -> anyhow::Result<&mut Account> {
        let account = self.accounts.values_mut().find(|account| account.phone.is(number));
        account.with_context(|| format!("there is no account {number}"))
    }

    /// Who has a number or LID: a contact, or the phone of an account.
    pub(crate) fn person(&mut self, user: &str) -> Option<&mut Person> {
        let phones = self.accounts.values_mut().map(|account| &mut account.phone);
        phones.chain(self.contacts.values_mut()).find(|person| person.is(user))
    }

    /// Somebody and the device of an account together; the device is put back whatever comes of it.
    pub(crate) fn meet<T>(
        &mut self,
        account: &str,
        user: &str,
        work: impl FnOnce(&mut Person, &mut Device) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let owner = self.account(account)?;
        let mut device = owner.device.take().context("no device is linked")?;
        let done = match self.person(user) {
            Some(person) => work(person, &mut device),
            None => Err(anyhow::anyhow!("there is nobody {user}")),
        };
        self.account(account)?.device = Some(device);
        done
    }

    /// Says something on a connection, if it is still there; a client that reads nothing is cut off.
    pub(crate) fn say(&mut self, socket: u64, node: Node) {
        let Some(at) = self.sockets.get(&socket) else { return };
        let silent = at.account.as_ref().and_then(|number| self.accounts.get(number)).is_some_and(|a| a.faults.silent);
        if !silent && at.out.try_send(Out::Node(node)).is_err() {
            at.cut.cancel();
        }
    }

    /// Ends a connection, after what was said before.
    pub(crate) fn close(&mut self, socket: u64) {
        if let Some(at) = self.sockets.get(&socket) {
            let _ = at.out.try_send(Out::Close);
        }
    }

    /// Ends a connection at once.
    pub(crate) fn cut(&mut self, socket: u64) {
        if let Some(at) = self.sockets.get(&socket) {
            at.cut.cancel();
        }
        for account in self.accounts.values_mut().filter(|account| account.socket == Some(socket)) {
            account.socket = None;
            account.resumed = false;
        }
    }

    pub(crate) fn group(&self, jid: &Jid) -> anyhow::Result<&Group> {
        self.groups.get(jid.user.as_str()).with_context(|| format!("there is no group {jid}"))
    }
}

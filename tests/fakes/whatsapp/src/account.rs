//! An account: its phone, the device that is linked to it, and what waits for that device.

use std::collections::{HashSet, VecDeque};

use whatsapp_rust::wacore_binary::{Jid, Node};
use whatsapp_rust::waproto::whatsapp as wa;

use crate::device::Device;
use crate::fault::Faults;
use crate::node::attr;
use crate::pairing::LinkCode;
use crate::person::Person;

/// How many delivered messages are kept for a device that asks for one again.
const KEPT: usize = 256;

pub(crate) struct Account {
    pub(crate) phone: Person,
    pub(crate) device: Option<Device>,
    pub(crate) devices_so_far: u16,
    /// The connection the device is logged in on.
    pub(crate) socket: Option<u64>,
    /// Whether the device has had what waited for it.
    pub(crate) resumed: bool,
    pub(crate) queue: VecDeque<Pending>,
    delivered: VecDeque<Pending>,
    pub(crate) code: Option<LinkCode>,
    pub(crate) faults: Faults,
    /// Whether the phone gave the device its keys for the app state.
    pub(crate) keys_shared: bool,
    /// Whether the device has been linked just now, and its phone has yet to tell it what there was before.
    pub(crate) history_due: bool,
    /// Ids the device has sent, with their chats: what comes again is told apart.
    pub(crate) seen: HashSet<(String, String)>,
    /// The groups whose sender keys the device has, by group and member.
    pub(crate) sender_keys: HashSet<(String, String)>,
}

/// What is on its way to the device, until the device acknowledges it.
pub(crate) struct Pending {
    pub(crate) id: String,
    /// Whose it is, by number.
    pub(crate) from: String,
    pub(crate) group: Option<Jid>,
    pub(crate) what: What,
    pub(crate) node: Node,
    /// The connection it was sent on last.
    pub(crate) sent_on: Option<u64>,
}

pub(crate) enum What {
    Message(Box<wa::Message>),
    Receipt,
}

impl Pending {
    pub(crate) fn is_receipt(&self) -> bool {
        matches!(self.what, What::Receipt)
    }
}

impl Account {
    pub(crate) fn new(phone: Person) -> Self {
        Self {
            phone,
            device: None,
            devices_so_far: 0,
            socket: None,
            resumed: false,
            queue: VecDeque::new(),
            delivered: VecDeque::new(),
            code: None,
            faults: Faults::default(),
            keys_shared: false,
            history_due: false,
            seen: HashSet::new(),
            sender_keys: HashSet::new(),
        }
    }

    /// Links a device, in place of the one before.
    pub(crate) fn link(&mut self, id: u16, noise: Option<[u8; 32]>) {
        self.unlink();
        self.devices_so_far = self.devices_so_far.max(id);
        self.history_due = noise.is_some();
        self.device = Some(Device::new(&self.phone.number, id, noise));
    }

    /// Removes the device, and what waits for it.
    pub(crate) fn unlink(&mut self) {
        self.device = None;
        self.socket = None;
        self.resumed = false;
        self.keys_shared = false;
        self.history_due = false;
        self.queue.clear();
        self.delivered.clear();
        self.sender_keys.clear();
    }

    pub(crate) fn device_jids(&self, id: u16) -> (Jid, Jid) {
        (Jid { device: id, ..self.phone.pn_jid() }, Jid { device: id, ..self.phone.lid_jid() })
    }

    /// The device has a message: it is not sent again.
    pub(crate) fn acknowledge(&mut self, id: &str) -> bool {
        let is_it = |pending: &Pending| !pending.is_receipt() && pending.id == id && pending.sent_on.is_some();
        let Some(at) = self.queue.iter().position(is_it) else { return false };
        self.delivered.extend(self.queue.remove(at));
        if self.delivered.len() > KEPT {
            self.delivered.pop_front();
        }
        true
    }

    /// The device has a receipt, of this kind and from there: it is not told again.
    pub(crate) fn acknowledge_receipt(&mut self, id: &str, kind: &str, from: &str) -> bool {
        let is_it = |pending: &Pending| {
            let of = |name| attr(&pending.node, name);
            pending.is_receipt()
                && pending.sent_on.is_some()
                && pending.id == id
                && of("type") == kind
                && of("from") == from
        };
        let at = self.queue.iter().position(is_it);
        at.and_then(|at| self.queue.remove(at)).is_some()
    }

    /// A message the device could not read, back in the queue.
    pub(crate) fn ask_again(&mut self, id: &str) -> Option<Pending> {
        if let Some(at) = self.queue.iter().position(|pending| !pending.is_receipt() && pending.id == id) {
            return self.queue.remove(at);
        }
        let at = self.delivered.iter().position(|pending| pending.id == id)?;
        self.delivered.remove(at)
    }
}

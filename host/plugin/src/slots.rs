//! Who may have an instance now, and who waits: a bounded number of slots, shared out so that plugins which never give
//! theirs back leave some for the others.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Names a plugin among those that share the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tenant(pub(crate) u64);

#[derive(Clone)]
pub(crate) struct Slots(Arc<Mutex<Table>>);

struct Table {
    free: u32,
    held: HashMap<Tenant, u32>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    tenant: Tenant,
    count: u32,
    granted: oneshot::Sender<Held>,
}

/// Slots that somebody has, given back when dropped.
pub(crate) struct Held {
    slots: Slots,
    tenant: Tenant,
    count: u32,
}

impl Table {
    /// A plugin never holds more than it leaves to the others, its first instance aside. One that spins gets half of
    /// all, a second one a quarter, and so on: whoever comes next finds a slot.
    fn fits(&self, tenant: Tenant, count: u32) -> bool {
        let held = self.held.get(&tenant).copied().unwrap_or(0);
        count <= self.free && (held == 0 || held + count <= self.free - count)
    }

    fn take(&mut self, tenant: Tenant, count: u32) {
        self.free -= count;
        *self.held.entry(tenant).or_default() += count;
    }

    fn give_back(&mut self, tenant: Tenant, count: u32) {
        self.free += count;
        if let Some(held) = self.held.get_mut(&tenant) {
            *held -= count;
            if *held == 0 {
                self.held.remove(&tenant);
            }
        }
    }

    /// The longest waiting that fit now, their slots taken.
    fn next(&mut self) -> Vec<Waiting> {
        self.waiting.retain(|waiting| !waiting.granted.is_closed());
        let mut granted = Vec::new();
        let mut at = 0;
        while at < self.waiting.len() && self.free > 0 {
            let Waiting { tenant, count, .. } = self.waiting[at];
            if self.fits(tenant, count) {
                self.take(tenant, count);
                granted.extend(self.waiting.remove(at));
            } else if self.has_nothing(tenant) {
                break;
            } else {
                at += 1;
            }
        }
        granted
    }

    fn has_nothing(&self, tenant: Tenant) -> bool {
        !self.held.contains_key(&tenant)
    }

    /// Whether somebody new may be served before those who wait: not before those of the same plugin, and not before a
    /// plugin that has nothing yet. Else one that needs several slots would never see them free together.
    fn nobody_comes_before(&self, tenant: Tenant) -> bool {
        self.waiting.iter().all(|waiting| waiting.tenant != tenant && !self.has_nothing(waiting.tenant))
    }
}

impl Slots {
    pub(crate) fn new(count: u32) -> Self {
        Self(Arc::new(Mutex::new(Table { free: count, held: HashMap::new(), waiting: VecDeque::new() })))
    }

    /// Waits for so many slots, in the order of asking among those of one plugin. Dropping the future gives up the place.
    pub(crate) async fn acquire(&self, tenant: Tenant, count: u32) -> Held {
        let turn = {
            let mut table = self.0.lock();
            table.waiting.retain(|waiting| !waiting.granted.is_closed());
            if table.nobody_comes_before(tenant) && table.fits(tenant, count) {
                table.take(tenant, count);
                return self.held(tenant, count);
            }
            let (granted, turn) = oneshot::channel();
            table.waiting.push_back(Waiting { tenant, count, granted });
            turn
        };
        match turn.await {
            Ok(held) => held,
            // The sender lives in the table, and the table as long as we do.
            Err(_) => std::future::pending().await,
        }
    }

    fn held(&self, tenant: Tenant, count: u32) -> Held {
        Held { slots: self.clone(), tenant, count }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let granted = {
            let mut table = self.slots.0.lock();
            table.give_back(self.tenant, self.count);
            table.next()
        };
        // Outside of the lock: whoever has just stopped waiting gives the slots back at once.
        for Waiting { tenant, count, granted } in granted {
            let _ = granted.send(self.slots.held(tenant, count));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn now<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// Takes as many as it gets.
    fn all(slots: &Slots, tenant: u64) -> Vec<Held> {
        std::iter::from_fn(|| now(pin!(slots.acquire(Tenant(tenant), 1)))).collect()
    }

    /// F4: three that take all they get still leave slots for a fourth.
    #[test]
    fn the_greedy_leave_some_for_whoever_comes_next() {
        let slots = Slots::new(32);
        let greedy: Vec<_> = (0..3).map(|tenant| all(&slots, tenant)).collect();
        let counts: Vec<_> = greedy.iter().map(Vec::len).collect();
        assert_eq!(counts, [16, 8, 4]);
        assert_eq!(all(&slots, 9).len(), 2);
        drop(greedy);
        assert_eq!(all(&slots, 9).len(), 16, "and all is given back");
    }

    #[test]
    fn whoever_waits_comes_before_those_that_ask_later() {
        let slots = Slots::new(2);
        let mut held = all(&slots, 1);
        assert_eq!(held.len(), 1);
        let mut first = pin!(slots.acquire(Tenant(1), 1));
        let mut second = pin!(slots.acquire(Tenant(1), 1));
        assert!(now(first.as_mut()).is_none() && now(second.as_mut()).is_none());
        held.pop();
        assert!(now(second.as_mut()).is_none());
        assert!(now(first.as_mut()).is_some());
    }

    /// What needs several slots gets them although it waits with its first.
    #[test]
    fn a_large_instance_gets_its_slots() {
        let slots = Slots::new(8);
        let mut held = all(&slots, 1);
        let mut large = pin!(slots.acquire(Tenant(2), 6));
        assert!(now(large.as_mut()).is_none());
        held.pop();
        assert!(now(pin!(slots.acquire(Tenant(3), 1))).is_none(), "nobody goes before it");
        held.pop();
        assert!(now(large.as_mut()).is_some());
    }

    #[test]
    fn who_stops_waiting_keeps_nothing() {
        let slots = Slots::new(1);
        let held = now(pin!(slots.acquire(Tenant(1), 1))).unwrap();
        {
            let mut given_up = pin!(slots.acquire(Tenant(2), 1));
            assert!(now(given_up.as_mut()).is_none());
            drop(held);
            // Granted by now, and dropped without having looked.
        }
        assert!(now(pin!(slots.acquire(Tenant(3), 1))).is_some());
    }
}

//! What goes wrong, on demand.

use std::collections::VecDeque;

use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Fault {
    /// Answers this status, with `Retry-After` in seconds if given.
    Status { code: u16, retry_after: Option<u64> },
    /// Answers in full, slowly.
    Slow {
        #[serde(default)]
        first_token_ms: u64,
        #[serde(default)]
        per_chunk_ms: u64,
    },
    /// Breaks the connection after so many pieces of the answer.
    Cut { after_chunks: usize },
    /// One of the pieces is broken JSON.
    Malformed,
    /// Takes the request and says nothing, not even a status.
    Hang,
}

impl Fault {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Slow { .. } => "slow",
            Self::Cut { .. } => "cut",
            Self::Malformed => "malformed",
            Self::Hang => "hang",
        }
    }

    /// Whether the client gets its answer in the end.
    pub(crate) fn lets_through(&self) -> bool {
        matches!(self, Self::Slow { .. })
    }
}

/// For how many requests: a number, or `"always"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Next {
    Times(u32),
    Always(Always),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Always {
    Always,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    #[serde(default = "once")]
    next: Next,
    #[serde(flatten)]
    fault: Fault,
}

fn once() -> Next {
    Next::Times(1)
}

/// The faults to come, in the order they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Faults(VecDeque<Order>);

impl Faults {
    pub(crate) fn add(&mut self, order: Order) {
        if order.next != Next::Times(0) {
            self.0.push_back(order);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What this request meets.
    pub(crate) fn take(&mut self) -> Option<Fault> {
        let order = self.0.front_mut()?;
        let fault = order.fault.clone();
        if let Next::Times(left) = &mut order.next {
            *left -= 1;
            if *left == 0 {
                self.0.pop_front();
            }
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(json: &str) -> Order {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn faults_come_as_often_as_asked_and_in_order() {
        let mut faults = Faults::default();
        faults.add(order(r#"{"next":0,"kind":"hang"}"#));
        faults.add(order(r#"{"next":2,"kind":"cut","after_chunks":1}"#));
        faults.add(order(r#"{"kind":"status","code":500}"#));
        faults.add(order(r#"{"next":"always","kind":"malformed"}"#));
        let names: Vec<_> = (0..6).filter_map(|_| faults.take()).map(|fault| fault.name()).collect();
        assert_eq!(names, ["cut", "cut", "status", "malformed", "malformed", "malformed"]);
        faults.clear();
        assert_eq!(faults.take(), None);
    }

    #[test]
    fn an_unknown_fault_is_refused() {
        for bad in [r#"{"kind":"fire"}"#, r#"{"kind":"status"}"#, r#"{"next":"never","kind":"hang"}"#] {
            assert!(serde_json::from_str::<Order>(bad).is_err(), "{bad}");
        }
    }
}

//! What was said once, and need not be said again soon.

use std::collections::{HashSet, VecDeque};

/// Of so many is it remembered. Anybody can write from ever new ids: then the oldest may be said again.
const REMEMBERED: usize = 1_000;

#[derive(Default)]
pub(crate) struct Said {
    known: HashSet<String>,
    /// The same, the oldest first.
    order: VecDeque<String>,
}

impl Said {
    /// Whether this is the first time, as far as is remembered.
    pub(crate) fn is_first(&mut self, of: &str) -> bool {
        if !self.known.insert(of.to_owned()) {
            return false;
        }
        self.order.push_back(of.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_said_once_and_few_are_remembered() {
        let mut said = Said::default();
        assert!(said.is_first("0"));
        assert!(!said.is_first("0"));
        for n in 1..=10 * REMEMBERED {
            assert!(said.is_first(&n.to_string()));
        }
        assert_eq!((said.known.len(), said.order.len()), (REMEMBERED, REMEMBERED));
        assert!(said.is_first("0"), "it is long ago");
    }
}

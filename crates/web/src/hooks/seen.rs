//! Which deliveries came before.
//!
//! Kept in memory and bounded: a delivery that comes again after a restart, or after thousands of others, wakes once more, which is harmless.
//! That is also why it does not matter that a delivery's id is not signed.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use super::Receiver;

/// How many deliveries are remembered, 8 bytes each: forges that try again do so within hours.
const REMEMBERED: usize = 8192;

/// The latest deliveries.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hasher: RandomState,
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Seen {
    /// Whether a delivery is new. It is known from now on.
    pub(super) fn is_new(&mut self, receiver: Receiver, id: &[u8]) -> bool {
        // A hash of its own for each process: nobody can choose ids that meet.
        let key = self.hasher.hash_one((receiver, id));
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
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
    fn a_delivery_is_new_once_and_what_is_remembered_is_bounded() {
        let mut seen = Seen::default();
        assert!(seen.is_new(Receiver::GitHub, b"1"));
        assert!(!seen.is_new(Receiver::GitHub, b"1"));
        assert!(seen.is_new(Receiver::GitLab, b"1"));
        for n in 0..REMEMBERED * 3 {
            assert!(seen.is_new(Receiver::Forgejo, &n.to_be_bytes()));
            assert!(seen.known.len() <= REMEMBERED && seen.order.len() == seen.known.len());
        }
        assert!(seen.is_new(Receiver::GitHub, b"1"), "forgotten by now");
    }
}

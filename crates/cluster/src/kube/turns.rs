//! Whose turn it is: how many requests are under way at a server at the same time.
//!
//! Turns are given in the order in which they are asked for, and nobody asks for many at a time, so that a target with thousands of objects holds
//! up none with few. A server that says that it is too much (429) is left alone for as long as it asks, by everybody, and is asked less at a
//! time afterwards, until it keeps up again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// How many answers in a row must go well before one more request is sent at a time.
const WELL: usize = 20;

/// The turns at one server.
pub(super) struct Turns {
    free: Semaphore,
    /// All that there are when the server keeps up.
    all: usize,
    pace: Mutex<Pace>,
}

struct Pace {
    /// Turns that are held back.
    held_back: usize,
    /// Turns to be held back as soon as they come back.
    to_hold: usize,
    well: usize,
    not_before: Option<Instant>,
}

impl Turns {
    pub(super) fn new(at_once: usize) -> Self {
        let all = at_once.max(1);
        let pace = Pace { held_back: 0, to_hold: 0, well: 0, not_before: None };
        Self { free: Semaphore::new(all), all, pace: Mutex::new(pace) }
    }

    /// Waits for a turn, and for the end of a time in which the server wants to be left alone.
    pub(super) async fn take(&self) -> Turn<'_> {
        // It is never closed.
        let permit = self.free.acquire().await.ok();
        loop {
            let not_before = self.pace().not_before;
            match not_before {
                Some(time) if time > Instant::now() => tokio::time::sleep_until(time).await,
                _ => return Turn { turns: self, permit },
            }
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests are sent at a time now.
    #[cfg(test)]
    fn at_once(&self) -> usize {
        let pace = self.pace();
        self.all - pace.held_back - pace.to_hold
    }
}

/// A turn, given back when dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    permit: Option<SemaphorePermit<'a>>,
}

impl Turn<'_> {
    /// The server kept up.
    pub(super) fn went_well(self) {
        let mut pace = self.turns.pace();
        pace.well += 1;
        if pace.well < WELL {
            return;
        }
        pace.well = 0;
        if pace.to_hold > 0 {
            pace.to_hold -= 1;
        } else if pace.held_back > 0 {
            pace.held_back -= 1;
            self.turns.free.add_permits(1);
        }
    }

    /// It was too much for the server, which wants to be left alone for a while: half as much at a time from now on.
    pub(super) fn was_too_much(self, left_alone_for: Duration) {
        let mut pace = self.turns.pace();
        let now = Instant::now();
        // Those that were under way at the same time say the same once more.
        if pace.not_before.is_none_or(|time| time <= now) {
            let at_once = self.turns.all - pace.held_back - pace.to_hold;
            let more = at_once / 2;
            let free = self.turns.free.forget_permits(more);
            pace.held_back += free;
            pace.to_hold += more - free;
        }
        pace.well = 0;
        pace.not_before = pace.not_before.max(Some(now + left_alone_for.max(Duration::from_millis(1))));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut pace = self.turns.pace();
        if pace.to_hold > 0 {
            pace.to_hold -= 1;
            pace.held_back += 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_cannot_keep_up_is_left_alone_and_then_asked_less_at_a_time() {
        let (turns, alone) = (Turns::new(8), Duration::from_millis(100));
        let begun = Instant::now();
        let (first, second) = (turns.take().await, turns.take().await);
        first.was_too_much(alone);
        second.was_too_much(alone);
        assert_eq!(turns.at_once(), 4, "once for what was under way at the same time");
        let turn = turns.take().await;
        assert!(begun.elapsed() >= alone);
        turn.was_too_much(Duration::ZERO);
        assert_eq!(turns.at_once(), 2);
        let (first, _second) = (turns.take().await, turns.take().await);
        assert!(tokio::time::timeout(alone, turns.take()).await.is_err(), "two at a time");
        drop(first);
        for _ in 0..WELL * 6 {
            turns.take().await.went_well();
        }
        assert_eq!(turns.at_once(), 8, "it keeps up again");
    }

    #[tokio::test]
    async fn there_is_always_one_turn() {
        let turns = Turns::new(1);
        for _ in 0..5 {
            turns.take().await.was_too_much(Duration::ZERO);
        }
        assert_eq!(turns.at_once(), 1);
    }
}

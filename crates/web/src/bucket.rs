//! A token bucket: how often something may happen.

use std::time::{Duration, Instant};

/// Holds up to `burst` tokens and gains one each `refill`.
#[derive(Debug)]
pub(crate) struct Bucket {
    burst: u32,
    refill: Duration,
    tokens: u32,
    /// Up to when refills are counted in.
    counted: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn full(burst: u32, refill: Duration, now: Instant) -> Self {
        Self { burst, refill, tokens: burst, counted: now }
    }

    /// Takes a token, if there is one at `now`.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        if self.tokens == 0 {
            return false;
        }
        self.tokens -= 1;
        true
    }

    /// Whether it holds all that it can: it says nothing then that a new one does not.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens == self.burst
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted);
        let gained = passed.as_nanos() / self.refill.as_nanos().max(1);
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(gained).min(self.burst);
        // What is left of the current refill counts towards the next token, unless the bucket is full anyway.
        self.counted = if self.tokens == self.burst { now } else { self.counted + self.refill * gained };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_then_one_per_refill() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut bucket = Bucket::full(3, second, start);
        assert_eq!((0..5).map(|_| bucket.take(start)).collect::<Vec<_>>(), [true, true, true, false, false]);
        assert!(!bucket.take(start + second / 2));
        assert!(bucket.take(start + second), "half a refill seen before is not forgotten");
        assert!(!bucket.take(start + second));
        let much_later = start + second * 3600;
        assert_eq!((0..4).map(|_| bucket.take(much_later)).collect::<Vec<_>>(), [true, true, true, false]);
    }
}

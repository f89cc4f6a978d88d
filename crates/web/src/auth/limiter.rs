//! How often somebody may try.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;

use crate::bucket::Bucket;
use crate::limits;
use crate::problem::Refusal;

/// Counts attempts by address and altogether. An attempt is counted before it is looked at, so that many at once are no way around it; what is
/// remembered of an address is never forgotten while it says anything.
#[derive(Debug)]
pub(crate) struct Limiter {
    burst: u32,
    refill: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    all: Bucket,
    by_address: HashMap<Option<IpAddr>, Bucket>,
    swept: Instant,
}

impl Limiter {
    pub(crate) fn new(burst: u32, refill: Duration) -> Self {
        let now = Instant::now();
        let all = Bucket::full(limits::ALL_BURST, limits::ALL_REFILL, now);
        Self { burst, refill, inner: Mutex::new(Inner { all, by_address: HashMap::new(), swept: now }) }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// 429 `too-many-attempts` when there were too many.
    pub(crate) fn attempt(&self, from: Option<IpAddr>, now: Instant) -> Result<(), Refusal> {
        if self.inner.lock().unwrap_or_else(PoisonError::into_inner).take(from, now, self.burst, self.refill) {
            return Ok(());
        }
        let mend = "wait for the seconds in Retry-After; who is signed in, and programs with a right token, are not kept out";
        let detail = "from this address, or from all together, there were more attempts than are taken at once";
        Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", "Too many attempts", detail, mend))
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.inner.lock().unwrap().by_address.len()
    }
}

impl Inner {
    fn take(&mut self, from: Option<IpAddr>, now: Instant, burst: u32, refill: Duration) -> bool {
        if now.saturating_duration_since(self.swept) >= refill * burst {
            self.swept = now;
            self.by_address.retain(|_, bucket| !bucket.is_full(now));
        }
        // One address that is told to wait takes nothing from the others.
        if let Some(bucket) = self.by_address.get_mut(&from) {
            return bucket.take(now) && self.all.take(now);
        }
        if !self.all.take(now) || self.by_address.len() >= limits::ADDRESSES_MAX {
            return false;
        }
        let mut bucket = Bucket::full(burst, refill, now);
        let taken = bucket.take(now);
        self.by_address.insert(from, bucket);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(n.into()))
    }

    #[test]
    fn one_who_tries_too_often_waits_and_nobody_else_does() {
        let limiter = Limiter::new(3, Duration::from_secs(1));
        let now = Instant::now();
        let tried: Vec<bool> = (0..1000).map(|_| limiter.attempt(address(1), now).is_ok()).collect();
        assert_eq!(tried.iter().filter(|taken| **taken).count(), 3);
        assert!(limiter.attempt(address(2), now).is_ok());
        assert!(limiter.attempt(address(1), now + Duration::from_secs(1)).is_ok());
        assert_eq!(limiter.attempt(address(1), now + Duration::from_secs(1)).unwrap_err().0.status, 429);
    }

    #[test]
    fn very_many_addresses_are_bounded_together_and_none_gets_new_attempts_by_it() {
        let limiter = Limiter::new(3, Duration::from_secs(1));
        let now = Instant::now();
        for _ in 0..3 {
            limiter.attempt(address(0), now).unwrap();
        }
        let taken = (1..100_000).filter(|n| limiter.attempt(address(*n), now).is_ok()).count();
        assert_eq!(taken, limits::ALL_BURST as usize - 3);
        assert!(limiter.remembered() <= limits::ALL_BURST as usize);
        assert!(limiter.attempt(address(0), now).is_err(), "it is not forgotten");
        assert!(limiter.attempt(address(7), now + Duration::from_secs(60)).is_ok());
        assert_eq!(limiter.remembered(), 1, "and those are, who are as good as new");
    }
}

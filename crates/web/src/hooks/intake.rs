//! Taking in a hook's body: within a time, and with a bound on what all of them hold together.

use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::signature::Checking;
use crate::limits;

/// The bounds of taking in hooks that are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookLimits {
    /// How many are taken in at the same time.
    pub at_once: usize,
    /// How long a sender may take for a body.
    pub time: Duration,
    /// How much of a body is kept to be parsed, in bytes. Times `at_once`, it is all that senders can make this process hold.
    pub kept: usize,
    /// The largest body, in bytes. What is beyond `kept` is hashed for the signature, and not kept.
    pub body: usize,
    /// How many of those who know a secret are taken at once; after it, one each `refill`.
    pub burst: u32,
    /// How long until one more is taken.
    pub refill: Duration,
}

impl Default for HookLimits {
    fn default() -> Self {
        Self {
            at_once: limits::HOOKS_AT_ONCE,
            time: limits::HOOK_BODY_TIMEOUT,
            kept: limits::HOOK_KEPT_BYTES_MAX,
            body: limits::HOOK_BODY_BYTES_MAX,
            burst: limits::SIGNED_HOOK_BURST,
            refill: limits::SIGNED_HOOK_REFILL,
        }
    }
}

/// Why a body was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// It is too large.
    TooLarge,
    /// It did not come within its time.
    TooSlow,
    /// The sender broke off.
    BrokenOff,
}

/// A body whose sender knows the secret, or not.
pub(super) struct Taken {
    pub(super) right: bool,
    /// The body; `None` when it is longer than what is kept.
    pub(super) body: Option<Vec<u8>>,
}

/// The places of those that are taken in.
#[derive(Debug)]
pub(super) struct Intake {
    limits: HookLimits,
    places: Semaphore,
}

impl Intake {
    pub(super) fn new(limits: HookLimits) -> Self {
        Self { limits, places: Semaphore::new(limits.at_once) }
    }

    pub(super) fn limits(&self) -> HookLimits {
        self.limits
    }

    /// A place, if there is one now: nobody waits for one, since waiting costs memory as well.
    pub(super) fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }

    /// Reads a body to its end, and checks it.
    pub(super) async fn take(&self, _place: &SemaphorePermit<'_>, body: Body, checking: Checking) -> Result<Taken, Lost> {
        tokio::time::timeout(self.limits.time, self.read(body, checking)).await.unwrap_or(Err(Lost::TooSlow))
    }

    async fn read(&self, body: Body, mut checking: Checking) -> Result<Taken, Lost> {
        let mut chunks = body.into_data_stream();
        let (mut read, mut kept) = (0usize, Some(Vec::new()));
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Lost::BrokenOff)?;
            read = read.saturating_add(chunk.len());
            if read > self.limits.body {
                return Err(Lost::TooLarge);
            }
            if read > self.limits.kept {
                kept = None;
            }
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(&chunk);
            }
            checking.update(&chunk);
        }
        Ok(Taken { right: checking.verify(), body: kept })
    }
}

//! What goes wrong on the way to a fake forge and back, at a call that a test chooses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// An answer with this status comes in place of the forge's, which never saw the request. 403 and 429 come with the headers of a limit.
    Says(u16),
    /// The connection breaks before the forge saw the request.
    CutsBefore,
    /// The forge did what was asked, and the connection breaks.
    CutsAfter,
    /// The forge did what was asked, and no answer comes.
    HangsAfter,
}

impl Mishap {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Says(500), Self::Says(403), Self::Says(409), Self::Says(429), Self::CutsBefore, Self::CutsAfter, Self::HangsAfter];
}

/// The mishaps of one fake.
#[derive(Debug)]
pub struct Mishaps {
    calls: AtomicUsize,
    planned: Mutex<Option<(usize, Mishap)>>,
    page_limit: AtomicUsize,
}

impl Default for Mishaps {
    fn default() -> Self {
        Self { calls: AtomicUsize::new(0), planned: Mutex::new(None), page_limit: AtomicUsize::new(100) }
    }
}

impl Mishaps {
    /// Plans one for the call `number`, the first from now on being 0.
    pub fn plan(&self, number: usize, mishap: Mishap) {
        self.calls.store(0, Ordering::SeqCst);
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, mishap));
    }

    /// Whether the planned one is still to come.
    #[must_use]
    pub fn is_planned(&self) -> bool {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// No page holds more than this many, whatever is asked for.
    pub fn limit_pages(&self, most: usize) {
        self.page_limit.store(most, Ordering::SeqCst);
    }

    pub(super) fn page_limit(&self) -> usize {
        self.page_limit.load(Ordering::SeqCst)
    }

    pub(super) fn next(&self) -> Option<Mishap> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, mishap) = planned.take_if(|(number, _)| *number == call)?;
        Some(mishap)
    }
}

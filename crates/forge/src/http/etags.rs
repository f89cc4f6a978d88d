//! Answers that are kept, so that a forge may say that nothing changed: that costs it little, and on GitHub nothing of the budget.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use reqwest::header::HeaderValue;

/// How many answers are kept.
const ENTRIES_MAX: usize = 512;

/// How much they may hold together, in bytes.
const BYTES_MAX: usize = 16 << 20;

/// How much one may hold, in bytes.
const ENTRY_BYTES_MAX: usize = 1 << 20;

/// How long a tag of a forge's may be, in bytes.
const TAG_BYTES_MAX: usize = 256;

/// An answer that was good when its tag was.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) tag: HeaderValue,
    pub(super) text: String,
    pub(super) next: Option<Url>,
}

/// Answers by address. Of too many, those go that were not used for the longest time.
#[derive(Default)]
pub(super) struct Etags(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    entries: HashMap<String, (u64, Arc<Kept>)>,
    bytes: usize,
    uses: u64,
}

impl Etags {
    pub(super) fn get(&self, url: &Url) -> Option<Arc<Kept>> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.uses += 1;
        let uses = inner.uses;
        let (used, kept) = inner.entries.get_mut(url.as_str())?;
        *used = uses;
        Some(Arc::clone(kept))
    }

    pub(super) fn put(&self, url: &Url, kept: Kept) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.remove(url.as_str());
        let bytes = weight(url.as_str(), &kept);
        if kept.tag.len() > TAG_BYTES_MAX || bytes > ENTRY_BYTES_MAX {
            return;
        }
        while inner.entries.len() >= ENTRIES_MAX || inner.bytes + bytes > BYTES_MAX {
            let oldest = inner.entries.iter().min_by_key(|(_, (used, _))| *used).map(|(url, _)| url.clone());
            let Some(oldest) = oldest else { break };
            inner.remove(&oldest);
        }
        inner.uses += 1;
        inner.bytes += bytes;
        let entry = (inner.uses, Arc::new(kept));
        inner.entries.insert(url.as_str().to_owned(), entry);
    }
}

impl Inner {
    fn remove(&mut self, url: &str) {
        if let Some((_, kept)) = self.entries.remove(url) {
            self.bytes -= weight(url, &kept);
        }
    }
}

fn weight(url: &str, kept: &Kept) -> usize {
    url.len() + kept.tag.len() + kept.text.len() + kept.next.as_ref().map_or(0, |next| next.as_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(number: usize) -> Url {
        Url::parse(&format!("https://h/{number}")).unwrap()
    }

    fn kept(bytes: usize) -> Kept {
        Kept { tag: HeaderValue::from_static("\"t\""), text: "x".repeat(bytes), next: None }
    }

    fn sizes(etags: &Etags) -> (usize, usize) {
        let inner = etags.0.lock().unwrap();
        let sum = inner.entries.iter().map(|(url, (_, kept))| weight(url, kept)).sum::<usize>();
        assert_eq!(sum, inner.bytes, "the sum is right at any time");
        (inner.entries.len(), inner.bytes)
    }

    #[test]
    fn what_was_used_last_stays_when_there_are_too_many() {
        let etags = Etags::default();
        for number in 0..ENTRIES_MAX {
            etags.put(&url(number), kept(1));
        }
        assert!(etags.get(&url(0)).is_some());
        etags.put(&url(ENTRIES_MAX), kept(1));
        assert!(etags.get(&url(0)).is_some() && etags.get(&url(1)).is_none() && etags.get(&url(2)).is_some());
        assert_eq!(sizes(&etags).0, ENTRIES_MAX);
    }

    #[test]
    fn no_more_is_kept_than_fits_and_nothing_that_is_huge() {
        let etags = Etags::default();
        for number in 0..64 {
            etags.put(&url(number), kept(ENTRY_BYTES_MAX / 2));
            etags.put(&url(number % 3), kept(ENTRY_BYTES_MAX / 4));
            assert!(sizes(&etags).1 <= BYTES_MAX);
        }
        etags.put(&url(63), kept(ENTRY_BYTES_MAX + 1));
        assert!(etags.get(&url(63)).is_none(), "what was kept before is not what the forge says now");
        sizes(&etags);
    }
}

//! Sources whose pull requests cannot be looked at now, and why. Not kept: the next look finds it out again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use towpath_domain::{SourceName, Timestamp};

/// Since when which source's pull requests cannot be looked at.
#[derive(Default)]
pub(crate) struct Troubled(Mutex<BTreeMap<SourceName, (Timestamp, String)>>);

impl Troubled {
    /// Notes what came of a look, and writes it to the log when it is news.
    pub(crate) fn note(&self, source: &SourceName, now: Timestamp, looked: Result<(), String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match looked {
            Ok(()) => {
                if all.remove(source).is_some() {
                    tracing::info!(%source, "its pull requests can be looked at again");
                }
            }
            Err(error) => {
                let since = all.get(source).map(|(since, _)| *since);
                if since.is_none() {
                    tracing::warn!(%source, error, "its pull requests cannot be looked at; they are looked at again");
                }
                all.insert(source.clone(), (since.unwrap_or(now), error));
            }
        }
    }

    /// Forgets those that are looked at no more.
    pub(crate) fn retain(&self, is_looked_at: impl Fn(&SourceName) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|source, _| is_looked_at(source));
    }

    /// Since when this one's cannot be looked at, and why, in words.
    pub(crate) fn of(&self, source: &SourceName) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(source).map(|(since, error)| format!("since {since}: {error}"))
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeMap<SourceName, (Timestamp, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_from_when_it_began_with_its_newest_reason_until_it_is_over() {
        let (troubled, web) = (Troubled::default(), SourceName::new("web").unwrap());
        let at = Timestamp::from_millis;
        troubled.note(&web, at(1_000), Err("no answer".to_owned()));
        troubled.note(&web, at(2_000), Err("HTTP 500".to_owned()));
        assert_eq!(troubled.of(&web).unwrap(), "since 1970-01-01T00:00:01.000Z: HTTP 500");
        troubled.note(&web, at(3_000), Ok(()));
        assert_eq!(troubled.of(&web), None);
        troubled.note(&web, at(4_000), Err("no answer".to_owned()));
        assert_eq!(troubled.all().get(&web), Some(&(at(4_000), "no answer".to_owned())));
        troubled.retain(|_| false);
        assert!(troubled.all().is_empty());
    }
}

//! Until when a forge is left alone: what one request was told counts for all.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use tokio::time::Instant;

use super::wait::Said;
use crate::Budget;

/// How many budgets of different kinds a forge may have.
const KINDS_MAX: usize = 16;

/// The kind of a forge that has one budget only, as GitHub calls it.
const CORE: &str = "core";

/// What a forge said of its limits.
#[derive(Default)]
pub(super) struct Limits(Mutex<Known>);

#[derive(Default)]
struct Known {
    rests_until: Option<Instant>,
    budgets: BTreeMap<String, (Budget, Option<Instant>)>,
}

impl Limits {
    /// Takes in what came with an answer to what was asked for at `url`, and how long the forge asked to be left alone.
    pub(super) fn heed(&self, url: &Url, said: &Said, rest: Option<Duration>, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rest) = rest {
            known.rests_until = known.rests_until.max(Some(now + rest));
        }
        let Some(budget) = said.budget else { return };
        let kind = said.kind.as_deref().unwrap_or_else(|| kind_of(url));
        if !known.budgets.contains_key(kind) && known.budgets.len() >= KINDS_MAX {
            return;
        }
        // Answers overtake each other: of one period, the one with the least left is the newest.
        let older = known.budgets.get(kind).is_some_and(|(before, _)| before.resets_at == budget.resets_at && before.left < budget.left);
        if !older {
            known.budgets.insert(kind.to_owned(), (budget, said.spent_for().map(|spent| now + spent)));
        }
    }

    /// How long nothing may be asked at `url`.
    pub(super) fn rest(&self, url: &Url, now: Instant) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spent_until = known.budgets.get(kind_of(url)).and_then(|(_, until)| *until);
        known.rests_until.max(spent_until)?.checked_duration_since(now).filter(|rest| !rest.is_zero())
    }

    /// The budget that most requests count against.
    pub(super) fn budget(&self) -> Option<Budget> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.budgets.get(CORE).or_else(|| known.budgets.values().next()).map(|(budget, _)| *budget)
    }
}

/// Which budget a request counts against, by GitHub's documentation; the other forges have one.
fn kind_of(url: &Url) -> &'static str {
    if url.path().ends_with("/graphql") {
        "graphql"
    } else if url.path().contains("/search/") {
        "search"
    } else {
        CORE
    }
}

#[cfg(test)]
mod tests {
    use towpath_domain::Timestamp;

    use super::*;

    fn said(left: u64, kind: Option<&str>) -> Said {
        let budget = Some(Budget { limit: 10, left, resets_at: Timestamp::from_millis(5000) });
        Said { retry_after: None, budget, resets_in: Duration::from_secs(4), kind: kind.map(str::to_owned) }
    }

    #[test]
    fn a_spent_budget_stops_what_counts_against_it_until_it_is_a_new_one() {
        let (rest, graph) = (Url::parse("https://h/api/v3/repos/a/b").unwrap(), Url::parse("https://h/api/graphql").unwrap());
        let (limits, now) = (Limits::default(), Instant::now());
        limits.heed(&rest, &said(3, None), None, now);
        assert_eq!((limits.rest(&rest, now), limits.budget().unwrap().left), (None, 3));
        limits.heed(&graph, &said(0, Some("graphql")), None, now);
        assert_eq!(limits.rest(&graph, now), Some(Duration::from_secs(5)));
        assert_eq!((limits.rest(&rest, now), limits.budget().unwrap().left), (None, 3));
        assert_eq!(limits.rest(&graph, now + Duration::from_secs(5)), None);
        // One that was overtaken.
        limits.heed(&rest, &said(4, None), None, now);
        assert_eq!(limits.budget().unwrap().left, 3);
    }

    #[test]
    fn whoever_is_asked_to_rest_rests_with_all_that_it_does() {
        let (rest, graph) = (Url::parse("https://h/api/v3/repos/a/b").unwrap(), Url::parse("https://h/api/graphql").unwrap());
        let (limits, now) = (Limits::default(), Instant::now());
        limits.heed(&graph, &Said::default(), Some(Duration::from_secs(9)), now);
        limits.heed(&graph, &Said::default(), Some(Duration::from_secs(2)), now);
        assert_eq!(limits.rest(&rest, now), Some(Duration::from_secs(9)), "the longer one counts");
    }

    #[test]
    fn a_server_that_invents_budgets_fills_no_memory() {
        let (limits, url) = (Limits::default(), Url::parse("https://h/").unwrap());
        for number in 0..1000 {
            limits.heed(&url, &said(3, Some(&format!("k{number}"))), None, Instant::now());
        }
        assert_eq!(limits.0.lock().unwrap().budgets.len(), KINDS_MAX);
    }
}

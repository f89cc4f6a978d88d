//! Batches: promotions that wait for others for a while, and then go together in one change.
//!
//! A batch is of one policy, and of the same environments: stage and production never share a change because of it. Its window begins when the
//! first of those that wait became eligible, which the facts tell, and so it begins at the same moment in every process. Who leaves takes
//! nobody's time along: nobody waits longer than the window.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use towpath_catalog::Batching;
use towpath_domain::{TargetId, Timestamp};

/// A target whose promotion waits for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) target: TargetId,
    /// What those share that must move together.
    pub(crate) together: String,
    pub(crate) environment: String,
    /// When its first candidate that may go became eligible.
    pub(crate) since: Timestamp,
}

/// What a policy says of batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchRule {
    pub(crate) policy: Arc<str>,
    pub(crate) batching: Batching,
}

/// Whether a target that waits goes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It goes, with all that have the same number.
    Goes(u32),
    /// It waits until then.
    Waits(Timestamp),
}

/// Those that must move together.
struct Part<'a> {
    since: Timestamp,
    first: &'a TargetId,
    targets: Vec<&'a TargetId>,
}

/// Whose turn it is of all that wait by one rule, by target. A pure function of who waits, in whatever order.
pub(crate) fn turns(rule: &Batching, waiting: &[Waiting], now: Timestamp) -> BTreeMap<TargetId, Turn> {
    let mut turns = BTreeMap::new();
    let mut number = 0;
    for parts in parts_by_environment(waiting) {
        for batch in cut(parts, rule.limit) {
            let count = batch.parts.iter().map(|part| part.targets.len()).sum::<usize>();
            let opened = batch.parts.iter().map(|part| part.since).min().unwrap_or(now);
            let end = opened.plus(rule.window);
            let goes = batch.full || count >= rule.limit as usize || end <= now;
            let turn = if goes { Turn::Goes(number) } else { Turn::Waits(end) };
            number += u32::from(goes);
            turns.extend(batch.parts.iter().flat_map(|part| &part.targets).map(|target| ((*target).clone(), turn)));
        }
    }
    turns
}

/// What must move together stays together; whoever waits longest comes first.
fn parts_by_environment(waiting: &[Waiting]) -> impl Iterator<Item = Vec<Part<'_>>> {
    let mut together: BTreeMap<&str, Vec<&Waiting>> = BTreeMap::new();
    for one in waiting {
        together.entry(&one.together).or_default().push(one);
    }
    let mut by_environment: BTreeMap<BTreeSet<&str>, Vec<Part<'_>>> = BTreeMap::new();
    for mut members in together.into_values() {
        members.sort_by(|a, b| a.target.cmp(&b.target));
        let Some(first) = members.first() else { continue };
        let since = members.iter().map(|member| member.since).min().unwrap_or(first.since);
        let environments = members.iter().map(|member| member.environment.as_str()).collect();
        let part = Part { since, first: &first.target, targets: members.iter().map(|member| &member.target).collect() };
        by_environment.entry(environments).or_default().push(part);
    }
    by_environment.into_values().map(|mut parts| {
        parts.sort_by(|a, b| (a.since, a.first).cmp(&(b.since, b.first)));
        parts
    })
}

struct Batch<'a> {
    parts: Vec<Part<'a>>,
    /// The next one had no room in it.
    full: bool,
}

/// Batches of at most `limit` targets; a part that is larger goes by itself.
fn cut(parts: Vec<Part<'_>>, limit: u32) -> Vec<Batch<'_>> {
    let mut batches: Vec<Batch<'_>> = Vec::new();
    let mut room = 0;
    for part in parts {
        let size = part.targets.len();
        match batches.last_mut() {
            Some(batch) if size <= room => {
                room -= size;
                batch.parts.push(part);
            }
            last => {
                if let Some(last) = last {
                    last.full = true;
                }
                room = (limit as usize).saturating_sub(size);
                batches.push(Batch { parts: vec![part], full: false });
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use towpath_catalog::Place;
    use towpath_domain::Span;

    use super::*;

    fn rule(limit: u32) -> Batching {
        let place = Place { file: Arc::from("data/policy.yml"), line: 1, column: 1, start: 0, end: 0 };
        Batching { window: Span::from_secs(600), limit, place }
    }

    fn waits(target: &str, together: &str, environment: &str, since: i64) -> Waiting {
        let (together, environment) = (together.to_owned(), environment.to_owned());
        Waiting { target: TargetId::new(target).unwrap(), together, environment, since: Timestamp::from_millis(since * 1000) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn turn(turns: &BTreeMap<TargetId, Turn>, target: &str) -> Turn {
        turns[&TargetId::new(target).unwrap()]
    }

    #[test]
    fn the_first_opens_the_window_and_all_that_came_meanwhile_go_at_its_end() {
        let waiting = [waits("a", "a", "production", 100), waits("b", "b", "production", 500), waits("c", "c", "production", 699)];
        let before = turns(&rule(20), &waiting, at(699));
        assert!(before.values().all(|turn| *turn == Turn::Waits(at(700))), "{before:?}");
        let after = turns(&rule(20), &waiting, at(700));
        assert!(after.values().all(|turn| *turn == Turn::Goes(0)), "{after:?}");
    }

    #[test]
    fn environments_do_not_mix_and_each_has_a_window_of_its_own() {
        let waiting = [waits("a", "a", "production", 0), waits("b", "b", "stage", 300)];
        let turns = turns(&rule(20), &waiting, at(600));
        assert_eq!((turn(&turns, "a"), turn(&turns, "b")), (Turn::Goes(0), Turn::Waits(at(900))));
    }

    #[test]
    fn so_many_as_the_limit_go_at_once_and_the_rest_opens_a_window_of_its_own() {
        let waiting: Vec<Waiting> = (0..5).map(|n| waits(&format!("t{n}"), &format!("t{n}"), "production", n)).collect();
        let turns = turns(&rule(2), &waiting, at(5));
        let of = |n: u32| turn(&turns, &format!("t{n}"));
        assert_eq!([of(0), of(1), of(2), of(3)], [Turn::Goes(0), Turn::Goes(0), Turn::Goes(1), Turn::Goes(1)]);
        assert_eq!(of(4), Turn::Waits(at(604)));
    }

    proptest! {
        #[test]
        fn what_must_move_together_does_and_nobody_waits_longer_than_the_window(
            members in prop::collection::vec((0..6_u8, 0..2_u8, 0..1_200_i64), 1..30), limit in 2..8_u32, now in 0..2_000_i64,
        ) {
            let waiting: Vec<Waiting> = members.iter().enumerate().map(|(n, (together, environment, since))| {
                waits(&format!("t{n:02}"), &format!("g{together}"), &format!("e{environment}"), *since)
            }).collect();
            let found = turns(&rule(limit), &waiting, at(now));
            prop_assert_eq!(found.len(), waiting.len());
            for one in &waiting {
                let its = turn(&found, one.target.as_str());
                for other in waiting.iter().filter(|other| other.together == one.together) {
                    prop_assert_eq!(turn(&found, other.target.as_str()), its);
                }
                if let Turn::Waits(until) = its {
                    prop_assert!(until > at(now) && until <= one.since.plus(rule(limit).window));
                }
            }
            let mut sizes: BTreeMap<u32, BTreeMap<&str, usize>> = BTreeMap::new();
            for one in &waiting {
                if let Turn::Goes(number) = turn(&found, one.target.as_str()) {
                    *sizes.entry(number).or_default().entry(&one.together).or_default() += 1;
                }
            }
            for parts in sizes.values() {
                prop_assert!(parts.len() == 1 || parts.values().sum::<usize>() <= limit as usize);
            }
            let mut reversed = waiting;
            reversed.reverse();
            prop_assert_eq!(turns(&rule(limit), &reversed, at(now)), found);
        }
    }
}

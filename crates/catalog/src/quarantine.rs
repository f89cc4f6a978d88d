//! Tests that are not to be trusted, and what policies do about them.

use std::sync::Arc;

use towpath_domain::{Span, Timestamp};

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::model::Catalog;

/// So long before a quarantine ends, it is told.
const TOLD_AHEAD: Span = Span::from_days(7);

/// What is done about tests that are not to be trusted. Of each part, the last policy that says anything decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestPolicy {
    /// How often a run is tried again that failed of nothing but tests known to be flaky.
    pub flaky_retries: Option<u32>,
    /// Tests whose failures do not count; an empty list says that there are none.
    pub quarantine: Option<Vec<Quarantine>>,
}

/// A test whose failure does not fail its run, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Its name, or class and name as `class › name`; `*` stands for anything.
    pub test: Arc<str>,
    /// Who sees to it.
    pub owner: Arc<str>,
    /// Until when: from then on its failures count again.
    pub until: Timestamp,
    /// Why, for people.
    pub why: Arc<str>,
    /// Where it is written.
    pub place: Place,
}

impl Quarantine {
    /// Whether it names this test.
    #[must_use]
    pub fn names(&self, class: &str, name: &str) -> bool {
        matches(&self.test, name) || (!class.is_empty() && matches(&self.test, &format!("{class} › {name}")))
    }
}

/// Whether a text is as a pattern says, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// What is to be told of the quarantines of a catalog now: a warning in the week before one ends, and an error from then on. They are told beside
/// the diagnostics of the files, which know no time; a file whose quarantine has ended is as good as before.
#[must_use]
pub fn quarantines_due(catalog: &Catalog, now: Timestamp) -> Vec<Diagnostic> {
    let all = catalog.policies.iter().filter_map(|policy| policy.tests.quarantine.as_ref()).flatten();
    all.filter_map(|quarantine| due(quarantine, now)).collect()
}

fn due(quarantine: &Quarantine, now: Timestamp) -> Option<Diagnostic> {
    let Quarantine { test, owner, until, place, .. } = quarantine;
    let test = test.escape_debug();
    let (severity, message) = if now >= *until {
        (Severity::Error, format!("the quarantine of `{test}` ended at {until}: its failures count again"))
    } else if until.since(now) <= TOLD_AHEAD {
        (Severity::Warning, format!("the quarantine of `{test}` ends at {until}: its failures count from then on; {owner} sees to it"))
    } else {
        return None;
    };
    let mend = format!("{owner}: mend the test and remove this, or write a later `until`.");
    Some(Diagnostic { rule: "quarantine-due", severity, place: place.clone(), message, mend, related: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_what_it_says_and_nothing_else() {
        let names = |pattern: &str, class: &str, name: &str| {
            let place = Place { file: "p.yml".into(), line: 1, column: 1, start: 0, end: 0 };
            let quarantine = Quarantine { test: pattern.into(), owner: "ada".into(), until: Timestamp::default(), why: "x".into(), place };
            quarantine.names(class, name)
        };
        for pattern in ["checkout", "shop › checkout", "check*", "*out", "shop › *", "*", "s*c*t", "*checkout*", "**"] {
            assert!(names(pattern, "shop", "checkout"), "{pattern}");
        }
        for pattern in ["check", "shop", "shop.checkout", "*x*", "cart › checkout", "checkout*checkout", "ch*eckout*kout"] {
            assert!(!names(pattern, "shop", "checkout"), "{pattern}");
        }
        assert!(!names(" › checkout", "", "checkout"));
    }

    #[test]
    fn an_end_is_told_a_week_ahead_and_once_it_is_there() {
        const DAY: i64 = 24 * 3600 * 1000;
        let place = Place { file: "p.yml".into(), line: 3, column: 5, start: 0, end: 0 };
        let until = Timestamp::from_millis(100 * DAY);
        let quarantine = Quarantine { test: "checkout".into(), owner: "ada".into(), until, why: "x".into(), place };
        let told = |day: i64| due(&quarantine, Timestamp::from_millis(day * DAY)).map(|found| (found.severity, found.message));
        assert_eq!(told(92), None);
        let (severity, message) = told(94).unwrap();
        assert_eq!(severity, Severity::Warning);
        assert!(message.contains("`checkout` ends at 1970-04-11T00:00:00") && message.contains("ada"), "{message}");
        assert_eq!(told(100).unwrap().0, Severity::Error);
    }
}

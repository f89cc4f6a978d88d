//! What a policy says of tests that are not to be trusted.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::fields::Reader;
use super::time::{self, End};
use crate::quarantine::{Quarantine, TestPolicy};
use crate::yaml::Node;

const FIELDS: &[&str] = &["flaky", "quarantine"];
const FLAKY_FIELDS: &[&str] = &["retries"];
const QUARANTINE_FIELDS: &[&str] = &["test", "owner", "until", "why"];
/// How often a run may be tried again for flaky tests: what fails more often than that is broken.
const FLAKY_RETRIES_MAX: u64 = 3;

/// Reads what a policy says of tests.
pub(super) fn read(reader: &mut Reader, map: Node<'_, '_>) -> TestPolicy {
    reader.only(map, FIELDS);
    let flaky_retries = map.get("flaky").and_then(|flaky| {
        reader.only(flaky, FLAKY_FIELDS);
        reader.required(flaky, "retries")?;
        reader.number(flaky, "retries", 0..=FLAKY_RETRIES_MAX).and_then(|retries| u32::try_from(retries).ok())
    });
    let quarantine = map.get("quarantine").map(|_| {
        let nodes = reader.list(map, "quarantine").unwrap_or_default();
        nodes.into_iter().filter_map(|node| read_quarantine(reader, node)).collect()
    });
    TestPolicy { flaky_retries, quarantine }
}

fn read_quarantine(reader: &mut Reader, map: Node<'_, '_>) -> Option<Quarantine> {
    let errors = reader.errors();
    reader.only(map, QUARANTINE_FIELDS);
    let mut text = |field: &str, mend: &str| {
        let node = reader.required(map, field)?;
        let text = reader.text(node, field)?.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            reader.error("wrong-type", node.spot(), format!("`{field}` is empty or holds a control character"), mend);
            return None;
        }
        Some(Arc::<str>::from(text))
    };
    let test = text("test", "Write the test's name as its page shows it, or a part of it with `*` for the rest.");
    let owner = text("owner", "Write who sees to the test.");
    let why = text("why", "Write why its failures are not to count.");
    if let (Some(test), Some(node)) = (&test, map.get("test"))
        && test.chars().all(|c| c == '*' || c.is_whitespace())
    {
        reader.error("bad-quarantine", node.spot(), "that would be all tests", "Name the tests; `disable: true` stops a whole target.");
    }
    let node = reader.required(map, "until")?;
    let until = time::moment(reader, node, "until", Some(&TimeZone::UTC), End::Until);
    let place = map.spot().place(reader.file());
    let (test, owner, why, until) = (test?, owner?, why?, until?);
    (reader.errors() == errors).then_some(Quarantine { test, owner, until, why, place })
}

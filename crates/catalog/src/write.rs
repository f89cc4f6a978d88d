//! Small policy files that commands write: a freeze, a block. What is written loads back to exactly what was asked.

use std::fmt::Write as _;

use towpath_domain::{CommitId, RepoUrl};

use crate::edit::{double_quoted, is_plain};
use crate::model::Selector;

/// A text as a scalar on one line, whatever it holds.
fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::new();
    for c in double_quoted(text).chars() {
        match c {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Neither these nor what else YAML holds for no printable character may stand as they are.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted
}

/// The head of a policy: its name, what it is for, and what it selects.
fn head(name: &str, description: &str, select: &Selector) -> String {
    let mut out = format!("---\n$schema: /towpath/policy-1.yml\nname: {}\ndescription: {}\n", scalar(name), scalar(description));
    let mut lists = String::new();
    let mut list = |field: &str, values: Vec<&str>| {
        if !values.is_empty() {
            let _ = writeln!(lists, "  {field}:");
            for value in values {
                let _ = writeln!(lists, "    - {}", scalar(value));
            }
        }
    };
    list("apps", select.apps.iter().map(|name| name.as_str()).collect());
    list("environments", select.environments.iter().map(|name| name.as_str()).collect());
    list("clusters", select.clusters.iter().map(|name| name.as_str()).collect());
    list("targets", select.targets.iter().map(|id| id.as_str()).collect());
    if !select.labels.is_empty() {
        lists.push_str("  labels:\n");
        for (key, value) in &select.labels {
            let _ = writeln!(lists, "    {}: {}", scalar(key), scalar(value));
        }
    }
    if !lists.is_empty() {
        let _ = write!(out, "select:\n{lists}");
    }
    out
}

/// A policy that freezes what it selects, from now on, until somebody removes it. Empty selection: everything.
#[must_use]
pub fn freeze_policy(name: &str, select: &Selector, reason: &str, by: Option<&str>) -> String {
    let mut out = head(name, "A freeze. Remove this file to lift it.", select);
    let _ = writeln!(out, "freezes:\n  - reason: {}", scalar(reason));
    if let Some(by) = by {
        let _ = writeln!(out, "    by: {}", scalar(by));
    }
    out
}

/// A policy that keeps one commit of one repository away from what it selects. `rollback` says that a rollback wrote it.
#[must_use]
pub fn block_policy(name: &str, select: &Selector, url: &RepoUrl, commit: CommitId, reason: &str, rollback: bool) -> String {
    let mut out = head(name, "A blocked commit. Remove this file to let it through.", select);
    let _ = writeln!(
        out,
        "block:\n  - url: {}\n    ref: {}\n    reason: {}",
        scalar(url.expose()),
        scalar(&commit.to_string()),
        scalar(reason)
    );
    if rollback {
        out.push_str("    rollback: true\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use towpath_domain::{AppName, EnvironmentName, TargetId};

    use super::*;
    use crate::{InputFile, Policy, load};

    fn read_back(text: String) -> Policy {
        let loaded = load(vec![InputFile::new("data/policies/p.yml", text.clone().into_bytes())]);
        // Nothing that is selected exists in this tree; everything else must be in order.
        let wrong: Vec<_> = loaded.diagnostics.iter().filter(|found| found.rule != "unknown-selection").collect();
        assert!(wrong.is_empty(), "{wrong:?}\n{text}");
        let [policy] = loaded.catalog.policies.as_slice() else { panic!("one policy: {text}") };
        Policy::clone(policy)
    }

    fn selectors() -> impl Strategy<Value = Selector> {
        let name = || "[ -~äö✓]{1,20}";
        let lists = (prop::collection::vec(name(), 0..3), prop::collection::vec(name(), 0..3), prop::collection::vec(name(), 0..3));
        (lists, prop::collection::btree_map(name(), name(), 0..3)).prop_map(|((apps, environments, targets), labels)| {
            let mut targets: Vec<_> = targets.iter().map(|name| TargetId::new(name).unwrap()).collect();
            targets.sort();
            Selector {
                apps: apps.iter().map(|name| AppName::new(name).unwrap()).collect(),
                environments: environments.iter().map(|name| EnvironmentName::new(name).unwrap()).collect(),
                clusters: Vec::new(),
                targets,
                labels: labels.into_iter().collect::<BTreeMap<_, _>>(),
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_loads_back_to_what_was_asked(select in selectors(), reason in "\\PC{1,40}", by in prop::option::of("[ -~]{1,20}"), commit: [u8; 20], rollback: bool) {
            let policy = read_back(freeze_policy("hold-1", &select, &reason, by.as_deref()));
            prop_assert_eq!(&policy.select, &select);
            prop_assert_eq!(&*policy.freezes[0].reason, reason.as_str());
            prop_assert_eq!(policy.freezes[0].by.as_deref(), by.as_deref());
            prop_assert_eq!((policy.freezes.len(), policy.freezes[0].from, policy.freezes[0].until), (1, None, None));

            let commit: CommitId = commit.iter().map(|b| format!("{b:02x}")).collect::<String>().parse().unwrap();
            let url = RepoUrl::new("https://git.example.com/org/web").unwrap();
            let policy = read_back(block_policy("hold-1", &select, &url, commit, &reason, rollback));
            prop_assert_eq!(&policy.select, &select);
            let block = &policy.blocks[0];
            prop_assert_eq!((&block.url, block.commit, &*block.reason, block.rollback), (&url, commit, reason.as_str(), rollback));
            prop_assert!(policy.freezes.is_empty());
        }
    }
}

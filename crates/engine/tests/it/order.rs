//! In which order changes are merged.

use towpath_domain::Timestamp;
use towpath_engine::review::MergeOrder;
use towpath_engine::*;

use crate::batching::{at_rest, queued};
use crate::install::*;
use crate::sim::Sim;

fn edit(name: &str) -> ChangeSpec {
    let edits = vec![ConfigEdit::WriteFile { path: format!("data/{name}.yml"), content: String::new() }];
    change_spec(ChangeKind::Edit, name, edits, name.to_owned(), String::new(), name.to_owned())
}

/// A person's change is seen on its forge, with what its review found.
fn seen(sim: &mut Sim, name: &str, priority: u8, opened: Timestamp) -> ChangeSpec {
    let (url, waits, stamp) = (String::new(), Vec::new(), priority.to_string());
    let order = Some(MergeOrder { ordinary: true, priority, opened, number: 7 });
    let (head, labels, failed) = (commit(0xaa), Vec::new(), Vec::new());
    let open = OpenChange {
        number: 7,
        url,
        head,
        ready: false,
        waits,
        head_since: opened,
        rebase: false,
        thrown_out: false,
        again: false,
        labels,
        failed,
        order,
        stamp,
    };
    let spec = edit(name);
    sim.event(Event::ChangeSeen { spec: spec.clone(), open });
    spec
}

#[test]
fn hotfixes_are_merged_first_then_what_has_priority_then_the_oldest_whoever_made_it() {
    let mut sim = at_rest(&["a", "b"]);
    sim.install.policies.clear();
    sim.config_seen();
    let now = sim.now;
    let old = seen(&mut sim, "old", MergeOrder::NO_PRIORITY, now);
    sim.push();
    sim.settle();
    let [a, b] = queued(&sim).try_into().unwrap();
    let third = sim.push();
    sim.install.versions(Vec::new(), vec![third]);
    sim.config_seen();
    let hotfix = change_spec(
        ChangeKind::Promotion,
        "a",
        vec![ConfigEdit::SetRef { target: target_id("a"), from: towpath_domain::GitRef::Commit(commit(2)), to: third }],
        String::new(),
        String::new(),
        "ann".to_owned(),
    );
    let now = sim.now;
    let young = seen(&mut sim, "young", MergeOrder::NO_PRIORITY, now);
    let high = seen(&mut sim, "high", 2, now);
    let mut all = [&young, &b, &high, &a, &hotfix, &old];
    let of = |change: &&ChangeSpec| merge_order(&sim.catalog, &sim.facts, change);
    all.sort_by_key(of);
    assert_eq!(all.map(|change| &change.id), [&hotfix, &high, &old, &a, &b, &young].map(|change| &change.id));
    // Of two that are as old, the name decides: never the moment at which somebody looked.
    all.reverse();
    all.sort_by_key(of);
    assert_eq!(all[3].id, a.id);
}

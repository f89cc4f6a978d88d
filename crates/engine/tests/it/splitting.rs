//! Batches that do not pass: the culprit stands alone in the end, and the innocent go on.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use towpath_domain::*;
use towpath_engine::*;

use crate::batching::{at_rest, moved, queued};
use crate::install::*;
use crate::sim::Sim;

/// Pushes a commit that all stages take, and lets the window pass; the changes are queued and nothing else is.
fn to_the_end_of_the_window(sim: &mut Sim) -> CommitId {
    let commit = sim.push();
    sim.settle();
    while queued(sim).is_empty() {
        sim.now = sim.planner.next_deadline().unwrap();
        sim.tick();
        sim.act();
    }
    commit
}

/// All changes that are queued come to their end, and what follows is queued. Returns how many there were.
fn round(sim: &mut Sim) -> usize {
    let runs: Vec<RunId> = sim.facts.changes.values().filter_map(|fact| fact.active.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    runs.iter().for_each(|run| sim.finish(run));
    sim.act();
    runs.len()
}

fn active(sim: &Sim) -> Vec<ChangeSpec> {
    let mut changes: Vec<_> = sim.facts.changes.values().filter(|fact| fact.active.is_some()).map(|fact| fact.spec.clone()).collect();
    changes.sort_by(|a, b| a.edits.len().cmp(&b.edits.len()).then_with(|| moved(a).cmp(&moved(b))));
    changes
}

#[test]
fn a_batch_that_is_refused_goes_in_halves_until_the_culprit_stands_alone() {
    let mut sim = at_rest(&["a", "b", "c", "d"]);
    let second = commit(2);
    sim.culprits.insert((target_id("c"), second));
    to_the_end_of_the_window(&mut sim);
    let [batch] = active(&sim).try_into().unwrap();
    round(&mut sim);
    let halves = active(&sim);
    assert_eq!(halves.iter().map(moved).collect::<Vec<_>>(), [["a", "b"], ["c", "d"]]);
    assert_eq!(halves[0].replaces, std::slice::from_ref(&batch.id), "the batch is closed, so that nobody merges it");
    assert!(sim.facts.changes[&batch.id].replaced);
    let subject = Subject::Change(batch.id.clone());
    assert_eq!(sim.planner.verdict(&subject).unwrap().state, State::UpToDate, "it is over, and its parts go on");
    let why = &sim.facts.open_runs[sim.facts.changes[&halves[0].id].active.as_ref().unwrap()].spec.why;
    assert_eq!(why, &format!("the batch {} did not pass and goes in parts: c is invalid", batch.id));
    round(&mut sim);
    assert_eq!(active(&sim).iter().map(moved).collect::<Vec<_>>(), [["c"], ["d"]]);
    sim.settle();
    assert_eq!(["a", "b", "c", "d"].map(|name| sim.runs(name)), [Some(second), Some(second), Some(commit(1)), Some(second)]);
    let holds = sim.holds("c");
    assert!(matches!(holds.as_slice(), [Hold::ChangeFailed { message, .. }] if message == "c is invalid"), "{holds:?}");
    // A newer version of it is no culprit yet, and its neighbours have nothing to do with it.
    let third = sim.push();
    sim.settle();
    sim.wait(Span::from_secs(700));
    assert_eq!(["a", "b", "c", "d"].map(|name| sim.runs(name)), [Some(third); 4]);
}

#[test]
fn what_must_move_together_is_not_split() {
    let mut sim = at_rest(&["a", "b"]);
    for name in ["a2", "a3"] {
        sim.install.target(name, |target| {
            target.environment = EnvironmentName::new("production").unwrap();
            target.promotion.subscribe = vec![channel("a")];
            target.promotion.auto = true;
        });
    }
    sim.config_seen();
    sim.settle();
    sim.culprits.insert((target_id("a2"), commit(2)));
    to_the_end_of_the_window(&mut sim);
    round(&mut sim);
    assert_eq!(active(&sim).iter().map(moved).collect::<Vec<_>>(), [vec!["b"], vec!["a", "a2", "a3"]]);
    sim.settle();
    for name in ["a", "a2", "a3"] {
        assert!(matches!(sim.holds(name).as_slice(), [Hold::ChangeFailed { .. }]), "{name}");
    }
    assert_eq!(sim.runs("b"), Some(commit(2)));
}

#[test]
fn a_fault_of_the_environment_and_what_a_person_stops_split_nothing() {
    for (outcome, again) in [
        (
            Outcome::Failed {
                class: FailureClass::Environment,
                step: "merge".to_owned(),
                message: "no route".to_owned(),
                refused: false,
                blame: None,
            },
            true,
        ),
        (
            Outcome::Failed {
                class: FailureClass::Own,
                step: "merge".to_owned(),
                message: "taken over".to_owned(),
                refused: false,
                blame: None,
            },
            false,
        ),
        (Outcome::Cancelled { by: "ann".to_owned() }, false),
    ] {
        let mut sim = at_rest(&["a", "b", "c"]);
        to_the_end_of_the_window(&mut sim);
        let [batch] = active(&sim).try_into().unwrap();
        let run = sim.facts.changes[&batch.id].active.clone().unwrap();
        sim.end(&run, outcome);
        sim.wait(Span::from_secs(60));
        let changes: Vec<_> = queued(&sim).iter().map(|change| change.id.clone()).collect();
        assert_eq!(changes.len(), 1 + usize::from(again), "{changes:?}");
        assert!(changes.iter().all(|id| *id == batch.id), "{changes:?}");
        assert_eq!(sim.runs("a") == Some(commit(2)), again);
    }
}

#[test]
fn who_was_in_a_refused_batch_joins_no_other_and_a_retry_lets_it_join_again() {
    let mut sim = at_rest(&["a", "b", "c"]);
    let culprit = (target_id("c"), commit(2));
    sim.culprits.insert(culprit.clone());
    to_the_end_of_the_window(&mut sim);
    sim.settle();
    assert_eq!(sim.runs("c"), Some(commit(1)));
    let before = queued(&sim).len();
    // The config repository moves: it is tried again, and by itself.
    sim.config_seen();
    sim.act();
    let alone: Vec<ChangeSpec> = queued(&sim)[before..].to_vec();
    assert_eq!(alone.iter().map(moved).collect::<Vec<_>>(), [["c"]]);
    sim.settle();
    sim.culprits.remove(&culprit);
    sim.retry("c");
    sim.settle();
    assert_eq!(sim.runs("c"), Some(commit(2)));
}

/// The change is open where people see it.
fn opened(sim: &mut Sim, change: &ChangeSpec, ready: bool, failed: &[&str]) {
    if let Some(run) = sim.facts.changes[&change.id].active.clone() {
        let url = "https://forge.example.com/17".to_owned();
        sim.end(&run, Outcome::Opened { number: 17, url, head: commit(0xaa), waits: "its checks".to_owned() });
    }
    let failed: Vec<String> = failed.iter().map(|name| (*name).to_owned()).collect();
    let (url, waits) = ("https://forge.example.com/17".to_owned(), if ready { Vec::new() } else { vec!["an approval".to_owned()] });
    let stamp = format!("{ready} {failed:?}");
    let (head, head_since, labels) = (commit(0xaa), Timestamp::from_millis(0), Vec::new());
    let open = OpenChange {
        number: 17,
        url,
        head,
        ready,
        waits,
        head_since,
        rebase: false,
        thrown_out: false,
        again: false,
        labels,
        failed,
        order: None,
        stamp,
    };
    sim.event(Event::ChangeSeen { spec: change.clone(), open });
    sim.act();
}

#[test]
fn a_required_check_that_is_red_on_the_forge_splits_a_batch_and_one_by_itself_waits_there() {
    let mut sim = at_rest(&["a", "b"]);
    to_the_end_of_the_window(&mut sim);
    let [batch] = active(&sim).try_into().unwrap();
    opened(&mut sim, &batch, false, &[]);
    assert_eq!(active(&sim), [], "what waits for an approval is no culprit");
    opened(&mut sim, &batch, false, &["ci"]);
    let [a, b] = active(&sim).try_into().unwrap();
    assert_eq!((moved(&a), moved(&b)), (vec!["a"], vec!["b"]));
    assert_eq!((&a.replaces, &b.replaces), (&vec![batch.id.clone()], &vec![batch.id.clone()]));
    opened(&mut sim, &a, true, &[]);
    opened(&mut sim, &b, false, &["ci"]);
    sim.settle();
    assert_eq!((sim.runs("a"), sim.runs("b")), (Some(commit(2)), Some(commit(1))));
    let holds = sim.holds("b");
    assert!(matches!(holds.as_slice(), [Hold::ChangeOpen { change, .. }] if *change == b.id), "{holds:?}");
}

#[test]
fn what_people_approved_is_merged_as_it_is_whoever_else_has_become_due() {
    let mut sim = at_rest(&["a", "b", "c"]);
    sim.install.freeze("c", None, None);
    sim.config_seen();
    to_the_end_of_the_window(&mut sim);
    let [batch] = active(&sim).try_into().unwrap();
    assert_eq!(moved(&batch), ["a", "b"]);
    opened(&mut sim, &batch, false, &[]);
    sim.install.thaw("c");
    sim.config_seen();
    opened(&mut sim, &batch, true, &[]);
    let [c, again] = active(&sim).try_into().unwrap();
    assert_eq!((moved(&c), &again.id), (vec!["c"], &batch.id));
}

#[test]
fn a_newer_version_replaces_an_open_batch_and_takes_the_others_along() {
    let mut sim = at_rest(&["a", "b", "c"]);
    let second = to_the_end_of_the_window(&mut sim);
    let [batch] = active(&sim).try_into().unwrap();
    opened(&mut sim, &batch, false, &[]);
    let third = sim.push();
    sim.act_all();
    let run = sim.open("stage-a");
    sim.finish(&run);
    sim.act_all();
    let [newer] = active(&sim).try_into().unwrap();
    let to: BTreeMap<&str, CommitId> = newer
        .edits
        .iter()
        .filter_map(|edit| if let ConfigEdit::SetRef { target, to, .. } = edit { Some((target.as_str(), *to)) } else { None })
        .collect();
    assert_eq!(to, BTreeMap::from([("a", third), ("b", second), ("c", second)]));
    assert_eq!(newer.replaces, [batch.id]);
}

#[test]
fn a_batch_that_a_person_closes_stays_closed_as_a_whole() {
    let mut sim = at_rest(&["a", "b"]);
    to_the_end_of_the_window(&mut sim);
    let [batch] = active(&sim).try_into().unwrap();
    opened(&mut sim, &batch, false, &[]);
    sim.event(Event::ChangeEnded { change: batch.id.clone(), merged: None });
    sim.settle();
    sim.wait(Span::from_days(1));
    assert_eq!(queued(&sim).len(), 1);
    for name in ["a", "b"] {
        assert!(matches!(sim.holds(name).as_slice(), [Hold::ChangeFailed { .. }]), "{name}");
    }
}

/// `groups[n]` is the channel that target `n` follows; `bad` are the targets that the checks refuse.
fn split(groups: &[u8], bad: &BTreeSet<usize>, faults: &[bool]) -> (Sim, usize) {
    let mut sim = Sim::of(
        {
            let mut install = crate::batching::services(&[]);
            let channels: BTreeSet<u8> = groups.iter().copied().collect();
            for group in channels {
                install.target(&format!("stage-{group}"), |target| {
                    target.git_ref = GitRef::Branch(main_branch());
                    target.promotion.publish = vec![channel(&format!("c{group}"))];
                });
            }
            for (n, group) in groups.iter().enumerate() {
                install.target(&format!("t{n:02}"), |target| {
                    target.environment = EnvironmentName::new("production").unwrap();
                    target.promotion.subscribe = vec![channel(&format!("c{group}"))];
                    target.promotion.auto = true;
                });
            }
            install.batching("production", Span::from_secs(600), 100);
            install
        },
        &[],
    );
    sim.settle();
    sim.culprits = bad.iter().map(|n| (target_id(&format!("t{n:02}")), commit(2))).collect();
    to_the_end_of_the_window(&mut sim);
    let mut faults = faults.iter();
    let mut rounds = 0;
    loop {
        // Now and then the way there fails, which says nothing of what was on it.
        if let Some(true) = faults.next() {
            let run = sim.facts.changes.values().filter_map(|fact| fact.active.clone()).min();
            if let Some(run) = run {
                let (step, message) = ("merge".to_owned(), "no route".to_owned());
                sim.end(&run, Outcome::Failed { class: FailureClass::Environment, step, message, refused: false, blame: None });
                sim.now = sim.now.plus(Span::from_secs(1));
            }
        }
        if round(&mut sim) == 0 {
            let Some(next) = sim.planner.next_deadline() else { break };
            sim.now = next;
            sim.tick();
            sim.act();
            sim.settle_but_changes();
            continue;
        }
        sim.settle_but_changes();
        rounds += 1;
        assert!(rounds < 60, "no end");
    }
    (sim, rounds)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::props::cases(24), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_innocent_are_merged_and_each_culprit_stands_alone(
        groups in prop::collection::vec(0..24_u8, 1..24), bad in prop::collection::btree_set(0..24_usize, 0..6), faults in prop::collection::vec(any::<bool>(), 0..5),
    ) {
        let bad: BTreeSet<usize> = bad.into_iter().filter(|n| *n < groups.len()).collect();
        let bad_groups: BTreeSet<u8> = bad.iter().map(|n| groups[*n]).collect();
        let (mut sim, rounds) = split(&groups, &bad, &faults);
        for (n, group) in groups.iter().enumerate() {
            let name = format!("t{n:02}");
            if bad_groups.contains(group) {
                prop_assert_eq!(sim.pinned(&name), Some(commit(1)), "{}", name);
                let holds = sim.holds(&name);
                let [Hold::ChangeFailed { change, .. }] = holds.as_slice() else { panic!("{name}: {holds:?}") };
                let alone = moved(&sim.facts.changes[change].spec).into_iter().all(|other| groups[other[1..].parse::<usize>().unwrap()] == *group);
                prop_assert!(alone, "{} is held by a change of others", name);
            } else {
                prop_assert_eq!(sim.pinned(&name), Some(commit(2)), "{}", name);
            }
        }
        for fact in sim.facts.changes.values().filter(|fact| fact.merged.is_some()) {
            for target in moved(&fact.spec) {
                prop_assert!(!bad.contains(&target[1..].parse::<usize>().unwrap()), "{} was merged with a culprit", fact.spec.id);
            }
        }
        // Each culprit is looked for down one path of halves, and looked at once more by itself whenever the config repository moved.
        let parts = groups.iter().collect::<BTreeSet<_>>().len();
        let depth = usize::BITS as usize - parts.leading_zeros() as usize + 1;
        let env = faults.iter().filter(|fault| **fault).count();
        let checks = queued(&sim).len();
        prop_assert!(rounds <= 2 * depth + 2 * env + 2, "{} rounds for {} parts", rounds, parts);
        prop_assert!(checks <= 1 + env + bad_groups.len() * (2 * depth + rounds), "{} checks for {} parts, {} bad, {} rounds", checks, parts, bad_groups.len(), rounds);
        // Planning again makes no changes, nor does time.
        prop_assert_eq!(sim.act(), 0);
        sim.wait(Span::from_days(1));
        prop_assert_eq!(queued(&sim).len(), checks);
    }

    #[test]
    fn the_same_trouble_makes_the_same_changes(groups in prop::collection::vec(0..12_u8, 1..16), bad in prop::collection::btree_set(0..16_usize, 0..4)) {
        let bad: BTreeSet<usize> = bad.into_iter().filter(|n| *n < groups.len()).collect();
        let ids = |sim: &Sim| queued(sim).into_iter().map(|change| change.id).collect::<Vec<_>>();
        prop_assert_eq!(ids(&split(&groups, &bad, &[]).0), ids(&split(&groups, &bad, &[]).0));
    }
}

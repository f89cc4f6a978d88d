//! Changes that people see on a forge: open until they have said what they have to say.

use towpath_catalog::QueuePolicy;
use towpath_domain::FailureClass;
use towpath_engine::*;

use crate::changes::until_promoted;
use crate::install::*;
use crate::sim::Sim;

/// The change is open on the forge, and waits for people.
fn opens(sim: &mut Sim, change: &ChangeSpec) {
    let run = sim.facts.changes[&change.id].active.clone().unwrap();
    let url = "https://forge.example.com/config/17".to_owned();
    sim.end(&run, Outcome::Opened { number: 17, url, head: commit(0xaa), waits: "an approval".to_owned() });
}

/// It is looked at there.
fn seen(change: &ChangeSpec, ready: bool, stamp: &str) -> Event {
    let waits = if ready { Vec::new() } else { vec!["an approval by one of ada".to_owned()] };
    let url = "https://forge.example.com/config/17".to_owned();
    let open = OpenChange {
        number: 17,
        url,
        head: commit(0xaa),
        ready,
        waits,
        head_since: towpath_domain::Timestamp::from_millis(0),
        rebase: false,
        thrown_out: false,
        again: false,
        labels: Vec::new(),
        failed: Vec::new(),
        order: None,
        stamp: stamp.to_owned(),
    };
    Event::ChangeSeen { spec: change.clone(), open }
}

/// At rest, with the promotion of production to commit 2 open on the forge.
fn open() -> (Sim, ChangeSpec) {
    let mut sim = Sim::chain();
    sim.settle();
    sim.push();
    let change = until_promoted(&mut sim, "prod");
    opens(&mut sim, &change);
    (sim, change)
}

#[test]
fn a_change_waits_for_people_without_a_worker_and_is_merged_once_all_is_there() {
    let (mut sim, change) = open();
    sim.settle();
    let holds = sim.holds("prod");
    let [hold] = holds.as_slice() else { panic!("{holds:?}") };
    let text = hold_text(hold, &sim.install.catalog());
    assert!(text.contains("https://forge.example.com/config/17 and waits: an approval"), "{text}");
    assert_eq!(sim.facts.changes[&change.id].runs, 1, "nobody is at work on it");

    sim.event(seen(&change, false, "one"));
    sim.settle();
    assert_eq!(sim.facts.changes[&change.id].runs, 1);
    sim.event(seen(&change, true, "two"));
    sim.settle();
    assert_eq!((sim.facts.changes[&change.id].runs, sim.runs("prod")), (2, Some(commit(2))));
    assert!(sim.facts.changes[&change.id].open.is_none());
}

#[test]
fn what_the_forge_has_in_its_own_queue_is_ordered_again_only_when_it_stands_otherwise() {
    let (mut sim, change) = open();
    sim.event(seen(&change, true, "one"));
    sim.act();
    opens(&mut sim, &change);
    sim.settle();
    assert_eq!(sim.facts.changes[&change.id].runs, 2, "it is in the queue: ordered once");
    sim.event(seen(&change, true, "two"));
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(2)));
}

#[test]
fn a_newer_candidate_takes_the_place_of_an_open_change_where_the_newest_counts() {
    let (mut sim, old) = open();
    sim.push();
    let new = until_promoted(&mut sim, "prod");
    assert_ne!(new.id, old.id);
    assert_eq!(new.replaces, std::slice::from_ref(&old.id));
    assert!(sim.facts.changes[&old.id].open.is_none());
    // A look that was under way while it was replaced, and closed by the newer one: that was no person.
    sim.event(seen(&old, true, "late"));
    sim.event(Event::ChangeEnded { change: old.id.clone(), merged: None });
    let fact = &sim.facts.changes[&old.id];
    assert!(fact.open.is_none() && !fact.closed, "{fact:?}");
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(3)));
}

#[test]
fn a_newer_candidate_waits_behind_an_open_change_where_every_version_has_its_turn() {
    let mut sim = Sim::chain();
    sim.install.policy("prod", |policy| policy.queue = Some(QueuePolicy::Every));
    sim.config_seen();
    sim.settle();
    sim.push();
    let old = until_promoted(&mut sim, "prod");
    opens(&mut sim, &old);
    sim.push();
    sim.settle();
    assert_eq!(sim.facts.changes.values().filter(|fact| fact.open.is_some()).count(), 1);
    sim.event(Event::ChangeEnded { change: old.id, merged: Some(commit(0xbb)) });
}

#[test]
fn a_change_that_a_person_closed_stays_closed_until_somebody_asks_and_a_newer_version_goes_on() {
    let (mut sim, change) = open();
    sim.event(Event::ChangeEnded { change: change.id.clone(), merged: None });
    sim.settle();
    // Whatever else happens in the config repository.
    sim.config_seen();
    sim.settle();
    let holds = sim.holds("prod");
    assert!(matches!(holds.as_slice(), [Hold::ChangeFailed { message, .. }] if message.contains("closed")), "{holds:?}");
    assert_eq!(sim.facts.changes[&change.id].runs, 1);

    sim.event(Event::RetryRequested { subject: Subject::Change(change.id.clone()), by: "ada".to_owned(), why: "a slip".to_owned() });
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(2)));

    let (mut sim, change) = open();
    sim.event(Event::ChangeEnded { change: change.id, merged: None });
    sim.push();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(3)));
}

#[test]
fn what_is_approved_is_not_merged_once_the_gate_has_closed_again() {
    let (mut sim, change) = open();
    // The test that vouched fails when it is run again.
    sim.install.edit("test", |target| target.input_hash = std::sync::Arc::from("another"));
    sim.config_seen();
    sim.fail("test", commit(2), towpath_domain::FailureClass::Own, 9);
    sim.settle();
    sim.event(seen(&change, true, "two"));
    sim.settle();
    assert_eq!((sim.facts.changes[&change.id].runs, sim.runs("prod")), (1, Some(commit(1))));
}

#[test]
fn what_towpath_itself_closed_is_not_taken_for_closed_by_a_person() {
    let (mut sim, change) = open();
    sim.event(seen(&change, false, "one"));
    // A person moves production by hand; the change is moot, and its run closes it.
    sim.install.edit("prod", |target| target.git_ref = towpath_domain::GitRef::Commit(commit(2)));
    sim.config_seen();
    sim.settle();
    let fact = &sim.facts.changes[&change.id];
    assert!(fact.open.is_none() && !fact.closed, "{fact:?}");
}

#[test]
fn a_persons_own_change_is_merged_once_it_is_ready_and_is_nobodys_business_before() {
    let mut sim = Sim::chain();
    sim.settle();
    let pull = Some(PullRef { number: 18, head: commit(0xaa) });
    let edit = ChangeSpec {
        pull,
        ..change_spec(ChangeKind::Edit, "pull-18", Vec::new(), "More memory".to_owned(), String::new(), "ada".to_owned())
    };
    sim.event(seen(&edit, false, "one"));
    sim.settle();
    assert_eq!(sim.facts.changes[&edit.id].runs, 0);
    sim.event(seen(&edit, true, "two"));
    sim.settle();
    let fact = &sim.facts.changes[&edit.id];
    assert_eq!(fact.runs, 1);
    assert!(fact.merged.is_some() && fact.open.is_none());
    // A look that was under way while it was merged.
    sim.event(seen(&edit, true, "three"));
    sim.settle();
    assert_eq!(sim.facts.changes[&edit.id].runs, 1);
}

/// It is looked at with these marks.
fn marked(change: &ChangeSpec, stamp: &str, mark: impl Fn(&mut OpenChange)) -> Event {
    let Event::ChangeSeen { spec, mut open } = seen(change, false, stamp) else { panic!("it is looked at") };
    mark(&mut open);
    Event::ChangeSeen { spec, open }
}

#[test]
fn a_new_branch_that_was_asked_for_stays_asked_for_until_it_is_made() {
    let (mut sim, change) = open();
    sim.event(marked(&change, "one", |open| open.rebase = true));
    sim.act();
    let fact = &sim.facts.changes[&change.id];
    assert!(fact.active.is_some() && fact.open.as_ref().unwrap().rebase, "a run is at it: {fact:?}");
    // It fails by the environment's fault: that is not done.
    let run = fact.active.clone().unwrap();
    sim.end(
        &run,
        Outcome::Failed {
            class: FailureClass::Environment,
            step: "propose".to_owned(),
            message: "no route".to_owned(),
            refused: false,
            blame: None,
        },
    );
    assert!(sim.facts.changes[&change.id].open.as_ref().unwrap().rebase);

    let (mut sim, change) = open();
    sim.event(marked(&change, "one", |open| open.rebase = true));
    sim.act();
    opens(&mut sim, &change);
    assert!(!sim.facts.changes[&change.id].open.as_ref().unwrap().rebase, "it is made");
    sim.settle();
    assert_eq!(sim.facts.changes[&change.id].runs, 2, "once");
}

#[test]
fn what_the_forges_queue_threw_out_waits_until_somebody_asks_and_is_then_put_there_once_more() {
    let (mut sim, change) = open();
    let out = |open: &mut OpenChange| {
        open.thrown_out = true;
        open.waits = vec!["the merge queue threw it out: lint".to_owned()];
    };
    sim.event(marked(&change, "one", out));
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.facts.changes[&change.id].runs, 1, "nobody asked");
    let holds = sim.holds("prod");
    assert!(hold_text(&holds[0], &sim.install.catalog()).contains("threw it out: lint"), "{holds:?}");
    for subject in [Subject::Change(change.id.clone()), Subject::Target(target_id("prod"))] {
        sim.event(Event::RetryRequested { subject, by: "ada".to_owned(), why: "lint is mended".to_owned() });
        assert!(sim.facts.changes[&change.id].open.as_ref().unwrap().again);
    }
    // The next look finds that it may go there, and the run puts it there.
    sim.event(marked(&change, "two", |open| (open.thrown_out, open.again, open.ready) = (true, true, true)));
    sim.act();
    opens(&mut sim, &change);
    let fact = &sim.facts.changes[&change.id];
    assert!(!fact.open.as_ref().unwrap().again && fact.runs == 2, "once: {fact:?}");
    sim.settle();
    assert_eq!(sim.facts.changes[&change.id].runs, 2);
}

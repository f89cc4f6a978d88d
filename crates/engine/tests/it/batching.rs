//! Promotions that wait for others, and go in one change.

use towpath_domain::*;
use towpath_engine::*;

use crate::install::*;
use crate::sim::Sim;

/// Services of one repository, each with a stage that follows the branch and a production that follows that stage.
pub fn services(names: &[&str]) -> Install {
    let mut install = Install::default();
    for name in names {
        install.target(&format!("stage-{name}"), |target| {
            target.git_ref = GitRef::Branch(main_branch());
            target.environment = EnvironmentName::new("stage").unwrap();
            target.promotion.publish = vec![channel(name)];
        });
        install.target(name, |target| {
            target.environment = EnvironmentName::new("production").unwrap();
            target.promotion.subscribe = vec![channel(name)];
            target.promotion.auto = true;
        });
    }
    install.batching("production", Span::from_secs(600), 20);
    install
}

/// The services, at rest at commit 1.
pub fn at_rest(names: &[&str]) -> Sim {
    let mut sim = Sim::of(services(names), &[]);
    sim.settle();
    sim
}

/// The changes that were ever queued, in order.
pub fn queued(sim: &Sim) -> Vec<ChangeSpec> {
    let change = |event: &Event| match event {
        Event::RunQueued(RunSpec { work: Work::Change(change), .. }) => Some(change.clone()),
        _ => None,
    };
    sim.log.iter().filter_map(|(_, event)| change(event)).collect()
}

/// The targets that a change moves.
pub fn moved(change: &ChangeSpec) -> Vec<&str> {
    let target = |edit: &ConfigEdit| matches!(edit, ConfigEdit::SetRef { .. });
    assert!(change.edits.iter().all(target));
    change.edits.iter().filter_map(|edit| if let ConfigEdit::SetRef { target, .. } = edit { Some(target.as_str()) } else { None }).collect()
}

/// Deploys a stage at once, and leaves all others to wait.
fn stage(sim: &mut Sim, name: &str) {
    let target = format!("stage-{name}");
    sim.act_all();
    let run = sim.open(&target);
    sim.start(&run);
    sim.finish(&run);
    sim.act_all();
}

fn until(sim: &Sim, name: &str) -> Timestamp {
    match sim.holds(name).as_slice() {
        [Hold::Batching { until, .. }] => *until,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn what_becomes_due_within_the_window_goes_in_one_change_and_says_until_when_it_waits() {
    let mut sim = at_rest(&["a", "b", "c"]);
    let second = sim.push();
    stage(&mut sim, "a");
    let opened = sim.facts.evidence[&(channel("a"), target_id("stage-a"))][&second].since;
    assert_eq!(until(&sim, "a"), opened.plus(Span::from_secs(600)));
    let (text, lift) = {
        let holds = sim.holds("a");
        (hold_text(&holds[0], &*sim.catalog), lift_text(&holds[0], "a"))
    };
    let end = opened.plus(Span::from_secs(600));
    assert_eq!(text, format!("0000002 waits for others to join its change until {end}, or until there are 20 (policy batch-production)"));
    assert_eq!(lift, "wait, or `towpath promote 'a' --to 0000002 --reason …`");
    sim.now = sim.now.plus(Span::from_secs(300));
    stage(&mut sim, "b");
    assert_eq!((until(&sim, "a"), until(&sim, "b")), (end, end), "the first one opened the window for all");
    assert_eq!(queued(&sim), []);
    stage(&mut sim, "c");
    sim.now = end;
    sim.tick();
    sim.act();
    let [change] = queued(&sim).try_into().unwrap();
    assert_eq!(moved(&change), ["a", "b", "c"]);
    assert_eq!(change.parts, [[target_id("a")], [target_id("b")], [target_id("c")]]);
    sim.settle();
    assert_eq!(["a", "b", "c"].map(|name| sim.runs(name)), [Some(second); 3]);
}

#[test]
fn a_controller_that_starts_anew_in_the_middle_of_a_window_waits_as_long_and_makes_the_same_change() {
    let mut sim = at_rest(&["a", "b"]);
    sim.push();
    stage(&mut sim, "a");
    let end = until(&sim, "a");
    stage(&mut sim, "b");
    let mut facts = Facts::default();
    for (at, event) in &sim.log {
        facts.apply(*at, event);
    }
    // It was away for the rest of the window and longer: it begins none of its own.
    let late = end.plus(Span::from_secs(3600));
    let actions = plan(&sim.catalog, &facts, late).actions;
    sim.now = late;
    sim.tick();
    assert_eq!(sim.planner.actions(), actions);
    assert_eq!(actions.len(), 1, "{actions:#?}");
}

#[test]
fn a_newer_version_goes_in_the_place_of_the_older_and_does_not_begin_the_window_anew() {
    let mut sim = at_rest(&["a", "b"]);
    sim.push();
    stage(&mut sim, "a");
    let end = until(&sim, "a");
    stage(&mut sim, "b");
    for _ in 0..4 {
        sim.now = sim.now.plus(Span::from_secs(120));
        sim.push();
        stage(&mut sim, "a");
        assert_eq!(until(&sim, "a"), end, "a busy branch waits no longer");
    }
    sim.now = end;
    sim.tick();
    sim.act();
    let [change] = queued(&sim).try_into().unwrap();
    let to: Vec<_> = change.edits.iter().map(|edit| matches!(edit, ConfigEdit::SetRef { to, .. } if *to == commit(6))).collect();
    assert_eq!((moved(&change), to), (vec!["a", "b"], vec![true, false]), "{change:#?}");
    sim.finish(&sim.facts.changes[&change.id].active.clone().unwrap());
    assert_eq!((sim.pinned("a"), sim.pinned("b")), (Some(commit(6)), Some(commit(2))));
}

#[test]
fn the_limit_closes_a_batch_before_its_time() {
    let mut sim = at_rest(&["a", "b", "c"]);
    sim.install.batching("production", Span::from_secs(600), 2);
    sim.config_seen();
    sim.push();
    stage(&mut sim, "a");
    assert_eq!(queued(&sim), []);
    stage(&mut sim, "b");
    assert_eq!(queued(&sim).iter().map(moved).collect::<Vec<_>>(), [["a", "b"]]);
    stage(&mut sim, "c");
    until(&sim, "c");
}

#[test]
fn neither_a_hotfix_nor_what_leaves_a_blocked_version_waits() {
    let mut sim = at_rest(&["a", "b"]);
    let second = sim.push();
    stage(&mut sim, "a");
    stage(&mut sim, "b");
    sim.install.block("a", commit(1), false);
    sim.config_seen();
    sim.act();
    assert_eq!(queued(&sim).iter().map(moved).collect::<Vec<_>>(), [["a"]]);
    until(&sim, "b");
    sim.install.versions(Vec::new(), vec![second]);
    sim.config_seen();
    sim.act();
    assert_eq!(queued(&sim).iter().map(moved).collect::<Vec<_>>(), [["a"], ["b"]]);
}

#[test]
fn environments_go_in_changes_of_their_own_and_what_else_is_to_be_done_does_not_wait() {
    let mut sim = at_rest(&["a", "b"]);
    sim.install.edit("b", |target| target.environment = EnvironmentName::new("perf").unwrap());
    sim.install.policy("batch-production", |policy| {
        let (window, limit) = (Span::from_secs(600), 20);
        policy.batching = Some(towpath_catalog::Batching { window, limit, place: place(40) });
    });
    sim.config_seen();
    sim.push();
    stage(&mut sim, "a");
    stage(&mut sim, "b");
    // What `a` runs gets another configuration while it waits for others.
    sim.install.edit("a", |target| target.input_hash = "input-2".into());
    sim.config_seen();
    let before = sim.deployed.len();
    sim.settle();
    assert_eq!(sim.deployed[before..], [(target_id("a"), commit(1))]);
    sim.wait(Span::from_secs(700));
    assert_eq!(queued(&sim).iter().map(moved).collect::<Vec<_>>(), [["a"], ["b"]]);
}

#[test]
fn whom_a_person_promotes_leaves_the_batch_and_takes_nobodys_time_along() {
    let mut sim = at_rest(&["a", "b"]);
    let second = sim.push();
    stage(&mut sim, "a");
    sim.now = sim.now.plus(Span::from_secs(100));
    stage(&mut sim, "b");
    let end = until(&sim, "b");
    let edits = vec![ConfigEdit::SetRef { target: target_id("a"), from: GitRef::Commit(commit(1)), to: second }];
    let change = change_spec(ChangeKind::Promotion, "a", edits, "Promote a".to_owned(), String::new(), "ann".to_owned());
    let run = change_run(&sim.facts, change, "ann asked for it".to_owned());
    sim.event(Event::RunQueued(run));
    assert!(until(&sim, "b") > end, "its own time runs from its own beginning");
    sim.settle();
    assert_eq!((sim.runs("a"), sim.runs("b")), (Some(second), Some(commit(1))));
    sim.wait(Span::from_secs(700));
    assert_eq!(sim.runs("b"), Some(second));
}

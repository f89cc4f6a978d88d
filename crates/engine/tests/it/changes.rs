//! Changes to the config repository, and what else the config repository says.

use std::sync::Arc;

use towpath_domain::{BranchName, FailureClass, GitRef, RepoUrl, Span, TargetId};
use towpath_engine::*;

use crate::install::*;
use crate::sim::Sim;

/// At rest at commit 1, then pushed on until the promotion of `target` to commit 2 is queued.
pub fn until_promoted(sim: &mut Sim, target: &str) -> ChangeSpec {
    loop {
        let acted = sim.act();
        let changes = sim.facts.open_runs.values().filter_map(|open| match &open.spec.work {
            Work::Change(change) => Some(change.clone()),
            _ => None,
        });
        let sets = |change: &ChangeSpec| {
            change.edits.iter().any(|edit| matches!(edit, ConfigEdit::SetRef { target: moved, .. } if moved.as_str() == target))
        };
        if let Some(change) = changes.into_iter().find(sets) {
            return change;
        }
        assert!(sim.work_one() || acted > 0, "{:?}", sim.verdict(target));
    }
}

#[test]
fn targets_of_the_same_channels_move_in_one_change_that_tells_the_story() {
    let mut sim = Sim::chain();
    sim.install.target("prod-b", |target| {
        target.promotion.subscribe = vec![channel("test-ok")];
        target.promotion.auto = true;
    });
    sim.config_seen();
    sim.settle();
    sim.push();
    sim.push();
    let change = until_promoted(&mut sim, "prod");
    let moved: Vec<&TargetId> = change
        .edits
        .iter()
        .filter_map(|edit| match edit {
            ConfigEdit::SetRef { target, .. } => Some(target),
            _ => None,
        })
        .collect();
    assert_eq!(moved, [&target_id("prod"), &target_id("prod-b")]);
    assert!(change.id.as_str().starts_with("promote-web-0000003-"), "{}", change.id);
    let evidence = &sim.facts.evidence[&(channel("test-ok"), target_id("test"))][&commit(3)];
    let description = change.description.replace(evidence.run.as_str(), "[run]").replace(&evidence.since.to_string(), "[time]");
    insta::assert_snapshot!(format!("{}\n\n{description}", change.title), @r"
    Promote web to 0000003 in prod, prod-b

    Targets:
    - web/web/prod/web-prod: 0000001 to 0000003, in namespace web-prod of cluster local
    - web/web/prod-b/web-prod-b: 0000001 to 0000003, in namespace web-prod-b of cluster local

    Vouched for by:
    - web/web/test/web-test for channel test-ok, run [run], well since [time]

    Commits, newest first:
    - 0000003 `Change 0000003` by `Ann`
    - 0000002 `Change 0000002` by `Ann`
    ");
    let [moved] = change.moved.as_slice() else { panic!("one commit of one repository: {:?}", change.moved) };
    let told = (moved.to, moved.targets.len(), moved.commits.len(), moved.more);
    assert_eq!((told, &moved.vouchers[0].run), ((commit(3), 2, 2, 0), &evidence.run));
    // What it is called follows from what it edits, whatever it tells.
    assert_eq!(change.id, towpath_engine::change_id(change.kind, "web-0000003", &change.edits));
    assert!(matches!(sim.holds("prod-b").as_slice(), [Hold::ChangeOpen { change: open, .. }] if *open == change.id));
}

#[test]
fn a_change_that_failed_by_the_environment_is_made_again_and_the_same() {
    let mut sim = Sim::chain();
    sim.settle();
    sim.push();
    let change = until_promoted(&mut sim, "prod");
    let run = sim.facts.changes[&change.id].active.clone().unwrap();
    sim.end(
        &run,
        Outcome::Failed {
            class: FailureClass::Environment,
            step: "push".to_owned(),
            message: "no route".to_owned(),
            refused: false,
            blame: None,
        },
    );
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::Backoff { attempts: 1, .. }]));
    sim.wait(Span::from_secs(60));
    let fact = &sim.facts.changes[&change.id];
    assert_eq!((fact.runs, fact.spec.clone()), (2, change));
    assert_eq!(sim.runs("prod"), Some(commit(2)));
}

#[test]
fn a_change_that_did_not_pass_waits_until_the_config_repository_moves() {
    let mut sim = Sim::chain();
    sim.settle();
    sim.push();
    let change = until_promoted(&mut sim, "prod");
    let run = sim.facts.changes[&change.id].active.clone().unwrap();
    sim.end(
        &run,
        Outcome::Failed { class: FailureClass::Own, step: "check".to_owned(), message: "invalid".to_owned(), refused: false, blame: None },
    );
    sim.settle();
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::ChangeFailed { .. }]));
    sim.wait(Span::from_days(1));
    assert_eq!(sim.facts.changes[&change.id].runs, 1);
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(2)));
}

#[test]
fn a_merged_change_is_not_made_twice_before_it_is_read() {
    let mut sim = Sim::chain();
    sim.settle();
    sim.push();
    let change = until_promoted(&mut sim, "prod");
    let run = sim.facts.changes[&change.id].active.clone().unwrap();
    // Merged, but the catalog is still the old one.
    sim.event(Event::RunFinished { run, outcome: Outcome::Merged { commit: commit(0xdd) } });
    sim.settle();
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::ChangeOpen { .. }]));
    assert_eq!(sim.facts.changes[&change.id].runs, 1);
    // Read, and somebody undid it meanwhile: then it is wanted anew.
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.facts.changes[&change.id].runs, 2);
    assert_eq!(sim.runs("prod"), Some(commit(2)));
}

#[test]
fn what_was_looked_at_before_a_merge_says_nothing_of_it_however_late_it_is_read() {
    let mut sim = Sim::chain();
    sim.settle();
    sim.push();
    let change = until_promoted(&mut sim, "prod");
    let run = sim.facts.changes[&change.id].active.clone().unwrap();
    let looked_at = sim.now;
    sim.event(Event::RunFinished { run, outcome: Outcome::Merged { commit: commit(0xdd) } });
    // The look began before the merge; what it found is read only now.
    sim.config_found(commit(0xcc), looked_at);
    sim.settle();
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::ChangeOpen { .. }]));
    assert_eq!(sim.facts.changes[&change.id].runs, 1, "it is not made again");
    // Another that began before the merge was written down found it on the branch, with somebody's commit on top that undid it.
    let info = |number| CommitInfo { id: commit(number), subject: String::new(), author: String::new(), at: sim.now };
    let (url, branch) = (RepoUrl::new("https://git.example.com/config").unwrap(), BranchName::new("main").unwrap());
    let commits = vec![info(0xee), info(0xdd), info(0xcc)];
    sim.event(Event::BranchSeen { url, branch, commits });
    sim.config_found(commit(0xee), looked_at);
    sim.settle();
    assert_eq!(sim.facts.changes[&change.id].runs, 2, "it is wanted anew");
    assert_eq!(sim.runs("prod"), Some(commit(2)));
}

#[test]
fn what_a_person_asked_for_is_retried_when_the_environment_failed_and_ends_otherwise() {
    let mut sim = Sim::chain();
    sim.settle();
    let edits = vec![ConfigEdit::WriteFile {
        path: "data/towpath/hold.yml".to_owned(),
        content: "url: \"https://git.example.com/web\"\n".to_owned(),
    }];
    let change = change_spec(ChangeKind::Hold, "web", edits, "Hold web".to_owned(), String::new(), "ann".to_owned());
    let spec = change_run(&sim.facts, change.clone(), "ann asked for it".to_owned());
    let subject = Subject::Change(change.id.clone());
    sim.event(Event::RunQueued(spec.clone()));
    assert!(matches!(sim.planner.verdict(&subject).unwrap().state, State::Held { .. }));
    sim.end(
        &spec.id,
        Outcome::Failed {
            class: FailureClass::Environment,
            step: "push".to_owned(),
            message: "no route".to_owned(),
            refused: false,
            blame: None,
        },
    );
    assert!(
        matches!(&sim.planner.verdict(&subject).unwrap().state, State::Held { holds } if matches!(holds.as_slice(), [Hold::Backoff { .. }]))
    );
    sim.now = sim.now.plus(Span::from_secs(60));
    sim.tick();
    sim.act();
    let again = sim.facts.changes[&change.id].active.clone().unwrap();
    assert_ne!(again, spec.id);
    sim.end(&again, Outcome::Superseded { by: "the file is there already".to_owned() });
    assert_eq!(sim.planner.verdict(&subject).unwrap().state, State::UpToDate);
    assert_eq!(sim.act(), 0);
}

#[test]
fn a_new_configuration_deploys_again_and_an_equal_one_does_not() {
    let mut sim = Sim::chain();
    sim.settle();
    let before = sim.deployed.len();
    sim.install.edit("prod", |target| target.ref_place = place(99));
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.deployed.len(), before);
    sim.install.edit("prod", |target| target.input_hash = Arc::from("input-2"));
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.deployed[before..], [(target_id("prod"), commit(1))]);
}

#[test]
fn a_test_runs_again_when_what_it_tests_got_another_configuration() {
    let mut sim = Sim::chain();
    sim.settle();
    let before = sim.deployed.len();
    sim.install.edit("stage", |target| target.input_hash = Arc::from("input-2"));
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.deployed[before..], [(target_id("stage"), commit(1)), (target_id("test"), commit(1))]);
}

#[test]
fn a_channel_that_is_published_to_from_now_on_gets_its_success() {
    let mut sim = Sim::chain();
    sim.settle();
    sim.install.edit("stage", |target| target.promotion.publish.push(channel("new")));
    sim.config_seen();
    sim.settle();
    assert!(sim.facts.evidence[&(channel("new"), target_id("stage"))][&commit(1)].success);
}

#[test]
fn after_a_half_done_deploy_going_back_deploys_even_what_was_there() {
    let mut sim = Sim::chain();
    sim.settle();
    let second = sim.push();
    sim.fail("stage", second, FailureClass::Own, 1);
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(commit(1)), "what was last good is still known");
    let before = sim.deployed.len();
    sim.install.block("stage", second, false);
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.deployed[before..][0], (target_id("stage"), commit(1)));
    assert_eq!(sim.verdict("stage").state, State::UpToDate);
}

#[test]
fn what_is_to_be_deleted_is_deleted_once_and_comes_back_when_wanted_again() {
    let mut sim = Sim::chain();
    sim.settle();
    sim.install.edit("prod", |target| target.delete = true);
    sim.config_seen();
    sim.settle();
    assert_eq!((sim.runs("prod"), &sim.verdict("prod").state), (None, &State::UpToDate));
    let runs = sim.facts.targets["prod"].runs;
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.facts.targets["prod"].runs, runs);
    sim.install.edit("prod", |target| target.delete = false);
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(1)));
}

#[test]
fn what_cannot_be_looked_at_holds_its_own_targets_and_is_visible() {
    let mut sim = Sim::chain();
    sim.settle();
    sim.event(Event::BranchUnreachable { url: url(), branch: main_branch(), error: "timeout".to_owned() });
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::Unreachable { .. }]));
    assert_eq!(sim.verdict("prod").state, State::UpToDate);
    sim.push();
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(commit(2)));

    let other = towpath_domain::RepoUrl::new("https://git.example.com/unseen").unwrap();
    sim.install.target("lost", |target| {
        target.url = other.clone();
        target.source = None;
        target.git_ref = GitRef::Commit(commit(1));
    });
    sim.config_seen();
    assert!(matches!(sim.holds("lost").as_slice(), [Hold::NotSeen { url, .. }] if *url == other));
}

#[test]
fn a_template_that_does_not_render_is_told_and_tried_again_when_it_may_help() {
    let mut sim = Sim::chain();
    sim.settle();
    let second = sim.push();
    sim.fail("render stage", second, FailureClass::Environment, 2);
    sim.settle();
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::RenderFailed { .. }]));
    sim.wait(Span::from_secs(60));
    assert_eq!(sim.runs("stage"), Some(second));

    let third = sim.push();
    sim.fail("render stage", third, FailureClass::Own, 1);
    sim.settle();
    sim.wait(Span::from_days(1));
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::RenderFailed { .. }]));
    sim.retry("stage");
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(third));
}

#[test]
fn what_a_person_stopped_stays_stopped_until_they_want_it_again() {
    let mut sim = Sim::chain();
    sim.settle();
    let second = sim.push();
    while sim.facts.targets["stage"].active.is_none() {
        sim.act();
        if sim.facts.targets["stage"].active.is_none() {
            sim.work_one();
        }
    }
    let run = sim.open("stage");
    sim.event(Event::CancelRequested { run: run.clone(), by: "ann".to_owned(), why: "wrong one".to_owned() });
    assert_eq!(sim.facts.open_runs[&run].cancel.as_deref(), Some("ann"));
    sim.end(&run, Outcome::Cancelled { by: "ann".to_owned() });
    sim.settle();
    let holds = sim.holds("stage");
    assert!(matches!(holds.as_slice(), [Hold::Failed { message, .. }] if message == "cancelled by ann"), "{holds:?}");
    assert!(!sim.facts.evidence[&(channel("stage-ok"), target_id("stage"))].contains_key(&second), "it never began, so it says nothing");
    sim.retry("stage");
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(second));
}

use std::collections::BTreeMap;

use towpath_control::view::{ChangeView, CommitView, DeployedView, HoldView, VerdictView};
use towpath_domain::{ChangeId, RunId, Timestamp};
use towpath_web::fake::Shown;

use super::*;

fn verdict(state: &str, reason: Option<&str>) -> VerdictView {
    let holds = reason.map(|reason| HoldView { reason: reason.into(), text: format!("because of {reason}"), lift: "time".into() });
    VerdictView { state: state.into(), summary: state.into(), wanted: None, holds: holds.into_iter().collect(), passed_over: Vec::new() }
}

fn target(git_ref: &str, verdict: VerdictView) -> TargetView {
    TargetView {
        id: TargetId::new("1").unwrap(),
        title: "web/production".into(),
        name: "web/production".into(),
        app: "web".into(),
        environment: "production".into(),
        cluster: "local".into(),
        namespace: "web-production".into(),
        git_ref: if git_ref == "main" { git_ref.into() } else { format!("{git_ref:0<40}") },
        is_test: false,
        current: None,
        verdict,
        endpoints: BTreeMap::new(),
    }
}

fn change(state: &str) -> ChangeView {
    ChangeView {
        id: ChangeId::new("c").unwrap(),
        kind: "promotion".into(),
        title: "Promote web".into(),
        by: "Ada".into(),
        state: state.into(),
        opened_at: Timestamp::from_millis(0),
        merged: None,
        verdict: Some(verdict("held", Some("failed"))),
    }
}

fn stand(change_state: Option<&str>, now: TargetView, to: Option<&str>) -> Stand {
    stand_after(target("aaa", verdict("up-to-date", None)), change_state, now, to)
}

fn stand_after(before: TargetView, change_state: Option<&str>, now: TargetView, to: Option<&str>) -> Stand {
    let accepted = Accepted { text: String::new(), change: Some(ChangeId::new("c").unwrap()), run: None, reservation: None };
    let mut status = Shown::default().status;
    status.changes.extend(change_state.map(change));
    status.targets.push(now);
    judge(&status, &Awaited { accepted: &accepted, target: Some(before), to })
}

#[test]
fn a_promotion_is_done_when_the_target_runs_it_and_not_when_its_change_is_merged() {
    let old = || target("aaa", verdict("up-to-date", None));
    assert!(matches!(stand(Some("open"), old(), None), Stand::Going(_)));
    assert!(matches!(stand(Some("merged"), old(), None), Stand::Going(_)), "merged, but not read yet");
    assert!(matches!(stand(None, target("bbb", verdict("act", None)), None), Stand::Going(_)));
    assert!(matches!(stand(None, target("bbb", verdict("held", Some("in-progress"))), None), Stand::Going(_)));
    assert_eq!(stand(None, target("bbb", verdict("up-to-date", None)), None), Stand::Done);
    assert!(
        matches!(stand(None, target("bbb", verdict("up-to-date", None)), Some("ccc")), Stand::Going(_)),
        "another commit than asked for"
    );
    assert_eq!(stand(None, target("ccc1", verdict("up-to-date", None)), Some("ccc")), Stand::Done);
}

#[test]
fn a_rollback_of_what_follows_a_branch_is_done_when_something_else_runs() {
    let at = |commit: char, state| TargetView {
        current: Some(DeployedView {
            commit: CommitView { id: commit.to_string().repeat(40).parse().unwrap(), subject: None, author: None, at: None },
            at: Timestamp::from_millis(0),
            run: RunId::new("deploy-1").unwrap(),
            digests: BTreeMap::new(),
        }),
        ..target("main", verdict(state, (state == "held").then_some("in-progress")))
    };
    let stand = |now| stand_after(at('b', "up-to-date"), None, now, None);
    assert!(matches!(stand(at('b', "up-to-date")), Stand::Going(_)), "merged, but not read yet");
    assert!(matches!(stand(at('b', "held")), Stand::Going(_)));
    assert_eq!(stand(at('a', "up-to-date")), Stand::Done);
}

#[test]
fn what_failed_and_what_is_held_ends_the_wait_each_with_its_code() {
    let now = |reason| target("bbb", verdict("held", Some(reason)));
    assert!(matches!(stand(Some("failed"), now("in-progress"), None), Stand::Ended(Failure { exit: Exit::Failed, .. })));
    assert!(matches!(stand(None, now("failed"), None), Stand::Ended(Failure { exit: Exit::Failed, .. })));
    assert!(matches!(stand(None, now("build-failed"), None), Stand::Ended(Failure { exit: Exit::Failed, .. })));
    assert!(matches!(stand(None, now("frozen"), None), Stand::Ended(Failure { exit: Exit::Held, .. })));
}

#[test]
fn the_holds_that_pass_are_ones_that_the_engine_knows() {
    for name in PASSING {
        let error = serde_json::from_value::<towpath_engine::Hold>(serde_json::json!({ "hold": name })).unwrap_err().to_string();
        assert!(error.contains("missing field"), "{name}: {error}");
    }
}

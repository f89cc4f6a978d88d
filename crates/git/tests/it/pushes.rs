use std::os::unix::fs::PermissionsExt;

use towpath_domain::{CommitId, FailureClass};
use towpath_git::{GitError, PushOutcome, RefUpdate};

use crate::support::{Lab, branch, edit, request};

fn set(name: &str, new: impl Into<Option<CommitId>>, expected: impl Into<Option<CommitId>>) -> RefUpdate {
    RefUpdate { branch: branch(name), new: new.into(), expected: expected.into() }
}

fn stale(name: &str, now: impl Into<Option<CommitId>>) -> PushOutcome {
    PushOutcome::Stale { branch: branch(name), now: now.into() }
}

#[tokio::test]
async fn a_branch_is_made_moved_and_deleted_and_each_twice_is_as_once() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("a", "1")]);
    let mirror = lab.mirror("m").await;
    let next = mirror.commit(&request(base, vec![edit("a", "2")])).await.unwrap();
    for update in [set("towpath/x", base, None), set("towpath/x", next, base), set("towpath/x", None, next)] {
        for _ in 0..2 {
            assert_eq!(mirror.push(std::slice::from_ref(&update)).await.unwrap(), PushOutcome::Done, "{update:?}");
            assert_eq!(lab.remote_head("towpath/x"), update.new);
        }
    }
    assert_eq!(mirror.push(&[]).await.unwrap(), PushOutcome::Done);
}

#[tokio::test]
async fn a_branch_that_others_moved_is_never_overwritten() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("a", "1")]);
    let mirror = lab.mirror("m").await;
    let ours = mirror.commit(&request(base, vec![edit("a", "2")])).await.unwrap();
    let theirs = lab.people_push("main", &[("a", "3")]);
    assert_eq!(mirror.push(&[set("main", ours, base)]).await.unwrap(), stale("main", theirs));
    assert_eq!(mirror.push(&[set("main", ours, None)]).await.unwrap(), stale("main", theirs), "it must not exist, but does");
    assert_eq!(mirror.push(&[set("main", None, base)]).await.unwrap(), stale("main", theirs));
    assert_eq!(mirror.push(&[set("none", ours, base)]).await.unwrap(), stale("none", None));
    assert_eq!(lab.remote_head("main"), Some(theirs));
}

#[tokio::test]
async fn of_several_branches_all_move_or_none() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("a", "1")]);
    let mirror = lab.mirror("m").await;
    let next = mirror.commit(&request(base, vec![edit("a", "2")])).await.unwrap();
    assert_eq!(mirror.push(&[set("x", base, None)]).await.unwrap(), PushOutcome::Done);
    let both = [set("main", next, base), set("x", None, next)];
    assert_eq!(mirror.push(&both).await.unwrap(), stale("x", base));
    assert_eq!(lab.remote_head("main"), Some(base));
    let both = [set("main", next, base), set("x", None, base)];
    for _ in 0..2 {
        assert_eq!(mirror.push(&both).await.unwrap(), PushOutcome::Done, "an answer that was lost is found out");
    }
    assert_eq!((lab.remote_head("main"), lab.remote_head("x")), (Some(next), None));
}

#[tokio::test]
async fn a_set_of_which_others_did_a_part_is_stale_and_not_done() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("a", "1")]);
    let mirror = lab.mirror("m").await;
    let next = mirror.commit(&request(base, vec![edit("a", "2")])).await.unwrap();
    // Someone deleted the branch: to go on with the other would merge what a person closed.
    assert_eq!(mirror.push(&[set("main", next, base), set("x", None, next)]).await.unwrap(), stale("x", None));
    assert_eq!(lab.remote_head("main"), Some(base));
}

#[tokio::test]
async fn of_two_racing_pushers_exactly_one_wins() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("a", "1")]);
    let (one, two) = (lab.mirror("m1").await, lab.mirror("m2").await);
    let first = one.commit(&request(base, vec![edit("a", "one")])).await.unwrap();
    let second = two.commit(&request(base, vec![edit("a", "two")])).await.unwrap();
    for round in 0..5 {
        let name = format!("race/{round}");
        let (updates_one, updates_two) = ([set(&name, first, None)], [set(&name, second, None)]);
        let (a, b) = tokio::join!(one.push(&updates_one), two.push(&updates_two));
        let (a, b) = (a.unwrap(), b.unwrap());
        let won = lab.remote_head(&name).unwrap();
        let expected = if won == first { (PushOutcome::Done, stale(&name, first)) } else { (stale(&name, second), PushOutcome::Done) };
        assert_eq!((a, b), expected);
    }
}

#[tokio::test]
async fn a_hook_that_says_no_is_a_refusal_with_its_reason() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("a", "1")]);
    let mirror = lab.mirror("m").await;
    let next = mirror.commit(&request(base, vec![edit("a", "2")])).await.unwrap();
    let hook = lab.path("remote.git/hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    let error = mirror.push(&[set("main", next, base)]).await.unwrap_err();
    assert!(matches!(&error, GitError::Refused { why, .. } if why.contains("pre-receive hook declined")), "{error:?}");
    assert_eq!(error.class(), FailureClass::Own);
}

#[tokio::test]
async fn a_commit_that_is_not_here_cannot_be_pushed() {
    let lab = Lab::new();
    lab.people_push("main", &[("a", "1")]);
    let mirror = lab.mirror("m").await;
    assert!(matches!(mirror.push(&[set("x", crate::support::nobody(), None)]).await, Err(GitError::NotFound { .. })));
    assert!(matches!(mirror.push(&[set("-x", None, None)]).await, Err(GitError::BadInput { .. })));
}

#[tokio::test]
async fn a_branch_that_another_push_holds_is_busy_and_not_refused() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("a", "1")]);
    let mirror = lab.mirror("m").await;
    let next = mirror.commit(&request(base, vec![edit("a", "2")])).await.unwrap();
    let lock = lab.path("remote.git/refs/heads/main.lock");
    std::fs::write(&lock, "").unwrap();
    let error = mirror.push(&[set("main", next, base)]).await.unwrap_err();
    assert!(matches!(&error, GitError::Busy { .. }) && error.class() == FailureClass::Environment, "{error:?}");
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(mirror.push(&[set("main", next, base)]).await.unwrap(), PushOutcome::Done);
}

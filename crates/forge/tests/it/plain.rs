use futures_util::future::join_all;
use towpath_domain::{CommitId, FailureClass, RepoUrl};
use towpath_forge::{CloseOutcome, Forge, ForgeError, MergeOrder, MergeOutcome, MergeResult, PlainGit, Proposed};
use towpath_git::GitError;

use crate::support::{Lab, id, open, order, proposal};

#[tokio::test]
async fn a_change_is_proposed_checked_merged_and_gone() {
    let lab = Lab::new();
    let base = lab.people_push("main", "ref", "1\n");
    let forge = lab.forge("m").await;
    let head = open(&forge, &proposal("web-1", base, "ref", "2\n")).await;
    assert_eq!(lab.head("towpath/web-1"), Some(head));
    let change = forge.find(&id("web-1")).await.unwrap().unwrap();
    assert_eq!((change.head, change.base, change.by_towpath), (head, Some(base), true));
    assert_eq!(change.title, "Promote web to production");
    let order = order(&forge, "web-1", head).await;
    assert_eq!(lab.head("main"), Some(base), "asking for the result changes nothing");
    assert_eq!(forge.mirror().read_file(order.commit, "ref").await.unwrap().as_deref(), Some(&b"2\n"[..]), "the checks can read it");
    assert_eq!(forge.merge(&order).await.unwrap(), MergeOutcome::Merged { commit: order.commit });
    assert_eq!((lab.head("main"), lab.head("towpath/web-1")), (Some(order.commit), None));
    assert_eq!(forge.find(&id("web-1")).await.unwrap(), None);
    let log = lab.run(&["--git-dir=config.git", "log", "-1", "--format=%an <%ae>|%P|%ct|%B", "main"]);
    let expected =
        format!("Towpath <towpath@example.com>|{base} {head}|1700000500|Merge change: Promote web to production\n\nTowpath-Change: web-1");
    assert_eq!(log, expected);
    let log = lab.run(&["--git-dir=config.git", "log", "-1", "--format=%an|%cn|%B", &head.to_string()]);
    assert_eq!(log, "Ann Author|Towpath|Promote web to production\n\nEvery channel vouches for it.\n\nTowpath-Change: web-1");
}

#[tokio::test]
async fn every_step_done_again_by_another_process_finds_it_done() {
    let lab = Lab::new();
    let base = lab.people_push("main", "ref", "1\n");
    let change = proposal("web-1", base, "ref", "2\n");
    // Each process is killed after its push and before its answer is written down; the next one has an empty mirror.
    let head = open(&lab.forge("m1").await, &change).await;
    assert_eq!(open(&lab.forge("m2").await, &change).await, head);
    let first = order(&lab.forge("m3").await, "web-1", head).await;
    assert_eq!(order(&lab.forge("m4").await, "web-1", head).await, first, "the merge is the same commit everywhere");
    for name in ["m5", "m6", "m5"] {
        let merged = lab.forge(name).await.merge(&first).await.unwrap();
        assert_eq!(merged, MergeOutcome::Merged { commit: first.commit }, "{name}");
    }
    let forge = lab.forge("m7").await;
    assert_eq!(forge.propose(&change).await.unwrap(), Proposed::Merged { head });
    assert_eq!(lab.head("towpath/web-1"), None, "what is merged is not proposed again");
    assert_eq!(forge.merged_result(&id("web-1"), head).await.unwrap(), MergeResult::Merged { base: first.commit });
    let later = lab.people_push("main", "other", "x\n");
    assert_eq!(lab.forge("m8").await.merge(&first).await.unwrap(), MergeOutcome::Merged { commit: first.commit }, "also when main went on");
    assert_eq!(lab.head("main"), Some(later));
}

#[tokio::test]
async fn a_config_branch_that_moved_is_never_overwritten_and_the_new_result_is_checked_anew() {
    let lab = Lab::new();
    let base = lab.people_push("main", "ref", "1\n");
    let forge = lab.forge("m").await;
    let head = open(&forge, &proposal("web-1", base, "ref", "2\n")).await;
    let stale = order(&forge, "web-1", head).await;
    let moved = lab.people_push("main", "other", "x\n");
    assert_eq!(forge.merge(&stale).await.unwrap(), MergeOutcome::Moved { now: Some(moved) });
    assert_eq!((lab.head("main"), lab.head("towpath/web-1")), (Some(moved), Some(head)), "nothing was done");
    let fresh = order(&forge, "web-1", head).await;
    assert_eq!(fresh.base, moved);
    assert_eq!(forge.merge(&fresh).await.unwrap(), MergeOutcome::Merged { commit: fresh.commit });
    assert_eq!((lab.content("main", "ref"), lab.content("main", "other")), ("2".to_owned(), "x".to_owned()));
}

#[tokio::test]
async fn a_change_that_people_pushed_to_is_theirs() {
    let lab = Lab::new();
    let base = lab.people_push("main", "ref", "1\n");
    let forge = lab.forge("m").await;
    let change = proposal("web-1", base, "ref", "2\n");
    let head = open(&forge, &change).await;
    let checked = order(&forge, "web-1", head).await;
    let theirs = lab.people_push("towpath/web-1", "ref", "3\n");
    assert_eq!(forge.merge(&checked).await.unwrap(), MergeOutcome::HeadMoved { now: Some(theirs) });
    assert_eq!(forge.merged_result(&id("web-1"), head).await.unwrap(), MergeResult::HeadMoved { now: Some(theirs) });
    assert_eq!(forge.propose(&change).await.unwrap(), Proposed::TakenOver { head: theirs });
    assert_eq!(forge.close(&id("web-1"), head, "superseded").await.unwrap(), CloseOutcome::HeadMoved { now: theirs });
    assert!(!forge.find(&id("web-1")).await.unwrap().unwrap().by_towpath);
    assert_eq!((lab.head("main"), lab.head("towpath/web-1")), (Some(base), Some(theirs)));
    // Whoever looked at it anew may still merge it.
    let order = order(&forge, "web-1", theirs).await;
    assert_eq!(forge.merge(&order).await.unwrap(), MergeOutcome::Merged { commit: order.commit });
}

#[tokio::test]
async fn a_change_that_people_closed_is_not_merged() {
    let lab = Lab::new();
    let base = lab.people_push("main", "ref", "1\n");
    let forge = lab.forge("m").await;
    let head = open(&forge, &proposal("web-1", base, "ref", "2\n")).await;
    let checked = order(&forge, "web-1", head).await;
    lab.run(&["--git-dir=config.git", "branch", "-D", "towpath/web-1"]);
    assert_eq!(forge.merge(&checked).await.unwrap(), MergeOutcome::HeadMoved { now: None });
    assert_eq!(lab.head("main"), Some(base));
    assert_eq!(forge.close(&id("web-1"), head, "no more").await.unwrap(), CloseOutcome::Closed, "closed is closed");
}

#[tokio::test]
async fn a_conflict_is_told_with_its_files_and_mended_by_a_new_proposal() {
    let lab = Lab::new();
    let base = lab.people_push("main", "ref", "1\n");
    let forge = lab.forge("m").await;
    let head = open(&forge, &proposal("web-1", base, "ref", "2\n")).await;
    let moved = lab.people_push("main", "ref", "9\n");
    let conflict = MergeResult::Conflict { base: moved, paths: vec!["ref".to_owned()] };
    assert_eq!(forge.merged_result(&id("web-1"), head).await.unwrap(), conflict);
    let again = open(&forge, &proposal("web-1", moved, "ref", "2\n")).await;
    assert_eq!(lab.head("towpath/web-1"), Some(again), "Towpath's own change follows its proposal");
    let order = order(&forge, "web-1", again).await;
    assert_eq!(forge.merge(&order).await.unwrap(), MergeOutcome::Merged { commit: order.commit });
    assert_eq!(lab.content("main", "ref"), "2");
}

#[tokio::test]
async fn of_two_merges_of_the_same_base_one_wins_and_the_other_is_told() {
    let lab = Lab::new();
    let base = lab.people_push("main", "ref", "1\n");
    let (one, two) = (lab.forge("m1").await, lab.forge("m2").await);
    let first = open(&one, &proposal("a", base, "a", "a\n")).await;
    let second = open(&two, &proposal("b", base, "b", "b\n")).await;
    let (order_one, order_two) = (order(&one, "a", first).await, order(&two, "b", second).await);
    let (a, b) = tokio::join!(one.merge(&order_one), two.merge(&order_two));
    let (a, b) = (a.unwrap(), b.unwrap());
    let now = lab.head("main");
    if now == Some(order_one.commit) {
        assert_eq!((a, b), (MergeOutcome::Merged { commit: order_one.commit }, MergeOutcome::Moved { now }));
    } else {
        assert_eq!((a, b), (MergeOutcome::Moved { now }, MergeOutcome::Merged { commit: order_two.commit }));
    }
}

#[tokio::test]
async fn only_the_merge_that_was_checked_can_be_merged() {
    let lab = Lab::new();
    let base = lab.people_push("main", "ref", "1\n");
    let forge = lab.forge("m").await;
    let head = open(&forge, &proposal("web-1", base, "ref", "2\n")).await;
    let forged = MergeOrder { id: id("web-1"), base, head, commit: head };
    let error = forge.merge(&forged).await.unwrap_err();
    assert!(matches!(error, ForgeError::NotTheMerge { .. }), "{error:?}");
    assert_eq!(lab.head("main"), Some(base));
}

#[tokio::test]
async fn a_closed_change_can_be_proposed_again() {
    let lab = Lab::new();
    let base = lab.people_push("main", "ref", "1\n");
    let forge = lab.forge("m").await;
    let change = proposal("web-1", base, "ref", "2\n");
    let head = open(&forge, &change).await;
    for _ in 0..2 {
        assert_eq!(forge.close(&id("web-1"), head, "the success was withdrawn").await.unwrap(), CloseOutcome::Closed);
    }
    assert_eq!(forge.find(&id("web-1")).await.unwrap(), None);
    assert_eq!(open(&forge, &change).await, head);
}

#[tokio::test]
async fn failures_keep_their_class_and_a_bad_id_is_refused() {
    let lab = Lab::new();
    let base = lab.people_push("main", "ref", "1\n");
    let forge = lab.forge("m").await;
    for name in ["../main", "a b", "x.lock", "a:b", "refs*"] {
        let error = forge.propose(&proposal(name, base, "ref", "2\n")).await.unwrap_err();
        assert!(matches!(error, ForgeError::BadId { .. }) && error.class() == FailureClass::Own, "{name}: {error:?}");
    }
    let error = forge.propose(&proposal("web-1", base, "../ref", "2\n")).await.unwrap_err();
    assert!(matches!(error, ForgeError::Git(GitError::BadInput { .. })), "{error:?}");
    std::fs::remove_dir_all(lab.path("config.git")).unwrap();
    let error = forge.find(&id("web-1")).await.unwrap_err();
    assert!(matches!(error, ForgeError::Git(GitError::NotFound { .. })), "{error:?}");
    assert!(RepoUrl::new("-x").is_err());
}

/// The orders to merge changes one after another, each onto the merge before it.
async fn train(forge: &PlainGit, changes: &[(&str, CommitId)]) -> Vec<MergeOrder> {
    let mut orders: Vec<MergeOrder> = Vec::new();
    for (name, head) in changes {
        let merged = match orders.last() {
            None => forge.merged_result(&id(name), *head).await.unwrap(),
            Some(last) => forge.merged_onto(&id(name), *head, last.commit).await.unwrap(),
        };
        let MergeResult::Clean { base, commit } = merged else { panic!("not clean: {merged:?}") };
        orders.push(MergeOrder { id: id(name), base, head: *head, commit });
    }
    orders
}

#[tokio::test]
async fn several_are_merged_in_one_push_each_onto_the_one_before() {
    let lab = Lab::new();
    let base = lab.people_push("main", "a", "1\n");
    let forge = lab.forge("one").await;
    let one = open(&forge, &proposal("one", base, "a", "2\n")).await;
    let two = open(&forge, &proposal("two", base, "b", "2\n")).await;
    let orders = train(&forge, &[("one", one), ("two", two)]).await;
    let outcomes = forge.merge_all(&orders).await.unwrap();
    assert_eq!(outcomes, orders.iter().map(|order| MergeOutcome::Merged { commit: order.commit }).collect::<Vec<_>>());
    assert_eq!(lab.head("main"), Some(orders[1].commit));
    assert_eq!((lab.content("main", "a"), lab.content("main", "b")), ("2".to_owned(), "2".to_owned()));
    assert_eq!((lab.head("towpath/one"), lab.head("towpath/two")), (None, None));
    // Ordered again, as after a crash that lost the answer.
    assert_eq!(lab.forge("another").await.merge_all(&orders).await.unwrap(), outcomes);
}

#[tokio::test]
async fn of_several_those_before_one_that_moved_are_merged_and_those_behind_it_wait() {
    let lab = Lab::new();
    let base = lab.people_push("main", "a", "1\n");
    let forge = lab.forge("one").await;
    let one = open(&forge, &proposal("one", base, "a", "2\n")).await;
    let two = open(&forge, &proposal("two", base, "b", "2\n")).await;
    let three = open(&forge, &proposal("three", base, "c", "2\n")).await;
    let orders = train(&forge, &[("one", one), ("two", two), ("three", three)]).await;
    let people = lab.people_push("towpath/two", "b", "people's\n");
    let outcomes = forge.merge_all(&orders).await.unwrap();
    assert_eq!(outcomes[0], MergeOutcome::Merged { commit: orders[0].commit });
    assert_eq!(outcomes[1], MergeOutcome::HeadMoved { now: Some(people) });
    assert!(matches!(outcomes[2], MergeOutcome::Moved { .. }), "{outcomes:?}");
    assert_eq!(lab.head("main"), Some(orders[0].commit));

    // And of a train onto a branch that moved, none is.
    let now = lab.people_push("main", "d", "people's\n");
    let outcomes = forge.merge_all(&orders[1..]).await.unwrap();
    assert!(matches!(outcomes[0], MergeOutcome::Moved { .. }), "{outcomes:?}");
    assert_eq!(lab.head("main"), Some(now));
}

#[tokio::test]
async fn proposals_of_the_same_moment_all_come_through_and_people_in_the_way_of_one_stand_in_the_way_of_no_other() {
    let lab = Lab::new();
    let base = lab.people_push("main", "a", "1\n");
    let forge = lab.forge("one").await;
    let theirs = lab.people_push("towpath/p-3", "b", "people's\n");
    let proposals: Vec<_> = (0..8).map(|n| proposal(&format!("p-{n}"), base, &format!("file-{n}"), "2\n")).collect();
    let proposed = join_all(proposals.iter().map(|proposal| forge.propose(proposal))).await;
    for (n, outcome) in proposed.into_iter().enumerate() {
        let head = lab.head(&format!("towpath/p-{n}"));
        match outcome.unwrap() {
            Proposed::TakenOver { head } => assert_eq!((n, head), (3, theirs)),
            open => assert_eq!(open, Proposed::Open { head: head.unwrap() }),
        }
    }
}

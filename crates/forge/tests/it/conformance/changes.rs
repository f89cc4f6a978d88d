//! A change from its proposal to its end.

use super::*;

pub async fn a_change_proposed_twice_by_two_processes_is_one_change_and_merges_once<S: Stage>() {
    let (stage, forge, base, head) = with_change::<S>().await;
    let other = stage.forge("m2").await;
    assert_eq!(open(&*other, &proposal("web-1", base, "ref", "2\n")).await, head);
    let checked = order(&*forge, "web-1", head).await;
    assert_eq!(order(&*other, "web-1", head).await, checked);
    for process in [&forge, &other, &stage.forge("m3").await] {
        assert_eq!(process.merge(&checked).await.unwrap(), MergeOutcome::Merged { commit: checked.commit });
    }
    assert_eq!((stage.lab().head("main"), stage.lab().head("towpath/web-1")), (Some(checked.commit), None));
    assert_eq!(forge.propose(&proposal("web-1", base, "ref", "2\n")).await.unwrap(), Proposed::Merged { head });
    if let Some(number) = number(&stage) {
        let pull = forge.pull(number).await.unwrap().unwrap();
        assert_eq!(pull.state, PullState::Merged { commit: Some(checked.commit) });
        assert_eq!((pull.branch.as_str(), pull.into.as_str(), pull.from_fork), ("towpath/web-1", "main", false));
        assert_eq!(forge.pull_of(&id("web-1")).await.unwrap(), Some(pull));
        assert_eq!(forge.open_pulls().await.unwrap(), []);
        assert_eq!(forge.pull(Number(77)).await.unwrap(), None);
    }
}

pub async fn a_change_that_people_pushed_to_is_left_alone<S: Stage>() {
    let (stage, forge, base, head) = with_change::<S>().await;
    let checked = order(&*forge, "web-1", head).await;
    let theirs = stage.lab().people_push("towpath/web-1", "ref", "3\n");
    stage.take_calls();
    let mut again = proposal("web-1", base, "ref", "2\n");
    again.title = "Another title".to_owned();
    assert_eq!(forge.propose(&again).await.unwrap(), Proposed::TakenOver { head: theirs });
    assert_eq!(forge.merge(&checked).await.unwrap(), MergeOutcome::HeadMoved { now: Some(theirs) });
    assert_eq!(forge.close(&id("web-1"), head, "superseded").await.unwrap(), CloseOutcome::HeadMoved { now: theirs });
    assert_eq!(stage.take_calls().1, 0, "nothing is touched");
    assert_eq!((stage.lab().head("main"), stage.lab().head("towpath/web-1")), (Some(base), Some(theirs)));
    if let Some(seen) = stage.seen().first() {
        assert_eq!((seen.state, seen.comments.len()), ("open", 0));
    }
}

pub async fn a_change_that_people_closed_is_not_merged<S: Stage>() {
    let (stage, forge, base, head) = with_change::<S>().await;
    let checked = order(&*forge, "web-1", head).await;
    match number(&stage) {
        Some(number) => stage.people_close(number),
        None => drop(stage.lab().run(&["--git-dir=config.git", "branch", "-D", "towpath/web-1"])),
    }
    assert_eq!(forge.merge(&checked).await.unwrap(), MergeOutcome::HeadMoved { now: None });
    assert_eq!(stage.lab().head("main"), Some(base));
}

pub async fn a_conflict_is_mended_by_a_new_proposal_on_the_same_change<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    let moved = stage.lab().people_push("main", "ref", "9\n");
    let conflict = MergeResult::Conflict { base: moved, paths: vec!["ref".to_owned()] };
    assert_eq!(forge.merged_result(&id("web-1"), head).await.unwrap(), conflict);
    let again = open(&*forge, &proposal("web-1", moved, "ref", "2\n")).await;
    let checked = order(&*forge, "web-1", again).await;
    assert_eq!(forge.merge(&checked).await.unwrap(), MergeOutcome::Merged { commit: checked.commit });
    assert_eq!(stage.lab().content("main", "ref"), "2");
    number(&stage);
}

pub async fn what_moved_is_not_merged<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    let stale = order(&*forge, "web-1", head).await;
    let moved = stage.lab().people_push("main", "other", "x\n");
    assert_eq!(forge.merge(&stale).await.unwrap(), MergeOutcome::Moved { now: Some(moved) });
    let forged = towpath_forge::MergeOrder { base: moved, commit: head, ..stale };
    assert!(matches!(forge.merge(&forged).await, Err(ForgeError::NotTheMerge { .. })));
    assert_eq!((stage.lab().head("main"), stage.lab().head("towpath/web-1")), (Some(moved), Some(head)));
    let fresh = order(&*forge, "web-1", head).await;
    assert_eq!(forge.merge(&fresh).await.unwrap(), MergeOutcome::Merged { commit: fresh.commit });
}

pub async fn closing_says_why_and_a_closed_change_can_be_proposed_again<S: Stage>() {
    let (stage, forge, base, head) = with_change::<S>().await;
    for _ in 0..2 {
        assert_eq!(forge.close(&id("web-1"), head, "the success was withdrawn by @ann").await.unwrap(), CloseOutcome::Closed);
    }
    assert_eq!(stage.lab().head("towpath/web-1"), None);
    if let Some(seen) = stage.seen().first() {
        assert_eq!((seen.state, seen.comments.len()), ("closed", 1), "it is said once: {seen:?}");
        assert!(seen.comments[0].1.contains("the success was withdrawn") && !seen.comments[0].1.contains("@ann"), "{seen:?}");
    }
    assert_eq!(open(&*forge, &proposal("web-1", base, "ref", "2\n")).await, head);
    if let Some(number) = number(&stage) {
        assert_eq!(forge.pull(number).await.unwrap().unwrap().state, PullState::Open, "the same one is open again");
    }
    // A forge that opens it no more gets a new one.
    assert_eq!(forge.close(&id("web-1"), head, "again").await.unwrap(), CloseOutcome::Closed);
    stage.rule(Rules { reopens: false, ..Rules::default() });
    assert_eq!(open(&*forge, &proposal("web-1", base, "ref", "2\n")).await, head);
    let states: Vec<&str> = stage.seen().iter().map(|seen| seen.state).collect();
    if is_hosted(&*forge) {
        assert_eq!(states, ["closed", "open"]);
        assert_eq!(forge.pull_of(&id("web-1")).await.unwrap().map(|pull| pull.state), Some(PullState::Open));
    }
    let checked = order(&*forge, "web-1", head).await;
    assert_eq!(forge.merge(&checked).await.unwrap(), MergeOutcome::Merged { commit: checked.commit });
}

pub async fn several_merge_one_after_another_each_onto_the_one_before<S: Stage>() {
    let (stage, forge, base, first) = with_change::<S>().await;
    let second = open(&*forge, &proposal("web-2", base, "other", "2\n")).await;
    let one = order(&*forge, "web-1", first).await;
    let MergeResult::Clean { base, commit } = forge.merged_onto(&id("web-2"), second, one.commit).await.unwrap() else {
        panic!("it is clean")
    };
    let two = towpath_forge::MergeOrder { id: id("web-2"), base, head: second, commit };
    assert_eq!(base, one.commit);
    let merged = vec![MergeOutcome::Merged { commit: one.commit }, MergeOutcome::Merged { commit }];
    assert_eq!(forge.merge_all(&[one.clone(), two.clone()]).await.unwrap(), merged);
    assert_eq!(stage.forge("m2").await.merge_all(&[one, two]).await.unwrap(), merged, "found done");
    assert_eq!(stage.lab().head("main"), Some(commit));
    assert!(stage.seen().iter().all(|seen| seen.state == "merged"), "{:?}", stage.seen());
    assert_eq!((stage.lab().head("towpath/web-1"), stage.lab().head("towpath/web-2")), (None, None));
}

pub async fn of_several_those_behind_one_that_people_took_over_wait<S: Stage>() {
    let (stage, forge, base, first) = with_change::<S>().await;
    let second = open(&*forge, &proposal("web-2", base, "other", "2\n")).await;
    let third = open(&*forge, &proposal("web-3", base, "third", "2\n")).await;
    let mut orders = vec![order(&*forge, "web-1", first).await];
    for (name, head) in [("web-2", second), ("web-3", third)] {
        let onto = orders[orders.len() - 1].commit;
        let MergeResult::Clean { base, commit } = forge.merged_onto(&id(name), head, onto).await.unwrap() else { panic!("it is clean") };
        orders.push(towpath_forge::MergeOrder { id: id(name), base, head, commit });
    }
    let theirs = stage.lab().people_push("towpath/web-2", "other", "people's\n");
    let outcomes = forge.merge_all(&orders).await.unwrap();
    assert_eq!(outcomes[..2], [MergeOutcome::Merged { commit: orders[0].commit }, MergeOutcome::HeadMoved { now: Some(theirs) }]);
    assert!(matches!(outcomes[2], MergeOutcome::Moved { .. }), "{outcomes:?}");
    assert_eq!((stage.lab().head("main"), stage.lab().head("towpath/web-2")), (Some(orders[0].commit), Some(theirs)));
}

pub async fn people_who_push_while_it_is_merged_find_their_commits_where_they_put_them<S: Stage>() {
    let (stage, forge, base, head) = with_change::<S>().await;
    if !is_hosted(&*forge) {
        return;
    }
    let checked = order(&*forge, "web-1", head).await;
    stage.lab().run(&["--git-dir=config.git", "branch", "aside", "towpath/web-1"]);
    let theirs = stage.lab().people_push("aside", "ref", "3\n");
    stage.meanwhile("towpath/web-1", theirs);
    assert_eq!(forge.merge(&checked).await.unwrap(), MergeOutcome::HeadMoved { now: Some(theirs) });
    assert_eq!((stage.lab().head("main"), stage.lab().head("towpath/web-1")), (Some(base), Some(theirs)));
}

pub async fn a_change_of_the_same_name_after_one_that_merged_is_a_change_of_its_own<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    let first = order(&*forge, "web-1", head).await;
    assert_eq!(forge.merge(&first).await.unwrap(), MergeOutcome::Merged { commit: first.commit });
    // The first try at it died between its push and its opening.
    let next = proposal("web-1", first.commit, "ref", "3\n");
    let head = open(&stage.lab().forge("dies").await, &next).await;
    assert_eq!(forge.propose(&next).await.unwrap(), Proposed::Open { head });
    let second = order(&*forge, "web-1", head).await;
    assert_eq!(forge.merge(&second).await.unwrap(), MergeOutcome::Merged { commit: second.commit });
    let states: Vec<&str> = stage.seen().iter().map(|seen| seen.state).collect();
    assert!(states.is_empty() || states == ["merged", "merged"], "{states:?}");
}

//! Merging where the forge has a say in it.

use super::*;

pub async fn a_branch_that_takes_no_push_is_merged_into_by_the_forge_only_where_that_is_safe<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    if !forge.abilities().protection {
        return;
    }
    let checked = order(&*forge, "web-1", head).await;
    stage.rule(Rules { no_push: true, ..Rules::default() });
    let MergeOutcome::Refused { why } = forge.merge(&checked).await.unwrap() else {
        panic!("what is merged might not be what was checked")
    };
    assert!(why.contains("push") && why.contains("up to date"), "how to mend it: {why}");
    assert_eq!(stage.lab().head("main"), Some(checked.base));

    stage.rule(Rules { no_push: true, up_to_date: true, ..Rules::default() });
    let forge = stage.forge("m2").await;
    let moved = stage.lab().people_bring("main", "other", "x\n");
    assert_eq!(forge.merge(&checked).await.unwrap(), MergeOutcome::Moved { now: Some(moved) });
    let behind = order(&*forge, "web-1", head).await;
    let MergeOutcome::Refused { why } = forge.merge(&behind).await.unwrap() else { panic!("it does not hold all of the branch") };
    assert!(why.contains("propose it again"), "{why}");

    let head = open(&*forge, &proposal("web-1", moved, "ref", "2\n")).await;
    let checked = order(&*forge, "web-1", head).await;
    let MergeOutcome::Merged { commit } = forge.merge(&checked).await.unwrap() else { panic!("it is up to date") };
    let lab = stage.lab();
    assert_eq!((lab.head("main"), lab.head("towpath/web-1")), (Some(commit), None));
    let parents = lab.run(&["--git-dir=config.git", "log", "-1", "--format=%P", "main"]);
    assert_eq!(parents, format!("{moved} {head}"), "the forge made the merge, of what was checked");
    assert_eq!(lab.content("main", "ref"), "2");
    for name in ["m2", "m3"] {
        assert_eq!(stage.forge(name).await.merge(&checked).await.unwrap(), MergeOutcome::Merged { commit }, "found done");
    }
    assert_eq!(stage.seen()[0].comments, [], "nothing was amiss");
}

pub async fn a_refused_push_that_nobody_foretold_goes_the_same_way<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    if !forge.abilities().protection {
        return;
    }
    let checked = order(&*forge, "web-1", head).await;
    stage.rule(Rules { no_push: true, hides_that: true, ..Rules::default() });
    let MergeOutcome::Refused { why } = forge.merge(&checked).await.unwrap() else { panic!("the push was refused") };
    assert!(why.contains("the push was refused"), "{why}");
    stage.rule(Rules { no_push: true, hides_that: true, up_to_date: true, ..Rules::default() });
    let merged = stage.forge("m2").await.merge(&checked).await.unwrap();
    assert!(matches!(merged, MergeOutcome::Merged { .. }), "{merged:?}");
    // What is not fulfilled is a refusal, in the forge's words.
    let base = stage.lab().head("main").unwrap();
    stage.rule(Rules { no_push: true, up_to_date: true, required_approvals: 1, ..Rules::default() });
    let forge = stage.forge("m3").await;
    let head = open(&*forge, &proposal("web-2", base, "ref", "3\n")).await;
    let checked = order(&*forge, "web-2", head).await;
    let MergeOutcome::Refused { why } = forge.merge(&checked).await.unwrap() else { panic!("nobody approves") };
    assert!(why.contains("approv"), "{why}");
    // A status that may still come is waited for.
    stage.rule(Rules { no_push: true, up_to_date: true, required_statuses: vec!["ci".to_owned()], ..Rules::default() });
    let waits = stage.forge("m4").await.merge(&checked).await.unwrap();
    assert!(matches!(waits, MergeOutcome::Waits { .. }), "{waits:?}");
    assert_eq!(stage.lab().head("main"), Some(base));
}

pub async fn the_queue_merges_or_tells_why_not<S: Stage>() {
    let (stage, _, _, head) = with_change::<S>().await;
    stage.rule(Rules { queue: true, no_push: true, ..Rules::default() });
    let forge = stage.forge("m2").await;
    if !forge.abilities().queue {
        return;
    }
    let checked = order(&*forge, "web-1", head).await;
    let one = Number(1);
    assert_eq!(forge.queued(one, head).await.unwrap(), Queued::Outside);
    for process in ["m2", "m3", "m2"] {
        let waits = stage.forge(process).await.merge(&checked).await.unwrap();
        assert!(matches!(waits, MergeOutcome::Waits { .. }), "{waits:?}");
    }
    assert_eq!(forge.comments(one).await.unwrap(), [], "what the forge itself writes is no comment");
    assert!(matches!(forge.queued(one, head).await.unwrap(), Queued::Waits { .. }));
    stage.queue(Some("its pipeline failed: lint"));
    for process in ["m2", "m3"] {
        let MergeOutcome::Refused { why } = stage.forge(process).await.merge(&checked).await.unwrap() else { panic!("thrown out") };
        assert!(why.contains("its pipeline failed: lint"), "{why}");
    }
    // It is put there once more only where that is asked for, and then once.
    for process in ["m2", "m3"] {
        let Queued::ThrownOut { why } = stage.forge(process).await.queued(one, head).await.unwrap() else { panic!("thrown out") };
        assert!(why.contains("its pipeline failed: lint"), "{why}");
    }
    for process in ["m2", "m3"] {
        stage.forge(process).await.queue_again(one, head).await.unwrap();
        assert!(matches!(forge.queued(one, head).await.unwrap(), Queued::Waits { .. }));
        assert!(matches!(forge.merge(&checked).await.unwrap(), MergeOutcome::Waits { .. }));
    }
    stage.queue(Some("it takes too long"));
    let Queued::ThrownOut { why } = forge.queued(one, head).await.unwrap() else { panic!("thrown out again") };
    assert!(why.contains("too long"), "the newest reason counts: {why}");
    assert!(forge.queue_again(one, checked.base).await.is_err(), "not with another commit than what is there");
    // A new proposal is a new try, and the branch may move meanwhile.
    let moved = stage.lab().people_bring("main", "other", "x\n");
    let head = open(&*forge, &proposal("web-1", moved, "ref", "2\n")).await;
    assert_eq!(forge.queued(one, head).await.unwrap(), Queued::Outside);
    let checked = order(&*forge, "web-1", head).await;
    assert!(matches!(forge.merge(&checked).await.unwrap(), MergeOutcome::Waits { .. }));
    let moved = stage.lab().people_bring("main", "another", "y\n");
    assert!(matches!(forge.merge(&checked).await.unwrap(), MergeOutcome::Waits { .. }));
    stage.queue(None);
    let MergeOutcome::Merged { commit } = forge.merge(&checked).await.unwrap() else { panic!("the queue merged it") };
    let parents = stage.lab().run(&["--git-dir=config.git", "log", "-1", "--format=%P", &commit.to_string()]);
    assert_eq!(parents, format!("{moved} {head}"));
    assert_eq!(stage.lab().head("towpath/web-1"), None);
    number(&stage);
}

pub async fn what_people_open_is_merged_as_it_was_checked_and_their_branch_is_left_to_them<S: Stage>() {
    let stage = S::start().await;
    let base = stage.lab().people_push("main", "ref", "1\n");
    let forge = stage.forge("m").await;
    if !is_hosted(&*forge) {
        return;
    }
    stage.lab().run(&["--git-dir=config.git", "branch", "tidy", "main"]);
    let head = stage.lab().people_push("tidy", "other", "2\n");
    stage.people_open("tidy", "ann");
    let pulls = forge.open_pulls().await.unwrap();
    let [pull] = pulls.as_slice() else { panic!("one is open: {pulls:?}") };
    assert_eq!((pull.author.as_str(), pull.head), ("ann", head));
    let MergeResult::Clean { base: onto, commit } = forge.merged_pull(pull.number, head, None).await.unwrap() else {
        panic!("it is clean")
    };
    assert_eq!((onto, forge.merged_pull(pull.number, head, Some(base)).await.unwrap()), (base, MergeResult::Clean { base, commit }));
    let order = towpath_forge::MergeOrder { id: id("whatever-it-is-called"), base, head, commit };

    // They push once more: what was checked is not what is there.
    let newer = stage.lab().people_push("tidy", "other", "3\n");
    stage.take_calls();
    assert_eq!(forge.merged_pull(pull.number, head, None).await.unwrap(), MergeResult::HeadMoved { now: Some(newer) });
    assert_eq!(forge.merge_pull(pull.number, &order).await.unwrap(), MergeOutcome::HeadMoved { now: Some(newer) });
    assert_eq!((stage.lab().head("main"), stage.take_calls().1), (Some(base), 0));

    let MergeResult::Clean { base, commit } = forge.merged_pull(pull.number, newer, None).await.unwrap() else { panic!("it is clean") };
    let order = towpath_forge::MergeOrder { base, head: newer, commit, ..order };
    for process in ["m", "m2"] {
        assert_eq!(stage.forge(process).await.merge_pull(pull.number, &order).await.unwrap(), MergeOutcome::Merged { commit });
    }
    assert_eq!((stage.lab().head("main"), stage.lab().head("tidy")), (Some(commit), Some(newer)));
    assert_eq!(stage.seen()[0].state, "merged");
    assert_eq!(forge.merged_pull(pull.number, newer, None).await.unwrap(), MergeResult::Merged { base: commit });
    assert_eq!(forge.merged_pull(Number(9), newer, Some(base)).await.unwrap(), MergeResult::HeadMoved { now: None });
}

pub async fn a_merge_that_the_forge_does_not_see_is_told_to_it<S: Stage>() {
    for (can_be_told, state) in [(true, "merged"), (false, "closed")] {
        let (stage, forge, _, head) = with_change::<S>().await;
        stage.rule(Rules { sees_merges: false, can_be_told, ..Rules::default() });
        let checked = order(&*forge, "web-1", head).await;
        assert_eq!(forge.merge(&checked).await.unwrap(), MergeOutcome::Merged { commit: checked.commit });
        assert_eq!((stage.lab().head("main"), stage.lab().head("towpath/web-1")), (Some(checked.commit), None));
        if forge.name().contains("Forgejo") {
            assert_eq!(stage.seen()[0].state, state);
            let said = stage.seen()[0].comments.iter().filter(|(_, text)| text.contains("Merged into main")).count();
            assert_eq!(said, usize::from(!can_be_told), "people are told either way");
        }
        assert_eq!(stage.forge("m2").await.merge(&checked).await.unwrap(), MergeOutcome::Merged { commit: checked.commit });
    }
}

pub async fn a_fork_with_a_branch_of_towpaths_name_is_no_change_of_towpaths<S: Stage>() {
    let (stage, forge, base, own) = with_change::<S>().await;
    if !is_hosted(&*forge) {
        return;
    }
    let lab = stage.lab();
    lab.run(&["--git-dir=config.git", "branch", "aside", "main"]);
    let head = lab.people_push("aside", "other", "2\n");
    stage.people_fork("towpath/web-1", "mallory", head);
    let pull = forge.pull(Number(2)).await.unwrap().unwrap();
    assert_eq!((pull.from_fork, pull.author.as_str(), pull.head), (true, "mallory", head));
    assert_eq!(forge.pull_of(&id("web-1")).await.unwrap().map(|pull| (pull.number, pull.head)), Some((Number(1), own)));
    let checked = order(&*forge, "web-1", own).await;
    assert_eq!(forge.merge(&checked).await.unwrap(), MergeOutcome::Merged { commit: checked.commit });
    assert_eq!(forge.pull(Number(2)).await.unwrap().unwrap().state, PullState::Open, "theirs is not touched");

    // Checked and wanted, it merges like any other; and not when it moved unseen by Git.
    let MergeResult::Clean { base: onto, commit } = forge.merged_pull(Number(2), head, None).await.unwrap() else { panic!("it is clean") };
    assert!(onto == checked.commit && onto != base);
    let theirs = towpath_forge::MergeOrder { id: id("x"), base: onto, head, commit };
    let newer = lab.people_push("aside", "other", "3\n");
    stage.people_fork("towpath/web-1", "mallory", newer);
    assert_eq!(forge.merge_pull(Number(2), &theirs).await.unwrap(), MergeOutcome::HeadMoved { now: Some(newer) });
    assert_eq!(lab.head("main"), Some(onto));
    stage.people_fork("towpath/web-1", "mallory", head);
    assert_eq!(forge.merge_pull(Number(2), &theirs).await.unwrap(), MergeOutcome::Merged { commit });
    assert_eq!(lab.head("main"), Some(commit));
}

pub async fn a_forge_that_merges_something_else_is_told_of_loudly<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    if !forge.abilities().protection {
        return;
    }
    stage.rule(Rules { no_push: true, up_to_date: true, merges_something_else: true, ..Rules::default() });
    let checked = order(&*forge, "web-1", head).await;
    for process in ["m", "m2"] {
        let merged = stage.forge(process).await.merge(&checked).await.unwrap();
        assert_eq!(merged, MergeOutcome::Merged { commit: stage.lab().head("main").unwrap() });
    }
    let comments = &stage.seen()[0].comments;
    assert!(comments.len() == 1 && comments[0].1.contains("not what was checked") && comments[0].1.contains("ref"), "{comments:?}");
}

pub async fn checks_of_others_that_failed_are_run_again_once_and_what_cannot_be_is_told<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    if !forge.abilities().reruns {
        return;
    }
    let one = Number(1);
    assert_eq!(forge.rerun_failed(one, head).await.unwrap(), Reruns::default(), "nothing is there");
    stage.others_check(head, Ends::Well);
    assert_eq!(forge.rerun_failed(one, head).await.unwrap(), Reruns::default(), "nothing failed");
    stage.others_check(head, Ends::Badly);
    let reruns = forge.rerun_failed(one, head).await.unwrap();
    assert!(!reruns.begun.is_empty() && reruns.not.is_empty(), "{reruns:?}");
    assert_eq!(stage.run_again(), reruns.begun.len());
    for process in ["m", "m2"] {
        assert_eq!(stage.forge(process).await.rerun_failed(one, head).await.unwrap(), Reruns::default(), "it runs");
    }
    // Whatever goes wrong on the way: asked until there is an answer, each runs once.
    for mishap in [Mishap::CutsAfter, Mishap::Says(500)] {
        for call in 0.. {
            stage.others_check(head, Ends::Badly);
            let before = stage.run_again();
            stage.plan(call, mishap);
            while forge.rerun_failed(one, head).await.is_err() {}
            assert_eq!(stage.run_again() - before, reruns.begun.len(), "{mishap:?} at call {call}");
            if stage.is_planned() {
                assert!(call > 1, "all calls had their mishap: {call}");
                break;
            }
        }
        stage.plan(usize::MAX, mishap);
    }
    stage.others_check(head, Ends::Badly);
    stage.others_refuse("it was created over a month ago");
    let refused = forge.rerun_failed(one, head).await.unwrap();
    assert_eq!((refused.begun.len(), refused.not.len()), (0, reruns.begun.len()), "{refused:?}");
    assert!(refused.not.iter().all(|(_, why)| why.contains("over a month")), "{refused:?}");
}

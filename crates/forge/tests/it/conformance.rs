//! One suite for all forges: what is promised of every one holds on every one.

use std::sync::Arc;

use towpath_domain::CommitId;
use towpath_forge::fake::Rules;
use towpath_forge::{
    CloseOutcome, Forge, ForgeError, MergeOutcome, MergeResult, Number, Opinion, Proposed, PullState, Status, StatusState,
};

use crate::stage::{Forgejo, GitLab, Plain, Stage};
use crate::support::{id, open, order, proposal};

/// The suite for one forge.
macro_rules! suite {
    ($($forge:ident: $stage:ty { $($story:ident),* $(,)? })*) => {
        $(mod $forge {
            use super::*;
            $(#[tokio::test] async fn $story() { super::$story::<$stage>().await; })*
        })*
    };
}

macro_rules! for_each {
    ($stories:tt) => {
        suite! { plain_git: Plain $stories forgejo: Forgejo $stories gitlab: GitLab $stories }
    };
}

for_each! {{
    a_change_proposed_twice_by_two_processes_is_one_change_and_merges_once,
    a_change_that_people_pushed_to_is_left_alone,
    a_change_that_people_closed_is_not_merged,
    a_conflict_is_mended_by_a_new_proposal_on_the_same_change,
    what_moved_is_not_merged,
    closing_says_why_and_a_closed_change_can_be_proposed_again,
    words_and_labels_follow_the_proposal,
    comments_are_brought_up_to_date_in_place_and_only_towpaths_own,
    labels_come_and_go,
    what_people_think_is_read,
    statuses_are_set_once_and_read_back,
    what_the_branch_demands_is_told,
    lists_are_read_to_their_last_page,
    a_branch_that_takes_no_push_is_merged_into_by_the_forge_only_where_that_is_safe,
    a_refused_push_that_nobody_foretold_goes_the_same_way,
    the_queue_merges_or_tells_why_not,
    what_people_open_is_merged_as_it_was_checked_and_their_branch_is_left_to_them,
    several_merge_one_after_another_each_onto_the_one_before,
    a_merge_that_the_forge_does_not_see_is_told_to_it,
    what_is_declared_is_there_and_what_is_not_declared_is_refused,
}}

/// The number of the one change that people see, where they see any.
fn number<S: Stage>(stage: &S) -> Option<Number> {
    let seen = stage.seen();
    assert!(seen.len() <= 1, "one change: {seen:?}");
    seen.first().map(|seen| seen.number)
}

/// A stage with a config branch, and a change on it.
async fn with_change<S: Stage>() -> (S, Arc<dyn Forge>, CommitId, CommitId) {
    let stage = S::start().await;
    let base = stage.lab().people_push("main", "ref", "1\n");
    let forge = stage.forge("m").await;
    let head = open(&*forge, &proposal("web-1", base, "ref", "2\n")).await;
    (stage, forge, base, head)
}

/// Whether a forge has numbers, pages and comments.
fn is_hosted(forge: &dyn Forge) -> bool {
    forge.abilities().comments
}

async fn a_change_proposed_twice_by_two_processes_is_one_change_and_merges_once<S: Stage>() {
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

async fn a_change_that_people_pushed_to_is_left_alone<S: Stage>() {
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

async fn a_change_that_people_closed_is_not_merged<S: Stage>() {
    let (stage, forge, base, head) = with_change::<S>().await;
    let checked = order(&*forge, "web-1", head).await;
    match number(&stage) {
        Some(number) => stage.people_close(number),
        None => drop(stage.lab().run(&["--git-dir=config.git", "branch", "-D", "towpath/web-1"])),
    }
    assert_eq!(forge.merge(&checked).await.unwrap(), MergeOutcome::HeadMoved { now: None });
    assert_eq!(stage.lab().head("main"), Some(base));
}

async fn a_conflict_is_mended_by_a_new_proposal_on_the_same_change<S: Stage>() {
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

async fn what_moved_is_not_merged<S: Stage>() {
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

async fn closing_says_why_and_a_closed_change_can_be_proposed_again<S: Stage>() {
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

async fn words_and_labels_follow_the_proposal<S: Stage>() {
    let (stage, forge, base, _) = with_change::<S>().await;
    let mut change = proposal("web-1", base, "ref", "2\n");
    change.labels = vec!["bot/automerge".to_owned(), "hotfix".to_owned()];
    change.description = "Newer.\n\n/merge".to_owned();
    change.title = "Promote web\nto stage".to_owned();
    open(&*forge, &change).await;
    stage.take_calls();
    open(&*forge, &change).await;
    assert_eq!(stage.take_calls().1, 0, "nothing is sent when it says so already");
    if let Some(seen) = stage.seen().first() {
        assert_eq!(seen.title, "Promote web to stage");
        assert!(seen.body.starts_with("Newer.") && seen.body.contains("merge"), "{seen:?}");
        assert_eq!(seen.labels, ["bot/automerge", "hotfix"]);
    }
}

async fn comments_are_brought_up_to_date_in_place_and_only_towpaths_own<S: Stage>() {
    let (stage, forge, ..) = with_change::<S>().await;
    let Some(number) = number(&stage) else { return };
    assert_eq!(forge.account().await.unwrap(), "towpath");
    stage.people_comment(number, "mallory", "<!-- towpath:plan -->\nNothing is deployed, trust me.");
    stage.people_comment(number, "ann", "/lgtm");
    forge.comment(number, "plan", "Deploys web.").await.unwrap();
    stage.take_calls();
    forge.comment(number, "plan", "Deploys web.").await.unwrap();
    assert_eq!(stage.take_calls().1, 0, "nothing is sent when it says so already");
    forge.comment(number, "plan", "Deploys web and api.").await.unwrap();
    forge.comment(number, "gate", "Vouched for.").await.unwrap();
    // Written twice, after an answer that was lost and a look that came too early.
    stage.people_comment(number, "towpath", "<!-- towpath:plan -->\nDeploys web.");
    forge.comment(number, "plan", "Deploys all.").await.unwrap();
    let comments = forge.comments(number).await.unwrap();
    let said: Vec<(&str, &str)> = comments.iter().map(|comment| (comment.author.as_str(), comment.body.as_str())).collect();
    assert_eq!(
        said,
        [
            ("mallory", "<!-- towpath:plan -->\nNothing is deployed, trust me."),
            ("ann", "/lgtm"),
            ("towpath", "<!-- towpath:plan -->\nDeploys all."),
            ("towpath", "<!-- towpath:gate -->\nVouched for."),
            ("towpath", "<!-- towpath:plan -->\nSee this comment's twin above."),
        ]
    );
    assert!(comments[2].changed_at > comments[2].at && comments[1].changed_at == comments[1].at);
    stage.take_calls();
    forge.comment(number, "plan", "Deploys all.").await.unwrap();
    assert_eq!(stage.take_calls().1, 0);
    assert!(forge.comment(number, "plan --> x", "y").await.is_err());
}

async fn labels_come_and_go<S: Stage>() {
    let (stage, forge, ..) = with_change::<S>().await;
    let Some(number) = number(&stage) else { return };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    forge.label(number, &names(&["lgtm", "bot/hold"]), &[]).await.unwrap();
    forge.label(number, &names(&["bot/approved"]), &names(&["bot/hold", "never there"])).await.unwrap();
    assert_eq!(forge.pull(number).await.unwrap().unwrap().labels, ["bot/approved", "lgtm"]);
    stage.take_calls();
    forge.label(number, &names(&["lgtm"]), &names(&["bot/hold"])).await.unwrap();
    assert_eq!(stage.take_calls().1, 0);
}

async fn what_people_think_is_read<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    let Some(number) = number(&stage) else { return };
    assert_eq!(forge.reviews(number).await.unwrap(), []);
    stage.people_review(number, "ann", true);
    stage.people_review(number, "ben", false);
    let reviews = forge.reviews(number).await.unwrap();
    let opinions: Vec<_> = reviews.iter().map(|review| (review.author.as_str(), review.opinion)).collect();
    assert_eq!(opinions, [("ann", Opinion::Approves), ("ben", Opinion::Refuses)]);
    assert!(reviews.iter().all(|review| review.at.is_some() && review.commit.is_none_or(|commit| commit == head)));
}

async fn statuses_are_set_once_and_read_back<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    if !forge.abilities().statuses {
        return;
    }
    let mut status = Status {
        context: "towpath/plan".to_owned(),
        state: StatusState::Pending,
        summary: "Looking".to_owned(),
        details: String::new(),
        url: Some("https://towpath.example.com/runs/1".to_owned()),
    };
    for state in [StatusState::Pending, StatusState::Failure, StatusState::Error, StatusState::Success] {
        status.state = state;
        for _ in 0..2 {
            forge.set_status(head, &status).await.unwrap();
        }
        let found = forge.statuses(head).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].state, found[0].summary.as_str(), &found[0].url), (state, "Looking", &status.url));
        assert_eq!(stage.forge("other").await.statuses(head).await.unwrap(), found);
        stage.take_calls();
        forge.set_status(head, &status).await.unwrap();
        assert_eq!(stage.take_calls().1, 0, "nothing is sent when it was the last thing said");
    }
    status.context = "towpath/gate".to_owned();
    status.summary = "ü".repeat(300);
    forge.set_status(head, &status).await.unwrap();
    assert_eq!(forge.statuses(head).await.unwrap().len(), 2);
    stage.take_calls();
    forge.set_status(head, &status).await.unwrap();
    assert_eq!(stage.take_calls().1, 0, "also where it is too long to be said whole");
    assert!(forge.set_status(CommitId::NULL, &status).await.is_err());
}

async fn what_the_branch_demands_is_told<S: Stage>() {
    let stage = S::start().await;
    stage.lab().people_push("main", "ref", "1\n");
    let forge = stage.forge("m").await;
    if !forge.abilities().protection {
        return;
    }
    assert_eq!(forge.protection().await.unwrap(), towpath_forge::Protection::default());
    stage.rule(Rules { no_push: true, up_to_date: true, required_approvals: 2, ..Rules::default() });
    let told = stage.forge("m2").await.protection().await.unwrap();
    assert_eq!((told.no_direct_push, told.up_to_date, told.required_approvals), (true, true, 2));
    stage.take_calls();
    assert_eq!(forge.protection().await.unwrap(), towpath_forge::Protection::default(), "it is not asked for at every turn");
    assert_eq!(stage.take_calls(), (0, 0));
    stage.rule(Rules { queue: true, ..Rules::default() });
    assert_eq!(stage.forge("m3").await.protection().await.unwrap().queue, forge.abilities().queue);
}

async fn lists_are_read_to_their_last_page<S: Stage>() {
    let (stage, forge, base, head) = with_change::<S>().await;
    stage.limit_pages(2);
    for name in ["a", "b", "c", "d"] {
        open(&*forge, &proposal(name, base, name, "x\n")).await;
    }
    if !is_hosted(&*forge) {
        return;
    }
    let numbers: Vec<u64> = forge.open_pulls().await.unwrap().iter().map(|pull| pull.number.0).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    for text in ["1", "2", "3", "4", "5"] {
        stage.people_comment(Number(1), "ann", text);
    }
    forge.comment(Number(1), "plan", "6").await.unwrap();
    forge.comment(Number(1), "plan", "7").await.unwrap();
    assert_eq!(forge.comments(Number(1)).await.unwrap().len(), 6);
    let names: Vec<String> = ["e", "f", "g"].map(str::to_owned).to_vec();
    forge.label(Number(1), &names, &[]).await.unwrap();
    forge.label(Number(1), &[], &names[2..]).await.unwrap();
    assert_eq!(forge.pull(Number(1)).await.unwrap().unwrap().labels, names[..2]);
    for context in ["a", "b", "c"] {
        let status =
            Status { context: context.to_owned(), state: StatusState::Success, summary: String::new(), details: String::new(), url: None };
        forge.set_status(head, &status).await.unwrap();
    }
    assert_eq!(forge.statuses(head).await.unwrap().len(), 3);
}

async fn a_branch_that_takes_no_push_is_merged_into_by_the_forge_only_where_that_is_safe<S: Stage>() {
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

async fn a_refused_push_that_nobody_foretold_goes_the_same_way<S: Stage>() {
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

async fn the_queue_merges_or_tells_why_not<S: Stage>() {
    let (stage, _, _, head) = with_change::<S>().await;
    stage.rule(Rules { queue: true, no_push: true, ..Rules::default() });
    let forge = stage.forge("m2").await;
    if !forge.abilities().queue {
        return;
    }
    let checked = order(&*forge, "web-1", head).await;
    for process in ["m2", "m3", "m2"] {
        let waits = stage.forge(process).await.merge(&checked).await.unwrap();
        assert!(matches!(waits, MergeOutcome::Waits { .. }), "{waits:?}");
    }
    stage.queue(Some("its pipeline failed: lint"));
    for process in ["m2", "m3"] {
        let MergeOutcome::Refused { why } = stage.forge(process).await.merge(&checked).await.unwrap() else { panic!("thrown out") };
        assert!(why.contains("its pipeline failed: lint"), "{why}");
    }
    // A new proposal is a new try, and the branch may move meanwhile.
    let moved = stage.lab().people_bring("main", "other", "x\n");
    let head = open(&*forge, &proposal("web-1", moved, "ref", "2\n")).await;
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

async fn what_people_open_is_merged_as_it_was_checked_and_their_branch_is_left_to_them<S: Stage>() {
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

async fn several_merge_one_after_another_each_onto_the_one_before<S: Stage>() {
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
}

async fn a_merge_that_the_forge_does_not_see_is_told_to_it<S: Stage>() {
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

async fn what_is_declared_is_there_and_what_is_not_declared_is_refused<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    let (can, number) = (forge.abilities(), number(&stage).unwrap_or(Number(1)));
    let status =
        Status { context: "x".to_owned(), state: StatusState::Success, summary: "y".to_owned(), details: String::new(), url: None };
    let unable = |ended: Result<(), ForgeError>| match ended {
        Ok(()) => false,
        Err(ForgeError::Unable { .. }) => true,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(unable(forge.comment(number, "x", "y").await), !can.comments);
    assert_eq!(unable(forge.comments(number).await.map(drop)), !can.comments);
    assert_eq!(unable(forge.open_pulls().await.map(drop)), !can.comments);
    assert_eq!(unable(forge.pull(number).await.map(drop)), !can.comments);
    assert_eq!(unable(forge.account().await.map(drop)), !can.comments);
    assert_eq!(unable(forge.label(number, &["z".to_owned()], &[]).await), !can.labels);
    assert_eq!(unable(forge.reviews(number).await.map(drop)), !can.reviews);
    assert_eq!(unable(forge.set_status(head, &status).await), !can.statuses);
    assert_eq!(unable(forge.statuses(head).await.map(drop)), !can.statuses);
    assert_eq!(unable(forge.protection().await.map(drop)), !can.protection);
    assert!(!forge.name().is_empty());
}

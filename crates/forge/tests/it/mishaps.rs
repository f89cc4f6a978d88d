//! Whole stories with one mishap at each of their calls in turn: always the same single change, the same single merge.

use towpath_domain::CommitId;
use towpath_forge::fake::{Mishap, Rules};
use towpath_forge::{CloseOutcome, Forge, MergeOrder, MergeOutcome, MergeResult, Proposed, Status, StatusState};

use crate::stage::{Forgejo, GitHub, GitLab, Seen, Stage};
use crate::support::{id, proposal};

/// How often a step is tried by its caller, which is the engine.
const TRIES: usize = 4;

/// Does a step until it succeeds, as the engine does.
macro_rules! step {
    ($step:expr) => {{
        let mut tries = 0;
        loop {
            tries += 1;
            match $step.await {
                Ok(done) => break done,
                Err(error) => assert!(tries < TRIES, "it never recovers: {error}"),
            }
        }
    }};
}

/// A change from its proposal to its end, with all that is said on the way.
async fn lands(forge: &dyn Forge, name: &str, base: CommitId, before_the_merge: impl FnOnce()) -> (CommitId, MergeOrder, CommitId) {
    let mut change = proposal(name, base, name, "2\n");
    change.labels = vec!["bot/automerge".to_owned()];
    let Proposed::Open { head } = step!(forge.propose(&change)) else { panic!("it is open") };
    let number = step!(forge.pull_of(&id(name))).unwrap().number;
    let status = Status {
        context: "towpath/plan".to_owned(),
        state: StatusState::Success,
        summary: "1 deploy".to_owned(),
        details: String::new(),
        url: None,
    };
    step!(forge.set_status(head, &status));
    step!(forge.comment(number, "plan", "Looking."));
    step!(forge.comment(number, "plan", "Deploys web."));
    step!(forge.label(number, &["bot/approved".to_owned()], &["bot/automerge".to_owned()]));
    let MergeResult::Clean { base, commit } = step!(forge.merged_result(&id(name), head)) else { panic!("it is clean") };
    let order = MergeOrder { id: id(name), base, head, commit };
    before_the_merge();
    for _ in 0..TRIES {
        match step!(forge.merge(&order)) {
            MergeOutcome::Merged { commit } => return (head, order, commit),
            MergeOutcome::Waits { .. } => {}
            other => panic!("it is merged, or waits: {other:?}"),
        }
    }
    panic!("it waits for ever")
}

/// Checks that what is there after the story is the same whatever went wrong.
fn one_change_and_one_merge(stage: &impl Stage, name: &str, (base, head, commit): (CommitId, CommitId, CommitId), context: &str) {
    let change = the_one(stage, name, context);
    assert_eq!((change.state, change.title.as_str()), ("merged", "Promote web to production"), "{context}");
    assert_eq!(change.labels, ["bot/approved"], "{context}");
    let said: Vec<&str> = change.comments.iter().map(|(_, body)| body.as_str()).collect();
    assert_eq!(said, ["<!-- towpath:plan -->\nDeploys web."], "{context}: written once, and brought up to date");
    let lab = stage.lab();
    assert_eq!((lab.head("main"), lab.head(&change.branch)), (Some(commit), None), "{context}");
    let parents = lab.run(&["--git-dir=config.git", "log", "-1", "--format=%P", "main"]);
    assert_eq!(parents, format!("{base} {head}"), "{context}: one merge, of what was there and the change");
}

/// The only change from the branch of this id.
fn the_one(stage: &impl Stage, name: &str, context: &str) -> Seen {
    let mut seen = stage.seen();
    seen.retain(|seen| seen.branch == format!("towpath/{name}"));
    assert_eq!(seen.len(), 1, "{context}: {seen:?}");
    seen.remove(0)
}

async fn begin<S: Stage>(rules: &Rules) -> (S, CommitId) {
    let stage = S::start().await;
    let base = stage.lab().people_push("main", "ref", "1\n");
    stage.rule(rules.clone());
    (stage, base)
}

/// One story after another on the same stage, each by a new process, until a mishap comes too late for its story.
async fn whatever_goes_wrong_there_is_one_change_and_one_merge<S: Stage>(rules: Rules, mishaps: &[Mishap]) {
    for mishap in mishaps {
        let (stage, mut base) = begin::<S>(&rules).await;
        for call in 0.. {
            let (name, context) = (format!("web-{call}"), format!("{mishap:?} at call {call}"));
            let forge = stage.forge("m").await;
            // All that comes before the merge is the same under all rules.
            let only_then = || {
                if rules.no_push {
                    stage.plan(call, *mishap)
                }
            };
            if !rules.no_push {
                stage.plan(call, *mishap);
            }
            let (head, order, commit) = lands(&*forge, &name, base, only_then).await;
            assert_eq!(commit == order.commit, !rules.no_push, "{context}: by a push where that is allowed");
            one_change_and_one_merge(&stage, &name, (base, head, commit), &context);
            if stage.is_planned() {
                assert!(call > if rules.no_push { 3 } else { 15 }, "all calls of a story had their mishap: {call}");
                break;
            }
            base = commit;
        }
    }
}

async fn whatever_goes_wrong_closing_says_why_once<S: Stage>() {
    let story = async |forge: &dyn Forge, name: &str, base| {
        let Proposed::Open { head } = step!(forge.propose(&proposal(name, base, "ref", "2\n"))) else { panic!("it is open") };
        assert_eq!(step!(forge.close(&id(name), head, "withdrawn")), CloseOutcome::Closed);
    };
    for mishap in Mishap::ALL {
        let (stage, base) = begin::<S>(&Rules::default()).await;
        for call in 0.. {
            let (name, context) = (format!("web-{call}"), format!("{mishap:?} at call {call}"));
            let forge = stage.forge("m").await;
            stage.plan(call, mishap);
            story(&*forge, &name, base).await;
            let seen = the_one(&stage, &name, &context);
            let said = seen.comments.iter().filter(|(_, text)| text.contains("withdrawn")).count();
            assert_eq!((seen.state, said), ("closed", 1), "{context}: {seen:?}");
            assert_eq!((stage.lab().head("main"), stage.lab().head(&seen.branch)), (Some(base), None), "{context}");
            if stage.is_planned() {
                assert!(call > 5, "all calls of a story had their mishap: {call}");
                break;
            }
        }
    }
}

/// Nobody pushes, and only what is up to date is merged.
fn by_the_forge() -> Rules {
    Rules { no_push: true, up_to_date: true, ..Rules::default() }
}

/// Each kind of mishap in a test of its own, so that they run side by side.
macro_rules! stories {
    ($($forge:ident: $stage:ty),*) => {
        $(mod $forge {
            use super::*;
            #[tokio::test] async fn answers_that_never_come() { each(&[Mishap::HangsAfter]).await; }
            #[tokio::test] async fn answers_that_break_off() { each(&[Mishap::CutsAfter, Mishap::CutsBefore]).await; }
            #[tokio::test] async fn limits() { each(&[Mishap::Says(403), Mishap::Says(429)]).await; }
            #[tokio::test] async fn failures_and_refusals() { each(&[Mishap::Says(500), Mishap::Says(409)]).await; }
            #[tokio::test] async fn closing() { whatever_goes_wrong_closing_says_why_once::<$stage>().await; }
            async fn each(mishaps: &[Mishap]) {
                whatever_goes_wrong_there_is_one_change_and_one_merge::<$stage>(Rules::default(), mishaps).await;
                whatever_goes_wrong_there_is_one_change_and_one_merge::<$stage>(by_the_forge(), mishaps).await;
            }
        })*
    };
}

stories! { forgejo: Forgejo, github: GitHub, gitlab: GitLab }

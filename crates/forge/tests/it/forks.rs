//! Changes from forks, whose commits are on no branch of the repository: Git finds them, and what is said of them is found again.

use serde_json::Value;
use towpath_forge::fake::FakeForge;
use towpath_forge::{Forge, ForgeError, MergeResult, Number, Pull, Status, StatusState};
use towpath_testbed::{GitHttp, Mood};

use crate::apps::{as_app, connected};
use crate::stage::{Forgejo, GitHub, GitLab, Hosted, Stage};

/// A forge with a change from a fork, in a repository that is served by a Git server of the old kind: `uploadpack.allowAnySHA1InWant` is off.
async fn with_fork<S: Stage + AsRef<Hosted>>() -> (S, GitHttp, u64) {
    let stage = S::start().await;
    stage.lab().people_push("main", "ref", "1\n");
    stage.lab().fork_commit("faster", "ref", "2\n");
    let server = GitHttp::start(&stage.lab().path("."));
    server.becomes(Mood::Old);
    let number = stage.as_ref().fake.world().fork_opens("mallory", "faster", &stage.lab().path("fork"));
    (stage, server, number)
}

/// The only open change.
async fn only(forge: &dyn Forge) -> Pull {
    let mut pulls = forge.open_pulls().await.unwrap();
    assert_eq!(pulls.len(), 1, "{pulls:?}");
    pulls.remove(0)
}

async fn what_is_merged_is_found<S: Stage + AsRef<Hosted>>() {
    let (stage, server, number) = with_fork::<S>().await;
    let (lab, base) = (stage.lab(), stage.lab().head("main").unwrap());
    let url = format!("{}/config.git", server.url);
    let forge = stage.over(lab.forge_at("m", &url).await);
    let pull = only(&*forge).await;
    assert_eq!((pull.from_fork, pull.author.as_str(), pull.branch.as_str()), (true, "mallory", "faster"));
    let MergeResult::Clean { commit, .. } = forge.merged_pull(pull.number, pull.head, None).await.unwrap() else { panic!("it merges") };
    let other = stage.over(lab.forge_at("m2", &url).await);
    assert_eq!(other.merged_pull(pull.number, pull.head, Some(base)).await.unwrap(), MergeResult::Clean { base, commit });

    // People push to their fork once more, and the forge's answers are older than its refs: no ref of the repository is at the commit any more.
    let newest = lab.fork_commit("faster", "ref", "3\n");
    stage.as_ref().fake.world().fork_pushes(number, &lab.path("fork"));
    stage.as_ref().fake.world().pulls[0].head = pull.head.to_string();
    let late = stage.over(lab.forge_at("m3", &url).await);
    assert_eq!(late.merged_pull(pull.number, pull.head, None).await.unwrap(), MergeResult::Clean { base, commit });
    // And then they are not.
    stage.as_ref().fake.world().fork_pushes(number, &lab.path("fork"));
    assert_eq!(only(&*late).await.head, newest);
    assert_eq!(late.merged_pull(pull.number, pull.head, None).await.unwrap(), MergeResult::HeadMoved { now: Some(newest) });

    // What is nowhere is missed by its name.
    let nowhere = "1".repeat(40);
    stage.as_ref().fake.world().pulls[0].head.clone_from(&nowhere);
    let error = late.merged_pull(pull.number, nowhere.parse().unwrap(), None).await.unwrap_err();
    assert!(matches!(error, ForgeError::Git(_)) && error.to_string().contains(&nowhere), "{error}");
}

#[tokio::test]
async fn a_change_from_a_fork_is_found_on_forgejo() {
    what_is_merged_is_found::<Forgejo>().await;
}

#[tokio::test]
async fn a_change_from_a_fork_is_found_on_github() {
    what_is_merged_is_found::<GitHub>().await;
}

#[tokio::test]
async fn a_change_from_a_fork_is_found_on_gitlab() {
    what_is_merged_is_found::<GitLab>().await;
}

fn status(state: StatusState, summary: &str) -> Status {
    Status {
        context: "towpath/checks".to_owned(),
        state,
        summary: summary.to_owned(),
        details: "| check | |\n| --- | --- |".to_owned(),
        url: Some("https://towpath.example.com/changes/7".to_owned()),
    }
}

/// Says how a fork's newest commit stands, from its first moment to its end.
async fn says_how_it_stands(forge: &dyn Forge, fake: &FakeForge, words: [&str; 3]) {
    let pull = only(forge).await;
    assert_eq!(forge.statuses(pull.head).await.unwrap(), []);
    let steps = [(StatusState::Pending, "Waits"), (StatusState::Pending, "Builds"), (StatusState::Failure, "The build failed")];
    for ((state, summary), word) in steps.into_iter().zip(words) {
        forge.set_status(pull.head, &status(state, summary)).await.unwrap();
        let found = forge.statuses(pull.head).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].state, found[0].summary.as_str()), (state, summary));
        assert_eq!(found[0].url.as_deref(), Some("https://towpath.example.com/changes/7"));
        let said = fake.world().said_of(&pull.head.to_string(), "towpath/checks");
        assert_eq!(said, Some((word.to_owned(), summary.to_owned())));
    }
    forge.comment(pull.number, "checks", "The build failed.").await.unwrap();
    forge.label(pull.number, &["checks/failed".to_owned()], &[]).await.unwrap();
    let account = forge.account().await.unwrap();
    let world = fake.world();
    assert_eq!(world.pulls[0].comments.iter().map(|comment| comment.author.as_str()).collect::<Vec<_>>(), [account]);
    assert!(world.pulls[0].labels.contains("checks/failed"));
}

#[tokio::test]
async fn forgejo_is_told_how_a_forks_commit_stands() {
    let (stage, ..) = with_fork::<Forgejo>().await;
    says_how_it_stands(&*stage.forge("m").await, &stage.0.fake, ["pending", "pending", "failure"]).await;
}

#[tokio::test]
async fn github_is_told_how_a_forks_commit_stands() {
    let (stage, ..) = with_fork::<GitHub>().await;
    says_how_it_stands(&*stage.forge("m").await, &stage.0.fake, ["pending", "pending", "failure"]).await;
}

#[tokio::test]
async fn gitlab_is_told_how_a_forks_commit_stands_and_which_change_that_is() {
    let (stage, ..) = with_fork::<GitLab>().await;
    let forge = stage.forge("m").await;
    // A closed one of the same commit came later, and is not it.
    let head = only(&*forge).await.head.to_string();
    let again = stage.0.fake.world().open_from_fork("mallory", "faster", &head);
    stage.people_close(Number(again));
    let _before = stage.0.fake.take_asked();
    says_how_it_stands(&*forge, &stage.0.fake, ["pending", "running", "failed"]).await;
    let asked = stage.0.fake.take_asked();
    let refs: Vec<&Value> = asked.iter().filter(|(_, told)| told.status == 201).filter_map(|(asked, _)| asked.body.get("ref")).collect();
    assert_eq!(refs, ["refs/merge-requests/1/head"], "only where it has to be said");
}

#[tokio::test]
async fn gitlab_takes_no_new_words_for_what_runs_and_that_is_no_failure() {
    let (stage, ..) = with_fork::<GitLab>().await;
    let (forge, head) = (stage.forge("m").await, only(&*stage.forge("m").await).await.head);
    for summary in ["Waits", "Builds", "Tests"] {
        forge.set_status(head, &status(StatusState::Pending, summary)).await.unwrap();
    }
    let said = stage.0.fake.world().said_of(&head.to_string(), "towpath/checks");
    assert_eq!(said, Some(("running".to_owned(), "Builds".to_owned())));
}

#[tokio::test]
async fn a_check_run_of_an_app_says_how_a_forks_commit_stands_with_all_that_there_is_to_say() {
    let Some((stage, keys)) = as_app().await else { return };
    stage.lab().people_push("main", "ref", "1\n");
    stage.lab().fork_commit("faster", "ref", "2\n");
    stage.0.fake.world().fork_opens("mallory", "faster", &stage.lab().path("fork"));
    let (forge, _) = connected(&stage, &keys.pkcs8).await;
    says_how_it_stands(&*forge, &stage.0.fake, ["in_progress", "in_progress", "failure"]).await;
    let runs = stage.0.fake.world().github.checks.clone();
    assert_eq!(runs.len(), 1, "one run from the first moment to the end: {runs:?}");
    assert_eq!(runs[0].summary.as_deref(), Some("| check | |\n| --- | --- |"));
    assert_eq!(runs[0].url.as_deref(), Some("https://towpath.example.com/changes/7"));
}

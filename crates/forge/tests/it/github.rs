//! What only GitHub has beside Apps: two kinds of protection, merging once all is there, and changes from forks that are gone.

use serde_json::{Value, json};
use towpath_domain::FailureClass;
use towpath_forge::fake::{Fate, Rules};
use towpath_forge::{ForgeError, MergeOutcome, Number, Protection, StatusState};

use crate::apps::status;
use crate::stage::{GitHub, Stage};
use crate::support::{open, order, proposal};

/// Branch protection as GitHub shows it to administrators.
fn protection(fields: Value) -> Value {
    let mut whole =
        json!({"url": "https://github.example.com/p", "enforce_admins": {"url": "https://github.example.com/a", "enabled": true}});
    for (name, value) in fields.as_object().unwrap() {
        whole[name] = value.clone();
    }
    whole
}

async fn demanded(stage: &GitHub, classic: Option<Value>) -> Protection {
    stage.0.fake.world().github.protection = classic.map(protection);
    stage.forge("m").await.protection().await.unwrap()
}

#[tokio::test]
async fn branch_protection_is_told_as_far_as_it_binds_towpath() {
    let stage = GitHub::start().await;
    stage.lab().people_push("main", "ref", "1\n");
    assert_eq!(demanded(&stage, Some(json!({}))).await, Protection::default());
    let strict = json!({"required_status_checks": {"strict": true, "contexts": ["ci", "towpath/plan"], "checks": []}});
    let statuses = vec!["ci".to_owned(), "towpath/plan".to_owned()];
    let all = Protection { required_statuses: statuses.clone(), up_to_date: true, no_direct_push: true, ..Protection::default() };
    assert_eq!(demanded(&stage, Some(strict.clone())).await, all, "a merge made a moment ago has no status");
    // Without anything that must be well, being up to date is not asked for.
    let nothing = json!({"required_status_checks": {"strict": true, "contexts": [], "checks": []}});
    assert_eq!(demanded(&stage, Some(nothing)).await, Protection::default());
    let reviews = |bypass: Value| {
        let review = json!({
            "required_approving_review_count": 2, "dismiss_stale_reviews": true, "require_code_owner_reviews": false,
            "bypass_pull_request_allowances": {"users": bypass, "teams": [], "apps": []},
        });
        Some(json!({"required_pull_request_reviews": review}))
    };
    let told = demanded(&stage, reviews(json!([]))).await;
    assert_eq!((told.required_approvals, told.no_direct_push), (2, true));
    let told = demanded(&stage, reviews(json!([{"login": "Towpath"}]))).await;
    assert_eq!((told.required_approvals, told.no_direct_push), (2, false), "it is named, and may push");
    let only = |users: Value| Some(json!({"restrictions": {"users": users, "teams": [], "apps": []}}));
    assert!(demanded(&stage, only(json!([{"login": "ann"}]))).await.no_direct_push);
    assert!(!demanded(&stage, only(json!([{"login": "towpath"}]))).await.no_direct_push);
    assert!(demanded(&stage, Some(json!({"lock_branch": {"enabled": true}}))).await.no_direct_push);

    // What an administrator may override is no promise that what is merged is up to date.
    let mut lax = strict.clone();
    lax["enforce_admins"] = json!({"url": "https://github.example.com/a", "enabled": false});
    assert!(demanded(&stage, Some(lax.clone())).await.up_to_date);
    stage.0.fake.world().github.is_administrator = true;
    assert!(!demanded(&stage, Some(lax)).await.up_to_date);

    // To others it shows the names of statuses alone, and nothing is made up beside them.
    stage.0.fake.world().github.is_hidden = true;
    let seen = Protection { required_statuses: statuses, ..Protection::default() };
    assert_eq!(demanded(&stage, Some(strict)).await, seen);
}

#[tokio::test]
async fn a_ruleset_that_does_not_bind_towpath_neither_keeps_it_out_nor_promises_anything() {
    let stage = GitHub::start().await;
    stage.lab().people_push("main", "ref", "1\n");
    stage.rule(Rules { no_push: true, up_to_date: true, required_approvals: 1, ..Rules::default() });
    for (bypass, no_direct_push, up_to_date) in
        [("never", true, true), ("pull_requests_only", true, false), ("always", false, false), ("exempt", false, false)]
    {
        bypass.clone_into(&mut stage.0.fake.world().github.bypass);
        let told = demanded(&stage, None).await;
        assert_eq!((told.no_direct_push, told.up_to_date, told.required_approvals), (no_direct_push, up_to_date, 1), "{bypass}");
    }
}

#[tokio::test]
async fn github_merges_by_itself_only_where_what_towpath_did_not_check_cannot_get_in() {
    for (required, by_itself) in [("towpath/plan", true), ("ci", false)] {
        let stage = GitHub::start().await;
        let base = stage.lab().people_push("main", "ref", "1\n");
        stage.rule(Rules { no_push: true, up_to_date: true, required_statuses: vec![required.to_owned()], ..Rules::default() });
        let forge = stage.forge("m").await;
        let head = open(&*forge, &proposal("web-1", base, "ref", "2\n")).await;
        let checked = order(&*forge, "web-1", head).await;
        for _ in 0..2 {
            let MergeOutcome::Waits { why } = forge.merge(&checked).await.unwrap() else { panic!("a status is missing") };
            assert!(why.contains(required), "{why}");
        }
        let asked: Vec<String> = stage.0.fake.world().github.merges_later.values().cloned().collect();
        assert_eq!(asked, if by_itself { vec![head.to_string()] } else { vec![] }, "{required}");
        forge.set_status(head, &status(required, StatusState::Failure)).await.unwrap();
        let MergeOutcome::Refused { why } = forge.merge(&checked).await.unwrap() else { panic!("it failed") };
        assert!(why.contains("failing"), "{why}");
        forge.set_status(head, &status(required, StatusState::Success)).await.unwrap();
        let merged = forge.merge(&checked).await.unwrap();
        let main = stage.lab().head("main").unwrap();
        assert_eq!(merged, MergeOutcome::Merged { commit: main });
    }
}

#[tokio::test]
async fn a_change_from_a_fork_that_is_gone_is_still_from_a_fork() {
    let stage = GitHub::start().await;
    let base = stage.lab().people_push("main", "ref", "1\n");
    let forge = stage.forge("m").await;
    open(&*forge, &proposal("web-1", base, "ref", "2\n")).await;
    let theirs = stage.lab().people_push("aside", "ref", "3\n");
    stage.people_fork("towpath/web-1", "mallory", theirs);
    stage.0.fake.world().github.forks_are_gone = true;
    // Of lists the description does not say that, and they show it all the same.
    stage.0.fake.world().github.describes = None;
    let pulls = forge.open_pulls().await.unwrap();
    let forks: Vec<_> = pulls.iter().map(|pull| (pull.number, pull.from_fork, pull.head == theirs)).collect();
    assert_eq!(forks, [(Number(1), false, false), (Number(2), true, true)]);
}

#[tokio::test]
async fn labels_that_towpath_makes_have_its_colour() {
    let stage = GitHub::start().await;
    let base = stage.lab().people_push("main", "ref", "1\n");
    let forge = stage.forge("m").await;
    open(&*forge, &proposal("web-1", base, "ref", "2\n")).await;
    let names = ["bot/hold".to_owned(), "needs a look: 100%".to_owned()];
    forge.label(Number(1), &names, &[]).await.unwrap();
    let colours: Vec<String> = stage.0.fake.world().github.colours.values().cloned().collect();
    assert_eq!(colours, ["70a24e", "70a24e"]);
    forge.label(Number(1), &[], &names).await.unwrap();
    assert_eq!(forge.pull(Number(1)).await.unwrap().unwrap().labels, [""; 0]);
}

#[tokio::test]
async fn a_branch_that_github_has_not_seen_yet_is_waited_for_and_no_fault_of_the_change() {
    let stage = GitHub::start().await;
    let base = stage.lab().people_push("main", "ref", "1\n");
    let forge = stage.forge("m").await;
    stage.0.fake.world().github.lags = true;
    let error = forge.propose(&proposal("web-1", base, "ref", "2\n")).await.unwrap_err();
    assert!(matches!(&error, ForgeError::Api { .. }) && error.class() == FailureClass::Environment, "{error}");
    stage.0.fake.world().github.lags = false;
    open(&*forge, &proposal("web-1", base, "ref", "2\n")).await;
    assert_eq!(stage.0.fake.world().pulls.iter().filter(|pull| pull.fate == Fate::Open).count(), 1);
}

//! What only GitHub has: Apps and their check runs, two kinds of protection, merging once all is there.

use std::process::Command;

use serde_json::{Value, json};
use towpath_domain::{FailureClass, Span};
use towpath_forge::fake::github::FakeApp;
use towpath_forge::fake::{Fate, Rules};
use towpath_forge::{App, AppKey, Forge, ForgeError, MergeOutcome, Number, Protection, Settings, Status, StatusState, github_app};
use towpath_testbed::{missing_program, skipped};

use crate::stage::{GitHub, Stage};
use crate::support::{Lab, open, order, proposal};

const APP: u64 = 123_456;

/// A key of an App, made anew: its private half in both kinds of PEM, its public half in DER.
struct Keys {
    traditional: String,
    pkcs8: String,
    public: Vec<u8>,
}

impl Keys {
    fn make(lab: &Lab) -> Option<Self> {
        if let Some(program) = missing_program(&["openssl"]) {
            return skipped(&format!("{program} is missing, which makes keys"));
        }
        let openssl = |args: &[&str]| {
            let output = Command::new("openssl").args(args).current_dir(lab.path("")).output().unwrap();
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        openssl(&["genrsa", "-out", "key.pem", "2048"]);
        let text = |args: &[&str]| String::from_utf8(openssl(args)).unwrap();
        Some(Self {
            traditional: text(&["rsa", "-in", "key.pem", "-traditional"]),
            pkcs8: text(&["pkcs8", "-topk8", "-nocrypt", "-in", "key.pem"]),
            public: openssl(&["rsa", "-in", "key.pem", "-RSAPublicKey_out", "-outform", "DER"]),
        })
    }
}

/// A stage on which Towpath is an App, and that App's key.
async fn as_app() -> Option<(GitHub, Keys)> {
    let stage = GitHub::start().await;
    let keys = Keys::make(stage.lab())?;
    let mut world = stage.0.fake.world();
    world.account = "towpath-cd[bot]".to_owned();
    world.github.app = Some(FakeApp {
        id: APP,
        slug: "towpath-cd".to_owned(),
        page: "https://towpath.example.com".to_owned(),
        public_key: keys.public.clone(),
        installed: true,
        token_lasts: 3600,
        tokens: Vec::new(),
    });
    drop(world);
    Some((stage, keys))
}

async fn connected(stage: &GitHub, pem: &str) -> (std::sync::Arc<dyn Forge>, std::sync::Arc<App>) {
    let settings = Settings {
        base_url: Some(format!("{}/api/v3", stage.0.fake.url())),
        repository: Some("org/config".to_owned()),
        token: String::new(),
        patience: Span::from_millis(1500),
    };
    github_app(&settings, AppKey::new(&APP.to_string(), pem).unwrap(), None, stage.lab().forge("m").await).unwrap()
}

fn tokens(stage: &GitHub) -> Vec<String> {
    let world = stage.0.fake.world();
    world.github.app.iter().flat_map(|app| app.tokens.iter().map(|(token, _)| token.clone())).collect()
}

fn status(context: &str, state: StatusState) -> Status {
    let (summary, details) = ("1 deploy".to_owned(), "| target | ref |\n| --- | --- |".to_owned());
    Status { context: context.to_owned(), state, summary, details, url: Some("https://towpath.example.com/runs/1".to_owned()) }
}

#[tokio::test]
async fn an_app_is_believed_by_its_key_and_its_token_is_exchanged_when_it_ends_or_is_refused() {
    let Some((stage, keys)) = as_app().await else { return };
    let (forge, app) = connected(&stage, &keys.traditional).await;
    assert_eq!(forge.account().await.unwrap(), "towpath-cd[bot]");
    for _ in 0..3 {
        assert_eq!(forge.open_pulls().await.unwrap(), []);
    }
    assert_eq!(tokens(&stage).len(), 1, "one token is good for an hour");
    assert_eq!(app.token().await.unwrap(), tokens(&stage)[0]);
    // GitHub takes it back before its end.
    stage.0.fake.world().github.app.as_mut().unwrap().tokens[0].1 = 0;
    assert_eq!(forge.open_pulls().await.unwrap(), []);
    assert_eq!(tokens(&stage).len(), 2);
    // One that is about to end is exchanged before it does.
    stage.0.fake.world().github.app.as_mut().unwrap().token_lasts = 300;
    let (forge, _) = connected(&stage, &keys.pkcs8).await;
    for _ in 0..2 {
        assert_eq!(forge.open_pulls().await.unwrap(), []);
    }
    assert_eq!(tokens(&stage).len(), 4);
}

#[tokio::test]
async fn whoever_is_not_the_app_gets_no_token_and_is_told_what_to_look_at() {
    let Some((stage, keys)) = as_app().await else { return };
    let other = Keys::make(stage.lab()).unwrap();
    let (forge, app) = connected(&stage, &other.pkcs8).await;
    for error in [forge.account().await.unwrap_err(), app.token().await.unwrap_err()] {
        assert!(error.to_string().contains("do not belong together") && error.class() == FailureClass::Own, "{error}");
    }
    stage.0.fake.world().github.app.as_mut().unwrap().installed = false;
    let (forge, _) = connected(&stage, &keys.pkcs8).await;
    let error = forge.open_pulls().await.unwrap_err();
    assert!(error.to_string().contains("not installed"), "{error}");
    assert_eq!(tokens(&stage), [""; 0]);
    let error = AppKey::new("1", "-----BEGIN NOTHING-----").unwrap_err();
    assert!(error.to_string().contains(".pem"), "{error}");
    assert!(!format!("{:?} {app:?}", AppKey::new("1", &keys.pkcs8).unwrap()).contains("PRIVATE"));
}

#[tokio::test]
async fn git_is_given_each_new_token() {
    let Some((stage, keys)) = as_app().await else { return };
    let credential = towpath_git::Credential::new("https://github.example.com").unwrap();
    let settings = Settings {
        base_url: Some(format!("{}/api/v3", stage.0.fake.url())),
        repository: Some("org/config".to_owned()),
        token: String::new(),
        patience: Span::from_millis(1500),
    };
    let key = AppKey::new(&APP.to_string(), &keys.pkcs8).unwrap();
    let (_, app) = github_app(&settings, key, Some(credential), stage.lab().forge("m").await).unwrap();
    // It goes on for ever: what is waited for is that it has got one.
    tokio::select! {
        () = app.keep_fresh() => unreachable!(),
        () = async { while tokens(&stage).is_empty() { tokio::task::yield_now().await } } => {}
    }
}

#[tokio::test]
async fn an_app_says_by_check_runs_what_it_says_of_commits() {
    let Some((stage, keys)) = as_app().await else { return };
    let base = stage.lab().people_push("main", "ref", "1\n");
    let (forge, _) = connected(&stage, &keys.pkcs8).await;
    let head = open(&*forge, &proposal("web-1", base, "ref", "2\n")).await;
    let runs = || stage.0.fake.world().github.checks.clone();
    for state in [StatusState::Pending, StatusState::Failure, StatusState::Error, StatusState::Success] {
        for _ in 0..2 {
            forge.set_status(head, &status("towpath/plan", state)).await.unwrap();
        }
        let found = forge.statuses(head).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].state, found[0].summary.as_str()), (state, "1 deploy"));
        assert_eq!(found[0].url.as_deref(), Some("https://towpath.example.com/runs/1"));
    }
    assert_eq!(runs().len(), 1, "one run is brought up to date");
    let run = &runs()[0];
    assert_eq!((run.name.as_str(), run.conclusion.as_deref(), run.commit.clone()), ("towpath/plan", Some("success"), head.to_string()));
    assert_eq!(run.summary.as_deref(), Some("| target | ref |\n| --- | --- |"));
    // What has ended does not begin again.
    forge.set_status(head, &status("towpath/plan", StatusState::Pending)).await.unwrap();
    assert_eq!(runs().len(), 2);
    assert_eq!(forge.statuses(head).await.unwrap()[0].state, StatusState::Pending);
    // A run without a link of its own shows the App's page, which is no link of this run's.
    let plain = Status { details: String::new(), url: None, ..status("towpath/gate", StatusState::Success) };
    forge.set_status(head, &plain).await.unwrap();
    stage.take_calls();
    forge.set_status(head, &plain).await.unwrap();
    assert_eq!(stage.take_calls().1, 0, "it says so already");
    // Somebody's status of the same name, which came later, is what counts.
    stage.0.fake.world().status(&head.to_string(), "towpath/gate", "failure", "no", None);
    let found = forge.statuses(head).await.unwrap();
    let states: Vec<_> = found.iter().map(|found| (found.context.as_str(), found.state)).collect();
    assert_eq!(states, [("towpath/gate", StatusState::Failure), ("towpath/plan", StatusState::Pending)]);
}

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

//! Towpath as a GitHub App: its key, its tokens, and its check runs.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use towpath_domain::{BranchName, FailureClass, RepoUrl, Span};
use towpath_forge::fake::Mishap;
use towpath_forge::fake::github::FakeApp;
use towpath_forge::{App, AppKey, Forge, Settings, Status, StatusState, github_app, github_by};
use towpath_git::{Credential, Git};
use towpath_testbed::{missing_program, skipped};

use crate::stage::{GitHub, Stage};
use crate::support::{Lab, open, proposal, towpath};

const APP: u64 = 123_456;

/// A key of an App, made anew: its private half in both kinds of PEM, its public half in DER.
pub struct Keys {
    traditional: String,
    pub pkcs8: String,
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
pub async fn as_app() -> Option<(GitHub, Keys)> {
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

fn settings(stage: &GitHub) -> Settings {
    Settings {
        base_url: Some(format!("{}/api/v3", stage.0.fake.url())),
        repository: Some("org/config".to_owned()),
        token: secrecy::SecretString::from("").into(),
        ca_file: None,
        patience: Span::from_millis(1500),
    }
}

pub async fn connected(stage: &GitHub, pem: &str) -> (Arc<dyn Forge>, Arc<App>) {
    let (settings, plain) = (settings(stage), stage.lab().forge("m").await);
    let app = github_app(&settings, AppKey::new(&APP.to_string(), pem).unwrap(), None, plain.mirror().url()).unwrap();
    (github_by(&app, &settings, plain).unwrap(), app)
}

fn tokens(stage: &GitHub) -> Vec<String> {
    let world = stage.0.fake.world();
    world.github.app.iter().flat_map(|app| app.tokens.iter().map(|(token, _)| token.clone())).collect()
}

pub fn status(context: &str, state: StatusState) -> Status {
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

/// A Git server that asks who it is and hears one answer.
fn git_server() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heard = std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let headers: Vec<String> =
                BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let said = headers.iter().find_map(|line| line.strip_prefix("Authorization: Basic ")).map(str::to_owned);
            let status = if said.is_some() { "404 Not Found" } else { "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"" };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            if let Some(said) = said {
                return said;
            }
        }
        String::new()
    });
    (address, heard)
}

#[tokio::test]
async fn git_is_given_each_new_token() {
    let Some((stage, keys)) = as_app().await else { return };
    let (address, heard) = git_server();
    let credential = Credential::new(&address).unwrap();
    let key = AppKey::new(&APP.to_string(), &keys.pkcs8).unwrap();
    let url = RepoUrl::new(format!("{address}/org/config.git")).unwrap();
    let app = github_app(&settings(&stage), key, Some(credential.clone()), &url).unwrap();
    // It goes on for ever: what is waited for is that it has got one.
    tokio::select! {
        () = app.keep_fresh() => unreachable!(),
        token = async { while tokens(&stage).is_empty() { tokio::task::yield_now().await } app.token().await } => drop(token.unwrap()),
    }
    let mut git = towpath_git::Settings::new(towpath());
    git.credentials = vec![credential];
    let _not_there = Git::new(git).ls_remote(&url, &BranchName::new("main").unwrap()).await.unwrap_err();
    assert_eq!(heard.join().unwrap(), STANDARD.encode(format!("x-access-token:{}", tokens(&stage)[0])));
}

#[tokio::test]
async fn whatever_goes_wrong_one_check_run_says_how_it_stands() {
    let Some((stage, keys)) = as_app().await else { return };
    let base = stage.lab().people_push("main", "ref", "1\n");
    let (forge, _) = connected(&stage, &keys.pkcs8).await;
    let head = open(&*forge, &proposal("web-1", base, "ref", "2\n")).await;
    for mishap in Mishap::ALL {
        for call in 0.. {
            let name = format!("towpath/{mishap:?}/{call}");
            // A new process, which has no token yet.
            let (forge, _) = connected(&stage, &keys.pkcs8).await;
            stage.plan(call, mishap);
            for state in [StatusState::Pending, StatusState::Failure] {
                let mut tries = 0;
                while let Err(error) = forge.set_status(head, &status(&name, state)).await {
                    tries += 1;
                    assert!(tries < 4, "it never recovers: {error}");
                }
            }
            let runs = stage.0.fake.world().github.checks.clone();
            let ended: Vec<_> = runs.iter().filter(|run| run.name == name).map(|run| run.conclusion.as_deref()).collect();
            assert_eq!(ended, [Some("failure")], "{mishap:?} at call {call}");
            if stage.is_planned() {
                assert!(call >= 8, "all calls had their mishap: {call}");
                break;
            }
        }
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

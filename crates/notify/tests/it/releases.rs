//! A release on its way through the ledger, and a town that it goes through.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::SecretString;
use towpath_domain::{ChangeId, CommitId, Digest, FailureClass, GitRef, ImageRef, Pages, RunId, SourceName, Span, TargetId};
use towpath_engine::{ChangeKind, ChangeSpec, ConfigEdit, DeployWork, Event, Outcome, RunSpec, Subject, Voucher, Work};
use towpath_ledger::Ledger;
use towpath_notify::sinks::Http;
use towpath_notify::{About, Hidden, Names, ReleaseId, Room, SecretSource, Settings};

use crate::support::{at, settings};

/// A secret that is known.
#[derive(Debug)]
pub(crate) struct Words(pub &'static str);

impl SecretSource for Words {
    fn get(&self) -> Pin<Box<dyn Future<Output = Result<SecretString, String>> + Send + '_>> {
        Box::pin(std::future::ready(Ok(SecretString::from(self.0.to_owned()))))
    }
}

/// A client, with the provider that the process would have set.
pub(crate) fn http() -> Http {
    let _there = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Http::new(None).unwrap()
}

/// Serves `app` for as long as the test runs; its address.
pub(crate) async fn serve_app(app: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

pub(crate) fn commit() -> CommitId {
    "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap()
}

struct Town {
    rooms: Vec<Room>,
}

impl Names for Town {
    fn title(&self, subject: &Subject) -> Option<String> {
        match subject {
            Subject::Target(id) => Some(format!("api / {id}")),
            _ => None,
        }
    }

    fn environment(&self, subject: &Subject) -> Option<String> {
        match subject {
            Subject::Target(id) => Some(id.to_string()),
            _ => None,
        }
    }

    fn about(&self, work: &Work) -> About {
        let release = ReleaseId {
            name: "api".into(),
            repository: "https://git.example.com/api".into(),
            commit: commit(),
            subject: Some("Answer <quickly> & well".into()),
            author: Some("Ada".into()),
        };
        let environments: Vec<String> = self.environment(&work.subject()).into_iter().collect();
        About {
            release: Some(release),
            apps: vec!["shop".into()],
            saas_files: vec!["api-deploy".into()],
            last: environments == ["production"],
            environments,
            rooms: self.rooms.clone(),
        }
    }

    fn last_lines(&self, _: &RunId, _: &str, _: usize) -> Vec<String> {
        vec!["listening on :8080".into(), "panic: no such table: orders ```".into()]
    }
}

/// Quick retries, and people in these channels of the workspace `example`.
pub(crate) fn town(hidden: &Hidden, channels: &[&str]) -> Settings {
    let room = |channel: &&str| Room { workspace: "example".into(), channel: (*channel).into(), start: true, successes: true, each: false };
    town_of(hidden, channels.iter().map(room).collect())
}

pub(crate) fn town_of(hidden: &Hidden, rooms: Vec<Room>) -> Settings {
    Settings {
        names: Arc::new(Town { rooms }),
        pages: Some(Pages::new("https://towpath.example.com")),
        hidden: hidden.clone(),
        longest_wait: Span::from_millis(2),
        ..settings(5)
    }
}

async fn run(ledger: &Ledger, name: String, attempt: u32, work: Work, outcome: Outcome) {
    let id = RunId::new(name).unwrap();
    let spec = RunSpec { id: id.clone(), attempt, work, why: "it is wanted".into(), after: None };
    ledger.append(None, "test", at(1_000), vec![Event::RunQueued(spec), Event::RunStarted { run: id.clone() }]).await.unwrap();
    ledger.append(None, "test", at(63_000), vec![Event::RunFinished { run: id, outcome }]).await.unwrap();
}

pub(crate) fn failed(step: &str) -> Outcome {
    let message = "pod api-7d9 is not ready: the probe GET /healthz answers 500\nMend the probe or the program.".to_owned();
    Outcome::Failed { class: FailureClass::Own, step: step.into(), message, refused: false, blame: None }
}

pub(crate) fn deployed() -> Outcome {
    Outcome::Deployed { digests: BTreeMap::new() }
}

pub(crate) async fn build(ledger: &Ledger, number: u32) {
    let work = Work::Build { source: SourceName::new("api").unwrap(), commit: commit(), build_hash: "b".into() };
    let image = ImageRef::tagged("registry.example.com/api", "5f8f0e1").unwrap();
    run(ledger, format!("build-{number}"), 1, work, Outcome::Built { image, digest: Digest::from_bytes([1; 32]) }).await;
}

pub(crate) async fn deploy(ledger: &Ledger, target: &str, number: u32, attempt: u32, outcome: Outcome) {
    let promoted = target != "stage";
    let voucher = Voucher {
        channel: towpath_domain::Channel::new("stage-ok").unwrap(),
        target: TargetId::new("stage").unwrap(),
        fingerprint: "f".into(),
        runs: 1,
    };
    let work = Work::Deploy(DeployWork {
        target: TargetId::new(target).unwrap(),
        commit: commit(),
        fingerprint: "f".into(),
        input_hash: "i".into(),
        publish: Vec::new(),
        config_hash: "c".into(),
        release: BTreeMap::new(),
        vouchers: if promoted { vec![voucher] } else { Vec::new() },
        only_jobs: target == "test",
        takeover: false,
    });
    run(ledger, format!("{target}-{number}-{attempt}"), attempt, work, outcome).await;
}

pub(crate) async fn merge(ledger: &Ledger, number: u32) {
    let target = TargetId::new("production").unwrap();
    let from: GitRef = "0000001000000000000000000000000000000001".parse().unwrap();
    let work = Work::Change(ChangeSpec {
        id: ChangeId::new("promote-api").unwrap(),
        kind: ChangeKind::Promotion,
        edits: vec![ConfigEdit::SetRef { target, from, to: commit() }],
        title: "Promote api to 5f8f0e1 in production".into(),
        description: String::new(),
        by: "towpath".into(),
        pull: None,
        replaces: Vec::new(),
        parts: Vec::new(),
        moved: Vec::new(),
    });
    run(ledger, format!("change-{number}"), 1, work, Outcome::Merged { commit: commit() }).await;
}

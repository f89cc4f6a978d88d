//! What the stories are told with.

use std::path::Path;

use tempfile::TempDir;
use towpath_domain::{BranchName, CommitId, Digest, FailureClass, ImageRef, RepoUrl, RunId, SourceName, Timestamp};
use towpath_engine::check::{CheckWork, Overrides};
use towpath_engine::{ChangeKind, ChangeSpec, CommitInfo, DeployWork, Event, Outcome, RunSpec, Work};
use towpath_ledger::Ledger;

/// A moment of the stories' own clock.
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

/// A state directory with a ledger in it.
pub(crate) async fn fresh() -> (TempDir, Ledger) {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).await.unwrap();
    (directory, ledger)
}

/// Runs a statement on the database behind the ledger's back.
pub(crate) async fn tamper(path: &Path, sql: &str) {
    use sqlx::ConnectOptions as _;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).foreign_keys(false);
    let mut db = options.connect().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut db).await.unwrap();
    sqlx::Connection::close(db).await.unwrap();
}

pub(crate) fn run_id(name: &str) -> RunId {
    RunId::new(name).unwrap()
}

pub(crate) fn commit(number: u32) -> CommitId {
    format!("{number:040x}").parse().unwrap()
}

pub(crate) fn build(name: &str, number: u32) -> RunSpec {
    RunSpec {
        id: run_id(name),
        attempt: 1,
        work: Work::Build { source: SourceName::new("api").unwrap(), commit: commit(number), build_hash: "b1".into() },
        why: "the head has no image".into(),
        after: None,
    }
}

pub(crate) fn deploy(name: &str, target: &str, number: u32) -> RunSpec {
    let work = DeployWork {
        target: towpath_domain::TargetId::new(target).unwrap(),
        commit: commit(number),
        fingerprint: format!("f{number}"),
        input_hash: "i1".into(),
        publish: vec![towpath_domain::Channel::new("stage-ok").unwrap()],
        config_hash: "c1".into(),
        release: Default::default(),
        vouchers: Vec::new(),
        only_jobs: false,
        takeover: false,
    };
    RunSpec { id: run_id(name), attempt: 1, work: Work::Deploy(work), why: "a new image is there".into(), after: None }
}

pub(crate) fn change(name: &str, id: &str) -> RunSpec {
    let spec = ChangeSpec {
        id: towpath_domain::ChangeId::new(id).unwrap(),
        kind: ChangeKind::Promotion,
        edits: Vec::new(),
        title: "Promote api".into(),
        description: String::new(),
        by: "towpath".into(),
        pull: None,
        replaces: Vec::new(),
        parts: Vec::new(),
        moved: Vec::new(),
    };
    RunSpec { id: run_id(name), attempt: 1, work: Work::Change(spec), why: "its channels vouch".into(), after: None }
}

/// A check of a pull request of `api`.
pub(crate) fn check(name: &str, pull: &str) -> RunSpec {
    let work = CheckWork {
        id: towpath_domain::CheckId::new(pull).unwrap(),
        source: SourceName::new("api").unwrap(),
        number: Some(1),
        head: commit(1),
        seen_at: at(0),
        from_fork: false,
        check_hash: "h1".into(),
        tests: Vec::new(),
        anew: false,
        urgent: false,
        overrides: Overrides::default(),
    };
    RunSpec { id: run_id(name), attempt: 1, work: Work::Check(Box::new(work)), why: "a push".into(), after: None }
}

pub(crate) fn queued(spec: RunSpec) -> Event {
    Event::RunQueued(spec)
}

pub(crate) fn started(run: &str) -> Event {
    Event::RunStarted { run: run_id(run) }
}

pub(crate) fn step_started(run: &str, step: &str) -> Event {
    Event::StepStarted { run: run_id(run), step: step.into() }
}

pub(crate) fn step_done(run: &str, step: &str) -> Event {
    Event::StepDone { run: run_id(run), step: step.into(), output: serde_json::json!({ "step": step }) }
}

pub(crate) fn finished(run: &str, outcome: Outcome) -> Event {
    Event::RunFinished { run: run_id(run), outcome }
}

pub(crate) fn built(number: u32) -> Outcome {
    let image = ImageRef::tagged("registry.example.com/api", &commit(number).short(7)).unwrap();
    Outcome::Built { image, digest: Digest::from_bytes([u8::try_from(number % 256).unwrap(); 32]) }
}

pub(crate) fn image(number: u32) -> ImageRef {
    ImageRef::tagged("registry.example.com/api", &number.to_string()).unwrap()
}

/// A look at an image that must be signed by two, and is by one.
pub(crate) fn image_looked(number: u32, there: bool) -> Event {
    let signed = [("r1".to_owned(), None), ("r2".to_owned(), Some("no signature by its key".to_owned()))];
    let (digest, error) = (there.then(|| Digest::from_bytes([3; 32])), (!there).then(|| "connection refused".to_owned()));
    Event::ImageLooked { image: image(number), digest, signed: signed.into_iter().filter(|_| there).collect(), error }
}

pub(crate) fn secret_seen(path: &str, version: &str) -> Event {
    Event::SecretSeen { path: path.into(), version: version.into() }
}

pub(crate) fn memory_raised(run: &str, bytes: u64) -> Event {
    let subject = towpath_engine::Subject::Target(towpath_domain::TargetId::new("stage").unwrap());
    Event::MemoryRaised { subject, bytes, run: run_id(run) }
}

pub(crate) fn acknowledged() -> Event {
    let subject = towpath_engine::Subject::Target(towpath_domain::TargetId::new("stage").unwrap());
    Event::Acknowledged { subject, by: "Ada".into(), why: "looking".into() }
}

pub(crate) fn deployed() -> Outcome {
    Outcome::Deployed { digests: Default::default() }
}

pub(crate) fn failed() -> Outcome {
    Outcome::Failed {
        class: FailureClass::Own,
        step: "compile".into(),
        message: "main.rs:3: expected `;`".into(),
        refused: false,
        blame: None,
    }
}

pub(crate) fn config_seen(number: u32) -> Event {
    Event::ConfigSeen { commit: commit(number), errors: 0 }
}

pub(crate) fn branch_seen(number: u32) -> Event {
    let commits = vec![CommitInfo { id: commit(number), subject: format!("Change {number}"), author: "Ada".into(), at: at(0) }];
    Event::BranchSeen { url: RepoUrl::new("https://git.example.com/api").unwrap(), branch: BranchName::new("main").unwrap(), commits }
}

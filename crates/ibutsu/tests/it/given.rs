//! What the stories begin with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tempfile::TempDir;
use towpath_domain::{RunId, Span, Timestamp};
use towpath_ibutsu::fake::{FakeIbutsu, PROJECT, TOKEN};
use towpath_ibutsu::{
    Clock, Ibutsu, IbutsuError, IbutsuErrorKind, IbutsuSettings, Journal, Limits, Metadata, Mode, Progress, Token, Upload, Uploaded,
};
use towpath_junit::{Limits as Reading, Report};

/// 2026-11-22T20:54:00Z.
pub(crate) const STARTED: Timestamp = Timestamp::from_millis(1_795_380_840_000);

pub(crate) fn read(xml: &str) -> Report {
    Report::parse(xml.as_bytes(), &Reading { output: 64 << 10, ..Reading::default() }).unwrap()
}

/// The names and reports of the corpus that reports are read with.
pub(crate) fn corpus() -> BTreeMap<String, Report> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../junit/tests/samples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| (file.file_name().unwrap().to_string_lossy().into_owned(), read(&std::fs::read_to_string(&file).unwrap()))).collect()
}

/// One test that passed, one that failed and one that was skipped.
pub(crate) fn three() -> Report {
    read(
        r#"<testsuite name="smoke">
             <testcase classname="shop" name="opens" time="0.5"/>
             <testcase classname="shop" name="sells" time="1.25"><failure type="E" message="no such button">at line 7</failure></testcase>
             <testcase classname="shop" name="later"><skipped message="not yet"/></testcase>
           </testsuite>"#,
    )
}

pub(crate) fn upload(run: &str, reports: Vec<(&str, Report)>) -> Upload {
    Upload {
        run: RunId::new(run).unwrap(),
        title: "smoke of web in stage".into(),
        source: "towpath".into(),
        component: Some("web".into()),
        env: Some("stage".into()),
        started: STARTED,
        duration: Span::from_secs(60),
        reports: reports.into_iter().map(|(name, report)| (name.to_owned(), report)).collect(),
        artifacts: vec![("wait.log".into(), b"the web is ready\n".to_vec())],
        metadata: Metadata { page: Some("https://towpath.example.com/runs/x".into()), ..Metadata::default() },
    }
}

/// A server, who tells it, and a clock that only the test moves.
pub(crate) struct World {
    pub(crate) server: FakeIbutsu,
    pub(crate) folder: TempDir,
    pub(crate) now: Arc<AtomicI64>,
}

impl World {
    pub(crate) async fn new() -> Self {
        towpath_testbed::init();
        let folder = tempfile::tempdir().unwrap();
        let world = Self { server: FakeIbutsu::start().await.unwrap(), folder, now: Arc::new(AtomicI64::new(STARTED.as_millis())) };
        world.token(TOKEN);
        world
    }

    /// Puts this token into its file.
    pub(crate) fn token(&self, token: &str) {
        std::fs::write(self.folder.path().join("token"), format!("{token}\n")).unwrap();
    }

    pub(crate) fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Arc::new(move || Timestamp::from_millis(now.load(Ordering::SeqCst)))
    }

    pub(crate) fn pass(&self, span: Span) {
        self.now.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn settings(&self, mode: Mode) -> IbutsuSettings {
        settings(&self.server.address(), self.folder.path().join("token"), mode)
    }

    pub(crate) fn ibutsu(&self, mode: Mode) -> Ibutsu {
        Ibutsu::new(self.settings(mode), self.clock()).unwrap()
    }

    /// The one run that is on the server.
    #[track_caller]
    pub(crate) fn run(&self) -> Value {
        let runs = self.server.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.into_iter().next().unwrap()
    }
}

/// Settings that wait for nobody longer than a test can.
pub(crate) fn settings(address: &str, token: PathBuf, mode: Mode) -> IbutsuSettings {
    let quick = Duration::from_millis(1);
    IbutsuSettings {
        address: address.parse().unwrap(),
        project: PROJECT.0.to_owned(),
        token: Token::File(token),
        mode,
        frontend: None,
        ca_file: None,
        limits: Limits { pause: quick, look: quick, settle: quick, silence: Duration::from_secs(2), tries: 3, ..Limits::default() },
    }
}

/// Remembers how far an upload is, and fails when it is told to.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) kept: Mutex<Vec<Progress>>,
    /// It dies right after so many notes: nothing is done after.
    pub(crate) dies_after: Option<usize>,
}

impl Journal for Notes {
    fn keep<'a>(&'a self, progress: &'a Progress) -> BoxFuture<'a, Result<(), IbutsuError>> {
        Box::pin(async move {
            let count = {
                let mut kept = self.kept.lock().unwrap();
                kept.push(progress.clone());
                kept.len()
            };
            if self.dies_after.is_some_and(|after| count >= after) {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }
}

/// One attempt at an upload that nothing was sent of.
pub(crate) async fn send(ibutsu: &Ibutsu, upload: &Upload) -> Result<Uploaded, IbutsuError> {
    ibutsu.send(upload, &mut Progress::default(), &Notes::default()).await
}

/// Why the upload is not told of.
pub(crate) async fn refused(ibutsu: &Ibutsu, upload: &Upload) -> (IbutsuErrorKind, String) {
    let error = send(ibutsu, upload).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(TOKEN), "{error}");
    (error.kind(), error.to_string())
}

/// How often each end is there, as the server has it.
pub(crate) fn ends(server: &FakeIbutsu, run: &str) -> BTreeMap<String, u64> {
    let mut ends = BTreeMap::new();
    for result in server.results(run) {
        *ends.entry(result["result"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    ends
}

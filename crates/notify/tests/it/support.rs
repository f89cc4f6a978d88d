//! What the stories are told with.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use towpath_domain::{CommitId, FailureClass, RunId, SourceName, Span, Timestamp};
use towpath_engine::{Event, Outcome, RunSpec, Work};
use towpath_ledger::Ledger;
use towpath_notify::{About, DeliveryError, Kind, Listener, Message, NoNames, Settings, Sink, run};

/// Longer than anything here takes; only to fail instead of hanging.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) async fn fresh() -> (TempDir, Ledger) {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).await.unwrap();
    (directory, ledger)
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

/// A build that fails: one event that people want to hear of, and one that they do not.
pub(crate) async fn fail_a_build(ledger: &Ledger, name: &str) {
    let id = RunId::new(name).unwrap();
    let commit: CommitId = "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap();
    let work = Work::Build { source: SourceName::new(name).unwrap(), commit, build_hash: "b".into() };
    let spec = RunSpec { id: id.clone(), attempt: 1, work, why: "no image".into(), after: None };
    let outcome = Outcome::Failed { class: FailureClass::Own, step: "compile".into(), message: "no".into(), refused: false, blame: None };
    ledger.append(None, "test", at(1), vec![Event::RunQueued(spec), Event::RunFinished { run: id, outcome }]).await.unwrap();
}

/// A message of few words.
pub(crate) fn plain(kind: Kind, title: &str, payload: serde_json::Value) -> Message {
    Message {
        key: "event-7".into(),
        kind,
        at: at(0),
        title: title.into(),
        body: "b".into(),
        last_lines: Vec::new(),
        links: Vec::new(),
        payload,
        about: About::default(),
        stage: None,
    }
}

/// Quick retries, and a clock that stands still.
pub(crate) fn settings(attempts: u32) -> Settings {
    let settings = Settings::new(Arc::new(NoNames), None, Arc::new(|| at(99)));
    Settings { attempts, first_wait: Span::from_millis(1), longest_wait: Span::from_millis(2), ..settings }
}

/// Notes what it is told; fails as it is told to, then always succeeds.
pub(crate) struct Notebook {
    name: &'static str,
    failures: Mutex<VecDeque<DeliveryError>>,
    titles: Mutex<Vec<String>>,
    told: Notify,
}

impl Notebook {
    pub(crate) fn new(name: &'static str, failures: impl IntoIterator<Item = DeliveryError>) -> Arc<Self> {
        let failures = Mutex::new(failures.into_iter().collect());
        Arc::new(Self { name, failures, titles: Mutex::default(), told: Notify::new() })
    }

    /// The names of the builds that it was told of, once there are so many.
    pub(crate) async fn after(&self, count: usize) -> Vec<String> {
        let enough = async {
            loop {
                let told = self.told.notified();
                let titles = self.titles.lock().unwrap().clone();
                if titles.len() >= count {
                    return titles;
                }
                told.await;
            }
        };
        tokio::time::timeout(DEADLINE, enough).await.unwrap()
    }
}

impl Sink for Notebook {
    fn name(&self) -> &str {
        self.name
    }

    fn deliver<'a>(&'a self, message: &'a Message) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>> {
        Box::pin(async move {
            if let Some(error) = self.failures.lock().unwrap().pop_front() {
                return Err(error);
            }
            self.titles.lock().unwrap().push(message.title.split(' ').nth(2).unwrap().to_owned());
            self.told.notify_waiters();
            Ok(())
        })
    }
}

/// The outbox worker under way.
pub(crate) struct Worker {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Worker {
    pub(crate) fn start(ledger: &Ledger, sinks: Vec<Arc<dyn Sink>>, attempts: u32) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { task: tokio::spawn(run(ledger.clone(), sinks.into_iter().map(Into::into).collect(), settings(attempts), stopped)), stop }
    }

    pub(crate) fn start_with(ledger: &Ledger, listeners: Vec<Listener>, settings: Settings) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { task: tokio::spawn(run(ledger.clone(), listeners, settings, stopped)), stop }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(true).unwrap();
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap();
    }
}

/// Waits until the sink has settled everything.
pub(crate) async fn settled(ledger: &Ledger, sink: &str) {
    let all = async {
        while ledger.sinks().await.unwrap().iter().find(|state| state.name == sink).is_none_or(|state| state.waiting > 0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, all).await.unwrap();
}

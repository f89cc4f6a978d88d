//! A stand-in for Ibutsu, for tests: a server on loopback that speaks the parts of its REST API that are used here, and behaves as a real one
//! was observed to, with what is odd about it: quirks and refusals included. What nobody observed is from its published source, and says so.
//!
//! It has no clock: an import goes on with each look at it, and what happens "five seconds later" happens when the test says so. JUnit files are
//! taken, and stay pending: nothing here sends one.

mod accounts;
mod artifacts;
mod form;
mod http;
mod importer;
mod lists;
mod runs;
mod state;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::state::{Importer, Mishap, Seen};
use self::state::{Planned, State};

/// The token of a member of the project.
pub const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZW1iZXIifQ.c3RhbmQtaW4";

/// The project's name, and its id.
pub const PROJECT: (&str, &str) = ("insights", "5faf8c4a-0000-4000-8000-000000000001");

/// A running stand-in; it ends when it is dropped.
pub struct FakeIbutsu {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    state: Mutex<State>,
    seen: watch::Sender<usize>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeIbutsu {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeIbutsu {
    /// Starts one on a free port of loopback, with [`PROJECT`], one member with [`TOKEN`], and nothing else.
    ///
    /// # Errors
    /// There is no port to listen at.
    pub async fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// The same at this address.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn start_at(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = Mutex::new(State::new(&format!("http://{address}")));
        let shared = Arc::new(Shared { state, seen: watch::Sender::new(0) });
        let service = http::service(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, service).await;
        });
        Ok(Self { address, shared, server })
    }

    /// What to configure as address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// The runs, in the order in which they came.
    #[must_use]
    pub fn runs(&self) -> Vec<Value> {
        self.state().runs.clone()
    }

    /// The results of a run, in the order in which they came.
    #[must_use]
    pub fn results(&self, run: &str) -> Vec<Value> {
        self.state().results.iter().filter(|result| result["run_id"] == run).cloned().collect()
    }

    /// The files of a run or a result, in the order in which they came.
    #[must_use]
    pub fn files(&self, owner: &str) -> Vec<(String, Vec<u8>)> {
        let state = self.state();
        let of = state.artifacts.iter().filter(|file| file.of.id() == owner);
        of.map(|file| (file.filename.clone(), file.content.clone())).collect()
    }

    /// The imports, in the order in which they came.
    #[must_use]
    pub fn imports(&self) -> Vec<Value> {
        self.state().imports.iter().map(|import| import.json()).collect()
    }

    /// Lets happen what happens five seconds after a run was made or updated: its summary is counted anew.
    pub fn five_seconds_later(&self) {
        self.state().recount();
    }

    /// Which importer it has from now on.
    pub fn importer(&self, importer: Importer) {
        self.state().importer = importer;
    }

    /// Whether its worker runs, without which imports stay pending.
    pub fn worker(&self, runs: bool) {
        self.state().worker = runs;
    }

    /// An import fails after it made so many results, or all that there are, as when its worker is killed; none lets it come to its end.
    pub fn fail_imports_after(&self, results: Option<usize>) {
        self.state().fail_imports_after = results;
    }

    /// The proxy before it takes no larger body, in bytes.
    pub fn largest_body(&self, bytes: Option<usize>) {
        self.state().largest_body = bytes;
    }

    /// Where it says that its pages are.
    pub fn frontend(&self, url: &str) {
        url.clone_into(&mut self.state().frontend);
    }

    /// The member is one who sees every project, and therefore must name one in lists.
    pub fn superadmin(&self) {
        self.state().superadmin = true;
    }

    /// The member's token has expired.
    pub fn expire_token(&self) {
        self.state().expired = true;
    }

    /// The member is none any more.
    pub fn leave_project(&self) {
        self.state().member = false;
    }

    /// This happens to the next `times` requests with this method whose path (without `/api`) begins so.
    pub fn plan(&self, method: &str, path: &str, times: usize, mishap: Mishap) {
        self.state().planned.push(Planned { method: method.to_owned(), path: path.to_owned(), times, mishap });
    }

    /// Every request until now, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// How many requests had a method and a path (without `/api`) that begin so.
    #[must_use]
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.state().seen.iter().filter(|seen| seen.method.starts_with(method) && seen.path.starts_with(path)).count()
    }

    /// Resolves once [`FakeIbutsu::count`] is at least `count`.
    pub async fn wait_for(&self, method: &str, path: &str, count: usize) {
        let mut changes = self.shared.seen.subscribe();
        while self.count(method, path) < count {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

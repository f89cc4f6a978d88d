//! Speaks to the running server.

mod error;
mod path;
mod remote;
mod transport;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use towpath_control::request::{
    AckRequest, CancelRequest, CheckRequest, ExtendRequest, FreeRequest, HoldRequest, PlanRequest, PromoteRequest, ReleaseRequest,
    ReserveRequest, RetryRequest, RollbackRequest, TryRequest,
};
use towpath_control::view::{
    Accepted, ExplainView, Finding, HistoryLine, NamespaceFilter, NamespaceView, PageView, PlanView, PoolView, PullDetail, PullFilter,
    PullView, ReservationView, RunDetail, RunView, StatusView,
};
#[cfg(test)]
use towpath_web::Endpoint;
use towpath_web::auth::{MadeToken, NewToken, TokenView};
use towpath_web::{HistoryFilter, LogPage, RunFilter};

pub use error::ClientError;

use crate::config::Config;
use crate::server_file::{self, ServerFile};
use path::Path;
use remote::Remote;
use transport::Here;

/// A running server.
#[derive(Debug, Clone)]
pub struct Client(Way);

/// How it is reached.
#[derive(Debug, Clone)]
enum Way {
    /// On this machine, found by the file that it left in the state directory.
    Here(Here),
    /// Where people reach it, with a token.
    There(Remote),
}

impl Client {
    /// The server of this installation.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] when none ever said where it listens.
    pub fn find(config: &Config) -> Result<Self, ClientError> {
        let file: PathBuf = config.state.join(server_file::NAME);
        match ServerFile::read(&config.state) {
            Ok(Some(server)) => Ok(Self(Way::Here(Here { endpoint: server.address, pid: Some(server.pid), key: server.key }))),
            Ok(None) => Err(ClientError::NotRunning { file }),
            Err(source) => Err(ClientError::ServerFile { file, source }),
        }
    }

    /// A server that people reach at `url`, asked with a token.
    ///
    /// # Errors
    /// When that is no address to send a token to.
    pub fn remote(url: &str, token: Option<SecretString>) -> Result<Self, ClientError> {
        Remote::new(url, token).map(|remote| Self(Way::There(remote)))
    }

    /// A server at a known address.
    #[cfg(test)]
    pub fn at(endpoint: Endpoint) -> Self {
        Self(Way::Here(Here { endpoint, pid: None, key: None }))
    }

    /// Where it is.
    pub fn place(&self) -> String {
        match &self.0 {
            Way::Here(here) => here.endpoint.to_string(),
            Way::There(there) => there.base().to_owned(),
        }
    }

    /// The tokens there are: the caller's own, and all of them for who administers the installation.
    pub async fn tokens(&self) -> Result<Vec<TokenView>, ClientError> {
        self.get(&Path::new("tokens")).await
    }

    /// Makes a token.
    pub async fn make_token(&self, request: &NewToken) -> Result<MadeToken, ClientError> {
        self.post("tokens", request).await
    }

    /// Takes a token back.
    pub async fn revoke_token(&self, id: &str) -> Result<TokenView, ClientError> {
        self.exchange("POST", &Path::new("tokens").segment(id).segment("revoke"), Vec::new()).await
    }

    /// What is where, moving and stuck.
    pub async fn status(&self) -> Result<StatusView, ClientError> {
        self.get(&Path::new("status")).await
    }

    /// What would happen.
    pub async fn plan(&self, request: &PlanRequest) -> Result<PlanView, ClientError> {
        self.get(&Path::new("plan").query("branch", request.branch.as_deref()).query("diff", request.diff.as_deref())).await
    }

    /// The story of something.
    pub async fn explain(&self, what: &str) -> Result<ExplainView, ClientError> {
        self.get(&Path::new("explain").query("what", Some(what))).await
    }

    /// A page of runs, newest first.
    pub async fn runs(&self, filter: &RunFilter) -> Result<PageView<RunView>, ClientError> {
        let path = Path::new("runs").query("subject", filter.subject.as_deref()).query("state", filter.state.as_deref());
        let path = path.query("cursor", filter.cursor.as_deref());
        self.get(&path.query("limit", Some(&filter.limit.to_string()))).await
    }

    /// One run with its steps.
    pub async fn run(&self, id: &str) -> Result<RunView, ClientError> {
        Ok(self.run_detail(id).await?.run)
    }

    /// One run with all that is known of it.
    pub async fn run_detail(&self, id: &str) -> Result<RunDetail, ClientError> {
        self.get(&Path::new("runs").segment(id)).await
    }

    /// A page of a run's logs; an empty one of a run that goes on takes up to `wait_ms` to come.
    pub async fn logs(&self, run: &str, from: u64, wait_ms: u64, search: Option<&str>) -> Result<LogPage, ClientError> {
        let path = Path::new("runs").segment(run).segment("logs").query("from", Some(&from.to_string()));
        self.get(&path.query("waitMs", Some(&wait_ms.to_string())).query("search", search)).await
    }

    /// A page of the ledger's events, newest first.
    pub async fn history(&self, filter: &HistoryFilter) -> Result<PageView<HistoryLine>, ClientError> {
        let ms = |at: towpath_domain::Timestamp| at.as_millis().to_string();
        let path = Path::new("history").query("about", filter.about.as_deref());
        let path = path.query("since", filter.since.map(ms).as_deref()).query("until", filter.until.map(ms).as_deref());
        let path = path.query("steps", filter.steps.then_some("true")).query("kind", filter.kind.as_deref());
        let path = path.query("cursor", filter.cursor.as_deref());
        self.get(&path.query("limit", Some(&filter.limit.to_string()))).await
    }

    /// Pools of ephemeral namespaces.
    pub async fn pools(&self) -> Result<Vec<PoolView>, ClientError> {
        self.get(&Path::new("pools")).await
    }

    /// Their namespaces.
    pub async fn namespaces(&self, filter: &NamespaceFilter) -> Result<Vec<NamespaceView>, ClientError> {
        let path = Path::new("namespaces").query("pool", filter.pool.as_deref()).query("requester", filter.requester.as_deref());
        let path = path.query("apps", filter.apps.then_some("true"));
        self.get(&path).await
    }

    /// Reservations that are not over.
    pub async fn reservations(&self) -> Result<Vec<ReservationView>, ClientError> {
        self.get(&Path::new("reservations")).await
    }

    /// One reservation, by its id or by the namespace it has.
    pub async fn reservation(&self, what: &str) -> Result<ReservationView, ClientError> {
        self.get(&Path::new("reservations").segment(what)).await
    }

    /// Reserves a namespace.
    pub async fn reserve(&self, request: &ReserveRequest) -> Result<Accepted, ClientError> {
        self.post("namespaces/reserve", request).await
    }

    /// Gives a lease another end.
    pub async fn extend_lease(&self, request: &ExtendRequest) -> Result<Accepted, ClientError> {
        self.post("namespaces/extend", request).await
    }

    /// Gives a namespace back.
    pub async fn give_back(&self, request: &FreeRequest) -> Result<Accepted, ClientError> {
        self.post("namespaces/release", request).await
    }

    /// Open pull requests of sources.
    pub async fn pulls(&self, filter: &PullFilter) -> Result<Vec<PullView>, ClientError> {
        let path = Path::new("checks").query("source", filter.source.as_deref()).query("standing", filter.standing.as_deref());
        self.get(&path).await
    }

    /// One open pull request.
    pub async fn pull(&self, id: &str) -> Result<PullDetail, ClientError> {
        self.get(&Path::new("checks").segment(id)).await
    }

    /// Has a pull request checked once more.
    pub async fn check_again(&self, request: &CheckRequest) -> Result<Accepted, ClientError> {
        self.post("checks/retest", request).await
    }

    /// Has the newest commit of a pull request not checked.
    pub async fn check_cancel(&self, request: &CheckRequest) -> Result<Accepted, ClientError> {
        self.post("checks/cancel", request).await
    }

    /// Says that a commit of a fork may be checked.
    pub async fn check_ok(&self, request: &CheckRequest) -> Result<Accepted, ClientError> {
        self.post("checks/ok-to-test", request).await
    }

    /// Does by hand what a pull request's check does.
    pub async fn try_it(&self, request: &TryRequest) -> Result<Accepted, ClientError> {
        self.post("try", request).await
    }

    /// What is well and what is not.
    pub async fn doctor(&self) -> Result<Vec<Finding>, ClientError> {
        self.get(&Path::new("doctor")).await
    }

    /// Tries again what failed.
    pub async fn retry(&self, request: &RetryRequest) -> Result<Accepted, ClientError> {
        self.post("retry", request).await
    }

    /// Says that a person sees to a failure.
    pub async fn ack(&self, request: &AckRequest) -> Result<Accepted, ClientError> {
        self.post("ack", request).await
    }

    /// Stops a run.
    pub async fn cancel(&self, request: &CancelRequest) -> Result<Accepted, ClientError> {
        self.post("cancel", request).await
    }

    /// Moves a subscriber.
    pub async fn promote(&self, request: &PromoteRequest) -> Result<Accepted, ClientError> {
        self.post("promote", request).await
    }

    /// Takes a target back.
    pub async fn rollback(&self, request: &RollbackRequest) -> Result<Accepted, ClientError> {
        self.post("rollback", request).await
    }

    /// Holds what is selected.
    pub async fn hold(&self, request: &HoldRequest) -> Result<Accepted, ClientError> {
        self.post("hold", request).await
    }

    /// Lifts a hold.
    pub async fn release(&self, request: &ReleaseRequest) -> Result<Accepted, ClientError> {
        self.post("release", request).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &Path) -> Result<T, ClientError> {
        self.exchange("GET", path, Vec::new()).await
    }

    async fn post<T: DeserializeOwned>(&self, name: &str, request: &impl Serialize) -> Result<T, ClientError> {
        let body = serde_json::to_vec(request).map_err(|error| ClientError::Unreadable { what: error.to_string() })?;
        self.exchange("POST", &Path::new(name), body).await
    }

    async fn exchange<T: DeserializeOwned>(&self, method: &str, path: &Path, body: Vec<u8>) -> Result<T, ClientError> {
        match &self.0 {
            Way::Here(here) => transport::exchange(here, method, path.as_str(), body).await,
            Way::There(there) => there.exchange(method, path.as_str(), body).await,
        }
    }
}

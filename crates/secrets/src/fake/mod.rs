//! A stand-in for Vault, for tests: a server on loopback that speaks the parts of Vault's HTTP API that are used here, with its
//! error shapes, leases, policies, and both versions of the KV engine. It never lets anything expire by the clock: tests say when.

mod http;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::state::Seen;
use self::state::{Engine, Failure, Role, State, Token};

/// A running stand-in; it ends when it is dropped.
pub struct FakeVault {
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

impl Drop for FakeVault {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeVault {
    /// Starts one on a free port of loopback, unsealed, with a KV engine of version 2 at `secret` and of version 1 at `kv`, the
    /// token `root` that may do everything, and nothing else.
    ///
    /// # Errors
    ///
    /// There is no port to listen at.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { state: Mutex::new(State::new()), seen: watch::Sender::new(0) });
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

    /// Mounts a KV engine of version 1 or 2; any other number mounts an engine that is no KV.
    pub fn mount(&self, path: &str, version: u64) {
        let engine = match version {
            1 => Engine::Kv1(BTreeMap::new()),
            2 => Engine::Kv2(BTreeMap::new()),
            _ => Engine::Other,
        };
        self.state().mounts.insert(path.to_owned(), engine);
    }

    /// Writes a secret, a JSON object; in an engine of version 2 as its next version, whose number is returned.
    pub fn put(&self, mount: &str, path: &str, fields: Value) -> u64 {
        self.state().put(mount, path, fields)
    }

    /// Deletes a version so that it can be brought back.
    pub fn delete_version(&self, mount: &str, path: &str, version: u64) {
        self.state().change_version(mount, path, version, |version| version.deleted = true);
    }

    /// Destroys a version's value.
    pub fn destroy_version(&self, mount: &str, path: &str, version: u64) {
        self.state().change_version(mount, path, version, |version| version.destroyed = true);
    }

    /// Removes a secret with all its versions.
    pub fn remove(&self, mount: &str, path: &str) {
        self.state().remove(mount, path);
    }

    /// Makes or replaces a policy that allows reading: API paths such as `secret/data/app/db`, or with a `*` at the end all that
    /// begin so.
    pub fn policy(&self, name: &str, readable: &[&str]) {
        let readable = readable.iter().map(|path| (*path).to_owned()).collect();
        self.state().policies.insert(name.to_owned(), readable);
    }

    /// Makes a token with policies; `ttl` in seconds, 0 for one that never ends.
    pub fn token(&self, token: &str, policies: &[&str], ttl: u64, renewable: bool) {
        self.state().tokens.insert(token.to_owned(), Token::new(policies, ttl, renewable, "token"));
    }

    /// Makes an AppRole at a mount of the method; its tokens have these policies and `ttl` seconds.
    pub fn app_role(&self, mount: &str, role_id: &str, secret_id: &str, policies: &[&str], ttl: u64) {
        self.role(mount, role_id, "approle", secret_id, policies, ttl);
    }

    /// Makes a role of the Kubernetes method that takes this service account token.
    pub fn kubernetes_role(&self, mount: &str, role: &str, jwt: &str, policies: &[&str], ttl: u64) {
        self.role(mount, role, "kubernetes", jwt, policies, ttl);
    }

    fn role(&self, mount: &str, name: &str, method: &'static str, secret: &str, policies: &[&str], ttl: u64) {
        let policies = policies.iter().map(|policy| (*policy).to_owned()).collect();
        let role = Role { method, secret: secret.to_owned(), policies, ttl };
        self.state().roles.insert((mount.to_owned(), name.to_owned()), role);
    }

    /// Ends every token but `root`, as if their leases were over.
    pub fn expire_tokens(&self) {
        self.state().tokens.retain(|name, _| name == "root");
    }

    /// What a renewal grants from now on, in seconds; `None` is what the token had at first.
    pub fn renew_for(&self, seconds: Option<u64>) {
        self.state().renew_for = seconds;
    }

    /// Seals or unseals it.
    pub fn seal(&self, sealed: bool) {
        self.state().sealed = sealed;
    }

    /// Answers every request with this status and these errors until told otherwise (`None`).
    pub fn fail_with(&self, failure: Option<(u16, &str)>) {
        self.state().failure = failure.map(|(status, error)| Failure { status, error: error.to_owned(), location: None });
    }

    /// Points every request to another address, as a standby does.
    pub fn redirect_to(&self, address: &str) {
        self.state().failure = Some(Failure { status: 307, error: String::new(), location: Some(address.to_owned()) });
    }

    /// Takes requests from now on and never answers them, until told otherwise.
    pub fn hang(&self, hang: bool) {
        self.state().hang = hang;
    }

    /// Demands this namespace with every request.
    pub fn demand_namespace(&self, namespace: &str) {
        self.state().namespace = Some(namespace.to_owned());
    }

    /// Every request until now, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// How many requests had this method and a path (without `/v1/`) that begins so.
    #[must_use]
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.state().seen.iter().filter(|seen| seen.method == method && seen.path.starts_with(path)).count()
    }

    /// Resolves once [`FakeVault::count`] is at least `count`.
    pub async fn wait_for(&self, method: &str, path: &str, count: usize) {
        let mut changes = self.shared.seen.subscribe();
        while self.count(method, path) < count {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

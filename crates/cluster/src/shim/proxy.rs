//! A service's address: a stable port of this machine that leads to whichever pods are ready.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::supervisor::wake;
use crate::files::{self, Durability, FileIdentity};
use crate::pod::Process;

/// How often the plan is looked at, and a port that was taken is tried again.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a connection waits for a pod that is ready: as long as a client waits for a slow network.
const NO_ENDPOINT_MAX: Duration = Duration::from_secs(3);
const CONNECT_MAX: Duration = Duration::from_secs(1);
const RETRY_EVERY: Duration = Duration::from_millis(20);
/// How long open connections may go on when the service is deleted.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// The folder of one service's proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxyDir(PathBuf);

impl ProxyDir {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
    pub(crate) fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }
    pub(crate) fn endpoints(&self) -> PathBuf {
        self.0.join("endpoints.json")
    }
    pub(crate) fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }
    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }
    pub(crate) fn stop(&self) -> PathBuf {
        self.0.join("stop")
    }
}

/// Which ports of this machine lead to which ports of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProxyPlan {
    /// By the service's port, the port of this machine.
    pub(crate) listen: BTreeMap<u16, u16>,
    pub(crate) wake: PathBuf,
}

/// By the service's port, the ports of this machine on which ready pods listen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    pub(crate) ports: BTreeMap<u16, Vec<u16>>,
}

/// What a proxy tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProxyStatus {
    pub(crate) shim: Option<Process>,
    /// The service's ports that are listened on.
    pub(crate) listening: Vec<u16>,
    /// Why others are not.
    pub(crate) problems: Vec<String>,
}

/// Serves the service in `dir` until it is deleted.
pub(super) fn run(dir: &ProxyDir) -> Result<(), String> {
    super::detach();
    let Some(_lock) = files::try_lock(&dir.lock()).map_err(|e| format!("the service's lock cannot be taken: {e}"))? else {
        return Ok(());
    };
    super::runtime()?.block_on(serve(dir))
}

struct Shared {
    path: PathBuf,
    cached: Mutex<(Option<FileIdentity>, Arc<Endpoints>)>,
    next: AtomicUsize,
    open: AtomicU64,
}

/// Counts an open connection for as long as it lives.
struct OpenConnection(Arc<Shared>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(dir: &ProxyDir) -> Result<(), String> {
    let mut terminated = signal(SignalKind::terminate()).map_err(|e| format!("signals cannot be received: {e}"))?;
    let shared = Arc::new(Shared { path: dir.endpoints(), cached: Mutex::default(), next: AtomicUsize::new(0), open: AtomicU64::new(0) });
    let mut listeners: BTreeMap<(u16, u16), JoinHandle<()>> = BTreeMap::new();
    let mut told = ProxyStatus::default();
    // A folder that somebody deleted is a service that nobody wants.
    while !dir.stop().exists() && dir.plan().exists() {
        if let Ok(Some(plan)) = files::read_json::<ProxyPlan>(&dir.plan()) {
            let problems = listen(&plan, &mut listeners, &shared).await;
            let listening = listeners.keys().map(|(port, _)| *port).collect();
            let status = ProxyStatus { shim: Process::find(std::process::id()), listening, problems };
            if status != told && files::write_json(&dir.status(), &status, Durability::Process).is_ok() {
                wake(&plan.wake);
                told = status;
            }
        }
        tokio::select! {
            _ = terminated.recv() => break,
            () = sleep(LOOK_EVERY) => {}
        }
    }
    for listener in listeners.values() {
        listener.abort();
    }
    let end = Instant::now() + DRAIN_MAX;
    while shared.open.load(Ordering::Relaxed) > 0 && Instant::now() < end {
        sleep(RETRY_EVERY).await;
    }
    Ok(())
}

/// Makes the listeners those of the plan, and says which could not be made.
async fn listen(plan: &ProxyPlan, listeners: &mut BTreeMap<(u16, u16), JoinHandle<()>>, shared: &Arc<Shared>) -> Vec<String> {
    listeners.retain(|(port, host_port), listener| {
        let wanted = plan.listen.get(port) == Some(host_port);
        if !wanted {
            listener.abort();
        }
        wanted
    });
    let mut problems = Vec::new();
    for (port, host_port) in &plan.listen {
        if listeners.contains_key(&(*port, *host_port)) {
            continue;
        }
        match TcpListener::bind((Ipv4Addr::LOCALHOST, *host_port)).await {
            Ok(listener) => {
                listeners.insert((*port, *host_port), tokio::spawn(accept(listener, *port, shared.clone())));
            }
            Err(e) => problems.push(format!("port {port} should be reachable on port {host_port} of this machine: {e}; end what holds it")),
        }
    }
    problems
}

async fn accept(listener: TcpListener, port: u16, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                shared.open.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(carry(client, port, OpenConnection(shared.clone())));
            }
            // Out of file handles: those in use are given back in time.
            Err(_) => sleep(RETRY_EVERY).await,
        }
    }
}

/// Carries one connection to a pod and back, to its end.
async fn carry(mut client: TcpStream, port: u16, connection: OpenConnection) {
    let end = Instant::now() + NO_ENDPOINT_MAX;
    let mut pod = loop {
        if let Some(pod) = connection.0.connect(port).await {
            break pod;
        }
        if Instant::now() >= end {
            return;
        }
        sleep(RETRY_EVERY).await;
    };
    let _ = client.set_nodelay(true);
    let _ = pod.set_nodelay(true);
    // Whichever side breaks off, the other learns it by the closed connection.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut pod).await;
}

impl Shared {
    /// A connection to the next pod in turn that takes one.
    async fn connect(&self, port: u16) -> Option<TcpStream> {
        let endpoints = self.endpoints();
        let pods = endpoints.ports.get(&port).filter(|pods| !pods.is_empty())?;
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for at in 0..pods.len() {
            let pod = *pods.get((first.wrapping_add(at)) % pods.len())?;
            if let Ok(Ok(stream)) = timeout(CONNECT_MAX, TcpStream::connect((Ipv4Addr::LOCALHOST, pod))).await {
                return Some(stream);
            }
        }
        None
    }

    /// The endpoints of this moment: a rename makes them another file.
    fn endpoints(&self) -> Arc<Endpoints> {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = FileIdentity::of(&self.path);
        if identity != cached.0
            && let Ok(read) = files::read_json::<Endpoints>(&self.path)
        {
            *cached = (identity, Arc::new(read.unwrap_or_default()));
        }
        cached.1.clone()
    }
}

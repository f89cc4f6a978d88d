//! Listening, serving and stopping.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::serve::{Listener as Accept, ListenerExt};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};

use crate::auth::{Auth, Other};
use crate::brain::Brain;
use crate::endpoint::Endpoint;
use crate::files::open_files;
use crate::hooks::{HookSettings, Hooks};
use crate::stalled::Stalled;
use crate::{api, limits};

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process does.
    #[error("another process listens on {endpoint}: stop it, or set another address under [server] in towpath.toml")]
    InUse {
        /// Where.
        endpoint: Endpoint,
    },
    /// The socket's path is there, and is no socket.
    #[error("{path} is in the way and is not a socket: move it, or set another address under [server] in towpath.toml", path = path.display())]
    InTheWay {
        /// The path.
        path: PathBuf,
    },
    /// Others could connect, and nobody would have to say who they are.
    #[error(
        "{endpoint} can be reached from other machines, and nobody has to sign in: listen on 127.0.0.1, [::1] or a Unix socket, or set up sign-in under [auth] in towpath.toml"
    )]
    Open {
        /// Where.
        endpoint: Endpoint,
    },
    /// The system refused.
    #[error("cannot listen on {endpoint}; check the address under [server] in towpath.toml")]
    Io {
        /// Where.
        endpoint: Endpoint,
        /// Why.
        source: io::Error,
    },
}

/// A bound address. On a Unix socket only the socket's owner can connect.
#[derive(Debug)]
pub struct Listener {
    bound: Bound,
    endpoint: Endpoint,
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens at `endpoint`, which must be this machine's own. A socket file that a killed server left is replaced.
    ///
    /// # Errors
    /// [`ListenError`] when others could connect, somebody else listens there, or the system refuses.
    pub async fn bind(endpoint: &Endpoint) -> Result<Self, ListenError> {
        if !endpoint.is_local() {
            return Err(ListenError::Open { endpoint: endpoint.clone() });
        }
        Self::bind_to_all(endpoint).await
    }

    /// As [`Self::bind`], also where others can connect: for a server that asks everybody who they are.
    ///
    /// # Errors
    /// [`ListenError`] when somebody else listens there, or the system refuses.
    pub async fn bind_to_all(endpoint: &Endpoint) -> Result<Self, ListenError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { endpoint: endpoint.clone() },
            _ => ListenError::Io { endpoint: endpoint.clone(), source },
        };
        match endpoint {
            Endpoint::Tcp(address) => {
                let listener = TcpListener::bind(address).await.map_err(failed)?;
                let endpoint = Endpoint::Tcp(listener.local_addr().map_err(failed)?);
                Ok(Self { bound: Bound::Tcp(listener), endpoint })
            }
            Endpoint::Unix(path) => {
                if let Ok(there) = path.symlink_metadata() {
                    if !std::os::unix::fs::FileTypeExt::is_socket(&there.file_type()) {
                        return Err(ListenError::InTheWay { path: path.clone() });
                    }
                    if StdUnixStream::connect(path).is_ok() {
                        return Err(ListenError::InUse { endpoint: endpoint.clone() });
                    }
                }
                let listener = bind_private(path).and_then(UnixListener::from_std).map_err(failed)?;
                Ok(Self { bound: Bound::Unix(listener), endpoint: endpoint.clone() })
            }
        }
    }

    /// The address, with the port that the system chose.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// Binds a socket that nobody else can connect to at any instant: it is made in a folder of its own that only its owner may
/// enter, closed to others, and then moved to its path, over whatever a killed server left there.
fn bind_private(path: &Path) -> io::Result<StdUnixListener> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the socket's path names no file"))?;
    // The system takes short paths only, for listening and connecting alike: 107 bytes on Linux.
    std::os::unix::net::SocketAddr::from_pathname(path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = parent.join(format!(".{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let inner = folder.join("s");
    let bound = StdUnixListener::bind(&inner).and_then(|listener| {
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        std::fs::rename(&inner, parent.join(name))?;
        Ok(listener)
    });
    std::fs::remove_dir_all(&folder)?;
    bound
}

/// How requests are taken.
#[derive(Debug, Default)]
pub struct Settings {
    /// How webhooks are received.
    pub hooks: HookSettings,
    /// Who may what; without it, whoever can connect is the single user of this machine.
    pub auth: Option<Arc<Auth>>,
}

/// Serves the API over `brain` until `shutdown` turns true (or its sender is gone). Then nobody new is let in, waiting requests
/// are answered with what there is, and open ones get [`limits::DRAIN_TIMEOUT`] to end.
///
/// Without sign-in it serves nothing where others could connect.
pub async fn serve(listener: Listener, brain: Arc<dyn Brain>, settings: Settings, shutdown: watch::Receiver<bool>) {
    let Settings { hooks, auth } = settings;
    if auth.is_none() && !listener.endpoint.is_local() {
        tracing::error!(address = %listener.endpoint, "nothing is served: others could connect, and nobody would have to sign in");
        return;
    }
    let files = open_files(limits::FILES_WANTED);
    if files < limits::FILES_WANTED {
        let wanted = limits::FILES_WANTED;
        tracing::warn!(
            "this process may open {files} files, and needs {wanted} when all connections are taken: raise the limit (LimitNOFILE of systemd)"
        );
    }
    let router = api::router(brain, Hooks::new(hooks), auth, shutdown.clone());
    match listener.bound {
        Bound::Tcp(listener) => {
            // Answers are small, and must not wait for more to send.
            let listener = listener.tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            });
            accept(router, shutdown, listener).await;
        }
        Bound::Unix(listener) => accept(router, shutdown, listener).await,
    }
    if let Endpoint::Unix(path) = &listener.endpoint {
        let _ = std::fs::remove_file(path);
    }
}

async fn accept(router: Router, mut shutdown: watch::Receiver<bool>, mut listener: impl Accept<Addr: Other>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits::HEAD_TIMEOUT);
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let draining = GracefulShutdown::new();
    loop {
        let next = async { (Arc::clone(&places).acquire_owned().await, listener.accept().await) };
        let (place, (stream, other)) = tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => break,
            next = next => next,
        };
        let (service, peer) = (TowerToHyperService::new(router.clone()), other.peer());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            service.call(request)
        });
        let connection = draining.watch(http.serve_connection(TokioIo::new(Stalled::new(stream, limits::STALLED_MAX)), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    // A connection that came in the last instant is refused by the closed address, not left hanging.
    drop(listener);
    if tokio::time::timeout(limits::DRAIN_TIMEOUT, draining.shutdown()).await.is_err() {
        tracing::warn!("requests were cut off: they did not end within {} s", limits::DRAIN_TIMEOUT.as_secs());
    }
}

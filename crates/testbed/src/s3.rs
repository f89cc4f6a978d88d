//! An S3-compatible server over a folder, which checks signatures.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A server on loopback. Buckets are folders of [`S3::folder`], and objects files in them. It is gone when this is dropped.
pub struct S3 {
    /// Its address.
    pub endpoint: String,
    /// The access key that it knows.
    pub access_key: &'static str,
    /// Its secret.
    pub secret_key: &'static str,
    folder: TempDir,
    _stop: oneshot::Sender<()>,
}

impl S3 {
    /// Starts a server.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> S3 {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (access_key, secret_key) = ("towpath-reads", "correct-horse-battery-staple");
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).expect("a folder can be served"));
        service.set_auth(SimpleAuth::from_single(access_key, secret_key));
        let listener = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        listener.set_nonblocking(true).expect("the port can be used");
        let endpoint = format!("http://{}", listener.local_addr().expect("the port is known"));
        let (stop, stopped) = oneshot::channel();
        let service = service.build();
        std::thread::spawn(move || serve(listener, service, stopped));
        S3 { endpoint, access_key, secret_key, folder, _stop: stop }
    }

    /// Where buckets are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts an object into a bucket, which is made when it is not there. Answers with its file.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn put(&self, bucket: &str, key: &str, content: &[u8]) -> PathBuf {
        let file = self.folder.path().join(bucket).join(key);
        std::fs::create_dir_all(file.parent().expect("a bucket")).expect("folders can be made");
        std::fs::write(&file, content).expect("files can be written");
        file
    }
}

/// Serves until nobody holds the other end of `stopped` any more.
fn serve(listener: std::net::TcpListener, service: S3Service, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener).expect("the port can be used");
        let accepting = async {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(
                    async move { Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await.is_ok() },
                );
            }
        };
        tokio::select! {
            () = accepting => {}
            _ = stopped => {}
        }
    });
}

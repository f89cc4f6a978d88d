//! Repositories that pods can reach.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Kube, NODE_ADDRESS};

/// `git daemon` over the repositories of a folder; it ends with the test.
pub struct GitServer {
    /// Such as `git://10.244.0.1:40123`; a repository's path below the folder comes after it.
    pub url: String,
    process: Child,
}

impl GitServer {
    /// Serves what is below `folder` to the pods of a node.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(kube: &Kube, folder: &Path) -> Self {
        kube.bridge();
        Self::at(NODE_ADDRESS, folder)
    }

    /// Serves what is below `folder` at an address of this machine.
    ///
    /// # Panics
    /// When it does not start.
    pub fn at(address: &str, folder: &Path) -> Self {
        let port = TcpListener::bind((address, 0)).expect("this machine has the address").local_addr().expect("it has an address").port();
        let programs = Command::new("git").arg("--exec-path").output().expect("git can be started").stdout;
        let daemon = Path::new(String::from_utf8_lossy(&programs).trim()).join("git-daemon");
        // It ends with this thread, however that ends. `git daemon` would start it as a child of its own, which outlives it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(daemon).args(["--export-all", "--reuseaddr"]);
        command.args([format!("--listen={address}"), format!("--port={port}"), format!("--base-path={}", folder.display())]);
        // Whose the folder is says nothing here: tests may run as root in folders of others.
        command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "safe.directory").env("GIT_CONFIG_VALUE_0", "*");
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("git can be started");
        let server = Self { url: format!("git://{address}:{port}"), process };
        let begun = Instant::now();
        while std::net::TcpStream::connect((address, port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "git daemon does not answer");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

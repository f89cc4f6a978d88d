//! The API in plain HTTP.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::Kube;

/// Ends with its standard input, and so with this process.
const SCRIPT: &str = "\"$@\" & read -r end; kill $!";

/// `kubectl proxy`: whoever speaks to it speaks as the administrator. It ends when this is dropped, or with the process.
pub struct Proxy {
    /// Where it listens, such as `127.0.0.1:41234`.
    pub address: String,
    process: Child,
    alive: Option<ChildStdin>,
}

impl Kube {
    /// Starts a proxy of this cluster's API.
    ///
    /// # Panics
    /// When it does not start.
    pub fn proxy(&self) -> Proxy {
        let kubectl = self.command();
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh"]).arg(kubectl.get_program()).args(kubectl.get_args()).args(["proxy", "--port=0"]);
        for (name, value) in kubectl.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let mut process = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh can be started");
        let alive = process.stdin.take();
        let mut said = String::new();
        let out = process.stdout.take().expect("it has a standard output");
        BufReader::new(out).read_line(&mut said).expect("kubectl proxy says where it listens");
        let address = said.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        assert!(address.contains(':'), "kubectl proxy said {said:?}");
        Proxy { address, process, alive }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.alive.take());
        let _ended = self.process.wait();
    }
}

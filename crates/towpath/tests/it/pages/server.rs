//! A server to look at, for tests and load benches, which ends with the test process, however that ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use towpath_testbed::Keeper;
use towpath_testbed::generated::{Generated, Shape};

/// Longer than anything takes: only a hang comes to this.
const PATIENCE: Duration = Duration::from_secs(120);

/// Serves `$1` until whoever asked is gone, and takes everything down. Services outlive their server by design.
const SCRIPT: &str = "\"$2\" serve --color never --config \"$1/towpath.toml\" >\"$1/server.log\" 2>&1 & server=$!
read -r end; kill -9 $server 2>/dev/null; wait; \"$2\" stop-services --config \"$1/towpath.toml\" >/dev/null 2>&1; rm -rf \"$1\"";

/// The same for a server that was started before, whose process is `$3`.
const LEFT: &str = "read -r end; kill -9 $(cat \"$1/pid\") 2>/dev/null; while kill -0 $(cat \"$1/pid\") 2>/dev/null; do sleep 0.02; done
\"$2\" stop-services --config \"$1/towpath.toml\" >/dev/null 2>&1; rm -rf \"$1\"";

/// A server with something to see.
pub struct Server {
    pub folder: PathBuf,
    /// What all of its addresses begin with.
    pub base: String,
    _keeper: Keeper,
}

impl Server {
    /// The demo, played to its end and left running.
    pub fn with_the_demo() -> Self {
        let folder = tempfile::Builder::new().prefix("towpath-pages-").tempdir().unwrap().keep();
        let mut demo = towpath(&folder);
        demo.args(["demo", "--keep", "--output", "json", "--dir"]).arg(folder.join("demo"));
        let output = demo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let folder = folder.join("demo");
        fs::write(folder.join("story.json"), &output.stdout).unwrap();
        let published = published(&folder).unwrap();
        fs::write(folder.join("pid"), published["pid"].to_string()).unwrap();
        let binary = Path::new(env!("CARGO_BIN_EXE_towpath"));
        let keeper = Keeper::start(LEFT, &[&folder, binary], Path::new("/dev/null"), None);
        Self { base: base(&published), folder, _keeper: keeper }
    }

    /// A server on a copy of a generated installation.
    pub fn with(shape: Shape) -> (Self, Generated) {
        let folder = tempfile::Builder::new().prefix("towpath-pages-").tempdir().unwrap().keep();
        let made = Generated::copied(shape, &folder);
        let binary = Path::new(env!("CARGO_BIN_EXE_towpath"));
        let script = made.environment().iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect::<String>() + SCRIPT;
        let keeper = Keeper::start(&script, &[&made.folder, binary], Path::new("/dev/null"), None);
        let begun = Instant::now();
        let published = loop {
            // It listens before it has read everything.
            let is_ready = |published: &Value| get(&base(published), "/api/v1/status").1.contains("\"targets\":[{");
            match published(&made.folder).filter(is_ready) {
                Some(published) => break published,
                None => assert!(begun.elapsed() < PATIENCE, "{}", fs::read_to_string(made.folder.join("server.log")).unwrap_or_default()),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        (Self { base: base(&published), folder: made.folder.clone(), _keeper: keeper }, made)
    }

    /// Its process; the bench looks at its memory.
    #[allow(dead_code, reason = "the tests do not ask")]
    pub fn pid(&self) -> u32 {
        published(&self.folder).unwrap()["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap()
    }

    /// What the API answers.
    #[track_caller]
    pub fn api(&self, path: &str) -> Value {
        let (status, body) = get(&self.base, path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// Runs git in a clone of the demo's.
    pub fn git(&self, clone: &str, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=Cleo", "-c", "user.email=cleo@example.com", "-c", "commit.gpgSign=false"]).args(arguments);
        let output = git.current_dir(self.folder.join(clone)).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Changes a file of the demo's service, commits and pushes; the commit.
    pub fn push(&self, file: &str, text: &str, subject: &str) -> String {
        fs::write(self.folder.join("web").join(file), text).unwrap();
        self.git("web", &["commit", "--quiet", "--all", "--message", subject]);
        self.git("web", &["push", "--quiet", "origin", "main"]);
        self.git("web", &["rev-parse", "HEAD"])
    }

    /// Waits until the API says something.
    #[track_caller]
    pub fn until<T>(&self, what: &str, path: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let answer = self.api(path);
            match wanted(&answer) {
                Some(found) => return found,
                None => assert!(begun.elapsed() < PATIENCE, "never came: {what}\n{answer:#}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn towpath(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_towpath"));
    command.env_clear().env("HOME", folder).env("PATH", std::env::var("PATH").unwrap()).current_dir(folder);
    command
}

fn published(folder: &Path) -> Option<Value> {
    serde_json::from_str(&fs::read_to_string(folder.join(".towpath/server.json")).ok()?).ok()
}

fn base(published: &Value) -> String {
    format!("http://{}", published["address"].as_str().unwrap())
}

/// A request as the simplest client makes it: status and body. 0 where nobody answers.
pub fn get(base: &str, path: &str) -> (u16, String) {
    let host = base.trim_start_matches("http://");
    let Ok(mut stream) = TcpStream::connect(host) else { return (0, String::new()) };
    let asked = write!(stream, "GET {path} HTTP/1.0\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let mut answer = BufReader::new(stream);
    let mut head = String::new();
    while asked.is_ok() && answer.read_line(&mut head).unwrap_or(0) > 2 {}
    let mut body = String::new();
    let _read = answer.read_to_string(&mut body);
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), body)
}

/// How many bytes an answer takes on the way, compressed.
pub fn weight(base: &str, path: &str) -> usize {
    let host = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    let accept = "accept: text/html\r\naccept-encoding: gzip\r\n";
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {host}\r\n{accept}connection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("{path} has no head"));
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    assert!(head.contains("content-encoding: gzip"), "{path}: {head}");
    answer.len() - end - 4
}

//! Debian's `docker-registry` on loopback: a real registry, with each way of signing in.

mod certificates;
mod put;
mod token;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::keeper::Keeper;
use crate::missing::{missing_program, skipped};
use token::TokenService;

/// Who may sign in where somebody has to.
pub const REGISTRY_USER: &str = "robot";
/// That user's password.
pub const REGISTRY_PASSWORD: &str = "correct horse";

/// The password as `htpasswd -B` keeps it.
const HTPASSWD: &str = "robot:$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n";

/// Runs the registry until the test process ends.
const KEEP: &str = r#"docker-registry serve "$1" </dev/null >"$2" 2>&1 & read -r _; kill -9 $! 2>/dev/null; wait"#;

/// A running registry; gone when dropped, or when the test process ends.
pub struct Registry {
    /// What images' names begin with: `localhost:PORT`.
    pub host: String,
    /// The certificate that the server's goes back to, where it speaks TLS.
    pub ca: Option<PathBuf>,
    signs_in: bool,
    token: Option<TokenService>,
    _keeper: Keeper,
    dir: TempDir,
}

impl Registry {
    /// Anybody may do anything.
    ///
    /// # Panics
    /// When it does not start, or in CI when it is missing.
    pub fn plain() -> Option<Registry> {
        Self::start(&Kind::default())
    }

    /// With user and password, sent with each request.
    ///
    /// # Panics
    /// As [`Registry::plain`].
    pub fn basic() -> Option<Registry> {
        Self::start(&Kind { basic: true, ..Kind::default() })
    }

    /// With a token service: who signs in may do anything, and anybody may read. Tokens last `seconds`.
    ///
    /// # Panics
    /// As [`Registry::plain`].
    pub fn token(seconds: u64) -> Option<Registry> {
        Self::start(&Kind { token: Some(seconds), ..Kind::default() })
    }

    /// With user and password, over TLS with a certificate authority of its own.
    ///
    /// # Panics
    /// As [`Registry::plain`].
    pub fn tls() -> Option<Registry> {
        Self::start(&Kind { basic: true, tls: true, ..Kind::default() })
    }

    /// How many tokens its token service has given.
    #[must_use]
    pub fn tokens_given(&self) -> usize {
        self.token.as_ref().map_or(0, TokenService::given)
    }

    fn start(kind: &Kind) -> Option<Registry> {
        if let Some(program) = missing_program(&["docker-registry", "openssl", "curl", "setsid"]) {
            return skipped(&format!("{program} is not installed, which a registry for tests needs"));
        }
        // Another process may take the port that was found free.
        for _ in 0..5 {
            if let Some(registry) = Self::try_start(kind) {
                return Some(registry);
            }
        }
        panic!("docker-registry finds no free port");
    }

    fn try_start(kind: &Kind) -> Option<Registry> {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let at = |name: &str| dir.path().join(name);
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("loopback has free ports").port();
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n",
            at("data").display()
        );
        config.push_str(&format!("http:\n  addr: 127.0.0.1:{port}\n"));
        let mut ca = None;
        if kind.tls {
            let pair = certificates::server(dir.path());
            config.push_str(&format!("  tls: {{certificate: {}, key: {}}}\n", pair.certificate.display(), pair.key.display()));
            ca = Some(pair.ca);
        }
        if kind.basic {
            fs::write(at("htpasswd"), HTPASSWD).expect("a file can be written");
            config.push_str(&format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", at("htpasswd").display()));
        }
        let token = kind.token.map(|seconds| {
            let pair = certificates::own(dir.path(), "token");
            let service = TokenService::start(&pair, seconds);
            config.push_str(&format!(
                "auth: {{token: {{realm: '{}', service: test, issuer: towpath-tests, rootcertbundle: {}}}}}\n",
                service.realm(),
                pair.certificate.display()
            ));
            service
        });
        fs::write(at("config.yml"), config).expect("a file can be written");
        let log = at("registry.log");
        let keeper = Keeper::start(KEEP, &[&at("config.yml"), &log], &at("keeper.log"), None);
        listens(port, &log).then(|| Registry {
            host: format!("localhost:{port}"),
            ca,
            signs_in: kind.basic || kind.token.is_some(),
            token,
            _keeper: keeper,
            dir,
        })
    }
}

#[derive(Default)]
struct Kind {
    basic: bool,
    token: Option<u64>,
    tls: bool,
}

/// Waits until the registry listens. `false` when the port is taken.
fn listens(port: u16, log: &Path) -> bool {
    let begun = Instant::now();
    loop {
        let told = fs::read_to_string(log).unwrap_or_default();
        if told.contains("address already in use") {
            return false;
        }
        assert!(!told.contains("level=fatal") && !told.contains("configuration error"), "docker-registry does not start:\n{told}");
        if told.contains("listening on") && TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "docker-registry does not answer:\n{told}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

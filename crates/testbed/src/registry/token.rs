//! The service that gives tokens for a registry, by the specification of Docker's registry.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::certificates::Pair;
use super::{REGISTRY_PASSWORD, REGISTRY_USER};
use crate::http::{Request, Server};

pub struct TokenService {
    server: Server,
    given: Arc<AtomicUsize>,
}

impl TokenService {
    pub fn start(pair: &Pair, seconds: u64) -> TokenService {
        let pem = std::fs::read_to_string(&pair.certificate).expect("the certificate can be read");
        let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let (key, given) = (pair.key.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&given);
        let user = format!("Basic {}", STANDARD.encode(format!("{REGISTRY_USER}:{REGISTRY_PASSWORD}")));
        let server = Server::start(move |request| {
            let signed_in = match request.head.header("authorization") {
                None => false,
                Some(header) if header == user => true,
                Some(_) => return request.answer("401 Unauthorized", &[], b"who?"),
            };
            let token = token(&der, &key, &request, signed_in, seconds);
            counted.fetch_add(1, Ordering::SeqCst);
            let body = json!({"token": token, "expires_in": seconds}).to_string();
            request.answer("200 OK", &[("content-type".to_owned(), "application/json".to_owned())], body.as_bytes());
        });
        TokenService { server, given }
    }

    pub fn realm(&self) -> String {
        format!("http://localhost:{}/token", self.server.address.port())
    }

    pub fn given(&self) -> usize {
        self.given.load(Ordering::SeqCst)
    }
}

fn token(certificate: &str, key: &std::path::Path, request: &Request, signed_in: bool, seconds: u64) -> String {
    let scopes = request.head.path.split(['?', '&']).filter_map(|pair| pair.strip_prefix("scope="));
    let access = scopes.filter_map(|scope| {
        let scope = scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let actions: Vec<&str> = actions.split(',').filter(|action| signed_in || *action == "pull").collect();
        Some(json!({"type": kind, "name": name, "actions": actions}))
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs();
    let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [certificate]});
    let claims = json!({
        "iss": "towpath-tests", "sub": "", "aud": "test", "iat": now, "nbf": now - 10, "exp": now + seconds, "jti": now.to_string(),
        "access": access.collect::<Vec<_>>(),
    });
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut signing = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl can be started");
    signing.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("openssl reads");
    let out = signing.wait_with_output().expect("openssl ends");
    assert!(out.status.success(), "openssl does not sign");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(out.stdout))
}

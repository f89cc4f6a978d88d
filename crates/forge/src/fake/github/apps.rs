//! Towpath as an App: what its key signs is looked at as GitHub does, and exchanged for tokens that end.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use serde_json::{Value, json};

use super::{Asked, Told, World, moment, user};

/// The number of its installation on the repository.
const INSTALLATION: u64 = 4711;

/// An App that is installed on the repository.
#[derive(Debug, Clone)]
pub struct FakeApp {
    /// Its number.
    pub id: u64,
    /// Its name in URLs.
    pub slug: String,
    /// Its page.
    pub page: String,
    /// Its public key: an RSA key in PKCS #1, DER.
    pub public_key: Vec<u8>,
    /// It is installed.
    pub installed: bool,
    /// For how many seconds its tokens are good.
    pub token_lasts: i64,
    /// The tokens that it was given, each with its end.
    pub tokens: Vec<(String, i64)>,
}

impl FakeApp {
    /// Whether the App itself asks, or its installation.
    pub(in crate::fake) fn lets_in(&self, asked: &Asked) -> bool {
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        let token = asked.token.as_deref().unwrap_or_default();
        match path.as_slice() {
            ["api", "v3", "app", ..] | ["api", "v3", "repos", _, _, "installation"] => self.signed(token).is_some(),
            _ => self.tokens.iter().any(|(known, until)| known == token && *until > now()),
        }
    }

    /// The claims of what its key signed.
    fn signed(&self, token: &str) -> Option<Value> {
        let (text, signature) = token.rsplit_once('.')?;
        let (header, claims) = text.split_once('.')?;
        let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let (header, claims, signature) = (read(header)?, read(claims)?, URL_SAFE_NO_PAD.decode(signature).ok()?);
        let known = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        let (_, algorithms) = known.mapping.iter().find(|(scheme, _)| *scheme == SignatureScheme::RSA_PKCS1_SHA256)?;
        let well = algorithms.iter().any(|one| one.verify_signature(&self.public_key, text.as_bytes(), &signature).is_ok());
        let (from, until) = (claims["iat"].as_i64()?, claims["exp"].as_i64()?);
        // Ten minutes at most, from a moment that is past.
        let fits = from <= now() && until > now() && until <= now() + 600;
        (well && fits && header["alg"] == "RS256" && claims["iss"] == self.id.to_string().as_str()).then_some(claims)
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

pub(super) fn app(world: &mut World, method: &str, path: &[&str]) -> Told {
    let number = world.next_id();
    let Some(app) = &mut world.github.app else { return Told::no(404, "Integration not found") };
    match (method, path) {
        ("GET", []) => Told::json(
            200,
            json!({
                "id": app.id, "slug": app.slug, "node_id": "A_1", "name": "Towpath", "description": null, "owner": user("org"),
                "external_url": app.page, "html_url": app.page, "created_at": moment(0), "updated_at": moment(0), "events": ["push"],
                "permissions": {"checks": "write", "contents": "write", "metadata": "read", "pull_requests": "write"},
            }),
        ),
        ("POST", ["installations", "4711", "access_tokens"]) if app.installed => {
            let (token, until) = (format!("ghs_{number}"), now() + app.token_lasts);
            app.tokens.push((token.clone(), until));
            Told::json(
                201,
                json!({
                    "token": token, "expires_at": moment(until), "repository_selection": "selected",
                    "permissions": {"checks": "write", "contents": "write", "metadata": "read", "pull_requests": "write"},
                }),
            )
        }
        _ => super::not_found(),
    }
}

pub(super) fn installation(world: &World) -> Told {
    match world.github.app.as_ref().filter(|app| app.installed) {
        Some(app) => Told::json(200, json!({"id": INSTALLATION, "app_id": app.id, "app_slug": app.slug, "account": user("org")})),
        None => super::not_found(),
    }
}

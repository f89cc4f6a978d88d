//! HashiCorp Vault and what speaks its API: KV engines of version 1 and 2.
//!
//! A path is the engine's mount and the path in it, as people write it for `vault kv get`: `secret/app/db`, never
//! `secret/data/app/db`. Facts about the API are from Vault's published HTTP API documentation.

mod answers;
mod config;
mod mounts;
mod refusal;
mod session;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::{Method, StatusCode};

use self::answers::{Kv1, Kv2, Kv2Gone, ServerHealth};
use self::mounts::{Mount, Mounts};
use self::session::Sessions;
use self::wire::{Answer, Call, Wire};
use crate::cache::{Backend, Cached};
use crate::contents::{AnyFields, Contents};
use crate::error::{SecretError, SecretErrorKind, clean};
use crate::given::refuse_pin;
use crate::health::Health;
use crate::request::Request;
use crate::store::{Fetched, SecretStore};

pub use self::config::{KvVersion, SecretSource, SignIn, VaultConfig};

/// The store. It signs in when it is first used, keeps its token alive in the background for as long as it is not dropped, and
/// signs in anew, once per request, when Vault no longer accepts the token.
pub struct Vault(Cached<Engine>);

struct Engine {
    config: VaultConfig,
    wire: Arc<Wire>,
    sessions: Arc<Sessions>,
    mounts: Mounts,
}

impl Vault {
    /// A store of the KV engines of one Vault. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// The address is no URL, is plain `http` to another machine without leave, or carries credentials; the CA file cannot be
    /// used; this process installed no TLS provider.
    pub fn new(config: VaultConfig) -> Result<Self, SecretError> {
        let wire = Arc::new(Wire::new(&config)?);
        let sessions = Arc::new(Sessions::new(config.sign_in.clone(), Arc::clone(&wire)));
        let mounts = Mounts::new(&config.mounts);
        let kept_for = config.kept_for;
        Ok(Self(Cached::new(Engine { config, wire, sessions, mounts }, kept_for)))
    }

    /// The address, for people.
    #[must_use]
    pub fn address(&self) -> &str {
        self.0.backend().wire.address()
    }
}

impl SecretStore for Vault {
    fn read<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Fetched, SecretError>> {
        self.0.read(request)
    }

    fn version<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<String, SecretError>> {
        self.0.version(path, pinned)
    }

    fn examine(&self) -> BoxFuture<'_, Result<Health, SecretError>> {
        self.0.examine()
    }
}

impl Backend for Engine {
    fn load<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<Contents, SecretError>> {
        Box::pin(async move {
            let mount = self.mounts.of(path, self).await?;
            let inner = mount.inner(path)?;
            match mount.version {
                KvVersion::V1 => {
                    refuse_pin(self.config.pins, pinned, &format!("`{}` is a KV engine of version 1, which keeps none", mount.path))?;
                    self.load_v1(&mount, path, inner).await
                }
                KvVersion::V2 => self.load_v2(&mount, inner, pinned).await,
            }
        })
    }

    /// A pinned version never changes, so it needs no asking once the engine is known.
    fn known_version<'a>(&'a self, path: &'a str, pinned: Option<u64>) -> BoxFuture<'a, Result<Option<String>, SecretError>> {
        Box::pin(async move {
            let Some(pinned) = pinned else { return Ok(None) };
            let mount = self.mounts.of(path, self).await?;
            Ok((mount.version == KvVersion::V2).then(|| pinned.to_string()))
        })
    }

    fn examine(&self) -> BoxFuture<'_, Result<Health, SecretError>> {
        Box::pin(async move {
            let query = [("standbyok", "true"), ("perfstandbyok", "true")];
            let answer = self.wire.call(Call { path: &["sys", "health"], query: &query, ..Call::get() }).await?;
            if !answer.status.is_success() {
                return Err(refusal::of_server(&self.wire, &answer));
            }
            let version = answer.parse::<ServerHealth>().map(|health| health.version).unwrap_or_default();
            let (account, warnings) = self.sessions.describe().await?;
            let summary = format!("Vault {} at {}, {account}", clean(&version), self.wire.address());
            Ok(Health { summary, warnings })
        })
    }
}

impl Engine {
    async fn load_v1(&self, mount: &Mount, path: &str, inner: &str) -> Result<Contents, SecretError> {
        let answer = self.get(&[&mount.path, inner], &[]).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND if answer.says("versioned K/V") => {
                let why = format!("`{}` is a KV engine of version 2, but configured as version 1", mount.path);
                return Err(SecretError::new(SecretErrorKind::Setup, why, "correct the mount's version in towpath.toml"));
            }
            StatusCode::NOT_FOUND => return Err(missing("Vault has no such secret")),
            _ => return Err(refusal::of_read(&self.wire, &answer, &format!("{}/{inner}", mount.path))),
        }
        let parsed: Kv1 = answer.parse().ok_or_else(|| refusal::strange(&self.wire))?;
        let fields = parsed.data.into_fields();
        let version = self.config.version_key.version_of(path, &fields);
        let lease = (parsed.lease_duration > 0).then(|| Duration::from_secs(parsed.lease_duration));
        Ok(Contents { fields, version, lease })
    }

    async fn load_v2(&self, mount: &Mount, inner: &str, pinned: Option<u64>) -> Result<Contents, SecretError> {
        // Vault takes 0 for the latest, which nobody who pins means.
        if pinned == Some(0) {
            return Err(SecretError::new(
                SecretErrorKind::Refused,
                "versions begin with 1",
                "name one, or remove `version` for the latest",
            ));
        }
        let wanted = pinned.map(|version| version.to_string());
        let query: Vec<_> = wanted.iter().map(|version| ("version", version.as_str())).collect();
        let answer = self.get(&[&mount.path, "data", inner], &query).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(not_there(&answer, &format!("{}/{inner}", mount.path), pinned)),
            _ => return Err(refusal::of_read(&self.wire, &answer, &format!("{}/data/{inner}", mount.path))),
        }
        let Kv2 { data } = answer.parse().ok_or_else(|| refusal::strange(&self.wire))?;
        if pinned.is_some_and(|pinned| pinned != data.metadata.version) {
            return Err(refusal::strange(&self.wire));
        }
        let fields = data.data.map(AnyFields::into_fields).unwrap_or_else(BTreeMap::new);
        // A secret that was removed with all its versions and made anew counts from 1 again; its time of creation differs.
        let number = data.metadata.version;
        let version = if pinned.is_some() { number.to_string() } else { format!("{number}@{}", clean(&data.metadata.created_time)) };
        Ok(Contents { fields, version, lease: None })
    }

    /// Asks with a token that works: signs in if need be, and once anew if Vault no longer takes the token.
    async fn get(&self, parts: &[&str], query: &[(&str, &str)]) -> Result<Answer, SecretError> {
        let path: Vec<_> = parts.iter().flat_map(|part| part.split('/')).collect();
        let session = self.sessions.current().await?;
        let call = Call { path: &path, query, token: Some(&session.token), method: Method::GET, body: None };
        let answer = self.wire.call(call).await?;
        if answer.status != StatusCode::FORBIDDEN {
            return Ok(answer);
        }
        match self.sessions.instead_of(&session, answer.says("invalid token")).await? {
            Some(session) => {
                self.wire.call(Call { path: &path, query, token: Some(&session.token), method: Method::GET, body: None }).await
            }
            None => Ok(answer),
        }
    }
}

/// A 404 of KV v2 tells a version that is gone from one that never was.
fn not_there(answer: &Answer, path: &str, pinned: Option<u64>) -> SecretError {
    let Some(Kv2Gone { data }) = answer.parse() else {
        return match pinned {
            Some(version) => missing(&format!("Vault has no such secret, or not its version {version}")),
            None => missing("Vault has no such secret"),
        };
    };
    let (version, path) = (data.metadata.version, clean(path));
    if data.metadata.destroyed {
        let why = format!("version {version} was destroyed, its value is gone for good");
        return SecretError::new(SecretErrorKind::Deleted, why, format!("write a new version (`vault kv put {path} …`) and name that"));
    }
    let why = format!("version {version} was deleted on {}", clean(&data.metadata.deletion_time));
    let mend = format!("bring it back (`vault kv undelete -versions={version} {path}`), or name another version");
    SecretError::new(SecretErrorKind::Deleted, why, mend)
}

fn missing(why: &str) -> SecretError {
    SecretError::new(SecretErrorKind::Missing, why, "write it (`vault kv put`), or correct path and version")
}

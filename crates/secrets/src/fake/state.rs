//! What the stand-in knows.

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) struct State {
    pub mounts: BTreeMap<String, Engine>,
    pub policies: BTreeMap<String, Vec<String>>,
    pub tokens: BTreeMap<String, Token>,
    pub roles: BTreeMap<(String, String), Role>,
    pub renew_for: Option<u64>,
    pub sealed: bool,
    pub failure: Option<Failure>,
    pub hang: bool,
    pub namespace: Option<String>,
    pub seen: Vec<Seen>,
    pub made: u64,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its path without `/v1/`, decoded.
    pub path: String,
    /// Its query.
    pub query: String,
}

pub(super) struct Failure {
    pub status: u16,
    pub error: String,
    pub location: Option<String>,
}

pub(super) enum Engine {
    Kv1(BTreeMap<String, Value>),
    Kv2(BTreeMap<String, Vec<Version>>),
    Other,
}

pub(super) struct Version {
    pub data: Value,
    pub created: String,
    pub deleted: bool,
    pub destroyed: bool,
}

pub(super) struct Token {
    pub policies: Vec<String>,
    pub ttl: u64,
    pub renewable: bool,
    pub display_name: String,
}

impl Token {
    pub fn new(policies: &[&str], ttl: u64, renewable: bool, display_name: &str) -> Self {
        let policies = policies.iter().map(|policy| (*policy).to_owned()).collect();
        Self { policies, ttl, renewable, display_name: display_name.to_owned() }
    }
}

pub(super) struct Role {
    pub method: &'static str,
    pub secret: String,
    pub policies: Vec<String>,
    pub ttl: u64,
}

impl State {
    pub fn new() -> Self {
        Self {
            mounts: BTreeMap::from([("secret".to_owned(), Engine::Kv2(BTreeMap::new())), ("kv".to_owned(), Engine::Kv1(BTreeMap::new()))]),
            policies: BTreeMap::new(),
            tokens: BTreeMap::from([("root".to_owned(), Token::new(&["root"], 0, false, "root"))]),
            roles: BTreeMap::new(),
            renew_for: None,
            sealed: false,
            failure: None,
            hang: false,
            namespace: None,
            seen: Vec::new(),
            made: 0,
        }
    }

    pub fn put(&mut self, mount: &str, path: &str, fields: Value) -> u64 {
        self.made += 1;
        let created = format!("2026-11-24T10:00:00.{:09}Z", self.made);
        match self.mounts.get_mut(mount) {
            Some(Engine::Kv1(secrets)) => {
                secrets.insert(path.to_owned(), fields);
                0
            }
            Some(Engine::Kv2(secrets)) => {
                let versions = secrets.entry(path.to_owned()).or_default();
                versions.push(Version { data: fields, created, deleted: false, destroyed: false });
                versions.len() as u64
            }
            _ => 0,
        }
    }

    pub fn change_version(&mut self, mount: &str, path: &str, version: u64, change: impl FnOnce(&mut Version)) {
        if let Some(Engine::Kv2(secrets)) = self.mounts.get_mut(mount)
            && let Some(versions) = secrets.get_mut(path)
            && let Some(index) = usize::try_from(version).ok().and_then(|version| version.checked_sub(1))
            && let Some(version) = versions.get_mut(index)
        {
            change(version);
        }
    }

    pub fn remove(&mut self, mount: &str, path: &str) {
        match self.mounts.get_mut(mount) {
            Some(Engine::Kv1(secrets)) => drop(secrets.remove(path)),
            Some(Engine::Kv2(secrets)) => drop(secrets.remove(path)),
            _ => {}
        }
    }

    /// Whether a token may read an API path.
    pub fn may_read(&self, token: &Token, path: &str) -> bool {
        token.policies.iter().any(|policy| {
            policy == "root"
                || self.policies.get(policy).is_some_and(|readable| {
                    readable.iter().any(|rule| rule.strip_suffix('*').map_or(rule == path, |beginning| path.starts_with(beginning)))
                })
        })
    }

    /// Whether a token may read anything below a path: what Vault asks before it tells a mount.
    pub fn may_read_below(&self, token: &Token, mount: &str) -> bool {
        let below = format!("{mount}/");
        token.policies.iter().any(|policy| {
            policy == "root"
                || self.policies.get(policy).is_some_and(|readable| {
                    readable.iter().any(|rule| rule.starts_with(&below) || below.starts_with(rule.trim_end_matches('*')))
                })
        })
    }

    /// The mount that contains a path, and the path in it.
    pub fn mount_of<'a>(&self, path: &'a str) -> Option<(String, &'a str)> {
        let mount = self
            .mounts
            .keys()
            .filter(|mount| path.strip_prefix(mount.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
            .max_by_key(|mount| mount.len())?;
        Some((mount.clone(), path[mount.len()..].trim_start_matches('/')))
    }
}

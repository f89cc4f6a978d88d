//! Reading `towpath.toml`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;
use towpath_domain::{BranchName, RepoUrl, Span};
use towpath_web::Endpoint;

use super::forge::{self, Forge};
use super::outside::{self, Outside};
use super::{Config, Identity, Poll, Repository, auth, builds, ibutsu, keys, notify, telemetry, webhooks};
use crate::exit::Exit;
use crate::failure::Failure;

/// Why `towpath.toml` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {message}", file.display())]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Findings, error.to_string()).help(error.help)
    }
}

#[derive(Deserialize)]
struct Raw {
    config: RawConfig,
    #[serde(default)]
    state: Directory,
    #[serde(default)]
    server: RawServer,
    auth: Option<Spanned<auth::Raw>>,
    #[serde(default)]
    identity: RawIdentity,
    #[serde(default)]
    poll: RawPoll,
    #[serde(default)]
    notify: notify::Raw,
    #[serde(default)]
    registry: Directory,
    #[serde(default)]
    runs: RawRuns,
    #[serde(default)]
    changes: RawChanges,
    forge: Option<Forge>,
    #[serde(default)]
    forges: Vec<Spanned<forge::Other>>,
    #[serde(default)]
    builds: builds::Raw,
    #[serde(default)]
    clusters: BTreeMap<String, outside::Cluster>,
    #[serde(default)]
    registries: BTreeMap<String, outside::Registry>,
    #[serde(default)]
    signatures: outside::Signatures,
    secrets: Option<outside::Secrets>,
    #[serde(default)]
    webhooks: webhooks::Webhooks,
    #[serde(default)]
    telemetry: telemetry::Telemetry,
    ibutsu: Option<ibutsu::Ibutsu>,
}

#[derive(Deserialize)]
struct RawConfig {
    url: RepoUrlText,
    #[serde(default)]
    branch: Option<BranchName>,
}

/// A URL that was checked while its place in the file is still known.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct RepoUrlText(String);

impl TryFrom<String> for RepoUrlText {
    type Error = towpath_domain::NameError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        RepoUrl::new(&text).map(|_| Self(text))
    }
}

#[derive(Deserialize, Default)]
struct Directory {
    directory: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
struct RawServer {
    listen: Option<Spanned<Endpoint>>,
    base_url: Option<Spanned<BaseUrl>>,
}

/// What links to this server begin with.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct BaseUrl(String);

impl TryFrom<String> for BaseUrl {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['?', '#', ' '])) {
            return Err(format!("{text:?} is no address that links can begin with, such as https://towpath.example.com"));
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

#[derive(Deserialize, Default)]
struct RawIdentity {
    name: Option<IdentityPart>,
    email: Option<IdentityPart>,
}

/// A part of a Git identity: Git takes no line breaks and no angle brackets in one.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct IdentityPart(String);

impl TryFrom<String> for IdentityPart {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let bad = text.trim().is_empty() || text.chars().any(|c| c.is_control() || c == '<' || c == '>');
        if bad {
            Err(format!("{text:?} cannot be part of a Git identity: it is empty, or holds < > or a line break"))
        } else {
            Ok(Self(text))
        }
    }
}

#[derive(Deserialize, Default)]
struct RawPoll {
    local: Option<Pause>,
    remote: Option<Pause>,
}

/// A pause between two looks: never so short that looking is all that happens.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Pause(Span);

/// The shortest pause.
const PAUSE_MIN: Span = Span::from_millis(10);

impl TryFrom<String> for Pause {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let span: Span = text.parse().map_err(|error: towpath_domain::SpanError| error.to_string())?;
        if span < PAUSE_MIN { Err(format!("{span} is too short: at least {PAUSE_MIN}")) } else { Ok(Self(span)) }
    }
}

#[derive(Deserialize, Default)]
struct RawRuns {
    memory_max: Option<Memory>,
}

#[derive(Deserialize, Default)]
struct RawChanges {
    together: Option<NonZeroUsize>,
}

/// An amount of memory, in bytes.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Memory(u64);

/// The least that a bound of memory may be: less than this and no program of today's starts.
const MEMORY_MIN: u64 = 16 << 20;

/// The usual bound of memory: what is doubled beyond it is a leak more often than not.
const MEMORY_MAX: u64 = 16 << 30;

impl TryFrom<String> for Memory {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let amount: towpath_catalog::Quantity = text.parse().map_err(|error: towpath_catalog::QuantityError| error.to_string())?;
        match amount.units() {
            bytes if bytes < MEMORY_MIN => Err(format!("{text} is too little: at least {}Mi", MEMORY_MIN >> 20)),
            bytes => Ok(Self(bytes)),
        }
    }
}

/// Reads the file.
///
/// # Errors
/// A failure that says what is wrong in which line.
pub fn load(file: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let help = match error.kind() {
            std::io::ErrorKind::InvalidData => "save it as UTF-8; `towpath serve --help` shows an example of the file",
            _ => "check that the file is there and readable",
        };
        Failure::new(Exit::Failed, format!("cannot read {}: {error}", file.display())).help(help)
    })?;
    Ok(parse(file, &text)?)
}

/// Reads `text` as the content of `file`, whose folder relative paths start from.
///
/// # Errors
/// [`ConfigError`] with the place of what is wrong.
pub fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
    let at = |span: Option<Range<usize>>, message: String, help: String| {
        let before = text.get(..span.map_or(0, |span| span.start)).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        ConfigError { file: file.to_owned(), line, column, message, help }
    };
    let table = DeTable::parse(text).map_err(|error| at(error.span(), error.message().to_owned(), "mend the TOML".to_owned()))?;
    if let Some(unknown) = keys::unknown(table.get_ref(), &keys::FILE) {
        return Err(at(Some(unknown.span), format!("the key `{}` is not known", unknown.key), unknown.help));
    }
    let raw: Raw = toml::from_str(text).map_err(|error| {
        let message = error.message().trim().to_owned();
        let help = match message.as_str() {
            "missing field `config`" | "missing field `url`" => "say where the config repository is: url = \"…\" under [config]",
            _ => "correct the value; `towpath serve --help` shows an example of the file",
        };
        at(error.span(), message, help.to_owned())
    })?;
    let config = assemble(file, raw).map_err(|(span, message)| {
        let help = match span {
            Some(_) if message.ends_with(NOBODY_SIGNS_IN) => {
                "listen on 127.0.0.1, [::1] or a Unix socket, or set up sign-in under [auth]: docs/operate.md shows how"
            }
            Some(_) => "correct the value; `towpath serve --help` shows an example of the file",
            None => "use shorter, plain paths",
        };
        at(span, message, help.to_owned())
    })?;
    if let (Some(name), None) = (config.notify.in_store().next(), &config.outside.secrets) {
        let message = format!("[notify.{name}] names a secret, but there is no [secrets] to read it from");
        return Err(at(None, message, "docs/operate.md shows where credentials may stand".to_owned()));
    }
    config
        .outside
        .consistent()
        .and_then(|()| config.webhooks.consistent(&config.outside))
        .and_then(|()| config.telemetry.as_ref().map_or(Ok(()), |otlp| otlp.consistent(&config.outside)))
        .and_then(|()| config.ibutsu.as_ref().map_or(Ok(()), |ibutsu| ibutsu.consistent(&config.outside)))
        .and_then(|()| config.auth.as_ref().map_or(Ok(()), |auth| auth.consistent(&config.outside)))
        .map_err(|message| at(None, message, "docs/operate.md shows where credentials may stand".to_owned()))?;
    Ok(config)
}

/// How the refusal to listen for strangers ends.
const NOBODY_SIGNS_IN: &str = "nobody has to sign in";

/// What is wrong with the file as a whole, and where in the text if that can be told.
pub(super) type Wrong = (Option<Range<usize>>, String);

fn assemble(file: &Path, raw: Raw) -> Result<Config, Wrong> {
    let anywhere = |message: String| (None, message);
    let folder = file.parent().unwrap_or(Path::new("."));
    let state = folder.join(raw.state.directory.unwrap_or_else(|| ".towpath".into()));
    let name = |part: Option<IdentityPart>, usual: &str| part.map_or_else(|| usual.to_owned(), |part| part.0);
    let branch = match raw.config.branch {
        Some(branch) => branch,
        None => BranchName::new("main").map_err(|error| anywhere(error.to_string()))?,
    };
    let base_url = raw.server.base_url.map(|url| Spanned::new(url.span(), url.into_inner().0));
    let auth = raw.auth.map(|auth| auth::Raw::at(auth, base_url.as_ref(), folder)).transpose()?;
    if let Some(listen) = raw.server.listen.as_ref().filter(|listen| auth.is_none() && !listen.get_ref().is_local()) {
        let message = format!("{} can be reached from other machines, and {NOBODY_SIGNS_IN}", listen.get_ref());
        return Err((Some(listen.span()), message));
    }
    let listen = match raw.server.listen.map(Spanned::into_inner) {
        Some(Endpoint::Unix(path)) => Endpoint::Unix(folder.join(path)),
        Some(tcp) => tcp,
        None => "127.0.0.1:0".parse().map_err(|error: towpath_web::EndpointError| anywhere(error.to_string()))?,
    };
    let url = RepoUrl::new(absolute(folder, &raw.config.url.0)).map_err(|error| anywhere(error.to_string()))?;
    let outside =
        Outside { clusters: raw.clusters, registries: raw.registries, signatures: raw.signatures, secrets: raw.secrets }.from(folder);
    let builds = raw.builds.place(&outside)?;
    let (spans, forges): (Vec<_>, Vec<_>) = raw.forges.into_iter().map(|other| (other.span(), other.into_inner().from(folder))).unzip();
    if let Some((table, prefix)) = forge::twice(&forges) {
        let message = format!("what begins with {:?} is on this forge and on one above: take it away from one", prefix.as_str());
        return Err((spans.into_iter().nth(table), message));
    }
    Ok(Config {
        file: file.to_owned(),
        repository: Repository { url, branch },
        listen,
        auth,
        identity: Identity { name: name(raw.identity.name, "Towpath"), email: name(raw.identity.email, "towpath@localhost") },
        poll: Poll {
            local: raw.poll.local.map_or(Span::from_millis(50), |pause| pause.0),
            remote: raw.poll.remote.map_or(Span::from_secs(30), |pause| pause.0),
        },
        base_url: base_url.map(Spanned::into_inner),
        notify: raw.notify.from(folder).map_err(anywhere)?,
        registry: raw.registry.directory.map_or_else(|| state.join("registry"), |path| folder.join(path)),
        state,
        outside,
        webhooks: raw.webhooks.from(folder),
        telemetry: raw.telemetry.otlp.map(|otlp| otlp.from(folder)),
        ibutsu: raw.ibutsu.map(|ibutsu| ibutsu.from(folder)),
        builds,
        forge: raw.forge.map(|forge| forge.from(folder)),
        forges,
        together: raw.changes.together.unwrap_or(towpath_runs::TOGETHER),
        memory_max: raw.runs.memory_max.map_or(MEMORY_MAX, |memory| memory.0),
    })
}

/// A path is meant from the file's folder; a URL, or an address such as `git@host:path`, is left as it is. Git tells them
/// apart the same way: by a colon before the first slash.
fn absolute(folder: &Path, url: &str) -> String {
    let head = url.split('/').next().unwrap_or("");
    if head.contains(':') { url.to_owned() } else { folder.join(url).to_string_lossy().into_owned() }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

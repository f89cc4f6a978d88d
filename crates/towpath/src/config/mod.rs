//! `towpath.toml`: this installation. What is wanted where is not said here, but in the config repository.

pub mod artifacts;
pub mod auth;
pub mod builds;
mod find;
pub mod forge;
pub mod ibutsu;
mod keys;
pub mod notify;
pub mod outside;
mod read;
pub mod telemetry;
pub mod webhooks;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use towpath_domain::{BranchName, RepoUrl, Span};
use towpath_web::Endpoint;

pub use find::locate;
pub use read::load;
#[cfg(test)]
pub use read::parse;

/// The file's usual name.
pub const FILE_NAME: &str = "towpath.toml";

/// What `towpath.toml` says, defaults filled in and paths made absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file itself.
    pub file: PathBuf,
    /// The config repository.
    pub repository: Repository,
    /// Where everything that must outlive the server is kept.
    pub state: PathBuf,
    /// Where the server listens.
    pub listen: Endpoint,
    /// How people sign in; none on a single user's own machine.
    pub auth: Option<auth::Auth>,
    /// Who Towpath is in the commits that it makes.
    pub identity: Identity,
    /// How often repositories are looked at.
    pub poll: Poll,
    /// Where people reach this server's pages, without a slash at the end: what links in messages begin with.
    pub base_url: Option<String>,
    /// Who is told what happens.
    pub notify: notify::Notify,
    /// Where the embedded registry keeps images.
    pub registry: PathBuf,
    /// Clusters, registries and secret stores that Towpath reaches for.
    pub outside: outside::Outside,
    /// The secrets that webhooks are checked with.
    pub webhooks: webhooks::Webhooks,
    /// The collector that traces are sent to; none means nowhere.
    pub telemetry: Option<telemetry::Otlp>,
    /// Where results of tests are told to; none means nowhere.
    pub ibutsu: Option<ibutsu::Ibutsu>,
    /// Where builds are carried out that push their images themselves; on this machine when nothing is said.
    pub builds: Option<builds::Builds>,
    /// The most memory, in bytes, that a run is given which ran out of it before.
    pub memory_max: u64,
    /// The forge that the config repository is on; none means plain Git.
    pub forge: Option<forge::Forge>,
    /// Other forges that sources are on.
    pub forges: Vec<forge::Other>,
    /// How many changes to the config repository are merged in one push.
    pub together: NonZeroUsize,
}

/// The config repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Repository {
    /// Its URL, or an absolute path.
    pub url: RepoUrl,
    /// The branch that is read and written.
    pub branch: BranchName,
}

/// A name and an address for commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

/// How often repositories are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// Those on this machine, where looking costs next to nothing.
    pub local: Span,
    /// Those that a server must be asked for.
    pub remote: Span,
}

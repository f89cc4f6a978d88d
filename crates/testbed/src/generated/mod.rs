//! A large installation with a past: a config repository, sources with commits, and a ledger of believable history.
//!
//! The same shape gives the same installation, to the commit; its present is the beginning of the running week, so that what pages say of
//! the last days has something to say. It is made once and kept in the tests' cache by a hash of all that it follows from.
//!
//! Nothing of it needs a network: sources are bare repositories beside it, which Git finds in the place of `https://git.example.com/org/`
//! by [`Generated::environment`]. Everything is as the planner wants it but for a few apps of each [`Fate`].

mod apps;
mod config;
mod dice;
mod history;
mod logs;
mod release;
mod runs;
mod sources;
mod words;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use towpath_domain::{CommitId, Timestamp};

use crate::kube::{cache_folder, lock};

pub use apps::Fate;

/// How large an installation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Apps; each has a source, stage, its test and production, and every third one a second production.
    pub apps: usize,
    /// Runs of the past, at least.
    pub runs: usize,
    /// How many days that past goes back.
    pub days: u32,
    /// Where everything that looks random comes from.
    pub seed: u64,
}

impl Shape {
    /// 300 apps, 1,000 targets, 100,000 runs in four months.
    pub const LARGE: Self = Self { apps: 300, runs: 100_000, days: 120, seed: 1 };

    /// Enough for each page to have something of everything.
    pub const SMALL: Self = Self { apps: 24, runs: 1_500, days: 30, seed: 1 };
}

/// A generated installation.
#[derive(Debug, Clone)]
pub struct Generated {
    /// Where it is: `towpath.toml`, the config repository and the state directory.
    pub folder: PathBuf,
    /// The bare repositories of its sources, never written to.
    sources: PathBuf,
    /// The file that says what is where.
    facts: Known,
}

/// What tests want to know of an installation beforehand.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Known {
    /// Runs of the past.
    pub runs: u64,
    /// Events of the past.
    pub events: u64,
    /// Apps by their fate.
    pub apps: std::collections::BTreeMap<String, Vec<String>>,
    /// A build whose log has 100,000 lines.
    pub long_log: String,
    /// The last commit of an app that is up to date everywhere.
    pub arrived: String,
}

/// All that an installation follows from, beside its shape.
const CODE: [&str; 9] = [
    include_str!("mod.rs"),
    include_str!("apps.rs"),
    include_str!("config.rs"),
    include_str!("dice.rs"),
    include_str!("history.rs"),
    include_str!("logs.rs"),
    include_str!("release.rs"),
    include_str!("runs.rs"),
    include_str!("words.rs"),
];

/// Written last, so that a half made installation is never taken for a whole one.
const KNOWN: &str = "known.json";

/// A week, in milliseconds.
const WEEK: i64 = 7 * 24 * 3600 * 1000;

/// A Monday in 1970, in milliseconds.
const MONDAY: i64 = 4 * 24 * 3600 * 1000;

/// The beginning of the running week, in UTC.
fn present() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    Timestamp::from_millis((now - MONDAY).div_euclid(WEEK) * WEEK + MONDAY)
}

impl Generated {
    /// A copy of the installation of this shape below `folder`, which is a test's own; made first when it was not kept yet.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn copied(shape: Shape, folder: &Path) -> Self {
        let kept = Self::kept(shape);
        let into = folder.join("generated");
        let copied = Command::new("cp").args(["-a", "--reflink=auto"]).arg(kept.folder).arg(&into).output().expect("cp can be started");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        Self { folder: into, ..kept }
    }

    /// The installation of this shape as it is kept for all tests, which nobody may write to.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn kept(shape: Shape) -> Self {
        let present = present();
        let mut hash = Sha256::new();
        CODE.iter().for_each(|text| hash.update(text));
        hash.update(format!("{shape:?} {present} {}", towpath_ledger::format()));
        let key: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let all = cache_folder().join("generated");
        let name = format!("{}-apps-{}-runs", shape.apps, shape.runs);
        let folder = all.join(format!("{name}-{key}"));
        let _guard = lock(&format!("{name}.lock"));
        if let Some(facts) = read(&folder) {
            return Self { sources: folder.join("sources"), folder: folder.join("installation"), facts };
        }
        // What an older code made is of no use to anybody.
        for old in fs::read_dir(&all).into_iter().flatten().flatten() {
            if old.file_name().to_string_lossy().starts_with(&name) {
                let _gone = fs::remove_dir_all(old.path());
            }
        }
        make(&folder, shape, present);
        let facts = read(&folder).expect("what was just made can be read");
        Self { sources: folder.join("sources"), folder: folder.join("installation"), facts }
    }

    /// What is known of it.
    #[must_use]
    pub fn known(&self) -> &Known {
        &self.facts
    }

    /// An app of this fate.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn app(&self, fate: Fate) -> &str {
        self.facts.apps.get(fate.name()).and_then(|apps| apps.first()).expect("each fate has an app")
    }

    /// What a server on it needs in its environment: where Git finds the sources.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let sources = format!("url.file://{}/.insteadOf", self.sources.display());
        [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", &sources), ("GIT_CONFIG_VALUE_0", config::HOST)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }
}

fn read(folder: &Path) -> Option<Known> {
    serde_json::from_str(&fs::read_to_string(folder.join(KNOWN)).ok()?).ok()
}

fn make(folder: &Path, shape: Shape, present: Timestamp) {
    let (sources, installation) = (folder.join("sources"), folder.join("installation"));
    for folder in [&sources, &installation] {
        fs::create_dir_all(folder).expect("the tests' cache folder can be written");
    }
    let mut apps = apps::plan(shape, present);
    sources::make(&sources, &mut apps);
    let tree = config::tree(shape, &apps);
    let loaded = towpath_catalog::load(tree.clone());
    assert!(loaded.diagnostics.is_empty(), "the generated config repository is sound: {:?}", loaded.diagnostics.first());
    let head = config::commit(&installation, &tree, present);
    // Sources are looked at rarely, so that a server at rest is at rest.
    let settings = "[config]\nurl = \"config.git\"\n\n[poll]\nremote = \"1h\"\n";
    fs::write(installation.join("towpath.toml"), settings).expect("the tests' cache folder can be written");
    let write = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
        runtime.block_on(history::write(&installation.join(".towpath"), shape, present, &apps, &loaded.catalog, head))
    };
    // In a thread of its own: whoever asks may be within a runtime.
    let known = std::thread::scope(|scope| scope.spawn(write).join()).expect("the past can be written");
    let text = serde_json::to_string_pretty(&known).expect("plain data is JSON");
    fs::write(folder.join(KNOWN), text).expect("the tests' cache folder can be written");
}

/// Git's word for no commit.
fn nothing() -> CommitId {
    "0".repeat(40).parse().expect("40 digits are a commit")
}

/// Runs git here, with nobody's own settings.
fn git(folder: &Path, arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.args(["-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"]).args(arguments).current_dir(folder);
    git
}

/// Its output, when it went well.
fn said(mut command: Command) -> String {
    let output = command.output().expect("git can be started");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

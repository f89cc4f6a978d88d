//! The two repositories of the demonstration, made in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// What the source repository begins with. The greeting is what the three commits differ in.
const SERVICE: [(&str, &str); 4] = [
    ("web.c", include_str!("service/web.c")),
    ("smoke.c", include_str!("service/smoke.c")),
    ("deploy/web.yaml", include_str!("service/web.yaml")),
    ("deploy/smoke.yaml", include_str!("service/smoke.yaml")),
];

/// The config repository. `@SOURCE@` stands for the source repository's address.
const CONFIG: [(&str, &str); 10] = [
    ("data/clusters/laptop.yml", include_str!("config/clusters/laptop.yml")),
    ("data/pools/checks.yml", include_str!("config/pools/checks.yml")),
    ("data/environments/stage.yml", include_str!("config/environments/stage.yml")),
    ("data/environments/production.yml", include_str!("config/environments/production.yml")),
    ("data/services/web/app.yml", include_str!("config/services/web/app.yml")),
    ("data/services/web/source.yml", include_str!("config/services/web/source.yml")),
    ("data/services/web/deploy.yml", include_str!("config/services/web/deploy.yml")),
    ("data/services/web/test.yml", include_str!("config/services/web/test.yml")),
    ("data/services/web/namespaces/web-stage.yml", include_str!("config/services/web/namespaces/web-stage.yml")),
    ("data/services/web/namespaces/web-production.yml", include_str!("config/services/web/namespaces/web-production.yml")),
];

/// A commit of the demonstration.
#[derive(Debug, Clone, Copy)]
pub struct Chapter {
    /// First line of its message.
    pub subject: &'static str,
    /// Its author.
    pub author: &'static str,
    /// What `greeting.h` becomes.
    pub greeting: &'static str,
}

/// The story: a good commit, one whose smoke test fails, a mended one.
pub const CHAPTERS: [Chapter; 3] = [
    Chapter { subject: "Greet whoever looks at the version page", author: "Ada", greeting: include_str!("service/greeting-good.h") },
    Chapter { subject: "Greet visitors by name", author: "Ben", greeting: include_str!("service/greeting-bad.h") },
    Chapter { subject: "Greet visitors in lower case, too", author: "Ada", greeting: include_str!("service/greeting-mended.h") },
];

/// The two repositories.
pub struct Repositories {
    source: PathBuf,
    work: PathBuf,
    config: PathBuf,
}

impl Repositories {
    /// Makes them below `dir`: two bare ones, as a server would have them, and a clone to work in.
    pub fn make(dir: &Path) -> anyhow::Result<Self> {
        let made = Self { source: dir.join("web.git"), work: dir.join("web"), config: dir.join("config.git") };
        for bare in [&made.source, &made.config] {
            git(dir, "towpath", &["init", "--quiet", "--bare", "--initial-branch=main", &bare.display().to_string()])?;
        }
        let address = made.source.display().to_string();
        let config_work = dir.join("config");
        for (bare, work) in [(&made.source, &made.work), (&made.config, &config_work)] {
            git(dir, "towpath", &["clone", "--quiet", &bare.display().to_string(), &work.display().to_string()])?;
            git(work, "towpath", &["checkout", "--quiet", "-B", "main"])?;
        }
        for (path, text) in SERVICE {
            write(&made.work, path, text)?;
        }
        for (path, text) in CONFIG {
            write(&config_work, path, &text.replace("@SOURCE@", &address))?;
        }
        commit_and_push(&config_work, "Ada", "Stage, its smoke test, and production")?;
        Ok(made)
    }

    /// Where the config repository is.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Commits and pushes a chapter; answers with its id.
    pub fn push(&self, chapter: Chapter) -> anyhow::Result<String> {
        write(&self.work, "greeting.h", chapter.greeting)?;
        commit_and_push(&self.work, chapter.author, chapter.subject)
    }
}

fn write(root: &Path, path: &str, text: &str) -> anyhow::Result<()> {
    let file = root.join(path);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))
}

fn commit_and_push(work: &Path, author: &str, subject: &str) -> anyhow::Result<String> {
    git(work, author, &["add", "--all"])?;
    git(work, author, &["commit", "--quiet", "--message", subject])?;
    git(work, author, &["push", "--quiet", "origin", "main"])?;
    git(work, author, &["rev-parse", "HEAD"])
}

/// Runs git as `author`, whatever the user's own settings say of signing and hooks.
fn git(dir: &Path, author: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let (name, email) = (format!("user.name={author}"), format!("user.email={}@example.com", author.to_lowercase()));
    let output = Command::new("git")
        .args(["-c", &name, "-c", &email, "-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null"])
        .args(arguments)
        .current_dir(dir)
        .output()
        .context("git cannot be started; is it installed?")?;
    if !output.status.success() {
        bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

//! The demonstration's server: `towpath serve` as a process of its own, as anybody would start it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::client::Client;
use crate::config::{self, Config};

/// How long the server may take to listen.
const START: Duration = Duration::from_secs(15);

/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(30);

/// A server that was started for the demonstration.
pub struct Server {
    child: Child,
    log: PathBuf,
    config: Config,
}

impl Server {
    /// Writes `towpath.toml` into `dir` and starts a server by it.
    pub async fn start(dir: &Path, repository: &Path) -> anyhow::Result<(Self, Client)> {
        let file = dir.join(config::FILE_NAME);
        let text = format!("# The demonstration's installation.\n[config]\nurl = {:?}\n", repository.display().to_string());
        fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
        let config = config::load(&file)?;
        let log = dir.join("server.log");
        let output = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--color", "never", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("the server cannot be started")?;
        let begun = Instant::now();
        loop {
            if let Ok(client) = Client::find(&config)
                && client.status().await.is_ok()
            {
                return Ok((Self { child, log, config }, client));
            }
            let ended = child.try_wait()?;
            if ended.is_some() || begun.elapsed() > START {
                let said = fs::read_to_string(&log).unwrap_or_default();
                bail!("the server did not come up; it said:\n{}", tail(&said));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The installation.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the server said last, for when the story does not go on.
    pub fn last_words(&self) -> String {
        tail(&fs::read_to_string(&self.log).unwrap_or_default())
    }

    /// Stops the server, then what it left running: services outlive their server by design.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > STOP {
                self.child.kill()?;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        towpath_cluster::stop_everything(&self.config.state.join("cluster"), Duration::from_secs(10))?;
        Ok(())
    }

    /// Lets it run on after this process.
    pub fn leave(self) -> u32 {
        self.child.id()
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
}

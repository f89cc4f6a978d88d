//! One call of git: its arguments, environment and limits.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use towpath_domain::{RepoUrl, Span};

use super::Git;
use super::process::{Fed, run_to_end};
use crate::GitError;
use crate::credential::Handed;
use crate::error::{Where, classify};

/// The most that one call may print: 256 MiB, a listing of about a million files.
const MAX_OUTPUT_BYTES: u64 = 256 << 20;

/// The name under which the remote's URL is known for the length of one call; the URL itself travels in the environment, since
/// argument lists can be seen by every user of the machine.
pub(crate) const REMOTE: &str = "towpath-remote";
const REMOTE_VARIABLE: &str = "TOWPATH_GIT_REMOTE_URL";

/// Rules for every call, over the user's own configuration: nothing runs hooks, nothing cleans up behind our back, commits and
/// listings are UTF-8.
const RULES: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "i18n.commitEncoding=UTF-8",
    "i18n.logOutputEncoding=UTF-8",
];

/// Variables that would turn a call towards another repository, or let Git print what it sends, which may hold credentials.
const UNSET: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_QUARANTINE_PATH",
    "GIT_ATTR_SOURCE",
    "GIT_EXTERNAL_DIFF",
    "GIT_DEFAULT_HASH",
    "GIT_SHALLOW_FILE",
    "GIT_TRACE",
    "GIT_TRACE2",
    "GIT_TRACE_CURL",
    "GIT_TRACE_PACKET",
    "GIT_TRACE_SETUP",
    "GIT_TRACE_PERFORMANCE",
    "GIT_TRACE_PACK_ACCESS",
    "GIT_TRACE_REFS",
    "GIT_CURL_VERBOSE",
];

/// The class of a call's time limit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// Work in a mirror.
    Local,
    /// One look at a remote.
    Look,
    /// Fetch and push.
    Transfer,
}

/// A call being put together.
pub(crate) struct Call<'a> {
    git: &'a Git,
    what: String,
    limit: Limit,
    place: Where,
    rules: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    input: Fed,
    max_output: u64,
}

/// A call that came to its end, well or not.
pub(crate) struct Finished {
    what: String,
    place: Where,
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: String,
}

impl<'a> Call<'a> {
    pub fn new(git: &'a Git, what: String, limit: Limit) -> Self {
        let place = Where::default();
        Self { git, what, limit, place, rules: vec![], args: vec![], env: vec![], input: Fed::Nothing, max_output: MAX_OUTPUT_BYTES }
    }

    /// Works in the repository at `dir`.
    pub fn dir(mut self, dir: &Path) -> Self {
        self.place.dir = Some(dir.to_owned());
        self
    }

    /// Knows `url` as the remote [`REMOTE`].
    pub fn remote(mut self, url: &RepoUrl) -> Self {
        self.place.url = Some(url.clone());
        self
    }

    /// One more configuration setting, for this call only.
    pub fn rule(mut self, setting: &str) -> Self {
        self.rules.push(setting.into());
        self
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args<I: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = I>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Feeds `bytes` to its standard input.
    pub fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = Fed::Bytes(bytes);
        self
    }

    /// Lets git hold `file`, an empty one, as its standard input for as long as it or a program that it started lives.
    pub fn holding(mut self, file: File) -> Self {
        self.input = Fed::File(file);
        self
    }

    /// The command as the operating system wants it.
    pub fn command(&self) -> tokio::process::Command {
        let settings = self.git.settings();
        let mut command = tokio::process::Command::new(&settings.program);
        command.envs(settings.extra_env.iter().map(|(name, value)| (name, value)));
        for name in UNSET {
            command.env_remove(name);
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GCM_INTERACTIVE", "never")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_LITERAL_PATHSPECS", "1")
            // A look at a remote has no repository; nor may it find one by chance around the current directory and obey its configuration.
            .env("GIT_DIR", self.place.dir.as_deref().unwrap_or(Path::new("/dev/null")));
        for rule in RULES {
            command.arg("-c").arg(rule);
        }
        for rule in &self.rules {
            command.arg("-c").arg(rule);
        }
        if let Some(url) = &self.place.url {
            command.arg(format!("--config-env=remote.{REMOTE}.url={REMOTE_VARIABLE}")).env(REMOTE_VARIABLE, url.expose());
            for (number, credential) in settings.credentials.iter().enumerate() {
                let Some(Handed { rules, variables }) = credential.handed(number, url) else { continue };
                for rule in rules {
                    command.arg("-c").arg(rule);
                }
                command.envs(variables);
            }
        }
        command.args(&self.args);
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).process_group(0);
        command
    }

    pub fn place(&self) -> &Where {
        &self.place
    }

    pub fn what(&self) -> &str {
        &self.what
    }

    pub fn git(&self) -> &Git {
        self.git
    }

    /// Runs it to its end.
    pub async fn run(mut self) -> Result<Finished, GitError> {
        let after = self.time_limit();
        let command = self.command();
        let input = std::mem::replace(&mut self.input, Fed::Nothing);
        let work = run_to_end(self.git, command, input, self.max_output);
        let ended = tokio::time::timeout(after.to_std(), work).await;
        let Ok(ended) = ended else {
            return Err(GitError::Timeout { what: self.what, after });
        };
        let ended = ended?;
        if ended.too_much {
            return Err(GitError::TooBig { what: format!("the answer to {}", self.what), limit_bytes: self.max_output });
        }
        tracing::trace!(git.what = %self.what, git.status = %ended.status, "git ended");
        Ok(Finished { what: self.what, place: self.place, status: ended.status, stdout: ended.stdout, stderr: ended.stderr })
    }

    pub fn time_limit(&self) -> Span {
        let timeouts = &self.git.settings().timeouts;
        match self.limit {
            Limit::Local => timeouts.local,
            Limit::Look => timeouts.look,
            Limit::Transfer => timeouts.transfer,
        }
    }
}

impl Finished {
    /// The exit code; none when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// What it printed, whatever its exit code.
    pub fn stdout(&self) -> &[u8] {
        &self.stdout
    }

    /// The error that its words tell of.
    pub fn error(&self) -> GitError {
        let mut words = self.stderr.clone();
        if words.trim().is_empty() {
            words = format!("git ended with {}", self.status);
        }
        classify(&self.what, &self.place, &words)
    }

    /// What it printed, if it ended well.
    pub fn bytes(self) -> Result<Vec<u8>, GitError> {
        if self.status.success() { Ok(self.stdout) } else { Err(self.error()) }
    }

    /// What it printed as text, if it ended well.
    pub fn text(self) -> Result<String, GitError> {
        let bytes = self.bytes()?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// `Ok(true)` for exit code 0, `Ok(false)` for 1, and an error for all others: how Git answers yes-or-no questions.
    pub fn yes_or_no(self) -> Result<bool, GitError> {
        match self.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(self.error()),
        }
    }
}

//! Tells a program of the installation's own: the way to reach whatever Towpath does not know.

use std::path::PathBuf;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use towpath_domain::Span;

use crate::message::Message;
use crate::sink::{DeliveryError, Sink};

/// What is kept of a program's standard error, in bytes: its last words.
const LAST_WORDS_BYTES: usize = 2 * 1024;

/// How long to wait for the last words after the program's end: something it left running may hold the pipe open.
const LAST_WORDS_WAIT: std::time::Duration = std::time::Duration::from_millis(500);

/// Runs a program for each message, with the message as JSON on its standard input. Exit status 0 means that people were
/// told; any other, or running for too long, that they were not.
#[derive(Clone)]
pub struct CommandSink {
    /// The sink's name.
    pub name: String,
    /// The program; an absolute path, or a name to be found in the `PATH` of `environment`.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// All of its environment: nothing of Towpath's own is passed on, as there may be secrets in it.
    pub environment: Vec<(String, String)>,
    /// How long it may run; then it is killed with all that it started.
    pub timeout: Span,
}

impl std::fmt::Debug for CommandSink {
    /// Shows no values: arguments and environment may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandSink").field("name", &self.name).field("program", &self.program).finish_non_exhaustive()
    }
}

impl Sink for CommandSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn deliver<'a>(&'a self, message: &'a Message) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>> {
        Box::pin(self.run(message))
    }
}

impl CommandSink {
    async fn run(&self, message: &Message) -> Result<(), DeliveryError> {
        let program = self.program.display();
        let json = serde_json::to_vec(message).map_err(|error| DeliveryError::permanent(format!("the message is no JSON: {error}")))?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A group of its own, so that all of it can be killed.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| DeliveryError::passing(format!("{program} could not be started: {error}; see to the sink's `program`")))?;
        let mut group = Group::of(&child);
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let words = tokio::spawn(last_words(stderr));
        let ended = tokio::time::timeout(self.timeout.to_std(), async {
            if let Some(mut stdin) = stdin {
                // A program that does not read is fine: what counts is how it ends.
                let _ = stdin.write_all(&json).await;
            }
            child.wait().await
        })
        .await;
        if ended.is_ok() {
            // What it left running on purpose may go on; and its number may soon be another's.
            group.0 = None;
        }
        drop(group);
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(DeliveryError::passing(format!("{program} ended with {}{}", how(status), said(words).await))),
            Ok(Err(error)) => Err(DeliveryError::passing(format!("{program} could not be waited for: {error}"))),
            Err(_) => {
                let timeout = self.timeout;
                Err(DeliveryError::passing(format!("{program} ran for more than {timeout} and was killed{}", said(words).await)))
            }
        }
    }
}

/// The program's process group while it runs. Killed when this goes out of scope, so also when Towpath stops meanwhile.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // An error means that nobody of the group is left.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

fn how(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("status {code}"))
}

async fn said(words: tokio::task::JoinHandle<Vec<u8>>) -> String {
    let words = tokio::time::timeout(LAST_WORDS_WAIT, words).await.ok().and_then(Result::ok).unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    let words = words.trim();
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

/// Reads to the end, and keeps the last bytes.
async fn last_words(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return kept };
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let beyond = kept.len().saturating_sub(LAST_WORDS_BYTES);
        kept.drain(..beyond);
    }
    kept
}

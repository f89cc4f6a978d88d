//! A git process: started in a group of its own, fed, read within bounds, and ended with all that it started.

use std::fs::File;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::Git;
use crate::GitError;

/// How much of the end of git's standard error is kept.
const STDERR_TAIL_BYTES: usize = 4096;

/// How long the standard error may stay open after git ended: an ssh that shares its connection keeps it open for minutes.
const STDERR_GRACE: Duration = Duration::from_millis(200);

/// What a process gets as its standard input.
pub(crate) enum Fed {
    Nothing,
    Bytes(Vec<u8>),
    File(File),
}

/// How a process ended.
pub(crate) struct Ended {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// It printed more than was allowed and was stopped.
    pub too_much: bool,
}

/// A running git. Dropped before its end, it is killed together with the programs it started (ssh, remote helpers).
pub(crate) struct Running {
    group: Option<Pid>,
    child: Child,
}

impl Running {
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        // Its id may be given to another process from now on.
        self.group = None;
        Ok(status)
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        let alive = matches!(self.child.try_wait(), Ok(None));
        if !alive {
            self.group = None;
        }
        alive
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The child was not waited for, so its id still names it and its group.
        if let (Some(group), Ok(None)) = (self.group, self.child.try_wait()) {
            let _gone_already = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Starts `command`, which has its own process group.
pub(crate) fn spawn(git: &Git, command: &mut Command) -> Result<Running, GitError> {
    let child = command
        .spawn()
        .map_err(|error| GitError::Program { program: git.settings().program.display().to_string(), why: error.to_string() })?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    Ok(Running { group, child })
}

/// Runs `command` to its end.
pub(crate) async fn run_to_end(git: &Git, mut command: Command, input: Fed, max_output: u64) -> Result<Ended, GitError> {
    let bytes = match input {
        Fed::Nothing => {
            command.stdin(Stdio::null());
            Vec::new()
        }
        Fed::File(file) => {
            command.stdin(Stdio::from(file));
            Vec::new()
        }
        Fed::Bytes(bytes) => {
            command.stdin(Stdio::piped());
            bytes
        }
    };
    let mut running = spawn(git, &mut command)?;
    // The command holds the file given as standard input; only the child shall.
    drop(command);
    let (stdin, stdout, stderr) = (running.child.stdin.take(), running.child.stdout.take(), running.child.stderr.take());
    let (mut printed, mut tail) = (Vec::new(), Vec::new());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A git that ends early says why on its standard error; the broken pipe adds nothing.
            let _broken_pipe = stdin.write_all(&bytes).await;
        }
    };
    let (status, too_much) = {
        let mut reading_tail = std::pin::pin!(async {
            match stderr {
                Some(stderr) => keep_tail(stderr, &mut tail).await,
                None => Ok(()),
            }
        });
        let work = async {
            let ((), read) = tokio::join!(feed, async {
                match stdout {
                    Some(stdout) => read_up_to(stdout, max_output, &mut printed).await,
                    None => Ok(false),
                }
            });
            let too_much = read?;
            if too_much {
                running.child.start_kill()?;
            }
            running.wait().await.map(|status| (status, too_much))
        };
        let mut work = std::pin::pin!(work);
        let mut tail_done = false;
        let ended = loop {
            tokio::select! {
                ended = &mut work => break ended,
                _ = &mut reading_tail, if !tail_done => tail_done = true,
            }
        };
        if !tail_done {
            let _still_open = tokio::time::timeout(STDERR_GRACE, &mut reading_tail).await;
        }
        ended.map_err(|error| GitError::Failed { what: "reading what git printed".to_owned(), why: error.to_string() })?
    };
    Ok(Ended { status, stdout: printed, stderr: String::from_utf8_lossy(&tail).into_owned(), too_much })
}

/// Reads to the end, or until more than `max` bytes came: then `true`.
async fn read_up_to(pipe: impl AsyncRead + Unpin, max: u64, into: &mut Vec<u8>) -> std::io::Result<bool> {
    let read = pipe.take(max.saturating_add(1)).read_to_end(into).await?;
    Ok(u64::try_from(read).unwrap_or(u64::MAX) > max)
}

/// Reads to the end and keeps the last bytes.
pub(crate) async fn keep_tail(mut pipe: impl AsyncRead + Unpin, tail: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        if pipe.read_buf(tail).await? == 0 {
            return Ok(());
        }
        if let Some(excess) = tail.len().checked_sub(STDERR_TAIL_BYTES) {
            tail.drain(..excess);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_end_of_a_long_complaint_is_kept() {
        let long = [vec![b'x'; 10_000], b"the reason".to_vec()].concat();
        let mut tail = Vec::new();
        keep_tail(long.as_slice(), &mut tail).await.unwrap();
        assert!(tail.len() <= STDERR_TAIL_BYTES && tail.ends_with(b"the reason"));
    }

    #[tokio::test]
    async fn an_answer_that_is_too_long_is_cut_off() {
        let mut read = Vec::new();
        assert!(read_up_to([0_u8; 11].as_slice(), 10, &mut read).await.unwrap());
        read.clear();
        assert!(!read_up_to([0_u8; 10].as_slice(), 10, &mut read).await.unwrap());
    }
}

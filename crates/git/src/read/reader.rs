//! A git that stays and answers questions about objects: `git cat-file --batch-command`.
//!
//! A question costs a tenth of a millisecond instead of a process. An idle reader is kept per mirror, a few in all; one whose
//! conversation was cut short (an error, a time limit, a dropped future) is killed, never used again.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use towpath_domain::Span;

use crate::command::{Limit, Running, keep_tail, spawn};
use crate::error::{Where, classify};
use crate::{GitError, Mirror};

/// How many idle readers are kept. Each is a process of a few megabytes.
const MAX_IDLE: usize = 8;

/// Fits a few hundred small files, so that few reads are needed.
const BUFFER_BYTES: usize = 256 << 10;

/// Idle readers by mirror, the longest idle first.
#[derive(Default)]
pub(crate) struct ReaderPool {
    idle: Mutex<VecDeque<(PathBuf, Reader)>>,
}

impl ReaderPool {
    fn take(&self, dir: &Path) -> Option<Reader> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(at) = idle.iter().position(|(of, _)| of == dir) {
            if let Some((_, mut reader)) = idle.remove(at)
                && reader.running.is_alive()
            {
                return Some(reader);
            }
        }
        None
    }

    fn put(&self, dir: &Path, reader: Reader) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push_back((dir.to_owned(), reader));
        if idle.len() > MAX_IDLE {
            idle.pop_front();
        }
    }

    /// Ends the idle readers of a mirror.
    pub fn forget(&self, dir: &Path) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _)| of != dir);
    }
}

/// What an object is, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub id: String,
    pub kind: String,
    pub size: u64,
}

/// A process that answers questions about the objects of one mirror.
pub(crate) struct Reader {
    running: Running,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    place: Where,
    limit: Span,
}

impl Mirror {
    /// An idle reader, or a new one. Give it back with [`Mirror::keep_reader`] after a conversation that ended well.
    pub(crate) fn reader(&self) -> Result<Reader, GitError> {
        if let Some(reader) = self.git().readers().take(self.dir()) {
            return Ok(reader);
        }
        let call = self.call("reading objects", Limit::Local).args(["cat-file", "--batch-command", "--buffer"]);
        let mut command = call.command();
        command.stdin(Stdio::piped());
        let mut running = spawn(call.git(), &mut command)?;
        let child = running.child();
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => {
                let stdout = BufReader::with_capacity(BUFFER_BYTES, stdout);
                Ok(Reader { running, stdin, stdout, stderr, place: call.place().clone(), limit: call.time_limit() })
            }
            _ => Err(GitError::Failed { what: call.what().to_owned(), why: "its pipes are missing".to_owned() }),
        }
    }

    pub(crate) fn keep_reader(&self, reader: Reader) {
        self.git().readers().put(self.dir(), reader);
    }
}

impl Reader {
    /// What each object is; `None` for those that are not there. A question is an id or a ref, without spaces and line breaks.
    pub async fn headers(&mut self, questions: &[String]) -> Result<Vec<Option<Header>>, GitError> {
        self.ask("info", questions, None).await.map(|answers| answers.into_iter().map(|answer| answer.map(|(header, _)| header)).collect())
    }

    /// The objects with their content; `None` for those that are not there.
    ///
    /// An object of more than `max_bytes` is an error.
    pub async fn contents(&mut self, questions: &[String], max_bytes: u64) -> Result<Vec<Option<(Header, Vec<u8>)>>, GitError> {
        self.ask("contents", questions, Some(max_bytes)).await
    }

    async fn ask(
        &mut self,
        command: &str,
        questions: &[String],
        max_bytes: Option<u64>,
    ) -> Result<Vec<Option<(Header, Vec<u8>)>>, GitError> {
        if questions.is_empty() {
            return Ok(Vec::new());
        }
        let mut text = String::with_capacity(questions.len() * 52);
        for question in questions {
            if question.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return Err(GitError::bad(format!("the object name {question:?}"), "it holds a space or a control character"));
            }
            text.extend([command, " ", question, "\n"]);
        }
        text.push_str("flush\n");
        let limit = self.limit;
        let (stdin, stdout) = (&mut self.stdin, &mut self.stdout);
        // Asking and listening at once: else both sides could wait for the other with their pipes full.
        let conversation = async {
            let ask = async {
                stdin.write_all(text.as_bytes()).await.map_err(Trouble::Pipe)?;
                stdin.flush().await.map_err(Trouble::Pipe)
            };
            let listen = async {
                let mut answers = Vec::with_capacity(questions.len());
                for _ in questions {
                    answers.push(answer(stdout, max_bytes).await?);
                }
                Ok(answers)
            };
            tokio::try_join!(ask, listen).map(|((), answers)| answers)
        };
        match tokio::time::timeout(limit.to_std(), conversation).await {
            Err(_) => Err(GitError::Timeout { what: "reading objects".to_owned(), after: limit }),
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(Trouble::TooBig { what, limit_bytes })) => Err(GitError::TooBig { what, limit_bytes }),
            Ok(Err(Trouble::Nonsense(line))) => {
                Err(GitError::Failed { what: "reading objects".to_owned(), why: format!("git answered {line:?}") })
            }
            Ok(Err(Trouble::Pipe(error))) => Err(self.last_words(&error).await),
        }
    }

    /// Why git ended in mid-conversation.
    async fn last_words(&mut self, error: &std::io::Error) -> GitError {
        let mut tail = Vec::new();
        let _still_open = tokio::time::timeout(Duration::from_secs(1), keep_tail(&mut self.stderr, &mut tail)).await;
        let mut words = String::from_utf8_lossy(&tail).into_owned();
        if words.trim().is_empty() {
            words = format!("git cat-file ended early: {error}");
        }
        classify("reading objects", &self.place, &words)
    }
}

enum Trouble {
    Pipe(std::io::Error),
    TooBig { what: String, limit_bytes: u64 },
    Nonsense(String),
}

async fn answer(stdout: &mut BufReader<ChildStdout>, max_bytes: Option<u64>) -> Result<Option<(Header, Vec<u8>)>, Trouble> {
    let mut line = String::new();
    if stdout.read_line(&mut line).await.map_err(Trouble::Pipe)? == 0 {
        return Err(Trouble::Pipe(std::io::ErrorKind::UnexpectedEof.into()));
    }
    let mut words = line.trim_end_matches('\n').split(' ');
    let header = match (words.next(), words.next(), words.next()) {
        (Some(_), Some("missing"), None) => return Ok(None),
        (Some(id), Some(kind), Some(size)) => size.parse().ok().map(|size| Header { id: id.to_owned(), kind: kind.to_owned(), size }),
        _ => None,
    };
    let Some(header) = header else { return Err(Trouble::Nonsense(line)) };
    let Some(limit_bytes) = max_bytes else { return Ok(Some((header, Vec::new()))) };
    if header.size > limit_bytes {
        return Err(Trouble::TooBig { what: format!("the {} {}", header.kind, header.id), limit_bytes });
    }
    let size = usize::try_from(header.size).unwrap_or(usize::MAX);
    let mut content = vec![0; size];
    stdout.read_exact(&mut content).await.map_err(Trouble::Pipe)?;
    let mut newline = [0];
    stdout.read_exact(&mut newline).await.map_err(Trouble::Pipe)?;
    Ok(Some((header, content)))
}

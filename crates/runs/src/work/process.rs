//! A command of a build or a check: its output goes to the run's log, and nothing of it outlives the run.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use towpath_domain::FailureClass;

use crate::journal::{Journal, Stop};
use crate::world::LogSink;

/// A command to be run.
pub(super) struct Program<'a> {
    /// Whose command it is, for people: `build` or `check`. Its `timeout` in the source's file bounds it.
    pub of: &'static str,
    /// Program and arguments.
    pub command: &'a [String],
    /// Where it works.
    pub dir: &'a Path,
    /// All of its environment.
    pub env: Vec<(String, String)>,
    /// How long it may take.
    pub within: Duration,
    /// Where its process group is written down, so that the next worker can end it.
    pub group_file: PathBuf,
}

/// What a command is begun by, and how: it waits for a word before it becomes the command. Whoever dies between starting it and writing down its
/// process group never gives that word, and it ends by itself.
const SHELL: &str = "/bin/sh";
const BEGIN: &str = "read -r word && [ \"$word\" = begin ] && exec \"$@\" </dev/null";

/// Runs it to its end.
///
/// # Errors
/// [`Stop::Failed`] when it cannot be started, ends with another status than 0, or takes too long.
pub(super) async fn run(journal: &Journal, program: Program<'_>) -> Result<(), Stop> {
    to_its_end(journal, program).await?.map_err(Stop::own)
}

/// Runs it to its end. Answers with how it ended: an error says what status that was, and its last lines.
///
/// # Errors
/// [`Stop::Failed`] when it cannot be started, or takes too long.
pub(super) async fn to_its_end(journal: &Journal, program: Program<'_>) -> Result<Result<(), String>, Stop> {
    let shown = program.command.join(" ");
    let [name, arguments @ ..] = program.command else {
        return Err(Stop::own(format!("the {}'s command is empty", program.of)));
    };
    journal.note(format!("$ {shown}"));
    let no_start =
        |why: &dyn std::fmt::Display| Stop::own(format!("`{name}` cannot be started: {why}; is it installed where Towpath runs?"));
    if !is_there(name, program.dir, &program.env) {
        return Err(no_start(&"there is no such program"));
    }
    let mut child = Command::new(SHELL)
        .args(["-c", BEGIN, "sh", name])
        .args(arguments)
        .current_dir(program.dir)
        .env_clear()
        .envs(program.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| no_start(&e))?;
    let group = Group::record(child.id(), &program.group_file);
    if let Some(mut word) = child.stdin.take() {
        // One that is gone already says so by how it ended.
        let _gone = word.write_all(b"begin\n").await;
    }
    let step = journal.current_step();
    let out = child.stdout.take().map(|pipe| tokio::spawn(copy(pipe, journal.sink(), step.clone(), "stdout")));
    let err = child.stderr.take().map(|pipe| tokio::spawn(copy(pipe, journal.sink(), step, "stderr")));
    let ended = tokio::time::timeout(program.within, child.wait()).await;
    // Whatever it left behind in its group goes with it: pipes held open by a daemon would hold the run.
    group.end();
    for task in [out, err].into_iter().flatten() {
        if task.await.is_err() {
            journal.note("the end of its output is lost");
        }
    }
    match ended {
        Err(_) => Err(Stop::own(format!(
            "`{shown}` took longer than {}s and was ended; raise `{}.timeout` if it needs more",
            program.within.as_secs(),
            program.of
        ))),
        Ok(Err(e)) => Err(Stop::failed(FailureClass::Environment, format!("`{shown}` could not be waited for: {e}"))),
        Ok(Ok(status)) if status.success() => Ok(Ok(())),
        Ok(Ok(status)) => {
            let tail = journal.sink().tail(&journal.current_step(), 3).join(" | ");
            Ok(Err(format!("`{shown}` ended with {status}{}{tail}", if tail.is_empty() { "" } else { ": " })))
        }
    }
}

/// Whether there is a program of this name, as a shell would look for it.
fn is_there(name: &str, dir: &Path, env: &[(String, String)]) -> bool {
    if name.contains('/') {
        return dir.join(name).is_file();
    }
    let path = env.iter().rev().find(|(variable, _)| variable == "PATH").map(|(_, value)| value.as_str());
    // Without one, the shell knows by itself where to look.
    path.is_none_or(|path| std::env::split_paths(path).any(|folder| dir.join(folder).join(name).is_file()))
}

async fn copy(pipe: impl AsyncRead + Unpin, sink: LogSink, step: String, stream: &'static str) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => sink.line(&step, stream, String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r'])),
        }
    }
}

/// A process group, ended when dropped.
struct Group {
    id: Option<u32>,
    file: PathBuf,
}

impl Group {
    fn record(id: Option<u32>, file: &Path) -> Self {
        if let Some(id) = id {
            let written = start_time(id).map(|start| std::fs::write(file, format!("{id} {start}")));
            if !matches!(written, Some(Ok(()))) {
                tracing::warn!(group = id, "the process group of a command could not be written down");
            }
        }
        Self { id, file: file.to_owned() }
    }

    fn end(&self) {
        if let Some(id) = self.id {
            kill_group(id);
        }
        if let Err(error) = std::fs::remove_file(&self.file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the record of a command's process group stays behind");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends what a worker that died left running. A process id that now belongs to somebody else is left alone: its start time differs.
pub(super) fn end_leftover(file: &Path) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    let mut words = text.split(' ');
    if let (Some(Ok(id)), Some(start)) = (words.next().map(str::parse), words.next())
        && start_time(id).as_deref() == Some(start)
    {
        kill_group(id);
    }
}

fn kill_group(id: u32) {
    let pid = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It may be gone already; that is what is wanted.
        let _gone = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

/// A process's start time in clock ticks since boot: field 22 of `/proc/PID/stat`, counted after the name in parentheses.
fn start_time(id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19).map(str::to_owned)
}

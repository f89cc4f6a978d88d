//! Programs that print objects: started with nothing of ours, ended when they take too long or print too much.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use towpath_catalog::Target;
use towpath_domain::FailureClass;
use towpath_secrets::Redactor;

use super::{RenderError, Secrets, Surroundings};

/// How long a program may take. It only computes; what takes longer waits for a network that it should not need.
const WITHIN: Duration = Duration::from_secs(60);

/// The most that a program may print, in bytes.
const OUTPUT_BYTES_MAX: usize = 32 << 20;

/// How much of what it complains about is kept, in bytes.
const COMPLAINT_BYTES_MAX: usize = 64 << 10;

/// What keeps a program from fetching things: objects are made of one commit, and of nothing that may be another tomorrow. Nobody listens at
/// that address.
const NO_NETWORK: [(&str, &str); 9] = [
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("HTTP_PROXY", "http://127.0.0.1:9"),
    ("HTTPS_PROXY", "http://127.0.0.1:9"),
    ("http_proxy", "http://127.0.0.1:9"),
    ("https_proxy", "http://127.0.0.1:9"),
    ("KUBECONFIG", "/dev/null"),
];

/// Variables of the machine's that a program gets.
const KEPT: [&str; 2] = ["PATH", "LANG"];

/// A program that prints objects.
pub(super) struct Tool<'a> {
    /// As it is called, and looked for in `PATH`.
    pub(super) name: &'a str,
    /// Its arguments. What comes from a repository stands behind `--`, or behind `=` of a flag.
    pub(super) arguments: &'a [&'a str],
    /// Where it is started.
    pub(super) dir: &'a Path,
    /// An empty folder that it may take for its home: no plugin, no credential, no setting of the user's is there.
    pub(super) home: &'a Path,
    /// What it reads from its standard input.
    pub(super) input: &'a str,
}

/// How it ended.
enum End {
    Printed(Vec<u8>),
    TooMuch,
    Failed(String, Vec<u8>),
}

impl Tool<'_> {
    /// What it prints. One that is not installed is of the class unknown: people have to install it, trying again does not.
    pub(super) async fn run(&self, around: Surroundings<'_>, target: &Target) -> Result<String, RenderError> {
        let shown = format!("{}: `{} {}`", target.title(), self.name, self.arguments.join(" "));
        let Some(program) = installed(self.name, around.environment) else {
            let message = format!(
                "{}: the program `{}` is not installed where Towpath runs, and its provider needs it; install it (it is looked for in PATH), \
                 or use the provider openshift-template or directory",
                target.title(),
                self.name
            );
            return Err(RenderError { class: FailureClass::Unknown, message });
        };
        match tokio::time::timeout(WITHIN, self.to_its_end(&program, around)).await {
            Err(_) => Err(RenderError::own(format!("{shown} took longer than {} s and was ended", WITHIN.as_secs()))),
            Ok(Err(e)) => Err(RenderError { class: FailureClass::Environment, message: format!("{shown} cannot be run: {e}") }),
            Ok(Ok(End::TooMuch)) => {
                Err(RenderError::own(format!("{shown} printed more than {} MiB and was ended", OUTPUT_BYTES_MAX >> 20)))
            }
            Ok(Ok(End::Failed(status, complaint))) => {
                Err(RenderError::own(format!("{shown} ended with {status}: {}", last_words(&complaint, around.secrets))))
            }
            Ok(Ok(End::Printed(text))) => {
                String::from_utf8(text).map_err(|_| RenderError::own(format!("{shown} printed what is not UTF-8")))
            }
        }
    }

    async fn to_its_end(&self, program: &Path, around: Surroundings<'_>) -> io::Result<End> {
        let kept = around.environment.iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
        let mut child = Command::new(program)
            .args(self.arguments)
            .current_dir(self.dir)
            .env_clear()
            .envs(kept.map(|(name, value)| (name, value)))
            .envs(NO_NETWORK)
            .envs(["HOME", "TMPDIR", "XDG_CONFIG_HOME", "HELM_PLUGINS", "KUSTOMIZE_PLUGIN_HOME"].map(|name| (name, self.home)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let _family = Family::of(&child);
        let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut pipe) = input {
                // A program that does not read to the end says itself what is wrong.
                let _unread = pipe.write_all(self.input.as_bytes()).await;
            }
            Ok(())
        };
        let printed = async {
            let text = kept_of(out, OUTPUT_BYTES_MAX).await?;
            // It need not come to its end first, which may be never.
            if text.len() > OUTPUT_BYTES_MAX { Err(io::Error::from(io::ErrorKind::FileTooLarge)) } else { Ok(text) }
        };
        let complaint = async {
            let mut err = err;
            let text = kept_of(err.as_mut(), COMPLAINT_BYTES_MAX).await?;
            if let Some(mut rest) = err {
                tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
            }
            Ok(text)
        };
        match tokio::try_join!(feed, printed, complaint) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(End::TooMuch),
            Err(error) => Err(error),
            Ok(((), text, complaint)) => {
                let status = child.wait().await?;
                Ok(if status.success() { End::Printed(text) } else { End::Failed(status.to_string(), complaint) })
            }
        }
    }
}

/// A program and all that it started: gone when this is.
struct Family(Option<Pid>);

impl Family {
    fn of(child: &tokio::process::Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Usually there is none left.
            let _gone = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Up to `most` bytes, and one more if there are more.
async fn kept_of(pipe: Option<impl AsyncRead + Unpin>, most: usize) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(most as u64 + 1).read_to_end(&mut kept).await?;
    }
    Ok(kept)
}

/// The last lines of what it complained about. It may quote what it was given.
fn last_words(complaint: &[u8], secrets: Secrets<'_>) -> String {
    let text = String::from_utf8_lossy(complaint);
    let last: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).rev().take(5).collect();
    let last = last.into_iter().rev().collect::<Vec<_>>().join(" | ");
    match secrets {
        Secrets::Values(values) => Redactor::new(values.values()).redact(&last).into_owned(),
        Secrets::Marked(_) | Secrets::Unknown => last,
    }
}

/// The program's file. Folders that are meant from somewhere are passed over: a checkout must not bring programs along.
fn installed(name: &str, environment: &[(String, String)]) -> Option<PathBuf> {
    let path = environment.iter().find(|(variable, _)| variable == "PATH").map(|(_, path)| path.as_str())?;
    let runs = |file: &PathBuf| {
        rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && std::fs::metadata(file).is_ok_and(|about| about.is_file())
    };
    std::env::split_paths(path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(name)).find(runs)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use towpath_secrets::SecretValue;

    use super::*;

    #[test]
    fn what_a_program_quotes_of_its_input_is_hidden() {
        let values = BTreeMap::from([("TOKEN".to_owned(), SecretValue::new("hunter2-hunter2"))]);
        let complaint = b"one\n\ntwo\nError: cannot parse \"hunter2-hunter2\"\n";
        assert_eq!(last_words(complaint, Secrets::Values(&values)), "one | two | Error: cannot parse \"(secret)\"");
    }

    #[test]
    fn programs_are_looked_for_in_absolute_folders_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("helm"), "").unwrap();
        let path = |text: String| [("PATH".to_owned(), text)];
        assert_eq!(installed("helm", &path(dir.path().display().to_string())), None, "nobody may run it");
        assert_eq!(installed("sh", &path(format!(".:{}:/bin", dir.path().display()))), Some(PathBuf::from("/bin/sh")));
        assert_eq!(installed("sh", &path("bin:.".to_owned())), None);
        assert_eq!(installed("sh", &[]), None);
    }
}

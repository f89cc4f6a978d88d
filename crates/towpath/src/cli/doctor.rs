//! `towpath doctor`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use towpath_control::view::Finding;

use super::Shown;
use super::context::{Context, block_on};
use crate::client::Client;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{output, wiring};

/// The oldest Git that has all that Towpath needs (`merge-tree --write-tree`).
const GIT_MIN: (u32, u32) = (2, 38);

/// How long a repository may take to answer.
const REMOTE_TIMEOUT: Duration = Duration::from_secs(15);

/// Says what is well and what is not, and how to mend it. Works without a server, too.
///
/// Exits with 5 when something is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath doctor
  towpath doctor --output json")]
pub(crate) struct Args {
    #[command(flatten)]
    shown: Shown,
}

pub(super) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    if context.asks_elsewhere() {
        let client = context.client()?;
        let findings = block_on(async { Ok(client.doctor().await?) })?;
        return shown(context, &args, &findings);
    }
    let findings = match context.config() {
        Ok(config) => {
            let mut findings = vec![ok("towpath.toml", format!("{} makes sense", config.file.display())), state(&config.state)];
            // A server that answers has looked at all the rest itself, with what it may do and reach.
            match server(&config)? {
                (answer, Some(theirs)) => findings.extend(std::iter::once(answer).chain(theirs)),
                (answer, None) => {
                    findings.extend([answer, git_version(), repository(&config), towpath_control::disk(&config.state)]);
                    findings.extend(match block_on(wiring::offline_clusters(&config)) {
                        Ok(clusters) => clusters,
                        Err(failure) => vec![error("clusters", failure.message, failure.help)],
                    });
                }
            }
            findings
        }
        Err(failure) => vec![error("towpath.toml", failure.message, failure.help), git_version()],
    };
    shown(context, &args, &findings)
}

fn shown(context: &Context, args: &Args, findings: &[Finding]) -> Result<Exit, Failure> {
    context.out.show(args.shown.output, &findings, |findings, look| output::findings::render(findings, look))?;
    Ok(if findings.iter().any(|finding| finding.level == "error") { Exit::Findings } else { Exit::Ok })
}

fn finding(what: &str, level: &str, text: String, mend: String) -> Finding {
    Finding { what: what.to_owned(), level: level.to_owned(), text, mend }
}

fn ok(what: &str, text: String) -> Finding {
    finding(what, "ok", text, String::new())
}

fn error(what: &str, text: impl Into<String>, mend: impl Into<String>) -> Finding {
    finding(what, "error", text.into(), mend.into())
}

fn git_version() -> Finding {
    let (oldest, mend) = (format!("{}.{}", GIT_MIN.0, GIT_MIN.1), format!("install Git {}.{} or newer", GIT_MIN.0, GIT_MIN.1));
    let output = match Command::new("git").arg("--version").output() {
        Ok(output) => output,
        Err(why) => return error("git", format!("git cannot be started: {why}"), mend),
    };
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match version(&text) {
        Some(found) if found >= GIT_MIN => ok("git", text),
        Some(_) => error("git", format!("{text} is older than {oldest}"), mend),
        None => finding("git", "warning", format!("the version cannot be told from {text:?}"), mend),
    }
}

/// `2.47` of `git version 2.47.3 (Apple Git-154)`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split_whitespace().nth(2)?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn repository(config: &Config) -> Finding {
    let what = "config repository";
    let (url, branch) = (&config.repository.url, &config.repository.branch);
    let asked = Command::new("git")
        .args(["ls-remote", "--exit-code", "--heads", "--", url.expose(), &format!("refs/heads/{branch}")])
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mend = format!("see what `git ls-remote {url}` says, and correct [config] in {}", config.file.display());
    let mut child = match asked {
        Ok(child) => child,
        Err(why) => return error(what, format!("git cannot be started: {why}"), "install Git"),
    };
    let deadline = Instant::now() + REMOTE_TIMEOUT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return ok(what, format!("{url} has the branch {branch}")),
            Ok(Some(status)) if status.code() == Some(2) => return error(what, format!("{url} has no branch {branch}"), mend),
            Ok(Some(_)) | Err(_) => return error(what, format!("{url} cannot be reached"), mend),
            Ok(None) if Instant::now() >= deadline => {
                let _ = child.kill();
                let _ = child.wait();
                return error(what, format!("{url} did not answer within {} s", REMOTE_TIMEOUT.as_secs()), mend);
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn state(state: &Path) -> Finding {
    let what = "state directory";
    let Some(folder) = existing(state) else {
        return error(what, format!("{} cannot be made", state.display()), "set [state] directory to a folder that can be written to");
    };
    match tempfile::tempfile_in(folder) {
        Ok(_) if folder == state => ok(what, format!("{} can be written to", state.display())),
        Ok(_) => ok(what, format!("{} is not there yet, and can be made", state.display())),
        Err(why) => error(what, format!("{} cannot be written to: {why}", folder.display()), "give this user the right to write there"),
    }
}

/// The folder itself, or the nearest above it that is there; none when something else stands in its place.
fn existing(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.exists()).filter(|folder| folder.is_dir())
}

/// Whether the server answers, and what it finds itself.
fn server(config: &Config) -> Result<(Finding, Option<Vec<Finding>>), Failure> {
    let client = match Client::find(config) {
        Ok(client) => client,
        Err(why) => {
            let failure = Failure::from(why);
            return Ok((finding("server", "warning", failure.message, failure.help), None));
        }
    };
    block_on(async {
        Ok(match client.doctor().await {
            Ok(theirs) => (ok("server", format!("answers at {}", client.place())), Some(theirs)),
            Err(why) => {
                let failure = Failure::from(why);
                (error("server", failure.message, failure.help), None)
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_versions_are_read_from_what_git_says() {
        assert_eq!(version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(version("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(version("git version 3.0.windows.1"), Some((3, 0)));
        assert_eq!(version("nonsense"), None);
    }

    #[test]
    fn a_state_directory_that_cannot_be_made_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(state(folder.path()).level, "ok");
        assert_eq!(state(&folder.path().join("not/yet")).level, "ok");
        assert_eq!(state(Path::new("/proc/towpath")).level, "error");
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(state(&file).level, "error", "a file stands in its place");
    }
}

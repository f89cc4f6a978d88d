//! What Git says of the service's repository, and the config repository's first commit.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use towpath_domain::{BranchName, GitRef, RepoUrl};

use crate::exit::Exit;
use crate::failure::Failure;

/// The service's repository.
pub(super) struct Remote {
    /// As the catalog names it.
    pub(super) url: String,
    /// Its folder, when it is a work tree on this machine.
    pub(super) folder: Option<PathBuf>,
    /// The branch that is released.
    pub(super) branch: String,
}

/// Looks at the repository: is it there, which branch is its own, and where is that?
pub(super) fn look(source: &str, here: &Path, branch: Option<&str>) -> Result<Remote, Failure> {
    let local = std::fs::canonicalize(here.join(source)).ok().filter(|path| path.is_dir());
    let folder = local.as_ref().and_then(|path| top(path));
    let url = match (&folder, &local) {
        (Some(folder), _) => folder.to_string_lossy().into_owned(),
        (None, Some(path)) => path.to_string_lossy().into_owned(),
        (None, None) => source.to_owned(),
    };
    let shown =
        RepoUrl::new(&url).map_err(|error| Failure::new(Exit::Usage, error.to_string()).help("name a folder or a URL with --source"))?;
    if let Some(branch) = branch
        && !branch.parse::<GitRef>().is_ok_and(|git_ref| git_ref.branch().is_some())
    {
        return Err(Failure::new(Exit::Usage, format!("{branch:?} is no branch's name")).help("name one with --branch"));
    }
    let output = git(here, &["ls-remote", "--symref", "--", &url])?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        let why = why.lines().find(|line| line.starts_with("fatal:")).unwrap_or("git ls-remote failed").replace(&url, &shown.to_string());
        return Err(
            Failure::new(Exit::Failed, format!("{shown} cannot be reached: {why}")).help("correct --source, or see to your access to it")
        );
    }
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let own = listed.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
    let branch = branch.or(own).unwrap_or("main").to_owned();
    let line_end = format!("\trefs/heads/{branch}");
    if listed.lines().any(|line| line.ends_with(&line_end)) {
        return Ok(Remote { url, folder, branch });
    }
    let message = format!("{shown} has no commit on a branch {branch}");
    Err(Failure::new(Exit::Failed, message).help("make a first commit, or name another branch with --branch"))
}

/// The top folder of the work tree that `path` is in.
fn top(path: &Path) -> Option<PathBuf> {
    let output = git(path, &["rev-parse", "--show-toplevel"]).ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let top = std::fs::canonicalize(text.trim_end_matches('\n')).ok()?;
    output.status.success().then_some(top)
}

/// Makes `folder` a repository whose only commit, on `branch`, holds all that is in it.
pub(super) fn first_commit(folder: &Path, branch: &BranchName) -> Result<(), Failure> {
    run(folder, &["-c", &format!("init.defaultBranch={branch}"), "init", "--quiet"])?;
    // Towpath pushes to the branch that is checked out here; the files follow, as long as nobody has changed them meanwhile.
    run(folder, &["config", "receive.denyCurrentBranch", "updateInstead"])?;
    run(folder, &["add", "--all"])?;
    let mut commit = vec!["commit", "--quiet", "--no-verify", "--message", "Config for Towpath"];
    let identity = ["-c", "user.name=Towpath", "-c", "user.email=towpath@localhost"];
    let known = git(folder, &["var", "GIT_COMMITTER_IDENT"]).is_ok_and(|output| output.status.success());
    if !known {
        commit.splice(0..0, identity);
    }
    commit.splice(0..0, ["-c", "commit.gpgSign=false"]);
    run(folder, &commit)
}

fn run(folder: &Path, args: &[&str]) -> Result<(), Failure> {
    let output = git(folder, args)?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(Exit::Failed, format!("git could not make the config repository: {why}")).help("see what Git says, and try again"))
}

fn git(folder: &Path, args: &[&str]) -> Result<Output, Failure> {
    let output = Command::new("git").args(args).current_dir(folder).env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").output();
    output.map_err(|error| Failure::new(Exit::Failed, format!("git cannot be started: {error}")).help("install Git 2.38 or newer"))
}

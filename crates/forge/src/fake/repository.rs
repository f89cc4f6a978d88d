//! The bare repository that a fake forge is about: a real one, which people and Towpath push to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The hook that refuses pushes to branches which the file `protected` names, in the words that it holds. Pushes alone ask it: what
/// the forge itself does is not asked.
const HOOK: &str = r#"#!/bin/sh
[ -f protected ] || exit 0
while read -r name words; do
    if [ "$1" = "refs/heads/$name" ]; then echo "$words" >&2; exit 1; fi
done < protected
exit 0
"#;

/// A bare repository on disk.
#[derive(Debug)]
pub struct Repository {
    folder: PathBuf,
    /// What was found out of commits, which never change: a fake looks at its repository at every request.
    known: Mutex<BTreeMap<(String, String), bool>>,
}

impl Repository {
    /// The one in this folder, which is there already. It gets a hook of the fake's.
    ///
    /// # Panics
    /// When the folder cannot be written.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let repository = Self { folder: folder.to_owned(), known: Mutex::default() };
        let hook = folder.join("hooks/update");
        let written = std::fs::create_dir_all(folder.join("hooks"))
            .and_then(|()| std::fs::write(&hook, HOOK))
            .and_then(|()| std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)));
        assert!(written.is_ok(), "{}: {written:?}", hook.display());
        repository
    }

    /// Refuses pushes to `branch` in these words, or takes them again.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn protect(&self, branch: &str, words: Option<&str>) {
        let text = words.map(|words| format!("{branch} {words}\n")).unwrap_or_default();
        let written = std::fs::write(self.folder.join("protected"), text);
        assert!(written.is_ok(), "{}: {written:?}", self.folder.display());
    }

    /// Whether there is such a commit.
    #[must_use]
    pub fn has(&self, commit: &str) -> bool {
        self.find_out(commit, "", || self.run(&["cat-file", "-e", &format!("{commit}^{{commit}}")], None).is_some())
    }

    /// The head of a branch.
    #[must_use]
    pub fn head(&self, branch: &str) -> Option<String> {
        let name = format!("refs/heads/{branch}");
        if let Ok(loose) = std::fs::read_to_string(self.folder.join(&name)) {
            return Some(loose.trim().to_owned());
        }
        let packed = std::fs::read_to_string(self.folder.join("packed-refs")).ok()?;
        packed.lines().find_map(|line| line.split_once(' ').filter(|(_, packed)| *packed == name).map(|(commit, _)| commit.to_owned()))
    }

    /// Whether `descendant` holds `ancestor`.
    #[must_use]
    pub fn holds(&self, descendant: &str, ancestor: &str) -> bool {
        self.find_out(descendant, ancestor, || self.run(&["merge-base", "--is-ancestor", ancestor, descendant], None).is_some())
    }

    fn find_out(&self, one: &str, other: &str, ask: impl FnOnce() -> bool) -> bool {
        let key = (one.to_owned(), other.to_owned());
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&key) {
            return *known;
        }
        let found = ask();
        // A commit that is not there may come.
        if found || !other.is_empty() {
            known().insert(key, found);
        }
        found
    }

    /// The commit along `branch` that brought `head` in: the oldest that holds it.
    #[must_use]
    pub fn brought_in_by(&self, branch: &str, head: &str) -> Option<String> {
        let line = self.run(&["rev-list", "--first-parent", "--ancestry-path", &format!("{head}..refs/heads/{branch}")], None)?;
        line.lines().last().filter(|last| !last.is_empty()).map(str::to_owned).or_else(|| self.head(branch).filter(|tip| tip == head))
    }

    /// Merges `head` into `branch` by a merge commit; or makes one that leaves all as it is, if it shall be `wrong`.
    ///
    /// # Errors
    /// They conflict, or one is not there.
    pub fn merge(&self, branch: &str, head: &str, message: &str, wrong: bool) -> Result<String, String> {
        let base = self.head(branch).ok_or("the branch is gone")?;
        let tree = self.run(&["merge-tree", "--write-tree", &base, head], None).ok_or("merge conflict")?;
        let unchanged = format!("{base}^{{tree}}");
        let tree = if wrong { &unchanged } else { tree.lines().next().unwrap_or_default() };
        let made = self.run(&["commit-tree", tree, "-p", &base, "-p", head, "-F", "-"], Some(message)).ok_or("no commit")?;
        self.set(branch, &made, Some(&base)).then_some(made).ok_or_else(|| "the branch moved".to_owned())
    }

    /// Sets a branch to a commit, if it is what it is expected to be.
    #[must_use]
    pub fn set(&self, branch: &str, commit: &str, expected: Option<&str>) -> bool {
        let name = format!("refs/heads/{branch}");
        let mut args = vec!["update-ref", &name, commit];
        args.extend(expected);
        self.run(&args, None).is_some()
    }

    /// Brings a ref of whatever kind to a commit that is here; one that is not leaves it as it is.
    pub fn set_ref(&self, name: &str, commit: &str) {
        let _there = self.run(&["update-ref", name, commit], None);
    }

    /// Takes in what `branch` of another repository is, under this ref; the commit.
    ///
    /// # Panics
    /// When there is no such branch.
    #[must_use]
    pub fn take_in(&self, other: &Path, branch: &str, name: &str) -> String {
        let (other, refspec) = (other.display().to_string(), format!("+refs/heads/{branch}:{name}"));
        let taken = self.run(&["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", &other, &refspec], None);
        let commit = taken.and_then(|_| self.run(&["rev-parse", "--verify", name], None));
        assert!(commit.is_some(), "{other} has no branch {branch}");
        commit.unwrap_or_default()
    }

    /// Whether any branch holds a commit.
    #[must_use]
    pub fn is_on_a_branch(&self, commit: &str) -> bool {
        self.run(&["for-each-ref", "--count=1", "--format=%(refname)", "--contains", commit, "refs/heads/"], None)
            .is_some_and(|found| !found.is_empty())
    }

    /// What git prints, if it ends well.
    fn run(&self, args: &[&str], input: Option<&str>) -> Option<String> {
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(&self.folder).args(args).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.envs([("GIT_AUTHOR_NAME", "Forge"), ("GIT_AUTHOR_EMAIL", "forge@example.com")]);
        command.envs([("GIT_COMMITTER_NAME", "Forge"), ("GIT_COMMITTER_EMAIL", "forge@example.com")]);
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() }).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            std::io::Write::write_all(&mut stdin, input.as_bytes()).ok()?;
        }
        let output = child.wait_with_output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

//! A laboratory: a home of its own, a bare remote, and people who push to it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use towpath_domain::{BranchName, CommitId, RepoUrl, Timestamp};
use towpath_git::{CommitRequest, Edit, Git, Identity, Mirror, Settings};

pub struct Lab {
    folder: TempDir,
}

impl Lab {
    /// A lab with an empty bare remote.
    pub fn new() -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(lab.path("home")).unwrap();
        lab.run(&["init", "--quiet", "--bare", "--initial-branch=main", "remote.git"]);
        lab.run(&["init", "--quiet", "--initial-branch=main", "people"]);
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn home(&self) -> (String, String) {
        ("HOME".to_owned(), self.path("home").display().to_string())
    }

    /// Runs git as people do; its output.
    pub fn run(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.folder.path())
            .envs([("HOME", self.path("home").to_str().unwrap()), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_AUTHOR_DATE", "@1700000000 +0000")])
            .envs([("GIT_COMMITTER_DATE", "@1700000000 +0000"), ("GIT_AUTHOR_NAME", "Ann"), ("GIT_AUTHOR_EMAIL", "ann@example.com")])
            .envs([("GIT_COMMITTER_NAME", "Ann"), ("GIT_COMMITTER_EMAIL", "ann@example.com")])
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// People write files (a content that begins with `-> ` is a link), commit, and push to `branch`.
    pub fn people_push(&self, branch: &str, files: &[(&str, &str)]) -> CommitId {
        for (path, content) in files {
            let at = self.path("people").join(path);
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            match content.strip_prefix("-> ") {
                Some(target) => std::os::unix::fs::symlink(target, &at).unwrap(),
                None => std::fs::write(&at, content).unwrap(),
            }
        }
        self.run(&["-C", "people", "add", "--all"]);
        self.run(&["-C", "people", "commit", "--quiet", "--allow-empty", "--message", &format!("Change of {branch}")]);
        self.run(&["-C", "people", "push", "--quiet", "--force", "../remote.git", &format!("HEAD:refs/heads/{branch}")]);
        self.run(&["-C", "people", "rev-parse", "HEAD"]).parse().unwrap()
    }

    pub fn remote_head(&self, branch: &str) -> Option<CommitId> {
        let refs = self.run(&["--git-dir=remote.git", "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)"]);
        refs.lines().find_map(|line| line.split_once(' ').filter(|(_, name)| *name == branch).map(|(id, _)| id.parse().unwrap()))
    }

    pub fn git(&self) -> Git {
        self.git_with(&[])
    }

    pub fn git_with(&self, env: &[(&str, &str)]) -> Git {
        let mut settings = Settings::new(towpath());
        settings.extra_env = vec![self.home(), ("GIT_CONFIG_NOSYSTEM".to_owned(), "1".to_owned())];
        settings.extra_env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Git::new(settings)
    }

    pub fn url(&self) -> RepoUrl {
        RepoUrl::new(self.path("remote.git").to_str().unwrap()).unwrap()
    }

    pub fn file_url(&self) -> RepoUrl {
        RepoUrl::new(format!("file://{}", self.path("remote.git").display())).unwrap()
    }

    /// A mirror of the remote, up to date.
    pub async fn mirror(&self, name: &str) -> Mirror {
        let mirror = Mirror::open(&self.git(), self.path(name), &self.url()).await.unwrap();
        mirror.fetch().await.unwrap();
        mirror
    }
}

pub fn towpath() -> Identity {
    Identity::new("Towpath", "towpath@example.com").unwrap()
}

pub fn branch(name: &str) -> BranchName {
    BranchName::new(name).unwrap()
}

pub fn edit(path: &str, content: &str) -> Edit {
    Edit { path: path.to_owned(), content: Some(content.as_bytes().to_vec()) }
}

/// A commit on `base` that makes `edits`.
pub fn request(base: CommitId, edits: Vec<Edit>) -> CommitRequest {
    CommitRequest {
        parents: vec![base],
        base_tree_of: Some(base),
        edits,
        message: "Promote web to stage\n\nSee the ledger.".to_owned(),
        author: towpath(),
        committer: towpath(),
        at: Timestamp::from_millis(1_700_000_123_456),
    }
}

pub fn nobody() -> CommitId {
    "1".repeat(40).parse().unwrap()
}

pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

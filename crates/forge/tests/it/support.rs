//! A laboratory: a home of its own, a bare config repository, and people who push to it.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use towpath_domain::{BranchName, ChangeId, CommitId, RepoUrl, Timestamp};
use towpath_forge::{Edit, Forge, Identity, MergeOrder, MergeResult, PlainGit, Proposal, Proposed};
use towpath_git::{Git, Mirror, Settings};

pub struct Lab {
    folder: TempDir,
}

impl Lab {
    pub fn new() -> Self {
        let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(lab.path("home")).unwrap();
        lab.run(&["init", "--quiet", "--bare", "--initial-branch=main", "config.git"]);
        lab.run(&["init", "--quiet", "--initial-branch=main", "people"]);
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn run(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.folder.path())
            .envs([("HOME", self.path("home").to_str().unwrap()), ("GIT_CONFIG_NOSYSTEM", "1")])
            .envs([("GIT_AUTHOR_NAME", "Ann"), ("GIT_AUTHOR_EMAIL", "ann@example.com")])
            .envs([("GIT_COMMITTER_NAME", "Ann"), ("GIT_COMMITTER_EMAIL", "ann@example.com")])
            .envs([("GIT_AUTHOR_DATE", "@1700000000 +0000"), ("GIT_COMMITTER_DATE", "@1700000000 +0000")])
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// People commit `path` with `content` on top of what `branch` is now, and push.
    pub fn people_push(&self, branch: &str, path: &str, content: &str) -> CommitId {
        let commit = self.people_commit(branch, path, content);
        self.run(&["-C", "people", "push", "--quiet", "../config.git", &format!("HEAD:refs/heads/{branch}")]);
        commit
    }

    /// The same on a branch that takes no push: it comes in some other way.
    pub fn people_bring(&self, branch: &str, path: &str, content: &str) -> CommitId {
        let commit = self.people_commit(branch, path, content);
        self.run(&["--git-dir=config.git", "fetch", "--quiet", "./people", &format!("HEAD:refs/heads/{branch}")]);
        commit
    }

    /// Somebody commits `path` with `content` to `branch` of their fork, a repository of its own in the folder `fork`, which begins at what `main`
    /// is now.
    pub fn fork_commit(&self, branch: &str, path: &str, content: &str) -> CommitId {
        if !self.path("fork").exists() {
            self.run(&["clone", "--quiet", "--no-hardlinks", "config.git", "fork"]);
            self.run(&["-C", "fork", "checkout", "--quiet", "-B", branch]);
        }
        std::fs::write(self.path("fork").join(path), content).unwrap();
        self.run(&["-C", "fork", "add", "--all"]);
        self.run(&["-C", "fork", "commit", "--quiet", "--message", &format!("Edit {path} in a fork")]);
        self.run(&["-C", "fork", "rev-parse", "HEAD"]).parse().unwrap()
    }

    fn people_commit(&self, branch: &str, path: &str, content: &str) -> CommitId {
        if self.head(branch).is_some() {
            self.run(&["-C", "people", "fetch", "--quiet", "../config.git", branch]);
            self.run(&["-C", "people", "reset", "--quiet", "--hard", "FETCH_HEAD"]);
        }
        std::fs::write(self.path("people").join(path), content).unwrap();
        self.run(&["-C", "people", "add", "--all"]);
        self.run(&["-C", "people", "commit", "--quiet", "--message", &format!("Edit {path}")]);
        self.run(&["-C", "people", "rev-parse", "HEAD"]).parse().unwrap()
    }

    /// What a branch of the config repository is now.
    pub fn head(&self, branch: &str) -> Option<CommitId> {
        let refs = self.run(&["--git-dir=config.git", "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)"]);
        refs.lines().find_map(|line| line.split_once(' ').filter(|(_, name)| *name == branch).map(|(id, _)| id.parse().unwrap()))
    }

    /// A file's content on a branch of the config repository.
    pub fn content(&self, branch: &str, path: &str) -> String {
        self.run(&["--git-dir=config.git", "show", &format!("{branch}:{path}")])
    }

    /// A forge with a mirror of its own: another name is another process.
    pub async fn forge(&self, name: &str) -> PlainGit {
        self.forge_at(name, &self.path("config.git").display().to_string()).await
    }

    /// The same, by a way to the repository that is another than its folder.
    pub async fn forge_at(&self, name: &str, url: &str) -> PlainGit {
        let mut settings = Settings::new(towpath());
        settings.extra_env =
            vec![("HOME".to_owned(), self.path("home").display().to_string()), ("GIT_CONFIG_NOSYSTEM".to_owned(), "1".to_owned())];
        let url = RepoUrl::new(url).unwrap();
        let mirror = Mirror::open(&Git::new(settings), self.path(name), &url).await.unwrap();
        PlainGit::new(mirror, BranchName::new("main").unwrap())
    }
}

pub fn towpath() -> Identity {
    Identity::new("Towpath", "towpath@example.com").unwrap()
}

pub fn id(name: &str) -> ChangeId {
    ChangeId::new(name).unwrap()
}

/// A proposal that sets `path` to `content`.
pub fn proposal(name: &str, base: CommitId, path: &str, content: &str) -> Proposal {
    Proposal {
        id: id(name),
        base,
        edits: vec![Edit { path: path.to_owned(), content: Some(content.as_bytes().to_vec()) }],
        title: "Promote web to production".to_owned(),
        description: "Every channel vouches for it.".to_owned(),
        page: None,
        labels: Vec::new(),
        author: Identity::new("Ann Author", "author@example.com").unwrap(),
        at: Timestamp::from_millis(1_700_000_500_000),
    }
}

/// Proposes, and expects it to be open.
pub async fn open(forge: &dyn Forge, proposal: &Proposal) -> CommitId {
    match forge.propose(proposal).await.unwrap() {
        Proposed::Open { head } => head,
        other => panic!("not open: {other:?}"),
    }
}

/// The order to merge a change that merges cleanly now.
pub async fn order(forge: &dyn Forge, name: &str, head: CommitId) -> MergeOrder {
    match forge.merged_result(&id(name), head).await.unwrap() {
        MergeResult::Clean { base, commit } => MergeOrder { id: id(name), base, head, commit },
        other => panic!("not clean: {other:?}"),
    }
}

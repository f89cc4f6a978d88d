//! A generated config repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use towpath_catalog::generate::{Shape, tree_of};

/// A bare repository and a clone of it to commit in.
pub struct Repository {
    pub bare: PathBuf,
    pub work: PathBuf,
    pub files: usize,
    /// Files that a small commit may change: a saas file of one service each.
    saas_files: Vec<PathBuf>,
    changed: std::cell::Cell<usize>,
}

/// Makes it below `folder`.
pub fn make(folder: &Path, services: usize) -> Repository {
    let (bare, work) = (folder.join("config.git"), folder.join("config"));
    let files = tree_of(Shape { sources: true, ..Shape::of(services) });
    let mut saas_files = Vec::new();
    for file in &files {
        let path = work.join(&*file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &file.bytes).unwrap();
        if path.ends_with("deploy.yml") {
            saas_files.push(path);
        }
    }
    git(folder, &["init", "--quiet", "--bare", "--initial-branch=main", "config.git"]);
    git(&work, &["init", "--quiet", "--initial-branch=main"]);
    git(&work, &["remote", "add", "origin", bare.to_str().unwrap()]);
    let made = Repository { bare, work, files: files.len(), saas_files, changed: std::cell::Cell::new(0) };
    made.commit();
    made
}

impl Repository {
    /// Commits a change of one value in one file; the new head.
    pub fn small_commit(&self) -> String {
        let at = self.changed.replace(self.changed.get() + 1);
        let file = &self.saas_files[at * 37 % self.saas_files.len()];
        let text = std::fs::read_to_string(file).unwrap().replace("REPLICAS: ", "REPLICAS: 1");
        std::fs::write(file, text).unwrap();
        self.commit()
    }

    fn commit(&self) -> String {
        git(&self.work, &["add", "--all"]);
        git(&self.work, &["commit", "--quiet", "--message", "A change"]);
        git(&self.work, &["push", "--quiet", "origin", "main"]);
        git(&self.work, &["rev-parse", "HEAD"])
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgSign=false", "-c", "gc.auto=0"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("git can be started");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

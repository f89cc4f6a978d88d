//! The sources: a small bare repository for each app, with all its commits.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use super::apps::App;
use super::{git, said};

/// What all commits hold beside a file that differs.
const FILES: [(&str, &str); 2] = [("deploy/template.yml", include_str!("template.yml")), ("deploy/smoke.yml", include_str!("smoke.yml"))];

/// Makes them below `folder`, and writes down the commits' ids.
pub(super) fn make(folder: &Path, apps: &mut [App]) {
    for app in apps {
        let name = format!("{}.git", app.name);
        said(git(folder, &["init", "--quiet", "--bare", "--template=", "--initial-branch=main", &name]));
        let bare = folder.join(name);
        let mut import = git(&bare, &["fast-import", "--quiet"]);
        let mut import = import.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("git can be started");
        import.stdin.take().expect("a pipe was asked for").write_all(stream(app).as_bytes()).expect("git reads what it is told");
        assert!(import.wait().expect("git ends").success(), "git fast-import of {}", app.name);
        let ids = said(git(&bare, &["rev-list", "--reverse", "--first-parent", "main"]));
        for (commit, id) in app.commits.iter_mut().zip(ids.lines()) {
            commit.id = id.parse().expect("git prints ids");
        }
    }
}

/// What `git fast-import` reads.
fn stream(app: &App) -> String {
    let mut text = String::new();
    for (number, commit) in app.commits.iter().enumerate() {
        let at = commit.at.as_millis() / 1000;
        let mail = commit.author.split(' ').next().unwrap_or_default().to_lowercase();
        let who = format!("{} <{mail}@example.com> {at} +0000", commit.author);
        let message = format!("{}\n", commit.subject);
        let _ = write!(text, "commit refs/heads/main\nauthor {who}\ncommitter {who}\ndata {}\n{message}\n", message.len());
        if number == 0 {
            for (path, content) in FILES {
                let content = content.replace("@NAME@", &app.name);
                let _ = write!(text, "M 644 inline {path}\ndata {}\n{content}\n", content.len());
            }
        }
        let content = format!("{} {}\n", app.name, number + 1);
        let _ = write!(text, "M 644 inline CHANGES\ndata {}\n{content}\n", content.len());
    }
    text
}

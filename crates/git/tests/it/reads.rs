use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use towpath_git::{EntryKind, GitError, OutsideLinks};

use crate::support::{Lab, branch, exists, nobody};

#[tokio::test]
async fn files_are_listed_and_read_whatever_they_are_called() {
    let lab = Lab::new();
    let odd = "data/a b/ü\nnew\t\"line\".yml";
    let head = lab.people_push("main", &[("data/-x", "dash"), (odd, "odd"), ("other", "no"), ("data/l", "-> -x")]);
    let mirror = lab.mirror("m").await;
    let listed = mirror.list_tree(head, "data").await.unwrap();
    let shown: Vec<_> = listed.iter().map(|entry| (entry.path.as_str(), entry.kind, entry.size)).collect();
    assert_eq!(shown, [("data/-x", EntryKind::File, 4), (odd, EntryKind::File, 3), ("data/l", EntryKind::Symlink, 2)]);
    assert_eq!(mirror.read_file(head, odd).await.unwrap().as_deref(), Some(&b"odd"[..]));
    assert_eq!(mirror.read_file(head, "data/-x").await.unwrap().as_deref(), Some(&b"dash"[..]));
    assert_eq!(mirror.read_file(head, "data/none").await.unwrap(), None);
    assert_eq!(mirror.read_file(head, "other/below").await.unwrap(), None);
    assert_eq!(mirror.list_tree(head, "none").await.unwrap(), []);
    assert_eq!(mirror.list_tree(head, "").await.unwrap().len(), 4);
    assert!(matches!(mirror.list_tree(nobody(), "").await, Err(GitError::NotFound { .. })));
    assert!(matches!(mirror.read_file(nobody(), "a").await, Err(GitError::NotFound { .. })));
}

#[tokio::test]
async fn a_path_that_leaves_the_repository_or_goes_through_a_link_is_refused() {
    let lab = Lab::new();
    let head = lab.people_push("main", &[("d/f", "1"), ("out", "-> /etc/passwd"), ("dir", "-> d"), ("etc", "-> /etc")]);
    let mirror = lab.mirror("m").await;
    for path in ["../secret", "/etc/passwd", "d/../../x", "d//f", ".git/config"] {
        assert!(matches!(mirror.read_file(head, path).await, Err(GitError::BadInput { .. })), "{path}");
    }
    for path in ["out", "dir/f", "etc/passwd"] {
        let error = mirror.read_file(head, path).await.unwrap_err();
        assert!(matches!(error, GitError::Symlink { .. }) && error.to_string().contains(path), "{path}: {error}");
    }
    assert!(matches!(mirror.list_tree(head, "dir").await, Err(GitError::Symlink { .. })));
    assert!(matches!(mirror.read_file(head, "d").await, Err(GitError::BadInput { .. })), "a folder is no file");
}

#[tokio::test]
async fn two_commits_with_the_same_files_have_the_same_tree() {
    let lab = Lab::new();
    let one = lab.people_push("main", &[("a", "1")]);
    let other = lab.people_push("main", &[("a", "2")]);
    let back = lab.people_push("main", &[("a", "1")]);
    let mirror = lab.mirror("m").await;
    let tree = async |commit| mirror.tree_of(commit).await.unwrap();
    assert_eq!(tree(one).await, tree(back).await);
    assert_ne!(tree(one).await, tree(other).await);
    assert!(matches!(mirror.tree_of(nobody()).await, Err(GitError::NotFound { .. })));
}

#[tokio::test]
async fn history_is_told_along_first_parents_and_in_ranges() {
    let lab = Lab::new();
    let one = lab.people_push("main", &[("a", "1")]);
    let side = lab.people_push("side", &[("b", "1")]);
    lab.run(&["-C", "people", "checkout", "--quiet", "-B", "main", &one.to_string()]);
    lab.run(&["-C", "people", "merge", "--quiet", "--no-ff", "--message", "Merge side: ümläut\n\nBody", &side.to_string()]);
    let merge = lab.people_push("main", &[]);
    let mirror = lab.mirror("m").await;
    let first_parents = mirror.first_parent(merge, 10).await.unwrap();
    let ids: Vec<_> = first_parents.iter().map(|commit| commit.id).collect();
    let real_merge = first_parents[1].id;
    assert_eq!(ids, [merge, real_merge, one]);
    assert_eq!(first_parents[1].subject, "Merge side: ümläut");
    assert_eq!(first_parents[1].parents, [one, side]);
    assert_eq!((first_parents[2].author_name.as_str(), first_parents[2].author_email.as_str()), ("Ann", "ann@example.com"));
    assert_eq!(first_parents[2].committed_at.as_millis(), 1_700_000_000_000);
    assert_eq!(mirror.first_parent(merge, 2).await.unwrap().len(), 2);
    let range: Vec<_> = mirror.log_range(one, merge, 10).await.unwrap().iter().map(|commit| commit.id).collect();
    assert_eq!(range, [merge, real_merge, side]);
    assert!(mirror.is_ancestor(side, merge).await.unwrap() && !mirror.is_ancestor(merge, side).await.unwrap());
    assert_eq!(mirror.merge_base(side, one).await.unwrap(), Some(one));
    assert_eq!(mirror.diff_names(one, merge).await.unwrap(), ["b"]);
    assert!(matches!(mirror.is_ancestor(nobody(), merge).await, Err(GitError::NotFound { .. })));
}

#[tokio::test]
async fn an_export_is_the_commits_files_and_nothing_else() {
    let lab = Lab::new();
    lab.people_push("main", &[("bin/run me", "#!/bin/sh\n"), ("l", "-> bin/run me"), (".gitattributes", "*.txt text\n"), ("a.txt", "1\n")]);
    fs::set_permissions(lab.path("people/bin/run me"), fs::Permissions::from_mode(0o755)).unwrap();
    let head = lab.people_push("main", &[]);
    let mirror = lab.mirror("m").await;
    let dest = lab.path("out/of here");
    // What an export that was cut short left behind.
    fs::create_dir_all(lab.path("out/.of here.partial/stale")).unwrap();
    mirror.export(head, &dest, OutsideLinks::Refuse).await.unwrap();
    let mut names: Vec<_> = fs::read_dir(&dest).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [".gitattributes", "a.txt", "bin", "l"]);
    assert_eq!(fs::read_to_string(dest.join("l")).unwrap(), "#!/bin/sh\n");
    assert_ne!(fs::metadata(dest.join("bin/run me")).unwrap().permissions().mode() & 0o100, 0);
    assert!(!exists(&lab.path("out/.of here.partial")));
    let error = mirror.export(head, &dest, OutsideLinks::Refuse).await.unwrap_err();
    assert!(matches!(error, GitError::Io { .. }), "a folder that holds something is never written over: {error:?}");
}

#[tokio::test]
async fn an_export_with_a_link_out_of_the_repository_is_refused_unless_asked_for() {
    let lab = Lab::new();
    let head = lab.people_push("main", &[("a", "1"), ("d/secret", "-> ../../../etc/passwd")]);
    let mirror = lab.mirror("m").await;
    let error = mirror.export(head, &lab.path("out"), OutsideLinks::Refuse).await.unwrap_err();
    assert!(matches!(&error, GitError::Symlink { path, .. } if path == "d/secret"), "{error:?}");
    assert!(!exists(&lab.path("out")));
    mirror.export(head, &lab.path("out"), OutsideLinks::Keep).await.unwrap();
    assert!(exists(&lab.path("out/d/secret")));
}

#[tokio::test]
async fn sixteen_thousand_files_are_read_by_one_process() {
    let lab = Lab::new();
    // By fast-import: writing that many files one by one would take longer than all that is tested.
    let mut stream = String::from("commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\n");
    for at in 0..16_000 {
        let content = format!("number: {at}\n");
        stream.push_str(&format!("M 100644 inline data/{}/{at}.yml\ndata {}\n{content}\n", at % 100, content.len()));
    }
    let mut import = std::process::Command::new("git")
        .args(["--git-dir", lab.path("remote.git").to_str().unwrap(), "fast-import", "--quiet"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut import.stdin.take().unwrap(), stream.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
    let mirror = lab.mirror("m").await;
    let head = mirror.resolve(&branch("main")).await.unwrap().unwrap();
    let started = Instant::now();
    let entries = mirror.list_tree(head, "data").await.unwrap();
    let listed = started.elapsed();
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    let contents = mirror.read_blobs(&ids).await.unwrap();
    let read = started.elapsed() - listed;
    assert_eq!(contents.len(), 16_000);
    for (entry, content) in entries.iter().zip(&contents) {
        let number = entry.path.rsplit('/').next().unwrap().trim_end_matches(".yml");
        assert_eq!(content, format!("number: {number}\n").as_bytes());
    }
    eprintln!("listed in {listed:?}, read in {read:?}");
    // Far above what it takes, far below what a process a file would: 16,000 of those are half a minute.
    assert!(listed + read < Duration::from_secs(8), "{listed:?} {read:?}");
}

use std::fs;
use std::os::unix::fs::PermissionsExt;

use towpath_domain::Timestamp;
use towpath_git::{CommitRequest, Edit, GitError, MergeRequest, Merged};

use crate::support::{Lab, edit, nobody, request, towpath};

#[tokio::test]
async fn a_commit_changes_what_it_says_and_nothing_else() {
    let lab = Lab::new();
    lab.people_push("main", &[("keep", "1"), ("run", "old"), ("gone", "x"), ("d/f", "a\r\n")]);
    fs::set_permissions(lab.path("people/run"), fs::Permissions::from_mode(0o755)).unwrap();
    let base = lab.people_push("main", &[]);
    let mirror = lab.mirror("m").await;
    let edits = vec![
        edit("run", "new"),
        edit("d/f", "b\r\n"),
        edit("n e w/ü\n.yml", "fresh"),
        Edit { path: "gone".to_owned(), content: None },
        Edit { path: "never/was".to_owned(), content: None },
    ];
    let commit = mirror.commit(&request(base, edits)).await.unwrap();
    assert_eq!(mirror.diff_names(base, commit).await.unwrap(), ["d/f", "gone", "n e w/ü\n.yml", "run"]);
    assert_eq!(mirror.read_file(commit, "d/f").await.unwrap().as_deref(), Some(&b"b\r\n"[..]), "line ends stay");
    let run = mirror.list_tree(commit, "").await.unwrap().into_iter().find(|entry| entry.path == "run").unwrap();
    assert_eq!(run.kind, towpath_git::EntryKind::Executable, "what could be executed still can");
    let info = mirror.commit_info(commit).await.unwrap();
    assert_eq!(
        (info.subject.as_str(), info.author_name.as_str(), info.parents.as_slice()),
        ("Promote web to stage", "Towpath", &[base][..])
    );
    assert_eq!(info.committed_at, Timestamp::from_millis(1_700_000_123_000));
}

#[tokio::test]
async fn the_same_request_is_the_same_commit_in_every_mirror_and_under_every_configuration() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("a", "1")]);
    let edits = vec![edit("a", "2\n"), edit("b", "3")];
    let here = lab.mirror("m1").await.commit(&request(base, edits.clone())).await.unwrap();
    fs::write(
        lab.path("home/.gitconfig"),
        "[user]\n\tname = Someone\n[commit]\n\tgpgSign = true\n[core]\n\tautocrlf = true\n[i18n]\n\tcommitEncoding = latin1\n",
    )
    .unwrap();
    let there = lab.mirror("m2").await;
    assert_eq!(there.commit(&request(base, edits.clone())).await.unwrap(), here);
    assert_eq!(there.commit(&request(base, edits.clone())).await.unwrap(), here, "doing it again finds it done");
    let mut later = request(base, edits);
    later.at = Timestamp::from_millis(1_700_000_125_000);
    assert_ne!(there.commit(&later).await.unwrap(), here);
}

#[tokio::test]
async fn the_first_commit_of_a_repository_starts_from_nothing() {
    let lab = Lab::new();
    let mirror = lab.mirror("m").await;
    let first = CommitRequest { parents: vec![], base_tree_of: None, ..request(nobody(), vec![edit("data/a.yml", "a: 1\n")]) };
    let commit = mirror.commit(&first).await.unwrap();
    assert_eq!(mirror.list_tree(commit, "").await.unwrap().len(), 1);
}

#[tokio::test]
async fn edits_that_make_no_sense_are_refused_by_name() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("f", "1"), ("d/g", "1"), ("l", "-> /etc/passwd"), ("dl", "-> d")]);
    let mirror = lab.mirror("m").await;
    for path in ["../x", "/x", "", ".git/hooks/post-checkout", "d", "f/below"] {
        let error = mirror.commit(&request(base, vec![edit(path, "x")])).await.unwrap_err();
        assert!(matches!(error, GitError::BadInput { .. }), "{path}: {error:?}");
    }
    for path in ["l", "dl/g"] {
        let error = mirror.commit(&request(base, vec![edit(path, "x")])).await.unwrap_err();
        assert!(matches!(error, GitError::Symlink { .. }), "{path}: {error:?}");
    }
    let twice = mirror.commit(&request(base, vec![edit("f", "2"), edit("f", "3")])).await.unwrap_err();
    assert!(matches!(twice, GitError::BadInput { .. }), "{twice:?}");
    assert!(matches!(mirror.commit(&request(nobody(), vec![])).await, Err(GitError::NotFound { .. })));
    let mut silent = request(base, vec![edit("f", "2")]);
    silent.message = " \n".to_owned();
    assert!(matches!(mirror.commit(&silent).await, Err(GitError::BadInput { .. })));
}

#[tokio::test]
async fn a_merge_joins_both_sides_and_is_always_the_same_commit() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("a", "1\n"), ("b", "1\n"), ("old", "one\ntwo\nthree\nfour\n")]);
    fs::rename(lab.path("people/old"), lab.path("people/new")).unwrap();
    let main = lab.people_push("main", &[("a", "2\n")]);
    let mirror = lab.mirror("m").await;
    let head = mirror.commit(&request(base, vec![edit("b", "2\n"), edit("old", "one\ntwo\nthree\n4\n")])).await.unwrap();
    let merge =
        MergeRequest { base: main, head, message: "Merge it".to_owned(), who: towpath(), at: Timestamp::from_millis(1_700_000_000_000) };
    let Merged::Commit(merged) = mirror.merge_commit(&merge).await.unwrap() else { panic!("a conflict") };
    assert_eq!(mirror.commit_info(merged).await.unwrap().parents, [main, head]);
    assert_eq!(mirror.read_file(merged, "a").await.unwrap().as_deref(), Some(&b"2\n"[..]));
    assert_eq!(mirror.read_file(merged, "b").await.unwrap().as_deref(), Some(&b"2\n"[..]));
    let renamed = mirror.read_file(merged, "new").await.unwrap();
    assert_eq!(renamed.as_deref(), Some(&b"one\ntwo\nthree\n4\n"[..]), "an edit follows a renamed file");
    fs::write(lab.path("home/.gitconfig"), "[merge]\n\trenames = false\n\tconflictStyle = zdiff3\n\tdirectoryRenames = true\n").unwrap();
    assert_eq!(lab.mirror("m").await.merge_commit(&merge).await.unwrap(), Merged::Commit(merged));
}

#[tokio::test]
async fn a_conflict_names_the_files_and_makes_no_commit() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("d/a b", "1\n"), ("c", "1\n")]);
    let main = lab.people_push("main", &[("d/a b", "2\n"), ("c", "2\n")]);
    let mirror = lab.mirror("m").await;
    let head = mirror.commit(&request(base, vec![edit("d/a b", "3\n"), edit("c", "3\n")])).await.unwrap();
    let merge = MergeRequest { base: main, head, message: "Merge it".to_owned(), who: towpath(), at: Timestamp::from_millis(0) };
    let merged = mirror.merge_commit(&merge).await.unwrap();
    assert_eq!(merged, Merged::Conflict { paths: vec!["c".to_owned(), "d/a b".to_owned()] });
}

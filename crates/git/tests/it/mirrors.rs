use std::fs;
use std::sync::Arc;
use std::time::Duration;

use towpath_git::{GitError, Mirror, Version};

use crate::support::{Lab, branch, edit, exists, nobody, request};

#[tokio::test]
async fn a_mirror_follows_the_branches_of_its_repository_and_takes_no_tags() {
    let lab = Lab::new();
    let first = lab.people_push("main", &[("a", "1")]);
    lab.people_push("old/one", &[("a", "2")]);
    lab.run(&["--git-dir=remote.git", "tag", "v1", "main"]);
    let mirror = lab.mirror("m").await;
    assert_eq!(mirror.resolve(&branch("main")).await.unwrap(), Some(first));
    // `old` becomes a branch where `old/` was a folder; main goes back in history.
    lab.run(&["--git-dir=remote.git", "branch", "-D", "old/one"]);
    let second = lab.people_push("old", &[("a", "3")]);
    let forced = {
        lab.run(&["-C", "people", "reset", "--quiet", "--hard", &first.to_string()]);
        lab.people_push("main", &[("b", "forced")])
    };
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.branches().await.unwrap(), [(branch("main"), forced), (branch("old"), second)]);
    assert_eq!(mirror.resolve(&branch("old/one")).await.unwrap(), None);
    assert!(!exists(&mirror.dir().join("refs/tags/v1")));
    assert!(matches!(mirror.git().version().await, Ok(Version { major: 2, .. })));
}

#[tokio::test]
async fn a_mirror_by_file_url_reads_the_same() {
    let lab = Lab::new();
    let head = lab.people_push("main", &[("a", "1")]);
    let mirror = Mirror::open(&lab.git(), lab.path("m"), &lab.file_url()).await.unwrap();
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.resolve(&branch("main")).await.unwrap(), Some(head));
    assert_eq!(mirror.git().ls_remote(&lab.file_url(), &branch("main")).await.unwrap(), Some(head));
}

#[tokio::test]
async fn many_open_the_same_new_mirror_at_once_and_all_can_use_it() {
    let lab = Arc::new(Lab::new());
    let head = lab.people_push("main", &[("a", "1")]);
    let tasks: Vec<_> = (0..6)
        .map(|at| {
            let lab = lab.clone();
            // Half of them as other processes would: with a git of their own.
            let git = lab.git();
            tokio::spawn(async move {
                let mirror = Mirror::open(&git, lab.path("m"), &lab.url()).await?;
                if at % 2 == 0 {
                    mirror.fetch().await?;
                }
                mirror.fetch().await?;
                mirror.resolve(&branch("main")).await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), Some(head));
    }
}

#[tokio::test]
async fn a_mirror_whose_making_was_cut_short_is_made_again() {
    let lab = Lab::new();
    let head = lab.people_push("main", &[("a", "1")]);
    // As `kill -9` in the middle of `git init` leaves it.
    fs::create_dir_all(lab.path("m/refs")).unwrap();
    fs::write(lab.path("m/HEAD.lock"), "ref: refs/he").unwrap();
    fs::write(lab.path("m/config.lock"), "").unwrap();
    let mirror = lab.mirror("m").await;
    assert_eq!(mirror.resolve(&branch("main")).await.unwrap(), Some(head));
}

#[tokio::test]
async fn locks_of_a_killed_git_stand_in_nobodys_way() {
    let lab = Lab::new();
    lab.people_push("main", &[("a", "1")]);
    let mirror = lab.mirror("m").await;
    // While it is open: the fetch itself clears them. A second handle of the same process must not be in the way.
    let again = Mirror::open(mirror.git(), lab.path("m"), &lab.url()).await.unwrap();
    let head = lab.people_push("main", &[("a", "2")]);
    fs::write(lab.path("m/refs/heads/main.lock"), "").unwrap();
    tokio::time::timeout(Duration::from_secs(20), mirror.fetch()).await.unwrap().unwrap();
    assert_eq!(again.resolve(&branch("main")).await.unwrap(), Some(head));
    // After a restart: opening clears them, with half-written objects and private files.
    drop((mirror, again));
    fs::write(lab.path("m/packed-refs.lock"), "").unwrap();
    fs::create_dir_all(lab.path("m/towpath-tmp/call-x")).unwrap();
    fs::write(lab.path("m/objects/pack/tmp_pack_x"), "half").unwrap();
    let mirror = lab.mirror("m").await;
    for gone in ["packed-refs.lock", "towpath-tmp", "objects/pack/tmp_pack_x"] {
        assert!(!exists(&mirror.dir().join(gone)), "{gone}");
    }
}

#[tokio::test]
async fn a_damaged_mirror_says_so_and_is_made_anew() {
    let lab = Lab::new();
    let head = lab.people_push("main", &[("a", "1")]);
    let mirror = lab.mirror("m").await;
    fs::remove_dir_all(lab.path("m/objects")).unwrap();
    fs::write(lab.path("m/HEAD"), "garbage").unwrap();
    mirror.git().version().await.unwrap();
    let error = mirror.fetch().await.unwrap_err();
    assert!(matches!(error, GitError::Corrupt { .. } | GitError::NotFound { .. }), "{error:?}");
    mirror.reset().await.unwrap();
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.resolve(&branch("main")).await.unwrap(), Some(head));
    assert!(mirror.read_file(head, "a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_commit_that_no_branch_holds_any_more_is_fetched_by_its_id() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("a", "1")]);
    let lost = lab.people_push("main", &[("a", "2")]);
    lab.run(&["-C", "people", "reset", "--quiet", "--hard", &base.to_string()]);
    lab.people_push("main", &[("a", "3")]);
    let mirror = lab.mirror("m").await;
    assert!(!mirror.has_commit(lost).await.unwrap());
    assert!(mirror.fetch_commit(lost).await.unwrap());
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.read_file(lost, "a").await.unwrap().as_deref(), Some(&b"2"[..]));
    assert!(!mirror.fetch_commit(nobody()).await.unwrap(), "one that never was");
}

#[tokio::test]
async fn a_commit_that_only_a_ref_beside_the_branches_holds_is_fetched_by_that() {
    let lab = Lab::new();
    let base = lab.people_push("main", &[("a", "1")]);
    let lost = lab.people_push("aside", &[("a", "2")]);
    let newest = lab.people_push("aside", &[("a", "3")]);
    lab.run(&["--git-dir=remote.git", "update-ref", "refs/pull/7/head", &newest.to_string()]);
    lab.run(&["--git-dir=remote.git", "update-ref", "-d", "refs/heads/aside"]);
    // Servers of older protocols serve what they show, and nothing else.
    let git = lab.git_with(&[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "protocol.version"), ("GIT_CONFIG_VALUE_0", "0")]);
    let mirror = towpath_git::Mirror::open(&git, lab.path("m"), &lab.url()).await.unwrap();
    mirror.fetch().await.unwrap();
    assert!(!mirror.fetch_commit(lost).await.unwrap());
    assert!(!mirror.fetch_commit_by(lost, "refs/pull/8/head").await.unwrap(), "there is no such ref");
    assert!(!mirror.fetch_commit_by(nobody(), "refs/pull/7/head").await.unwrap(), "it does not hold that");
    assert!(mirror.fetch_commit_by(lost, "refs/pull/7/head").await.unwrap());
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.read_file(lost, "a").await.unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(mirror.branches().await.unwrap(), [(branch("main"), base)], "it is no branch here either");
    for bad in ["main", "refs/heads/*", "refs/pull/7/head:refs/heads/main", "--upload-pack=x", "refs/../x", &base.to_string()] {
        assert!(matches!(mirror.fetch_commit_by(nobody(), bad).await, Err(GitError::BadInput { .. })), "{bad}");
    }
}

#[tokio::test]
async fn branches_below_a_prefix_are_listed_as_long_as_they_hold_something_of_their_own() {
    let lab = Lab::new();
    let one = lab.people_push("main", &[("a", "1")]);
    lab.people_push("pull/1", &[]);
    let two = lab.people_push("pull/2", &[("a", "2")]);
    lab.people_push("pulls/3", &[("a", "3")]);
    lab.run(&["--git-dir=remote.git", "update-ref", "refs/heads/pull/1", &one.to_string()]);
    let mirror = lab.mirror("m").await;
    assert_eq!(mirror.branches_outside("pull/", one).await.unwrap(), [(branch("pull/2"), two)]);
    assert_eq!(mirror.branches_outside("pull/", two).await.unwrap(), []);
    assert!(mirror.branches_outside("pull/", nobody()).await.is_err());
    for bad in ["*", "../"] {
        assert!(matches!(mirror.branches_outside(bad, one).await, Err(GitError::BadInput { .. })), "{bad}");
    }
    let infos = mirror.commit_infos(&[two, one]).await.unwrap();
    assert_eq!(infos.iter().map(|info| info.id).collect::<Vec<_>>(), [two, one], "none of their parents is among them");
    assert!(mirror.commit_infos(&[one, nobody()]).await.is_err());
    assert_eq!(mirror.commit_infos(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_local_repositorys_signature_changes_with_its_branches_and_only_then() {
    let lab = Lab::new();
    lab.people_push("main", &[("a", "1")]);
    let git = lab.git();
    let first = git.change_signature(&lab.url()).await.unwrap();
    assert_eq!(git.change_signature(&lab.url()).await, Some(first));
    assert_eq!(git.change_signature(&lab.file_url()).await, Some(first));
    lab.people_push("main", &[("a", "2")]);
    let second = git.change_signature(&lab.url()).await.unwrap();
    assert_ne!(first, second, "a branch moved");
    lab.people_push("deep/er", &[]);
    let third = git.change_signature(&lab.url()).await.unwrap();
    assert_ne!(second, third, "a branch came");
    lab.run(&["--git-dir=remote.git", "pack-refs", "--all"]);
    lab.run(&["--git-dir=remote.git", "branch", "-D", "deep/er"]);
    assert_ne!(git.change_signature(&lab.url()).await.unwrap(), third, "a packed branch went");
    let people = towpath_domain::RepoUrl::new(lab.path("people").to_str().unwrap()).unwrap();
    assert!(git.change_signature(&people).await.is_some(), "a repository with a work tree");
    for none in ["https://git.example.com/a", "git@example.com:a", "/nowhere/at/all"] {
        assert_eq!(git.change_signature(&towpath_domain::RepoUrl::new(none).unwrap()).await, None, "{none}");
    }
}

#[tokio::test]
async fn the_users_instead_of_rules_are_obeyed() {
    let lab = Lab::new();
    let head = lab.people_push("main", &[("a", "1")]);
    let base = format!("url.{}/.insteadOf", lab.path("").display().to_string().trim_end_matches('/'));
    let git = lab.git_with(&[
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", &base),
        ("GIT_CONFIG_VALUE_0", "https://bot:hunter2@git.example.com/"),
    ]);
    let url = towpath_domain::RepoUrl::new("https://bot:hunter2@git.example.com/remote.git").unwrap();
    assert_eq!(git.ls_remote(&url, &branch("main")).await.unwrap(), Some(head));
    assert!(git.change_signature(&url).await.is_some(), "it leads to this machine");
    let mirror = Mirror::open(&git, lab.path("m"), &url).await.unwrap();
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.resolve(&branch("main")).await.unwrap(), Some(head));
    let stored = lab.run(&["--git-dir=m", "config", "--list", "--local"]);
    assert!(!stored.contains("hunter2"), "the URL is not written into the mirror");
}

#[tokio::test]
async fn a_tidied_mirror_still_holds_all_even_what_no_branch_holds_yet() {
    let lab = Lab::new();
    let mirror = lab.mirror("m").await;
    for round in 0..5 {
        lab.people_push("main", &[("a", &round.to_string())]);
        mirror.fetch().await.unwrap();
    }
    let head = mirror.resolve(&branch("main")).await.unwrap().unwrap();
    let not_pushed = mirror.commit(&request(head, vec![edit("a", "ours")])).await.unwrap();
    mirror.tidy().await.unwrap();
    assert_eq!(mirror.read_file(not_pushed, "a").await.unwrap().as_deref(), Some(&b"ours"[..]));
    assert_eq!(mirror.first_parent(head, 10).await.unwrap().len(), 5);
    assert_eq!(mirror.resolve(&branch("main")).await.unwrap(), Some(head));
    assert!(lab.run(&["--git-dir=m", "count-objects", "-v"]).contains("packs: 1"));
}

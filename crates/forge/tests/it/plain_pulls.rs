//! Changes that people open where there is nothing but Git: branches with a number.

use towpath_domain::{CommitId, Timestamp};
use towpath_forge::{Forge, ForgeError, MergeResult, Number, Pull, PullState};

use crate::support::Lab;

/// What is told of open changes: number, branch and head.
async fn open(forge: &dyn Forge) -> Vec<(u64, String, CommitId)> {
    forge.open_pulls().await.unwrap().into_iter().map(|pull| (pull.number.0, pull.branch, pull.head)).collect()
}

#[tokio::test]
async fn branches_with_a_number_are_changes_that_people_open_until_they_are_merged() {
    let lab = Lab::new();
    let base = lab.people_push("main", "ref", "1\n");
    let forge = lab.forge("m").await;
    assert_eq!(forge.open_pulls().await.unwrap(), []);
    lab.run(&["--git-dir=config.git", "branch", "pull/2-nothing-yet", &base.to_string()]);
    let people_open = |branch: &str, path: &str| {
        lab.run(&["--git-dir=config.git", "branch", branch, &base.to_string()]);
        lab.people_push(branch, path, "2\n")
    };
    let (ten, nine) = (people_open("pull/10", "ten"), people_open("pull/9-faster-start", "nine"));
    let other = people_open("pull/9-slower-start", "other");
    for none in ["pull/0", "pull/07", "pull/x", "pull/7-", "pulls/7", "towpath/web-1"] {
        lab.run(&["--git-dir=config.git", "branch", none, &ten.to_string()]);
    }
    assert_eq!(open(&forge).await, [(9, "pull/9-faster-start".to_owned(), nine), (10, "pull/10".to_owned(), ten)]);
    let told = forge.open_pulls().await.unwrap().remove(0);
    let expected = Pull {
        number: Number(9),
        url: String::new(),
        branch: "pull/9-faster-start".to_owned(),
        from_fork: false,
        head: nine,
        into: "main".to_owned(),
        author: "Ann".to_owned(),
        title: "Edit nine".to_owned(),
        body: String::new(),
        labels: Vec::new(),
        draft: false,
        opened_at: Timestamp::from_millis(1_700_000_000_000),
        state: PullState::Open,
    };
    assert_eq!(told, expected);
    assert_eq!(forge.pull(Number(9)).await.unwrap(), Some(expected));
    assert_eq!(forge.pull(Number(7)).await.unwrap(), None);
    assert_eq!(
        forge.pull(Number(2)).await.unwrap().unwrap().state,
        PullState::Merged { commit: Some(base) },
        "it holds nothing of its own"
    );

    // Merged by people, it is no longer open, and the other one of its number is.
    lab.run(&["-C", "people", "fetch", "--quiet", "../config.git", "main", "pull/9-faster-start"]);
    lab.run(&["-C", "people", "checkout", "--quiet", "--detach", &base.to_string()]);
    lab.run(&["-C", "people", "merge", "--quiet", "--no-ff", "--message=Merge", &nine.to_string()]);
    lab.run(&["-C", "people", "push", "--quiet", "../config.git", "HEAD:refs/heads/main"]);
    assert_eq!(open(&forge).await, [(9, "pull/9-slower-start".to_owned(), other), (10, "pull/10".to_owned(), ten)]);
    lab.run(&["--git-dir=config.git", "branch", "-D", "pull/9-slower-start"]);
    let pull = forge.pull(Number(9)).await.unwrap().unwrap();
    assert_eq!((pull.head, pull.state), (nine, PullState::Merged { commit: lab.head("main") }));
    assert_eq!(open(&forge).await, [(10, "pull/10".to_owned(), ten)]);
}

#[tokio::test]
async fn a_change_of_people_is_merged_onto_what_is_asked_for_as_long_as_it_is_what_the_caller_thinks() {
    let lab = Lab::new();
    let base = lab.people_push("main", "ref", "1\n");
    let old = lab.people_push("pull/7-words", "ref", "2\n");
    let forge = lab.forge("m").await;
    let MergeResult::Clean { base: onto, commit } = forge.merged_pull(Number(7), old, None).await.unwrap() else { panic!("it merges") };
    assert_eq!(onto, base);
    let again = lab.forge("m2").await.merged_pull(Number(7), old, None).await.unwrap();
    assert_eq!(again, MergeResult::Clean { base, commit }, "the same commit in every process");
    assert_eq!(forge.mirror().first_parent(commit, 1).await.unwrap()[0].parents, [base, old]);

    let head = lab.people_push("pull/7-words", "ref", "3\n");
    assert_eq!(forge.merged_pull(Number(7), old, None).await.unwrap(), MergeResult::HeadMoved { now: Some(head) });
    let moved = lab.people_push("main", "ref", "9\n");
    let conflict = MergeResult::Conflict { base: moved, paths: vec!["ref".to_owned()] };
    assert_eq!(forge.merged_pull(Number(7), head, None).await.unwrap(), conflict);
    let onto = forge.merged_pull(Number(7), head, Some(base)).await.unwrap();
    assert!(matches!(onto, MergeResult::Clean { base: onto, .. } if onto == base), "{onto:?}");
    assert_eq!(forge.merged_pull(Number(8), head, None).await.unwrap(), MergeResult::HeadMoved { now: None });

    // What is merged is, whatever became of its branch.
    assert_eq!(forge.merged_pull(Number(7), base, None).await.unwrap(), MergeResult::Merged { base: moved });
    lab.run(&["--git-dir=config.git", "branch", "-D", "pull/7-words"]);
    assert_eq!(forge.merged_pull(Number(7), head, None).await.unwrap(), MergeResult::HeadMoved { now: None });
    assert_eq!(forge.merged_pull(Number(7), base, None).await.unwrap(), MergeResult::Merged { base: moved });
}

#[tokio::test]
async fn many_are_read_at_once_and_where_the_branch_is_missing_it_is_said() {
    let lab = Lab::new();
    lab.people_push("aside", "ref", "1\n");
    let forge = lab.forge("m").await;
    let error = forge.open_pulls().await.unwrap_err();
    assert!(matches!(error, ForgeError::Git(_)) && error.to_string().contains("main"), "{error}");
    let base = lab.people_push("main", "ref", "2\n");
    // More than one call is told of, and two of them at one commit.
    let mut parent = base.to_string();
    let tree = lab.run(&["--git-dir=config.git", "rev-parse", "main^{tree}"]);
    let mut refs = String::new();
    for number in 1..=501 {
        parent = lab.run(&["--git-dir=config.git", "commit-tree", &tree, "-p", &parent, "-m", &format!("Number {number}")]);
        refs += &format!("{parent} refs/heads/pull/{number}\n");
    }
    refs += &format!("{parent} refs/heads/pull/502\n");
    std::fs::write(lab.path("config.git/packed-refs"), format!("# pack-refs with: peeled fully-peeled \n{}", sorted(&refs))).unwrap();
    let titles: Vec<String> = forge.open_pulls().await.unwrap().into_iter().map(|pull| pull.title).collect();
    assert_eq!(
        (titles.len(), titles[0].as_str(), titles[500].as_str(), titles[501].as_str()),
        (502, "Number 1", "Number 501", "Number 501")
    );
}

/// Lines of packed refs in the order that Git wants them in, which is by name.
fn sorted(refs: &str) -> String {
    let mut lines: Vec<&str> = refs.lines().collect();
    lines.sort_by_key(|line| line.split_once(' ').map(|(_, name)| name));
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

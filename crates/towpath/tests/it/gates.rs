//! Wrong turns of gates that only show with a whole installation, by the names they have among the attacks.

use std::os::unix::fs::PermissionsExt as _;

use towpath_testbed::{GitHttp, Mood};

use crate::installation::{Installation, PRODUCTION, STAGE, TESTS};

/// The subjects of the merges in the config repository, oldest first.
fn merges(it: &Installation) -> Vec<String> {
    let log = it.git("config.git", &["log", "--reverse", "--merges", "--format=%s", "main"]);
    log.lines().map(str::to_owned).collect()
}

/// Where a target was promoted to, in order: the commits that its `ref` was set to.
fn promoted(it: &Installation, file: &str) -> Vec<String> {
    let path = format!("data/{file}");
    let log = it.git("config.git", &["log", "--reverse", "--first-parent", "--patch", "--format=", "main", "--", &path]);
    let added = log.lines().filter_map(|line| line.strip_prefix('+')?.trim().strip_prefix("ref: '"));
    added.filter_map(|rest| rest.split('\'').next()).filter(|id| !id.starts_with("0000")).map(str::to_owned).collect()
}

/// A branch of a change that is pushed over after its checks have passed, right before it is merged.
#[test]
fn j7_what_was_pushed_over_a_checked_branch_is_never_merged() {
    let (mut it, first) = Installation::released();
    // The merge comes to the repository, and waits at its door until the test lets it in.
    let hook = "#!/bin/sh
[ -e armed ] || exit 0
grep -q 'refs/heads/main$' || exit 0
: > merging
while [ ! -e go ]; do sleep 0.05; done
";
    it.write("config.git/hooks/pre-receive", hook);
    std::fs::set_permissions(it.path("config.git/hooks/pre-receive"), std::fs::Permissions::from_mode(0o755)).unwrap();
    it.write("config.git/armed", "");
    let before = it.git("config.git", &["rev-parse", "main"]);
    let second = it.release("second", true);
    it.until("a checked change to be merged", |it| it.path("config.git/merging").exists().then_some(()));

    let branch = it.git("config.git", &["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/towpath/"]);
    it.git("config", &["fetch", "--quiet", "origin"]);
    it.git("config", &["checkout", "--quiet", "-B", "evil", &format!("origin/{branch}")]);
    // Straight to production, past every test.
    let zeros = it.read("config/data/web/deploy.yml");
    it.write("config/data/web/deploy.yml", &zeros.replace(&first, &second));
    it.git("config", &["commit", "--quiet", "--all", "--amend", "--message", "Looks harmless"]);
    it.git("config", &["push", "--quiet", "--force", "origin", &format!("HEAD:refs/heads/{branch}")]);
    let evil = it.git("config", &["rev-parse", "HEAD"]);
    it.git("config", &["checkout", "--quiet", "main"]);
    std::fs::remove_file(it.path("config.git/armed")).unwrap();
    it.write("config.git/go", "");

    let held = it.until_held(TESTS, "change-failed");
    assert!(held.contains("somebody pushed to this change's branch"), "{held}");
    assert_eq!(it.git("config.git", &["rev-parse", "main"]), before, "nothing was merged");
    assert_eq!(it.git("config.git", &["rev-parse", &branch]), evil, "what a person pushed is theirs, and stays");
    assert_eq!((it.current(STAGE), it.current(PRODUCTION)), (Some(second.clone()), Some(first)));

    // As the message tells: the branch goes, and it is tried again.
    it.git("config.git", &["update-ref", "-d", &format!("refs/heads/{branch}")]);
    it.ok(&["retry", TESTS, "--reason", "the branch is gone", "--by", "Ada"]);
    it.until_at(PRODUCTION, &second);
    let contains = it.try_git("config.git", &["merge-base", "--is-ancestor", &evil, "main"]);
    assert!(!contains.status.success(), "and it never came to main");
}

/// What was vouched for when its change was decided on, and is blocked by the time that it is to be merged.
#[test]
fn what_is_blocked_while_its_change_is_made_is_not_merged() {
    let (mut it, first) = Installation::released();
    // The change's branch comes to the repository, and waits at its door until the test lets it in.
    let hook = "#!/bin/sh
[ -e armed ] || exit 0
grep -q 'refs/heads/towpath/' || exit 0
: > proposing
while [ ! -e go ]; do sleep 0.05; done
";
    it.write("config.git/hooks/pre-receive", hook);
    std::fs::set_permissions(it.path("config.git/hooks/pre-receive"), std::fs::Permissions::from_mode(0o755)).unwrap();
    it.write("config.git/armed", "");
    let second = it.release("second", true);
    it.until("a change to be proposed", |it| it.path("config.git/proposing").exists().then_some(()));
    let blocked = it.configure("A block", |it| {
        let url = it.path("web.git").display().to_string();
        let text = format!("$schema: /towpath/policy-1.yml\nname: block\nblock: [{{url: '{url}', ref: {second}, reason: it burns}}]\n");
        it.write("config/data/policies/block.yml", &text);
    });
    std::fs::remove_file(it.path("config.git/armed")).unwrap();
    it.write("config.git/go", "");

    let failed = it.until("the change to be refused", |it| {
        let runs = it.ask(&["runs", "--limit", "50"])?;
        runs.as_array()?.iter().find(|run| run["kind"] == "change" && run["state"] == "failed").cloned()
    });
    let log = it.ok(&["logs", failed["id"].as_str().unwrap()]);
    assert!(log.contains("it burns"), "{log}");
    assert_eq!(it.git("config.git", &["rev-parse", "main"]), blocked, "nothing was merged");
    assert_eq!(it.current(PRODUCTION), Some(first));
}

/// Two servers that do not know of each other, as in a split brain, with a state each.
#[test]
fn j9_two_servers_on_one_config_repository_promote_each_version_once_and_in_order() {
    let mut it = Installation::new();
    let config = it.read("towpath.toml");
    it.write("other.toml", &format!("{config}[state]\ndirectory = \".other\"\n"));
    let mut commits = vec![it.release("first", true)];
    it.start(None);
    let _other = it.serve_also("other.toml");
    it.until_at(PRODUCTION, &commits[0]);
    for version in ["second", "third"] {
        let commit = it.release(version, true);
        it.until_at(PRODUCTION, &commit);
        commits.push(commit);
    }
    for file in ["web/test.yml", "web/deploy.yml"] {
        assert_eq!(promoted(&it, file), commits, "{file}: {:?}", merges(&it));
    }
    it.until("the branches of changes to be gone", |it| {
        it.git("config.git", &["for-each-ref", "refs/heads/towpath/"]).is_empty().then_some(())
    });
    assert_eq!(merges(&it).len(), 2 * commits.len(), "{:?}", merges(&it));
}

/// A forge that is down, or that does what it is asked and fails to say so.
#[test]
fn j11_a_git_server_that_fails_for_a_while_loses_nothing_and_doubles_nothing() {
    let mut it = Installation::new();
    let server = GitHttp::start(&it.path("."));
    it.git("config.git", &["config", "http.receivepack", "true"]);
    it.write("towpath.toml", &format!("[config]\nurl = \"{}/config.git\"\n[poll]\nlocal = \"50ms\"\nremote = \"200ms\"\n", server.url));
    it.configure("Patience", |it| {
        it.write(
            "config/data/policies/patience.yml",
            "$schema: /towpath/policy-1.yml\nname: patience\nretries: {attempts: 20, backoff: 1s, backoffLimit: 2s}\n",
        );
    });
    let first = it.release("first", true);
    it.start(None);
    it.until_at(PRODUCTION, &first);

    server.becomes(Mood::Down);
    it.until("that it is away to be told", |it| it.ask(&["status"])?["config"]["unreachable"].as_str().map(str::to_owned));
    let second = it.release("second", true);
    // Stage needs no change.
    it.until_at(STAGE, &second);
    let held = it.until_held(TESTS, "backoff");
    assert!(held.contains("503"), "{held}");
    let (failed, begun) = (server.failed(), std::time::Instant::now());
    it.until("three more tries", |_| (server.failed() >= failed + 3).then_some(()));
    assert!(begun.elapsed() > std::time::Duration::from_millis(200), "it is not hammered");
    assert_eq!(merges(&it).len(), 2);
    server.becomes(Mood::Well);
    it.until_at(PRODUCTION, &second);
    assert_eq!(merges(&it).len(), 4);

    server.becomes(Mood::Forgetful);
    let third = it.release("third", true);
    it.until("a push whose answer is lost", |it| (merges(it).len() == 5).then_some(()));
    server.becomes(Mood::Well);
    it.until_at(PRODUCTION, &third);
    assert_eq!(promoted(&it, "web/test.yml"), [first.clone(), second.clone(), third.clone()]);
    assert_eq!(promoted(&it, "web/deploy.yml"), [first, second, third]);
    assert_eq!(merges(&it).len(), 6, "{:?}", merges(&it));
    it.stop();
    it.ok(&["ledger", "verify"]);
}

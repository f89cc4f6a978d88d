//! What people do: hold and release, roll back, promote, retry, cancel.

use crate::installation::{Installation, PRODUCTION, STAGE, TESTS};

/// The newest commit of the config repository, with its author and its message.
fn newest(it: &Installation) -> String {
    it.git("config.git", &["log", "-1", "--no-merges", "--format=%an%n%B", "main"])
}

#[test]
fn a_hold_is_a_commit_that_says_who_and_why_and_a_release_lifts_it() {
    let (mut it, first) = Installation::released();
    for what in [PRODUCTION, "app/web", "environment/production"] {
        it.asks(&["hold", what, "--reason", "the sale begins"]);
        let commit = newest(&it);
        assert!(commit.starts_with("Ada\nHold ") && commit.contains("the sale begins") && commit.contains(what), "{commit}");
        it.asks(&["release", what, "--reason", "the sale is over"]);
        let commit = newest(&it);
        assert!(commit.starts_with("Ada\nRelease ") && commit.contains("the sale is over"), "{commit}");
    }
    // The same again, word for word: it counts again.
    it.asks(&["hold", "environment/production", "--reason", "the sale begins"]);
    let second = it.release("second", true);
    it.until_at(TESTS, &second);
    let text = it.until_held(PRODUCTION, "frozen");
    assert!(text.contains("Ada") && text.contains("the sale begins"), "{text}");
    assert_eq!(it.current(PRODUCTION).as_deref(), Some(first.as_str()));
    // What the message tells to do is what helps.
    let target = it.target(PRODUCTION).unwrap();
    let hold = target["verdict"]["holds"].as_array().unwrap().iter().find(|hold| hold["reason"] == "frozen").unwrap().clone();
    let lift = hold["lift"].as_str().unwrap();
    let what = lift.split("towpath release ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_else(|| panic!("{lift}"));
    it.asks(&["release", what, "--reason", "the sale is over"]);
    it.until_at(PRODUCTION, &second);
    let said = it.refused(&["release", "environment/production", "--reason", "x", "--by", "Ada"]);
    assert!(said.contains("no hold"), "{said}");
    let said = it.refused(&["hold", "environment/prod", "--reason", "x", "--by", "Ada"]);
    assert!(said.contains("environment \"prod\""), "{said}");
}

#[test]
fn a_rollback_of_what_is_pinned_is_one_commit_and_the_bad_one_never_comes_back_by_itself() {
    let (mut it, first) = Installation::released();
    let second = it.release("second", true);
    it.until_at(PRODUCTION, &second);
    it.asks(&["rollback", "web/production", "--reason", "loses orders"]);
    assert_eq!(it.current(PRODUCTION), Some(first.clone()));
    let files = it.git("config.git", &["log", "-1", "--no-merges", "--format=", "--name-only", "main"]);
    let files: Vec<&str> = files.lines().collect();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files.contains(&"data/web/deploy.yml") && files.iter().any(|file| file.starts_with("data/towpath/blocks/")), "{files:?}");
    assert!(newest(&it).starts_with("Ada\nRoll ") && newest(&it).contains("loses orders"), "{}", newest(&it));
    // What happens elsewhere makes the planner look again; the bad one stays away all the same.
    it.asks(&["hold", STAGE, "--reason", "a look around"]);
    it.asks(&["release", STAGE, "--reason", "seen"]);
    let explained = it.ok(&["explain", &second]);
    assert!(explained.contains("blocked") && explained.contains("loses orders (Ada)"), "{explained}");
    let said = it.refused(&["promote", "web/production", "--to", &second, "--reason", "again", "--by", "Ada"]);
    assert!(said.contains("loses orders"), "{said}");
    assert_eq!(it.current(PRODUCTION), Some(first.clone()));
    let third = it.release("third", true);
    it.until_at(PRODUCTION, &third);
    assert_eq!(it.deployed(PRODUCTION), [first.clone(), second.clone(), first.clone(), third.clone()]);
    // Back to a commit of one's choice.
    it.asks(&["rollback", "web/production", "--to", &first[..8], "--reason", "the third one, too"]);
    assert_eq!(it.current(PRODUCTION), Some(first.clone()));
    // It was the network: the block goes, and the third one comes by itself.
    let lift = it.until("the block to be told", |it| {
        let verdict = it.target(PRODUCTION)?["verdict"].clone();
        let over = verdict["passedOver"].as_array()?.iter().find(|over| over["commit"]["id"] == third.as_str())?.clone();
        over["holds"].as_array()?.iter().find(|hold| hold["reason"] == "blocked").map(|hold| hold["lift"].as_str().unwrap().to_owned())
    });
    let said = it.refused(&["rollback", "web/production", "--to", &first, "--reason", "x", "--by", "Ada"]);
    assert!(said.contains("is at"), "{said}");
    let file = lift.split("towpath release ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_else(|| panic!("{lift}"));
    it.asks(&["release", file, "--reason", "it was the network"]);
    it.until_at(PRODUCTION, &third);
    it.stop();
    it.ok(&["ledger", "verify"]);
}

#[test]
fn a_rollback_of_what_follows_a_branch_blocks_the_bad_commit_and_a_newer_one_goes() {
    let (mut it, first) = Installation::released();
    let second = it.release("second", true);
    it.until_at(PRODUCTION, &second);
    it.asks(&["rollback", STAGE, "--reason", "it is loud"]);
    it.until_at(STAGE, &first);
    let files = it.git("config.git", &["log", "-1", "--no-merges", "--format=", "--name-only", "main"]);
    assert!(files.lines().count() == 1 && files.starts_with("data/towpath/blocks/"), "{files}");
    let third = it.release("third", true);
    it.until_at(STAGE, &third);
    it.until_at(PRODUCTION, &third);
}

#[test]
fn without_auto_a_person_promotes_and_only_what_is_vouched_for_or_a_hotfix_goes() {
    let (mut it, first) = Installation::released();
    it.configure("By hand", |it| it.replace("web/deploy.yml", "auto: true", "auto: false"));
    let second = it.release("second", true);
    it.until_at(TESTS, &second);
    let lift = it.until("the candidate to be told", |it| {
        let target = it.target(PRODUCTION)?;
        let over = target["verdict"]["passedOver"].as_array()?.first()?.clone();
        (over["holds"][0]["reason"] == "not-automatic").then(|| over["holds"][0]["lift"].as_str().unwrap().to_owned())
    });
    assert!(lift.contains("towpath promote"), "the lift is a command: {lift}");
    assert_eq!(it.current(PRODUCTION), Some(first.clone()));
    it.asks(&["promote", "web/production", "--reason", "release day"]);
    assert_eq!(it.current(PRODUCTION), Some(second.clone()));
    assert!(newest(&it).starts_with("Ada\nPromote "), "{}", newest(&it));

    let bad = it.release("bad", false);
    it.until("the tests to fail", |it| {
        let target = it.target(TESTS)?;
        target["verdict"]["holds"].as_array()?.iter().any(|hold| hold["reason"] == "failed").then_some(())
    });
    let said = it.refused(&["promote", "web/production", "--to", &bad, "--reason", "x", "--by", "Ada"]);
    assert!(said.contains("tested does not vouch") && said.contains("hotfixVersions"), "{said}");
    let said = it.refused(&["promote", "web/production", "--reason", "x", "--by", "Ada"]);
    assert!(said.contains("No newer commit"), "{said}");
    let said = it.refused(&["promote", STAGE, "--reason", "x", "--by", "Ada"]);
    assert!(said.contains("follows a branch"), "{said}");
    let said = it.refused(&["promote", "web/production", "--to", "abcd1234", "--reason", "x", "--by", "Ada"]);
    assert!(said.contains("no such commit"), "{said}");
    let hotfix = it.configure("A hotfix", |it| it.replace("web/app.yml", "url: ", &format!("hotfixVersions: ['{bad}'], url: ")));
    it.until_read(&hotfix);
    it.asks(&["promote", "web/production", "--to", &bad, "--reason", "the customer waits"]);
    assert_eq!(it.current(PRODUCTION), Some(bad));
}

#[test]
fn a_cancelled_build_leaves_no_process_and_a_failed_one_is_retried_once_mended() {
    let mut it = Installation::new();
    let marks = it.path("marks");
    std::fs::create_dir(&marks).unwrap();
    let mark = |name: &str| marks.join(name).display().to_string();
    // The build notes its process, and waits for a file that never comes.
    let command = format!("echo $$ > {}; echo begun; while [ ! -e {} ]; do sleep 0.05; done", mark("pid"), mark("go"));
    it.configure("A long build", |it| {
        it.replace("web/source.yml", "command: cp verdict built", &format!("command: '{command}; cp verdict built'"))
    });
    let first = it.release("first", true);
    it.start(None);
    let pid = it.until("the build to be under way", |it| {
        it.has_ended();
        std::fs::read_to_string(mark("pid")).ok().filter(|pid| !pid.trim().is_empty()).map(|pid| pid.trim().to_owned())
    });
    let said = it.ok(&["cancel", "web", "--reason", "wrong branch", "--by", "Ada"]);
    assert!(said.contains("stopped"), "{said}");
    it.until("its process to be gone", |_| (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
    let run = it.until("the run to be over", |it| it.runs("web").first().filter(|run| run["state"] == "cancelled").cloned());
    assert!(run["message"].as_str().unwrap().contains("Ada"), "{run}");
    let status = it.ok(&["status"]);
    assert!(status.contains("Ada"), "who stopped it is told: {status}");
    let said = it.refused(&["cancel", "web", "--reason", "again", "--by", "Ada"]);
    assert!(said.contains("nothing to stop"), "{said}");
    std::fs::write(mark("go"), "").unwrap();
    it.ok(&["retry", "web", "--reason", "it was the right one", "--by", "Ada"]);
    it.until_at(PRODUCTION, &first);
    let said = it.refused(&["retry", "web", "--reason", "again", "--by", "Ada"]);
    assert!(said.contains("nothing to retry"), "{said}");
}

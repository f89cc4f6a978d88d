//! What policies say, each a file pushed to the config repository: freezes, windows, blocks, queues, automatic rollback.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::installation::{Installation, PRODUCTION, STAGE, TESTS};

/// Where the stories below keep their policy.
const FILE: &str = "config/data/policies/story.yml";

/// Pushes a policy for production; `rules` are its lines.
fn policy(it: &mut Installation, rules: &str) {
    let text = format!("$schema: /towpath/policy-1.yml\nname: story\nselect: {{environments: [production]}}\n{rules}\n");
    let commit = it.configure("A policy", |it| it.write(FILE, &text));
    it.until_read(&commit);
}

/// The hold of this reason on production or on what it passed over, as JSON.
fn told(it: &mut Installation, reason: &str) -> Value {
    it.until(&format!("production to tell {reason}"), |it| {
        let verdict = it.target(PRODUCTION)?["verdict"].clone();
        let over = verdict["passedOver"].as_array()?.iter().flat_map(|over| over["holds"].as_array().unwrap());
        verdict["holds"].as_array()?.iter().chain(over).find(|hold| hold["reason"] == reason).cloned()
    })
}

#[test]
fn a_freeze_and_a_closed_window_hold_what_is_vouched_for_until_they_are_gone() {
    let (mut it, first) = Installation::released();
    policy(&mut it, "freezes: [{from: 2020-01-01T00:00, until: 2120-01-01T00:00, timezone: Europe/Prague, reason: the fair, by: Bea}]");
    let second = it.release("second", true);
    it.until_at(TESTS, &second);
    let hold = told(&mut it, "frozen");
    let text = hold["text"].as_str().unwrap();
    assert!(text.contains("the fair") && text.contains("Bea") && text.contains("2119-12-31T23:00"), "{text}");
    let lift = hold["lift"].as_str().unwrap();
    assert!(lift.contains("data/policies/story.yml:4") && !lift.contains("towpath release"), "people wrote it, people edit it: {lift}");
    assert_eq!(it.current(PRODUCTION), Some(first.clone()));

    // A window of one hour, twelve hours from now.
    let hours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 3600;
    let (from, until) = ((hours + 12) % 24, (hours + 13) % 24);
    policy(&mut it, &format!("windows: [{{from: \"{from:02}:00\", until: \"{until:02}:00\", timezone: UTC}}]"));
    let hold = told(&mut it, "outside-window");
    let text = hold["text"].as_str().unwrap();
    assert!(text.contains("story") && text.contains(&format!("T{from:02}:00")), "when it opens is told: {text}");
    assert_eq!(it.current(PRODUCTION), Some(first.clone()));
    // Whoever asks is told the same; a hotfix may.
    let promoted = it.run(&["promote", "web/production", "--reason", "now", "--by", "Ada", "--wait", "--timeout", "10s"]);
    assert!(!promoted.status.success());
    assert_eq!(it.current(PRODUCTION), Some(first));
    it.configure("A hotfix", |it| it.replace("web/app.yml", "url: ", &format!("hotfixVersions: ['{second}'], url: ")));
    it.until_at(PRODUCTION, &second);

    policy(&mut it, "windows: [{from: \"00:00\", until: \"24:00\", timezone: UTC}]");
    let third = it.release("third", true);
    it.until_at(PRODUCTION, &third);
}

#[test]
fn a_blocked_commit_is_passed_over_and_the_next_one_goes() {
    let (mut it, first) = Installation::released();
    let address = it.path("web.git").display().to_string();
    policy(&mut it, "freezes: [{reason: not yet}]");
    let second = it.release("second", true);
    it.until_at(TESTS, &second);
    told(&mut it, "frozen");
    policy(&mut it, &format!("block: [{{url: '{address}', ref: {second}, reason: it eats orders}}]"));
    let hold = told(&mut it, "blocked");
    assert!(hold["text"].as_str().unwrap().contains("it eats orders"), "{hold}");
    assert!(hold["lift"].as_str().unwrap().contains("data/policies/story.yml:4"), "{hold}");
    let third = it.release("third", true);
    it.until_at(PRODUCTION, &third);
    assert_eq!(it.deployed(PRODUCTION), [first, third]);
    assert!(it.deployed(STAGE).contains(&second), "only production was selected");
}

/// Freezes production, releases three more commits, thaws it: what production runs then, in order.
fn thaw(queue: &str) -> (Vec<String>, Vec<String>) {
    let (mut it, first) = Installation::released();
    policy(&mut it, &format!("queue: {queue}\nfreezes: [{{reason: not yet}}]"));
    let mut all = vec![first];
    for subject in ["second", "third", "fourth"] {
        let commit = it.release(subject, true);
        it.until_at(TESTS, &commit);
        all.push(commit);
    }
    policy(&mut it, &format!("queue: {queue}"));
    it.until_at(PRODUCTION, all.last().unwrap());
    (all, it.deployed(PRODUCTION))
}

#[test]
fn with_queue_every_each_version_has_its_turn() {
    let (all, deployed) = thaw("every");
    assert_eq!(deployed, all);
}

#[test]
fn with_queue_latest_the_newest_goes_at_once() {
    let (all, deployed) = thaw("latest");
    assert_eq!(deployed, [all[0].clone(), all[3].clone()]);
}

/// A post-deploy test of production, which fails on a verdict that says `loud`.
const AFTER: &str = "\
$schema: /app-sre/saas-file-2.yml
name: web-after
app: {$ref: /web/app.yml}
managedResourceTypes: [Job]
imagePatterns: [localhost/web]
resourceTemplates:
  - name: after
    url: '@SOURCE@'
    path: /deploy/after.yaml
    parameters: {IMAGE: localhost/web}
    targets:
      - namespace: {$ref: /web/production.yml}
        ref: '0000000000000000000000000000000000000000' # moved by Towpath
        promotion: {auto: true, subscribe: [live]}
";

/// How often something was rolled back.
fn rollbacks(it: &Installation) -> usize {
    it.events().iter().filter(|line| line["event"]["event"] == "run-queued" && line["event"]["work"]["kind"] == "rollback").count()
}

#[test]
fn what_fails_its_test_in_production_goes_back_by_itself_once() {
    let mut it = Installation::new();
    let address = it.path("web.git").display().to_string();
    it.configure("Tests of production", |it| {
        it.write("config/data/web/after.yml", &AFTER.replace("@SOURCE@", &address));
        it.replace(
            "web/deploy.yml",
            "promotion: {auto: true, subscribe: [tested]}",
            "promotion: {auto: true, subscribe: [tested], publish: [live]}",
        );
    });
    let after = it.read("web/deploy/smoke.yaml").replace("smoke", "after").replace("grep -q good verdict", "! grep -q loud verdict");
    it.write("web/deploy/after.yaml", &after);
    let first = it.release("first", true);
    it.start(None);
    it.until_at("web-after/after/production/web-production", &first);
    policy(&mut it, "rollback: automatic");
    it.write("web/verdict", "good but loud\n");
    let second = it.commit("web", "second");
    it.until_at(PRODUCTION, &second);
    it.until_at(PRODUCTION, &first);
    let commit = it.git("config.git", &["log", "-1", "--no-merges", "--format=%an%n%B", "--name-only", "main"]);
    assert!(
        commit.starts_with("Towpath\nRoll ") && commit.contains("data/web/deploy.yml") && commit.contains("data/towpath/blocks/"),
        "{commit}"
    );
    let explained = it.ok(&["explain", &second]);
    assert!(explained.contains("web-after/after/production/web-production failed"), "{explained}");
    let third = it.release("third", true);
    it.until_at("web-after/after/production/web-production", &third);
    assert_eq!(it.deployed(PRODUCTION), [first.clone(), second, first, third]);
    assert_eq!(rollbacks(&it), 1);
}

#[test]
fn stage_that_fails_its_test_goes_back_by_itself_and_a_fix_goes_ahead() {
    let (mut it, first) = Installation::released();
    let text = "$schema: /towpath/policy-1.yml\nname: story\nselect: {targets: [web/web/stage/web-stage]}\nrollback: automatic\n";
    let commit = it.configure("A policy", |it| it.write(FILE, text));
    it.until_read(&commit);
    let second = it.release("second", false);
    it.until_at(STAGE, &second);
    it.until_at(STAGE, &first);
    let files = it.git("config.git", &["log", "-1", "--no-merges", "--format=", "--name-only", "main"]);
    assert!(files.lines().count() == 1 && files.starts_with("data/towpath/blocks/"), "{files}");
    let third = it.release("third", true);
    it.until_at(PRODUCTION, &third);
    assert_eq!(it.deployed(STAGE), [first.clone(), second, first, third]);
    assert_eq!(rollbacks(&it), 1);
}

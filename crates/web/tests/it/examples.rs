//! GitHub's own example payloads, from npm's `@octokit/webhooks-examples`: each is taken, and wakes for its repository.

use serde_json::Value;
use towpath_testbed::npm_package;
use towpath_web::hooks::HookLimits;

use crate::signed::{checking, github};

/// The examples. Without npm, or without its registry, they are skipped, loudly.
fn examples() -> Option<Vec<Value>> {
    let file = npm_package("@octokit/webhooks-examples", "7.6.1")?.join("api.github.com/index.json");
    Some(serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
}

/// Events that say that there are commits, or something of changes.
const COMMITS: [&str; 3] = ["push", "create", "delete"];
const CHANGES: [&str; 11] = [
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "issue_comment",
    "status",
    "check_run",
    "check_suite",
    "workflow_run",
    "merge_group",
    "branch_protection_rule",
];
const IMAGES: [&str; 2] = ["package", "registry_package"];

#[tokio::test]
async fn what_github_sends_is_taken_and_wakes_for_what_it_is_about() {
    let Some(all) = examples() else { return };
    let server = checking(HookLimits::default()).await;
    let (mut wanted, mut sent, mut kinds) = (Vec::new(), 0, std::collections::BTreeSet::new());
    for event in &all {
        let name = event["name"].as_str().unwrap();
        for example in event["examples"].as_array().unwrap() {
            sent += 1;
            let wakes = match example["repository"]["full_name"].as_str() {
                Some(repository) if COMMITS.contains(&name) => Some(format!("wake for commits of {repository}")),
                Some(repository) if CHANGES.contains(&name) => Some(format!("wake for changes of {repository}")),
                _ if IMAGES.contains(&name) => Some("wake for images".to_owned()),
                _ => None,
            };
            let said = github(&server, name, &format!("delivery-{sent}"), &example.to_string()).await;
            assert_eq!(said.status, if wakes.is_some() { 202 } else { 204 }, "{name}: {example}");
            if wakes.is_some() {
                kinds.insert(name);
            }
            wanted.extend(wakes);
        }
    }
    assert_eq!(server.brain.asked(), wanted);
    for name in COMMITS.iter().chain(&CHANGES[..10]).chain(&IMAGES) {
        assert!(kinds.contains(name) || !all.iter().any(|event| event["name"] == *name), "no example of {name} woke");
    }
    assert!(sent > 100 && kinds.len() > 8, "{sent} examples, {kinds:?}");
}

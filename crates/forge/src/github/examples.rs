//! The examples that GitHub publishes, read as its answers are.

use serde::de::DeserializeOwned;
use serde_json::Value;
use towpath_testbed::npm_package;

use super::{answers, app, protection, statuses};

fn read<T: DeserializeOwned>(value: &Value, place: &str) {
    if let Err(error) = serde_json::from_value::<T>(value.clone()) {
        panic!("{place}: {error}");
    }
}

fn package(name: &str, version: &str, file: &str) -> Option<Value> {
    let file = npm_package(name, version)?.join(file);
    Some(serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
}

/// All examples of what a route answers.
fn examples(whole: &Value, path: &str, method: &str, status: &str, mut each: impl FnMut(&Value, &str)) {
    let path = format!("/repos/{{owner}}/{{repo}}{path}");
    let path = path.replace("/repos/{owner}/{repo}#", "");
    let described = &whole["paths"][&path][method]["responses"][status]["content"]["application/json"]["examples"];
    let described = described.as_object().unwrap_or_else(|| panic!("{method} {path} has examples"));
    for example in described.values() {
        let pointer = example["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
        let example = pointer.map_or(example, |pointer| whole.pointer(pointer).unwrap());
        each(&example["value"], &format!("{method} {path}"));
    }
}

#[test]
fn what_the_description_gives_as_examples_is_read() {
    let Some(whole) = package("@octokit/openapi", "23.0.2", "generated/api.github.com.json") else { return };
    examples(&whole, "/pulls", "get", "200", read::<Vec<answers::Pull>>);
    examples(&whole, "/pulls/{pull_number}", "get", "200", read::<answers::Pull>);
    examples(&whole, "/pulls", "post", "201", read::<answers::Pull>);
    examples(&whole, "/pulls/{pull_number}/merge", "put", "200", read::<answers::MergeResult>);
    examples(&whole, "/pulls/{pull_number}/reviews", "get", "200", read::<Vec<answers::Review>>);
    examples(&whole, "/issues/{issue_number}/comments", "get", "200", read::<Vec<answers::Comment>>);
    examples(&whole, "/labels/{name}", "get", "200", read::<answers::Label>);
    examples(&whole, "/commits/{ref}/status", "get", "200", read::<statuses::Combined>);
    examples(&whole, "/commits/{ref}/check-runs", "get", "200", read::<statuses::CheckRuns>);
    examples(&whole, "/branches/{branch}", "get", "200", read::<protection::Branch>);
    examples(&whole, "/branches/{branch}/protection", "get", "200", read::<protection::Classic>);
    examples(&whole, "/rules/branches/{branch}", "get", "200", read::<Vec<protection::Rule>>);
    examples(&whole, "/rulesets/{ruleset_id}", "get", "200", read::<protection::Ruleset>);
    examples(&whole, "", "get", "200", read::<protection::Repository>);
    examples(&whole, "#/user", "get", "200", read::<answers::User>);
    examples(&whole, "#/app", "get", "200", read::<app::Info>);
    examples(&whole, "/installation", "get", "200", read::<app::Installation>);
    examples(&whole, "#/app/installations/{installation_id}/access_tokens", "post", "201", read::<app::Token>);
}

#[test]
fn what_webhooks_bring_of_changes_and_checks_is_read() {
    let Some(all) = package("@octokit/webhooks-examples", "7.6.1", "api.github.com/index.json") else { return };
    let (mut pulls, mut comments) = (0, 0);
    for event in all.as_array().unwrap() {
        let name = event["name"].as_str().unwrap();
        for example in event["examples"].as_array().unwrap() {
            match name {
                "pull_request" => {
                    read::<answers::Pull>(&example["pull_request"], name);
                    pulls += 1;
                }
                "issue_comment" => {
                    read::<answers::Comment>(&example["comment"], name);
                    comments += 1;
                }
                "check_run" => read::<statuses::CheckRun>(&example["check_run"], name),
                _ => {}
            }
        }
    }
    assert!(pulls > 5 && comments > 1, "{pulls} and {comments}");
}

#[test]
fn what_was_recorded_of_the_real_one_is_read() {
    let scenario = |name: &str| package("@octokit/fixtures", "23.1.2", &format!("scenarios/api.github.com/{name}/raw-fixture.json"));
    let (Some(statuses), Some(protections), Some(labels)) = (scenario("create-status"), scenario("branch-protection"), scenario("labels"))
    else {
        return;
    };
    let mut seen = 0;
    for call in [statuses, protections, labels].iter().flat_map(|all| all.as_array().unwrap()) {
        let (path, answer) = (call["path"].as_str().unwrap(), &call["response"]);
        match call["status"].as_u64() {
            Some(200) if path.ends_with("/status") => read::<statuses::Combined>(answer, path),
            Some(200) if path.ends_with("/protection") => read::<protection::Classic>(answer, path),
            Some(200 | 201) if path.contains("/labels") && answer.is_object() => read::<answers::Label>(answer, path),
            _ => continue,
        }
        seen += 1;
    }
    assert!(seen > 3, "{seen} answers");
}

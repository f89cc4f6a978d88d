//! What is told of what happened: explanations, logs, secrets that stay secret, the ledger; and a tag that moved.

use std::fs;

use crate::installation::{Installation, PRODUCTION, STAGE, TESTS};

#[test]
fn a_commit_a_target_a_channel_a_run_and_a_change_are_explained() {
    let (mut it, first) = Installation::released();
    let bad = it.release("breaks the till", false);
    it.until("the tests to fail", |it| {
        let target = it.target(TESTS)?;
        target["verdict"]["holds"].as_array()?.iter().any(|hold| hold["reason"] == "failed").then_some(())
    });
    let answer = |it: &Installation, what: &str| {
        let view = it.ask(&["explain", what]).unwrap_or_else(|| panic!("{what}"));
        (view["kind"].as_str().unwrap().to_owned(), view["answer"].as_str().unwrap().to_owned(), view)
    };
    let (kind, text, view) = answer(&it, &first[..8]);
    assert_eq!(kind, "commit");
    assert!(text.contains(PRODUCTION), "{text}");
    let story: Vec<&str> = view["story"].as_array().unwrap().iter().filter_map(|line| line["text"].as_str()).collect();
    for word in ["built localhost/web", "merged as", "healthy"] {
        assert!(story.iter().any(|line| line.contains(word)), "{word}: {story:#?}");
    }
    let (_, text, _) = answer(&it, &bad);
    assert!(text.contains(STAGE) && text.contains(TESTS) && text.contains("failed"), "{text}");
    let (kind, text, _) = answer(&it, PRODUCTION);
    assert!(kind == "target" && text.contains(&first[..7]), "{kind}: {text}");
    let (kind, text, _) = answer(&it, "tested");
    assert!(kind == "channel" && text.contains(TESTS) && text.contains(&bad[..7]), "{kind}: {text}");
    let run = it.runs(TESTS).first().unwrap()["id"].as_str().unwrap().to_owned();
    let (kind, text, _) = answer(&it, &run);
    assert!(kind == "run" && text.contains("failed") && text.contains("bad"), "{kind}: {text}");
    let change = it.git("config.git", &["log", "--merges", "-1", "--format=%B", "main"]);
    let id = change.split_whitespace().find(|word| word.contains("promote-web-")).unwrap_or_else(|| panic!("{change}"));
    let id = id.trim_matches(|c: char| !c.is_ascii_alphanumeric()).trim_start_matches("towpath/");
    let (kind, text, _) = answer(&it, id);
    assert!(kind == "change" && (text.contains("merged") || text.contains("up to date")), "{kind}: {text}");
    let said = it.refused(&["explain", "nothing-like-that"]);
    assert!(said.contains("nothing-like-that") && said.contains("towpath status"), "{said}");
}

#[test]
fn logs_are_searched_and_no_secret_shows_in_them_nor_in_messages() {
    let mut it = Installation::new();
    let smoke = it.read("web/deploy/smoke.yaml");
    let secret = "  - apiVersion: v1\n    kind: Secret\n    metadata: {name: till}\n    stringData: {password: open-sesame-4711}\n  - apiVersion: batch/v1";
    let smoke = smoke.replacen("  - apiVersion: batch/v1", secret, 1);
    let env = "image: ${IMAGE}:${IMAGE_TAG}\n              env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: till, key: password}}}]";
    let smoke = smoke.replace("image: ${IMAGE}:${IMAGE_TAG}", env).replace("cat verdict;", "echo the password is $PASSWORD; cat verdict;");
    it.write("web/deploy/smoke.yaml", &smoke);
    it.configure("Secrets", |it| it.replace("web/test.yml", "managedResourceTypes: [Job]", "managedResourceTypes: [Job, Secret]"));
    let toml = it.read("towpath.toml");
    let program = format!("cat >> {}", it.path("told.json").display());
    it.write("towpath.toml", &format!("{toml}[notify]\ncommand = [\"/bin/sh\", \"-c\", {program:?}]\n"));
    let bad = it.release("bad", false);
    it.start(None);
    let text = it.until_held(TESTS, "failed");
    let told = it.until("people to be told of the test", |it| {
        let told = std::fs::read_to_string(it.path("told.json")).ok()?;
        (told.contains("the password is") && told.contains("last_lines")).then_some(told)
    });
    assert!(!told.contains("sesame"), "neither in what failed nor in the last lines: {told}");
    assert!(text.contains("the password is") && !text.contains("sesame"), "{text}");
    let run = it.runs(TESTS).first().unwrap()["id"].as_str().unwrap().to_owned();
    let log = it.ok(&["logs", &run]);
    assert!(log.contains("the password is") && !log.contains("sesame"), "{log}");
    let found = it.ok(&["logs", &run, "--search", "password is"]);
    assert!(found.lines().count() >= 1 && found.lines().all(|line| line.contains("password is")), "{found}");
    assert_eq!(it.ok(&["logs", &run, "--search", "sesame"]), "");
    for told in [&["status"][..], &["explain", &bad], &["history", "--limit", "1000"], &["runs"]] {
        let json = it.ok(&[told, &["--output", "json"]].concat());
        assert!(!json.contains("sesame"), "{told:?}");
    }
    assert!(!it.read("server.log").contains("sesame"));
}

#[test]
fn the_ledger_is_backed_up_while_the_server_works_and_put_back_it_goes_on() {
    let (mut it, first) = Installation::released();
    it.ok(&["ledger", "backup", "copy.db"]);
    it.ok(&["ledger", "verify"]);
    let said = it.refused(&["ledger", "restore", "copy.db", "--force"]);
    assert!(said.contains("in use"), "not under a server's feet: {said}");
    let second = it.release("second", true);
    it.until_at(PRODUCTION, &second);
    it.stop();
    it.ok(&["ledger", "verify", "--file", "copy.db"]);
    it.ok(&["ledger", "restore", "copy.db", "--force"]);
    // What happened since is not remembered; what the repositories say is what counts.
    it.start(None);
    it.until_at(PRODUCTION, &second);
    assert_eq!(it.deployed(PRODUCTION), [first, second]);
    let merges = it.git("config.git", &["log", "--merges", "--format=%s", "main"]);
    assert_eq!(merges.lines().count(), 4, "nothing is promoted twice: {merges}");
    it.stop();
    it.ok(&["ledger", "verify"]);
}

#[test]
fn a_tag_that_moved_after_the_tests_is_refused_and_put_back_it_goes() {
    let (mut it, first) = Installation::released();
    it.asks(&["hold", "environment/production", "--reason", "not yet"]);
    let second = it.release("second", true);
    it.until_at(TESTS, &second);
    it.until_held(PRODUCTION, "frozen");
    // Somebody puts the first image under the second one's tag.
    let index = ".towpath/registry/localhost/web/index.json";
    let good = it.read(index);
    let mut doc: serde_json::Value = serde_json::from_str(&good).unwrap();
    let manifests = doc["manifests"].as_array_mut().unwrap();
    let tag = "org.opencontainers.image.ref.name";
    let entry =
        |manifests: &[serde_json::Value], commit: &str| manifests.iter().position(|m| m["annotations"][tag] == commit[..7]).unwrap();
    let (old, new) = (entry(manifests, &first), entry(manifests, &second));
    let annotations = manifests[new]["annotations"].clone();
    manifests[new] = manifests[old].clone();
    manifests[new]["annotations"] = annotations;
    fs::write(it.path(index), serde_json::to_string(&doc).unwrap()).unwrap();
    it.asks(&["release", "environment/production", "--reason", "now"]);
    let text = it.until_held(PRODUCTION, "failed");
    assert!(text.contains("the tag was moved after the tests") && text.contains(&second[..7]), "{text}");
    assert_eq!(it.current(PRODUCTION), Some(first));
    fs::write(it.path(index), good).unwrap();
    it.ok(&["retry", PRODUCTION, "--reason", "the tag is back", "--by", "Ada"]);
    it.until_at(PRODUCTION, &second);
}

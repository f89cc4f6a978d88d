//! Repositories that go away, come back, lose a branch, are rewritten, or move while Towpath works on them.

use std::fs;

use crate::installation::{Installation, PRODUCTION, STAGE, TESTS};

#[test]
fn a_source_that_is_away_holds_only_its_own_and_comes_back_by_itself() {
    let (mut it, first) = Installation::released();
    fs::rename(it.path("web.git"), it.path("elsewhere.git")).unwrap();
    let text = it.until_held(STAGE, "unreachable");
    assert!(text.contains("web.git"), "{text}");
    assert_eq!(it.current(PRODUCTION), Some(first));
    // People are served meanwhile.
    it.asks(&["hold", "environment/production", "--reason", "while the source is away"]);
    it.asks(&["release", "environment/production", "--reason", "it comes back"]);
    let doctor = it.run(&["doctor"]);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("cannot be looked at"), "{doctor:?}");
    fs::rename(it.path("elsewhere.git"), it.path("web.git")).unwrap();
    let second = it.release("second", true);
    it.until_at(PRODUCTION, &second);
    let target = it.target(STAGE).unwrap();
    assert_eq!(target["verdict"]["state"], "up-to-date", "{target}");
}

#[test]
fn a_config_repository_that_is_away_stops_promotions_and_nothing_else() {
    let (mut it, first) = Installation::released();
    fs::rename(it.path("config.git"), it.path("elsewhere.git")).unwrap();
    it.until("that it is away to be told", |it| it.ask(&["status"])?["config"]["unreachable"].as_str().map(str::to_owned));
    let second = it.release("second", true);
    it.until_at(STAGE, &second);
    let text = it.until("the promotion to be told", |it| {
        let run = it
            .runs(TESTS)
            .into_iter()
            .chain(it.ask(&["runs", "--state", "failed"])?.as_array()?.clone())
            .find(|run| run["kind"] == "change")?;
        (run["class"] == "environment").then(|| run["message"].as_str().unwrap_or_default().to_owned())
    });
    assert!(text.contains("config.git"), "{text}");
    assert_eq!(it.current(PRODUCTION), Some(first));
    fs::rename(it.path("elsewhere.git"), it.path("config.git")).unwrap();
    it.ok(&["retry", TESTS, "--reason", "it is back", "--by", "Ada"]);
    it.until_at(PRODUCTION, &second);
}

#[test]
fn a_branch_that_is_deleted_is_told_and_a_rewritten_one_is_followed() {
    let (mut it, first) = Installation::released();
    it.git("web.git", &["update-ref", "-d", "refs/heads/main"]);
    let text = it.until_held(STAGE, "unreachable");
    assert!(text.contains("has no branch main"), "{text}");
    assert_eq!((it.current(STAGE), it.current(PRODUCTION)), (Some(first.clone()), Some(first.clone())));
    // Another history altogether.
    it.git("web", &["checkout", "--quiet", "--orphan", "anew"]);
    it.write("web/subject", "anew");
    it.git("web", &["add", "--all"]);
    it.git("web", &["commit", "--quiet", "--message", "anew"]);
    it.git("web", &["push", "--quiet", "--force", "origin", "anew:main"]);
    let anew = it.git("web", &["rev-parse", "HEAD"]);
    it.until_at(PRODUCTION, &anew);
    // And rewritten under Towpath's eyes.
    it.git("web", &["commit", "--quiet", "--amend", "--message", "anew, and better"]);
    it.git("web", &["push", "--quiet", "--force", "origin", "anew:main"]);
    let better = it.git("web", &["rev-parse", "HEAD"]);
    it.until_at(PRODUCTION, &better);
    assert_eq!(it.deployed(PRODUCTION), [first, anew, better]);
}

#[test]
fn somebody_who_pushes_to_the_config_repository_at_the_last_moment_loses_nothing() {
    let (mut it, _) = Installation::released();
    // When Towpath pushes its merge, another commit gets there first; three times in a row.
    let hook = "#!/bin/sh
read -r old new ref
[ \"$ref\" = refs/heads/main ] || exit 0
for left in 3 2 1; do
  if [ -e race-$left ]; then
    rm race-$left
    unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
    blob=$(echo $left | git hash-object -w --stdin)
    tree=$( (git ls-tree main; printf '100644 blob %s\\tpushed-%s\\n' $blob $left) | git mktree)
    commit=$(git -c user.name=Bea -c user.email=bea@example.com commit-tree -p main -m \"Pushed $left\" $tree)
    git update-ref refs/heads/main $commit
    exit 0
  fi
done
";
    it.write("config.git/hooks/pre-receive", hook);
    fs::set_permissions(it.path("config.git/hooks/pre-receive"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for left in 1..=3 {
        it.write(&format!("config.git/race-{left}"), "");
    }
    let second = it.release("second", true);
    it.until_at(PRODUCTION, &second);
    let files = it.git("config.git", &["ls-tree", "--name-only", "main"]);
    assert!((1..=3).all(|left| files.contains(&format!("pushed-{left}"))), "{files}");
    let subjects = it.git("config.git", &["log", "--first-parent", "--format=%an %s", "main"]);
    assert_eq!(subjects.lines().filter(|line| line.starts_with("Bea Pushed")).count(), 3, "{subjects}");
    assert_eq!(subjects.lines().filter(|line| line.contains("Promote") || line.contains("Merge")).count(), 4, "{subjects}");
    assert_eq!(it.git("config.git", &["branch", "--list", "towpath/*"]), "");
}

#[test]
fn a_broken_saas_file_holds_its_own_targets_and_a_mended_one_goes_on() {
    let (mut it, first) = Installation::released();
    let whole = it.read("config/data/web/test.yml");
    let broken =
        it.configure("Broken", |it| it.write("config/data/web/test.yml", &whole.replace("resourceTemplates:", "resourceTemplates: [")));
    it.until_read(&broken);
    let status = it.ask(&["status"]).unwrap();
    let told = status["config"]["diagnostics"][0].as_str().unwrap();
    assert!(told.starts_with("data/web/test.yml:"), "{told}");
    let second = it.release("second", true);
    it.until_at(STAGE, &second);
    let verdict = it.until("production to tell", |it| {
        let verdict = it.target(PRODUCTION)?["verdict"].clone();
        verdict.to_string().contains("test.yml").then_some(verdict)
    });
    assert!(verdict.to_string().contains("towpath validate"), "{verdict}");
    assert_eq!(it.current(PRODUCTION), Some(first));
    it.configure("Mended", |it| {
        let text = it.read("config/data/web/test.yml");
        it.write("config/data/web/test.yml", &text.replace("resourceTemplates: [", "resourceTemplates:"));
    });
    it.until_at(PRODUCTION, &second);
}

/// Sends what a GitHub would of a push, signed with this secret, and answers with the status.
fn announce(it: &Installation, secret: &str, repository: &str, delivery: &str) -> String {
    let server: serde_json::Value = serde_json::from_str(&it.read(".towpath/server.json")).unwrap();
    let url = format!("http://{}/hooks/github", server["address"].as_str().unwrap());
    it.write("hook.json", &format!(r#"{{"ref":"refs/heads/main","repository":{{"full_name":"{repository}"}}}}"#));
    let run = |program: &str, arguments: &[&str]| {
        let out = std::process::Command::new(program).args(arguments).current_dir(it.path(".")).output().unwrap();
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    let signed = run("openssl", &["dgst", "-sha256", "-hmac", secret, "-r", "hook.json"]);
    let signature = format!("x-hub-signature-256: sha256={}", signed.split(' ').next().unwrap());
    let delivery = format!("x-github-delivery: {delivery}");
    let mut arguments =
        vec!["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "x-github-event: push", "-H", &signature, "-H", &delivery];
    arguments.extend(["-H", "content-type: application/json", "--data-binary", "@hook.json", &url]);
    run("curl", &arguments)
}

#[test]
fn a_signed_webhook_has_its_repository_looked_at_long_before_its_turn_and_a_new_secret_counts_without_a_restart() {
    if let Some(program) = towpath_testbed::missing_program(&["curl", "openssl"]) {
        towpath_testbed::skipped::<()>(&format!("signing and sending a webhook needs {program}"));
        return;
    }
    let mut it = Installation::new();
    let toml = it.read("towpath.toml").replace("50ms", "1h");
    it.write("towpath.toml", &format!("{toml}[webhooks.github]\nsecret_file = \"hook-secret\"\nother_secret_file = \"next-secret\"\n"));
    let (secret, next) = ("the first secret, long enough", "the next secret, long enough");
    it.write("hook-secret", &format!("{secret}\n"));
    it.write("next-secret", &format!("{next}\n"));
    let first = it.release("first", true);
    it.start(None);
    it.until_at(STAGE, &first);

    // The folder that the repository is in stands for its organisation.
    let folder = it.path(".").canonicalize().unwrap();
    let name = format!("{}/web", folder.file_name().unwrap().to_str().unwrap());
    let second = it.release("second", true);
    assert_eq!(announce(&it, "not the secret, though long", &name, "a"), "401");
    assert_eq!(announce(&it, secret, "someone/else", "b"), "202");
    assert_eq!(announce(&it, secret, &name, "c"), "202");
    it.until_at(STAGE, &second);
    let third = it.release("third", true);
    assert_eq!(announce(&it, next, &name, "d"), "202");
    it.until_at(STAGE, &third);
    assert_eq!(announce(&it, next, &name, "d"), "204");
    let doubtful = it.read("server.log");
    assert!(!doubtful.contains(secret) && !doubtful.contains(next));

    // The secret is replaced while the server runs.
    it.write("next-secret", "a third secret, long enough\n");
    let name = name.as_str();
    let mut tried = 0;
    it.until("the new secret to count", |it| {
        tried += 1;
        (announce(it, "a third secret, long enough", name, &format!("e{tried}")) == "202").then_some(())
    });
    assert_eq!(announce(&it, next, name, "f"), "401");
}

//! Many changes at once: each is checked on what it lands on, and all are merged.

use std::collections::{BTreeMap, BTreeSet};

use crate::installation::Installation;

/// So many apps are to be promoted at the same moment.
const APPS: usize = 30;

const MAP: &str = "\
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: map}
parameters:
  - {name: NAME, required: true}
  - {name: IMAGE_TAG}
objects:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: '${NAME}'}, data: {name: '${NAME}'}}
";

const FREEZE: &str =
    "$schema: /towpath/policy-1.yml\nname: together\nselect: {environments: [production]}\nfreezes: [{reason: all at once}]\n";

/// Nobody waits for an hour here: the third closes the batch.
const BATCHING: &str = "\
$schema: /towpath/policy-1.yml
name: together-to-production
select: {environments: [production]}
batching: {window: 1h, limit: 3}
";

/// Apps that need no build, each with a stage that follows its source, and with a production that waits for that.
fn apps(count: usize) -> Installation {
    let it = Installation::bare(&[("source", "main"), ("config", "main")]);
    let url = it.path("source.git").display().to_string();
    it.write("source/map.yaml", MAP);
    it.write("config/data/cluster.yml", "$schema: /openshift/cluster-1.yml\nname: laptop\nserverUrl: local\n");
    it.write("config/data/freeze.yml", FREEZE);
    let app = format!("$schema: /app-sre/app-1.yml\nname: many\ncodeComponents:\n  - {{name: many, resource: upstream, url: '{url}'}}\n");
    it.write("config/data/app.yml", &app);
    for environment in ["stage", "production"] {
        it.write(&format!("config/data/{environment}.yml"), &format!("$schema: /app-sre/environment-1.yml\nname: {environment}\n"));
    }
    for n in 0..count {
        for environment in ["stage", "production"] {
            it.write(
                &format!("config/data/app-{n}/{environment}.yml"),
                &format!(
                    "$schema: /openshift/namespace-1.yml\nname: app-{n}-{environment}\ncluster: {{$ref: /cluster.yml}}\napp: {{$ref: /app.yml}}\nenvironment: {{$ref: /{environment}.yml}}\n"
                ),
            );
        }
        it.write(
            &format!("config/data/app-{n}/deploy.yml"),
            &format!(
                "\
$schema: /app-sre/saas-file-2.yml
name: app-{n}
app: {{$ref: /app.yml}}
managedResourceTypes: [ConfigMap]
resourceTemplates:
  - name: map
    url: '{url}'
    path: /map.yaml
    parameters: {{NAME: app-{n}}}
    targets:
      - namespace: {{$ref: /app-{n}/stage.yml}}
        ref: main
        promotion: {{publish: [app-{n}]}}
      - namespace: {{$ref: /app-{n}/production.yml}}
        ref: '0000000000000000000000000000000000000000'
        promotion: {{auto: true, subscribe: [app-{n}]}}
"
            ),
        );
    }
    it.commit("config", "Many apps");
    let config = it.path("config.git").display().to_string();
    it.write("towpath.toml", &format!("[config]\nurl = {config:?}\n[poll]\nlocal = \"50ms\"\n"));
    it
}

/// How many targets of production run this commit.
fn arrived(it: &Installation, commit: &str) -> Option<usize> {
    let status = it.ask(&["status"])?;
    let targets = status["targets"].as_array()?;
    Some(targets.iter().filter(|t| t["environment"] == "production" && t["current"]["commit"]["id"] == commit).count())
}

#[test]
fn many_promotions_at_once_are_each_checked_once_and_all_are_merged() {
    let mut it = apps(APPS);
    let commit = it.commit("source", "first");
    it.start(None);
    it.until("all to be tested, and to wait", |it| {
        let status = it.ask(&["status"])?;
        let frozen = |t: &&serde_json::Value| t.to_string().contains("all at once");
        (status["targets"].as_array()?.iter().filter(frozen).count() == APPS).then_some(())
    });
    it.configure("All may go", |it| {
        std::fs::remove_file(it.path("config/data/freeze.yml")).unwrap();
    });
    it.until("all to come to production", |it| (arrived(it, &commit)? == APPS).then_some(()));

    let merges = it.git("config.git", &["log", "--merges", "--first-parent", "--format=%s", "main"]);
    let merges: Vec<&str> = merges.lines().collect();
    assert_eq!(merges.len(), APPS, "{merges:#?}");
    assert_eq!(merges.iter().collect::<BTreeSet<_>>().len(), APPS, "each once");
    let branches = it.git("config.git", &["for-each-ref", "refs/heads/towpath/"]);
    assert_eq!(branches, "", "no change stays open");
    // Each was checked, and hardly any twice: those that came while others were being merged were checked on top of those.
    let mut checks: BTreeMap<String, usize> = BTreeMap::new();
    for run in it.ask(&["runs", "--limit", "1000"]).unwrap().as_array().unwrap().iter().filter(|run| run["kind"] == "change") {
        let id = run["id"].as_str().unwrap();
        checks.insert(id.to_owned(), it.ok(&["logs", id]).matches("checks passed on").count());
    }
    assert_eq!(checks.len(), APPS, "{checks:#?}");
    assert!(checks.values().all(|count| *count >= 1), "{checks:#?}");
    assert!(checks.values().sum::<usize>() <= APPS + APPS / 3, "{checks:#?}");
}

/// The names of the apps whose production each run of a change moves, by the run's id.
fn promoted(it: &Installation) -> BTreeMap<String, Vec<&'static str>> {
    let history = it.ask(&["history", "--limit", "1000"]).unwrap();
    let queued = history.as_array().unwrap().iter().map(|line| &line["event"]).filter(|event| event["event"] == "run-queued");
    let apps = |event: &serde_json::Value| {
        let title = event["work"]["title"].as_str().unwrap_or_default().to_owned();
        ["app-0", "app-1", "app-2"].into_iter().filter(|app| title.contains(app)).collect()
    };
    queued.map(|event| (event["id"].as_str().unwrap().to_owned(), apps(event))).collect()
}

/// The title of an app's production.
fn production(app: &str) -> String {
    format!("{app}/map/production/{app}-production")
}

#[test]
fn promotions_that_join_one_change_are_split_until_the_culprit_stands_alone_and_the_innocent_are_merged() {
    let mut it = apps(3);
    let commit = it.commit("source", "first");
    let short = &commit[..7];
    it.configure("One app pins its image, and another waits for somebody", |it| {
        it.write("config/data/batching.yml", BATCHING);
        it.write("config/data/freeze.yml", &FREEZE.replace("environments: [production]", &format!("targets: [{}]", production("app-2"))));
        // Good as long as the ref is another one; a promotion to that very commit breaks a rule of the config repository.
        let pinned = format!("parameters: {{IMAGE_TAG: '{short}'}}\n        promotion: {{auto");
        it.replace("app-1/deploy.yml", "promotion: {auto", &pinned);
    });
    it.start(None);
    for app in ["app-0", "app-1"] {
        let text = it.until_held(&production(app), "batching");
        assert!(text.starts_with(&format!("{short} waits for others to join its change until ")), "{text}");
        assert!(text.ends_with("or until there are 3 (policy together-to-production)"), "{text}");
        let explained = it.ok(&["explain", &production(app)]);
        assert!(explained.contains("waits for others to join its change") && explained.contains("towpath promote"), "{explained}");
    }
    it.until_held(&production("app-2"), "frozen");
    assert_eq!(it.ask(&["runs", "--limit", "100"]).unwrap().as_array().unwrap().iter().filter(|run| run["kind"] == "change").count(), 0);
    it.configure("The third may go, too", |it| std::fs::remove_file(it.path("config/data/freeze.yml")).unwrap());

    for app in ["app-0", "app-2"] {
        it.until_at(&production(app), &commit);
    }
    // Whenever the config repository moves, what was refused is tried once more: by itself.
    it.until("the culprit to be held, and nothing to be under way", |it| {
        let runs = it.ask(&["runs", "--limit", "1000"])?;
        let over = runs.as_array()?.iter().all(|run| run["state"] == "succeeded" || run["state"] == "failed");
        let explained = it.ok(&["explain", &production("app-1")]);
        let told = ["did not pass", "redundant-image-tag", "data/app-1/deploy.yml", "towpath retry"];
        (over && told.iter().all(|words| explained.contains(words))).then_some(())
    });

    let runs = it.ask(&["runs", "--limit", "1000"]).unwrap();
    let changes: Vec<&serde_json::Value> = runs.as_array().unwrap().iter().rev().filter(|run| run["kind"] == "change").collect();
    let promoted = promoted(&it);
    let apps = |run: &serde_json::Value| promoted[run["id"].as_str().unwrap()].clone();
    assert_eq!(apps(changes[0]), ["app-0", "app-1", "app-2"], "all three in one change: {changes:#?}");
    for run in &changes {
        let guilty = apps(run).contains(&"app-1");
        assert_eq!(run["state"] == "failed", guilty, "{run:#}");
    }
    let merges = it.git("config.git", &["log", "--merges", "--first-parent", "--format=%s", "main"]);
    assert!(merges.contains("app-0") && merges.contains("app-2") && !merges.contains("app-1"), "{merges}");
    // Nobody can merge the batch by hand: its branch is gone, as is each half's with the culprit; what is left is the culprit's own.
    let branches = it.git("config.git", &["for-each-ref", "--format=%(refname:short)", "refs/heads/towpath/"]);
    assert_eq!(branches.lines().count(), 1, "{branches}");
    assert!(branches.starts_with("towpath/promote-app-1-"), "{branches}");

    // Once it is mended, it goes by itself.
    it.configure("The image follows the ref", |it| {
        it.replace("app-1/deploy.yml", &format!("parameters: {{IMAGE_TAG: '{short}'}}\n        "), "");
    });
    it.until_at(&production("app-1"), &commit);
}

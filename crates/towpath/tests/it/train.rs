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
objects:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: '${NAME}'}, data: {name: '${NAME}'}}
";

const FREEZE: &str =
    "$schema: /towpath/policy-1.yml\nname: together\nselect: {environments: [production]}\nfreezes: [{reason: all at once}]\n";

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

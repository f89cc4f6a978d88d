//! Pull requests of sources on a real Kubernetes: checked in namespaces of a pool, told whose fault a failure is, and a storm of them.

use std::collections::BTreeSet;

use serde_json::Value;
use towpath_testbed::Kube;

use super::given::OnKube;
use crate::checks::{ended, text};
use crate::installation::Installation;
use crate::operate::{address, get};
use crate::storm::{self, Kills, SOURCES, Size, force, nothing_is_held};

/// A service that the source depends on, of another repository. Its image is the source's first release.
const DB: &str = "\
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: db}
parameters:
  - {name: IMAGE, required: true}
  - {name: IMAGE_TAG, required: true}
objects:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: db}
    spec:
      replicas: 1
      selector: {matchLabels: {app: db}}
      template:
        metadata: {labels: {app: db}}
        spec:
          terminationGracePeriodSeconds: 0
          containers:
            - {name: db, image: '${IMAGE}:${IMAGE_TAG}', command: [sh, -c, 'RUN']}
";

const STAYS: &str = "while :; do sleep 0.1; done";

/// A real cluster where the pull requests of the source are checked in namespaces of a pool of this name.
struct Checked {
    on: OnKube,
    pool: String,
}

impl Checked {
    /// With a release. Nothing runs yet. `None` where there is no cluster; told loudly.
    fn new(pool: &str, check: &str) -> Option<(Self, String)> {
        let on = OnKube::new()?;
        let name = on.kube.new_name("checks");
        storm::have_checked(&on.it, &name, pool, check);
        let first = on.it.release("first", true);
        Some((Self { on, pool: name }, first))
    }

    /// A release on stage, beside a database that the source depends on there.
    fn with_database(pool: &str, check: &str) -> Option<(Self, String)> {
        let (mut checked, first) = Self::new(pool, &format!("  dependencies: [{{$ref: /db/deploy.yml}}]\n{check}"))?;
        let on = &mut checked.on;
        on.it.git(".", &["init", "--quiet", "--bare", "--initial-branch=main", "db.git"]);
        on.it.git(".", &["clone", "--quiet", "db.git", "db"]);
        on.it.git("db", &["checkout", "--quiet", "-B", "main"]);
        on.it.write("db/db.yaml", &DB.replace("RUN", STAYS));
        on.it.commit("db", "The database");
        let (db, image) = (on.it.path("db.git").display().to_string(), image(on));
        let saas = format!(
            "$schema: /app-sre/saas-file-2.yml\nname: db\napp: {{$ref: /web/app.yml}}\nmanagedResourceTypes: [Deployment]\nimagePatterns: ['{image}']\n\
             resourceTemplates:\n  - name: db\n    url: '{db}'\n    path: /db.yaml\n    parameters: {{IMAGE: '{image}', IMAGE_TAG: '{}'}}\n    \
             targets: [{{namespace: {{$ref: /web/stage.yml}}, ref: main}}]\n",
            &first[..7]
        );
        on.it.write("config/data/db/deploy.yml", &saas);
        let components = format!("codeComponents:\n  - {{name: db, resource: upstream, url: '{db}'}}\n");
        on.it.replace("web/app.yml", "codeComponents:\n", &components);
        on.it.commit("config", "A database");
        on.it.start(None);
        let stage = on.stage_title();
        on.it.until_at(&stage, &first);
        Some((checked, first))
    }

    /// Namespaces of the pool on the cluster, with those on their way out.
    fn namespaces(&self) -> Vec<Value> {
        let there = self.on.kube.get(&["namespaces", "-l", &format!("towpath.dev/pool={}", self.pool)]);
        there["items"].as_array().unwrap().clone()
    }

    /// Waits until no namespace is anybody's, in the ledger and on the cluster.
    #[track_caller]
    fn until_all_is_given_back(&mut self) {
        nothing_is_held(&mut self.on.it);
        assert_eq!(given(&self.namespaces()), Vec::<&str>::new());
    }
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

/// Those that somebody was given.
fn given(namespaces: &[Value]) -> Vec<&str> {
    namespaces.iter().filter(|one| !one["metadata"]["annotations"]["towpath.dev/requester"].is_null()).map(name).collect()
}

fn image(on: &OnKube) -> String {
    format!("{}/{}", on.registry.host, on.stage)
}

fn is_there(kube: &Kube, namespace: &str) -> bool {
    !kube.kubectl(&["get", "namespace", namespace, "-o", "name", "--ignore-not-found"]).trim().is_empty()
}

/// Pushes a pull request that changes this, on top of the branch that it is for.
fn pull(it: &Installation, number: u32, change: impl Fn(&Installation)) -> String {
    it.git("web", &["checkout", "--quiet", "-B", &format!("pull/{number}"), "origin/main"]);
    it.write(&format!("web/changes/{number}"), "one\n");
    change(it);
    force(it, "web", &format!("Change {number}"))
}

/// Has the smoke test wait for a file `open` in this folder, and then leave a report.
fn behind_a_gate(it: &Installation, gate: &str) {
    let smoke = "web/deploy/smoke.yaml";
    let volumes = format!("          volumes: [{{name: gate, hostPath: {{path: '{gate}'}}}}]\n          containers:\n");
    it.replace_in(smoke, "          containers:\n", &volumes);
    it.replace_in(
        smoke,
        "              command: ",
        "              volumeMounts: [{name: gate, mountPath: /gate}]\n              command: ",
    );
    let report =
        "<testsuite name=\\\"smoke\\\" tests=\\\"2\\\"><testcase name=\\\"front page\\\"/><testcase name=\\\"checkout\\\"/></testsuite>";
    let waits = "echo begun; while [ ! -e /gate/open ]; do sleep 0.1; done; ";
    let tells = format!("echo -----BEGIN JUNIT REPORT smoke.xml-----; echo \"{report}\"; echo -----END JUNIT REPORT-----");
    it.replace_in(smoke, "; grep -q good verdict'", &format!("; {waits}grep -q good verdict; {tells}'"));
}

#[test]
fn a_pull_request_is_checked_beside_what_it_depends_on_in_a_namespace_that_is_gone_afterwards_also_when_the_server_was_killed() {
    let Some((mut checked, _)) = Checked::with_database("size: 1\nlimit: 2\n", "") else { return };
    let kube = checked.on.kube;
    checked.on.it.write("gate/closed", "");
    let gate = checked.on.it.path("gate").display().to_string();
    let head = pull(&checked.on.it, 1, |it| behind_a_gate(it, &gate));
    let run = checked.on.it.until("the test to have begun", |it| {
        let view = it.ask(&["check", "show", "web#1"])?;
        let run = view["run"].as_str()?.to_owned();
        String::from_utf8_lossy(&it.run(&["logs", &run]).stdout).contains("begun").then_some(run)
    });

    // All of it is in one namespace, which is the run's alone.
    let there = checked.namespaces();
    let [namespace] = given(&there)[..] else { panic!("{there:?}") };
    let all = kube.get(&["deployments,jobs", "-n", namespace]);
    let all: Vec<String> =
        all["items"].as_array().unwrap().iter().map(|one| format!("{} {}", one["kind"].as_str().unwrap(), name(one))).collect();
    assert!(all[..2] == ["Deployment db", "Deployment web"] && all.len() == 3, "{all:?}");
    let job = checked.on.jobs(namespace)[0]["metadata"]["uid"].clone();
    let (own, stage) = (checked.on.running(namespace), checked.on.running(&checked.on.stage));
    assert!(own.len() == 1 && own != stage, "its own image, not the release's: {own:?}, {stage:?}");

    // Killed and started again, the server goes on with the Job that is there.
    checked.on.it.kill();
    checked.on.it.start(None);
    checked.on.it.until("the server", |it| it.ask(&["check", "list"]));
    let again = checked.on.jobs(namespace);
    assert!(again.len() == 1 && again[0]["metadata"]["uid"] == job, "{again:?}");
    checked.on.it.write("gate/open", "");
    let (ended_run, outcome) = ended(&mut checked.on.it, &head);
    let log = checked.on.it.ok(&["logs", &run]);
    assert_eq!((text(&outcome, "outcome"), &ended_run), ("checked", &run), "{outcome}\n{log}");
    let summary = text(&outcome, "summary");
    assert!(summary.contains("; 2 components well; 1 test, 2 passed"), "{summary}");
    let digest = own[0].rsplit_once('@').unwrap().1;
    assert!(outcome["digests"].to_string().contains(digest), "what ran is what is told: {outcome}");
    let (_, reports) = get(&address(&checked.on.it).unwrap(), &format!("/api/v1/runs/{run}/reports")).unwrap();
    assert!(reports.contains("front page") && reports.contains("checkout"), "{reports}");
    assert!(log.matches("begun").count() == 1 && log.contains("good"), "each line once: {log}");

    let kept = namespace.to_owned();
    checked.on.it.until("its namespace to be gone", |_| (!is_there(kube, &kept)).then_some(()));
    checked.until_all_is_given_back();
    checked.on.it.stop();
    checked.on.it.ok(&["ledger", "verify"]);
}

#[test]
fn a_failure_is_blamed_on_whose_it_is_with_the_last_lines() {
    let Some((mut checked, first)) = Checked::with_database("size: 2\nlimit: 3\n", "  retries: 0\n  concurrency: 2\n") else { return };
    // A name of the registry by which Towpath reaches it, and the cluster does not.
    let aloof = image(&checked.on).replace("localhost", "0.0.0.0");
    let config = checked.on.it.read("towpath.toml");
    let host = checked.on.registry.host.replace("localhost", "0.0.0.0");
    checked.on.it.stop();
    checked.on.it.write("towpath.toml", &format!("{config}[registries.\"{host}\"]\nplain_http = true\n"));
    checked.on.it.start(None);
    let commit = checked.on.it.configure("Another name of the image", |it| {
        it.replace("web/deploy.yml", "imagePatterns: [", &format!("imagePatterns: ['{aloof}', "));
    });
    checked.on.it.until_read(&commit);

    let runs = "trap exit TERM; echo up; while :; do sleep 0.1; done";
    let own = pull(&checked.on.it, 1, |it| {
        it.replace_in("web/deploy/web.yaml", runs, "echo connecting; echo no database at db:5432; exit 3");
    });
    let away = pull(&checked.on.it, 2, |it| {
        let first = format!("          initContainers: [{{name: first, image: '{aloof}:{}', command: [sh]}}]\n", &first[..7]);
        it.replace_in("web/deploy/web.yaml", "          containers:\n", &format!("{first}          containers:\n"));
    });
    let (run, outcome) = ended(&mut checked.on.it, &own);
    assert_eq!(
        (text(&outcome, "step"), text(&outcome["blame"], "blame"), text(&outcome, "class")),
        ("deploy", "source", "own"),
        "{outcome}"
    );
    let message = text(&outcome, "message");
    assert!(message.contains("Deployment.apps/web") && message.contains("no database at db:5432"), "{message}");
    let log = checked.on.it.ok(&["logs", &run]);
    assert!(log.contains("connecting") && log.contains("not well"), "{log}");

    let (_, outcome) = ended(&mut checked.on.it, &away);
    assert_eq!((text(&outcome, "step"), text(&outcome["blame"], "blame")), ("deploy", "environment"), "{outcome}");
    assert!(text(&outcome, "message").contains(&aloof), "{outcome}");

    let fails = pull(&checked.on.it, 3, |it| it.write("web/verdict", "bad\n"));
    let (_, outcome) = ended(&mut checked.on.it, &fails);
    assert_eq!((text(&outcome, "step"), text(&outcome["blame"], "blame")), ("test smoke", "source"), "{outcome}");

    checked.on.it.write("db/db.yaml", &DB.replace("RUN", "echo no disk; exit 4"));
    checked.on.it.commit("db", "Broken");
    let title = format!("db/db/stage/{}", checked.on.stage);
    checked.on.it.until_held(&title, "failed");
    let beside = pull(&checked.on.it, 4, |_| ());
    let (_, outcome) = ended(&mut checked.on.it, &beside);
    let blame = &outcome["blame"];
    assert_eq!(
        (text(blame, "blame"), text(blame, "title"), text(&outcome, "class")),
        ("dependency", title.as_str(), "environment"),
        "{outcome}"
    );
    assert!(text(&outcome, "message").contains("no disk"), "{outcome}");
    checked.until_all_is_given_back();
}

/// Three sources on a real cluster, and a storm of pull requests on them.
fn storm(size: Size, kills: Option<Kills>) {
    let check = "  concurrency: 3\n";
    let Some((mut checked, _)) = Checked::new(&format!("size: 3\nlimit: {}\n", storm::LIMIT), check) else { return };
    let on = &mut checked.on;
    for source in &SOURCES[1..] {
        for namespace in [&on.stage, &on.production] {
            on.kube.kubectl(&["create", "namespace", &namespace.replacen("web", source, 1)]);
        }
    }
    storm::have_two_more_sources(&on.it, &image(on));
    on.it.start(None);
    let told = storm::rage(&mut on.it, size, kills);

    // The cluster has what the ledger has, and nobody was given any of it.
    let there = checked.namespaces();
    let known = told.left();
    let unknown: BTreeSet<&str> = there.iter().map(name).filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are on the cluster, and not in the ledger");
    assert_eq!(given(&there), Vec::<&str>::new());
}

#[test]
fn pull_requests_with_four_pushes_each_come_to_one_verdict_each() {
    storm(Size::asked(), None);
}

#[test]
fn and_so_they_do_while_the_server_is_killed_again_and_again() {
    // A few seconds each; for as long as most checks go on.
    let size = Size::asked();
    storm(size, Some(Kills { after: 15, spread: 40, wanted: size.pulls as i64 * 4 / 3 }));
}

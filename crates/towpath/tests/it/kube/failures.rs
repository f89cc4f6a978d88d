//! Every way in which a deploy or a test can fail on a cluster: each is told with its reason, its object, its last lines and its events, and
//! none of it comes to production.
//!
//! All of them fail beside each other in one installation, which the tests share as long as one of them runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde_json::{Value, json};
use towpath_testbed::Kube;

use super::clowder::Clowder;
use super::given::{BUSYBOX, READER, Registry, node};
use crate::installation::Installation;

/// What fails, in which repository, for how long at most, and what its template makes.
struct Case {
    name: &'static str,
    repository: &'static str,
    timeout: &'static str,
    object: Value,
}

/// A container of the repository's image.
fn container(command: &str, more: &Value) -> Value {
    let mut container = json!({"name": "main", "image": "${IMAGE}:${IMAGE_TAG}", "command": ["sh", "-c", command]});
    for (field, value) in more.as_object().into_iter().flatten() {
        container[field] = value.clone();
    }
    container
}

const SERVES: &str = "trap exit TERM; while :; do sleep 0.2; done";

fn deployment(name: &'static str, container: Value, pod: &Value) -> Case {
    let mut spec = json!({"terminationGracePeriodSeconds": 0, "containers": [container]});
    for (field, value) in pod.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
    }});
    Case { name, repository: "web", timeout: "1h", object }
}

fn job(name: &'static str, command: &str) -> Case {
    let object = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": format!("{name}-${{IMAGE_TAG}}")}, "spec": {
        "backoffLimit": 0,
        "template": {"spec": {"restartPolicy": "Never", "containers": [container(command, &json!({}))]}},
    }});
    Case { name, repository: "web", timeout: "1h", object }
}

fn invocation(name: &'static str, played: &str) -> Case {
    let object = json!({"apiVersion": "cloud.redhat.com/v1alpha1", "kind": "ClowdJobInvocation",
        "metadata": {"name": format!("{name}-${{IMAGE_TAG}}"), "annotations": {"played": played}},
        "spec": {"appName": "shop", "testing": {"iqe": {"marker": "smoke"}}},
    });
    Case { name, repository: "web", timeout: "1h", object }
}

fn cases() -> Vec<Case> {
    let none = json!({});
    // Not ready before it has read all, which it never has.
    let reads = "echo reading it all; x=0123456789abcdef; while :; do x=$x$x; done";
    let hungry = json!({
        "resources": {"limits": {"memory": "24Mi"}}, "readinessProbe": {"exec": {"command": ["cat", "/all"]}, "periodSeconds": 10},
    });
    let probe = json!({"readinessProbe": {"exec": {"command": ["cat", "/not-there"]}, "periodSeconds": 1}});
    vec![
        Case { repository: "denied", ..deployment("image-denied", container(SERVES, &none), &none) },
        Case { repository: "aloof", ..deployment("image-away", container(SERVES, &none), &none) },
        Case { repository: "denied", ..job("test-image-denied", "echo never") },
        deployment("crash-loop", container("echo connecting; echo no database at db:5432; exit 3", &none), &none),
        deployment("out-of-memory", container(reads, &hungry), &none),
        deployment("probe", container(SERVES, &probe), &none),
        Case { timeout: "15s", ..deployment("unschedulable", container(SERVES, &none), &json!({"nodeSelector": {"disk": "golden"}})) },
        deployment("rejected", container(SERVES, &none), &json!({"serviceAccountName": "nobody"})),
        deployment("quota", container(SERVES, &none), &none),
        job("test-fails", "echo opening the front page; echo checkout: no such button; exit 4"),
        invocation("invocation-failed", ""),
        invocation("invocation-empty", "empty"),
        Case { timeout: "15s", ..invocation("invocation-never", "never") },
    ]
}

struct Failing {
    it: Installation,
    kube: &'static Kube,
    _registries: [Registry; 3],
    _clowder: Clowder,
    stage: String,
    production: String,
}

/// What is told of a failure.
struct Told {
    /// The hold.
    held: String,
    /// `towpath logs` of the newest run.
    log: String,
    /// Its class.
    class: String,
    /// How often it was tried.
    runs: usize,
}

impl Failing {
    fn new() -> Option<Self> {
        let kube = node()?;
        let registries = [Registry::start()?, Registry::private()?, Registry::aloof()?];
        let it = Installation::bare(&[("web", "main"), ("denied", "main"), ("aloof", "main"), ("config", "main")]);
        let (stage, production, full) = (kube.namespace("failing"), kube.namespace("failing-prod"), kube.namespace("full"));
        kube.apply(&format!(
            "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: none, namespace: {full}}}\nspec: {{hard: {{pods: \"0\"}}}}\n"
        ));
        let clowder = Clowder::play(kube, &[&stage, &production]);
        let mut on = Self { it, kube, _registries: registries, _clowder: clowder, stage, production };
        on.prepare(&full);
        on.it.start(None);
        Some(on)
    }

    fn prepare(&self, full: &str) {
        let it = &self.it;
        let cluster = "cluster: {$ref: /clusters/node.yml}\napp: {$ref: /app.yml}\n";
        let namespace = |name: &str, environment: &str| {
            format!("$schema: /openshift/namespace-1.yml\nname: {name}\n{cluster}environment: {{$ref: /environments/{environment}.yml}}\n")
        };
        let mut files = vec![
            ("clusters/node.yml".to_owned(), "$schema: /openshift/cluster-1.yml\nname: node\nserverUrl: https://node.example.com\n".to_owned()),
            ("environments/stage.yml".to_owned(), "$schema: /app-sre/environment-1.yml\nname: stage\n".to_owned()),
            ("environments/production.yml".to_owned(), "$schema: /app-sre/environment-1.yml\nname: production\n".to_owned()),
            ("app.yml".to_owned(), "$schema: /app-sre/app-1.yml\nname: web\n".to_owned()),
            ("namespaces/stage.yml".to_owned(), namespace(&self.stage, "stage")),
            ("namespaces/full.yml".to_owned(), namespace(full, "stage")),
            ("namespaces/production.yml".to_owned(), namespace(&self.production, "production")),
            (
                "policy.yml".to_owned(),
                "$schema: /towpath/policy-1.yml\nname: bounds\nselect: {apps: [web]}\nretries: {attempts: 2, backoff: 1s, backoffLimit: 1s}\n".to_owned(),
            ),
        ];
        for repository in ["web", "denied", "aloof"] {
            files.push((format!("sources/{repository}.yml"), self.source(repository)));
        }
        let shop = json!({"apiVersion": "cloud.redhat.com/v1alpha1", "kind": "ClowdApp", "metadata": {"name": "shop"}, "spec": {
            "envName": "stage", "deployments": [{"name": "web", "minReplicas": 1, "podSpec": {"image": "${IMAGE}:${IMAGE_TAG}"}}],
        }});
        let mut cases = cases();
        cases.push(Case { name: "shop", repository: "web", timeout: "1h", object: shop });
        for case in &cases {
            let template = json!({
                "apiVersion": "template.openshift.io/v1", "kind": "Template", "metadata": {"name": case.name},
                "parameters": [{"name": "IMAGE", "required": true}, {"name": "IMAGE_TAG", "required": true}],
                "objects": [case.object],
            });
            it.write(&format!("{}/deploy/{}.yaml", case.repository, case.name), &template.to_string());
            files.push((format!("saas/{}.yml", case.name), self.saas_file(case)));
        }
        for (path, text) in files {
            it.write(&format!("config/data/{path}"), &text);
        }
        for repository in ["web", "denied", "aloof"] {
            it.write(&format!("{repository}/serve"), &format!("{SERVES}\n"));
            it.write(&format!("{repository}/smoke"), "echo smoke: checkout is broken; exit 5\n");
            it.commit(repository, "All of it");
        }
        it.commit("config", "What fails");
        it.write("password", READER.1);
        let mut text = format!(
            "[config]\nurl = {:?}\n[poll]\nlocal = \"50ms\"\n[clusters.node]\nkubeconfig = {:?}\n",
            it.path("config.git").display().to_string(),
            self.kube.kubeconfig.display().to_string()
        );
        for (registry, credentials) in self._registries.iter().zip([false, true, false]) {
            text += &format!("[registries.\"{}\"]\nplain_http = true\n", registry.host);
            if credentials {
                text += &format!("username = {:?}\npassword_file = \"password\"\n", READER.0);
            }
        }
        it.write("towpath.toml", &text);
    }

    fn image(&self, repository: &str) -> String {
        let at = ["web", "denied", "aloof"].iter().position(|known| *known == repository).unwrap();
        format!("{}/{}-{repository}", self._registries[at].host, self.stage)
    }

    fn source(&self, repository: &str) -> String {
        format!(
            "$schema: /towpath/source-1.yml\nname: {repository}\napp: {{$ref: /app.yml}}\nurl: {}\nbranch: main\nimage: {}\nbuild:\n  \
             command: {BUSYBOX}\n  pack:\n    files: [{{from: bin, to: /bin}}, {{from: serve, to: /serve}}, {{from: smoke, to: /smoke}}]\n    \
             entrypoint: [sh]\n",
            self.it.path(&format!("{repository}.git")).display(),
            self.image(repository)
        )
    }

    fn saas_file(&self, case: &Case) -> String {
        let (name, image) = (case.name, self.image(case.repository));
        let namespace = if name == "quota" { "full" } else { "stage" };
        let production = if name == "shop" {
            String::new()
        } else {
            format!(
                "      - namespace: {{$ref: /namespaces/production.yml}}\n        ref: '{}'\n        \
                 promotion: {{auto: true, subscribe: [{name}-ok]}}\n",
                "0".repeat(40)
            )
        };
        format!(
            "$schema: /app-sre/saas-file-2.yml\nname: {name}\napp: {{$ref: /app.yml}}\ntimeout: {}\n\
             managedResourceTypes: [Deployment, Job, ClowdApp, ClowdJobInvocation]\nimagePatterns: ['{image}']\nresourceTemplates:\n  \
             - name: {name}\n    url: {}\n    path: /deploy/{name}.yaml\n    parameters: {{IMAGE: '{image}'}}\n    targets:\n      \
             - namespace: {{$ref: /namespaces/{namespace}.yml}}\n        ref: main\n        promotion: {{publish: [{name}-ok]}}\n{production}",
            case.timeout,
            self.it.path(&format!("{}.git", case.repository)).display()
        )
    }

    /// Waits until it has failed for good, and looks at all that is told of it.
    #[track_caller]
    fn told(&mut self, name: &str) -> Told {
        let title = self.it.until(&format!("target {name}"), |it| {
            let status = it.ask(&["status"])?;
            let titles = status["targets"].as_array()?.iter().filter_map(|target| target["title"].as_str());
            titles.map(str::to_owned).find(|title| title.starts_with(&format!("{name}/{name}/stage/")))
        });
        let held = self.it.until_held(&title, "failed");
        let runs = self.it.runs(&title);
        let newest = runs[0]["id"].as_str().unwrap().to_owned();
        let (log, explained) = (self.it.ok(&["logs", &newest]), self.it.ok(&["explain", &newest]));
        assert!(explained.contains(&held) || explained.contains(runs[0]["message"].as_str().unwrap()), "{held}:\n{explained}");
        let there = self.kube.get(&["deployments,jobs,clowdjobinvocations,pods", "-n", &self.production]);
        let names = there["items"].as_array().unwrap().iter().filter_map(|object| object["metadata"]["name"].as_str());
        let touched: Vec<&str> = names.filter(|known| known.starts_with(name)).collect();
        assert!(touched.is_empty(), "production was not touched: {touched:?}");
        assert_eq!(self.it.target(&format!("{name}/{name}/production/{}", self.production)).unwrap()["current"], Value::Null);
        Told { held, log, class: runs[0]["class"].as_str().unwrap().to_owned(), runs: runs.len() }
    }
}

impl Told {
    /// Its own fault: tried once.
    #[track_caller]
    fn own(&self) -> &Self {
        assert_eq!((self.class.as_str(), self.runs), ("own", 1), "{}", self.held);
        self
    }

    /// The environment's fault: tried again, as often as the policy says.
    #[track_caller]
    fn of_the_environment(&self) -> &Self {
        assert_eq!((self.class.as_str(), self.runs), ("environment", 2), "{}", self.held);
        self
    }

    /// What people read first.
    #[track_caller]
    fn says(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.held.contains(word), "{word:?} is not in: {}", self.held);
        }
        self
    }

    /// What the run's log holds.
    #[track_caller]
    fn logs(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.log.contains(word), "{word:?} is not in:\n{}", self.log);
        }
        self
    }
}

/// The installation that the tests share; the last one of them ends it.
fn failing() -> Option<Arc<Mutex<Failing>>> {
    static SHARED: Mutex<Weak<Mutex<Failing>>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = shared.upgrade() {
        return Some(running);
    }
    let started = Arc::new(Mutex::new(Failing::new()?));
    *shared = Arc::downgrade(&started);
    Some(started)
}

fn locked(shared: &Mutex<Failing>) -> MutexGuard<'_, Failing> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

macro_rules! told {
    ($name:literal) => {{
        let Some(shared) = failing() else { return };
        let told = locked(&shared).told($name);
        told
    }};
}

#[test]
fn an_image_that_the_cluster_may_not_read_fails_at_once() {
    told!("image-denied")
        .own()
        .says(&["Deployment.apps/image-denied", "image", "cannot be had", "let the cluster read it"])
        .logs(&["event: ", "Failed"]);
}

#[test]
fn an_image_that_cannot_be_had_now_is_the_environments_fault_and_tried_again_within_bounds() {
    told!("image-away").of_the_environment().says(&["could not be had", "HTTP"]).logs(&["event: "]);
}

/// J1 on a cluster.
#[test]
fn j1_a_test_whose_image_cannot_be_had_is_inconclusive_and_never_passed() {
    told!("test-image-denied").of_the_environment().says(&["inconclusive: ", "cannot be had"]).logs(&["event: "]);
}

#[test]
fn a_container_that_ends_again_and_again_fails_fast_with_its_last_lines() {
    told!("crash-loop").own().says(&["Deployment.apps/crash-loop", "exit code 3", "no database at db:5432"]).logs(&[
        "connecting",
        "no database at db:5432",
        "event: ",
        "BackOff",
    ]);
}

#[test]
fn a_container_that_needs_more_memory_than_its_limit_is_told_with_the_limit() {
    told!("out-of-memory").own().says(&["more memory than its limit of 24Mi", "give it more"]).logs(&["reading it all"]);
}

#[test]
fn a_probe_that_does_not_succeed_is_told_with_what_it_said() {
    told!("probe").own().says(&["probe failed", "not-there"]).logs(&["event: ", "Unhealthy"]);
}

#[test]
fn a_pod_that_no_node_takes_is_the_environments_fault() {
    told!("unschedulable").of_the_environment().says(&["no node takes it", "not ready within 1"]).logs(&["FailedScheduling"]);
}

#[test]
fn a_pod_that_the_cluster_refuses_to_make_is_told_with_why() {
    told!("rejected").own().says(&["pods cannot be made", "nobody"]).logs(&["event: "]);
}

#[test]
fn a_namespace_without_room_is_the_environments_fault() {
    told!("quota").of_the_environment().says(&["exceeded quota", "none"]);
}

#[test]
fn a_test_that_fails_tells_its_exit_code_and_its_last_lines() {
    told!("test-fails")
        .own()
        .says(&["exit code 4", "checkout: no such button"])
        .logs(&["opening the front page", "checkout: no such button"]);
}

#[test]
fn an_invocation_that_is_completed_with_a_failed_job_has_failed() {
    told!("invocation-failed")
        .own()
        .says(&["the test failed", "invocation-failed", "exit code 5", "smoke: checkout is broken"])
        .logs(&["smoke: checkout is broken"]);
}

#[test]
fn an_invocation_that_is_completed_without_having_run_anything_has_not_passed() {
    told!("invocation-empty").own().says(&["completed", "0 of 1 jobs came to a good end"]);
}

#[test]
fn an_invocation_that_never_ends_has_not_passed_when_its_time_is_up() {
    let told = told!("invocation-never");
    told.says(&["not ready within 1", "its operator has not started it yet"]);
    assert_eq!((told.class.as_str(), told.runs), ("unknown", 1), "nobody knows whose fault it is");
}

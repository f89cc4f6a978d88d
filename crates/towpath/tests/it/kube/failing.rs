//! An installation in which everything fails, each thing in a way of its own, and what is told of it. Tests share it.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};

use serde_json::{Value, json};
use towpath_testbed::{Kube, REGISTRY_PASSWORD, REGISTRY_USER, Registry};

use super::clowder::Clowder;
use super::given::{BUSYBOX, node};
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

pub struct Failing {
    it: Installation,
    kube: &'static Kube,
    _registries: [Registry; 3],
    _clowder: Clowder,
    stage: String,
    production: String,
}

/// What is told of a failure.
pub struct Told {
    /// The hold.
    held: String,
    /// `towpath logs` of the newest run.
    log: String,
    /// Its class.
    pub class: String,
    /// How often it was tried.
    pub runs: usize,
}

/// A registry by a name of this machine that the cluster does not speak to without encryption.
fn aloof() -> Option<Registry> {
    let mut registry = Registry::plain()?;
    registry.host = registry.host.replace("localhost", "0.0.0.0");
    Some(registry)
}

impl Failing {
    fn new() -> Option<Self> {
        let kube = node()?;
        let registries = [Registry::plain()?, Registry::basic()?, aloof()?];
        let it = Installation::bare(&[("web", "main"), ("denied", "main"), ("aloof", "main"), ("config", "main")]);
        let (stage, production, full) = (kube.namespace("failing"), kube.namespace("failing-prod"), kube.namespace("full"));
        kube.apply(&format!(
            "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: none, namespace: {full}}}\nspec: {{hard: {{pods: \"0\"}}}}\n"
        ));
        let clowder = Clowder::play(kube, &[&stage, &production]);
        let mut on = Self { it, kube, _registries: registries, _clowder: clowder, stage, production };
        on.prepare(&full);
        on.it.start(None);
        on.it.outlives_its_test();
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
        it.write("password", REGISTRY_PASSWORD);
        let mut text = format!(
            "[config]\nurl = {:?}\n[poll]\nlocal = \"50ms\"\n[clusters.node]\nkubeconfig = {:?}\n",
            it.path("config.git").display().to_string(),
            self.kube.kubeconfig.display().to_string()
        );
        for (registry, credentials) in self._registries.iter().zip([false, true, false]) {
            text += &format!("[registries.\"{}\"]\nplain_http = true\n", registry.host);
            if credentials {
                text += &format!("username = {:?}\npassword_file = \"password\"\n", REGISTRY_USER);
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
    pub fn told(&mut self, name: &str) -> Told {
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
    pub fn own(&self) -> &Self {
        assert_eq!((self.class.as_str(), self.runs), ("own", 1), "{}", self.held);
        self
    }

    /// The environment's fault: tried again, as often as the policy says.
    #[track_caller]
    pub fn of_the_environment(&self) -> &Self {
        assert_eq!((self.class.as_str(), self.runs), ("environment", 2), "{}", self.held);
        self
    }

    /// What people read first.
    #[track_caller]
    pub fn says(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.held.contains(word), "{word:?} is not in: {}", self.held);
        }
        self
    }

    /// What the run's log holds.
    #[track_caller]
    pub fn logs(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.log.contains(word), "{word:?} is not in:\n{}", self.log);
        }
        self
    }
}

/// The installation that the tests share, started when the first of them asks for it. It ends with the process.
pub fn failing() -> Option<&'static Mutex<Failing>> {
    static SHARED: OnceLock<Option<Mutex<Failing>>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let (made, making) = mpsc::channel();
        // Registries end with the thread that started them: this one stays.
        std::thread::spawn(move || {
            let _nobody_waits = made.send(Failing::new().map(Mutex::new));
            loop {
                std::thread::park();
            }
        });
        making.recv().unwrap()
    });
    shared.as_ref()
}

pub fn locked(shared: &Mutex<Failing>) -> MutexGuard<'_, Failing> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

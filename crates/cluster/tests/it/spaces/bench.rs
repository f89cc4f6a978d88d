//! A cluster of either kind, and what people do on it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use towpath_cluster::{Cluster, EphemeralNamespaces, KubeCluster, NamespaceEnd, NamespaceStanding, NamespaceWanted, SecretsFrom};
use towpath_domain::NamespaceName;
use towpath_testbed::Kube;

use crate::kube::given::connect;
use crate::support::{Machine, PATIENCE, owner};

/// The Towpath of these tests.
pub const INSTALLATION: &str = "https://towpath.example.com/";

/// A cluster that makes namespaces.
pub trait Bench {
    fn spaces(&self) -> &dyn EphemeralNamespaces;

    /// A name that nothing else has.
    fn new_name(&self) -> NamespaceName;

    /// A namespace that no pool made.
    async fn ordinary(&self) -> NamespaceName;

    /// Somebody makes or changes an object.
    async fn put(&self, namespace: &NamespaceName, object: &Value);

    /// An object by its kind and name.
    async fn read(&self, namespace: &NamespaceName, kind: &str, name: &str) -> Option<Value>;

    /// Ends what the test has left.
    async fn over(self);

    fn wanted(&self) -> NamespaceWanted {
        NamespaceWanted {
            name: self.new_name(),
            pool: "default".to_owned(),
            installation: INSTALLATION.to_owned(),
            quotas: vec![json!({"hard": {"pods": "5", "count/deployments.apps": "3"}})],
            limit_ranges: vec![json!({"limits": [{"type": "Container", "default": {"memory": "64Mi"}}]})],
            secrets: None,
            manifests: vec![config("settings", "fast")],
            expected: Vec::new(),
        }
    }

    /// As the namespace stands once it is no longer being made.
    async fn made(&self, wanted: &NamespaceWanted) -> NamespaceStanding {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            match self.spaces().standing(wanted).await.unwrap() {
                NamespaceStanding::Making { waits } => assert!(tokio::time::Instant::now() < end, "waited in vain: {waits}"),
                standing => return standing,
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Makes it, and waits until it is ready.
    async fn make_ready(&self, wanted: &NamespaceWanted) {
        self.spaces().make(wanted).await.unwrap();
        assert_eq!(self.made(wanted).await, NamespaceStanding::Ready);
    }

    /// Ends it, and waits until nothing is left.
    async fn gone(&self, name: &NamespaceName) {
        gone(self.spaces(), name).await;
    }
}

pub async fn gone(spaces: &dyn EphemeralNamespaces, name: &NamespaceName) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while let NamespaceEnd::Ending { held_by } = spaces.end(name, INSTALLATION).await.unwrap() {
        assert!(tokio::time::Instant::now() < end, "{name} is held by {held_by:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

pub fn config(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"mode": value}})
}

pub fn secret(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"password": value}})
}

pub fn secrets(namespace: &NamespaceName, names: &[&str]) -> Option<SecretsFrom> {
    Some(SecretsFrom { namespace: namespace.clone(), names: names.iter().map(|name| (*name).to_owned()).collect() })
}

/// A deployment of one pod, which both clusters make.
pub fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": "registry.local/pause:1.0", "command": ["sleep", "600"]}]}},
    }})
}

/// The API server with its controllers.
pub struct Real {
    pub kube: &'static Kube,
    pub cluster: KubeCluster,
}

impl Real {
    pub fn start() -> Option<Self> {
        let kube = Kube::control_plane()?;
        towpath_testbed::init();
        Some(Self { kube, cluster: connect(kube) })
    }
}

impl Bench for Real {
    fn spaces(&self) -> &dyn EphemeralNamespaces {
        self.cluster.namespaces().unwrap()
    }

    fn new_name(&self) -> NamespaceName {
        NamespaceName::new(self.kube.new_name("eph")).unwrap()
    }

    async fn ordinary(&self) -> NamespaceName {
        NamespaceName::new(self.kube.namespace("ordinary")).unwrap()
    }

    async fn put(&self, namespace: &NamespaceName, object: &Value) {
        let mut object = object.clone();
        object["metadata"]["namespace"] = json!(namespace.as_str());
        self.kube.apply(&object.to_string());
    }

    async fn read(&self, namespace: &NamespaceName, kind: &str, name: &str) -> Option<Value> {
        let out = self.kube.try_kubectl(&["get", "-o", "json", "-n", namespace.as_str(), kind, name]);
        out.status.success().then(|| serde_json::from_slice(&out.stdout).unwrap())
    }

    async fn over(self) {
        // The cluster ends with the process.
    }
}

/// The local runtime.
pub struct Here {
    pub machine: Machine,
    names: AtomicU64,
}

impl Here {
    pub fn start() -> Self {
        Self::on(Machine::start())
    }

    pub fn on(machine: Machine) -> Self {
        Self { machine, names: AtomicU64::new(0) }
    }

    fn number(&self) -> u64 {
        self.names.fetch_add(1, Ordering::Relaxed)
    }

    /// The folder of the runtime.
    pub fn dir(&self) -> std::path::PathBuf {
        self.machine.dir.path().join("cluster")
    }
}

impl Bench for Here {
    fn spaces(&self) -> &dyn EphemeralNamespaces {
        self.machine.cluster.namespaces().unwrap()
    }

    fn new_name(&self) -> NamespaceName {
        NamespaceName::new(format!("eph-{}", self.number())).unwrap()
    }

    async fn ordinary(&self) -> NamespaceName {
        let name = NamespaceName::new(format!("ordinary-{}", self.number())).unwrap();
        self.put(&name, &config("theirs", "fast")).await;
        name
    }

    async fn put(&self, namespace: &NamespaceName, object: &Value) {
        let run = format!("run-{}", self.number());
        self.machine.cluster.apply(namespace, &owner("other", &run), std::slice::from_ref(object)).await.unwrap();
    }

    async fn read(&self, namespace: &NamespaceName, kind: &str, name: &str) -> Option<Value> {
        let file = self.dir().join("objects").join(namespace.as_str()).join(kind).join(format!("{name}.json"));
        let record: Value = serde_json::from_slice(&std::fs::read(file).ok()?).unwrap();
        Some(record["object"].clone())
    }

    async fn over(self) {
        for found in self.spaces().found(INSTALLATION).await.unwrap() {
            self.gone(&found.name).await;
        }
        self.machine.end().await;
    }
}

//! The words in which these tests speak.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use towpath_cluster::{
    BoxFuture, Cluster, ClusterError, ImageConfig, ImageError, ImageStore, LocalCluster, ObjectKey, ObjectStatus, Owner, Ready, Scope,
    Settings, Unpacked, WaitFailure,
};
use towpath_domain::{Digest, ImageRef, NamespaceName, RunId, TargetId};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Images as these tests have them: every image holds the test's server at `/bin/server`, unless its tag says otherwise.
#[derive(Default)]
pub struct Images {
    /// Digests by tag; those not named are made up from the tag.
    pub moved: Mutex<BTreeMap<String, Digest>>,
}

fn server() -> &'static Path {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER.get_or_init(|| {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let program = dir.join(format!("server-{}", std::process::id()));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/server.c");
        let made = Command::new("cc").arg("-O1").arg("-o").arg(&program).arg(source).status().expect("a C compiler, as these tests need");
        assert!(made.success());
        program
    })
}

fn digest_of(tag: &str) -> Digest {
    let mut bytes = [0; 32];
    for (slot, byte) in bytes.iter_mut().zip(tag.bytes()) {
        *slot = byte;
    }
    Digest::from_bytes(bytes)
}

impl ImageStore for Images {
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> BoxFuture<'a, Result<Digest, ImageError>> {
        Box::pin(async move {
            let tag = image.tag().unwrap_or_default();
            if tag == "missing" {
                return Err(ImageError::Missing { image: image.to_string(), why: "no such tag".into() });
            }
            Ok(self.moved.lock().unwrap().get(tag).copied().unwrap_or_else(|| digest_of(tag)))
        })
    }

    fn unpack<'a>(&'a self, image: &'a ImageRef, dest: &'a Path) -> BoxFuture<'a, Result<Unpacked, ImageError>> {
        Box::pin(async move {
            fs::create_dir_all(dest.join("bin")).unwrap();
            fs::hard_link(server(), dest.join("bin/server")).or_else(|_| fs::copy(server(), dest.join("bin/server")).map(drop)).unwrap();
            let config = ImageConfig { cmd: vec!["server".into()], env: vec![("PATH".into(), "/bin".into())], ..ImageConfig::default() };
            Ok(Unpacked { digest: image.digest().unwrap(), config })
        })
    }
}

/// A runtime in a directory of its own, with running controllers.
pub struct Machine {
    pub dir: Arc<tempfile::TempDir>,
    pub images: Arc<Images>,
    pub cluster: LocalCluster,
    controllers: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

pub fn namespace() -> NamespaceName {
    NamespaceName::new("shop").unwrap()
}

/// Opens the runtime, once nothing of an earlier one in this process holds its directory any more.
fn open(dir: &Path, images: Arc<Images>) -> LocalCluster {
    let shim = vec![env!("CARGO_BIN_EXE_towpath-shim").to_owned()];
    let settings = Settings { log_bytes: 4096, ..Settings::new(dir.join("cluster"), shim, std::env::var("PATH").unwrap()) };
    let end = Instant::now() + PATIENCE;
    loop {
        match LocalCluster::open(settings.clone(), images.clone()) {
            Err(ClusterError::InUse { .. }) if Instant::now() < end => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

impl Machine {
    pub fn start() -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), Arc::default())
    }

    fn start_in(dir: Arc<tempfile::TempDir>, images: Arc<Images>) -> Self {
        let cluster = open(dir.path(), images.clone());
        let mut machine = Self { dir, images, cluster, controllers: None };
        machine.run();
        machine
    }

    fn run(&mut self) {
        let (end, ended) = oneshot::channel();
        let cluster = self.cluster.clone();
        let running = tokio::spawn(async move {
            cluster
                .run_controllers(Box::pin(async {
                    let _ = ended.await;
                }))
                .await;
        });
        self.controllers = Some((end, running));
    }

    /// Ends the controllers as a kill would: nothing is cleaned up. Starts new ones on the same directory.
    pub async fn restart(self) -> Self {
        let (dir, images) = (self.dir.clone(), self.images.clone());
        self.kill().await;
        Self::start_in(dir, images)
    }

    async fn kill(mut self) {
        if let Some((_, running)) = self.controllers.take() {
            running.abort();
            let _ = running.await;
        }
    }

    pub async fn apply(&self, run: &str, objects: Value) -> Result<towpath_cluster::Applied, towpath_cluster::ClusterError> {
        self.cluster.apply(&namespace(), &owner("web", run), objects.as_array().unwrap()).await
    }

    pub async fn wait(&self, run: &str, keys: &[&str]) -> Result<Ready, Box<WaitFailure>> {
        self.wait_for(run, keys, PATIENCE).await
    }

    pub async fn wait_for(&self, run: &str, keys: &[&str], within: Duration) -> Result<Ready, Box<WaitFailure>> {
        let keys: Vec<ObjectKey> = keys.iter().map(|key| key.parse().unwrap()).collect();
        self.cluster.wait(&namespace(), &keys, &RunId::new(run).unwrap(), within, &|_| {}).await
    }

    pub async fn status(&self, key: &str) -> ObjectStatus {
        let key: ObjectKey = key.parse().unwrap();
        self.list().await.into_iter().find(|status| status.key == key).unwrap_or_else(|| panic!("no {key}"))
    }

    pub async fn list(&self) -> Vec<ObjectStatus> {
        self.cluster.list(Some(&namespace())).await.unwrap()
    }

    /// Where the service can be reached.
    pub async fn address(&self, service: &str) -> String {
        self.status(&format!("Service/{service}")).await.addresses.values().next().unwrap().clone()
    }

    /// Ends all pods and waits until they are gone.
    pub async fn end(self) {
        for target in ["web", "other"] {
            self.cluster.delete(&namespace(), &owner(target, "gone")).await.unwrap();
        }
        let dir = self.dir.path().join("cluster");
        until("all pods and services are gone", async || ["pods", "services"].iter().all(|kind| is_empty(&dir.join(kind).join("shop"))))
            .await;
        self.kill().await;
    }
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none())
}

pub fn owner(target: &str, run: &str) -> Owner {
    Owner {
        target: TargetId::new(target).unwrap(),
        title: format!("{target}-title"),
        run: RunId::new(run).unwrap(),
        commit: "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap(),
        saas_file: "shop".into(),
        template: "shop".into(),
        environment: "stage".into(),
        heir_of: Vec::new(),
        scope: Scope::default(),
    }
}

/// Waits until `condition` holds; fails when it does not within [`PATIENCE`].
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One request to `address`: the body, or what went wrong.
pub fn get(address: &str) -> Result<String, String> {
    let mut stream = TcpStream::connect(address).map_err(|e| format!("connecting: {e}"))?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").map_err(|e| format!("writing: {e}"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|e| format!("reading: {e}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("half an answer: {answer:?}"))?;
    if head.starts_with("HTTP/1.1 200") { Ok(body.to_owned()) } else { Err(head.to_owned()) }
}

/// A deployment called `web` whose pods answer with `version`, and its service.
pub fn web(version: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "terminationGracePeriodSeconds": 5,
                    "containers": [{
                        "name": "web", "image": format!("registry.test/shop/web:{version}"),
                        "env": [{"name": "VERSION", "value": version}],
                        "ports": [{"name": "http", "containerPort": 8080}],
                        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
                    }],
                },
            },
        },
    });
    change(&mut deployment);
    json!([deployment, {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }])
}

/// The deployment's only container.
pub fn container(deployment: &mut Value) -> &mut Value {
    &mut deployment["spec"]["template"]["spec"]["containers"][0]
}

/// A job called `test` that runs `script`.
pub fn job(script: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "test"},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "test", "image": "registry.test/shop/test:1", "command": ["sh", "-c", script]}],
        }}},
    });
    change(&mut job);
    json!([job])
}

/// Whether a process runs.
pub fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

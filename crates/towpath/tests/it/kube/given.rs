//! An installation whose cluster is a real one, whose images are in a real registry.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use towpath_testbed::Kube;

use super::http;
use crate::installation::Installation;

/// Says loudly that something is skipped, and why; in CI nothing may be.
pub fn skipped<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
    None
}

/// Which of these programs is not installed.
pub fn lacks(programs: &[&str]) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    programs.iter().find(|program| !is_there(program)).map(|program| format!("{program} is not installed"))
}

/// A cluster with a node, and a busybox to make images of. `None` where either is missing; told loudly.
pub fn node() -> Option<&'static Kube> {
    if !std::path::Path::new("/bin/busybox").exists() {
        return skipped("/bin/busybox is not there (Debian: busybox-static)");
    }
    Kube::node()
}

/// A build's command that makes `bin`, the programs of an image.
pub const BUSYBOX: &str = "mkdir bin && cp /bin/busybox bin/ && for a in sh cat grep sleep; do ln -s busybox bin/$a; done";

/// Debian's registry on a port of its own; it ends with the test.
pub struct Registry {
    pub host: String,
    process: Child,
    _dir: TempDir,
}

/// Who may read from a private registry, and with which password.
pub const READER: (&str, &str) = ("towpath", "open-sesame");

/// The same in the words of `htpasswd`.
const READERS: &str = "towpath:$2b$05$KAD/8mC5EZ8hgawF0u.kxeBMbPZYWMQZ5mfCd146BFypytBAZt/IK\n";

impl Registry {
    /// One that anybody may use.
    pub fn start() -> Option<Self> {
        Self::serve("localhost", false)
    }

    /// One that only [`READER`] may use, and the cluster has no credentials of theirs.
    pub fn private() -> Option<Self> {
        Self::serve("localhost", true)
    }

    /// One by a name of this machine that the cluster does not speak to without encryption.
    pub fn aloof() -> Option<Self> {
        Self::serve("0.0.0.0", false)
    }

    fn serve(name: &str, private: bool) -> Option<Self> {
        if let Some(why) = lacks(&["docker-registry", "setpriv"]) {
            return skipped(&why);
        }
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = dir.path().join("config.yml");
        let storage = dir.path().join("data");
        let readers = dir.path().join("htpasswd");
        std::fs::write(&readers, READERS).unwrap();
        let auth = if private { format!("auth: {{htpasswd: {{realm: private, path: {}}}}}\n", readers.display()) } else { String::new() };
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\n{auth}",
            storage.display()
        );
        std::fs::write(&config, text).unwrap();
        // It ends with this process, however that ends.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "docker-registry", "serve"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut registry = Self { host: format!("{name}:{port}"), process, _dir: dir };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(registry.process.try_wait().unwrap().is_none(), "docker-registry does not run");
            assert!(begun.elapsed() < Duration::from_secs(60), "docker-registry does not answer");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Some(registry)
    }

    /// Puts what one tag of a repository names under another tag.
    pub fn move_tag(&self, repository: &str, from: &str, to: &str) {
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let found = http::call(&self.host, "GET", &format!("/v2/{repository}/manifests/{from}"), (kind, b"")).unwrap();
        assert_eq!(found.status, 200, "{repository}:{from}");
        let put = http::call(&self.host, "PUT", &format!("/v2/{repository}/manifests/{to}"), (kind, &found.body)).unwrap();
        assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// An installation on a real cluster, with the titles of its targets.
pub struct OnKube {
    pub it: Installation,
    pub kube: &'static Kube,
    pub registry: Registry,
    pub stage: String,
    pub production: String,
}

impl OnKube {
    /// Nothing runs yet. `None` where there is no cluster, registry or busybox; told loudly.
    pub fn new() -> Option<Self> {
        let kube = node()?;
        let registry = Registry::start()?;
        let it = Installation::new();
        let (stage, production) = (kube.namespace("web-stage"), kube.namespace("web-production"));
        let it = Self { it, kube, registry, stage, production };
        it.prepare();
        Some(it)
    }

    fn prepare(&self) {
        let it = &self.it;
        let host = &self.registry.host;
        let image = format!("{host}/{}", self.stage);
        it.replace("web/stage.yml", "name: web-stage", &format!("name: {}", self.stage));
        it.replace("web/production.yml", "name: web-production", &format!("name: {}", self.production));
        it.replace("web/source.yml", "image: localhost/web", &format!("image: {image}"));
        // The pods' file system is busybox, put together by the build.
        it.replace("web/source.yml", "command: cp verdict built", &format!("command: {BUSYBOX} && cp verdict built"));
        it.replace("web/source.yml", "files: [{from: built", "files: [{from: bin, to: /bin}, {from: built");
        for file in ["web/deploy.yml", "web/test.yml"] {
            it.replace(file, "imagePatterns: [localhost/web]", &format!("imagePatterns: [{image}]"));
            it.replace(file, "IMAGE: localhost/web", &format!("IMAGE: {image}"));
        }
        it.commit("config", "On a real cluster");
        let config = it.path("config.git").display().to_string();
        let kubeconfig = self.kube.kubeconfig.display();
        it.write(
            "towpath.toml",
            &format!(
                "[config]\nurl = {config:?}\n[poll]\nlocal = \"50ms\"\n[clusters.laptop]\nkubeconfig = \"{kubeconfig}\"\n\
                 [registries.\"{host}\"]\nplain_http = true\n"
            ),
        );
    }

    pub fn stage_title(&self) -> String {
        format!("web/web/stage/{}", self.stage)
    }

    pub fn test_title(&self) -> String {
        format!("web-test/smoke/stage/{}", self.stage)
    }

    pub fn production_title(&self) -> String {
        format!("web/web/production/{}", self.production)
    }

    /// The images that the pods of a namespace's deployment run, by the nodes' word.
    pub fn running(&self, namespace: &str) -> Vec<String> {
        let pods = self.kube.get(&["pods", "-n", namespace, "-l", "app=web"]);
        let pods = pods["items"].as_array().unwrap().clone();
        let running = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        running.filter_map(|pod| pod["status"]["containerStatuses"][0]["imageID"].as_str().map(str::to_owned)).collect()
    }

    /// The jobs of a namespace.
    pub fn jobs(&self, namespace: &str) -> Vec<Value> {
        self.kube.get(&["jobs", "-n", namespace])["items"].as_array().unwrap().clone()
    }
}

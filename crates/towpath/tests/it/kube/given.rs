//! An installation whose cluster is a real one, whose images are in a real registry.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use towpath_testbed::Kube;

use crate::installation::Installation;

/// Who a registry knows: `ci` with the password `letmein-towpath`, in bcrypt.
const USERS: &str = "ci:$2b$05$GaKMY0YjBKCJz0hYqkduf.PDUZNwFPX7p1BzcaDxEXjvCA24M6WYG\n";

/// Debian's registry on a port of its own; it ends with the test.
pub struct Registry {
    pub host: String,
    process: Child,
    _dir: TempDir,
}

impl Registry {
    pub fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// With more lines of its configuration; `@DIR@` is a folder of its own.
    pub fn start_with(more: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = dir.path().join("config.yml");
        let storage = dir.path().join("data");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
            storage.display()
        );
        std::fs::write(dir.path().join("users"), USERS).unwrap();
        std::fs::write(&config, text + &more.replace("@DIR@", &dir.path().display().to_string())).unwrap();
        // It ends with this process, however that ends.
        let started = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "docker-registry", "serve"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            assert!(std::env::var_os("CI").is_none(), "docker-registry is not installed");
            eprintln!("SKIPPED: docker-registry or setpriv is not installed");
            return None;
        };
        let mut registry = Self { host: format!("localhost:{port}"), process, _dir: dir };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = registry.process.try_wait().unwrap();
            assert!(ended.is_none_or(|_| std::env::var_os("CI").is_none()), "docker-registry does not run");
            if ended.is_some() {
                eprintln!("SKIPPED: docker-registry does not run");
                return None;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "docker-registry does not answer");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Some(registry)
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
        if !std::path::Path::new("/bin/busybox").exists() {
            assert!(std::env::var_os("CI").is_none(), "busybox is not installed");
            eprintln!("SKIPPED: /bin/busybox is not there (Debian: busybox-static)");
            return None;
        }
        let kube = Kube::node()?;
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
        let command =
            "command: mkdir bin && cp /bin/busybox bin/ && cp verdict built && for a in sh cat grep sleep; do ln -s busybox bin/$a; done";
        it.replace("web/source.yml", "command: cp verdict built", command);
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

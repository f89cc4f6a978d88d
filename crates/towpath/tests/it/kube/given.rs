//! An installation whose cluster is a real one, whose images are in a real registry.

use serde_json::Value;
use towpath_testbed::{Kube, Registry, skipped};

use crate::installation::Installation;

/// A cluster with a node, and a busybox to make images of. `None` where either is missing; told loudly.
pub fn node() -> Option<&'static Kube> {
    if !std::path::Path::new("/bin/busybox").exists() {
        return skipped("/bin/busybox is not there (Debian: busybox-static)");
    }
    Kube::node()
}

/// A build's command that makes `bin`, the programs of an image.
pub const BUSYBOX: &str = "mkdir bin && cp /bin/busybox bin/ && for a in sh cat grep sleep; do ln -s busybox bin/$a; done";

/// Puts what one tag of a repository names under another tag.
pub fn move_tag(registry: &Registry, repository: &str, from: &str, to: &str) {
    let manifest = registry.manifest(repository, from);
    registry.put_manifest(repository, Some(to), "application/vnd.oci.image.manifest.v1+json", &manifest);
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
        let registry = Registry::plain()?;
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

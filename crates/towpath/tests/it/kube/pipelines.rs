//! Builds by a pipeline. Tekton's part is played by the test, through the API; the image is pushed to a real registry.

use std::process::Command;

use serde_json::{Value, json};
use towpath_testbed::{GitServer, Kube, Registry};

use super::builds::BUILD;
use crate::installation::Installation;

/// An installation whose builds are runs of a pipeline.
struct Piped {
    it: Installation,
    kube: &'static Kube,
    registry: Registry,
    namespace: String,
    _repositories: GitServer,
}

impl Piped {
    fn new() -> Option<Self> {
        let kube = Kube::api()?;
        let registry = Registry::plain()?;
        kube.install_tekton();
        let (it, namespace) = (Installation::new(), kube.namespace("pipelines"));
        let metadata = json!({"name": "build", "namespace": namespace});
        let spec = json!({"params": [{"name": "url"}, {"name": "revision"}, {"name": "image"}, {"name": "tag"}]});
        kube.apply(&json!({"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": metadata, "spec": spec}).to_string());
        let repositories = GitServer::at("127.0.0.1", &it.path("."));
        let (local, url) = (it.path("web.git").display().to_string(), format!("{}/web.git", repositories.url));
        for file in ["app.yml", "source.yml", "deploy.yml", "test.yml"] {
            let path = format!("config/data/web/{file}");
            it.write(&path, &it.read(&path).replace(&local, &url));
        }
        let source = it.read("config/data/web/source.yml").replace("localhost/web", &format!("{}/web", registry.host));
        let build = "build:\n  command: [make, image]\n  push: true\n";
        it.write("config/data/web/source.yml", &(source.split("build:").next().unwrap().to_owned() + build));
        it.commit("config", "Builds by a pipeline");
        let config = it.read("towpath.toml").replace("local = \"50ms\"", "local = \"50ms\"\nremote = \"200ms\"");
        let kubeconfig = kube.kubeconfig.display();
        it.write(
            "towpath.toml",
            &format!(
                "{config}[clusters.hub]\nkubeconfig = \"{kubeconfig}\"\n[clusters.laptop]\nembedded = true\n\
                 [registries.\"{}\"]\nplain_http = true\n\
                 [builds.tekton]\ncluster = \"hub\"\nnamespace = \"{namespace}\"\npipeline = \"build\"\n",
                registry.host
            ),
        );
        Some(Self { it, kube, registry, namespace, _repositories: repositories })
    }

    /// The run of the pipeline for a commit, once it is there.
    fn until_run(&mut self, commit: &str) -> Value {
        let (kube, namespace) = (self.kube, self.namespace.clone());
        self.it.until("a run of the pipeline", |_| {
            let runs = kube.get(&["pipelineruns", "-n", &namespace]);
            let wanted = json!({"name": "revision", "value": commit});
            let of = |run: &&Value| run["spec"]["params"].as_array().is_some_and(|params| params.contains(&wanted));
            runs["items"].as_array()?.iter().find(of).cloned()
        })
    }

    /// Pushes an image for a commit, as a task of the pipeline would; answers with its digest.
    fn push(&self, commit: &str) -> String {
        let image = format!("{}/web", self.registry.host);
        self.it.write("web/before.sh", "true");
        let mut command = Command::new("sh");
        command.args(["-c", BUILD]).current_dir(self.it.path("web"));
        command.env("TOWPATH_IMAGE", image).env("TOWPATH_IMAGE_TAG", &commit[..7]).env("TOWPATH_COMMIT", commit);
        let out = command.env("REGISTRY", &self.registry.host).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().rsplit_once("pushed ").unwrap().1.to_owned()
    }

    fn say(&self, run: &Value, digest: &str) {
        let results = json!([{"name": "IMAGE_DIGEST", "value": format!("{digest}\n")}]);
        self.kube.tekton_says(&self.namespace, run["metadata"]["name"].as_str().unwrap(), ("True", "Succeeded", ""), &results);
    }

    /// The newest build, once it has ended.
    fn until_built(&mut self, commit: &str) -> Value {
        self.it.until("the build's end", |it| {
            let of = |run: &Value| {
                run["kind"] == "build" && run["commit"]["id"] == commit && run["state"] != "running" && run["state"] != "queued"
            };
            it.runs("web").into_iter().find(of)
        })
    }
}

#[test]
fn a_pipeline_builds_and_what_it_says_that_it_pushed_must_be_what_the_tag_is() {
    let Some(mut piped) = Piped::new() else { return };
    let first = piped.it.release("first", true);
    piped.it.start(None);
    let run = piped.until_run(&first);
    // The server may die meanwhile.
    piped.it.kill();
    piped.it.start(None);
    let digest = piped.push(&first);
    piped.say(&run, &digest);
    let built = piped.until_built(&first);
    assert_eq!(built["state"], "succeeded", "{built:#?}");
    let log = piped.it.ok(&["logs", built["id"].as_str().unwrap()]);
    assert!(log.contains(&digest) && log.contains("runs of pipeline build"), "{log}");

    let second = piped.it.release("second", true);
    let run = piped.until_run(&second);
    let pushed = piped.push(&second);
    piped.say(&run, &digest);
    let built = piped.until_built(&second);
    assert_eq!(built["state"], "failed", "{built:#?}");
    let told = built.to_string();
    assert!(told.contains("somebody moved the tag") && told.contains(&digest) && told.contains(&pushed), "{built:#?}");

    let third = piped.it.release("third", true);
    let run = piped.until_run(&third);
    piped.it.ok(&["cancel", "web", "--reason", "it hangs", "--by", "Ada"]);
    piped.until_built(&third);
    let name = run["metadata"]["name"].as_str().unwrap();
    let run = piped.kube.get(&["pipelinerun", name, "-n", &piped.namespace]);
    assert_eq!(run["spec"]["status"], "Cancelled");
    let runs = piped.kube.get(&["pipelineruns", "-n", &piped.namespace]);
    assert_eq!(runs["items"].as_array().unwrap().len(), 3, "one for each commit");
}

//! cloudigrade's own saas files and templates, as they are, on a real cluster with Clowder's own definitions.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use towpath_testbed::{Kube, Registry, skipped};

use super::clowder::Clowder;
use super::given::{BUSYBOX, node};
use crate::installation::Installation;

const REPOSITORY: &str = "https://github.com/cloudigrade/cloudigrade";
const IMAGE: &str = "quay.io/cloudservices/cloudigrade";
const SAAS: &str = "services/cloudigrade/deploy-clowder.yml";

/// What pods of a good version do.
const SERVES: &str = "echo up; trap exit TERM; while :; do sleep 0.2; done\n";
/// What its smoke test does.
const PASSES: &str = "echo smoke: all is well\n";

struct Cloudigrade {
    it: Installation,
    kube: &'static Kube,
    _registry: Registry,
    _clowder: Clowder,
    stage: String,
    production: String,
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { fs::write(&target, fs::read(entry.path()).unwrap()).unwrap() }
    }
}

impl Cloudigrade {
    /// Its config repository and its templates, beside a registry and a cluster that stand for those on the net. `None` where something is
    /// missing; told loudly.
    fn new() -> Option<Self> {
        let seed: PathBuf = towpath_testbed::shared().join("seed-config");
        if !seed.is_dir() {
            return skipped(&format!("{} is missing; set TOWPATH_SHARED", seed.display()));
        }
        let kube = node()?;
        let registry = Registry::plain()?;
        let it = Installation::bare(&[("cloudigrade", "master"), ("config", "main")]);
        let (stage, production) = (kube.namespace("cloudigrade-stage"), kube.namespace("cloudigrade-prod"));
        let clowder = Clowder::play(kube, &[&stage, &production]);
        copy(&seed.join("data"), &it.path("config/data"));
        copy(&seed.join("upstream/cloudigrade"), &it.path("cloudigrade"));
        let it = Self { it, kube, _registry: registry, _clowder: clowder, stage, production };
        it.prepare();
        Some(it)
    }

    fn prepare(&self) {
        let (it, host) = (&self.it, &self._registry.host);
        // Git's own way to say where a repository really is.
        it.write(".gitconfig", &format!("[url \"{}\"]\n\tinsteadOf = {REPOSITORY}\n", it.path("cloudigrade.git").display()));
        // The registry and the namespaces are others than theirs.
        let image = format!("{host}/cloudservices/cloudigrade");
        it.replace(SAAS, &format!("  - {IMAGE}"), &format!("  - {image}"));
        it.replace(SAAS, &format!("IMAGE: {IMAGE}"), &format!("IMAGE: {image}"));
        for (file, name, namespace) in [("stage", "cloudigrade-stage", &self.stage), ("prod", "cloudigrade-prod", &self.production)] {
            it.replace(
                &format!("services/cloudigrade/namespaces/cloudigrade-{file}.yml"),
                &format!("name: {name}"),
                &format!("name: {namespace}"),
            );
        }
        // In the place of their build job.
        it.write(
            "config/data/services/cloudigrade/source.yml",
            &format!(
                "$schema: /towpath/source-1.yml\nname: cloudigrade\napp: {{$ref: /services/cloudigrade/app.yml}}\nurl: {REPOSITORY}\n\
                 branch: master\nimage: {image}\nhash_length: 7\nbuild:\n  command: {BUSYBOX}\n  pack:\n    files: [{{from: bin, to: /bin}}, \
                 {{from: serve, to: /serve}}, {{from: smoke, to: /smoke}}]\n    entrypoint: [sh]\n"
            ),
        );
        it.commit("config", "cloudigrade");
        let (config, kubeconfig) = (it.path("config.git"), self.kube.kubeconfig.display());
        it.write(
            "towpath.toml",
            &format!(
                "[config]\nurl = {:?}\n[poll]\nlocal = \"50ms\"\nremote = \"200ms\"\n[clusters.crcs02ue1]\nkubeconfig = \"{kubeconfig}\"\n\
                 [clusters.crcp01ue1]\nkubeconfig = \"{kubeconfig}\"\n[registries.\"{host}\"]\nplain_http = true\n",
                config.display().to_string()
            ),
        );
    }

    fn release(&self, subject: &str, serve: &str, smoke: &str) -> String {
        self.it.write("cloudigrade/serve", &format!("# {subject}\n{serve}"));
        self.it.write("cloudigrade/smoke", smoke);
        self.it.commit("cloudigrade", subject)
    }

    fn stage_title(&self) -> String {
        format!("cloudigrade-clowder/cloudigrade/insights-stage/{}", self.stage)
    }

    fn test_title(&self) -> String {
        format!("cloudigrade-test/cloudigrade-stage-smoke/insights-stage/{}", self.stage)
    }

    fn production_title(&self) -> String {
        format!("cloudigrade-clowder/cloudigrade/insights-production/{}", self.production)
    }

    fn all(&self, what: &str, namespace: &str) -> Vec<Value> {
        self.kube.get(&[what, "-n", namespace])["items"].as_array().unwrap().clone()
    }

    /// What the containers of the app's pods run, by the node's word, without repeating.
    fn running(&self, namespace: &str) -> Vec<String> {
        let pods = self.kube.get(&["pods", "-n", namespace, "-l", "app=cloudigrade"]);
        let pods = pods["items"].as_array().unwrap().clone();
        let there = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let mut images: Vec<String> =
            there.filter_map(|pod| pod["status"]["containerStatuses"][0]["imageID"].as_str().map(str::to_owned)).collect();
        images.sort();
        images.dedup();
        images
    }
}

#[test]
fn cloudigrade_goes_through_its_smoke_invocation_to_production_and_a_bad_version_never_does() {
    let Some(mut on) = Cloudigrade::new() else { return };
    let (stage, tests, production) = (on.stage_title(), on.test_title(), on.production_title());
    let first = on.release("first", SERVES, PASSES);
    on.it.start(None);

    // The saas file manages autoscalers of a version that this server is too old for.
    let held = on.it.until_held(&stage, "failed");
    assert!(held.contains("autoscaling/v2 HorizontalPodAutoscaler is not served") && held.contains("offers autoscaling/v1"), "{held}");
    for kind in ["clowdapps", "secrets"] {
        let made = on.kube.get(&[kind, "-n", &on.stage, "-l", "towpath.dev/target"]);
        assert!(made["items"].as_array().unwrap().is_empty(), "nothing was applied: {made}");
    }
    on.it.configure("No autoscalers here", |it| it.replace(SAAS, "  - HorizontalPodAutoscaler\n", ""));
    on.it.until_at(&production, &first);

    let invocations = on.all("clowdjobinvocations", &on.stage);
    assert_eq!(invocations.len(), 1, "{invocations:?}");
    assert_eq!(invocations[0]["status"]["completed"], true);
    assert!(invocations[0]["metadata"]["name"].as_str().unwrap().starts_with(&format!("cloudigrade-smoke-{}-", &first[..7])));
    let run = on.it.runs(&tests)[0]["id"].as_str().unwrap().to_owned();
    let log = on.it.ok(&["logs", &run]);
    assert_eq!(log.matches("smoke: all is well").count(), 1, "{log}");
    let app = &on.all("clowdapps", &on.production)[0];
    assert_eq!(app["metadata"]["annotations"]["towpath.dev/ref"], first);
    assert_eq!(app["spec"]["deployments"][0]["minReplicas"], 3, "production's own parameter");
    let same = on.running(&on.stage);
    assert_eq!((same.len(), &same), (1, &on.running(&on.production)), "the same bits");

    // Its smoke test fails: Clowder calls the invocation completed, and that is not passed.
    let second = on.release("second", SERVES, "echo smoke: the login page is gone; exit 3\n");
    on.it.until_at(&stage, &second);
    let held = on.it.until_held(&tests, "failed");
    assert!(held.contains("the test failed") && held.contains("exit code 3") && held.contains("the login page is gone"), "{held}");
    assert_eq!(on.it.current(&production).as_deref(), Some(first.as_str()));

    // Its pods do not stay up.
    let third = on.release("third", "echo no such table: accounts; exit 1\n", PASSES);
    let held = on.it.until_held(&stage, "failed");
    assert!(held.contains("ClowdApp") && held.contains("exit code 1") && held.contains("no such table: accounts"), "{held}");
    assert_ne!(on.it.current(&stage).as_deref(), Some(third.as_str()));
    assert_eq!(on.running(&on.production), same, "production was not touched");

    // A server that is killed while the invocation runs makes no second one and loses no line.
    let slow = "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.7; done\n";
    let fourth = on.release("fourth", SERVES, slow);
    let run = on.it.until("a test that prints", |it| {
        let run = it.runs(&tests).first().filter(|run| run["commit"]["id"] == fourth.as_str())?["id"].as_str()?.to_owned();
        String::from_utf8_lossy(&it.run(&["logs", &run]).stdout).contains("line 2").then_some(run)
    });
    on.it.kill();
    on.it.start(None);
    on.it.until_at(&production, &fourth);
    let log = on.it.ok(&["logs", &run]);
    for line in 1..=6 {
        assert_eq!(log.matches(&format!("line {line}")).count(), 1, "line {line} once:\n{log}");
    }
    let of_fourth = |object: &&Value| object["metadata"]["name"].as_str().unwrap().contains(&fourth[..7]);
    assert_eq!(on.all("clowdjobinvocations", &on.stage).iter().filter(of_fourth).count(), 1);
    assert_eq!(on.all("jobs", &on.stage).iter().filter(of_fourth).count(), 1);
    assert_eq!(on.running(&on.stage), on.running(&on.production));
    assert_eq!(on.it.deployed(&production), [first, fourth]);
}

//! Builds on a cluster: from a push to pods of the image that a pod has built and pushed.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use towpath_testbed::{GitServer, NODE_ADDRESS};

use super::given::OnKube;

/// Builds the image out of the commit with the programs of the builder, and pushes it as a registry wants it.
pub const BUILD: &str = r#"#!/bin/sh
set -e
echo "builds $TOWPATH_IMAGE:$TOWPATH_IMAGE_TAG"
. ./before.sh
digest() { sha256sum "$1" | cut -d' ' -f1; }
size() { wc -c < "$1" | tr -d ' '; }
cd "$(mktemp -d)"
mkdir -p root/bin
cp /bin/busybox root/bin/
for name in sh cat grep sleep dd echo; do ln -s busybox root/bin/$name; done
cp "$OLDPWD/verdict" root/verdict
tar -C root -cf layer .
layer="$(digest layer)"
printf '{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"Labels":{"org.opencontainers.image.revision":"%s"}},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$TOWPATH_COMMIT" "$layer" > config
base="http://$REGISTRY/v2/${TOWPATH_IMAGE#*/}"
for blob in layer config; do
    at="$(curl -sSf -X POST -D - -o /dev/null "$base/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')"
    curl -sSf -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$blob" "$at&digest=sha256:$(digest $blob)"
done
type=application/vnd.oci.image
printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"%s.layer.v1.tar","digest":"sha256:%s","size":%s}]}' \
    $type $type "$(digest config)" "$(size config)" $type "$layer" "$(size layer)" > manifest
curl -sSf -X PUT -H "Content-Type: $type.manifest.v1+json" --data-binary @manifest "$base/manifests/$TOWPATH_IMAGE_TAG"
echo "pushed sha256:$(digest manifest)"
"#;

/// An installation whose builds are carried out in pods.
struct Building {
    on: OnKube,
    namespace: String,
    _repositories: GitServer,
    _doorway: Doorway,
}

impl Building {
    /// `before` is what the build does first, in a shell.
    fn new(before: &str) -> Option<Self> {
        let on = OnKube::new()?;
        let builder = on.kube.builder_image()?;
        let repositories = GitServer::start(on.kube, &on.it.path("."));
        let doorway = Doorway::to(&on.registry.host);
        let namespace = on.kube.namespace("builds");
        let building = Self { on, namespace, _repositories: repositories, _doorway: doorway };
        building.prepare(before, builder);
        Some(building)
    }

    fn prepare(&self, before: &str, builder: &str) {
        let it = &self.on.it;
        it.write("web/build.sh", BUILD);
        it.write("web/before.sh", before);
        std::fs::set_permissions(it.path("web/build.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
        // Everything about the source is at the address that pods reach.
        let (local, url) = (it.path("web.git").display().to_string(), format!("{}/web.git", self._repositories.url));
        for file in ["web/app.yml", "web/source.yml", "web/deploy.yml", "web/test.yml"] {
            let path = format!("config/data/{file}");
            it.write(&path, &it.read(&path).replace(&local, &url));
        }
        let source = it.read("config/data/web/source.yml");
        let build = format!(
            "build:\n  command: [sh, ./build.sh]\n  push: true\n  timeout: 2m\n  env: {{REGISTRY: '{}'}}\n  resources: {{limits: {{memory: 64Mi}}}}\n",
            self._doorway.address
        );
        it.write("config/data/web/source.yml", &(source.split("build:").next().unwrap().to_owned() + &build));
        it.write(
            "config/data/policy.yml",
            "$schema: /towpath/policy-1.yml\nname: retries\nretries: {attempts: 5, backoff: 100ms, backoffLimit: 1s}\n",
        );
        it.commit("config", "Builds on a cluster");
        let config = it.read("towpath.toml").replace("local = \"50ms\"", "local = \"50ms\"\nremote = \"200ms\"");
        let builds = format!("[builds.kubernetes]\ncluster = \"laptop\"\nnamespace = \"{}\"\nimage = \"{builder}\"\n", self.namespace);
        it.write("towpath.toml", &(config + &builds));
    }

    /// The Jobs that builds made.
    fn jobs(&self) -> Vec<Value> {
        self.on.jobs(&self.namespace)
    }

    /// The builds, newest first.
    fn builds(&self) -> Vec<Value> {
        self.on.it.runs("web").into_iter().filter(|run| run["kind"] == "build").collect()
    }

    /// The newest build, once its log holds this.
    fn until_log(&mut self, text: &str) -> String {
        self.on.it.until(&format!("a build that says {text}"), |it| {
            let runs = it.runs("web").into_iter().filter(|run| run["kind"] == "build").collect::<Vec<_>>();
            let run = runs.first()?["id"].as_str()?.to_owned();
            let log = it.run(&["logs", &run]);
            String::from_utf8_lossy(&log.stdout).contains(text).then_some(run)
        })
    }
}

/// Where pods find a server that listens on loopback only.
struct Doorway {
    address: String,
}

impl Doorway {
    fn to(host: &str) -> Self {
        let (listener, host) = (TcpListener::bind((NODE_ADDRESS, 0)).unwrap(), host.to_owned());
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for inner in listener.incoming().flatten() {
                if let Ok(outer) = TcpStream::connect(&host) {
                    join(inner.try_clone().unwrap(), outer.try_clone().unwrap());
                    join(outer, inner);
                }
            }
        });
        Self { address }
    }
}

/// Passes on what comes from one side to the other, until it ends.
fn join(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        // However it ends, the other side is told.
        let _ended = io::copy(&mut from, &mut to);
        let _told = to.shutdown(std::net::Shutdown::Write);
    });
}

#[test]
fn a_push_is_built_in_a_pod_which_pushes_the_image_that_comes_to_production() {
    let Some(mut building) = Building::new("pwd") else { return };
    let first = building.on.it.release("first", true);
    building.on.it.start(None);
    let production = building.on.production_title();
    building.on.it.until_at(&production, &first);

    let builds = building.builds();
    assert_eq!(builds.len(), 1, "{builds:?}");
    let run = builds[0]["id"].as_str().unwrap().to_owned();
    let log = building.on.it.ok(&["logs", &run]);
    let pushed = log.lines().find_map(|line| line.split("pushed sha256:").nth(1)).unwrap_or_else(|| panic!("{log}"));
    for text in ["/workspace/source", &format!("Jobs in namespace {}", building.namespace)] {
        assert!(log.contains(text), "{text}:\n{log}");
    }
    let running = building.on.running(&building.on.production);
    assert_eq!(running.len(), 1);
    assert!(running[0].ends_with(pushed.trim()), "{running:?} is not what was pushed:\n{log}");
    let jobs = building.jobs();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let name = jobs[0]["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("web-build-") && run.ends_with(name.rsplit('-').next().unwrap()), "{name} of {run}");

    let doctor = building.on.it.run(&["doctor"]);
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.contains(&format!("builds as Jobs in namespace {}", building.namespace)), "{doctor}");
}

#[test]
fn a_pull_request_is_built_in_a_pod_merged_into_its_branch_as_it_is_now() {
    let Some(mut building) = Building::new("cat verdict ours theirs; git log -1 --format='of %p'") else { return };
    let it = &building.on.it;
    it.replace("web/source.yml", "build:", "check: {command: 'test -n \"$TOWPATH_IMAGE_TAG\"'}\nbuild:");
    it.commit("config", "Pull requests are checked");
    it.write("web/ours", "before\n");
    it.write("web/theirs", "before\n");
    it.release("first", true);
    it.git("web", &["checkout", "--quiet", "-B", "pull/1"]);
    it.write("web/theirs", "what the pull request brings\n");
    let head = it.commit("web", "Change 1");
    it.git("web", &["checkout", "--quiet", "main"]);
    it.write("web/ours", "what the branch has by now\n");
    let base = it.release("second", true);
    building.on.it.start(None);
    let ended = building.on.it.until("its check", |it| {
        let view = it.ask(&["check", "show", "web#1"])?;
        matches!(view["standing"].as_str()?, "passed" | "failed").then_some(view)
    });
    let log = building.on.it.ok(&["logs", ended["run"].as_str().unwrap()]);
    assert!(ended["standing"] == "passed" && ended["head"] == head.as_str(), "{ended}\n{log}");
    for text in
        ["what the pull request brings", "what the branch has by now", &format!("of {} {}", &base[..7], &head[..7]), "pushed sha256:"]
    {
        assert!(log.contains(text), "{text}:\n{log}");
    }
    // Nothing of it is in the repository.
    assert_eq!(building.on.it.git("web.git", &["for-each-ref", "--contains", &head, "--format=%(refname)"]), "refs/heads/pull/1");
}

#[test]
fn a_server_that_is_killed_while_a_pod_builds_makes_no_second_job_and_loses_no_line() {
    let Some(mut building) = Building::new("for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 1; done") else { return };
    let first = building.on.it.release("first", true);
    building.on.it.start(None);
    let run = building.until_log("line 2");
    building.on.it.kill();
    building.on.it.start(None);
    let stage = building.on.stage_title();
    building.on.it.until_at(&stage, &first);
    assert_eq!((building.jobs().len(), building.builds().len()), (1, 1));
    let log = building.on.it.ok(&["logs", &run]);
    for line in 1..=8 {
        assert_eq!(log.matches(&format!("line {line}")).count(), 1, "line {line} once:\n{log}");
    }
}

#[test]
fn a_build_that_runs_out_of_memory_gets_twice_as_much_and_so_does_the_next_one() {
    let Some(mut building) = Building::new("dd if=/dev/zero of=/dev/null bs=90M count=1") else { return };
    let first = building.on.it.release("first", true);
    building.on.it.start(None);
    let stage = building.on.stage_title();
    building.on.it.until_at(&stage, &first);
    let builds = building.builds();
    assert_eq!(builds.len(), 2, "{builds:#?}");
    let told = builds[1].to_string();
    assert!(told.contains("ran out of 64 MiB; the next attempt gets 128 MiB"), "{told}");
    let log = building.on.it.ok(&["logs", builds[1]["id"].as_str().unwrap()]);
    assert!(log.contains("ran out of 64 MiB; the next attempt gets 128 MiB"), "{log}");

    // The next commit's build begins with what this one needed.
    let second = building.on.it.release("second", true);
    building.on.it.until_at(&stage, &second);
    let builds = building.builds();
    assert_eq!(builds.len(), 3, "{builds:#?}");
    let log = building.on.it.ok(&["logs", builds[0]["id"].as_str().unwrap()]);
    assert!(log.contains("at least 128 MiB"), "{log}");
    let limits: Vec<String> = building
        .jobs()
        .iter()
        .map(|job| job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"].to_string())
        .collect();
    assert_eq!(limits.iter().filter(|limit| limit.contains("134217728") || limit.contains("128Mi")).count(), 2, "{limits:?}");
}

#[test]
fn a_build_that_a_person_cancels_is_ended_in_its_cluster_and_the_next_attempt_has_a_job_of_its_own() {
    let Some(mut building) = Building::new("echo waits; sleep 1000") else { return };
    building.on.it.release("first", true);
    building.on.it.start(None);
    let run = building.until_log("waits");
    building.on.it.ok(&["cancel", &run, "--by", "Ada", "--reason", "it hangs"]);
    building.on.it.until("the job to end", |it| it.runs("web").iter().any(|run| run["state"] == "cancelled").then_some(()));
    assert!(building.on.it.ok(&["logs", &run]).contains("ended"));
    let namespace = building.namespace.clone();
    let kube = building.on.kube;
    building.on.it.until("the pod to go", |_| kube.get(&["pods", "-n", &namespace])["items"].as_array()?.is_empty().then_some(()));
    assert!(building.jobs().is_empty());

    building.on.it.ok(&["retry", "web", "--reason", "once more", "--by", "Ada"]);
    let again = building.on.it.until("another attempt", |it| {
        let newest = it.runs("web").into_iter().find(|run| run["kind"] == "build")?["id"].as_str()?.to_owned();
        (newest != run && String::from_utf8_lossy(&it.run(&["logs", &newest]).stdout).contains("waits")).then_some(newest)
    });
    let jobs = building.jobs();
    assert_eq!(jobs.len(), 1, "{jobs:#?}");
    assert_eq!(jobs[0]["metadata"]["annotations"]["towpath.dev/run"], again);
}

#[test]
fn a_build_that_nobody_wants_any_more_when_its_server_is_back_is_ended_in_its_cluster() {
    let Some(mut building) = Building::new("echo waits; sleep 1000") else { return };
    building.on.it.release("first", true);
    building.on.it.start(None);
    let run = building.until_log("waits");
    building.on.it.git("config", &["rm", "--quiet", "data/web/source.yml"]);
    let removed = building.on.it.commit("config", "Nothing is released any more");
    building.on.it.until_read(&removed);
    building.on.it.kill();
    building.on.it.start(None);
    let (namespace, kube) = (building.namespace.clone(), building.on.kube);
    building.on.it.until("the job to go", |_| kube.get(&["jobs", "-n", &namespace])["items"].as_array()?.is_empty().then_some(()));
    building.on.it.until("the run to end", |it| it.ok(&["logs", &run]).contains("superseded").then_some(()));
}

#[test]
fn a_build_that_fails_is_told_with_its_last_lines_and_what_towpath_packs_itself_is_built_here() {
    let Some(mut building) = Building::new("echo no such header; exit 9") else { return };
    building.on.it.release("first", true);
    building.on.it.start(None);
    // Events may say "failed" before the run's end is in the log.
    let run = building.until_log("it last said:");
    let log = building.on.it.ok(&["logs", &run]);
    assert!(log.contains("exit code 9") && log.contains("it last said:") && log.contains("no such header"), "{log}");

    let image = format!("{}/{}", building.on.registry.host, building.on.stage);
    let read = building.on.it.configure("Packed here", |it| {
        let source = it.read("config/data/web/source.yml");
        let build = "build:\n  command: mkdir bin && cp /bin/busybox bin/ && for a in sh cat grep sleep; do ln -s busybox bin/$a; done\n  pack:\n    \
                     files: [{from: bin, to: /bin}, {from: verdict, to: /verdict}]\n    entrypoint: [sh]\n";
        it.write("config/data/web/source.yml", &(source.split("build:").next().unwrap().to_owned() + build));
    });
    // A commit that is seen before is built as was said before.
    building.on.it.until_read(&read);
    let second = building.on.it.release("second", true);
    let stage = building.on.stage_title();
    building.on.it.until_at(&stage, &second);
    let run = building.builds()[0]["id"].as_str().unwrap().to_owned();
    let log = building.on.it.ok(&["logs", &run]);
    assert!(log.contains("built on this machine") && log.contains(&image), "{log}");
    assert_eq!(building.jobs().len(), 1);
}

#[test]
fn a_test_that_runs_out_of_memory_gets_twice_as_much_and_one_that_says_nothing_gets_what_its_saas_file_says() {
    let Some(mut building) = Building::new("true") else { return };
    let it = &building.on.it;
    it.replace_in("web/deploy/smoke.yaml", "cat verdict; grep -q good verdict", "cat verdict; dd if=/dev/zero of=/dev/null bs=40M count=1");
    it.replace(
        "web/test.yml",
        "managedResourceTypes: [Job]",
        "managedResourceTypes: [Job]\ndeployResources: {requests: {memory: 8Mi}, limits: {memory: 32Mi}}",
    );
    it.commit("config", "Little memory for tests");
    let first = building.on.it.release("first", true);
    building.on.it.start(None);
    let (production, tests) = (building.on.production_title(), building.on.test_title());
    building.on.it.until_at(&production, &first);
    let runs: Vec<Value> = building.on.it.runs(&tests).into_iter().filter(|run| run["kind"] == "deploy").collect();
    assert_eq!(runs.len(), 2, "{runs:#?}");
    assert!(runs[1].to_string().contains("ran out of 32 MiB; the next attempt gets 64 MiB"), "{runs:#?}");
    let jobs = building.on.jobs(&building.on.stage);
    let resources = &jobs[0]["spec"]["template"]["spec"]["containers"][0]["resources"];
    assert_eq!(
        (&resources["requests"]["memory"], resources["limits"]["memory"].as_str().unwrap()),
        (&Value::from("8Mi"), "67108864"),
        "{jobs:#?}"
    );
}

//! Containers that really die: a node is needed, and an image that can do more than the node's own.

use serde_json::{Value, json};
use towpath_cluster::{Cluster, Reason};
use towpath_domain::FailureClass;

use super::given::{Given, Heard, PATIENCE, PAUSE, deployment, job, owner};
use super::proxy::Proxy;

/// A node, and the image.
fn given() -> Option<(Given, &'static str)> {
    let given = Given::node()?;
    let image = given.kube.busybox()?;
    Some((given, image))
}

fn shell(image: &str, script: &str) -> Value {
    json!({"image": image, "command": ["sh", "-c", script]})
}

/// A container that takes more memory than it may.
fn eats(image: &str) -> Value {
    let mut container = shell(image, "echo about to eat; exec tail /dev/zero");
    container["resources"] = json!({"limits": {"memory": "24Mi"}});
    container
}

#[tokio::test]
async fn a_container_that_needs_more_memory_than_its_limit_is_told_as_that() {
    let Some((given, image)) = given() else { return };
    let failure = given.fails(&[deployment("web", eats(image))]).await;
    assert_eq!((&failure.reason, failure.class), (&Reason::OutOfMemory, FailureClass::Own), "{failure:#?}");
    assert!(failure.message.contains("limit of 24Mi"), "{failure:#?}");
    assert_eq!(failure.log_tail, ["about to eat"], "{failure:#?}");
}

#[tokio::test]
async fn a_test_that_needs_more_memory_than_its_limit_has_failed() {
    let Some((given, image)) = given() else { return };
    let failure = given.fails(&[job("smoke", eats(image))]).await;
    assert_eq!((&failure.reason, failure.class), (&Reason::OutOfMemory, FailureClass::Own), "{failure:#?}");
    assert_eq!(failure.log_tail, ["about to eat"], "{failure:#?}");
}

#[tokio::test]
async fn an_init_container_that_fails_is_at_fault_with_its_last_lines() {
    let Some((given, image)) = given() else { return };
    let serves = json!({"image": PAUSE, "args": ["serve", "8080", "ok"]});
    let mut object = deployment("web", serves);
    let mut first = shell(image, "seq 1 80; exit 7");
    first["name"] = json!("migrate");
    object["spec"]["template"]["spec"]["initContainers"] = json!([first]);
    let failure = given.fails(&[object]).await;
    assert_eq!((&failure.reason, failure.class), (&Reason::CrashLoop, FailureClass::Own), "{failure:#?}");
    assert!(failure.message.contains("container migrate") && failure.message.contains("exit code 7"), "{failure:#?}");
    let expected: Vec<String> = (31..=80).map(|number: u32| number.to_string()).collect();
    assert_eq!(failure.log_tail, expected, "the last 50 lines, of the container that ended");
}

#[tokio::test]
async fn a_command_that_is_not_there_and_a_secret_that_is_not_there_are_told() {
    let Some((given, image)) = given() else { return };
    let failure = given.fails(&[job("smoke", json!({"image": image, "command": ["nope"]}))]).await;
    assert_eq!((&failure.reason, failure.class), (&Reason::CommandMissing, FailureClass::Environment), "{failure:#?}");
    assert!(failure.message.contains("inconclusive: ") && failure.message.contains("nope"), "{failure:#?}");

    let mut object = deployment("web", shell(image, "sleep 1000"));
    object["spec"]["template"]["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "not-there"}}]);
    object["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    let failure = given.fails(&[object]).await;
    assert_eq!((&failure.reason, failure.class), (&Reason::ConfigMissing, FailureClass::Own), "{failure:#?}");
    assert!(failure.message.contains("not-there"), "{failure:#?}");
}

#[tokio::test]
async fn every_line_is_told_once_however_often_the_connection_is_cut() {
    let Some((given, image)) = given() else { return };
    let (proxy, dir) = (Proxy::of_bytes(given.kube), tempfile::tempdir().unwrap());
    let cluster = proxy.cluster_by_tls(given.kube, dir.path());
    let objects = [job("smoke", shell(image, "for i in $(seq 1 40); do echo line $i; sleep 0.1; done"))];
    let (owner, heard) = (owner("smoke", "run-1"), Heard::default());
    given.apply(&owner, &objects).await.unwrap();
    let keys = [super::given::key(&objects[0])];
    let waiting = cluster.wait(&given.namespace, &keys, &owner.run, PATIENCE, &heard);
    let cutting = async {
        for lines in [3, 12, 25] {
            while heard.lines.lock().unwrap().len() < lines {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            assert!(proxy.cut() > 0);
        }
    };
    let (ended, ()) = tokio::join!(waiting, cutting);
    ended.unwrap();
    let expected: Vec<String> = (1..=40).map(|number| format!("line {number}")).collect();
    assert_eq!(heard.texts(), expected);
}

//! What only Kubernetes has: access, finalizers, objects outside of namespaces.

use serde_json::{Value, json};
use towpath_cluster::{ClusterError, NamespaceEnd, NamespaceStanding, NamespaceWanted, Requester, Subject};
use towpath_domain::NamespaceName;
use towpath_testbed::Kube;

use super::bench::{Bench, INSTALLATION, Real, config};
use crate::support::until;

/// Whether somebody may do something in a namespace.
fn can(kube: &Kube, who: &str, namespace: &NamespaceName, what: &[&str]) -> bool {
    let mut arguments = vec!["auth", "can-i", "-n", namespace.as_str(), "--as", who];
    arguments.extend(what);
    kube.try_kubectl(&arguments).status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_granted_to_the_requester_alone() {
    let Some(bench) = Real::start() else { return };
    let (wanted, spaces) = (bench.wanted(), bench.spaces());
    bench.make_ready(&wanted).await;
    let name = &wanted.name;
    let to = |user: &str, role: &str| Requester { name: user.into(), subject: Some(Subject::User(user.into())), role: role.into() };
    let may = |who: &str| can(bench.kube, who, name, &["create", "pods"]);
    let may_grant = |who: &str| can(bench.kube, who, name, &["create", "rolebindings"]);
    assert!(!may("ann") && !may("bob"));
    spaces.grant(name, INSTALLATION, &to("ann", "edit")).await.unwrap();
    assert!(may("ann") && !may("bob") && !may_grant("ann"));
    assert!(!can(bench.kube, "ann", &bench.ordinary().await, &["create", "pods"]), "here and nowhere else");
    spaces.grant(name, INSTALLATION, &to("bob", "edit")).await.unwrap();
    assert!(may("bob") && !may("ann"), "whoever had it before has it no more");
    spaces.grant(name, INSTALLATION, &to("bob", "admin")).await.unwrap();
    assert!(may_grant("bob"), "another role is another binding");
    let robot = Subject::ServiceAccount { namespace: NamespaceName::new("ci").unwrap(), name: "robot".into() };
    spaces.grant(name, INSTALLATION, &Requester { name: "robot".into(), subject: Some(robot), role: "edit".into() }).await.unwrap();
    assert!(may("system:serviceaccount:ci:robot") && !may("bob"));
    spaces.grant(name, INSTALLATION, &Requester { name: "nobody".into(), subject: None, role: "edit".into() }).await.unwrap();
    assert!(!may("system:serviceaccount:ci:robot"));
    let missing = spaces.grant(name, INSTALLATION, &to("ann", "no-such-role")).await.unwrap_err();
    assert!(missing.to_string().contains("ClusterRole/no-such-role: is not there"), "{missing}");
    assert!(!may("ann"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_does_not_go_is_told_with_what_holds_it() {
    let Some(bench) = Real::start() else { return };
    let wanted = bench.wanted();
    bench.make_ready(&wanted).await;
    let mut held = config("held", "x");
    held["metadata"]["finalizers"] = json!(["example.com/keep"]);
    bench.put(&wanted.name, &held).await;
    let told = ["ConfigMap/held has the finalizer example.com/keep, which its controller has to take away".to_owned()];
    until("what holds it is told", async || match bench.spaces().end(&wanted.name, INSTALLATION).await.unwrap() {
        NamespaceEnd::Ending { held_by } => held_by == told,
        NamespaceEnd::Gone => panic!("it cannot be gone"),
    })
    .await;
    assert_eq!(bench.spaces().standing(&wanted).await.unwrap(), NamespaceStanding::Ending { held_by: told.to_vec() });
    let again = bench.spaces().make(&wanted).await.unwrap_err();
    assert!(again.to_string().contains("the namespace is still being deleted"), "{again}");
    bench.kube.kubectl(&[
        "patch",
        "configmap",
        "held",
        "-n",
        wanted.name.as_str(),
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ]);
    bench.gone(&wanted.name).await;
}

fn environment(name: &str) -> Value {
    let mode = |mode: &str| json!({ "mode": mode });
    json!({"apiVersion": "cloud.redhat.com/v1alpha1", "kind": "ClowdEnvironment", "metadata": {"name": name}, "spec": {
        "resourceDefaults": {"limits": {}, "requests": {}},
        "providers": {"db": mode("none"), "inMemoryDb": mode("none"), "kafka": mode("none"), "logging": mode("none"),
            "metrics": {"port": 9000, "mode": "none"}, "objectStore": mode("none"), "web": {"port": 8000, "mode": "none"}, "featureFlags": mode("none"),
            "serviceMesh": mode("disabled"), "testing": {"k8sAccessLevel": "edit", "configAccess": "environment", "iqe": {"imageBase": "iqe"}}},
    }})
}

fn with_environment(bench: &Real) -> (NamespaceWanted, String) {
    bench.kube.install_crds();
    let wanted = bench.wanted();
    let name = format!("env-{}", wanted.name);
    (NamespaceWanted { manifests: vec![environment(&name)], ..wanted }, name)
}

fn is_there(bench: &Real, environment: &str) -> bool {
    bench.kube.try_kubectl(&["get", "clowdenvironment", environment]).status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_outside_of_it_has_to_be_well_and_goes_with_it() {
    let Some(bench) = Real::start() else { return };
    let (wanted, name) = with_environment(&bench);
    bench.spaces().make(&wanted).await.unwrap();
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "Played", "message": "by the test", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let report = |ready: &str| {
        let conditions = json!([condition("ReconciliationSuccessful", "True"), condition("DeploymentsReady", ready)]);
        let counts = json!({"managedDeployments": 0, "readyDeployments": 0, "managedTopics": 0, "readyTopics": 0});
        let status =
            json!({"ready": ready == "True", "targetNamespace": wanted.name.as_str(), "conditions": conditions, "deployments": counts});
        bench.kube.set_status(&format!("/apis/cloud.redhat.com/v1alpha1/clowdenvironments/{name}"), &status);
    };
    until("its environment is waited for", async || match bench.spaces().standing(&wanted).await.unwrap() {
        NamespaceStanding::Making { waits } => waits.contains("its controller has not looked at the new revision yet"),
        other => panic!("{other:?}"),
    })
    .await;
    report("False");
    let standing = bench.spaces().standing(&wanted).await.unwrap();
    assert!(matches!(&standing, NamespaceStanding::Making { waits } if waits.contains("its deployments are not ready")), "{standing:?}");
    report("True");
    assert_eq!(bench.made(&wanted).await, NamespaceStanding::Ready);
    // What the operator makes of it in the namespace is no leftover.
    let uid = bench.kube.get(&["clowdenvironment", &name])["metadata"]["uid"].clone();
    let mut made = config("made-of-it", "x");
    made["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "cloud.redhat.com/v1alpha1", "kind": "ClowdEnvironment", "name": name, "uid": uid}]);
    bench.put(&wanted.name, &made).await;
    assert_eq!(bench.made(&wanted).await, NamespaceStanding::Ready);
    bench.gone(&wanted.name).await;
    assert!(!is_there(&bench, &name));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deleted_namespace_left_outside_is_found_and_ended() {
    let Some(bench) = Real::start() else { return };
    let (wanted, name) = with_environment(&bench);
    bench.spaces().make(&wanted).await.unwrap();
    bench.kube.kubectl(&["delete", "namespace", wanted.name.as_str()]);
    assert!(is_there(&bench, &name));
    let found = bench.spaces().found(INSTALLATION).await.unwrap();
    let found = found.iter().find(|found| found.name == wanted.name).unwrap();
    assert_eq!((found.pool.as_str(), found.made_at, found.ending), ("default", None, true));
    // A namespace of the same name that is somebody else's by now is left alone.
    bench.kube.kubectl(&["create", "namespace", wanted.name.as_str()]);
    bench.gone(&wanted.name).await;
    assert!(!is_there(&bench, &name));
    bench.kube.get(&["namespace", wanted.name.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_outside_that_is_somebody_elses_is_left_alone() {
    let Some(bench) = Real::start() else { return };
    let (mut wanted, name) = with_environment(&bench);
    bench.kube.apply(&environment(&name).to_string());
    let refused = bench.spaces().make(&wanted).await.unwrap_err();
    assert!(refused.to_string().contains(&format!("ClowdEnvironment/{name}: is there already and was not made by Towpath")), "{refused}");
    let standing = bench.spaces().standing(&wanted).await.unwrap();
    assert!(matches!(&standing, NamespaceStanding::Broken { why } if why.contains("not made by Towpath")), "{standing:?}");
    bench.gone(&wanted.name).await;
    assert!(is_there(&bench, &name), "not even when the namespace ends");
    // Nor one of another namespace of the same pool, whose name lacks the namespace's.
    let shared = format!("shared-{name}");
    wanted.manifests = vec![environment(&shared)];
    bench.spaces().make(&wanted).await.unwrap();
    let second = NamespaceWanted { name: bench.new_name(), ..wanted.clone() };
    let refused = bench.spaces().make(&second).await.unwrap_err();
    assert!(refused.to_string().contains(&format!("belongs to namespace {}", wanted.name)), "{refused}");
    bench.gone(&second.name).await;
    assert!(is_there(&bench, &shared));
    bench.gone(&wanted.name).await;
    assert!(!is_there(&bench, &shared));
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_and_kinds_that_the_cluster_does_not_take_are_refused_in_words() {
    let Some(bench) = Real::start() else { return };
    let negative = vec![json!({"hard": {"pods": "-1"}})];
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}});
    for (wanted, words) in [
        (NamespaceWanted { quotas: negative, ..bench.wanted() }, "ResourceQuota/towpath-quota-1: "),
        (
            NamespaceWanted { manifests: vec![widget], ..bench.wanted() },
            "Widget/a: apiVersion: example.com/v1 Widget is not served by cluster test",
        ),
    ] {
        let refused = bench.spaces().make(&wanted).await.unwrap_err();
        assert!(matches!(&refused, ClusterError::Refused { .. }) && refused.to_string().contains(words), "{refused}");
        bench.gone(&wanted.name).await;
    }
}

//! Clusters of every level.

use std::path::Path;
use std::process::Output;

use towpath_testbed::Kube;

#[test]
fn an_api_server_takes_objects_and_resource_definitions() {
    let Some(kube) = Kube::api() else { return };
    let namespace = kube.namespace("plain");
    kube.apply(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: words, namespace: {namespace}}}\ndata: {{hello: world}}\n"));
    assert_eq!(kube.get(&["-n", &namespace, "configmap", "words"])["data"]["hello"], "world");

    kube.install_crds();
    kube.apply(&format!(
        "apiVersion: cloud.redhat.com/v1alpha1\nkind: ClowdApp\nmetadata: {{name: app, namespace: {namespace}}}\nspec: {{envName: test}}\n"
    ));
    assert_eq!(kube.get(&["-n", &namespace, "clowdapp", "app"])["metadata"]["generation"], 1);

    let missing = kube.try_kubectl(&["get", "-n", &namespace, "configmap", "nowhere"]);
    assert!(!missing.status.success());
}

#[test]
fn a_control_plane_makes_pods_of_deployments_and_keeps_a_limited_account_to_its_rules() {
    let Some(kube) = Kube::control_plane() else { return };
    let namespace = kube.namespace("bound");
    let limited = kube.limited_kubeconfig(&namespace, "- apiGroups: ['']\n  resources: [pods]\n  verbs: [get, list]\n");
    let as_limited =
        |args: &[&str]| -> Output { kube.command().env("KUBECONFIG", Path::new(&limited)).args(args).output().expect("kubectl starts") };
    assert!(as_limited(&["get", "pods"]).status.success());
    let refused = as_limited(&["get", "secrets"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Forbidden"), "{refused:?}");

    kube.kubectl(&["create", "deployment", "-n", &namespace, "web", "--image=registry.local/pause:1.0"]);
    let own = kube.kubeconfig_of(&namespace);
    // A rollout cannot come to its end without a node; that a pod is asked for is what counts here.
    let out = kube.command().env("KUBECONFIG", own).args(["wait", "--for=condition=Progressing", "deployment/web"]).output();
    assert!(out.expect("kubectl starts").status.success());
}

//! What an executor may do in its namespace.

use serde_json::{Value, json};
use towpath_cluster::{Connection, Executor as _, JobSettings, KubeCluster, KubeSettings, KubernetesJobs, Tekton, TektonSettings};

use super::given::Given;

/// The administrator's kubeconfig, but for somebody with the rights of `account` only.
fn as_account(given: &Given, account: &str, dir: &tempfile::TempDir) -> KubeCluster {
    let text = std::fs::read_to_string(&given.kube.kubeconfig).unwrap();
    let user = format!("user: {{as: 'system:serviceaccount:{}:{account}', client-certificate", given.namespace);
    let changed = text.replacen("user: {client-certificate", &user, 1);
    assert_ne!(changed, text, "the kubeconfig is written in another way now");
    let path = dir.path().join("kubeconfig");
    std::fs::write(&path, changed).unwrap();
    KubeCluster::new("hub", Connection::Kubeconfig { path, context: None }, KubeSettings::default())
}

/// Grants these rules to an account of the namespace: group, resources and verbs.
fn role(given: &Given, account: &str, rules: &[(&str, &[&str], &[&str])]) {
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({"name": account, "namespace": given.namespace.as_str()});
    let rules: Vec<Value> =
        rules.iter().map(|(group, resources, verbs)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs})).collect();
    let role = json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": rules});
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": account},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": given.namespace.as_str()}],
    });
    for object in [role, binding] {
        given.kube.apply(&object.to_string());
    }
}

#[tokio::test]
async fn what_an_executor_may_not_do_is_told_by_name() {
    let Some(given) = Given::api() else { return };
    let dir = tempfile::tempdir().unwrap();
    role(&given, "some", &[("batch", &["jobs"], &["get", "list", "watch"]), ("", &["pods"], &["list", "watch"])]);
    let cluster = as_account(&given, "some", &dir);
    let jobs = KubernetesJobs::new(cluster.clone(), JobSettings::new(given.namespace.clone()));
    let missing = |examination: towpath_cluster::Examination| -> Vec<String> {
        examination.missing.into_iter().map(|missing| format!("{} {}", missing.resource, missing.verbs.join(","))).collect()
    };
    let found = jobs.examine().await.unwrap();
    assert!(found.version.starts_with("Kubernetes v1."), "{found:?}");
    assert_eq!(missing(found), ["jobs.batch create,delete", "pods/log get", "events list,watch"]);
    let tekton = Tekton::new(cluster, TektonSettings::new(given.namespace.clone(), "build"));
    assert!(missing(tekton.examine().await.unwrap()).contains(&"pipelineruns.tekton.dev get,list,watch,create,patch".to_owned()));

    let jobs_verbs: &[&str] = &["get", "list", "watch", "create", "delete"];
    role(&given, "all", &[("batch", &["jobs"], jobs_verbs), ("", &["pods", "events"], &["list", "watch"]), ("", &["pods/log"], &["get"])]);
    let jobs = KubernetesJobs::new(as_account(&given, "all", &dir), JobSettings::new(given.namespace.clone()));
    assert!(jobs.examine().await.unwrap().missing.is_empty());
}

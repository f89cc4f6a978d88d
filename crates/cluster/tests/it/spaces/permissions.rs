//! What Towpath must be allowed for pools: what the documents say is enough, and what is missing is told.

use serde_json::json;
use towpath_cluster::{
    Cluster as _, ClusterError, Connection, KubeCluster, KubeSettings, NamespaceStanding, NamespaceWanted, Requester, Subject,
};

use super::bench::{Bench, INSTALLATION, Real, gone, secret, secrets};

/// The `ClusterRole` of this name, as docs/operate.md has it.
pub fn documented(name: &str) -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operate.md")).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let found =
        blocks.map(|(block, _)| block).find(|block| block.contains("kind: ClusterRole\n") && block.contains(&format!("name: {name}}}")));
    found.unwrap_or_else(|| panic!("docs/operate.md has no ClusterRole {name}")).to_owned()
}

/// The cluster as somebody sees it who may do on all of it what `role` says, and nothing else.
pub fn as_holder(bench: &Real, role: &str) -> KubeCluster {
    let account = bench.kube.new_name("pools");
    let namespace = bench.kube.namespace("towpath");
    let name = role.split_once("metadata: {name: ").unwrap().1.split_once('}').unwrap().0;
    bench.kube.apply(&role.replacen(&format!("name: {name}"), &format!("name: {account}"), 1));
    let group = "rbac.authorization.k8s.io";
    let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": account},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": account},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]});
    bench.kube.apply(&binding.to_string());
    let text = std::fs::read_to_string(&bench.kube.kubeconfig).unwrap();
    let user = format!("user: {{as: 'system:serviceaccount:{namespace}:{account}', client-certificate");
    let changed = text.replacen("user: {client-certificate", &user, 1);
    assert_ne!(changed, text, "the kubeconfig is written in another way now");
    let path = bench.kube.kubeconfig.with_file_name(format!("{account}.conf"));
    std::fs::write(&path, changed).unwrap();
    KubeCluster::new("test", Connection::Kubeconfig { path, context: None }, KubeSettings::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_role_is_enough_for_all_that_pools_do() {
    let Some(bench) = Real::start() else { return };
    bench.kube.install_crds();
    let base = bench.ordinary().await;
    bench.put(&base, &secret("login", "hunter2")).await;
    let cluster = as_holder(&bench, &documented("towpath-pools"));
    let spaces = cluster.namespaces().unwrap();
    let wanted = NamespaceWanted { secrets: secrets(&base, &["login"]), ..bench.wanted() };
    let examination = spaces.examine_pool(&wanted, "edit").await.unwrap();
    assert!(
        examination.version.starts_with("Kubernetes v1.") && examination.missing.is_empty() && examination.notes.is_empty(),
        "{examination:?}"
    );
    spaces.make(&wanted).await.unwrap();
    assert_eq!(bench.made(&wanted).await, NamespaceStanding::Ready);
    assert_eq!(spaces.standing(&wanted).await.unwrap(), NamespaceStanding::Ready);
    for role in ["edit", "edit"] {
        let ann = Requester { name: "ann".into(), subject: Some(Subject::User("ann".into())), role: role.into() };
        spaces.grant(&wanted.name, INSTALLATION, &ann).await.unwrap();
    }
    // The role that may be granted is this one.
    let admin = Requester { name: "ann".into(), subject: Some(Subject::User("ann".into())), role: "admin".into() };
    let refused = spaces.grant(&wanted.name, INSTALLATION, &admin).await.unwrap_err();
    assert!(matches!(&refused, ClusterError::Forbidden { .. }) && refused.to_string().contains("`bind`"), "{refused}");
    assert!(spaces.found(INSTALLATION).await.unwrap().iter().any(|found| found.name == wanted.name));
    gone(spaces, &wanted.name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_for_a_pool_is_told_by_name_before_anything_is_made() {
    let Some(bench) = Real::start() else { return };
    bench.kube.install_crds();
    let role = "metadata: {name: some}\nrules:\n\
        - {apiGroups: [\"\"], resources: [namespaces], verbs: [get, list, create, patch]}\n\
        - {apiGroups: [\"\"], resources: [resourcequotas, secrets], verbs: [\"*\"]}\n\
        - {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [view], verbs: [bind]}\n\
        - {apiGroups: [apps, batch], resources: [\"*\"], verbs: [list]}\n";
    let cluster = as_holder(&bench, &format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n{role}"));
    let spaces = cluster.namespaces().unwrap();
    let mut wanted = bench.wanted();
    wanted.manifests.push(json!({"apiVersion": "cloud.redhat.com/v1alpha1", "kind": "ClowdEnvironment", "metadata": {"name": "env"}}));
    let found = spaces.examine_pool(&wanted, "edit").await.unwrap();
    let mut missing: Vec<String> =
        found.missing.iter().map(|missing| format!("{} {}", missing.resource, missing.verbs.join(","))).collect();
    missing.sort();
    let lists =
        ["limitranges get,create,patch,list", "persistentvolumeclaims list", "pods list", "replicationcontrollers list", "services list"];
    let mut expected = vec![
        "clowdenvironments.cloud.redhat.com get,list,create,patch,delete",
        "clusterroles.rbac.authorization.k8s.io/edit bind",
        "configmaps get,create,patch,list",
        "namespaces delete",
        "rolebindings.rbac.authorization.k8s.io get,create,patch,delete,list",
        "roles.rbac.authorization.k8s.io list",
        "serviceaccounts get,list",
    ];
    expected.extend(lists);
    expected.sort_unstable();
    assert_eq!(missing, expected);
    assert!(found.notes[0].contains("not all kinds may be listed"));
    assert!(found.missing.iter().all(|missing| missing.namespace.is_none()), "on the whole cluster");
    let viewing = spaces.examine_pool(&wanted, "view").await.unwrap();
    assert!(viewing.missing.iter().all(|missing| !missing.resource.starts_with("clusterroles")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_missing_is_told_and_nothing_is_called_clean_unseen() {
    let Some(bench) = Real::start() else { return };
    let wanted = bench.wanted();
    let role = documented("towpath-pools");
    let without = |line: &str| {
        let kept: Vec<&str> = role.lines().filter(|kept| !kept.contains(line)).collect();
        assert_ne!(kept.len(), role.lines().count(), "{line}");
        as_holder(&bench, &kept.join("\n"))
    };
    let told = |error: ClusterError, words: &str| {
        assert!(matches!(&error, ClusterError::Forbidden { .. }) && error.to_string().contains(words), "{error}");
    };
    let none = without("resources: [namespaces]");
    told(none.namespaces().unwrap().make(&wanted).await.unwrap_err(), "cannot get resource \"namespaces\"");
    let no_quota = without("resourcequotas");
    told(no_quota.namespaces().unwrap().make(&wanted).await.unwrap_err(), "resource \"resourcequotas\"");
    bench.make_ready(&wanted).await;
    let blind = without("verbs: [list]}");
    told(blind.namespaces().unwrap().standing(&wanted).await.unwrap_err(), "cannot list resource");
    bench.gone(&wanted.name).await;
}

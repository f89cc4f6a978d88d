use serde_json::json;

use super::*;

fn there(key: &str, uid: &str, change: impl FnOnce(&mut Value)) -> There {
    let mut object = json!({"metadata": {"uid": uid}});
    change(&mut object);
    There { key: key.parse().unwrap(), object }
}

fn plain(key: &str, uid: &str) -> There {
    there(key, uid, |_| {})
}

fn left(there: &[There], wanted: &[&str], expected: &[&str]) -> Vec<String> {
    let wanted = wanted.iter().map(|uid| (*uid).to_owned()).collect();
    let expected: Vec<ExpectedObject> = expected.iter().map(|text| text.parse().unwrap()).collect();
    leftovers(there, &wanted, &expected)
}

#[test]
fn what_the_cluster_puts_there_is_no_leftover_and_everything_else_is() {
    let token = |name: &str, account: &str| {
        let account = account.to_owned();
        there(&format!("Secret/{name}"), name, move |object| {
            object["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": account});
        })
    };
    let own = [
        plain("ServiceAccount/default", "1"),
        token("default-token-x7k2p", "default"),
        token("builder-dockercfg-abcde", "builder"),
        plain("ConfigMap/kube-root-ca.crt", "2"),
        plain("RoleBinding.rbac.authorization.k8s.io/system:image-pullers", "3"),
    ];
    assert_eq!(left(&own, &[], &[]), [""; 0]);
    let others = [
        plain("ServiceAccount/ci", "1"),
        token("default-token", "default"),
        token("my-default-token-1", "default"),
        token("ci-token-abcde", "ci"),
        plain("Secret/default-token-fake", "2"),
        plain("ConfigMap/default", "3"),
        plain("RoleBinding.rbac.authorization.k8s.io/admin", "4"),
        plain("Pod/a", "5"),
        plain("Widget.example.com/kube-root-ca.crt", "6"),
    ];
    assert_eq!(left(&others, &[], &[]).len(), others.len());
}

#[test]
fn what_was_wanted_and_what_was_made_of_it_is_no_leftover() {
    let owned = |key: &str, uid: &str, owner: &str| {
        let owner = owner.to_owned();
        there(key, uid, move |object| object["metadata"]["ownerReferences"] = json!([{"uid": owner}]))
    };
    let seen = [
        owned("Pod/kafka-1", "pod", "set"),
        owned("ReplicaSet.apps/kafka", "set", "deployment"),
        owned("Deployment.apps/kafka", "deployment", "environment"),
        plain("ResourceQuota/towpath-quota-1", "quota"),
        owned("Pod/left", "left", "somebody"),
        owned("Pod/circle", "circle", "circle"),
    ];
    // The environment itself is in no namespace, and so not among what is seen there.
    assert_eq!(left(&seen, &["environment", "quota"], &[]), ["Pod/circle", "Pod/left"]);
    assert_eq!(left(&seen, &["environment", "quota"], &["Pod/*"]), [""; 0]);
}

#[test]
fn an_object_of_two_groups_is_told_once_and_fine_if_it_is_so_under_one_name() {
    let seen = [plain("Ingress.extensions/a", "1"), plain("Ingress.networking.k8s.io/a", "1")];
    assert_eq!(left(&seen, &[], &[]).len(), 1);
    assert_eq!(left(&seen, &[], &["Ingress.networking.k8s.io/a"]), [""; 0]);
    let many: Vec<There> = (0..30).map(|n| plain(&format!("Pod/p-{n}"), &n.to_string())).collect();
    let told = left(&many, &[], &[]);
    assert_eq!((told.len(), told.last().unwrap().as_str()), (NAMED, "and 11 more"));
}

fn asked(kind: &str, live: impl FnOnce(&mut Value)) -> Asked {
    let wanted = json!({"kind": kind, "metadata": {"name": "a",
        "labels": {mark::MADE_FOR: "eph-1", mark::INSTALLATION: "test"}, "annotations": {labels::APPLIED: "1"}}});
    let mut there = wanted.clone();
    live(&mut there);
    Asked { wanted, live: Some(there) }
}

#[test]
fn what_is_there_is_well_only_when_it_is_ours_of_today_and_says_so_itself() {
    assert_eq!(lack(&asked("ConfigMap", |_| {})), None);
    let waits = |asked: &Asked| match lack(asked) {
        Some(NamespaceStanding::Making { waits }) => waits,
        other => panic!("{other:?}"),
    };
    assert!(waits(&Asked { live: None, ..asked("ConfigMap", |_| {}) }).contains("ConfigMap/a is not there"));
    assert!(
        waits(&asked("ConfigMap", |live| live["metadata"]["annotations"] = json!({labels::APPLIED: "0"}))).contains("earlier definition")
    );
    assert!(waits(&asked("ConfigMap", |live| live["metadata"]["deletionTimestamp"] = json!("now"))).contains("being deleted"));
    assert!(waits(&asked("ResourceQuota", |live| live["spec"] = json!({"hard": {"pods": "1"}}))).contains("not counted"));
    let counted = |live: &mut Value| {
        live["spec"] = json!({"hard": {"pods": "1"}});
        live["status"] = json!({"hard": {"pods": "1"}, "used": {"pods": "0"}});
    };
    assert_eq!(lack(&asked("ResourceQuota", counted)), None);
    let foreign = lack(&asked("ClowdEnvironment", |live| live["metadata"]["labels"] = json!({})));
    assert!(matches!(&foreign, Some(NamespaceStanding::Broken { why }) if why.contains("not made by Towpath")), "{foreign:?}");
    let environment = |conditions: Value| {
        let mut asked = asked("ClowdEnvironment", |live| live["status"] = json!({"conditions": conditions}));
        for object in [Some(&mut asked.wanted), asked.live.as_mut()].into_iter().flatten() {
            object["apiVersion"] = json!("cloud.redhat.com/v1alpha1");
        }
        asked
    };
    let good = json!({"type": "ReconciliationSuccessful", "status": "True"});
    assert!(waits(&environment(json!([good]))).contains("deployments are not ready"));
    assert_eq!(lack(&environment(json!([good, {"type": "DeploymentsReady", "status": "True"}]))), None);
}

#[test]
fn a_copy_is_good_as_long_as_its_source_is_the_same() {
    let source = json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}});
    let mut copy = json!({"metadata": {"annotations": {mark::COPY_OF: "base/a u 7"}}});
    assert_eq!(copy_lack("a", "base", Some(&source), Some(&copy)), None);
    assert!(matches!(copy_lack("a", "base", Some(&source), None), Some(NamespaceStanding::Making { .. })));
    copy["metadata"]["annotations"][mark::COPY_OF] = json!("base/a u 6");
    assert!(matches!(copy_lack("a", "base", Some(&source), Some(&copy)), Some(NamespaceStanding::Making { .. })));
    let broken = copy_lack("a", "base", None, Some(&copy));
    assert!(matches!(&broken, Some(NamespaceStanding::Broken { why }) if why.starts_with("Secret/a is to be copied from namespace base")));
    assert_eq!(worst(vec![NamespaceStanding::Making { waits: String::new() }, broken.clone().unwrap()]), broken);
}

#[test]
fn what_holds_a_namespace_is_told_by_name_and_time_alone_is_not() {
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "message": format!("{kind} says")});
    let namespace = json!({"status": {"conditions": [
        condition("NamespaceDeletionDiscoveryFailure", "True"), condition("NamespaceDeletionContentFailure", "False"),
        condition("NamespaceContentRemaining", "True"), condition("NamespaceFinalizersRemaining", "True"),
    ]}});
    assert_eq!(holds(&namespace), (vec!["NamespaceDeletionDiscoveryFailure says".to_owned()], true));
    assert_eq!(holds(&json!({"status": {"phase": "Terminating"}})), (Vec::new(), false));
    let seen = [
        there("ConfigMap/a", "1", |object| {
            object["metadata"] = json!({"deletionTimestamp": "now", "finalizers": ["example.com/keep"]});
        }),
        there("ConfigMap/b", "2", |object| object["metadata"] = json!({"finalizers": ["example.com/keep"]})),
        there("ConfigMap/c", "3", |object| object["metadata"] = json!({"deletionTimestamp": "now"})),
    ];
    assert_eq!(held(&seen), ["ConfigMap/a has the finalizer example.com/keep, which its controller has to take away"]);
}

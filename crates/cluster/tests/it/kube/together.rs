//! Objects that need each other, in one apply; kinds of the whole cluster; order. An API server is enough.

use serde_json::{Value, json};
use towpath_cluster::{Cluster, ClusterError, Owner, Scope};

use super::given::{Given, Heard, PATIENCE, config, deployment, owner};

fn owning(target: &str, types: &[&str]) -> Owner {
    Owner { scope: Scope { types: types.iter().map(|kind| (*kind).to_owned()).collect(), ..Scope::default() }, ..owner(target, "run-1") }
}

/// The definition of a kind that no other test has.
fn definition(kind: &str, scope: &str) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.towpath.example.com")},
        "spec": {"group": "towpath.example.com", "scope": scope, "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}})
}

fn of_kind(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "towpath.example.com/v1", "kind": kind, "metadata": {"name": name}, "spec": {"size": 1}})
}

#[tokio::test]
async fn a_kind_and_its_objects_are_applied_together_waited_for_and_pruned() {
    let Some(given) = Given::api() else { return };
    let owner = owning("gadgets", &["CustomResourceDefinition", "Gadget"]);
    let objects = [of_kind("Gadget", "first"), of_kind("Gadget", "second"), definition("Gadget", "Namespaced")];
    let notes = given.cluster.check(&given.namespace, &owner, &objects).await.unwrap();
    assert!(notes[0].starts_with("Gadget/first, Gadget/second could not be tried beforehand"), "{notes:?}");
    let shown = given.cluster.diff(&given.namespace, &owner, &objects).await.unwrap();
    assert_eq!(shown.len(), 3, "{shown:?}");
    given.cluster.apply(&given.namespace, &owner, &objects).await.unwrap();
    given.wait(&owner, &objects, PATIENCE, &Heard::default()).await.unwrap();
    assert_eq!(given.get(&["gadgets"])["items"].as_array().unwrap().len(), 2);

    let keep = [super::given::key(&objects[0]), super::given::key(&objects[2])];
    let gone = given.cluster.prune(&given.namespace, &owner, &keep).await.unwrap();
    assert_eq!(gone.iter().map(ToString::to_string).collect::<Vec<_>>(), ["Gadget.towpath.example.com/second"]);
}

#[tokio::test]
async fn objects_of_the_whole_cluster_are_applied_and_deleted_like_others() {
    let Some(given) = Given::api() else { return };
    let name = given.kube.new_name("reader");
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": given.kube.new_name("made")}});
    let owner = owning("cluster-wide", &["ClusterRole", "Namespace"]);
    let objects = [role, namespace];
    given.apply(&owner, &objects).await.unwrap();
    given.wait(&owner, &objects, PATIENCE, &Heard::default()).await.unwrap();
    assert_eq!(given.get(&["clusterrole", &name])["metadata"]["annotations"]["towpath.dev/saas-file"], "shop");
    let gone = given.cluster.delete(&given.namespace, &owner).await.unwrap();
    let gone: Vec<String> = gone.iter().map(ToString::to_string).collect();
    assert!(gone.contains(&format!("ClusterRole.rbac.authorization.k8s.io/{name}")) && gone.len() == 2, "{gone:?}");
}

#[tokio::test]
async fn waves_are_applied_in_the_order_of_their_numbers_and_one_that_is_none_is_refused() {
    let Some(given) = Given::api() else { return };
    let in_wave = |name: &str, wave: &str| {
        let mut object = config(name, "1");
        object["metadata"]["annotations"] = json!({"towpath.dev/wave": wave});
        object
    };
    let objects = [in_wave("last", "10"), deployment("middle", json!({"image": "a/b:1"})), in_wave("first", "-1")];
    given.apply(&owner("waves", "run-1"), &objects).await.unwrap();
    let version = |kind: &str, name: &str| {
        let object = given.get(&[kind, name]);
        object["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap()
    };
    let (first, middle, last) = (version("configmap", "first"), version("deployment", "middle"), version("configmap", "last"));
    assert!(first < middle && middle < last, "{first} {middle} {last}");

    let refused = given.apply(&owner("waves", "run-2"), &[in_wave("first", "soon")]).await.unwrap_err().to_string();
    assert!(refused.contains("ConfigMap/first") && refused.contains("\"soon\", which is no whole number"), "{refused}");
}

#[tokio::test]
async fn what_is_as_wanted_is_not_even_sent() {
    let Some(given) = Given::api() else { return };
    let objects = [deployment("web", json!({"image": "a/b:1"})), config("c", "1")];
    given.apply(&owner("web", "run-1"), &objects).await.unwrap();
    // Somebody who may look, and nothing else, applies the same again.
    let config = given.limited("- {apiGroups: [\"\", apps], resources: [\"*\"], verbs: [get, list]}");
    let applied = config.apply(&given.namespace, &owner("web", "run-2"), &objects).await.unwrap();
    assert!(applied.objects.iter().all(|object| object.change == towpath_cluster::Change::Unchanged), "{applied:?}");
}

#[tokio::test]
async fn a_missing_permission_names_verb_resource_and_object() {
    let Some(given) = Given::api() else { return };
    let limited = given.limited("- {apiGroups: [\"\", apps], resources: [\"*\"], verbs: [get, list]}\n- {apiGroups: [\"\"], resources: [configmaps], verbs: [create, patch]}");
    let objects = [config("c", "1"), deployment("web", json!({"image": "a/b:1"}))];
    let error = limited.check(&given.namespace, &owner("web", "run-1"), &objects).await.unwrap_err();
    assert!(matches!(error, ClusterError::Forbidden { .. }), "{error}");
    let text = error.to_string();
    for word in ["cannot patch resource \"deployments\"", given.namespace.as_str(), "for Deployment/web", "grant the permission"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(limited.running(&given.namespace, &owner("web", "run-1").target).await.is_err(), "jobs may not be listed");
    let found = limited.examine(&[(given.namespace.clone(), vec!["Deployment".to_owned(), "ConfigMap".to_owned()])]).await.unwrap();
    let missing: Vec<String> = found.missing.iter().map(|missing| format!("{} {}", missing.resource, missing.verbs.join(","))).collect();
    assert!(missing.contains(&"deployments.apps watch,create,patch,delete".to_owned()), "{missing:?}");
    assert!(
        missing.contains(&"configmaps watch,delete".to_owned()) && missing.contains(&"jobs.batch list,watch".to_owned()),
        "{missing:?}"
    );
}

#[tokio::test]
async fn an_object_that_a_quota_has_no_room_for_is_refused_as_that() {
    let Some(given) = Given::api() else { return };
    given.kube.apply(&format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: few, namespace: {}}}\nspec: {{hard: {{count/secrets: \"0\"}}}}\n",
        given.namespace
    ));
    given.report("api/v1", "resourcequotas", "few", &json!({"hard": {"count/secrets": "0"}, "used": {"count/secrets": "0"}}));
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {}});
    // The server learns of a quota a moment after it was made.
    let refused = loop {
        match given.cluster.check(&given.namespace, &owner("web", "run-1"), std::slice::from_ref(&secret)).await {
            Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, ClusterError::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("Secret/s"), "{refused}");
}

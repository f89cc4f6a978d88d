//! Pools of ephemeral namespaces on a real Kubernetes: made, granted to one, given back; strays removed; and leased from a cluster that runs the
//! ephemeral-namespace-operator.

use serde_json::{Value, json};
use towpath_testbed::Kube;

use crate::installation::Installation;

/// An installation whose cluster is this one, with a pool.
fn with_pool(kube: &Kube, pool: &str) -> Installation {
    let it = Installation::new();
    it.write("config/data/pool.yml", &format!("$schema: /towpath/pool-1.yml\ncluster: {{$ref: /clusters/real.yml}}\n{pool}"));
    it.write("config/data/clusters/real.yml", "$schema: /openshift/cluster-1.yml\nname: real\n");
    it.commit("config", "A pool");
    let config = it.read("towpath.toml");
    // The targets' cluster is away: pools are kept all the same.
    let away = "[clusters.laptop]\nserver = \"https://127.0.0.1:1\"\ntoken_file = \"none\"\n";
    it.write("none", "no token\n");
    it.write("towpath.toml", &format!("{config}{away}[clusters.real]\nkubeconfig = \"{}\"\n", kube.kubeconfig.display()));
    it
}

fn namespace(kube: &Kube, name: &str) -> Option<Value> {
    let said = kube.try_kubectl(&["get", "namespace", name, "-o", "json", "--ignore-not-found"]);
    serde_json::from_slice(&said.stdout).ok()
}

fn pool(it: &Installation) -> Option<Value> {
    Some(it.ask(&["namespace", "pools"])?[0].clone()).filter(Value::is_object)
}

#[test]
fn a_pool_is_kept_on_a_cluster_each_namespace_is_one_persons_and_strays_are_removed() {
    let Some(kube) = Kube::control_plane() else { return };
    let name = kube.new_name("pool");
    let base = kube.namespace("base");
    kube.kubectl(&["-n", &base, "create", "secret", "generic", "pull", "--from-literal=token=hunter2"]);
    let mut it = with_pool(
        kube,
        &format!(
            "name: {name}\nsize: 1\nlimit: 3\nquotas: [{{hard: {{pods: \"5\"}}}}]\nsecrets: {{namespace: {base}, names: [pull]}}\n\
             manifests:\n- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: about}}, data: {{namespace: \"${{NAMESPACE}}\"}}}}\n"
        ),
    );
    it.start(None);
    it.until("a namespace to be ready", |it| (pool(it)?["ready"] == 1).then_some(()));
    let anns = it.ok(&["namespace", "reserve", &name, "--by", "ann", "--reason", "x", "--timeout", "80s"]).trim().to_owned();
    let there = namespace(kube, &anns).unwrap();
    assert_eq!(there["status"]["phase"], "Active");
    let about = kube.get(&["-n", &anns, "configmap", "about"]);
    assert_eq!(about["data"]["namespace"], anns.as_str());
    assert_eq!(kube.get(&["-n", &anns, "secret", "pull"])["data"]["token"], "aHVudGVyMg==");
    let may = |who: &str| {
        let said = kube.try_kubectl(&["auth", "can-i", "create", "deployments.apps", "-n", &anns, "--as", who]);
        String::from_utf8(said.stdout).unwrap().trim() == "yes"
    };
    assert!(may("ann") && !may("bob"), "granted to ann alone");
    let doctor = it.run(&["doctor", "--output", "json"]);
    let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let of_pool = findings.as_array().unwrap().iter().find(|finding| finding["what"] == format!("pool {name}")).unwrap();
    assert_eq!(of_pool["level"], "ok", "{of_pool}");

    it.ok(&["namespace", "release", &anns, "--by", "ann"]);
    it.until("ann's to be gone", |_| namespace(kube, &anns).is_none().then_some(()));
    it.until("another to be ready", |it| (pool(it)?["ready"] == 1).then_some(()));

    // One that the ledger does not know, and one of somebody else's that looks alike.
    let all = it.ask(&["namespace", "list"]).unwrap();
    let ready = all.as_array().unwrap().iter().find(|one| one["state"] == "ready").unwrap()["name"].as_str().unwrap().to_owned();
    it.stop();
    let mark = namespace(kube, &ready).unwrap()["metadata"].clone();
    let (stray, others) = (kube.new_name(&name), kube.new_name(&name));
    for (name, installation) in [(&stray, mark["annotations"]["towpath.dev/installation-name"].as_str().unwrap()), (&others, "another")] {
        let mut labels = mark["labels"].clone();
        labels["towpath.dev/installation"] = json!(installation);
        labels["towpath.dev/made-for"] = json!(name);
        let mut annotations = json!({});
        for (key, value) in mark["annotations"].as_object().unwrap().iter().filter(|(key, _)| key.starts_with("towpath.dev/")) {
            annotations[key] = value.clone();
        }
        annotations["towpath.dev/installation-name"] = json!(installation);
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels, "annotations": annotations}});
        kube.apply(&object.to_string());
    }
    // And one that somebody deletes behind our back.
    kube.kubectl(&["delete", "namespace", &ready]);
    it.start(None);
    it.until("the stray to be removed", |_| {
        namespace(kube, &stray).is_none_or(|one| one["status"]["phase"] == "Terminating").then_some(())
    });
    it.until("it to be told", |it| {
        let history = it.ok(&["history", "--limit", "1000"]);
        history.contains(&format!("the namespace {stray} was found on real, where nobody knew of it, and was removed")).then_some(())
    });
    it.until("what was deleted to be made good", |it| {
        let all = it.ask(&["namespace", "list"])?;
        let [only] = all.as_array()?.as_slice() else { return None };
        (only["state"] == "ready" && only["name"] != ready.as_str()).then_some(())
    });
    assert_eq!(namespace(kube, &others).unwrap()["status"]["phase"], "Active", "somebody else's");
    it.stop();
    it.ok(&["ledger", "verify"]);
}

#[test]
fn a_namespace_is_leased_from_the_operator_that_keeps_them_and_given_back_to_it() {
    let Some(kube) = Kube::control_plane() else { return };
    kube.install_crds();
    let operators = kube.new_name("operator");
    let spec = json!({"size": 1, "local": true, "limitrange": {"metadata": {"name": "x"}, "spec": {"limits": []}}, "resourcequotas": {"items": []}});
    kube.apply(
        &json!({"apiVersion": "cloud.redhat.com/v1alpha1", "kind": "NamespacePool", "metadata": {"name": operators}, "spec": spec})
            .to_string(),
    );
    let mut it = with_pool(kube, &format!("name: leased\noperator: {{pool: {operators}}}\n"));
    it.start(None);
    it.until("the pool", |it| pool(it));
    let id = it.ok(&["namespace", "reserve", "leased", "--by", "ann", "--reason", "x", "--no-wait", "--lease", "2h"]).trim().to_owned();
    let asked = it.until("the operator to be asked", |_| {
        let said = kube.try_kubectl(&["get", "namespacereservation", &id, "-o", "json", "--ignore-not-found"]);
        serde_json::from_slice::<Value>(&said.stdout).ok()
    });
    assert_eq!((asked["spec"]["requester"].as_str(), asked["spec"]["pool"].as_str()), (Some("ann"), Some(operators.as_str())));
    assert_eq!(it.ask(&["namespace", "describe", &id]).unwrap()["state"], "waiting");
    // The operator's part.
    let theirs = kube.namespace("ephemeral");
    let status = json!({"state": "active", "namespace": theirs, "pool": operators, "expiration": "2099-01-01T00:00:00Z"});
    kube.set_status(&format!("/apis/cloud.redhat.com/v1alpha1/namespacereservations/{id}/status"), &status);
    assert_eq!(it.ok(&["namespace", "wait", &id, "--timeout", "80s"]).trim(), theirs);
    // What she puts there is counted: apps of Clowder's, or, as long as there is none, what stays up.
    let counted = |it: &Installation| it.ok(&["namespace", "list", "--pool", "leased"]);
    assert!(counted(&it).contains("0/0"), "{}", counted(&it));
    let (pods, labels) = (json!([{"name": "main", "image": "example.com/web"}]), json!({"app": "web"}));
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": pods}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": theirs},
        "spec": {"selector": {"matchLabels": labels}, "template": template}});
    kube.apply(&deployment.to_string());
    assert!(counted(&it).contains("0/1"), "{}", counted(&it));
    for name in ["one", "two"] {
        let app = json!({"apiVersion": "cloud.redhat.com/v1alpha1", "kind": "ClowdApp", "metadata": {"name": name, "namespace": theirs},
            "spec": {"envName": "x", "deployments": []}});
        kube.apply(&app.to_string());
    }
    let is =
        |word: &str| json!({"type": word, "status": "True", "reason": "x", "message": "x", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let conditions = [is("DeploymentsReady"), is("ReconciliationSuccessful")];
    let ready = json!({"conditions": conditions, "ready": true, "deployments": {"managedDeployments": 0, "readyDeployments": 0}});
    kube.set_status(&format!("/apis/cloud.redhat.com/v1alpha1/namespaces/{theirs}/clowdapps/one/status"), &ready);
    assert!(counted(&it).contains("1/2"), "{}", counted(&it));
    it.ok(&["namespace", "release", &theirs, "--by", "ann"]);
    it.until("the operator to be told", |_| {
        let said = kube.try_kubectl(&["get", "namespacereservation", &id, "-o", "json", "--ignore-not-found"]);
        let now: Option<Value> = serde_json::from_slice(&said.stdout).ok();
        now.is_none_or(|now| now["spec"]["duration"] == "0s").then_some(())
    });
    it.stop();
}

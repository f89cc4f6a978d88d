//! Applying, pruning, showing what would change: an API server is enough.

use serde_json::{Value, json};
use towpath_cluster::{Change, Cluster, ClusterError, Owner, Scope};
use towpath_domain::TargetId;

use super::given::{Given, config, deployment, key, owner};

fn changes(applied: &towpath_cluster::Applied) -> Vec<Change> {
    applied.objects.iter().map(|object| object.change).collect()
}

fn versions(given: &Given) -> Vec<String> {
    let all = given.get(&["configmaps,deployments,secrets,services", "-l", "towpath.dev/target", "-o", "json"]);
    all["items"].as_array().unwrap().iter().map(|object| object["metadata"]["resourceVersion"].to_string()).collect()
}

#[tokio::test]
async fn what_is_applied_is_there_with_where_it_came_from_and_applying_it_again_writes_nothing() {
    let Some(given) = Given::api() else { return };
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hunter2"}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    let objects =
        [deployment("web", json!({"image": "a/b:1", "resources": {"limits": {"cpu": "1000m"}}})), config("c", "1"), secret, service];
    let first = given.apply(&owner("web", "run-1"), &objects).await.unwrap();
    assert_eq!(changes(&first), [Change::Created; 4]);
    let live = given.get(&["deployment", "web", "-o", "json"]);
    let annotation = |name: &str| live["metadata"]["annotations"][format!("towpath.dev/{name}")].as_str().unwrap_or("").to_owned();
    assert_eq!((annotation("saas-file"), annotation("environment"), annotation("run")), ("shop".into(), "stage".into(), "run-1".into()));
    assert_eq!(annotation("ref"), owner("web", "run-1").commit.to_string());

    let before = versions(&given);
    // Old servers write the time of an apply that changes nothing, if that is another second.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let again = given.apply(&owner("web", "run-2"), &objects).await.unwrap();
    assert_eq!(changes(&again), [Change::Unchanged; 4]);
    assert_eq!(versions(&given), before, "nothing was written");

    // What others changed is mended, without being another deploy.
    given.kube.kubectl(&["patch", "configmap", "c", "-n", given.namespace.as_str(), "--type=merge", "-p", r#"{"data":{"key":"drifted"}}"#]);
    let refused = given.apply(&owner("web", "run-3"), &objects).await.unwrap_err().to_string();
    assert!(refused.contains("ConfigMap/c") && refused.contains("kubectl"), "a conflict names who holds the field: {refused}");
    let mut forced = owner("web", "run-3");
    forced.scope.takeover = true;
    let mended = given.apply(&forced, &objects).await.unwrap();
    assert_eq!(changes(&mended)[1], Change::Changed);
    assert_eq!(given.get(&["configmap", "c", "-o", "json"])["data"]["key"], "1");
}

#[tokio::test]
async fn what_belongs_to_others_is_refused_before_anything_is_touched() {
    let Some(given) = Given::api() else { return };
    given.apply(&owner("web", "run-1"), &[config("shared", "web")]).await.unwrap();
    given.kube.apply(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: by-hand, namespace: {}}}\n", given.namespace));
    let other = owner("other", "run-2");
    let refused = given.apply(&other, &[config("own", "1"), config("shared", "other"), config("by-hand", "1")]).await.unwrap_err();
    let ClusterError::Refused { refusals } = &refused else { panic!("{refused}") };
    assert_eq!(refusals.len(), 2, "{refused}");
    assert!(refused.to_string().contains("belongs to target web-title of saas file shop"), "{refused}");
    assert!(refused.to_string().contains("was not made by Towpath"), "{refused}");
    assert_eq!(
        given.get(&["configmaps", "-l", "towpath.dev/target", "-o", "json"])["items"].as_array().unwrap().len(),
        1,
        "own is not there either"
    );

    let heir = Owner { heir_of: vec![TargetId::new("web").unwrap()], ..owner("renamed", "run-3") };
    given.apply(&heir, &[config("shared", "heir")]).await.unwrap();
    let takeover = Owner { scope: Scope { takeover: true, ..other.scope.clone() }, ..other };
    given.apply(&takeover, &[config("by-hand", "1")]).await.unwrap();
}

#[tokio::test]
async fn only_the_targets_own_objects_of_managed_kinds_are_pruned() {
    let Some(given) = Given::api() else { return };
    let (web, other) = (owner("web", "run-1"), owner("other", "run-1"));
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    given.apply(&web, &[config("a", "1"), config("b", "1"), service]).await.unwrap();
    given.apply(&other, &[config("c", "1")]).await.unwrap();
    given.kube.apply(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: by-hand, namespace: {}}}\n", given.namespace));
    let narrow = Owner { scope: Scope { types: vec!["ConfigMap".into()], ..Scope::default() }, ..web };
    let diffs = given.cluster.diff(&given.namespace, &narrow, &[config("a", "2")]).await.unwrap();
    let shown: Vec<(String, Option<Change>)> = diffs.iter().map(|diff| (diff.key.to_string(), diff.change)).collect();
    assert_eq!(shown, [("ConfigMap/a".into(), Some(Change::Changed)), ("ConfigMap/b".into(), None)]);
    assert!(diffs[0].lines.iter().any(|line| line.starts_with("+  key:")), "{:?}", diffs[0].lines);

    let gone = given.cluster.prune(&given.namespace, &narrow, &[key(&config("a", "1"))]).await.unwrap();
    assert_eq!(gone.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ConfigMap/b"]);
    let left = given.get(&["configmaps,services", "-o", "json"]);
    let names: Vec<&str> = left["items"].as_array().unwrap().iter().map(|o| o["metadata"]["name"].as_str().unwrap()).collect();
    for name in ["a", "c", "by-hand", "s"] {
        assert!(names.contains(&name), "{name} stays: {names:?}");
    }
    assert!(given.cluster.prune(&given.namespace, &narrow, &[key(&config("a", "1"))]).await.unwrap().is_empty(), "and again finds nothing");
}

#[tokio::test]
async fn a_version_that_the_cluster_lacks_is_refused_with_what_it_offers() {
    let Some(given) = Given::api() else { return };
    let scaler = json!({"apiVersion": "autoscaling/v9", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": {}});
    let refused = given.apply(&owner("web", "run-1"), &[config("a", "1"), scaler]).await.unwrap_err().to_string();
    assert!(
        refused.contains("autoscaling/v9 HorizontalPodAutoscaler is not served") && refused.contains("offers autoscaling/v1"),
        "{refused}"
    );
    assert!(given.get(&["configmaps", "-l", "towpath.dev/target", "-o", "json"])["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_the_server_would_refuse_is_told_before_anything_is_applied() {
    let Some(given) = Given::api() else { return };
    let mut broken = deployment("web", json!({"image": "a/b:1"}));
    broken["spec"]["replicas"] = json!("many");
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": "not base64: hunter2"}});
    let refused = given.apply(&owner("web", "run-1"), &[config("a", "1"), broken, secret]).await.unwrap_err().to_string();
    assert!(refused.contains("Deployment/web") && refused.contains("Secret/s") && !refused.contains("hunter2"), "{refused}");
    assert!(given.get(&["configmaps", "-l", "towpath.dev/target", "-o", "json"])["items"].as_array().unwrap().is_empty());
    let unmanaged = Owner { scope: Scope::default(), ..owner("web", "run-1") };
    let refused = given.apply(&unmanaged, &[config("a", "1")]).await.unwrap_err().to_string();
    assert!(refused.contains("add it to managedResourceTypes"), "{refused}");
}

#[tokio::test]
async fn a_job_of_the_same_run_is_left_alone_and_one_of_another_run_is_made_anew() {
    let Some(given) = Given::api() else { return };
    let objects = [super::given::job("smoke", json!({"image": "a/b:1"}))];
    let uid = |given: &Given| given.get(&["job", "smoke", "-o", "json"])["metadata"]["uid"].to_string();
    given.apply(&owner("web", "run-1"), &objects).await.unwrap();
    let first = uid(&given);
    assert_eq!(changes(&given.apply(&owner("web", "run-1"), &objects).await.unwrap()), [Change::Unchanged]);
    assert_eq!(uid(&given), first, "a worker that takes a run over makes no second job");
    assert_eq!(changes(&given.apply(&owner("web", "run-2"), &objects).await.unwrap()), [Change::Changed]);
    assert_ne!(uid(&given), first);
}

#[tokio::test]
async fn a_diff_hides_what_secrets_hold() {
    let Some(given) = Given::api() else { return };
    let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": value}});
    given.apply(&owner("web", "run-1"), &[secret("hunter2")]).await.unwrap();
    let diffs = given.cluster.diff(&given.namespace, &owner("web", "run-2"), &[secret("hunter3"), config("new", "1")]).await.unwrap();
    let text = diffs.iter().flat_map(|diff| diff.lines.clone()).collect::<Vec<_>>().join("\n");
    assert!(text.contains("(hidden, changed)") && !text.contains("aHVudGVy") && !text.contains("hunter"), "{text}");
    assert_eq!(diffs.iter().map(|diff| diff.change).collect::<Vec<_>>(), [Some(Change::Changed), Some(Change::Created)]);
}

#[tokio::test]
async fn a_cluster_is_examined_and_one_that_is_away_is_said_to_be() {
    let Some(given) = Given::api() else { return };
    let needs = [(given.namespace.clone(), vec!["Deployment".to_owned(), "Nonsense.example.com".to_owned()])];
    let found = given.cluster.examine(&needs).await.unwrap();
    assert!(found.version.starts_with("Kubernetes v1."), "{found:?}");
    assert!(found.missing.is_empty() && found.notes[0].contains("Nonsense.example.com"), "{found:?}");
    let connection = towpath_cluster::Connection::Server {
        url: "https://127.0.0.1:1".into(),
        ca: None,
        token: towpath_cluster::Token::Value("secret-token".to_owned().into()),
    };
    let away = towpath_cluster::KubeCluster::new("away", connection, towpath_cluster::KubeSettings::default());
    let error = away.examine(&needs).await.unwrap_err();
    assert!(
        error.to_string().starts_with("cluster away does not answer") && !format!("{away:?}{error:?}").contains("secret-token"),
        "{error}"
    );
    assert_eq!(error.class(), towpath_domain::FailureClass::Environment);
}

#[tokio::test]
async fn what_is_listed_knows_its_owner() {
    let Some(given) = Given::api() else { return };
    given.apply(&owner("web", "run-1"), &[config("a", "1"), deployment("web", json!({"image": "a/b:1"}))]).await.unwrap();
    let listed = given.cluster.list(Some(&given.namespace)).await.unwrap();
    let mut shown: Vec<(String, bool, String)> = listed.iter().map(|o| (o.key.to_string(), o.ready, o.owner.target.to_string())).collect();
    shown.sort();
    assert_eq!(shown, [("ConfigMap/a".into(), true, "web".into()), ("Deployment.apps/web".into(), false, "web".into())]);
    assert!(given.cluster.list(None).await.unwrap().len() >= 2);
    let secret: Value = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "creds"}, "stringData": {"user": "me"}});
    given.apply(&owner("creds", "run-1"), &[secret]).await.unwrap();
    let read = given.cluster.read_secret(given.namespace.as_str(), "creds").await.unwrap().unwrap();
    assert_eq!(read["user"], b"me");
    assert!(given.cluster.read_secret(given.namespace.as_str(), "none").await.unwrap().is_none());
}

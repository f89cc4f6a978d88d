//! A real application's templates with the real definitions of Clowder; its controllers are played through the API.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use towpath_cluster::{Change, ClusterError, Owner, Reason, Scope};
use towpath_template::parameters::{Inputs, resolve};
use towpath_template::{OsRandom, Request, Template, process};

use super::given::{Given, Heard, PATIENCE, owner};

/// The objects of one of the application's templates. Loudly none where the shared folder is missing.
fn objects(name: &str) -> Option<Vec<Value>> {
    let root =
        std::env::var_os("TOWPATH_SHARED").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let file = root.join("seed-config/upstream/cloudigrade/deployment").join(name);
    let Ok(text) = std::fs::read_to_string(&file) else {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", file.display());
        eprintln!("SKIPPED: {} is missing; set TOWPATH_SHARED", file.display());
        return None;
    };
    let parameters: BTreeMap<String, Value> = [("ENV_NAME".to_owned(), json!("stage"))].into();
    let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let inputs =
        Inputs { parameters: &parameters, commit: &commit, hash_length: 7, use_channel_in_image_tag: false, automatic: &BTreeMap::new() };
    let params = resolve(&inputs).unwrap();
    let request = Request { params: &params, labels: &BTreeMap::new(), ignore_unknown: true };
    Some(process(&Template::parse(&text).unwrap(), &request, &mut OsRandom).unwrap().objects)
}

fn owning(types: &[&str]) -> Owner {
    Owner {
        scope: Scope { types: types.iter().map(|kind| (*kind).to_owned()).collect(), ..Scope::default() },
        ..owner("cloudigrade", "run-1")
    }
}

/// Says what Clowder would say of an object.
fn report(given: &Given, plural: &str, name: &str, status: &Value) {
    given.report("apis/cloud.redhat.com/v1alpha1", plural, name, status);
}

#[tokio::test]
async fn a_clowdapp_is_applied_without_what_the_cluster_lacks_and_waited_for_by_its_conditions() {
    let (Some(all), Some(given)) = (objects("clowdapp.yaml"), Given::api()) else { return };
    given.kube.install_crds();
    let refused = given.apply(&owning(&["ClowdApp", "Secret", "HorizontalPodAutoscaler"]), &all).await.unwrap_err();
    let ClusterError::Refused { refusals } = &refused else { panic!("{refused}") };
    assert!(refusals.iter().all(|refusal| refusal.object.starts_with("HorizontalPodAutoscaler/")), "{refused}");
    assert!(refused.to_string().contains("autoscaling/v2 HorizontalPodAutoscaler is not served"), "{refused}");
    assert!(refused.to_string().contains("offers autoscaling/v1"), "{refused}");
    assert!(given.get(&["secrets", "-l", "towpath.dev/target"])["items"].as_array().unwrap().is_empty(), "nothing was touched");

    // As the saas file would have it that does not manage them.
    let rest: Vec<Value> = all.into_iter().filter(|object| object["kind"] != "HorizontalPodAutoscaler").collect();
    let owner = owning(&["ClowdApp", "Secret"]);
    let applied = given.apply(&owner, &rest).await.unwrap();
    assert!(applied.objects.iter().all(|object| object.change == Change::Created), "{applied:?}");
    let app: Vec<Value> = rest.into_iter().filter(|object| object["kind"] == "ClowdApp").collect();
    let heard = Heard::default();
    let waiting = given.wait(&owner, &app, PATIENCE, &heard);
    let playing = async {
        while heard.progress.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "Played", "message": "by the test", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let conditions = |ready: &str| json!([condition("ReconciliationSuccessful", "True"), condition("DeploymentsReady", ready)]);
        report(&given, "clowdapps", "cloudigrade", &json!({"ready": false, "conditions": conditions("False")}));
        while !heard.progress.lock().unwrap().iter().any(|message| message.contains("its deployments are not ready")) {
            tokio::task::yield_now().await;
        }
        report(&given, "clowdapps", "cloudigrade", &json!({"ready": true, "conditions": conditions("True")}));
    };
    let (ready, ()) = tokio::join!(waiting, playing);
    ready.unwrap();
}

#[tokio::test]
async fn a_smoke_invocation_passes_only_when_its_job_is_complete() {
    let (Some(test), Some(given)) = (objects("stage-smoke.yaml"), Given::api()) else { return };
    given.kube.install_crds();
    let owner = owning(&["ClowdJobInvocation"]);
    for (status, expected) in [
        (json!({"completed": true, "jobMap": {"smoke-iqe": "Complete"}}), None),
        (json!({"completed": true, "jobMap": {"smoke-iqe": "Failed"}}), Some(Reason::JobFailed { exit: None })),
        (json!({"completed": true, "jobMap": {}}), Some(Reason::NothingRan)),
    ] {
        let mut owner = owner.clone();
        owner.run = towpath_domain::RunId::new(format!("run-{}", status["jobMap"].to_string().len())).unwrap();
        given.apply(&owner, &test).await.unwrap();
        let heard = Heard::default();
        let waiting = given.wait(&owner, &test, PATIENCE, &heard);
        let playing = async {
            while heard.progress.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            report(&given, "clowdjobinvocations", test[0]["metadata"]["name"].as_str().unwrap(), &status);
        };
        let (ended, ()) = tokio::join!(waiting, playing);
        assert_eq!(ended.err().map(|failure| failure.reason), expected, "{status}");
    }
}

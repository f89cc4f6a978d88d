//! Tasks as runs of a Tekton pipeline. Tekton's part is played by the test, through the API.

use std::time::Duration;

use serde_json::{Value, json};
use towpath_cluster::{Checkout, Executor as _, Task, TaskReason, Tekton, TektonSettings};
use towpath_domain::{FailureClass, RepoUrl};

use super::given::{Given, Heard, ends_well, fails};

/// A pipeline that builds, and what makes runs of it.
fn pipeline(given: &Given) -> Tekton {
    given.kube.install_tekton();
    given.kube.apply(
        &json!({
            "apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "build", "namespace": given.namespace.as_str()},
            "spec": {"params": [{"name": "url"}, {"name": "revision"}, {"name": "image"}, {"name": "command", "type": "array"}]},
        })
        .to_string(),
    );
    Tekton::new(given.cluster.clone(), TektonSettings::new(given.namespace.clone(), "build"))
}

fn task(run: &str) -> Task {
    let checkout = Checkout {
        url: RepoUrl::new("https://git.example.com/web").unwrap(),
        commit: "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap(),
        merge: None,
    };
    let mut task = super::given::task(run, "make image");
    task.checkout = Some(checkout);
    task.parameters = [("image".to_owned(), "quay.io/shop/web".to_owned()), ("tag".to_owned(), "5f8f0e1".to_owned())].into();
    task
}

/// The run of this name, once it is there.
async fn made(given: &Given, name: &str) -> Value {
    loop {
        let out = given.kube.try_kubectl(&["get", "-n", given.namespace.as_str(), "pipelinerun", name, "-o", "json"]);
        if out.status.success() {
            return serde_json::from_slice(&out.stdout).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Says how a run does, as Tekton would.
fn say(given: &Given, task: &Task, status: &str, reason: &str, message: &str, results: &Value) {
    given.kube.tekton_says(given.namespace.as_str(), &task.name, (status, reason, message), results);
}

#[tokio::test]
async fn a_pipeline_is_run_with_what_it_declares_and_its_results_are_the_tasks() {
    let Some(given) = Given::api() else { return };
    let tekton = pipeline(&given);
    let task = task("build-web-5f8f0e1-0123456701");
    let played = async {
        let run = made(&given, &task.name).await;
        say(&given, &task, "Unknown", "Running", "Tasks Completed: 0", &json!([]));
        let results = json!([{"name": "IMAGE_DIGEST", "value": "sha256:0\n"}]);
        say(&given, &task, "True", "Succeeded", "", &results);
        run
    };
    let ((end, _), run) = tokio::join!(ends_well(&tekton, &task), played);
    assert_eq!(end.results["IMAGE_DIGEST"], "sha256:0");
    assert_eq!(run["spec"]["pipelineRef"]["name"], "build");
    let params = run["spec"]["params"].as_array().unwrap();
    assert_eq!(params.len(), 4, "{params:?}");
    assert!(params.contains(&json!({"name": "command", "value": ["sh", "-c", "make image"]})), "{params:?}");
    assert!(tekton.abandon(&task.run).await.unwrap().is_empty());

    // A worker that comes later follows the same run.
    assert_eq!(ends_well(&tekton, &task).await.0, end);
    assert_eq!(given.names("pipelineruns"), [task.name]);
}

#[tokio::test]
async fn a_run_that_fails_or_takes_too_long_is_told_in_tektons_words() {
    let Some(given) = Given::api() else { return };
    let tekton = pipeline(&given);
    for (at, reason, message, expected, class) in [
        (1, "Failed", "Tasks Completed: 2 (Failed: 1)", TaskReason::NeverStarted, FailureClass::Own),
        (2, "PipelineRunTimeout", "failed to finish within 10s", TaskReason::TimedOut, FailureClass::Environment),
        (3, "Cancelled", "was cancelled", TaskReason::Cancelled, FailureClass::Unknown),
    ] {
        let task = task(&format!("build-web-5f8f0e1-012345672{at}"));
        let played = async {
            made(&given, &task.name).await;
            say(&given, &task, "False", reason, message, &json!([]));
        };
        let (failure, ()) = tokio::join!(fails(&tekton, &task), played);
        assert_eq!((failure.reason, failure.class), (expected, class), "{failure:#?}");
        assert!(failure.message.contains(&task.name), "{failure:#?}");
    }
}

#[tokio::test]
async fn a_run_that_nobody_wants_any_more_is_cancelled() {
    let Some(given) = Given::api() else { return };
    let (tekton, task, heard) = (pipeline(&given), task("build-web-5f8f0e1-0123456731"), Heard::default());
    tokio::select! {
        end = tekton.execute(&task, &heard) => panic!("{end:?}"),
        _ = made(&given, &task.name) => {}
    }
    assert_eq!(tekton.abandon(&task.run).await.unwrap(), [format!("PipelineRun/{}", task.name)]);
    assert_eq!(made(&given, &task.name).await["spec"]["status"], "Cancelled");
}

#[tokio::test]
async fn a_pipeline_that_is_missing_is_a_refusal_that_names_it() {
    let Some(given) = Given::api() else { return };
    pipeline(&given);
    let tekton = Tekton::new(given.cluster.clone(), TektonSettings::new(given.namespace.clone(), "bild"));
    let failure = fails(&tekton, &task("build-web-5f8f0e1-0123456741")).await;
    assert_eq!(failure.reason, TaskReason::Refused);
    assert!(failure.message.contains("has no Pipeline bild"), "{failure:#?}");
    assert!(given.names("pipelineruns").is_empty());
}

#[tokio::test]
async fn what_the_pods_of_a_run_print_is_told() {
    let Some(given) = Given::node() else { return };
    let (tekton, task, heard) = (pipeline(&given), task("build-web-5f8f0e1-0123456751"), Heard::default());
    let played = async {
        made(&given, &task.name).await;
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "step", "namespace": given.namespace.as_str(), "labels": {"tekton.dev/pipelineRun": task.name}},
            "spec": {"restartPolicy": "Never", "containers": [
                {"name": "step-build", "image": "registry.local/pause:1.0", "args": ["echo", "built it"]},
            ]},
        });
        given.kube.apply(&pod.to_string());
        heard.until("built it").await;
        say(&given, &task, "True", "Succeeded", "", &json!([]));
    };
    let (end, ()) = tokio::join!(tekton.execute(&task, &heard), played);
    end.unwrap();
    assert_eq!(heard.texts(), ["built it"]);
}

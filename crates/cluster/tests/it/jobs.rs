//! Jobs: done once for each run.

use serde_json::json;
use towpath_cluster::{Change, LogRequest, LogSource, Reason};

use crate::support::{Machine, job, namespace};

const TEST: &[&str] = &["Job.batch/test"];

async fn log(machine: &Machine) -> String {
    let source = LogSource::Object("Job.batch/test".parse().unwrap());
    let request = LogRequest { namespace: namespace(), source, container: None, from: 0, follow: true };
    let mut chunks = towpath_cluster::Cluster::logs(&machine.cluster, request).await.unwrap();
    let mut text = String::new();
    while let Some(chunk) = chunks.recv().await {
        text.push_str(&String::from_utf8(chunk.bytes).unwrap());
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_succeeds_keeps_its_log_and_is_done_once_for_each_run() {
    let machine = Machine::start();
    let script = format!("echo done >> {0}; wc -l < {0}; echo to-stderr >&2", machine.dir.path().join("count").display());
    let objects = job(&script, |_| {});
    machine.apply("run-1", objects.clone()).await.unwrap();
    machine.wait("run-1", TEST).await.unwrap();
    assert_eq!(log(&machine).await, "1\nto-stderr\n");

    let again = machine.apply("run-1", objects.clone()).await.unwrap();
    assert_eq!(again.objects[0].change, Change::Unchanged);
    machine.wait("run-1", TEST).await.unwrap();
    assert_eq!(log(&machine).await, "1\nto-stderr\n", "the same run does not do it again");

    machine.apply("run-2", objects).await.unwrap();
    machine.wait("run-2", TEST).await.unwrap();
    assert_eq!(log(&machine).await, "2\nto-stderr\n", "another run does, and replaces the log");
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_tells_its_exit_code_and_its_last_lines() {
    let machine = Machine::start();
    machine.apply("run-1", job("for n in 1 2 3; do echo line $n; done; exit 3", |_| {})).await.unwrap();
    let failure = machine.wait("run-1", TEST).await.unwrap_err();
    assert_eq!(failure.reason, Reason::JobFailed { exit: Some(3) });
    assert_eq!(failure.log_tail, ["line 1", "line 2", "line 3"]);
    assert!(failure.message.contains("failed once"), "{}", failure.message);
    assert_eq!(log(&machine).await, "line 1\nline 2\nline 3\n", "the log stays");
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_tried_as_often_as_its_backoff_limit_allows() {
    let machine = Machine::start();
    let script = format!("echo x >> {0}; test $(wc -l < {0}) -ge 3", machine.dir.path().join("count").display());
    for (run, limit, restart) in [("run-1", 1, "Never"), ("run-2", 2, "Never"), ("run-3", 1, "OnFailure"), ("run-4", 2, "OnFailure")] {
        let _ = std::fs::remove_file(machine.dir.path().join("count"));
        let objects = job(&script, |job| {
            job["spec"]["backoffLimit"] = json!(limit);
            job["spec"]["template"]["spec"]["restartPolicy"] = json!(restart);
        });
        machine.apply(run, objects).await.unwrap();
        let ended = machine.wait(run, TEST).await;
        assert_eq!(ended.is_ok(), limit == 2, "{run}: {ended:?}");
    }
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_completions_are_needed_and_init_containers_come_first() {
    let machine = Machine::start();
    let count = machine.dir.path().join("count");
    let objects = job(&format!("echo main >> {}", count.display()), |job| {
        job["spec"]["completions"] = json!(3);
        job["spec"]["parallelism"] = json!(2);
        job["spec"]["template"]["spec"]["initContainers"] = json!([{"name": "first", "image": "registry.test/shop/test:1", "command": ["sh", "-c", format!("echo init >> {}", count.display())]}]);
    });
    machine.apply("run-1", objects).await.unwrap();
    machine.wait("run-1", TEST).await.unwrap();
    let lines = std::fs::read_to_string(count).unwrap();
    assert_eq!((lines.matches("init").count(), lines.matches("main").count()), (3, 3));
    assert!(lines.starts_with("init\n"));
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_hangs_fails_at_its_deadline_and_is_ended() {
    let machine = Machine::start();
    machine.apply("run-1", job("echo begun; sleep 1000", |job| job["spec"]["activeDeadlineSeconds"] = json!(1))).await.unwrap();
    let failure = machine.wait("run-1", TEST).await.unwrap_err();
    assert_eq!(failure.reason, Reason::DeadlineExceeded);
    assert_eq!(failure.log_tail, ["begun"]);
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_a_command_to_run_fails_whatever_its_backoff_limit() {
    let machine = Machine::start();
    for (run, restart) in [("run-1", "Never"), ("run-2", "OnFailure")] {
        let objects = job("", |job| {
            job["spec"]["backoffLimit"] = json!(6);
            job["spec"]["template"]["spec"]["restartPolicy"] = json!(restart);
            job["spec"]["template"]["spec"]["containers"][0]["command"] = json!(["/no/such/test"]);
        });
        machine.apply(run, objects).await.unwrap();
        assert_eq!(machine.wait(run, TEST).await.unwrap_err().reason, Reason::CommandMissing);
    }
    machine.end().await;
}

//! Tasks as Jobs, on a real node.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use towpath_cluster::{Checkout, Executor as _, JobSettings, MergeOf, TaskFailure, TaskReason};
use towpath_domain::{FailureClass, RepoUrl};
use towpath_testbed::GitServer;

use super::given::{Given, Heard, ends_well, fails, limited, task};

#[track_caller]
fn check(failure: &TaskFailure, reason: TaskReason, class: FailureClass, words: &[&str]) {
    assert_eq!((failure.reason, failure.class), (reason, class), "{failure:#?}");
    for word in words {
        assert!(failure.message.contains(word), "{word}: {failure:#?}");
    }
}

#[tokio::test]
async fn a_task_runs_to_its_end_with_as_few_rights_as_possible_and_what_it_prints_is_told() {
    let Some(given) = Given::node() else { return };
    let Some(settings) = given.settings() else { return };
    let script = r#"
        echo "said $TOWPATH_WORD"
        echo 'and not $(TOWPATH_WORD)'
        echo x > /workspace/x && echo x > /tmp/x && echo "can write"
        echo x > /x || echo "cannot write"
        ls /var/run/secrets/kubernetes.io 2>/dev/null || echo "no token"
        grep CapEff /proc/self/status
        grep NoNewPrivs /proc/self/status
    "#;
    let mut task = task("build-web-1111111-0123456701", script);
    task.env.insert("TOWPATH_WORD".to_owned(), "$(HOME) $$".to_owned());
    let (_, told) = ends_well(&given.jobs(settings), &task).await;
    let heard = told.join("\n").replace('\t', " ");
    for line in
        ["said $(HOME) $$", "and not $(TOWPATH_WORD)", "can write", "cannot write", "no token", "CapEff: 0000000000000000", "NoNewPrivs: 1"]
    {
        assert!(heard.lines().any(|heard| heard == line), "{line}:\n{heard}");
    }
    let job = given.get(&["job", "web-build-0123456701"]);
    assert_eq!(job["metadata"]["labels"]["towpath.dev/task-of"], "build-web-1111111-0123456701");
    assert_eq!((&job["status"]["succeeded"], &job["spec"]["backoffLimit"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn a_task_that_fails_is_told_with_its_exit_code_and_last_lines_and_stays_for_people_to_look_at() {
    let Some(given) = Given::node() else { return };
    let Some(settings) = given.settings() else { return };
    let task = task("build-web-2222222-0123456702", "for i in $(seq 1 60); do echo line $i; done; exit 7");
    let jobs = given.jobs(settings);
    let failure = fails(&jobs, &task).await;
    check(&failure, TaskReason::Failed { exit: Some(7) }, FailureClass::Own, &["Job/web-build-0123456702", "exit code 7"]);
    assert_eq!((failure.log_tail.len(), failure.log_tail.last().unwrap().as_str()), (50, "line 60"), "{failure:#?}");
    assert!(jobs.abandon(&task.run).await.unwrap().is_empty());
    assert_eq!(given.names("jobs"), ["web-build-0123456702"]);

    // Once it has stayed for long enough, the next task takes it away.
    let next = super::given::task("build-web-2222222-0123456712", "true");
    let brief = JobSettings { kept_for: Duration::ZERO, ..given.settings().unwrap() };
    ends_well(&given.jobs(brief), &next).await;
    assert_eq!(given.names("jobs"), ["web-build-0123456712"]);
}

#[tokio::test]
async fn a_task_that_needs_more_memory_than_its_limit_is_told_so_and_does_with_twice_as_much() {
    let Some(given) = Given::node() else { return };
    let Some(settings) = given.settings() else { return };
    let jobs = given.jobs(settings);
    // The program that is killed is a child of the shell, which then only says that it failed.
    let needs = "echo begins; dd if=/dev/zero of=/dev/null bs=90M count=1 || exit 3; echo done";
    let mut first = task("build-web-3333333-0123456703", needs);
    let failure = fails(&jobs, &first).await;
    check(&failure, TaskReason::OutOfMemory { limit: Some(64 << 20) }, FailureClass::Own, &["more memory than its limit"]);
    // Asked again for the same run, nothing is done again.
    first.memory_at_least = Some(128 << 20);
    assert_eq!(fails(&jobs, &first).await.reason, TaskReason::OutOfMemory { limit: Some(64 << 20) });

    let mut second = task("build-web-3333333-0123456713", needs);
    second.memory_at_least = Some(128 << 20);
    let (_, told) = ends_well(&jobs, &second).await;
    assert_eq!((told.first().unwrap().as_str(), told.last().unwrap().as_str()), ("begins", "done"), "{told:?}");
}

#[tokio::test]
async fn a_task_that_takes_too_long_is_ended() {
    let Some(given) = Given::node() else { return };
    let Some(settings) = given.settings() else { return };
    let mut long = task("build-web-4444444-0123456704", "echo begins; exec sleep 1000");
    long.timeout = Duration::from_secs(8);
    let failure = fails(&given.jobs(settings), &long).await;
    check(&failure, TaskReason::TimedOut, FailureClass::Own, &["was given 8 s", "timeout"]);
    assert_eq!(failure.log_tail, ["begins"]);
    given.until_none(&["pods", "-l", "job-name=web-build-0123456704"]).await;
}

#[tokio::test]
async fn a_task_that_nobody_wants_any_more_is_ended_and_leaves_nothing() {
    let Some(given) = Given::node() else { return };
    let Some(settings) = given.settings() else { return };
    let (jobs, heard) = (given.jobs(settings), Heard::default());
    let task = task("build-web-5555555-0123456705", "echo begins; exec sleep 1000");
    tokio::select! {
        end = jobs.execute(&task, &heard) => panic!("{end:?}"),
        () = heard.until("begins") => {}
    }
    assert_eq!(jobs.abandon(&task.run).await.unwrap(), ["Job/web-build-0123456705"]);
    given.until_none(&["pods", "-l", "job-name=web-build-0123456705"]).await;
    assert!(given.names("jobs").is_empty());
    assert!(jobs.abandon(&task.run).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_worker_that_takes_a_task_over_makes_no_second_job_and_tells_every_line_once() {
    let Some(given) = Given::node() else { return };
    let Some(settings) = given.settings() else { return };
    let heard = Heard::default();
    let task = task("build-web-6666666-0123456706", "for i in 1 2 3 4 5 6; do echo line $i; sleep 1; done");
    let first = given.jobs(settings.clone());
    tokio::select! {
        end = first.execute(&task, &heard) => panic!("{end:?}"),
        () = heard.until("line 2") => {}
    }
    let id = |job: Value| job["metadata"]["uid"].as_str().unwrap().to_owned();
    let before = id(given.get(&["job", &task.name]));
    given.jobs(settings.clone()).execute(&task, &heard).await.unwrap();
    assert_eq!(heard.texts(), ["line 1", "line 2", "line 3", "line 4", "line 5", "line 6"]);
    // One that comes when all is over finds it done.
    given.jobs(settings).execute(&task, &heard).await.unwrap();
    assert_eq!((given.names("jobs").len(), id(given.get(&["job", &task.name]))), (1, before));
    assert_eq!(heard.texts().len(), 6);
}

#[tokio::test]
async fn a_job_that_is_somebody_elses_is_left_alone() {
    let Some(given) = Given::node() else { return };
    let Some(settings) = given.settings() else { return };
    given.kube.kubectl(&["create", "job", "-n", given.namespace.as_str(), "web-build-0123456707", "--image=registry.local/pause:1.0"]);
    let failure = fails(&given.jobs(settings), &task("build-web-7777777-0123456707", "true")).await;
    check(&failure, TaskReason::Refused, FailureClass::Own, &["was not made by Towpath"]);
    assert_eq!(given.names("jobs"), ["web-build-0123456707"]);
}

#[tokio::test]
async fn a_task_whose_image_is_missing_is_no_fault_of_its_own_and_does_not_begin_later() {
    let Some(given) = Given::node() else { return };
    let Some(settings) = given.settings() else { return };
    let mut missing = task("build-web-8888888-0123456708", "true");
    missing.image = Some("localhost:1/none:1".parse().unwrap());
    let failure = fails(&given.jobs(settings), &missing).await;
    check(&failure, TaskReason::NeverStarted, FailureClass::Environment, &["localhost:1/none:1"]);
    assert!(!failure.events.is_empty(), "{failure:#?}");
    given.until_none(&["jobs"]).await;
}

#[tokio::test]
async fn a_task_that_finds_no_room_waits_until_there_is_some() {
    let Some(given) = Given::node() else { return };
    let Some(settings) = given.settings() else { return };
    let (jobs, task) = (given.jobs(settings), task("build-web-aaaaaaa-0123456721", "echo done"));
    given.kube.kubectl(&["create", "quota", "full", "-n", given.namespace.as_str(), "--hard=pods=0"]);
    let makes_room = async {
        let refused = |events: Value| events["items"].as_array().unwrap().iter().any(|event| event["reason"] == "FailedCreate");
        while !refused(given.get(&["events"])) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        given.kube.kubectl(&["delete", "quota", "full", "-n", given.namespace.as_str()]);
    };
    let ((_, told), ()) = tokio::join!(ends_well(&jobs, &task), makes_room);
    assert_eq!(told, ["done"]);
    assert_eq!(given.names("jobs").len(), 1);
}

/// A repository with one file, which pods reach; its address, and its commit.
fn repository(given: &Given) -> (TempDir, GitServer, Checkout) {
    let dir = tempfile::tempdir().unwrap();
    let script = "git init -q -b main web && cd web && echo hello > file && git add file && \
                  git -c user.name=T -c user.email=t@example.com commit -q -m first && git rev-parse HEAD";
    let out = std::process::Command::new("sh").args(["-c", script]).current_dir(dir.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let server = GitServer::start(given.kube, dir.path());
    let url = RepoUrl::new(format!("{}/web", server.url)).unwrap();
    let commit = String::from_utf8(out.stdout).unwrap().trim().parse().unwrap();
    (dir, server, Checkout { url, commit, merge: None })
}

#[tokio::test]
async fn a_task_works_in_a_checkout_of_its_commit_and_one_that_cannot_be_had_is_no_fault_of_its_own() {
    let Some(given) = Given::node() else { return };
    let Some(settings) = given.settings() else { return };
    let (_dir, _server, checkout) = repository(&given);
    let jobs = given.jobs(settings);
    let mut good = task("build-web-9999999-0123456709", "pwd; cat file; git rev-parse HEAD");
    good.resources = limited("128Mi");
    good.checkout = Some(checkout.clone());
    let (_, told) = ends_well(&jobs, &good).await;
    assert_eq!(told, ["/workspace/source", "hello", &checkout.commit.to_string()]);

    let mut bad = task("build-web-9999999-0123456719", "cat file");
    let nowhere = "0123456789012345678901234567890123456789".parse().unwrap();
    bad.checkout = Some(Checkout { commit: nowhere, ..checkout });
    let failure = fails(&jobs, &bad).await;
    check(&failure, TaskReason::NeverStarted, FailureClass::Environment, &["the checkout failed", "git could not have the commit"]);
    assert!(failure.log_tail.iter().any(|line| line.contains("0123456789012345678901234567890123456789")), "{failure:#?}");
}

/// A merge that is in another clone only: `git merge-tree` by the same rules, and its commit.
fn merged_elsewhere(dir: &TempDir, checkout: &Checkout) -> Checkout {
    let script = "git clone -q web elsewhere && cd web && git checkout -q -b theirs && echo theirs > theirs && git add theirs && \
                  git -c user.name=T -c user.email=t@example.com commit -q -m theirs && git checkout -q main && echo ours > ours && \
                  git add ours && git -c user.name=T -c user.email=t@example.com commit -q -m ours && cd ../elsewhere && git fetch -q && \
                  base=$(git rev-parse origin/main) && head=$(git rev-parse origin/theirs) && tree=$(git merge-tree --write-tree $base $head) && \
                  made=$(git -c user.name=T -c user.email=t@example.com commit-tree $tree -p $base -p $head -m \"it's \\$(merged)\") && \
                  echo $made $base $head && git cat-file commit $made";
    let out = std::process::Command::new("sh").args(["-c", script]).current_dir(dir.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let out = String::from_utf8(out.stdout).unwrap();
    let (ids, object) = out.split_once('\n').unwrap();
    let ids: Vec<_> = ids.split(' ').map(|id| id.parse().unwrap()).collect();
    let rules = vec!["merge.renames=true".to_owned(), "diff.algorithm=histogram".to_owned()];
    let merge = MergeOf { base: ids[1], head: ids[2], object: object.to_owned(), rules };
    Checkout { url: checkout.url.clone(), commit: ids[0], merge: Some(merge) }
}

#[tokio::test]
async fn a_merge_that_nobody_pushed_is_made_once_more_and_another_one_is_never_taken_for_it() {
    let Some(given) = Given::node() else { return };
    let Some(settings) = given.settings() else { return };
    let (dir, _server, checkout) = repository(&given);
    let merged = merged_elsewhere(&dir, &checkout);
    let jobs = given.jobs(settings);
    let mut good = task("build-web-9999999-0123456729", "cat file ours theirs; git rev-parse HEAD; git log -1 --format=%s");
    good.resources = limited("128Mi");
    good.checkout = Some(merged.clone());
    let (_, told) = ends_well(&jobs, &good).await;
    assert_eq!(told, ["hello", "ours", "theirs", &merged.commit.to_string(), "it's $(merged)"]);

    // As if it had come out otherwise there.
    let mut bad = task("build-web-9999999-0123456739", "cat file");
    let of = merged.merge.clone().unwrap();
    bad.checkout = Some(Checkout { merge: Some(MergeOf { head: of.base, ..of }), ..merged });
    let failure = fails(&jobs, &bad).await;
    check(&failure, TaskReason::NeverStarted, FailureClass::Environment, &["the checkout failed"]);
    assert!(failure.log_tail.iter().any(|line| line.contains("is not the same here")), "{failure:#?}");
}

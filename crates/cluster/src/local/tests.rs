//! The pure parts: what a deployment and a job need done, and how they do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use towpath_domain::{RunId, Timestamp};

use super::deployment;
use super::health;
use super::job;
use super::world::{PodEntry, PodInfo, Shim, Stage, Trouble};
use crate::api::Reason;
use crate::pod::{ContainerStatus, Exit, Phase, PodDir, Problem, Status};
use crate::spec::{Deployment, Job, Strategy};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn run(name: &str) -> RunId {
    RunId::new(name).unwrap()
}

fn pod(revision: &str, ordinal: u32, status: Option<Status>) -> PodEntry {
    let info = PodInfo {
        uid: String::new(),
        object: "Deployment.apps/web".parse().unwrap(),
        revision: revision.to_owned(),
        run: run("run-1"),
        ordinal,
        labels: BTreeMap::new(),
        images: BTreeMap::new(),
        containers: Vec::new(),
    };
    let shim = Shim { alive: true, ..Shim::default() };
    PodEntry { dir: PodDir::new("/nonexistent"), info, stage: Stage::Made, status, seen: None, stopping: false, shim }
}

fn ready() -> Option<Status> {
    Some(Status { phase: Phase::Running, ready: true, ready_since: Some(Timestamp::from_millis(0)), ..Status::default() })
}

fn crashed(exit: Exit, crashes: u32) -> Option<Status> {
    let container = ContainerStatus { name: "web".into(), crashes, last_exit: Some(exit), ..ContainerStatus::default() };
    Some(Status { phase: Phase::Running, containers: vec![container], ..Status::default() })
}

fn ended(phase: Phase, code: i32, at: i64) -> Option<Status> {
    let exit = Exit { code: Some(code), ..Exit::default() };
    let container = ContainerStatus { name: "test".into(), begun: true, last_exit: Some(exit), ..ContainerStatus::default() };
    Some(Status { phase, containers: vec![container], ended: Some(Timestamp::from_millis(at)), ..Status::default() })
}

fn plan_web(replicas: u32, strategy: &str, active: Option<&str>, pods: &[(&str, PodEntry)]) -> deployment::Steps {
    let spec = Deployment { replicas, strategy: Strategy { r#type: strategy.to_owned() }, ..Deployment::default() };
    let pods: Vec<_> = pods.iter().map(|(name, pod)| (*name, pod)).collect();
    deployment::plan("web", &spec, "b", active, &run("run-1"), &pods, NOW)
}

#[test]
fn new_pods_start_while_the_old_ones_serve() {
    let steps = plan_web(2, "", Some("a"), &[("web-a-0", pod("a", 0, ready()))]);
    assert_eq!(steps, deployment::Steps { create: vec![0, 1], ..Default::default() });
    let steps =
        plan_web(2, "", Some("a"), &[("web-a-0", pod("a", 0, ready())), ("web-b-0", pod("b", 0, ready())), ("web-b-1", pod("b", 1, None))]);
    assert_eq!(steps, deployment::Steps::default(), "one of two is not enough");
}

#[test]
fn when_all_new_pods_are_ready_they_take_over_and_the_old_ones_stop() {
    let steps = plan_web(1, "", Some("a"), &[("web-a-0", pod("a", 0, ready())), ("web-b-0", pod("b", 0, ready()))]);
    assert_eq!(steps, deployment::Steps { activate: true, stop: vec!["web-a-0".into()], ..Default::default() });
    let steps = plan_web(1, "", Some("b"), &[("web-b-0", pod("b", 0, ready()))]);
    assert_eq!(steps, deployment::Steps::default(), "planning again changes nothing");
}

#[test]
fn a_revision_that_never_served_gives_way_at_once() {
    let pods = [("web-a-0", pod("a", 0, ready())), ("web-c-0", pod("c", 0, None)), ("web-b-0", pod("b", 0, None))];
    assert_eq!(plan_web(1, "", Some("a"), &pods).stop, ["web-c-0"]);
}

#[test]
fn recreate_stops_the_old_pods_before_it_starts_new_ones() {
    let steps = plan_web(1, "Recreate", Some("a"), &[("web-a-0", pod("a", 0, ready()))]);
    assert_eq!(steps, deployment::Steps { stop: vec!["web-a-0".into()], ..Default::default() });
    assert_eq!(plan_web(1, "Recreate", Some("a"), &[]).create, [0]);
}

#[test]
fn what_failed_an_earlier_run_is_made_anew_and_what_serves_is_left_alone() {
    let exit = Exit { code: Some(1), ..Exit::default() };
    let mut failed = pod("b", 0, crashed(exit, 3));
    assert!(
        plan_web(1, "", None, &[("web-b-0", pod("b", 0, failed.status.clone()))]).stop.is_empty(),
        "this run's own failure stays to be seen"
    );
    failed.info.run = run("run-0");
    assert_eq!(plan_web(1, "", None, &[("web-b-0", failed)]).stop, ["web-b-0"]);
    let mut serving = pod("b", 0, ready());
    serving.info.run = run("run-0");
    assert!(plan_web(1, "", Some("b"), &[("web-b-0", serving)]).stop.is_empty());
}

#[test]
fn a_pod_whose_shim_is_gone_does_not_count_as_ready() {
    let mut dead = pod("b", 0, ready());
    dead.shim.alive = false;
    assert!(!plan_web(1, "", Some("a"), &[("web-b-0", dead)]).activate);
}

#[test]
fn the_cause_of_a_failure_is_told_apart() {
    let cause = |status| health::failure("web-b-0", &pod("b", 0, status)).map(|failure| failure.reason);
    let exit = |code, out_of_memory| Exit { code: Some(code), out_of_memory, ..Exit::default() };
    assert_eq!(cause(crashed(exit(1, false), 2)), None, "two ends may be a mishap");
    assert_eq!(cause(crashed(exit(1, false), 3)), Some(Reason::CrashLoop));
    assert_eq!(cause(crashed(exit(137, true), 3)), Some(Reason::OutOfMemory));
    let mut probed = crashed(Exit { probe: Some("liveness probe failed".into()), ..Exit::default() }, 1);
    probed.as_mut().unwrap().containers[0].restarts = 2;
    assert_eq!(cause(probed), Some(Reason::ProbeFailing));
    let mut unmade = pod("b", 0, None);
    let problem = Problem { reason: Reason::ImageUnavailable, message: String::new() };
    let mut tried = |tries| {
        unmade.stage = Stage::Failed(Trouble { problem: problem.clone(), run: run("run-1"), tries, again: Instant::now() });
        health::failure("web-b-0", &unmade).map(|failure| failure.reason)
    };
    assert_eq!((tried(4), tried(5)), (None, Some(Reason::ImageUnavailable)));
}

fn plan_job(change: impl FnOnce(&mut Job), pods: &[(&str, PodEntry)]) -> job::Steps {
    let mut spec = Job::default();
    change(&mut spec);
    let pods: Vec<_> = pods.iter().map(|(name, pod)| (*name, pod)).collect();
    job::plan(&spec, "b", Timestamp::from_millis(NOW.as_millis() - 10_000), &pods, NOW)
}

#[test]
fn a_job_makes_as_many_pods_as_may_run_and_are_still_needed() {
    let many = |job: &mut Job| (job.completions, job.parallelism) = (Some(5), Some(3));
    assert_eq!(plan_job(many, &[]).create, [0, 1, 2]);
    let done = || ended(Phase::Succeeded, 0, 0);
    let pods = [("0", pod("b", 0, done())), ("1", pod("b", 1, done())), ("2", pod("b", 2, done())), ("3", pod("b", 3, None))];
    assert_eq!(plan_job(many, &pods).create, [4]);
    let pods: Vec<_> = ["0", "1", "2", "3", "4"].into_iter().zip(0..).map(|(name, at)| (name, pod("b", at, done()))).collect();
    assert_eq!(plan_job(many, &pods).end, Some(None));
}

#[test]
fn a_job_waits_longer_after_each_failure_and_gives_up_at_its_limit() {
    let failed = |at: i64| ended(Phase::Failed, 3, NOW.as_millis() - at);
    let limit = |limit| move |job: &mut Job| job.backoff_limit = limit;
    let one = plan_job(limit(1), &[("0", pod("b", 0, failed(100)))]);
    assert_eq!((one.create.len(), one.again), (0, Some(Duration::from_millis(150))));
    assert_eq!(plan_job(limit(1), &[("0", pod("b", 0, failed(250)))]).create, [1]);
    let two = plan_job(limit(1), &[("0", pod("b", 0, failed(900))), ("1", pod("b", 1, failed(300)))]);
    let failure = two.end.unwrap().unwrap();
    assert_eq!((failure.reason, failure.pod.as_deref()), (Reason::JobFailed { exit: Some(3) }, Some("1")));
}

#[test]
fn pods_of_an_earlier_run_end_before_new_ones_start() {
    let steps = plan_job(|_| {}, &[("old", pod("a", 0, ready()))]);
    assert_eq!(steps, job::Steps { stop: vec!["old".into()], ..Default::default() });
}

#[test]
fn a_job_past_its_deadline_has_failed_and_its_pods_stop() {
    let steps = plan_job(|job| job.active_deadline_seconds = Some(10), &[("0", pod("b", 0, ready()))]);
    assert_eq!(steps.end.unwrap().unwrap().reason, Reason::DeadlineExceeded);
    assert_eq!(steps.stop, ["0"]);
    let steps = plan_job(|job| job.active_deadline_seconds = Some(11), &[("0", pod("b", 0, ready()))]);
    assert_eq!((steps.end, steps.again), (None, Some(Duration::from_secs(1))));
}

proptest! {
    /// Whatever the pods do: while the new revision is not wholly ready, no pod of the active one is stopped.
    #[test]
    fn the_active_revision_is_never_stopped_before_the_new_one_is_ready(
        replicas in 1..4_u32, are_ready in proptest::collection::vec(any::<bool>(), 0..4), old in 0..3_u32,
    ) {
        let mut pods: Vec<(String, PodEntry)> = Vec::new();
        for (ordinal, is_ready) in (0..).zip(&are_ready) {
            pods.push((format!("web-b-{ordinal}"), pod("b", ordinal, if *is_ready { ready() } else { None })));
        }
        pods.extend((0..old).map(|ordinal| (format!("web-a-{ordinal}"), pod("a", ordinal, ready()))));
        let named: Vec<_> = pods.iter().map(|(name, pod)| (name.as_str(), pod)).collect();
        let spec = Deployment { replicas, ..Deployment::default() };
        let steps = deployment::plan("web", &spec, "b", Some("a"), &run("run-1"), &named, NOW);
        let all_ready = are_ready.iter().take(replicas as usize).filter(|ready| **ready).count() == replicas as usize;
        let stopped = steps.stop.iter().filter(|name| name.starts_with("web-a-")).count();
        prop_assert_eq!(stopped, if all_ready { old as usize } else { 0 });
        prop_assert_eq!(steps.activate, all_ready);
    }
}

//! Tasks as Jobs of a Kubernetes or OpenShift cluster.

use std::time::Duration;

use serde_json::Value;
use towpath_domain::{FailureClass, RunId};

use super::ends::{BadEnd, bad_end};
use super::failure::plain;
use super::listening::Listening;
use super::names::{RUN, run_label};
use super::{Executor, JobSettings, Task, TaskEnd, TaskFailure, TaskReason, checkout, job};
use crate::api::{BoxFuture, Cluster as _, ClusterError, Examination, ObjectKey, Observer, Progress, Reason, WaitFailure};
use crate::clock;
use crate::kube::KubeCluster;
use crate::kube::labels;
use crate::kube::single::{Made, Need, has_ended, has_label, label_is};
use crate::kube::watching::text;

/// How much longer than the Job's own deadline its end is waited for: the cluster keeps the time, and says so.
const BEYOND_DEADLINE: Duration = Duration::from_secs(60);

/// How long a Job may take to be made: a cluster that restarts needs a while, and one that was deleted takes its pods along.
const MADE_WITHIN: Duration = Duration::from_secs(60);

/// The pause before it is tried again to make it.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a task waits for room, when many are under way: what a cluster has no room for by then is told.
const ROOM_WITHIN: Duration = Duration::from_secs(600);

/// The pause before it is looked again whether there is room.
const ROOM_PAUSE: Duration = Duration::from_secs(2);

/// What is needed in the namespace of the Jobs.
const NEEDS: [Need; 4] = [
    ("batch", "jobs", &["get", "list", "watch", "create", "delete"]),
    ("", "pods", &["list", "watch"]),
    ("", "pods/log", &["get"]),
    ("", "events", &["list", "watch"]),
];

/// Carries tasks out as Jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KubernetesJobs {
    cluster: KubeCluster,
    settings: JobSettings,
}

impl KubernetesJobs {
    /// Jobs of this cluster. Nothing is sent before a task is to be done.
    #[must_use]
    pub fn new(cluster: KubeCluster, settings: JobSettings) -> Self {
        Self { cluster, settings }
    }

    /// The path of all Jobs of the namespace. Every Kubernetes since 1.2 serves them there.
    fn jobs(&self) -> String {
        format!("/apis/batch/v1/namespaces/{}/jobs", self.settings.namespace)
    }

    async fn carry_out(&self, task: &Task, observer: &dyn Observer) -> Result<TaskEnd, Box<TaskFailure>> {
        let wanted = job::job(task, &self.settings)?;
        self.remove_old().await;
        self.make(task, &wanted).await?;
        let listening = Listening::to(observer);
        let key = ObjectKey { kind: "Job".to_owned(), group: "batch".to_owned(), name: task.name.clone() };
        let begun = tokio::time::Instant::now();
        let mut told = String::new();
        loop {
            let within = (task.timeout + BEYOND_DEADLINE).saturating_sub(begun.elapsed());
            match self.cluster.wait(&self.settings.namespace, std::slice::from_ref(&key), &task.run, within, &listening).await {
                Ok(_) => return Ok(TaskEnd::default()),
                Err(failure) if has_no_room(&failure) && begun.elapsed() + ROOM_PAUSE < ROOM_WITHIN.min(task.timeout) => {
                    if failure.message != told {
                        told.clone_from(&failure.message);
                        observer.progress(Progress { object: failure.object, message: format!("waits for room: {}", plain(&told)) });
                    }
                    tokio::time::sleep(ROOM_PAUSE).await;
                }
                Err(failure) => return Err(self.failed(task, *failure, &listening).await),
            }
        }
    }

    /// The Job, made now or before by a worker that had this run.
    async fn make(&self, task: &Task, wanted: &Value) -> Result<(), Box<TaskFailure>> {
        let (place, path) = (self.jobs(), format!("{}/{}", self.jobs(), task.name));
        let until = tokio::time::Instant::now() + MADE_WITHIN;
        loop {
            let error = match self.cluster.create(&place, wanted).await {
                Ok(Made::Now) => return Ok(()),
                Ok(Made::Before) => match self.cluster.at(&path).await {
                    Ok(Some(job)) if job.pointer("/metadata/deletionTimestamp").is_some() => None,
                    Ok(Some(job)) => return of_the_same_run(task, &job),
                    Ok(None) => None,
                    Err(error) => Some(error),
                },
                Err(error) => Some(error),
            };
            let patient = error.as_ref().is_none_or(|error| error.class() == FailureClass::Environment);
            if !patient || tokio::time::Instant::now() + PAUSE > until {
                return Err(match error {
                    Some(error) => TaskFailure::of_request(&error),
                    None => TaskFailure::plain(
                        FailureClass::Environment,
                        TaskReason::NeverStarted,
                        format!("Job/{} is being deleted, and does not go away; see what holds it (`kubectl describe job`)", task.name),
                    ),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What waiting found, with what the cluster still knows of the task.
    async fn failed(&self, task: &Task, failure: WaitFailure, listening: &Listening<'_>) -> Box<TaskFailure> {
        let mut failure = TaskFailure::of_wait(failure, listening);
        match (failure.reason, self.bad_end(task).await) {
            (TaskReason::TimedOut, _) => out_of_time(&mut failure, task, listening),
            (TaskReason::OutOfMemory { .. } | TaskReason::Failed { .. }, Some(end)) => ended_badly(&mut failure, task, &end),
            _ => {}
        }
        // What could still begin would do so when nobody listens any more.
        let path = format!("{}/{}", self.jobs(), task.name);
        let is_over = matches!(self.cluster.at(&path).await, Ok(Some(job)) if has_ended(&job));
        if !is_over && let Err(error) = self.cluster.delete_at(&path).await {
            failure.message = format!("{}; it could not be deleted, and may go on: {error}", failure.message);
        }
        failure
    }

    /// How the task's pods say that it ended; nothing when they are gone or the cluster does not answer.
    async fn bad_end(&self, task: &Task) -> Option<BadEnd> {
        let pods = format!("/api/v1/namespaces/{}/pods", self.settings.namespace);
        let pods = self.cluster.selected(&pods, &label_is("job-name", &task.name)).await.ok()?;
        bad_end(&pods)
    }

    /// Removes what finished long ago: not every cluster does that by itself. What cannot be removed now will be later.
    async fn remove_old(&self) {
        let old = match self.cluster.selected(&self.jobs(), &has_label(RUN)).await {
            Ok(jobs) => jobs.into_iter().filter(|job| is_old(job, self.settings.kept_for)),
            Err(error) => return tracing::debug!(%error, "finished jobs cannot be listed"),
        };
        for job in old {
            let path = format!("{}/{}", self.jobs(), text(&job, "/metadata/name"));
            if let Err(error) = self.cluster.delete_at(&path).await {
                tracing::warn!(%error, "a job that finished long ago stays");
            }
        }
    }

    async fn end(&self, run: &RunId) -> Result<Vec<String>, ClusterError> {
        let mut ended = Vec::new();
        for mut job in self.cluster.selected(&self.jobs(), &label_is(RUN, &run_label(run))).await? {
            // Items of a list do not say themselves what they are.
            job["apiVersion"] = Value::from("batch/v1");
            job["kind"] = Value::from("Job");
            let name = text(&job, "/metadata/name");
            // What has ended stays for a while, for people to look at.
            if !has_ended(&job) && self.cluster.delete_at(&format!("{}/{name}", self.jobs())).await? {
                ended.push(format!("Job/{name}"));
            }
        }
        Ok(ended)
    }
}

impl Executor for KubernetesJobs {
    fn place(&self) -> String {
        format!("Jobs in namespace {} of cluster {}", self.settings.namespace, self.cluster.name())
    }

    fn can_merge(&self) -> bool {
        true
    }

    fn execute<'a>(&'a self, task: &'a Task, observer: &'a dyn Observer) -> BoxFuture<'a, Result<TaskEnd, Box<TaskFailure>>> {
        Box::pin(self.carry_out(task, observer))
    }

    fn abandon<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Vec<String>, ClusterError>> {
        Box::pin(self.end(run))
    }

    fn examine(&self) -> BoxFuture<'_, Result<Examination, ClusterError>> {
        Box::pin(self.cluster.examine_for(&self.settings.namespace, &NEEDS))
    }
}

/// Whether it only waits until others have ended.
fn has_no_room(failure: &WaitFailure) -> bool {
    matches!(failure.reason, Reason::Unschedulable | Reason::QuotaExceeded)
}

/// A Job of that name that was there before, if it is this run's.
fn of_the_same_run(task: &Task, job: &Value) -> Result<(), Box<TaskFailure>> {
    let run = labels::annotation(job, labels::RUN);
    if run == task.run.as_str() {
        return Ok(());
    }
    let whose = if run.is_empty() { "was not made by Towpath".to_owned() } else { format!("belongs to run {run}") };
    Err(TaskFailure::refused(format!("Job/{} is there already and {whose}; delete it, or give Towpath a namespace of its own", task.name)))
}

/// A task whose time was up: its own fault only where it had begun.
fn out_of_time(failure: &mut TaskFailure, task: &Task, listening: &Listening<'_>) {
    let seconds = task.timeout.as_secs();
    let (class, what) = if listening.has_begun(|container| container == job::CONTAINER) {
        (FailureClass::Own, "it took longer and was ended; raise its timeout if it needs more")
    } else if listening.has_begun(|container| container == checkout::CONTAINER) {
        (FailureClass::Environment, "the checkout took all of that; see whether the cluster reaches the repository")
    } else {
        (FailureClass::Environment, "its pod never began; see what it waited for in the events")
    };
    failure.class = class;
    failure.message = format!("Job/{} was given {seconds} s: {what}", task.name);
}

/// What a container of the task says about its end.
fn ended_badly(failure: &mut TaskFailure, task: &Task, end: &BadEnd) {
    let name = &task.name;
    if end.out_of_memory {
        failure.class = FailureClass::Own;
        failure.reason = TaskReason::OutOfMemory { limit: end.limit };
        failure.message = format!("Job/{name}: container {} needed more memory than its limit and was killed", end.container);
    } else if end.container == checkout::CONTAINER {
        failure.reason = TaskReason::NeverStarted;
        // A shell that does not find a program, or may not start it.
        let (class, what) = match end.exit {
            126 | 127 => (FailureClass::Own, "its image has no git or no shell; take one that has both, or name one in towpath.toml"),
            _ => (FailureClass::Environment, "git could not have the commit; its last lines say why"),
        };
        failure.class = class;
        failure.message = format!("Job/{name}: the checkout failed with exit code {}: {what}", end.exit);
    } else {
        failure.class = FailureClass::Own;
        failure.reason = TaskReason::Failed { exit: i32::try_from(end.exit).ok() };
        failure.message = format!("Job/{name}: its command failed with exit code {}", end.exit);
    }
}

/// Whether a Job ended `kept_for` ago, or longer.
fn is_old(job: &Value, kept_for: Duration) -> bool {
    let conditions = job.pointer("/status/conditions").and_then(Value::as_array);
    let mut ends = conditions
        .into_iter()
        .flatten()
        .filter(|condition| matches!(text(condition, "/type"), "Complete" | "Failed") && text(condition, "/status") == "True");
    let Some(ended) = ends.find_map(|end| text(end, "/lastTransitionTime").parse::<jiff::Timestamp>().ok()) else { return false };
    let age = clock::now().as_millis().saturating_sub(ended.as_millisecond());
    u128::try_from(age).is_ok_and(|age| age >= kept_for.as_millis())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_finished_long_ago_is_old() {
        let day = Duration::from_secs(24 * 3600);
        let ended = |kind: &str, at: &str| json!({"status": {"conditions": [{"type": kind, "status": "True", "lastTransitionTime": at}]}});
        assert!(is_old(&ended("Complete", "2020-01-01T00:00:00Z"), day));
        assert!(is_old(&ended("Failed", "2020-01-01T00:00:00Z"), day));
        assert!(!is_old(&ended("Complete", "2999-01-01T00:00:00Z"), day));
        assert!(!is_old(&ended("Suspended", "2020-01-01T00:00:00Z"), day));
        assert!(!is_old(&json!({"status": {"active": 1}}), day));
    }

    #[test]
    fn a_job_of_another_run_is_not_taken_for_ours() {
        let task = crate::executor::job::tests::task();
        let job = |run: &str| json!({"metadata": {"annotations": {"towpath.dev/run": run}}});
        assert!(of_the_same_run(&task, &job(task.run.as_str())).is_ok());
        assert!(of_the_same_run(&task, &job("other-1")).unwrap_err().message.contains("belongs to run other-1"));
        assert!(of_the_same_run(&task, &json!({})).unwrap_err().message.contains("was not made by Towpath"));
    }
}

//! Tasks as runs of a Tekton pipeline, for those who have Tekton.
//!
//! The pipeline is the installation's own. It is told, as far as it declares the parameters: `url`, `revision` (the commit), `command`,
//! `builder` (the image that the command is to run in), and what the task's own parameters say, such as `image` (the name without a tag)
//! and `tag`. A pipeline that builds tells what it pushed in the result `IMAGE_DIGEST`.

mod run;

use std::time::Duration;

use serde_json::{Value, json};
use towpath_domain::{FailureClass, RunId};

use super::ends::{BadEnd, bad_end};
use super::listening::Listening;
use super::names::{RUN, run_label};
use super::{Executor, Task, TaskEnd, TaskFailure, TaskReason, TektonSettings};
use crate::api::{BoxFuture, Cluster as _, ClusterError, Examination, ObjectKey, Observer, WaitFailure};
use crate::kube::KubeCluster;
use crate::kube::labels;
use crate::kube::single::{Made, Need, has_ended, label_is};
use crate::kube::watching::text;

/// How much longer than the run's own time its end is waited for: Tekton keeps the time, and says so.
const BEYOND_TIMEOUT: Duration = Duration::from_secs(60);

/// Tekton's group.
const GROUP: &str = "tekton.dev";

/// What is needed in the namespace of the pipeline.
const NEEDS: [Need; 5] = [
    (GROUP, "pipelineruns", &["get", "list", "watch", "create", "patch"]),
    (GROUP, "pipelines", &["get"]),
    ("", "pods", &["list", "watch"]),
    ("", "pods/log", &["get"]),
    ("", "events", &["list", "watch"]),
];

/// Carries tasks out as runs of a pipeline. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tekton {
    cluster: KubeCluster,
    settings: TektonSettings,
}

impl Tekton {
    /// Runs of a pipeline of this cluster. Nothing is sent before a task is to be done.
    #[must_use]
    pub fn new(cluster: KubeCluster, settings: TektonSettings) -> Self {
        Self { cluster, settings }
    }

    async fn carry_out(&self, task: &Task, observer: &dyn Observer) -> Result<TaskEnd, Box<TaskFailure>> {
        let kind = self.served("PipelineRun").await?;
        let pipeline = self.pipeline().await?;
        let wanted = run::pipeline_run(task, &self.settings, &kind.api_version(), pipeline.as_ref())?;
        let path = kind.path(self.settings.namespace.as_str(), Some(&task.name));
        let place = kind.path(self.settings.namespace.as_str(), None);
        if let Made::Before = self.cluster.create(&place, &wanted).await.map_err(|e| TaskFailure::of_request(&e))? {
            let there = self.cluster.at(&path).await.map_err(|e| TaskFailure::of_request(&e))?.unwrap_or_default();
            if labels::annotation(&there, labels::RUN) != task.run.as_str() {
                return Err(TaskFailure::refused(format!(
                    "PipelineRun/{} is there already and is none of run {}; delete it, or give Towpath a namespace of its own",
                    task.name, task.run
                )));
            }
        }
        let listening = Listening::to(observer);
        let key = ObjectKey { kind: kind.kind.clone(), group: GROUP.to_owned(), name: task.name.clone() };
        let within = task.timeout + BEYOND_TIMEOUT;
        let waited = self.cluster.wait(&self.settings.namespace, &[key], &task.run, within, &listening).await;
        let there = self.cluster.at(&path).await;
        match waited {
            Ok(_) => {
                let there = there.map_err(|e| TaskFailure::of_request(&e))?;
                Ok(TaskEnd { results: there.map(|run| run::results(&run)).unwrap_or_default() })
            }
            Err(failure) => Err(self.failed(task, &path, *failure, there.ok().flatten(), &listening).await),
        }
    }

    /// A kind of Tekton's, in the version that the cluster prefers: `v1`, or `v1beta1` of earlier ones.
    async fn served(&self, kind: &str) -> Result<crate::kube::Kind, Box<TaskFailure>> {
        let found = self.cluster.kind(&format!("{kind}.{GROUP}")).await.map_err(|e| TaskFailure::of_request(&e))?;
        found.ok_or_else(|| {
            TaskFailure::refused(format!(
                "cluster {} has no {kind}: Tekton is not installed there; install it, or have builds carried out as Jobs",
                self.cluster.name()
            ))
        })
    }

    /// The pipeline; none when it may not be read. One that is not there is a refusal.
    async fn pipeline(&self) -> Result<Option<Value>, Box<TaskFailure>> {
        let (namespace, name) = (self.settings.namespace.as_str(), &self.settings.pipeline);
        let path = self.served("Pipeline").await?.path(namespace, Some(name));
        match self.cluster.at(&path).await {
            Ok(Some(pipeline)) => Ok(Some(pipeline)),
            Ok(None) => Err(TaskFailure::refused(format!(
                "namespace {namespace} has no Pipeline {name}; make it, or correct its name in towpath.toml"
            ))),
            // It may be run all the same: then Tekton itself says what is wrong with it.
            Err(ClusterError::Forbidden { .. }) => Ok(None),
            Err(error) => Err(TaskFailure::of_request(&error)),
        }
    }

    async fn failed(
        &self,
        task: &Task,
        path: &str,
        failure: WaitFailure,
        there: Option<Value>,
        listening: &Listening<'_>,
    ) -> Box<TaskFailure> {
        let mut failure = TaskFailure::of_wait(failure, listening);
        let is_plain = matches!(failure.reason, TaskReason::Failed { .. });
        if is_plain && self.bad_end(task).await.is_some_and(|end| end.out_of_memory) {
            failure.reason = TaskReason::OutOfMemory { limit: None };
        }
        let reason = there.as_ref().map(run::reason).unwrap_or_default();
        let has_begun = listening.has_begun(|_| true);
        match failure.reason {
            TaskReason::Lost if reason.contains("Cancelled") => {
                failure.reason = TaskReason::Cancelled;
                failure.class = FailureClass::Unknown;
            }
            TaskReason::TimedOut => {
                failure.class = if has_begun { FailureClass::Own } else { FailureClass::Environment };
                let mend = if has_begun { "raise its timeout if it needs more" } else { "none of its pods began; see the events" };
                failure.message = format!("PipelineRun/{} was given {} s; {mend}", task.name, task.timeout.as_secs());
            }
            // What is wrong with the pipeline itself is said before any pod is made.
            TaskReason::Failed { .. } if !has_begun => failure.reason = TaskReason::NeverStarted,
            // The memory of a pipeline's steps is the pipeline's own to say.
            TaskReason::OutOfMemory { .. } => {
                failure.message = format!("{}; its limit is said in Pipeline/{} or its tasks", failure.message, self.settings.pipeline);
            }
            _ => {}
        }
        let is_over = there.as_ref().is_some_and(has_ended);
        if !is_over && let Err(error) = self.cluster.merge_at(path, &stop()).await {
            failure.message = format!("{}; it could not be stopped, and may go on: {error}", failure.message);
        }
        failure
    }

    /// How the run's pods say that they ended; nothing when they are gone or the cluster does not answer.
    async fn bad_end(&self, task: &Task) -> Option<BadEnd> {
        let pods = format!("/api/v1/namespaces/{}/pods", self.settings.namespace);
        bad_end(&self.cluster.selected(&pods, &label_is("tekton.dev/pipelineRun", &task.name)).await.ok()?)
    }

    async fn end(&self, run: &RunId) -> Result<Vec<String>, ClusterError> {
        let Some(kind) = self.cluster.kind(&format!("PipelineRun.{GROUP}")).await? else { return Ok(Vec::new()) };
        let namespace = self.settings.namespace.as_str();
        let mut ended = Vec::new();
        for mut there in self.cluster.selected(&kind.path(namespace, None), &label_is(RUN, &run_label(run))).await? {
            // Items of a list do not say themselves what they are.
            there["apiVersion"] = Value::from(kind.api_version());
            there["kind"] = Value::from(kind.kind.as_str());
            let name = text(&there, "/metadata/name");
            // What has ended is removed by Tekton's own pruner, after as long as people like.
            if !has_ended(&there) && self.cluster.merge_at(&kind.path(namespace, Some(name)), &stop()).await? {
                ended.push(format!("PipelineRun/{name}"));
            }
        }
        Ok(ended)
    }
}

impl Executor for Tekton {
    fn place(&self) -> String {
        let TektonSettings { namespace, pipeline, .. } = &self.settings;
        format!("runs of pipeline {pipeline} in namespace {namespace} of cluster {}", self.cluster.name())
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

/// What stops a run: its tasks are cancelled, and nothing else is begun.
fn stop() -> Value {
    json!({"spec": {"status": "Cancelled"}})
}

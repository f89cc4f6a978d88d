//! A build that an executor carries out: in a container of a cluster, or by a pipeline. It pushes its image itself.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use towpath_catalog::{DeployResources, Resources};
use towpath_cluster::{Amounts, Checkout, Executor, Task, TaskEnd, TaskFailure, TaskReason, TaskResources, task_name};
use towpath_domain::Digest;
use towpath_engine::Subject;

use super::telling::Telling;
use super::{Making, Pushed, found_done, pushed, told};
use crate::journal::{Journal, Stop};
use crate::work::memory;
use crate::world::World;

/// The step that builds.
const STEP: &str = "build";

/// How a pipeline calls the digest of what it pushed. <https://tekton.dev/docs/chains/config/> names it so.
const DIGEST: &str = "IMAGE_DIGEST";

/// Where a command may leave an image layout that it pushes afterwards: in a folder that goes with the pod.
const LAYOUT: &str = "/workspace/image";

/// How many of a failed command's last lines stand in the run's end; the log has all.
const LAST_LINES: usize = 3;

/// What the step finds.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    /// The digest of what was pushed, where the executor tells one.
    digest: Option<Digest>,
}

/// Carries the build out there.
pub(super) async fn make(world: &World, journal: &Journal, executor: &Arc<dyn Executor>, making: &Making<'_>) -> Result<Pushed, Stop> {
    let image = making.image;
    // Looked for once a run: what this run's own task has pushed meanwhile is no reason to leave the task alone.
    if let Some(digest) = journal.step("look", || found_done(world, making)).await? {
        journal.note(format!("{image} of this commit is there already, as {digest}"));
        return Ok(Pushed { digest });
    }
    let made: Made = journal.step(STEP, || carry_out(world, journal, executor, making)).await?;
    journal.step("push", || pushed(world, journal, image, made.digest)).await
}

/// After a run's end without an image: nothing of it goes on.
pub(crate) async fn give_up(world: &World, journal: &Journal) {
    let Some(executor) = world.builders.executor() else { return };
    match executor.abandon(journal.run()).await {
        Ok(ended) => ended.iter().for_each(|name| journal.note(format!("{name} ended"))),
        Err(error) => journal.note(format!("what still runs could not be ended, and ends when its time is up: {error}")),
    }
}

async fn carry_out(world: &World, journal: &Journal, executor: &Arc<dyn Executor>, making: &Making<'_>) -> Result<Made, Stop> {
    let subject = Subject::Source(making.source.name.clone());
    let raised = world.ledger.facts().memory.get(&subject).copied();
    let task = task(journal, making, raised);
    journal.note(format!("{}, by {}", task.name, executor.place()));
    if let Some(bytes) = raised {
        journal.note(format!("it gets at least {} of memory, since an earlier one ran out of less", memory::amount(bytes)));
    }
    let telling = Telling::new(journal.sink(), STEP);
    match executor.execute(&task, &telling).await {
        Ok(end) => Ok(Made { digest: digest(&end)? }),
        Err(failure) => Err(failed(world, journal, subject, &failure, &telling).await),
    }
}

/// What is to be done, in the words of executors.
fn task(journal: &Journal, making: &Making<'_>, memory_at_least: Option<u64>) -> Task {
    let &Making { source, commit, image, .. } = making;
    let run = journal.run();
    let tag = image.tag().unwrap_or_default();
    let parameters = [("image", image.name()), ("tag", tag), ("source", source.name.as_str()), ("branch", source.branch.as_str())];
    Task {
        name: task_name(source.name.as_str(), STEP, run),
        run: run.clone(),
        image: source.build.image.clone(),
        command: source.build.command.clone().unwrap_or_default(),
        env: told(making, LAYOUT).into_iter().collect(),
        checkout: Some(Checkout { url: source.url.clone(), commit, merge: making.merge.clone() }),
        resources: source.build.resources.as_ref().map(resources).unwrap_or_default(),
        memory_at_least,
        timeout: source.build.timeout.to_std(),
        labels: [("towpath.dev/source".to_owned(), source.name.to_string())].into(),
        parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    }
}

fn resources(asked: &DeployResources) -> TaskResources {
    let amounts =
        |of: &Resources| Amounts { cpu: of.cpu.as_ref().map(ToString::to_string), memory: of.memory.as_ref().map(ToString::to_string) };
    TaskResources { requests: amounts(&asked.requests), limits: amounts(&asked.limits) }
}

/// What was pushed, by the word of who pushed it.
fn digest(end: &TaskEnd) -> Result<Option<Digest>, Stop> {
    let Some(text) = end.results.get(DIGEST) else { return Ok(None) };
    let bad = |_| Stop::own(format!("the pipeline's result {DIGEST} is {text:?}, which is no digest; correct the task that writes it"));
    text.parse().map(Some).map_err(bad)
}

/// What did not come to a good end, as the run's end; what is known of it goes into the log.
async fn failed(world: &World, journal: &Journal, subject: Subject, failure: &TaskFailure, telling: &Telling) -> Stop {
    for event in &failure.events {
        journal.note(format!("event: {event}"));
    }
    if !telling.has_heard() {
        for line in &failure.log_tail {
            journal.output("pod", line);
        }
    }
    if let TaskReason::OutOfMemory { limit: Some(limit) } = failure.reason {
        return memory::ran_out(world, journal, subject, limit, "the build").await;
    }
    let said: Vec<&str> = failure.log_tail.iter().map(String::as_str).filter(|line| !line.trim().is_empty()).collect();
    let tail = said.get(said.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join(" | ");
    let last = if tail.is_empty() { String::new() } else { format!("; it last said: {tail}") };
    Stop::failed(failure.class, format!("{failure}{last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_by_pipeline(text: &str) -> Result<Option<Digest>, Stop> {
        digest(&TaskEnd { results: [(DIGEST.to_owned(), text.to_owned())].into() })
    }

    #[test]
    fn a_digest_that_a_pipeline_tells_is_one_or_a_refusal() {
        let text = format!("sha256:{}", "a".repeat(64));
        assert_eq!(told_by_pipeline(&text).unwrap().unwrap().to_string(), text);
        assert!(digest(&TaskEnd::default()).unwrap().is_none());
        assert!(told_by_pipeline("latest").unwrap_err().to_string().contains("\"latest\", which is no digest"));
    }
}

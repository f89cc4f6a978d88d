//! Waits until what was deployed is well, or its tests have ended; then keeps, counts and judges their reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use towpath_catalog::Target;
use towpath_cluster::{Cluster, ObjectKey, Ready, Reason, WaitFailure};
use towpath_domain::{Digest, FailureClass, ImageRef, Timestamp};
use towpath_engine::{DeployWork, Subject, TestRules, test_rules, tree};

use super::listen::Listener;
use super::reports::{Judging, Looking, Reports};
use super::{artifacts, bits, memory, still_what_was_tested};
use crate::journal::{Journal, Stop};
use crate::tested::keep::{AllKept, What, keep};
use crate::tested::verdict::{Judged, judged, note};
use crate::work::memory::ran_out;
use crate::world::World;

/// What is waited for.
pub(super) struct Waiting<'a> {
    pub(super) keys: &'a [ObjectKey],
    pub(super) digests: &'a BTreeMap<ImageRef, Digest>,
    /// As they were applied.
    pub(super) objects: &'a [Value],
    /// When it was applied; none in the journal of an older version.
    pub(super) since: Option<Timestamp>,
    /// What the tests leave beside their logs.
    pub(super) expected: &'a artifacts::Expected,
}

pub(super) async fn wait(
    world: &World,
    journal: &Journal,
    target: &Arc<Target>,
    work: &DeployWork,
    waiting: Waiting<'_>,
) -> Result<BTreeMap<ImageRef, Digest>, Stop> {
    let rules = test_rules(&world.snapshot().await?.catalog, target);
    let retried = world.ledger.facts().flaky_tries(work);
    let listener = Listener::new(journal.sink());
    let (waited, ended_badly) = until_ended(world, journal, target, work, &waiting, &rules, &listener).await;
    // Whatever is of another run is that one's to look at.
    let is_ours = waited.as_ref().err().is_none_or(|failure| failure.reason != Reason::Superseded);
    let artifacts::Found { reports, trouble, looked } = match is_ours {
        true => artifacts::collect(world, journal, target, waiting.expected, &listener).await,
        false => artifacts::Found::default(),
    };
    let found = listener.printed().into_iter().chain(reports).collect();
    let kept = keep(world, journal, &What { commit: Some(work.commit), tree: tree(work) }, found).await?;
    let judged = judged(&kept, &rules, retried, world.clock.now());
    note(journal, &kept, &judged).await?;
    let all: Vec<_> = kept.reports.iter().map(|kept| (kept.name.clone(), kept.report.clone())).collect();
    let looking = Looking { trouble, looked, required: waiting.expected.required };
    let reports = Reports::of(&all, looking, &Judging { judged: &judged, rules: &rules, retried });
    for line in kept.notes.iter().chain(reports.iter().flat_map(|reports| &reports.lines)) {
        journal.note(line);
    }
    let is_explained = |failure: &WaitFailure| explained(failure, &kept, &judged, waiting.expected);
    let waited = match ended_badly {
        Some(failure) if judged.class().is_some() || !is_explained(&failure) => Err(failure),
        _ => waited,
    };
    let ready = match waited {
        Ok(ready) => ready,
        Err(failure) => {
            let is_flaky = reports.as_ref().is_some_and(Reports::is_flaky) && is_explained(&failure);
            let stop = failed(journal, &failure, reports.as_ref(), is_flaky);
            let limit = memory::limit(waiting.objects, &failure.object.name);
            return Err(match limit.filter(|_| work.only_jobs && failure.reason == Reason::OutOfMemory) {
                Some(limit) => ran_out(world, journal, Subject::Target(target.id.clone()), limit, &failure.object).await,
                None => stop,
            });
        }
    };
    for text in &ready.notes {
        journal.note(text);
    }
    let running = bits::as_wanted(world, waiting.digests, &ready.digests).await?;
    if work.only_jobs {
        still_what_was_tested(world, work)?;
        bits::are_under_test(world, work).await?;
    }
    if let Some(bad) = reports.and_then(|reports| reports.verdict) {
        return Err(bad);
    }
    if work.only_jobs
        && let Some(unread) = ready.unread.first()
    {
        let text = format!("inconclusive: it ended well, but a report may be missing: {unread} could not be read");
        return Err(Stop::failed(FailureClass::Environment, text));
    }
    if let Some(excused) = judged.excused() {
        journal.note(excused);
    }
    Ok(running)
}

/// Waits to the end. Where tests are quarantined, one job that ended badly does not end the waiting for the others: whether it did so because of
/// them shows in its report. It is handed back.
async fn until_ended(
    world: &World,
    journal: &Journal,
    target: &Arc<Target>,
    work: &DeployWork,
    waiting: &Waiting<'_>,
    rules: &TestRules,
    listener: &Listener,
) -> (Result<Ready, Box<WaitFailure>>, Option<Box<WaitFailure>>) {
    let cluster: Arc<dyn Cluster> = world.clusters.get(&target.cluster);
    let left = || {
        let spent = waiting.since.map_or(Duration::ZERO, |since| world.clock.now().since(since).to_std());
        target.saas_file.timeout.to_std().saturating_sub(spent)
    };
    let waited = cluster.wait(&target.namespace, waiting.keys, journal.run(), left(), listener).await;
    let now = world.clock.now();
    let is_lenient = work.only_jobs && rules.quarantine.iter().any(|quarantine| now < quarantine.until);
    match waited {
        Err(failure) if is_lenient && is_by_its_tests(&failure) => {
            let others: Vec<ObjectKey> = waiting.keys.iter().filter(|key| **key != failure.object).cloned().collect();
            let rest = match others.is_empty() {
                true => Ok(Ready::default()),
                false => cluster.wait(&target.namespace, &others, journal.run(), left(), listener).await,
            };
            (rest, Some(failure))
        }
        waited => (waited, None),
    }
}

/// Whether a job ended as those do whose tests failed: with an exit code, and not by a signal.
fn is_by_its_tests(failure: &WaitFailure) -> bool {
    matches!(failure.reason, Reason::JobFailed { exit: Some(1..=127) })
}

/// Whether nothing but tests that do not count, or may be tried again, explains why a job ended badly.
fn explained(failure: &WaitFailure, kept: &AllKept, judged: &Judged, expected: &artifacts::Expected) -> bool {
    // Pods are called after their jobs. What lies in a bucket tells its job only where there is one.
    let stem = format!("{}-", failure.object.name);
    let is_its = |from: &str| expected.tests.len() == 1 || from.starts_with(&stem);
    is_by_its_tests(failure) && judged.explains(kept, is_its)
}

/// What did not become well, as the run's end; what the cluster knows of it goes into the log before anything is gone.
fn failed(journal: &Journal, failure: &WaitFailure, reports: Option<&Reports>, is_flaky: bool) -> Stop {
    for event in &failure.events {
        journal.note(format!("event: {event}"));
    }
    for line in &failure.log_tail {
        journal.output("pod", line);
    }
    if let Some(bad) = reports.and_then(Reports::named_failures).filter(|_| failure.class == FailureClass::Own) {
        let class = if is_flaky { FailureClass::Flaky } else { FailureClass::Own };
        return Stop::failed(class, format!("{failure}; {bad}"));
    }
    let said: Vec<&str> = failure.log_tail.iter().map(String::as_str).filter(|line| !line.trim().is_empty()).collect();
    let tail = said.get(said.len().saturating_sub(3)..).unwrap_or_default().join(" | ");
    let last = if tail.is_empty() { String::new() } else { format!("; it last said: {tail}") };
    Stop::failed(failure.class, format!("{failure}{last}"))
}

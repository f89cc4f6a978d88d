//! Waits until what was applied is well, or its tests have ended; hears what they print; keeps, counts and judges their reports. For deploys and
//! for checks of pull requests alike.

pub(crate) mod artifacts;
mod listen;
pub(crate) mod reports;

use std::sync::Arc;

use towpath_catalog::Target;
use towpath_cluster::{Cluster, ObjectKey, Ready, Reason, WaitFailure};
use towpath_domain::{FailureClass, Timestamp};
use towpath_engine::TestRules;

use crate::journal::{Journal, Stop};
use crate::tested::keep::{AllKept, Earlier, FoundReport, What, keep};
use crate::tested::verdict::{Judged, judged, note};
use crate::world::World;
use artifacts::Expected;
use listen::Listener;
use reports::{Judging, Looking, Reports};

/// What is waited for.
pub(crate) struct Waiting<'a> {
    /// Where it is: its namespace on its cluster.
    pub(crate) target: &'a Target,
    /// The objects.
    pub(crate) keys: &'a [ObjectKey],
    /// They are tests, and nothing but tests.
    pub(crate) only_jobs: bool,
    /// What the tests leave beside their logs.
    pub(crate) expected: &'a Expected,
    /// Until when it may take.
    pub(crate) until: Timestamp,
    /// By what its tests are judged.
    pub(crate) by: Rules<'a>,
}

/// By what tests are judged.
pub(crate) struct Rules<'a> {
    /// What policies say of them.
    pub(crate) rules: &'a TestRules,
    /// How often the same was tried before, and failed of nothing but tests known to be flaky.
    pub(crate) retried: u32,
    /// What is tested.
    pub(crate) what: What,
    /// They are a part of a check: what other parts of the same run found stays.
    pub(crate) of_check: bool,
}

/// Reports that were kept, counted and judged.
pub(crate) struct Judgement {
    pub(crate) kept: AllKept,
    pub(crate) judged: Judged,
    /// What they say; none when there is nothing to judge, and nothing had to be there.
    pub(crate) reports: Option<Reports>,
}

/// How it ended, and what the tests said.
pub(crate) struct Heard {
    /// Whether it became well. A job that ended badly for no other reason than tests which do not count is well.
    pub(crate) waited: Result<Ready, Box<WaitFailure>>,
    /// What the reports say.
    pub(crate) reports: Option<Reports>,
    /// What failed in them, judged.
    pub(crate) judged: Judged,
    /// The failure is explained by tests that are known to be flaky, and by nothing else.
    is_flaky: bool,
}

/// Waits to the end, in the step that is under way.
///
/// # Errors
/// [`Stop::Ledger`], and when reports could not be kept. What was waited for and is not well is no error here.
pub(crate) async fn wait(world: &World, journal: &Journal, waiting: Waiting<'_>) -> Result<Heard, Stop> {
    let listener = Listener::new(journal.sink(), &journal.current_step());
    let (waited, ended_badly) = until_ended(world, journal, &waiting, &listener).await;
    // Whatever is of another run is that one's to look at.
    let is_ours = waited.as_ref().err().is_none_or(|failure| failure.reason != Reason::Superseded);
    let artifacts::Found { reports, trouble, looked } = match is_ours {
        true => artifacts::collect(world, journal, waiting.target, waiting.expected, &listener).await,
        false => artifacts::Found::default(),
    };
    let found = listener.printed().into_iter().chain(reports).collect();
    let looking = Looking { trouble, looked, required: waiting.expected.required };
    let Judgement { kept, judged, reports } = judge(world, journal, found, looking, &waiting.by).await?;
    let is_explained = |failure: &WaitFailure| explained(failure, &kept, &judged, waiting.expected);
    let waited = match ended_badly {
        Some(failure) if judged.class().is_some() || !is_explained(&failure) => Err(failure),
        _ => waited,
    };
    let is_flaky = reports.as_ref().is_some_and(Reports::is_flaky) && waited.as_ref().err().is_some_and(|failure| is_explained(failure));
    Ok(Heard { waited, reports, judged, is_flaky })
}

/// Keeps, counts and judges reports that were found; what they come to goes into the log.
///
/// # Errors
/// [`Stop::Ledger`], and when reports could not be kept.
pub(crate) async fn judge(
    world: &World,
    journal: &Journal,
    found: Vec<FoundReport>,
    looking: Looking,
    by: &Rules<'_>,
) -> Result<Judgement, Stop> {
    let earlier = if by.of_check { Earlier::of(world, journal).await? } else { Earlier::default() };
    let kept = keep(world, journal, &by.what, found, earlier).await?;
    let judged = judged(&kept, by.rules, by.retried, world.clock.now());
    note(journal, &kept, &judged).await?;
    let remark = if by.of_check { judged.remark_of_check(by.retried) } else { judged.remark(by.rules, by.retried) };
    let reports = Reports::of(&kept.read(), looking, &Judging { judged: &judged, remark });
    for line in kept.notes.iter().chain(reports.iter().flat_map(|reports| &reports.lines)) {
        journal.note(line);
    }
    Ok(Judgement { kept, judged, reports })
}

/// Waits to the end. Where tests are quarantined, one job that ended badly does not end the waiting for the others: whether it did so because of
/// them shows in its report. It is handed back.
async fn until_ended(
    world: &World,
    journal: &Journal,
    waiting: &Waiting<'_>,
    listener: &Listener,
) -> (Result<Ready, Box<WaitFailure>>, Option<Box<WaitFailure>>) {
    let namespace = &waiting.target.namespace;
    let cluster: Arc<dyn Cluster> = world.clusters.get(&waiting.target.cluster);
    let left = || waiting.until.since(world.clock.now()).to_std();
    let waited = cluster.wait(namespace, waiting.keys, journal.run(), left(), listener).await;
    let now = world.clock.now();
    let is_lenient = waiting.only_jobs && waiting.by.rules.quarantine.iter().any(|quarantine| now < quarantine.until);
    match waited {
        Err(failure) if is_lenient && is_by_its_tests(&failure) => {
            let others: Vec<ObjectKey> = waiting.keys.iter().filter(|key| **key != failure.object).cloned().collect();
            let rest = match others.is_empty() {
                true => Ok(Ready::default()),
                false => cluster.wait(namespace, &others, journal.run(), left(), listener).await,
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
fn explained(failure: &WaitFailure, kept: &AllKept, judged: &Judged, expected: &Expected) -> bool {
    // Pods are called after their jobs. What lies in a bucket tells its job only where there is one.
    let stem = format!("{}-", failure.object.name);
    let is_its = |from: &str| expected.tests.len() == 1 || from.starts_with(&stem);
    is_by_its_tests(failure) && judged.explains(kept, is_its)
}

impl Heard {
    /// What did not become well, as the run's end; what the cluster knows of it goes into the log before anything is gone.
    pub(crate) fn failed(&self, journal: &Journal, failure: &WaitFailure) -> Stop {
        for event in &failure.events {
            journal.note(format!("event: {event}"));
        }
        for line in &failure.log_tail {
            journal.output("pod", line);
        }
        let named = self.reports.as_ref().and_then(Reports::named_failures);
        if let Some(bad) = named.filter(|_| failure.class == FailureClass::Own) {
            let class = if self.is_flaky { FailureClass::Flaky } else { FailureClass::Own };
            return Stop::failed(class, format!("{failure}; {bad}"));
        }
        let said: Vec<&str> = failure.log_tail.iter().map(String::as_str).filter(|line| !line.trim().is_empty()).collect();
        let tail = said.get(said.len().saturating_sub(3)..).unwrap_or_default().join(" | ");
        let last = if tail.is_empty() { String::new() } else { format!("; it last said: {tail}") };
        Stop::failed(failure.class, format!("{failure}{last}"))
    }
}

/// What is wrong although all ended well: a report that may hold a failed test could not be read.
pub(crate) fn unread(ready: &Ready) -> Option<Stop> {
    let unread = ready.unread.first()?;
    let text = format!("inconclusive: it ended well, but a report may be missing: {unread} could not be read");
    Some(Stop::failed(FailureClass::Environment, text))
}

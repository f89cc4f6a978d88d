//! Waits until what was deployed is well, or its tests have ended, and says what that comes to.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use towpath_catalog::Target;
use towpath_cluster::{ObjectKey, Reason};
use towpath_domain::{Digest, ImageRef, Timestamp};
use towpath_engine::{DeployWork, Subject, test_rules, tree};

use super::{bits, memory, still_what_was_tested};
use crate::journal::{Journal, Stop};
use crate::tested::keep::What;
use crate::work::heard::{self, artifacts};
use crate::work::memory::ran_out;
use crate::world::World;

/// The step that waits.
pub(super) const STEP: &str = "wait";

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
    let heard = heard::wait(
        world,
        journal,
        heard::Waiting {
            target,
            keys: waiting.keys,
            only_jobs: work.only_jobs,
            expected: waiting.expected,
            until: waiting.since.unwrap_or_else(|| world.clock.now()).plus(target.saas_file.timeout),
            by: heard::Rules { rules: &rules, retried, what: What { commit: Some(work.commit), tree: tree(work) }, of_check: false },
        },
    )
    .await?;
    let ready = match &heard.waited {
        Ok(ready) => ready,
        Err(failure) => {
            let stop = heard.failed(journal, failure);
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
    let unread = if work.only_jobs { heard::unread(ready) } else { None };
    if let Some(bad) = heard.reports.and_then(|reports| reports.verdict).or(unread) {
        return Err(bad);
    }
    if let Some(excused) = heard.judged.excused() {
        journal.note(excused);
    }
    Ok(running)
}

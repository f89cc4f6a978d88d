//! Deploys the parts of a check, dependencies first, and waits until all of them are well.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use towpath_cluster::{Cluster, ClusterError, ObjectKey, ObjectStatus, WaitFailure};
use towpath_engine::TestRules;
use towpath_engine::check::Blame;

use super::inputs::{Inputs, Role};
use super::merge::Merged;
use super::parts::{Component, Prepared};
use super::place::Place;
use super::{Check, blame};
use crate::journal::Stop;
use crate::tested::keep::What;
use crate::work::deploy::{bits, note_applied};
use crate::work::heard::artifacts::Expected;
use crate::work::heard::{self, Rules, Waiting};

/// The step that deploys.
const STEP: &str = "deploy";

/// The most dependencies that are named beside a failure.
const NAMED: usize = 3;

/// What the step finds.
#[derive(Debug, Serialize, Deserialize)]
struct Deployed {
    components: usize,
}

/// Deploys all that is no test. Answers with how many components that are.
pub(super) async fn roll_out(
    check: &Check<'_>,
    place: &Place,
    inputs: &Inputs,
    merged: &Merged,
    prepared: &Prepared,
) -> Result<usize, Stop> {
    let components: Vec<&Component> = prepared.components.iter().filter(|one| !matches!(one.role, Role::Test(_))).collect();
    let deploy = || async {
        if components.is_empty() {
            check.journal.note("there is nothing to deploy: neither the source nor what it depends on has a target there that is no test");
            return Ok(Deployed { components: 0 });
        }
        // Whatever is refused is refused before anything is touched.
        for one in &components {
            look_over(check, one).await?;
        }
        for one in &components {
            apply(check, one).await?;
        }
        wait(check, place, inputs, merged, prepared, &components).await?;
        Ok(Deployed { components: components.len() })
    };
    Ok(check.journal.step(STEP, deploy).await?.components)
}

fn cluster(check: &Check<'_>, one: &Component) -> Arc<dyn Cluster> {
    check.world.clusters.get(&one.target.cluster)
}

/// A refusal or failure of the cluster's, about this component.
fn refused(one: &Component, error: &ClusterError) -> Stop {
    blame::on(&one.fault, Stop::failed(error.class(), format!("{}: {error}", one.target.title())))
}

/// Whether the cluster would take a component.
pub(super) async fn look_over(check: &Check<'_>, one: &Component) -> Result<(), Stop> {
    let looked = cluster(check, one).check(&one.target.namespace, &one.owner, &one.objects).await;
    for note in looked.map_err(|error| refused(one, &error))? {
        check.journal.note(note);
    }
    Ok(())
}

/// Applies a component. Applied again by a worker that took the run over, it finds it applied.
pub(super) async fn apply(check: &Check<'_>, one: &Component) -> Result<(), Stop> {
    let handle = cluster(check, one);
    let (namespace, stop) = (&one.target.namespace, |error: ClusterError| refused(one, &error));
    note_applied(check.journal, handle.apply(namespace, &one.owner, &one.objects).await.map_err(stop)?);
    if check.work.overrides.namespace.is_some() && !one.keys.is_empty() {
        // Somebody's own namespace may hold what an earlier try left.
        for key in handle.prune(namespace, &one.owner, &one.keys).await.map_err(stop)? {
            check.journal.note(format!("{key} deleted: the template no longer has it"));
        }
    }
    Ok(())
}

async fn wait(
    check: &Check<'_>,
    place: &Place,
    inputs: &Inputs,
    merged: &Merged,
    prepared: &Prepared,
    components: &[&Component],
) -> Result<(), Stop> {
    let Check { world, journal, said, .. } = check;
    let Some(first) = components.first() else { return Ok(()) };
    let keys: Vec<ObjectKey> = components.iter().flat_map(|one| one.keys.iter().cloned()).collect();
    let waiting = Waiting {
        target: &first.target,
        keys: &keys,
        only_jobs: false,
        expected: &Expected::default(),
        until: prepared.began.plus(said.timeout),
        by: Rules {
            rules: &TestRules::default(),
            retried: 0,
            what: What { commit: Some(merged.commit), tree: inputs.tested.clone() },
            of_check: true,
        },
    };
    let heard = heard::wait(world, journal, waiting).await?;
    let ready = match &heard.waited {
        Ok(ready) => ready,
        Err(failure) => {
            let fault = whose(components, &failure.object).unwrap_or(&Blame::Environment);
            let stop = blame::on(fault, heard.failed(journal, failure));
            return Err(with_others(stop, &unwell(check, place, components, failure).await));
        }
    };
    ready.notes.iter().for_each(|note| journal.note(note));
    bits::as_wanted(world, &prepared.digests, &ready.digests).await.map_err(|stop| blame::on(&Blame::Environment, stop))?;
    Ok(())
}

/// Whose object it is.
fn whose<'a>(components: &[&'a Component], key: &ObjectKey) -> Option<&'a Blame> {
    components.iter().find(|one| one.keys.contains(key)).map(|one| &one.fault)
}

/// What of the dependencies is not well while the source's own component fails: it may be why.
async fn unwell(check: &Check<'_>, place: &Place, components: &[&Component], failure: &WaitFailure) -> Vec<String> {
    if whose(components, &failure.object) != Some(&Blame::Source) {
        return Vec::new();
    }
    let there = check.world.clusters.get(&place.cluster).list(Some(&place.namespace)).await.unwrap_or_default();
    let is_theirs = |status: &&ObjectStatus| matches!(whose(components, &status.key), Some(Blame::Dependency { .. }));
    let told = |status: &ObjectStatus| format!("{}: {}", status.key.title(), status.message);
    there.iter().filter(|status| !status.ready).filter(is_theirs).take(NAMED).map(told).collect()
}

fn with_others(stop: Stop, unwell: &[String]) -> Stop {
    match stop {
        Stop::Blamed { blame, class, message } if !unwell.is_empty() => {
            let message = format!("{message}; beside it, what it depends on is not well either: {}", unwell.join("; "));
            Stop::Blamed { blame, class, message }
        }
        stop => stop,
    }
}

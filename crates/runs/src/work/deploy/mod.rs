//! Deploys a target at a commit, or runs its jobs: render, gate, images, apply, wait, prune.

pub(super) mod bits;
pub(super) mod memory;
pub(crate) mod preview;
pub(super) mod secrets;
mod wait;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use towpath_catalog::{Catalog, Target};
use towpath_cluster::{ObjectKey, Owner, Scope};
use towpath_domain::{CommitId, RunId, TargetId, Timestamp};
use towpath_engine::{DeployWork, Event, Outcome, RenderOutcome, Subject};
use towpath_secrets::SecretValue;
use towpath_template::Recorded;

use crate::journal::{Journal, Stop};
use crate::render;
use crate::work::heard::artifacts;
use crate::work::keys::keys;
use crate::work::memory::amount;
use crate::world::{Snapshot, World};

/// What the first step finds: values are drawn once a run, and kept.
#[derive(Debug, Serialize, Deserialize)]
struct Drawn {
    generated: BTreeMap<String, String>,
}

/// What is to be applied.
struct Made {
    objects: Vec<Value>,
    /// Whether values were drawn for it.
    drawn: bool,
}

/// What applying finds.
#[derive(Debug, Serialize, Deserialize)]
struct Applied {
    /// When all was applied: the time that a deploy may take counts from here, also for a worker that takes it over.
    at: Timestamp,
    /// What the containers of jobs were given at least, in bytes: what is known when a later worker asks may be more.
    #[serde(default)]
    memory: Option<u64>,
}

/// Carries a deploy out.
pub(crate) async fn run(world: &World, journal: &Journal, work: &DeployWork) -> Result<Outcome, Stop> {
    let snapshot = world.snapshot().await?;
    let target = known_target(&snapshot.catalog, &work.target)?;
    if *target.input_hash != work.input_hash {
        return Err(Stop::Superseded { by: "the target's configuration changed since this run was queued".to_owned() });
    }
    let values = secrets::fetch(world, journal, &target).await?;
    let Made { mut objects, drawn } = render_once(world, journal, &target, work, &values).await?;
    secrets::mask(journal, &objects, &values);
    if drawn || !values.is_empty() {
        objects = secrets::remember(world, &target, work.commit, objects).await?;
    }
    let digests = journal.step("images", || bits::images(world, journal, work, &objects)).await?;
    let pinned = bits::pin(objects, &digests);
    let keys = keys(&pinned)?;
    let expected = artifacts::expected(world, &target, work.only_jobs, &pinned)?;
    journal.step("gate", || gate(world, &target, work)).await?;
    let applied: Option<Applied> = journal.step("apply", || apply(world, journal, &target, work, &pinned)).await?;
    let given = given(&target, work, &pinned, applied.as_ref().and_then(|applied| applied.memory));
    let since = applied.map(|applied| applied.at);
    let waiting = wait::Waiting { keys: &keys, digests: &digests, objects: &given, since, expected: &expected };
    let running = journal.step(wait::STEP, || wait::wait(world, journal, &target, work, waiting)).await?;
    journal.step("prune", || prune(world, journal, &target, work, &keys)).await?;
    Ok(Outcome::Deployed { digests: running })
}

/// The target as the catalog has it now.
pub(crate) fn known_target(catalog: &Catalog, id: &TargetId) -> Result<Arc<Target>, Stop> {
    catalog.targets.get(id).cloned().ok_or_else(|| Stop::Superseded { by: "the target is no longer in the config repository".to_owned() })
}

async fn render_once(
    world: &World,
    journal: &Journal,
    target: &Arc<Target>,
    work: &DeployWork,
    values: &BTreeMap<String, SecretValue>,
) -> Result<Made, Stop> {
    let around = world.rendering(render::Secrets::Values(values));
    let stop = |e: render::RenderError| Stop::failed(e.class, e);
    let drawn: Drawn = journal
        .step("render", || async {
            let as_decided = render::known(world, target, work.commit).await.map_err(stop)?;
            match &as_decided.outcome {
                RenderOutcome::Rendered { fingerprint, .. } if *fingerprint == work.fingerprint => {}
                RenderOutcome::Rendered { .. } => {
                    // What was found goes to the planner first; it would only decide the same again.
                    journal.write(Event::Rendered(as_decided)).await?;
                    return Err(Stop::Superseded { by: "the objects differ from those that were decided on".to_owned() });
                }
                RenderOutcome::Failed { class, message } => return Err(Stop::failed(*class, message)),
            }
            let none = BTreeMap::new();
            let mut draw = Recorded::new(&none);
            let rendered = render::render(around, target, work.commit, &mut draw).await.map_err(stop)?;
            for line in &rendered.left_out {
                journal.note(line);
            }
            journal.note(format!("{} objects at {}", rendered.objects.len(), work.commit.short(12)));
            Ok(Drawn { generated: rendered.generated })
        })
        .await?;
    let mut draw = Recorded::new(&drawn.generated);
    let objects = render::render(around, target, work.commit, &mut draw).await.map_err(stop)?.objects;
    Ok(Made { objects, drawn: !drawn.generated.is_empty() })
}

/// The gate once more, right before anything is touched, with what is known now.
async fn gate(world: &World, target: &Arc<Target>, work: &DeployWork) -> Result<(), Stop> {
    let snapshot = world.snapshot().await?;
    let target_now = known_target(&snapshot.catalog, &target.id)?;
    let facts = world.ledger.facts();
    let passed = towpath_engine::may_deploy(&snapshot.catalog, &facts, world.clock.now(), &target_now, work.commit);
    match passed {
        Ok(_) => Ok(()),
        Err(holds) => {
            let why: Vec<String> = holds.iter().map(|hold| towpath_engine::hold_text(hold, &*snapshot.catalog)).collect();
            Err(Stop::Superseded { by: format!("it may not go now: {}", why.join("; ")) })
        }
    }
}

/// The objects as they are applied: jobs with what they may use.
fn given(target: &Target, work: &DeployWork, objects: &[Value], memory: Option<u64>) -> Vec<Value> {
    let mut objects = objects.to_vec();
    if work.only_jobs {
        memory::provide(&mut objects, target.saas_file.deploy_resources.as_ref(), memory);
    }
    objects
}

async fn apply(
    world: &World,
    journal: &Journal,
    target: &Arc<Target>,
    work: &DeployWork,
    objects: &[Value],
) -> Result<Option<Applied>, Stop> {
    bits::are_under_test(world, work).await?;
    let snapshot = world.snapshot().await?;
    let memory = world.ledger.facts().memory.get(&Subject::Target(target.id.clone())).copied().filter(|_| work.only_jobs);
    if let Some(bytes) = memory {
        journal.note(format!("jobs get at least {} of memory, since an earlier one ran out of less", amount(bytes)));
    }
    let objects = &given(target, work, objects, memory);
    let cluster = world.clusters.get(&target.cluster);
    let stop = |e: towpath_cluster::ClusterError| Stop::failed(e.class(), e);
    let there = cluster.list(Some(&target.namespace)).await.map_err(stop)?;
    let heir_of = predecessors(&snapshot, target, there.iter().map(|object| &object.owner));
    let owner = Owner { heir_of, ..owner(target, journal.run(), work.commit) };
    for note in cluster.check(&target.namespace, &owner, objects).await.map_err(stop)? {
        journal.note(note);
    }
    let applied = cluster.apply(&target.namespace, &owner, objects).await.map_err(stop)?;
    note_applied(journal, applied);
    Ok(Some(Applied { at: world.clock.now(), memory }))
}

/// Writes down what applying did.
pub(super) fn note_applied(journal: &Journal, applied: towpath_cluster::Applied) {
    for object in applied.objects {
        journal.note(format!(
            "{} {}",
            object.key,
            match object.change {
                towpath_cluster::Change::Created => "created",
                towpath_cluster::Change::Changed => "changed",
                towpath_cluster::Change::Unchanged => "unchanged",
            }
        ));
    }
    for note in applied.notes {
        journal.note(note);
    }
}

/// Who a target is to its cluster, for a run that deploys `commit`.
pub fn owner(target: &Target, run: &RunId, commit: CommitId) -> Owner {
    Owner {
        target: target.id.clone(),
        title: target.title(),
        run: run.clone(),
        commit,
        saas_file: target.saas_file.name.to_string(),
        template: target.resource_template.clone(),
        environment: target.environment.to_string(),
        heir_of: Vec::new(),
        scope: Scope {
            types: target.saas_file.managed_resource_types.clone(),
            names: target.saas_file.managed_resource_names.clone(),
            takeover: target.saas_file.takeover,
        },
    }
}

/// Targets of the same saas file and environment that the config repository no longer has: what this one was called before it was renamed.
/// While anything in the config repository is broken, nobody knows whether they are gone, and nothing is taken over.
fn predecessors<'a>(snapshot: &Snapshot, target: &Target, owners: impl Iterator<Item = &'a Owner>) -> Vec<TargetId> {
    if snapshot.errors() > 0 {
        return Vec::new();
    }
    let same = |owner: &&Owner| *owner.saas_file == *target.saas_file.name.as_str() && *owner.environment == *target.environment.as_str();
    let mut gone: Vec<TargetId> =
        owners.filter(same).map(|owner| owner.target.clone()).filter(|id| !snapshot.catalog.targets.contains_key(id)).collect();
    gone.sort();
    gone.dedup();
    gone
}

/// A test says something only of what ran from its beginning to its end.
fn still_what_was_tested(world: &World, work: &DeployWork) -> Result<(), Stop> {
    let facts = world.ledger.facts();
    for voucher in &work.vouchers {
        let now = facts.targets.get(&voucher.target);
        if now.is_none_or(|now| now.runs != voucher.runs) {
            return Err(Stop::Superseded { by: "what was tested was deployed anew while the test ran".to_owned() });
        }
    }
    Ok(())
}

/// After a cancellation: jobs that go on would only be in the way of the next ones. Services are left as they are; the next deploy says what
/// is to run.
pub(crate) async fn give_up(world: &World, journal: &Journal, work: &DeployWork) {
    let Some(target) = world.current().catalog.targets.get(&work.target).filter(|_| work.only_jobs).cloned() else { return };
    match world.clusters.get(&target.cluster).delete(&target.namespace, &owner(&target, journal.run(), work.commit)).await {
        Ok(gone) => gone.iter().for_each(|key| journal.note(format!("{key} ended"))),
        Err(error) => journal.note(format!("the jobs could not be ended: {error}")),
    }
}

async fn prune(world: &World, journal: &Journal, target: &Arc<Target>, work: &DeployWork, keep: &[ObjectKey]) -> Result<(), Stop> {
    if keep.is_empty() {
        journal.note("nothing was rendered, so nothing is pruned; `delete: true` deletes a target's objects");
        return Ok(());
    }
    let cluster = world.clusters.get(&target.cluster);
    let gone =
        cluster.prune(&target.namespace, &owner(target, journal.run(), work.commit), keep).await.map_err(|e| Stop::failed(e.class(), e))?;
    for key in gone {
        journal.note(format!("{key} deleted: the template no longer has it"));
    }
    Ok(())
}

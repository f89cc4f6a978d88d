//! Taking objects in, and letting them go.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;
use towpath_domain::{NamespaceName, TargetId};

use super::namespaces::{Space, Wanted};
use super::world::{Object, Record, State, World};
use super::{Core, services, store};
use crate::api::{Applied, AppliedObject, Change, ClusterError, ObjectDiff, ObjectKey, Owner, Refusal, is_dns_name};
use crate::clock::now;
use crate::diff;
use crate::digest;
use crate::spec::{Spec, key_of};

/// Objects that were found good.
pub(super) struct Batch<'a> {
    objects: Vec<(ObjectKey, Spec, Cow<'a, Value>)>,
    pub(super) notes: Vec<String>,
}

/// Reads the objects and says everything that is wrong with them.
pub(super) fn check<'a>(world: &World, namespace: &NamespaceName, owner: &Owner, objects: &'a [Value]) -> Result<Batch<'a>, ClusterError> {
    let mut refusals = Vec::new();
    let mut refuse =
        |object: &str, field: &str, why: String| refusals.push(Refusal { object: object.to_owned(), field: field.to_owned(), why });
    if !is_dns_name(namespace.as_str()) {
        refuse(&format!("namespace {namespace}"), "", "is not a DNS name; namespaces of the local runtime need one".to_owned());
    }
    let space = world.spaces.get(namespace);
    if space.is_some_and(Space::is_ending) {
        refuse(&format!("namespace {namespace}"), "", "is being deleted; deploy into another one".to_owned());
    }
    let (mut good, mut keys, mut broken) = (Vec::new(), BTreeSet::new(), Vec::new());
    for object in objects {
        let key = match key_of(object) {
            Ok(key) => key,
            Err(refusal) => {
                broken.push(refusal);
                continue;
            }
        };
        let title = key.title();
        let object = match space.and_then(|space| space.bounds.filled(object)) {
            Some(filled) => Cow::Owned(filled),
            None => Cow::Borrowed(object),
        };
        if !keys.insert(key.clone()) {
            refuse(&title, "", "is rendered twice; rename or remove one of them".to_owned());
        }
        let own_namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        if let Some(other) = own_namespace.filter(|own| *own != namespace.as_str()) {
            refuse(&title, "metadata.namespace", format!("is {other}, but the target deploys into {namespace}; remove the field"));
        }
        if let Some(there) = world.objects.get(&(namespace.clone(), key.clone())) {
            let other = &there.record.owner;
            if other.target != owner.target && !owner.heir_of.contains(&other.target) {
                let why = format!(
                    "belongs to target {} of saas file {} ({}); rename this object, or give that target `delete: true` first, \
                     which must be put back for that if it is gone",
                    other.title, other.saas_file, other.target
                );
                refuse(&title, "", why);
            } else if key.kind == "Job" && other.run == owner.run && there.record.hash != digest::of_value(&object) {
                refuse(&title, "spec", format!("was applied differently by the same run {}; a job changes only with a new run", owner.run));
            }
        }
        match Spec::read(&key, &object) {
            Ok(spec) => good.push((key, spec, object)),
            Err(mut found) => broken.append(&mut found),
        }
    }
    refusals.append(&mut broken);
    if let Some(space) = space {
        let others = world.objects.iter().filter(|((of, key), _)| of == namespace && !keys.contains(key));
        let others = others.map(|((_, key), there)| Wanted { key, spec: &there.spec, is_over: there.record.state.job_end.is_some() });
        // A job that this run has done is not done again.
        let is_done = |key: &ObjectKey| {
            let there = world.objects.get(&(namespace.clone(), key.clone()));
            there.is_some_and(|there| there.record.owner.run == owner.run && there.record.state.job_end.is_some())
        };
        let these = good.iter().map(|(key, spec, _)| Wanted { key, spec, is_over: is_done(key) });
        refusals.extend(space.bounds.exceeded(others.chain(these)));
    }
    let notes = notes(&good, &mut refusals);
    if refusals.is_empty() { Ok(Batch { objects: good, notes }) } else { Err(ClusterError::Refused { refusals }) }
}

/// Notes on what nothing acts on here; a refusal when the whole batch is such.
fn notes(objects: &[(ObjectKey, Spec, Cow<'_, Value>)], refusals: &mut Vec<Refusal>) -> Vec<String> {
    let idle: Vec<String> = objects.iter().filter(|(_, spec, _)| *spec == Spec::Unsupported).map(|(key, _, _)| key.title()).collect();
    let acts = objects.iter().any(|(_, spec, _)| matches!(spec, Spec::Deployment(_) | Spec::Job(_)));
    if !acts && !idle.is_empty() {
        refusals.push(Refusal {
            object: idle.join(", "),
            field: "kind".to_owned(),
            why: "nothing on the local runtime acts on it, and the target renders no Deployment or Job; deploy it to a cluster with the \
                  operator it needs, or render Deployments and Jobs for this environment"
                .to_owned(),
        });
    }
    let mut notes: Vec<String> = idle.iter().map(|title| format!("{title} is kept, but nothing on the local runtime acts on it")).collect();
    let passive: Vec<String> = objects.iter().filter(|(_, spec, _)| *spec == Spec::Passive).map(|(key, _, _)| key.title()).collect();
    if !passive.is_empty() {
        notes.push(format!("{}: kept; on one machine there is nothing to do for it", passive.join(", ")));
    }
    notes
}

/// Makes the objects the wanted state.
pub(super) fn apply(core: &Core, namespace: &NamespaceName, owner: &Owner, objects: &[Value]) -> Result<Applied, ClusterError> {
    let applied = apply_to(core, &mut core.world(), namespace, owner, objects)?;
    core.wake.notify_one();
    Ok(applied)
}

/// The same for those who hold the world; they wake the controllers themselves.
pub(super) fn apply_to(
    core: &Core,
    world: &mut World,
    namespace: &NamespaceName,
    owner: &Owner,
    objects: &[Value],
) -> Result<Applied, ClusterError> {
    let batch = check(world, namespace, owner, objects)?;
    let mut applied = Applied { objects: Vec::new(), notes: batch.notes };
    let mut taken = Vec::new();
    for (key, spec, object) in batch.objects {
        let before = world.objects.get(&(namespace.clone(), key.clone()));
        let (change, mut record) = next_record(&key, owner, &object, before.map(|object| &object.record));
        if let Spec::Service(service) = &spec {
            services::allot_ports(world, namespace, &key.name, service, &mut record.state.ports);
        }
        applied.objects.push(AppliedObject { key: key.clone(), change });
        taken.push((key, spec, record, change));
    }
    // What pods read is written before what makes pods: if the power fails in between, no pod starts without it.
    taken.sort_by_key(|(_, spec, _, _)| spec.template().is_some());
    for (key, _, record, _) in &taken {
        let unsaved = |source| ClusterError::Storage { what: format!("writing {key} of namespace {namespace}"), source };
        store::save(&core.settings.dir, namespace, key, record).map_err(unsaved)?;
    }
    for (key, spec, record, change) in taken {
        if change != Change::Unchanged {
            let verb = if change == Change::Created { "created" } else { "changed" };
            world.tell(namespace, &key, false, format!("{verb} by {}, run {}", owner.title, owner.run));
        }
        world.objects.insert((namespace.clone(), key), Object::new(record, spec));
    }
    Ok(applied)
}

/// The record after applying `object`, and what that changed.
fn next_record(key: &ObjectKey, owner: &Owner, object: &Value, before: Option<&Record>) -> (Change, Record) {
    let hash = digest::of_value(object);
    let Some(before) = before else {
        let owner = Owner { heir_of: Vec::new(), ..owner.clone() };
        let record = Record { owner, generation: 1, hash, applied: now(), object: object.clone(), state: State::default() };
        return (Change::Created, record);
    };
    let same = before.hash == hash;
    // A job is something that is done: another run does it anew.
    let anew = key.kind == "Job" && before.owner.run != owner.run;
    let mut record = before.clone();
    record.owner = Owner { heir_of: Vec::new(), ..owner.clone() };
    if same && !anew {
        return (Change::Unchanged, record);
    }
    record.generation += 1;
    record.applied = now();
    record.hash = hash;
    record.object = object.clone();
    record.state.job_end = None;
    (Change::Changed, record)
}

/// What applying and pruning would change.
pub(super) fn diff(world: &World, namespace: &NamespaceName, owner: &Owner, objects: &[Value]) -> Result<Vec<ObjectDiff>, ClusterError> {
    let batch = check(world, namespace, owner, objects)?;
    let mut diffs = Vec::new();
    let mut keep = BTreeSet::new();
    for (key, _, object) in batch.objects {
        let before = world.objects.get(&(namespace.clone(), key.clone())).map(|there| &there.record.object);
        let change = match before {
            None => Some(Change::Created),
            Some(before) if *before != *object => Some(Change::Changed),
            Some(_) => None,
        };
        if let Some(change) = change {
            diffs.push(ObjectDiff { key: key.clone(), change: Some(change), lines: diff::unified(before, Some(&object)) });
        }
        keep.insert(key);
    }
    let owned = world.objects.iter().filter(|((of, _), object)| of == namespace && object.record.owner.target == owner.target);
    for ((_, key), object) in owned.filter(|((_, key), _)| !keep.is_empty() && !keep.contains(key)) {
        diffs.push(ObjectDiff { key: key.clone(), change: None, lines: diff::unified(Some(&object.record.object), None) });
    }
    Ok(diffs)
}

/// Deletes what `target` owns and `keep` does not name.
pub(super) fn prune(core: &Core, namespace: &NamespaceName, target: &TargetId, keep: &[ObjectKey]) -> Result<Vec<ObjectKey>, ClusterError> {
    let mut world = core.world();
    let owned = world.objects.iter().filter(|((of, _), object)| of == namespace && object.record.owner.target == *target);
    let gone: Vec<ObjectKey> = owned.map(|((_, key), _)| key.clone()).filter(|key| !keep.contains(key)).collect();
    for key in &gone {
        store::delete(&core.settings.dir, namespace, key)
            .map_err(|source| ClusterError::Storage { what: format!("deleting {key} of namespace {namespace}"), source })?;
        world.objects.remove(&(namespace.clone(), key.clone()));
        world.tell(namespace, key, false, "deleted");
    }
    drop(world);
    core.wake.notify_one();
    Ok(gone)
}

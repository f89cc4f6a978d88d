//! How a namespace of this machine stands, by what is in memory of it and its claims. Pure.

use std::collections::BTreeSet;

use serde_json::Value;
use towpath_domain::NamespaceName;

use super::bounds::Bounds;
use crate::api::{NamespaceStanding, NamespaceWanted, ObjectKey};
use crate::clock::now;
use crate::digest;
use crate::local::controller;
use crate::local::health::Health;
use crate::local::world::World;
use crate::wanted::{given_to, missing_secret};

/// How many objects a message names.
const NAMED: usize = 20;

/// How it stands. `keys` are those of its manifests; `claims` the folders of persistent volumes that are there.
pub(super) fn standing(world: &World, wanted: &NamespaceWanted, keys: &[ObjectKey], claims: &[String]) -> NamespaceStanding {
    let name = &wanted.name;
    let Some(space) = world.spaces.get(name) else {
        return match contents(world, name, claims).is_empty() {
            true => NamespaceStanding::Absent,
            false => {
                NamespaceStanding::Broken { why: format!("namespace {name} {}; have the pool name its namespaces otherwise", whose(None)) }
            }
        };
    };
    let record = &space.record;
    if record.installation != wanted.installation {
        let why = format!("namespace {name} {}; have the pool name its namespaces otherwise", whose(Some(&record.installation)));
        return NamespaceStanding::Broken { why };
    }
    if record.ending {
        return NamespaceStanding::Ending { held_by: Vec::new() };
    }
    if let Some(requester) = &record.requester {
        // Whatever else may be said of it, nobody else gets it, and nobody makes anything in it.
        return NamespaceStanding::Dirty { found: vec![given_to(requester)] };
    }
    let waits = |waits: String| NamespaceStanding::Making { waits };
    if let Some(lack) = secrets(world, wanted) {
        return lack;
    }
    if record.quotas != wanted.quotas || record.limit_ranges != wanted.limit_ranges || record.pool != wanted.pool {
        return waits("its quotas and limits are those of an earlier definition of the pool".to_owned());
    }
    let mut lacks = wanted.manifests.iter().zip(keys).filter_map(|(manifest, key)| lack(world, name, &space.bounds, manifest, key));
    let first = lacks.next();
    if let Some(worst) = lacks.find(|lack| matches!(lack, NamespaceStanding::Broken { .. })).or(first) {
        return worst;
    }
    let found = leftovers(world, wanted, keys, claims);
    if found.is_empty() { NamespaceStanding::Ready } else { NamespaceStanding::Dirty { found } }
}

/// Why a namespace may not be touched.
pub(super) fn whose(installation: Option<&str>) -> String {
    match installation {
        None => "is there already and was not made by Towpath for a pool".to_owned(),
        Some(installation) => format!("is there already and belongs to installation {installation}"),
    }
}

/// All that is in a namespace: objects, pods, services' ports, claims.
pub(super) fn contents(world: &World, name: &NamespaceName, claims: &[String]) -> BTreeSet<String> {
    let objects = world.objects.keys().filter(|(of, _)| of == name).map(|(_, key)| key.to_string());
    let pods = world.pods.keys().filter(|(of, _)| of == name).map(|(_, pod)| format!("Pod/{pod}"));
    let services = world.services.keys().filter(|(of, _)| of == name).map(|(_, service)| format!("Service/{service}"));
    let claims = claims.iter().map(|claim| format!("PersistentVolumeClaim/{claim}"));
    objects.chain(pods).chain(services).chain(claims).collect()
}

/// What is there and was not wanted: what pods of wanted objects need is wanted, too.
fn leftovers(world: &World, wanted: &NamespaceWanted, keys: &[ObjectKey], claims: &[String]) -> Vec<String> {
    let name = &wanted.name;
    let copied = wanted.secrets.iter().flat_map(|from| &from.names).map(|name| secret(name));
    let mut fine: BTreeSet<String> = keys.iter().cloned().chain(copied).map(|key| key.to_string()).collect();
    fine.extend(
        world.pods.iter().filter(|((of, _), pod)| of == name && keys.contains(&pod.info.object)).map(|((_, pod), _)| format!("Pod/{pod}")),
    );
    for object in keys.iter().filter_map(|key| world.objects.get(&(name.clone(), key.clone()))) {
        let volumes = object.spec.template().into_iter().flat_map(|template| &template.spec.volumes);
        let claims = volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref());
        fine.extend(claims.map(|claim| format!("PersistentVolumeClaim/{}", claim.claim_name)));
    }
    let is_expected = |text: &String| text.parse().is_ok_and(|key| wanted.expected.iter().any(|expected| expected.names(&key)));
    let mut left: Vec<String> = contents(world, name, claims).into_iter().filter(|one| !fine.contains(one) && !is_expected(one)).collect();
    if left.len() > NAMED {
        let more = left.len() - (NAMED - 1);
        left.truncate(NAMED - 1);
        left.push(format!("and {more} more"));
    }
    left
}

/// The key of a secret.
pub(super) fn secret(name: &str) -> ObjectKey {
    ObjectKey { kind: "Secret".to_owned(), group: String::new(), name: name.to_owned() }
}

/// What the copies of secrets lack.
fn secrets(world: &World, wanted: &NamespaceWanted) -> Option<NamespaceStanding> {
    let from = wanted.secrets.as_ref()?;
    let copies = &world.spaces.get(&wanted.name)?.record.copies;
    let mut lack = None;
    for name in &from.names {
        let Some(source) = world.objects.get(&(from.namespace.clone(), secret(name))) else {
            return Some(NamespaceStanding::Broken { why: format!("Secret/{name} {}", missing_secret(from.namespace.as_str())) });
        };
        let there = world.objects.contains_key(&(wanted.name.clone(), secret(name)));
        let waits = match copies.get(name) {
            Some(copied) if there && *copied == source.record.hash => continue,
            Some(_) if there => format!("Secret/{name} is a copy of an earlier version"),
            _ => format!("Secret/{name} is not copied yet"),
        };
        lack = lack.or(Some(NamespaceStanding::Making { waits }));
    }
    lack
}

/// What a manifest's object lacks.
fn lack(world: &World, name: &NamespaceName, bounds: &Bounds, manifest: &Value, key: &ObjectKey) -> Option<NamespaceStanding> {
    let waits = |waits: String| Some(NamespaceStanding::Making { waits });
    let place = (name.clone(), key.clone());
    let Some(object) = world.objects.get(&place) else { return waits(format!("{} is not there yet", key.title())) };
    let hash = bounds.filled(manifest).map_or_else(|| digest::of_value(manifest), |filled| digest::of_value(&filled));
    if object.record.hash != hash {
        return waits(format!("{} is as an earlier definition of the pool wants it", key.title()));
    }
    if !object.spec.acts() {
        return None;
    }
    match controller::of(world, &place, now()) {
        Health::Ready => None,
        Health::Progressing { message, .. } => waits(format!("{}: {message}", key.title())),
        Health::Failed(failure) => Some(NamespaceStanding::Broken { why: format!("{}: {}", key.title(), failure.message) }),
    }
}

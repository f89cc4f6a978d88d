//! Ephemeral namespaces on this machine: a record on disk, and whatever any namespace has.
//!
//! There is nobody here to whom access could be granted: whoever may use the machine may use them all. Who was given one is only written down.

mod bounds;
mod judge;
mod limits;
mod record;

use std::io;

use serde_json::{Value, json};
use towpath_domain::{CommitId, FailureClass, NamespaceName, RunId, TargetId};

use super::world::World;
use super::{Core, LocalCluster, batch, store};
use crate::api::{
    BoxFuture, ClusterError, EphemeralNamespaces, Examination, FoundNamespace, NamespaceEnd, NamespaceStanding, NamespaceWanted, ObjectKey,
    Owner, Refusal, Requester, Scope,
};
use crate::clock::now;
use crate::wanted::{checked, checked_requester, missing_secret};
use crate::{digest, files};
use bounds::Bounds;
pub(super) use bounds::Wanted;
use record::Record;
pub(super) use record::{Space, load};

impl EphemeralNamespaces for LocalCluster {
    fn make<'a>(&'a self, wanted: &'a NamespaceWanted) -> BoxFuture<'a, Result<(), ClusterError>> {
        let wanted = wanted.clone();
        Box::pin(self.blocking(move |core| make(core, &wanted)))
    }

    fn standing<'a>(&'a self, wanted: &'a NamespaceWanted) -> BoxFuture<'a, Result<NamespaceStanding, ClusterError>> {
        Box::pin(async move {
            let keys = checked(wanted)?;
            let claims = claims(&self.core, &wanted.name)?;
            Ok(judge::standing(&self.core.world(), wanted, &keys, &claims))
        })
    }

    fn grant<'a>(&'a self, name: &'a NamespaceName, installation: &'a str, to: &'a Requester) -> BoxFuture<'a, Result<(), ClusterError>> {
        let (name, installation, to) = (name.clone(), installation.to_owned(), to.clone());
        Box::pin(self.blocking(move |core| grant(core, &name, &installation, &to)))
    }

    fn end<'a>(&'a self, name: &'a NamespaceName, installation: &'a str) -> BoxFuture<'a, Result<NamespaceEnd, ClusterError>> {
        let (name, installation) = (name.clone(), installation.to_owned());
        Box::pin(self.blocking(move |core| end(core, &name, &installation)))
    }

    fn found<'a>(&'a self, installation: &'a str) -> BoxFuture<'a, Result<Vec<FoundNamespace>, ClusterError>> {
        Box::pin(async move {
            let world = self.core.world();
            let ours = world.spaces.iter().filter(|(_, space)| space.record.installation == installation);
            let found = ours.map(|(name, Space { record, .. })| FoundNamespace {
                name: name.clone(),
                pool: record.pool.clone(),
                made_at: Some(record.made_at),
                requester: record.requester.clone(),
                ending: record.ending,
            });
            Ok(found.collect())
        })
    }

    /// Nothing is forbidden here; what the machine cannot keep is.
    fn examine_pool<'a>(&'a self, wanted: &'a NamespaceWanted, _: &'a str) -> BoxFuture<'a, Result<Examination, ClusterError>> {
        Box::pin(async move {
            checked(wanted)?;
            Bounds::read(&wanted.quotas, &wanted.limit_ranges).map_err(|refusals| ClusterError::Refused { refusals })?;
            Ok(Examination { version: "the embedded runtime".to_owned(), ..Examination::default() })
        })
    }
}

fn unsaved(name: &NamespaceName) -> impl Fn(io::Error) -> ClusterError {
    let what = format!("writing down namespace {name}");
    move |source| ClusterError::Storage { what: what.clone(), source }
}

/// The persistent volumes that are there.
fn claims(core: &Core, name: &NamespaceName) -> Result<Vec<String>, ClusterError> {
    let found = files::entries(&core.settings.dir.join("claims").join(name.as_str()));
    let storage = |source| ClusterError::Storage { what: format!("looking at the claims of namespace {name}"), source };
    Ok(found.map_err(storage)?.into_iter().map(|(claim, _)| claim).collect())
}

/// Makes it, or what of it is not as wanted.
fn make(core: &Core, wanted: &NamespaceWanted) -> Result<(), ClusterError> {
    checked(wanted)?;
    let bounds = Bounds::read(&wanted.quotas, &wanted.limit_ranges).map_err(|refusals| ClusterError::Refused { refusals })?;
    let claims = claims(core, &wanted.name)?;
    // Held to the end: a namespace that is ended meanwhile must not come to life again half made.
    let mut world = core.world();
    keep(core, &mut world, wanted, bounds, &claims)?;
    let (mut objects, copies) = copies(&world, wanted)?;
    objects.extend(wanted.manifests.iter().cloned());
    if !objects.is_empty() {
        batch::apply_to(core, &mut world, &wanted.name, &owner(wanted, &objects)?, &objects)?;
    }
    if let Some(space) = world.spaces.get_mut(&wanted.name).filter(|space| space.record.copies != copies) {
        let record = Record { copies, ..space.record.clone() };
        record::save(&core.settings.dir, &wanted.name, &record).map_err(unsaved(&wanted.name))?;
        space.record = record;
    }
    drop(world);
    core.wake.notify_one();
    Ok(())
}

/// Writes down that there is such a namespace, and what bounds it, before anything may run in it. What cannot run in it is refused before.
fn keep(core: &Core, world: &mut World, wanted: &NamespaceWanted, bounds: Bounds, claims: &[String]) -> Result<(), ClusterError> {
    let name = &wanted.name;
    let before = world.spaces.get(name).map(|space| &space.record);
    let whose = match before {
        Some(record) if record.ending && record.installation == wanted.installation => {
            let why = "the namespace is still being deleted, and can be made anew when it is gone".to_owned();
            let what = format!("making Namespace/{name}");
            return Err(ClusterError::Api { cluster: "local".to_owned(), what, why, class: FailureClass::Environment });
        }
        Some(record) if record.installation != wanted.installation => Some(judge::whose(Some(&record.installation))),
        None if !judge::contents(world, name, claims).is_empty() => Some(judge::whose(None)),
        _ => None,
    };
    if let Some(whose) = whose {
        let why = format!("{whose}; it is left as it is: have the pool name its namespaces otherwise");
        return Err(ClusterError::Refused { refusals: vec![Refusal { object: format!("Namespace/{name}"), field: String::new(), why }] });
    }
    let record = Record {
        installation: wanted.installation.clone(),
        pool: wanted.pool.clone(),
        made_at: before.map_or_else(now, |record| record.made_at),
        quotas: wanted.quotas.clone(),
        limit_ranges: wanted.limit_ranges.clone(),
        copies: before.map(|record| record.copies.clone()).unwrap_or_default(),
        requester: before.and_then(|record| record.requester.clone()),
        ending: false,
    };
    let is_new = before != Some(&record);
    let before = world.spaces.insert(name.clone(), Space { record: record.clone(), bounds });
    let kept = batch::check(world, name, &owner(wanted, &wanted.manifests)?, &wanted.manifests)
        .and_then(|_| if is_new { record::save(&core.settings.dir, name, &record).map_err(unsaved(name)) } else { Ok(()) });
    if kept.is_err() {
        match before {
            Some(before) => drop(world.spaces.insert(name.clone(), before)),
            None => drop(world.spaces.remove(name)),
        }
    }
    kept
}

/// Copies of secrets with the hashes of what they are of, by their names.
type Copies = (Vec<Value>, std::collections::BTreeMap<String, String>);

/// Copies of the secrets that are named, and of no other.
fn copies(world: &World, wanted: &NamespaceWanted) -> Result<Copies, ClusterError> {
    let (mut objects, mut hashes, mut refusals) = (Vec::new(), std::collections::BTreeMap::new(), Vec::new());
    for name in wanted.secrets.iter().flat_map(|from| &from.names) {
        let from = wanted.secrets.as_ref().map(|from| from.namespace.clone());
        let source = from.as_ref().and_then(|from| world.objects.get(&(from.clone(), judge::secret(name))));
        let Some(source) = source else {
            let why = missing_secret(from.as_ref().map(NamespaceName::as_str).unwrap_or_default());
            refusals.push(Refusal { object: format!("Secret/{name}"), field: String::new(), why });
            continue;
        };
        let mut copy = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
        for field in ["type", "data", "stringData"] {
            if let Some(value) = source.record.object.get(field) {
                copy[field] = value.clone();
            }
        }
        hashes.insert(name.clone(), source.record.hash.clone());
        if !objects.contains(&copy) {
            objects.push(copy);
        }
    }
    if refusals.is_empty() { Ok((objects, hashes)) } else { Err(ClusterError::Refused { refusals }) }
}

/// On whose behalf the pool's objects are there. The same objects are the same run, so that making them again makes no second job.
fn owner(wanted: &NamespaceWanted, objects: &[Value]) -> Result<Owner, ClusterError> {
    let nonsense = |e: String| ClusterError::Storage { what: format!("naming namespace {}", wanted.name), source: io::Error::other(e) };
    let short = |text: &str| digest::of_text(text).chars().take(16).collect::<String>();
    let content = digest::of_value(&Value::from(objects.to_vec()));
    let target = short(&format!("{} {}", wanted.installation, wanted.name));
    let commit: CommitId = "0".repeat(40).parse().map_err(|e: towpath_domain::CommitIdError| nonsense(e.to_string()))?;
    Ok(Owner {
        target: TargetId::new(format!("pool-{target}")).map_err(|e| nonsense(e.to_string()))?,
        title: format!("pool {}", wanted.pool),
        run: RunId::new(format!("pool-{}", short(&content))).map_err(|e| nonsense(e.to_string()))?,
        commit,
        saas_file: "(none: it came with the namespace)".to_owned(),
        template: String::new(),
        environment: String::new(),
        heir_of: Vec::new(),
        scope: Scope::default(),
    })
}

/// Writes down who has it.
fn grant(core: &Core, name: &NamespaceName, installation: &str, to: &Requester) -> Result<(), ClusterError> {
    checked_requester(to)?;
    let mut world = core.world();
    let space = world.spaces.get_mut(name).filter(|space| space.record.installation == installation && !space.record.ending);
    let Some(space) = space else {
        return Err(ClusterError::NotFound { namespace: name.to_string(), what: format!("pool of installation {installation}") });
    };
    let record = Record { requester: Some(to.name.clone()), ..space.record.clone() };
    record::save(&core.settings.dir, name, &record).map_err(unsaved(name))?;
    space.record = record;
    Ok(())
}

/// Ends it, or tells how far its end has come.
fn end(core: &Core, name: &NamespaceName, installation: &str) -> Result<NamespaceEnd, ClusterError> {
    let storage = |source| ClusterError::Storage { what: format!("ending namespace {name}"), source };
    let dir = &core.settings.dir;
    let mut world = core.world();
    let Some(space) = world.spaces.get_mut(name).filter(|space| space.record.installation == installation) else {
        return Ok(NamespaceEnd::Gone);
    };
    if !space.record.ending {
        // First: from now on nothing is applied to it, whatever happens to this process.
        let record = Record { ending: true, ..space.record.clone() };
        record::save(dir, name, &record).map_err(storage)?;
        space.record = record;
    }
    let keys: Vec<ObjectKey> = world.objects.keys().filter(|(of, _)| of == name).map(|(_, key)| key.clone()).collect();
    for key in &keys {
        store::delete(dir, name, key).map_err(storage)?;
        world.objects.remove(&(name.clone(), key.clone()));
    }
    let runs = world.pods.keys().any(|(of, _)| of == name) || world.services.keys().any(|(of, _)| of == name);
    if runs {
        drop(world);
        core.wake.notify_one();
        return Ok(NamespaceEnd::Ending { held_by: Vec::new() });
    }
    for kind in ["claims", "objects", "pods", "services"] {
        store::discard(dir, &dir.join(kind).join(name.as_str()), &format!("{kind}-{name}")).map_err(storage)?;
    }
    record::delete(dir, name).map_err(storage)?;
    world.spaces.remove(name);
    Ok(NamespaceEnd::Gone)
}

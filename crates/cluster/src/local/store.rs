//! The world's files: what is wanted is read once and written at each change; what runs is found.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use towpath_domain::NamespaceName;

use super::namespaces;
use super::world::{Object, PodEntry, PodInfo, Record, ServiceEntry, Shim, Stage, World};
use crate::api::ObjectKey;
use crate::files::{self, Durability};
use crate::pod::{PodDir, PodPlan};
use crate::shim::{ProxyDir, ProxyStatus};
use crate::spec::Spec;

pub(super) fn object_file(dir: &Path, namespace: &NamespaceName, key: &ObjectKey) -> PathBuf {
    dir.join("objects").join(namespace.as_str()).join(key.kind_and_group()).join(format!("{}.json", key.name))
}

pub(super) fn pod_dir(dir: &Path, namespace: &NamespaceName, name: &str) -> PodDir {
    PodDir::new(dir.join("pods").join(namespace.as_str()).join(name))
}

pub(super) fn service_dir(dir: &Path, namespace: &NamespaceName, name: &str) -> ProxyDir {
    ProxyDir::new(dir.join("services").join(namespace.as_str()).join(name))
}

/// Writes an object so that it outlives everything.
pub(super) fn save(dir: &Path, namespace: &NamespaceName, key: &ObjectKey, record: &Record) -> io::Result<()> {
    let path = object_file(dir, namespace, key);
    files::make_private_dir(path.parent().unwrap_or(dir))?;
    files::write_json(&path, record, Durability::Power)
}

/// Deletes an object. One that is not there is deleted.
pub(super) fn delete(dir: &Path, namespace: &NamespaceName, key: &ObjectKey) -> io::Result<()> {
    let path = object_file(dir, namespace, key);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Err(_) => Ok(()),
        Ok(()) => fs::File::open(path.parent().unwrap_or(dir))?.sync_all(),
    }
}

/// Moves a folder out of the way in one step and deletes it in the background.
pub(super) fn discard(dir: &Path, folder: &Path, name: &str) -> io::Result<()> {
    let trash = dir.join("trash");
    files::make_private_dir(&trash)?;
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let there = trash.join(format!("{name}-{nanos}"));
    match fs::rename(folder, &there) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    }
    std::thread::spawn(move || empty(&there));
    Ok(())
}

/// Deletes a folder of the trash; what cannot be deleted now is tried at the next start.
fn empty(folder: &Path) {
    if let Err(e) = fs::remove_dir_all(folder) {
        tracing::warn!(folder = %folder.display(), error = %e, "a folder in the trash cannot be deleted");
    }
}

/// Reads all that is there.
pub(super) fn load(dir: &Path) -> io::Result<World> {
    let mut world = World::new(dir.to_owned());
    world.spaces = namespaces::load(dir)?;
    let trash = dir.join("trash");
    std::thread::spawn(move || {
        for (_, path) in files::entries(&trash).unwrap_or_default() {
            empty(&path);
        }
    });
    for (namespace, path) in folders(&dir.join("objects"))? {
        for (kind, path) in files::entries(&path)? {
            for (file, path) in files::entries(&path)? {
                let Some(Ok(key)) = file.strip_suffix(".json").map(|name| format!("{kind}/{name}").parse::<ObjectKey>()) else { continue };
                match load_object(&key, &path) {
                    Ok(object) => {
                        world.objects.insert((namespace.clone(), key), object);
                    }
                    // One damaged object must not stop the others; it stays on disk for people to look at.
                    Err(e) => tracing::error!(object = %key, error = %e, "an object cannot be read and is passed over"),
                }
            }
        }
    }
    for (namespace, path) in folders(&dir.join("pods"))? {
        for (name, path) in files::entries(&path)? {
            match load_pod(PodDir::new(path.clone())) {
                Some(pod) => {
                    world.pods.insert((namespace.clone(), name), pod);
                }
                // Its making was cut short: it is made anew if it is still wanted.
                None => discard(dir, &path, &name)?,
            }
        }
    }
    for (namespace, path) in folders(&dir.join("services"))? {
        for (name, path) in files::entries(&path)? {
            let dir = ProxyDir::new(path);
            let stopping = dir.stop().exists();
            let entry = ServiceEntry { dir, status: ProxyStatus::default(), seen: None, stopping, shim: Shim::default() };
            world.services.insert((namespace.clone(), name), entry);
        }
    }
    Ok(world)
}

fn folders(dir: &Path) -> io::Result<Vec<(NamespaceName, PathBuf)>> {
    Ok(files::entries(dir)?.into_iter().filter_map(|(name, path)| Some((NamespaceName::new(name).ok()?, path))).collect())
}

fn load_object(key: &ObjectKey, path: &Path) -> io::Result<Object> {
    let record: Record = files::read_json(path)?.ok_or(io::ErrorKind::NotFound)?;
    let spec = Spec::read(key, &record.object).map_err(|refusals| {
        let why = refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        io::Error::new(io::ErrorKind::InvalidData, why)
    })?;
    Ok(Object::new(record, spec))
}

fn load_pod(dir: PodDir) -> Option<PodEntry> {
    let plan: PodPlan = files::read_json(&dir.plan()).ok()??;
    let stopping = dir.stop().exists();
    Some(PodEntry { dir, info: PodInfo::of(&plan), stage: Stage::Made, status: None, seen: None, stopping, shim: Shim::default() })
}

impl PodInfo {
    pub(super) fn of(plan: &PodPlan) -> Self {
        Self {
            uid: plan.uid.clone(),
            object: plan.object.clone(),
            revision: plan.revision.clone(),
            run: plan.run.clone(),
            ordinal: plan.ordinal,
            labels: plan.labels.clone(),
            images: plan.images.clone(),
            containers: plan.init.iter().chain(&plan.containers).map(|container| container.name.clone()).collect(),
        }
    }
}

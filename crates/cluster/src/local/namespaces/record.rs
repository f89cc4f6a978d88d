//! What the runtime keeps of an ephemeral namespace: one file each, `<dir>/namespaces/<name>.json`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use towpath_domain::{NamespaceName, Timestamp};

use super::bounds::Bounds;
use crate::files::{self, Durability};

/// An ephemeral namespace. Its objects, pods and claims are where those of any namespace are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::local) struct Record {
    pub(super) installation: String,
    pub(super) pool: String,
    pub(super) made_at: Timestamp,
    pub(super) quotas: Vec<Value>,
    pub(super) limit_ranges: Vec<Value>,
    /// By the name of a copied secret, the hash of what was copied.
    #[serde(default)]
    pub(super) copies: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) requester: Option<String>,
    #[serde(default)]
    pub(super) ending: bool,
}

/// A namespace in memory.
pub(in crate::local) struct Space {
    pub(super) record: Record,
    pub(in crate::local) bounds: Bounds,
}

impl Space {
    /// Whether nothing may be applied to it any more.
    pub(in crate::local) fn is_ending(&self) -> bool {
        self.record.ending
    }
}

fn file(dir: &Path, name: &NamespaceName) -> PathBuf {
    dir.join("namespaces").join(format!("{name}.json"))
}

/// Writes a record so that it outlives everything.
pub(super) fn save(dir: &Path, name: &NamespaceName, record: &Record) -> io::Result<()> {
    let path = file(dir, name);
    files::make_private_dir(path.parent().unwrap_or(dir))?;
    files::write_json(&path, record, Durability::Power)
}

/// Deletes a record. One that is not there is deleted.
pub(super) fn delete(dir: &Path, name: &NamespaceName) -> io::Result<()> {
    let path = file(dir, name);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Err(_) => Ok(()),
        Ok(()) => fs::File::open(path.parent().unwrap_or(dir))?.sync_all(),
    }
}

/// Reads all records. One that is damaged is passed over, and stays for people to look at: its namespace is nobody's then, and is left alone.
pub(in crate::local) fn load(dir: &Path) -> io::Result<BTreeMap<NamespaceName, Space>> {
    let mut spaces = BTreeMap::new();
    for (file, path) in files::entries(&dir.join("namespaces"))? {
        let Some(Ok(name)) = file.strip_suffix(".json").map(NamespaceName::new) else { continue };
        let record: io::Result<Option<Record>> = files::read_json(&path);
        let bounds = |record: &Record| Bounds::read(&record.quotas, &record.limit_ranges).ok();
        match record.map(|record| record.and_then(|record| Some((bounds(&record)?, record)))) {
            Ok(Some((bounds, record))) => drop(spaces.insert(name, Space { record, bounds })),
            Ok(None) => tracing::error!(namespace = %name, "the record of an ephemeral namespace makes no sense and is passed over"),
            Err(e) => {
                tracing::error!(namespace = %name, error = %e, "the record of an ephemeral namespace cannot be read and is passed over")
            }
        }
    }
    Ok(spaces)
}

//! Facts row by row: how the ledger keeps them and loads them again.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use towpath_domain::{CommitId, Timestamp};

use crate::facts::{FactKey, Facts};

/// A stored fact that is not what its key says.
#[derive(Debug, thiserror::Error)]
#[error("the stored fact {key} cannot be read: {source}; rebuild the facts from the events")]
pub struct FactError {
    /// The fact's key, for people.
    key: String,
    /// What is wrong with its value.
    #[source]
    source: serde_json::Error,
}

/// The row of [`FactKey::Config`].
#[derive(Serialize, Deserialize)]
struct ConfigRow {
    commit: CommitId,
    at: Timestamp,
}

impl Facts {
    /// One fact as a value; `None` when there is no such fact (any more): its row is to be removed.
    #[must_use]
    pub fn get(&self, key: &FactKey) -> Option<Value> {
        fn value<T: Serialize>(fact: &T) -> Option<Value> {
            // Facts are plain data with textual map keys: they always serialise.
            serde_json::to_value(fact).ok()
        }
        match key {
            FactKey::Config => {
                let (commit, at) = (self.config?, self.config_at.unwrap_or_default());
                value(&ConfigRow { commit, at })
            }
            FactKey::Branch(url, branch) => self.branches.get(&(url.clone(), branch.clone())).and_then(value),
            FactKey::Build(source, commit) => self.builds.get(source)?.get(commit).and_then(value),
            FactKey::Renders(target) => self.renders.get(target).and_then(value),
            FactKey::Target(target) => self.targets.get(target).and_then(value),
            FactKey::Evidence(channel, target) => self.evidence.get(&(channel.clone(), target.clone())).and_then(value),
            FactKey::Change(change) => self.changes.get(change).and_then(value),
            FactKey::OpenRun(run) => self.open_runs.get(run).and_then(value),
            FactKey::Image(image) => self.images.get(image).and_then(value),
            FactKey::Secret(path) => self.secrets.get(path).and_then(value),
            FactKey::Memory(subject) => self.memory.get(subject).and_then(value),
            FactKey::Installation => self.installation.as_ref().and_then(value),
            FactKey::Pool(pool) => self.pools.get(pool).and_then(value),
            FactKey::Namespace(namespace) => self.namespaces.get(namespace).and_then(value),
            FactKey::Reservation(reservation) => self.reservations.get(reservation).and_then(value),
            FactKey::Check(check) => self.checks.get(check).and_then(value),
            FactKey::CheckedTrees(source) => self.checked_trees.get(source).and_then(value),
        }
    }

    /// Puts back what [`Facts::get`] gave.
    ///
    /// # Errors
    /// [`FactError`] when the value is not one of that key's kind; nothing is changed then.
    pub fn put(&mut self, key: &FactKey, value: Value) -> Result<(), FactError> {
        fn read<T: for<'a> Deserialize<'a>>(key: &FactKey, value: Value) -> Result<T, FactError> {
            serde_json::from_value(value).map_err(|source| FactError { key: format!("{key:?}"), source })
        }
        match key {
            FactKey::Config => {
                let row: ConfigRow = read(key, value)?;
                self.config = Some(row.commit);
                self.config_at = Some(row.at);
            }
            FactKey::Branch(url, branch) => {
                let fact = read(key, value)?;
                self.branches.insert((url.clone(), branch.clone()), fact);
            }
            FactKey::Build(source, commit) => {
                let fact = read(key, value)?;
                self.builds.entry(source.clone()).or_default().insert(*commit, fact);
            }
            FactKey::Renders(target) => {
                let fact = read(key, value)?;
                self.renders.insert(target.clone(), fact);
            }
            FactKey::Target(target) => {
                let fact = read(key, value)?;
                self.targets.insert(target.clone(), fact);
            }
            FactKey::Evidence(channel, target) => {
                let fact = read(key, value)?;
                self.evidence.insert((channel.clone(), target.clone()), fact);
            }
            FactKey::Change(change) => {
                let fact = read(key, value)?;
                self.changes.insert(change.clone(), fact);
            }
            FactKey::OpenRun(run) => {
                let fact = read(key, value)?;
                self.open_runs.insert(run.clone(), fact);
            }
            FactKey::Image(image) => {
                let fact = read(key, value)?;
                self.images.insert(image.clone(), fact);
            }
            FactKey::Secret(path) => {
                let fact = read(key, value)?;
                self.secrets.insert(path.clone(), fact);
            }
            FactKey::Memory(subject) => {
                let fact = read(key, value)?;
                self.memory.insert(subject.clone(), fact);
            }
            FactKey::Installation => self.installation = Some(read(key, value)?),
            FactKey::Pool(pool) => {
                let fact = read(key, value)?;
                self.pools.insert(pool.clone(), fact);
            }
            FactKey::Namespace(namespace) => {
                let fact = read(key, value)?;
                self.namespaces.insert(namespace.clone(), fact);
            }
            FactKey::Check(check) => {
                let fact = read(key, value)?;
                self.checks.insert(check.clone(), fact);
            }
            FactKey::CheckedTrees(source) => {
                let fact = read(key, value)?;
                self.checked_trees.insert(source.clone(), fact);
            }
            FactKey::Reservation(reservation) => {
                let fact = read(key, value)?;
                self.reservations.insert(reservation.clone(), fact);
            }
        }
        Ok(())
    }

    /// The keys of all facts, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<FactKey> {
        let mut keys: Vec<FactKey> = self.config.map(|_| FactKey::Config).into_iter().collect();
        keys.extend(self.branches.keys().map(|(url, branch)| FactKey::Branch(url.clone(), branch.clone())));
        for (source, builds) in &self.builds {
            keys.extend(builds.keys().map(|commit| FactKey::Build(source.clone(), *commit)));
        }
        keys.extend(self.renders.keys().cloned().map(FactKey::Renders));
        keys.extend(self.targets.keys().cloned().map(FactKey::Target));
        keys.extend(self.evidence.keys().map(|(channel, target)| FactKey::Evidence(channel.clone(), target.clone())));
        keys.extend(self.changes.keys().cloned().map(FactKey::Change));
        keys.extend(self.open_runs.keys().cloned().map(FactKey::OpenRun));
        keys.extend(self.images.keys().cloned().map(FactKey::Image));
        keys.extend(self.secrets.keys().cloned().map(FactKey::Secret));
        keys.extend(self.memory.keys().cloned().map(FactKey::Memory));
        keys.extend(self.installation.as_ref().map(|_| FactKey::Installation));
        keys.extend(self.pools.keys().cloned().map(FactKey::Pool));
        keys.extend(self.namespaces.keys().cloned().map(FactKey::Namespace));
        keys.extend(self.reservations.keys().cloned().map(FactKey::Reservation));
        keys.extend(self.checks.keys().cloned().map(FactKey::Check));
        keys.extend(self.checked_trees.keys().cloned().map(FactKey::CheckedTrees));
        keys.sort();
        keys
    }
}

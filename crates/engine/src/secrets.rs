//! Secrets whose newest version counts: what was rendered with another one is rendered again.

use std::collections::{BTreeMap, BTreeSet};

use towpath_catalog::{Catalog, Target};

use crate::event::Render;
use crate::facts::Facts;

/// The paths of all secrets that some target takes at their newest version: whose versions are to be watched.
///
/// Targets that are disabled or to be deleted ask for nothing.
#[must_use]
pub fn secret_paths(catalog: &Catalog) -> BTreeSet<String> {
    catalog.targets.values().filter(|target| !target.disable && !target.delete).flat_map(|target| unpinned(target)).collect()
}

/// The versions of the secrets that `target` takes at their newest version, by path, as far as they are known: what a
/// rendering of it is to be made with, and to say in [`Render::secrets`].
#[must_use]
pub fn secret_versions(target: &Target, facts: &Facts) -> BTreeMap<String, String> {
    let known = |path: String| facts.secrets.get(&path).map(|fact| (path.clone(), fact.version.clone()));
    unpinned(target).into_iter().filter_map(known).collect()
}

/// The paths of the secrets that `target` takes at their newest version, sorted.
pub(crate) fn unpinned(target: &Target) -> Vec<String> {
    let mut paths: Vec<String> =
        target.secret_parameters.values().filter(|secret| secret.version.is_none()).map(|secret| secret.path.clone()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// Whether `render` was made with what `target` says now, and with the versions known now of the secrets at `paths`.
pub(crate) fn is_current(render: &Render, target: &Target, paths: &[String], facts: &Facts) -> bool {
    let known = |path: &String| facts.secrets.get(path).is_none_or(|fact| render.secrets.get(path) == Some(&fact.version));
    *render.input_hash == *target.input_hash && paths.iter().all(known)
}

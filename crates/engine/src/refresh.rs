//! The short way from one catalog to the next: most commits of the config repository only move a ref or change parameters.

use std::sync::Arc;

use towpath_catalog::{Catalog, Target};

use crate::index::Index;
use crate::rules::same;

impl Index {
    /// Takes up `new` in the place of `old`, if nothing but single targets differs, and in nothing that others look at.
    /// Returns the indices of those; `None` when the index must be built anew, and is unchanged.
    pub(crate) fn refresh(&mut self, old: &Catalog, new: &Catalog) -> Option<Vec<u32>> {
        let unbroken = old.broken_saas_files.is_empty() && new.broken_saas_files.is_empty();
        let as_many = old.targets.len() == new.targets.len() && self.targets.len() == new.targets.len();
        if !unbroken || !as_many || !same_surroundings(old, new) {
            return None;
        }
        let mut changed = Vec::new();
        for (id, target) in &new.targets {
            let at = *self.target_ids.get(id)?;
            let known = &self.view(at).target;
            if same(known, target) {
                continue;
            }
            if !same_relations(known, target) {
                return None;
            }
            changed.push((at, target));
        }
        for (at, target) in &changed {
            let Some(view) = self.targets.get_mut(*at as usize) else { continue };
            view.target = Arc::clone(target);
            view.rules.soak_days = target.promotion.soak_days;
            for subscriber in view.subscribers.clone() {
                if let Some(view) = self.targets.get_mut(subscriber as usize) {
                    view.rules.replace_publisher(target);
                }
            }
        }
        Some(changed.into_iter().map(|(at, _)| at).collect())
    }
}

/// Whether policies, apps and sources are the same.
fn same_surroundings(old: &Catalog, new: &Catalog) -> bool {
    old.policies.len() == new.policies.len()
        && old.apps.len() == new.apps.len()
        && old.sources.len() == new.sources.len()
        && old.policies.iter().zip(&new.policies).all(|(a, b)| same(a, b))
        && old.apps.iter().zip(&new.apps).all(|(a, b)| a.0 == b.0 && same(a.1, b.1))
        && old.sources.iter().zip(&new.sources).all(|(a, b)| a.0 == b.0 && same(a.1, b.1))
}

/// Whether both have the same channels, branch, source and secrets, and are selected by the same policies.
fn same_relations(a: &Target, b: &Target) -> bool {
    a.url == b.url
        && a.branch == b.branch
        && a.git_ref.branch() == b.git_ref.branch()
        && a.source == b.source
        && a.secret_parameters == b.secret_parameters
        && a.promotion.publish == b.promotion.publish
        && a.promotion.subscribe == b.promotion.subscribe
        && a.disable == b.disable
        && a.delete == b.delete
        && a.saas_file.app == b.saas_file.app
        && a.saas_file.labels == b.saas_file.labels
        && a.namespace_labels == b.namespace_labels
        && a.environment == b.environment
        && a.cluster == b.cluster
}

//! What a plan would delete.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use towpath_catalog::{Catalog, Target};
use towpath_cluster::{ClusterError, ObjectStatus};
use towpath_domain::CommitId;
use towpath_engine::{Action, State, Subject, Verdict, Work, secret_versions};
use towpath_runs::World;
use towpath_runs::render::{self, Secrets};
use towpath_template::{Placeholder, objects};

use crate::away::{NoAnswer, ask_each};
use crate::view::PlanLine;

/// Says in `lines` what each planned deletion, and each deploy that renders less than before, would delete.
pub(crate) async fn add(world: &World, catalog: &Catalog, verdicts: &BTreeMap<Subject, Verdict>, lines: &mut [PlanLine]) {
    let wanted: Vec<(Arc<Target>, Option<CommitId>)> = verdicts
        .iter()
        .filter_map(|(subject, verdict)| {
            let (Subject::Target(id), State::Act { action: Action::Run { spec } }) = (subject, &verdict.state) else { return None };
            let commit = match &spec.work {
                Work::Delete { .. } => None,
                Work::Deploy(work) => Some(work.commit),
                Work::Build { .. } | Work::Change(_) | Work::Check(_) => return None,
            };
            Some((Arc::clone(catalog.targets.get(id)?), commit))
        })
        .filter(|(target, _)| lines.iter().any(|line| line.title == target.title()))
        .collect();
    let asked = ask_each(wanted, |(target, _)| Arc::clone(target), |(target, commit)| async move { gone(world, &target, commit).await });
    for (target, gone) in asked.await {
        // What a cluster that does not answer has is told by the deploy itself, and by `doctor`.
        let Ok(gone) = gone else { continue };
        if let Some(line) = lines.iter_mut().find(|line| line.title == target.title()) {
            line.deletes = gone;
        }
    }
}

/// What the target owns and a deploy of `commit`, or its deletion, would not leave.
async fn gone(world: &World, target: &Target, commit: Option<CommitId>) -> Result<Vec<String>, NoAnswer> {
    let there = world.clusters.get(&target.cluster).list(Some(&target.namespace)).await.map_err(|error| match error {
        ClusterError::Unreachable { .. } => NoAnswer::Away(error.to_string()),
        error => NoAnswer::Own(error.to_string()),
    })?;
    let keep: Vec<String> = match commit {
        None => Vec::new(),
        Some(commit) => {
            let versions = secret_versions(target, &world.ledger.facts());
            let around = world.rendering(Secrets::Marked(&versions));
            let rendered = render::render(around, target, commit, &mut Placeholder).await.map_err(|e| NoAnswer::Own(e.message))?;
            if rendered.objects.is_empty() {
                // Nothing is pruned by a target that renders nothing.
                return Ok(Vec::new());
            }
            rendered.objects.iter().map(objects::title).collect()
        }
    };
    let own = there.iter().filter(|object| object.owner.target == target.id && is_managed(target, object));
    Ok(own.map(|object| object.key.title()).filter(|title| !keep.contains(title)).collect())
}

/// What the saas file does not manage is left alone.
fn is_managed(target: &Target, object: &ObjectStatus) -> bool {
    let version = if object.key.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", object.key.group) };
    let shape = json!({"apiVersion": version, "kind": object.key.kind, "metadata": {"name": object.key.name}});
    objects::is_managed(&shape, &target.saas_file.managed_resource_types, &target.saas_file.managed_resource_names)
}

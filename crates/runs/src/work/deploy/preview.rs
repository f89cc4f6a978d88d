//! What a deploy would change, without changing it: rendered, pinned and compared the way a deploy does.

use std::collections::BTreeMap;

use serde_json::Value;
use towpath_catalog::Target;
use towpath_cluster::{ClusterError, ObjectDiff, ObjectKey, Owner};
use towpath_domain::{CommitId, Digest, ImageRef, RunId};
use towpath_engine::secret_versions;
use towpath_registry::Registry as _;
use towpath_secrets::Redactor;
use towpath_template::{Placeholder, Recorded, objects};

use super::{bits, keys, owner, predecessors, secrets};
use crate::render::{self, Secrets};
use crate::world::{Snapshot, World};

/// Stands for the lines of an object that are not shown.
const HIDDEN: &str = "(secret or generated values stand in it: its lines are hidden)";

/// Why nobody can say what a deploy would change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PreviewError {
    /// What, where, why and how to mend it; without values of secrets.
    pub message: String,
    /// The cluster does not answer: what else is to be compared with it would only wait as long.
    pub cluster_is_away: bool,
}

impl PreviewError {
    fn new(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), cluster_is_away: false }
    }
}

/// What deploying `target`, as `snapshot` has it, at `commit` would change in its cluster. `release` are the digests that the channels
/// vouch for.
///
/// Values of secret parameters and generated ones are in no line: a `Secret` shows which of its fields differ, and any other object that
/// such a value stands in shows no lines at all, since the live one may hold an older value that nobody here knows.
///
/// # Errors
/// [`PreviewError`] when it cannot be rendered or compared.
pub async fn differences(
    world: &World,
    snapshot: &Snapshot,
    target: &Target,
    commit: CommitId,
    release: &BTreeMap<ImageRef, Digest>,
) -> Result<Vec<ObjectDiff>, PreviewError> {
    let values = secrets::read(world, target).await.map_err(PreviewError::new)?;
    let redactor = Redactor::new(values.values());
    let clean = |error: ClusterError| PreviewError {
        message: redactor.redact(&error.to_string()).into_owned(),
        cluster_is_away: matches!(error, ClusterError::Unreachable { .. }),
    };

    let versions = secret_versions(target, &world.ledger.facts());
    let marked = render::render(world.rendering(Secrets::Marked(&versions)), target, commit, &mut Placeholder).await;
    let marked = marked.map_err(PreviewError::new)?.objects;
    let none = BTreeMap::new();
    let mut draw = Recorded::new(&none);
    let wanted = render::render(world.rendering(Secrets::Values(&values)), target, commit, &mut draw).await;
    let wanted = wanted.map_err(|error| PreviewError::new(redactor.redact(&error.message)))?.objects;
    let hidden = holding_secrets(&wanted, &marked)?;
    let wanted = bits::pin(wanted.clone(), &digests(world, &wanted, release).await?);

    let cluster = world.clusters.get(&target.cluster);
    let run = RunId::new("plan").map_err(PreviewError::new)?;
    let there = cluster.list(Some(&target.namespace)).await.map_err(clean)?;
    let heir_of = predecessors(snapshot, target, there.iter().map(|object| &object.owner));
    let owner = Owner { heir_of, ..owner(target, &run, commit) };
    let mut found = cluster.diff(&target.namespace, &owner, &wanted).await.map_err(clean)?;
    for difference in &mut found {
        if difference.change.is_none() {
            // What it holds is of no use to anybody any more, and may be a secret of old.
            difference.lines.clear();
        } else if hidden.contains(&difference.key) {
            difference.lines = vec![HIDDEN.to_owned()];
        } else {
            difference.lines.iter_mut().for_each(|line| *line = redactor.redact(line).into_owned());
        }
    }
    Ok(found)
}

/// The digests of the images, as far as the registry knows them. One that it does not know yet stays a tag.
async fn digests(
    world: &World,
    wanted: &[Value],
    release: &BTreeMap<ImageRef, Digest>,
) -> Result<BTreeMap<ImageRef, Digest>, PreviewError> {
    let mut digests = BTreeMap::new();
    for named in objects::images(wanted) {
        let Ok(image) = named.image.parse::<ImageRef>() else { continue };
        let Ok(Some(digest)) = world.registry.resolve(&image).await else { continue };
        if let Some(vouched) = release.get(&image).filter(|vouched| **vouched != digest) {
            return Err(PreviewError::new(format!(
                "{image} is {digest} now, but what was tested is {vouched}: the deploy will be refused"
            )));
        }
        digests.insert(image, digest);
    }
    Ok(digests)
}

/// The objects in which values stand that must not be shown: those that come out otherwise with markers in the place of such values.
fn holding_secrets(wanted: &[Value], marked: &[Value]) -> Result<Vec<ObjectKey>, PreviewError> {
    let keys = keys(wanted).map_err(PreviewError::new)?;
    let holding = |at: usize, object: &Value| marked.get(at).is_none_or(|marked| in_sight(marked) != in_sight(object));
    Ok(keys.into_iter().zip(wanted).enumerate().filter(|(at, (_, object))| holding(*at, object)).map(|(_, (key, _))| key).collect())
}

/// The object without the fields of which every diff hides the values.
fn in_sight(object: &Value) -> Value {
    let mut object = object.clone();
    if objects::kind(&object) == "Secret"
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("data");
        fields.remove("stringData");
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_holds_secret_or_generated_values_is_told_apart_from_what_hides_them_itself() {
        let secret = |value: &str, note: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own", "annotations": {"note": note}}, "stringData": {"p": value}});
        let map = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {"p": value}});
        let found = |wanted: &[Value], marked: &[Value]| -> Vec<String> {
            holding_secrets(wanted, marked).unwrap().iter().map(ToString::to_string).collect()
        };
        assert_eq!(found(&[secret("hunter2", "a"), map("x")], &[secret("marker", "a"), map("x")]), [""; 0]);
        assert_eq!(found(&[secret("hunter2", "a"), map("hunter2")], &[secret("marker", "a"), map("marker")]), ["ConfigMap/own"]);
        assert_eq!(found(&[secret("hunter2", "hunter2")], &[secret("marker", "marker")]), ["Secret/own"]);
        assert_eq!(found(&[map("x")], &[]), ["ConfigMap/own"], "what has no counterpart is not taken for harmless");
    }
}

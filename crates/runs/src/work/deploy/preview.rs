//! What a deploy would change, without changing it: rendered, pinned and compared the way a deploy does.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use towpath_catalog::Target;
use towpath_cluster::{Change, ClusterError, ObjectDiff, Owner};
use towpath_domain::{CommitId, Digest, ImageRef, RunId};
use towpath_registry::Registry as _;
use towpath_secrets::{Redactor, SecretValue};
use towpath_template::{Recorded, objects};

use super::{bits, owner, predecessors, secrets};
use crate::render::{self, Secrets};
use crate::world::{Snapshot, World};

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

/// What a plan may know of secret parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowing {
    /// Their values, as a deploy would: for what the config repository's own branch says.
    Values,
    /// Only which ones are meant: whoever can push a branch has not been trusted with values yet, not even with one bit of them.
    Names,
}

/// What deploying `target`, as `snapshot` has it, at `commit` would change in its cluster. `release` are the digests that the channels
/// vouch for.
///
/// Values of secret parameters and generated ones are in no line: neither those of now nor those of earlier deploys, which their objects remember
/// the places of.
///
/// # Errors
/// [`PreviewError`] when it cannot be rendered or compared.
pub async fn differences(
    world: &World,
    snapshot: &Snapshot,
    target: &Target,
    commit: CommitId,
    release: &BTreeMap<ImageRef, Digest>,
    knowing: Knowing,
) -> Result<Vec<ObjectDiff>, PreviewError> {
    let values = match knowing {
        Knowing::Values => secrets::read(world, target).await.map_err(PreviewError::new)?,
        Knowing::Names => target.secret_parameters.keys().map(|name| (name.clone(), SecretValue::new(WITHHELD))).collect(),
    };
    let redactor = Redactor::new(values.values().filter(|_| knowing == Knowing::Values));
    let clean = |error: ClusterError| PreviewError {
        message: redactor.redact(&error.to_string()).into_owned(),
        cluster_is_away: matches!(error, ClusterError::Unreachable { .. }),
    };

    let marked = secrets::marked(world, target, commit).await.map_err(PreviewError::new)?;
    let none = BTreeMap::new();
    let mut draw = Recorded::new(&none);
    let rendered = render::render(world.rendering(Secrets::Values(&values)), target, commit, &mut draw).await;
    let rendered = rendered.map_err(|error| PreviewError::new(redactor.redact(&error.message)))?.objects;
    let places = secrets::places(&marked, &rendered);
    let mut wanted = match knowing {
        Knowing::Values => rendered,
        Knowing::Names => marked.into_iter().map(standing_in).collect(),
    };
    for (object, places) in wanted.iter_mut().zip(places) {
        if knowing == Knowing::Names { places.withheld() } else { places }.write(object);
    }
    let wanted = bits::pin(wanted.clone(), &digests(world, &wanted, release).await?);

    let cluster = world.clusters.get(&target.cluster);
    let run = RunId::new("plan").map_err(PreviewError::new)?;
    let there = cluster.list(Some(&target.namespace)).await.map_err(clean)?;
    let heir_of = predecessors(snapshot, target, there.iter().map(|object| &object.owner));
    let owner = Owner { heir_of, ..owner(target, &run, commit) };
    let mut found = cluster.diff(&target.namespace, &owner, &wanted).await.map_err(clean)?;
    // Only what Towpath notes on it would be another.
    found.retain(|difference| difference.change != Some(Change::Changed) || !difference.lines.is_empty());
    for difference in &mut found {
        if difference.change.is_none() {
            // What it holds is of no use to anybody any more.
            difference.lines.clear();
        }
        difference.key.name = redactor.redact(&difference.key.name).into_owned();
        difference.lines.iter_mut().for_each(|line| *line = redactor.redact(line).into_owned());
    }
    Ok(found)
}

/// Stands for a value where only markers are known: another text than any marker.
const WITHHELD: &str = "(withheld)";

/// What a `Secret` holds in base64 must be base64, also where only a marker stands for it: else the server would refuse to look at it.
fn standing_in(mut object: Value) -> Value {
    if objects::kind(&object) == "Secret"
        && let Some(data) = object.get_mut("data").and_then(Value::as_object_mut)
    {
        for text in data.values_mut() {
            if text.as_str().is_some_and(|text| BASE64.decode(text).is_err()) {
                *text = Value::from(BASE64.encode(text.as_str().unwrap_or_default()));
            }
        }
    }
    object
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_marker_in_a_secrets_data_becomes_what_a_server_takes() {
        let secret = json!({"kind": "Secret", "data": {"a": "<secret:web/db#p@3>", "b": "aGVsbG8="}});
        let shown = standing_in(secret);
        assert_eq!(BASE64.decode(shown["data"]["a"].as_str().unwrap()).unwrap(), b"<secret:web/db#p@3>");
        assert_eq!(shown["data"]["b"], "aGVsbG8=");
        let map = json!({"kind": "ConfigMap", "data": {"a": "<secret:web/db#p@3>"}});
        assert_eq!(standing_in(map.clone()), map);
    }
}

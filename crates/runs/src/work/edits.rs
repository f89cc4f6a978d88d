//! From what a change says to the bytes of files.

use std::collections::BTreeMap;

use towpath_catalog::{Place, Target, edit};
use towpath_domain::{CommitId, GitRef};
use towpath_engine::{ChangeSpec, ConfigEdit};
use towpath_git::{Edit, Identity, Mirror};

use crate::journal::Stop;
use crate::world::{Snapshot, World};

/// One scalar of a file and what it becomes.
struct Scalar {
    place: Place,
    old: String,
    new: String,
}

/// The edits as files. Empty when the config repository says all of it already.
pub(crate) async fn files(mirror: &Mirror, base: CommitId, snapshot: &Snapshot, spec: &ChangeSpec) -> Result<Vec<Edit>, Stop> {
    let mut scalars: BTreeMap<String, Vec<Scalar>> = BTreeMap::new();
    let mut edits = Vec::new();
    for edit in &spec.edits {
        match edit {
            ConfigEdit::SetRef { target, from, to } => {
                let Some(target) = snapshot.catalog.targets.get(target) else {
                    return Err(Stop::Superseded { by: "the target is no longer in the config repository".to_owned() });
                };
                if target.git_ref == GitRef::Commit(*to) {
                    continue;
                }
                if target.git_ref != *from {
                    return Err(Stop::Superseded { by: format!("{} is at {} by now", target.title(), target.git_ref) });
                }
                let mut add = |place: &Place, old: String, new: String| {
                    let list = scalars.entry(place.file.to_string()).or_default();
                    // Two targets may share one file of their own, and so one scalar.
                    if !list.iter().any(|known| known.place == *place) {
                        list.push(Scalar { place: place.clone(), old, new });
                    }
                };
                add(&target.ref_place, from.to_string(), to.to_string());
                for (place, old, new) in stale_hashes(snapshot, target) {
                    add(&place, old, new);
                }
            }
            ConfigEdit::WriteFile { path, content } => {
                let there = mirror.read_file(base, path).await.map_err(|e| Stop::failed(e.class(), e))?;
                if there.as_deref() != Some(content.as_bytes()) {
                    edits.push(Edit { path: path.clone(), content: Some(content.clone().into_bytes()) });
                }
            }
            ConfigEdit::RemoveFile { path } => {
                if mirror.read_file(base, path).await.map_err(|e| Stop::failed(e.class(), e))?.is_some() {
                    edits.push(Edit { path: path.clone(), content: None });
                }
            }
        }
    }
    for (path, list) in scalars {
        let text = mirror
            .read_file(base, &path)
            .await
            .map_err(|e| Stop::failed(e.class(), e))?
            .ok_or_else(|| Stop::Refused { why: format!("{path} is gone from the config repository") })?;
        let list: Vec<edit::Edit<'_>> = list.iter().map(|s| edit::Edit { place: &s.place, old: &s.old, new: &s.new }).collect();
        let changed = edit::set_scalars(&text, &list).map_err(|e| Stop::Refused { why: format!("{path}: {e}") })?;
        edits.push(Edit { path, content: Some(changed) });
    }
    Ok(edits)
}

/// `promotion_data` hashes of subscribed channels that no longer name their publisher's configuration.
fn stale_hashes<'a>(snapshot: &'a Snapshot, target: &'a Target) -> impl Iterator<Item = (Place, String, String)> + 'a {
    target.promotion.promotion_data.iter().filter_map(|data| {
        let publishers = &snapshot.catalog.channels.get(&data.channel)?.publishers;
        let publisher = publishers
            .iter()
            .filter_map(|id| snapshot.catalog.targets.get(id))
            .find(|publisher| publisher.saas_file.name == data.parent_saas)?;
        let now = publisher.target_config_hash.to_string();
        (now != data.target_config_hash).then(|| (data.place.clone(), data.target_config_hash.clone(), now))
    })
}

/// Who authors the commit: the person who asked, else Towpath. The committer is Towpath in any case.
pub(super) fn author(world: &World, spec: &ChangeSpec) -> Identity {
    let own = world.mirrors.git().settings().identity.clone();
    if spec.by == "towpath" {
        return own;
    }
    Identity::new(spec.by.clone(), own.email()).unwrap_or(own)
}

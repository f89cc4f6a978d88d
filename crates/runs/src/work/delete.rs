//! Deletes a target's objects: its own, nobody else's.

use towpath_domain::{CommitId, TargetId};
use towpath_engine::Outcome;

use super::deploy::{known_target, owner};
use crate::journal::{Journal, Stop};
use crate::world::World;

/// Carries a deletion out.
pub(crate) async fn run(world: &World, journal: &Journal, id: &TargetId) -> Result<Outcome, Stop> {
    let snapshot = world.snapshot().await?;
    let target = known_target(&snapshot.catalog, id)?;
    if !target.delete {
        return Err(Stop::Superseded { by: format!("{} is no longer marked `delete: true`", target.title()) });
    }
    let gone: Vec<String> = journal
        .step("delete", || async {
            let cluster = world.clusters.get(&target.cluster);
            let gone = cluster
                .delete(&target.namespace, &owner(&target, journal.run(), CommitId::NULL))
                .await
                .map_err(|e| Stop::failed(e.class(), e))?;
            Ok(gone.iter().map(ToString::to_string).collect())
        })
        .await?;
    for key in gone {
        journal.note(format!("deleted {key}"));
    }
    Ok(Outcome::Deleted)
}

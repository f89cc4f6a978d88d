//! The same bits (law 4): which images are to run, which run, and which a test tests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use towpath_catalog::Target;
use towpath_cluster::RunningContainer;
use towpath_domain::{Digest, FailureClass, ImageRef, TargetId};
use towpath_engine::{DeployWork, RenderOutcome};
use towpath_registry::Registry as _;
use towpath_template::objects;

use crate::journal::{Journal, Stop};
use crate::world::World;

/// The group of Clowder's kinds.
const CLOWDER: &str = "cloud.redhat.com";

/// The digest of every image; one that the channels vouch for must be that one.
pub(super) async fn images(
    world: &World,
    journal: &Journal,
    work: &DeployWork,
    objects: &[Value],
) -> Result<BTreeMap<ImageRef, Digest>, Stop> {
    let mut digests = BTreeMap::new();
    for named in objects::images(objects) {
        let (image, digest) = found(world, &named).await?;
        if let Some(vouched) = work.release.get(&image).filter(|vouched| **vouched != digest) {
            return Err(Stop::own(format!(
                "{image} is {digest} now, but what was tested is {vouched}: the tag was moved after the tests; \
                 build a new commit, or put the tag back"
            )));
        }
        journal.note(format!("{image} is {digest}"));
        digests.insert(image, digest);
    }
    Ok(digests)
}

/// What an image that an object names is now.
pub(in crate::work) async fn found(world: &World, named: &objects::ImageUse) -> Result<(ImageRef, Digest), Stop> {
    let image: ImageRef = named.image.parse().map_err(Stop::own)?;
    match world.registry.resolve(&image).await.map_err(|e| Stop::failed(e.class(), e))? {
        Some(digest) => Ok((image, digest)),
        None => Err(Stop::failed(
            FailureClass::Environment,
            format!("{}: the image {image} is not in the registry; it is looked for again, or build it", named.object),
        )),
    }
}

/// Names every image by its digest, so that what was tested is what runs.
///
/// Clowder's kinds keep their tags: its controller compares the tags of a `ClowdApp`'s images with those that an invocation expects. What really
/// runs there is compared after the rollout.
pub(in crate::work) fn pin(mut rendered: Vec<Value>, digests: &BTreeMap<ImageRef, Digest>) -> Vec<Value> {
    let by_digest = |name: &str| {
        let image: ImageRef = name.parse().ok()?;
        digests.get(&image).map(|digest| image.pinned(*digest).to_string())
    };
    for object in rendered.iter_mut().filter(|object| objects::group(object) != CLOWDER) {
        objects::rename_images(std::slice::from_mut(object), &by_digest);
    }
    rendered
}

/// What really runs must be what was to run. Answers with what was wanted, since that is what runs.
pub(in crate::work) async fn as_wanted(
    world: &World,
    wanted: &BTreeMap<ImageRef, Digest>,
    running: &BTreeMap<String, Digest>,
) -> Result<BTreeMap<ImageRef, Digest>, Stop> {
    for (image, digest) in wanted {
        for name in [image.pinned(*digest).to_string(), image.to_string()] {
            if let Some(other) = running.get(&name)
                && !is_same(world, image, *digest, *other).await
            {
                return Err(Stop::own(format!(
                    "{image} runs as {other}, but {digest} was deployed: somebody moved the tag; build a new commit, or put the tag back"
                )));
            }
        }
    }
    Ok(wanted.clone())
}

/// A test counts only for the bits that its publishers vouch for: asked before it starts and after it ended, of the pods that run.
pub(super) async fn are_under_test(world: &World, work: &DeployWork) -> Result<(), Stop> {
    if !work.only_jobs {
        return Ok(());
    }
    let snapshot = world.snapshot().await?;
    let tested: BTreeSet<&TargetId> = work.vouchers.iter().map(|voucher| &voucher.target).collect();
    for id in tested {
        let Some(target) = snapshot.catalog.targets.get(id) else { continue };
        let cluster = world.clusters.get(&target.cluster);
        let running = cluster.running(&target.namespace, id).await.map_err(|e| Stop::failed(e.class(), e))?;
        let mut met = false;
        for container in &running {
            met |= check(world, work, target, container).await?;
        }
        if !met && runs_images(world, work, id) {
            return Err(Stop::failed(
                FailureClass::Environment,
                format!(
                    "inconclusive: nothing of the release runs in {}, so there is nothing to test; see `towpath status`, and deploy it again",
                    target.title()
                ),
            ));
        }
    }
    Ok(())
}

/// Whether the container runs an image of the release; a refusal when it does, but other bits.
async fn check(world: &World, work: &DeployWork, target: &Target, container: &RunningContainer) -> Result<bool, Stop> {
    let Ok(image) = container.image.parse::<ImageRef>() else { return Ok(false) };
    let Some((named, wanted)) = work.release.iter().find(|(named, _)| named.name() == image.name()) else { return Ok(false) };
    match container.digest {
        // The cluster does not say yet: it is no proof either way, and other containers of the release tell.
        None => Ok(false),
        Some(found) if is_same(world, named, *wanted, found).await => Ok(true),
        Some(found) => Err(Stop::failed(
            FailureClass::Environment,
            format!(
                "inconclusive: {} in pod {} of {} runs {found}, but the release is {wanted} ({named}): the rollout was not finished or somebody \
                 changed it; tests that ran against other pods do not count",
                container.container,
                container.pod,
                target.title()
            ),
        )),
    }
}

/// Whether the target has pods of its own that run images of the release: a test that vouches has none.
fn runs_images(world: &World, work: &DeployWork, id: &TargetId) -> bool {
    let facts = world.ledger.facts();
    let renders = facts.renders.get(id).into_iter().flatten();
    let last = renders.rev().find(|render| render.commit == work.commit);
    match last.map(|render| &render.outcome) {
        Some(RenderOutcome::Rendered { only_jobs: false, images, .. }) => images.iter().any(|image| work.release.contains_key(image)),
        _ => false,
    }
}

/// Whether a node that says `found` runs what the registry calls `wanted`: the same manifest, or a member of that index.
async fn is_same(world: &World, image: &ImageRef, wanted: Digest, found: Digest) -> bool {
    // A registry that cannot tell now proves nothing: then only the same is the same.
    world.registry.is_part(image.name(), wanted, found).await.unwrap_or(wanted == found)
}

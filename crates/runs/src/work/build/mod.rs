//! Turns one source commit into one image: on this machine, or where an executor says.

mod away;
mod telling;

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use towpath_catalog::Source;
use towpath_domain::{CommitId, Digest, FailureClass, ImageRef, SourceName, Timestamp};
use towpath_engine::Outcome;
use towpath_git::OutsideLinks;
use towpath_registry::{ImportRequest, PackRequest, Platform, Registry as _, TagMove};

pub(crate) use away::give_up;

use super::process::{self, Program};
use crate::journal::{Journal, Stop};
use crate::world::World;

#[derive(Debug, Serialize, Deserialize)]
struct Pushed {
    digest: Digest,
}

/// Carries a build out.
pub(crate) async fn run(world: &World, journal: &Journal, name: &SourceName, commit: CommitId) -> Result<Outcome, Stop> {
    let snapshot = world.snapshot().await?;
    let Some(source) = snapshot.catalog.sources.get(name).cloned() else {
        return Err(Stop::Superseded { by: "the source is no longer in the config repository".to_owned() });
    };
    let image = ImageRef::tagged(&source.image, &commit.short(source.hash_length)).map_err(Stop::own)?;
    if let Some(executor) = world.builders.executor() {
        if source.build.push {
            let pushed = away::make(world, journal, executor, &source, commit, &image).await?;
            return Ok(Outcome::Built { image, digest: pushed.digest });
        }
        journal.note(format!(
            "built on this machine and not by {}: Towpath packs this image itself, since its build has no `push: true`",
            executor.place()
        ));
    }
    let _place = match world.builders.try_here() {
        Some(place) => Some(place),
        None => {
            journal.note("waits until another build on this machine has ended");
            world.builders.here().await
        }
    };
    let dir = world.builds.join(journal.run().as_str());
    let result = make(world, journal, &source, commit, &image, &dir).await;
    // What a build leaves is thrown away whether it went well or not; its log and image stay.
    if let Err(error) = tokio::fs::remove_dir_all(&dir).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        journal.note(format!("{} stays behind: {error}", dir.display()));
    }
    let pushed = result?;
    Ok(Outcome::Built { image, digest: pushed.digest })
}

async fn make(
    world: &World,
    journal: &Journal,
    source: &Arc<Source>,
    commit: CommitId,
    image: &ImageRef,
    dir: &Path,
) -> Result<Pushed, Stop> {
    let checkout = dir.join("checkout");
    let layout = dir.join("image");
    let group_file = dir.join("process-group");
    if let Some(digest) = found_done(world, image, commit).await? {
        journal.note(format!("{image} of this commit is there already, as {digest}"));
        return Ok(Pushed { digest });
    }
    process::end_leftover(&group_file);
    let committed: Timestamp = journal.step("checkout", || fetch(world, source, commit)).await?;
    // A command that was cut short starts from a clean checkout: half a build is nobody's image. One that came to its end is not run again,
    // as long as what it made is still there.
    let made = journal.is_done("build").await? && tokio::fs::try_exists(&checkout).await.unwrap_or(false);
    if !made {
        export(world, source, commit, dir, &checkout).await?;
        let compile = || compile(world, journal, source, commit, image, dir);
        if journal.is_done("build").await? {
            journal.note("what was built is gone from this machine; it is built again");
            compile().await?;
        } else {
            journal.step("build", compile).await?;
        }
    }
    journal.step("push", || push(world, journal, source, commit, image, &checkout, &layout, committed)).await
}

/// Runs the source's own command, where it has one.
async fn compile(world: &World, journal: &Journal, source: &Source, commit: CommitId, image: &ImageRef, dir: &Path) -> Result<(), Stop> {
    let Some(command) = &source.build.command else { return Ok(()) };
    let program = Program {
        command,
        dir: &dir.join("checkout"),
        env: environment(world, source, commit, image, &dir.join("image")),
        within: source.build.timeout.to_std(),
        group_file: dir.join("process-group"),
    };
    process::run(journal, program).await
}

/// The image, if a worker that died had come as far as pushing it. An image of that tag that does not say it is of this
/// commit is somebody else's, and the push will refuse to move the tag.
async fn found_done(world: &World, image: &ImageRef, commit: CommitId) -> Result<Option<Digest>, Stop> {
    let stop = |e: towpath_registry::RegistryError| Stop::failed(e.class(), e);
    let Some(digest) = world.registry.resolve(image).await.map_err(stop)? else { return Ok(None) };
    let config = world.registry.config(image.name(), digest).await.map_err(stop)?;
    let of = config.labels.get("org.opencontainers.image.revision");
    Ok((of == Some(&commit.to_string())).then_some(digest))
}

async fn fetch(world: &World, source: &Source, commit: CommitId) -> Result<Timestamp, Stop> {
    let stop = |e: towpath_git::GitError| Stop::git(&e);
    let mirror = world.mirrors.with_commit(&source.url, commit).await.map_err(stop)?;
    let found = mirror.first_parent(commit, 1).await.map_err(stop)?;
    found.first().map(|info| info.committed_at).ok_or_else(|| Stop::own(format!("{} has no commit {commit}", source.url)))
}

async fn export(world: &World, source: &Source, commit: CommitId, dir: &Path, checkout: &Path) -> Result<(), Stop> {
    let io = |e: std::io::Error| Stop::failed(FailureClass::Environment, format!("{}: {e}", dir.display()));
    if tokio::fs::try_exists(dir).await.map_err(io)? {
        tokio::fs::remove_dir_all(dir).await.map_err(io)?;
    }
    tokio::fs::create_dir_all(checkout).await.map_err(io)?;
    let mirror = world.mirrors.get(&source.url).await.map_err(|e| Stop::failed(e.class(), e))?;
    mirror.export(commit, checkout, OutsideLinks::Refuse).await.map_err(|e| Stop::failed(e.class(), e))
}

/// What a build's command finds in its environment on this machine; nothing else of Towpath's own.
fn environment(world: &World, source: &Source, commit: CommitId, image: &ImageRef, layout: &Path) -> Vec<(String, String)> {
    let mut env = world.host_env.clone();
    env.extend(told(source, commit, image, &layout.display().to_string()));
    env
}

/// What a build's command is told, wherever it runs: by Towpath, and by the source.
fn told(source: &Source, commit: CommitId, image: &ImageRef, layout: &str) -> Vec<(String, String)> {
    let mut env = vec![
        ("TOWPATH_SOURCE".to_owned(), source.name.to_string()),
        ("TOWPATH_COMMIT".to_owned(), commit.to_string()),
        ("TOWPATH_BRANCH".to_owned(), source.branch.to_string()),
        ("TOWPATH_IMAGE".to_owned(), image.name().to_owned()),
        ("TOWPATH_IMAGE_TAG".to_owned(), image.tag().unwrap_or_default().to_owned()),
        ("TOWPATH_IMAGE_LAYOUT".to_owned(), layout.to_owned()),
    ];
    env.extend(source.build.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    env
}

#[expect(clippy::too_many_arguments, reason = "one call, and each is a different thing of the build at hand")]
async fn push(
    world: &World,
    journal: &Journal,
    source: &Source,
    commit: CommitId,
    image: &ImageRef,
    checkout: &Path,
    layout: &Path,
    committed: Timestamp,
) -> Result<Pushed, Stop> {
    if source.build.push {
        return pushed(world, journal, image, None).await;
    }
    let registry = Arc::clone(world.registry.layout());
    let request = match &source.build.pack {
        Some(pack) => Some(world.registry.with_base(pack).await.map_err(|e| Stop::failed(e.class(), e))?),
        None => None,
    };
    let tag_move = world.registry.tag_move_here(image.name(), TagMove::Refuse);
    let (name, tag) = (image.name().to_owned(), image.tag().unwrap_or_default().to_owned());
    let (checkout, layout) = (checkout.to_owned(), layout.to_owned());
    let labels = [
        ("org.opencontainers.image.revision".to_owned(), commit.to_string()),
        ("org.opencontainers.image.source".to_owned(), source.url.to_string()),
    ]
    .into();
    // A tag that points to another image is refused: the same commit makes the same bits, or somebody else made the tag.
    let made = tokio::task::spawn_blocking(move || match &request {
        Some(pack) => {
            let request = PackRequest { pack, checkout: &checkout, created: committed, labels, platform: Platform::host(), tag_move };
            towpath_registry::pack(&request, &registry, &name, &tag)
        }
        None => {
            let request = ImportRequest { layout: &layout, platform: Platform::host(), tag_move };
            towpath_registry::import(&request, &registry, &name, &tag)
        }
    });
    let packed = match made.await {
        Ok(packed) => packed.map_err(|e| Stop::failed(e.class(), e))?,
        Err(e) => return Err(Stop::failed(FailureClass::Unknown, format!("packing ended badly: {e}"))),
    };
    let (name, tag) = (image.name(), image.tag().unwrap_or_default());
    world.registry.deliver(&packed, name, tag, TagMove::Refuse).await.map_err(|e| Stop::failed(e.class(), e))?;
    journal.note(format!("pushed {image} as {}, {} bytes", packed.digest, packed.size));
    Ok(Pushed { digest: packed.digest })
}

/// What the source's own command pushed: the tag as a digest, right after it was pushed. `told` is what whoever pushed it says that it is.
async fn pushed(world: &World, journal: &Journal, image: &ImageRef, told: Option<Digest>) -> Result<Pushed, Stop> {
    let found = world.registry.resolve(image).await.map_err(|e| Stop::failed(e.class(), e))?;
    let Some(digest) = found else {
        return Err(Stop::own(format!(
            "the build's command ended well, but {image} is not in the registry; with `push: true` it has to push TOWPATH_IMAGE with the tag \
             TOWPATH_IMAGE_TAG itself"
        )));
    };
    if let Some(told) = told.filter(|told| *told != digest) {
        return Err(Stop::own(format!(
            "the pipeline pushed {told}, but {image} is {digest}: somebody moved the tag meanwhile, or IMAGE_DIGEST is of another image; build a \
             new commit, or correct the pipeline"
        )));
    }
    journal.note(format!("the command pushed {image} as {digest}"));
    Ok(Pushed { digest })
}

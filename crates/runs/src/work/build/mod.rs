//! Turns one source commit into one image: on this machine, or where an executor says.

mod away;
mod telling;

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use towpath_catalog::Source;
use towpath_cluster::MergeOf;
use towpath_domain::{CommitId, Digest, FailureClass, ImageRef, SourceName, Timestamp};
use towpath_engine::Outcome;
use towpath_git::OutsideLinks;
use towpath_registry::{ImportRequest, PackRequest, Platform, Registry as _, TagMove};

pub(crate) use away::give_up;

use super::process::{self, Program};
use crate::journal::{Journal, Stop};
use crate::world::World;

/// Where the process group of a build's command is written down, in the folder it works in.
const GROUP_FILE: &str = "process-group";

/// Where a command leaves an image, in that folder.
const LAYOUT: &str = "image";

/// An image in its registry.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pushed {
    pub(crate) digest: Digest,
}

/// An image that is to be made.
pub(crate) struct Making<'a> {
    /// By whose instructions.
    pub(crate) source: &'a Arc<Source>,
    /// Of what.
    pub(crate) commit: CommitId,
    /// What it is to be called.
    pub(crate) image: &'a ImageRef,
    /// Where a build on this machine works; thrown away afterwards.
    pub(crate) dir: &'a Path,
    /// What its command may see of this machine.
    pub(crate) trust: Trust<'a>,
    /// What happens when the tag points to another image already.
    pub(crate) tag_move: TagMove,
    /// The hash of the instructions that an image under this tag must be by to be taken for this one; none where the tag alone says it.
    pub(crate) by: Option<String>,
    /// What the commit is made of, where it is a merge that no repository has.
    pub(crate) merge: Option<MergeOf>,
}

/// The label that names the instructions of an image's build.
const BY: &str = "dev.towpath.instructions";

/// What a command may see of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trust<'a> {
    /// What the installation gives to commands of the sources' own branches.
    Full,
    /// Nothing that could hold a secret: strangers wrote it. Its home is this empty folder.
    None { home: &'a Path },
}

/// What commands of strangers get of the machine's environment.
const PLAIN: [&str; 3] = ["PATH", "LANG", "TERM"];

impl Trust<'_> {
    /// The environment that a command gets beside what Towpath and the source set.
    ///
    /// # Errors
    /// [`Stop::Failed`] when the empty home cannot be made.
    pub(crate) async fn environment(self, world: &World) -> Result<Vec<(String, String)>, Stop> {
        let Self::None { home } = self else { return Ok(world.host_env.clone()) };
        let io = |e: std::io::Error| Stop::failed(FailureClass::Environment, format!("{}: {e}", home.display()));
        tokio::fs::create_dir_all(home).await.map_err(io)?;
        Ok(plain(&world.host_env, home))
    }
}

fn plain(host: &[(String, String)], home: &Path) -> Vec<(String, String)> {
    let kept = host.iter().filter(|(name, _)| PLAIN.contains(&name.as_str())).cloned();
    kept.chain([("HOME".to_owned(), home.display().to_string())]).collect()
}

/// Carries a build out.
pub(crate) async fn run(world: &World, journal: &Journal, name: &SourceName, commit: CommitId) -> Result<Outcome, Stop> {
    let snapshot = world.snapshot().await?;
    let Some(source) = snapshot.catalog.sources.get(name).cloned() else {
        return Err(Stop::Superseded { by: "the source is no longer in the config repository".to_owned() });
    };
    let image = ImageRef::tagged(&source.image, &commit.short(source.hash_length)).map_err(Stop::own)?;
    let dir = world.builds.join(journal.run().as_str());
    let (trust, tag_move) = (Trust::Full, TagMove::Refuse);
    let making = Making { source: &source, commit, image: &image, dir: &dir, trust, tag_move, by: None, merge: None };
    let pushed = image_of(world, journal, &making).await?;
    Ok(Outcome::Built { image, digest: pushed.digest })
}

/// Makes an image, wherever such images are made.
pub(crate) async fn image_of(world: &World, journal: &Journal, making: &Making<'_>) -> Result<Pushed, Stop> {
    let source = making.source;
    // A run that goes on after its build has it built once, and not again by each worker that takes it up.
    if let Some(pushed) = journal.found::<Pushed>("push").await? {
        return Ok(pushed);
    }
    if let Some(executor) = world.builders.executor() {
        if source.build.push {
            return away::make(world, journal, executor, making).await;
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
    let result = make(world, journal, making).await;
    // What a build leaves is thrown away whether it went well or not; its log and image stay.
    if let Err(error) = tokio::fs::remove_dir_all(making.dir).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        journal.note(format!("{} stays behind: {error}", making.dir.display()));
    }
    result
}

/// Ends what a worker that died left running of a build that works in `dir`.
pub(crate) fn end_leftover(dir: &Path) {
    process::end_leftover(&dir.join(GROUP_FILE));
}

async fn make(world: &World, journal: &Journal, making: &Making<'_>) -> Result<Pushed, Stop> {
    let &Making { image, dir, .. } = making;
    if let Some(digest) = found_done(world, making).await? {
        journal.note(format!("{image} of this commit is there already, as {digest}"));
        return Ok(Pushed { digest });
    }
    end_leftover(dir);
    let checkout = dir.join("checkout");
    let committed: Timestamp = journal.step("checkout", || fetch(world, making)).await?;
    // A command that was cut short starts from a clean checkout: half a build is nobody's image. One that came to its end is not run again,
    // as long as what it made is still there.
    let made = journal.is_done("build").await? && tokio::fs::try_exists(&checkout).await.unwrap_or(false);
    if !made {
        export(world, making, &checkout).await?;
        let compile = || compile(world, journal, making);
        if journal.is_done("build").await? {
            journal.note("what was built is gone from this machine; it is built again");
            compile().await?;
        } else {
            journal.step("build", compile).await?;
        }
    }
    journal.step("push", || push(world, journal, making, committed)).await
}

/// Runs the source's own command, where it has one.
async fn compile(world: &World, journal: &Journal, making: &Making<'_>) -> Result<(), Stop> {
    let &Making { source, dir, .. } = making;
    let Some(command) = &source.build.command else { return Ok(()) };
    let mut env = making.trust.environment(world).await?;
    env.extend(told(making, &dir.join(LAYOUT).display().to_string()));
    let program = Program {
        of: "build",
        command,
        dir: &dir.join("checkout"),
        env,
        within: source.build.timeout.to_std(),
        group_file: dir.join(GROUP_FILE),
    };
    process::run(journal, program).await
}

/// The image, if a worker that died had come as far as pushing it. An image of that tag that does not say it is of this
/// commit is somebody else's, and the push will refuse to move the tag.
async fn found_done(world: &World, making: &Making<'_>) -> Result<Option<Digest>, Stop> {
    let &Making { image, commit, ref by, .. } = making;
    let stop = |e: towpath_registry::RegistryError| Stop::failed(e.class(), e);
    let Some(digest) = world.registry.resolve(image).await.map_err(stop)? else { return Ok(None) };
    let config = world.registry.config(image.name(), digest).await.map_err(stop)?;
    let is_of = config.labels.get("org.opencontainers.image.revision") == Some(&commit.to_string());
    let is_by = by.as_ref().is_none_or(|by| config.labels.get(BY) == Some(by));
    Ok((is_of && is_by).then_some(digest))
}

async fn fetch(world: &World, making: &Making<'_>) -> Result<Timestamp, Stop> {
    let &Making { source, commit, .. } = making;
    let stop = |e: towpath_git::GitError| Stop::git(&e);
    let mirror = world.mirrors.with_commit(&source.url, commit).await.map_err(stop)?;
    let found = mirror.first_parent(commit, 1).await.map_err(stop)?;
    found.first().map(|info| info.committed_at).ok_or_else(|| Stop::own(format!("{} has no commit {commit}", source.url)))
}

async fn export(world: &World, making: &Making<'_>, checkout: &Path) -> Result<(), Stop> {
    let &Making { source, commit, dir, .. } = making;
    let io = |e: std::io::Error| Stop::failed(FailureClass::Environment, format!("{}: {e}", dir.display()));
    if tokio::fs::try_exists(dir).await.map_err(io)? {
        tokio::fs::remove_dir_all(dir).await.map_err(io)?;
    }
    tokio::fs::create_dir_all(checkout).await.map_err(io)?;
    let mirror = world.mirrors.get(&source.url).await.map_err(|e| Stop::failed(e.class(), e))?;
    mirror.export(commit, checkout, OutsideLinks::Refuse).await.map_err(|e| Stop::failed(e.class(), e))
}

/// What a build's command is told, wherever it runs: by Towpath, and by the source.
fn told(making: &Making<'_>, layout: &str) -> Vec<(String, String)> {
    let &Making { source, commit, image, .. } = making;
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

async fn push(world: &World, journal: &Journal, making: &Making<'_>, committed: Timestamp) -> Result<Pushed, Stop> {
    let &Making { source, commit, image, dir, tag_move, .. } = making;
    if source.build.push {
        return pushed(world, journal, image, None).await;
    }
    let registry = Arc::clone(world.registry.layout());
    let request = match &source.build.pack {
        Some(pack) => Some(world.registry.with_base(pack).await.map_err(|e| Stop::failed(e.class(), e))?),
        None => None,
    };
    let tag_move_here = world.registry.tag_move_here(image.name(), tag_move);
    let (name, tag) = (image.name().to_owned(), image.tag().unwrap_or_default().to_owned());
    let (checkout, layout) = (dir.join("checkout"), dir.join(LAYOUT));
    let labels = [("org.opencontainers.image.revision", commit.to_string()), ("org.opencontainers.image.source", source.url.to_string())];
    let labels = labels.into_iter().chain(making.by.iter().map(|by| (BY, by.clone())));
    let labels = labels.map(|(name, value)| (name.to_owned(), value)).collect();
    // A release's tag that points to another image is refused: the same commit makes the same bits, or somebody else made the tag.
    let made = tokio::task::spawn_blocking(move || match &request {
        Some(pack) => {
            let (checkout, platform) = (&checkout, Platform::host());
            let request = PackRequest { pack, checkout, created: committed, labels, platform, tag_move: tag_move_here };
            towpath_registry::pack(&request, &registry, &name, &tag)
        }
        None => {
            let request = ImportRequest { layout: &layout, platform: Platform::host(), tag_move: tag_move_here };
            towpath_registry::import(&request, &registry, &name, &tag)
        }
    });
    let packed = match made.await {
        Ok(packed) => packed.map_err(|e| Stop::failed(e.class(), e))?,
        Err(e) => return Err(Stop::failed(FailureClass::Unknown, format!("packing ended badly: {e}"))),
    };
    let (name, tag) = (image.name(), image.tag().unwrap_or_default());
    world.registry.deliver(&packed, name, tag, tag_move).await.map_err(|e| Stop::failed(e.class(), e))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_strangers_get_a_path_and_an_empty_home_and_nothing_else_of_this_machine() {
        let host = ["PATH", "HOME", "LANG", "DOCKER_CONFIG", "QUAY_TOKEN", "SSH_AUTH_SOCK", "KUBECONFIG"];
        let host: Vec<(String, String)> = host.iter().map(|name| ((*name).to_owned(), format!("the machine's {name}"))).collect();
        let env = plain(&host, Path::new("/run/home"));
        let told: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(told, [("PATH", "the machine's PATH"), ("LANG", "the machine's LANG"), ("HOME", "/run/home")]);
    }
}

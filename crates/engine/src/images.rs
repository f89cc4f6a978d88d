//! Images: whether what a target would deploy is there, and signed as its policies demand.
//!
//! Each image that no source of Towpath's own built is looked at before it is deployed, and looked at again ever more
//! rarely while it is missing: polling needs no webhook, and a webhook only makes it faster. Of an image that a source
//! built, the digest is known: it is looked at only where signatures are required, and then at that digest.

use std::collections::BTreeMap;
use std::sync::Arc;

use towpath_catalog::{Catalog, Policy, SignatureRequirement, Target};
use towpath_domain::{CommitId, Digest, ImageRef, SourceName, Span, Timestamp};

use crate::clock::Clock;
use crate::facts::{Facts, ImageFact};
use crate::index::TargetView;
use crate::secrets;
use crate::verdict::{Action, Hold};
use crate::world::World;

/// The wait after the first look that did not find all; it doubles with each further one.
const FIRST_WAIT: Span = Span::from_secs(5);
/// The longest wait: what nobody announces is found within this time.
const LONGEST_WAIT: Span = Span::from_secs(300);
/// How long others wait for a version whose image may still come: longer than most builds take, and not for ever, since
/// an image that was never built would stop all that come after it.
const PATIENCE: Span = Span::from_secs(900);

/// What the images of a version let a target do.
pub(crate) enum Images {
    /// All are there and signed, or it is not known yet what they are.
    Ready,
    /// One must be looked at first.
    Look(Action),
    /// Not now; never empty.
    Held(Vec<Hold>),
}

/// How the images stand that `view` would deploy at `commit`; `release` are the digests that its channels vouch for.
pub(crate) fn of(world: &World<'_>, view: &TargetView, commit: CommitId, release: &BTreeMap<ImageRef, Digest>) -> Images {
    let mut holds = Vec::new();
    for image in world.render(view, commit).map(|render| render.images()).unwrap_or_default() {
        world.watch_image(image);
        let sources = world.index.sources_of_image(image.name());
        let built = built(world.facts, view.target.source.iter().chain(sources), commit, image);
        if built.is_some() && view.signatures.is_empty() {
            continue;
        }
        let asked = pinned(image, built.or_else(|| release.get(image).copied()));
        if asked != *image {
            world.watch_image(&asked);
        }
        let fact = world.facts.images.get(&asked);
        let look = || Images::Look(look(view, &asked));
        let due = |fact: &ImageFact| fact.announced || world.clock.reached(next_look(fact));
        match (fault(fact, &view.signatures), fact) {
            (None, Some(fact)) if fact.announced => return look(),
            (None, _) => {}
            (Some(Fault::Missing | Fault::Unsigned { .. }), Some(fact)) if due(fact) => return look(),
            (Some(Fault::NotAsked), _) | (Some(_), None) => return look(),
            (Some(fault), Some(fact)) => holds.push(hold(&asked, fact, fault)),
        }
    }
    if holds.is_empty() { Images::Ready } else { Images::Held(holds) }
}

/// Whether nobody should wait any longer for what `view` would deploy at `commit`.
pub(crate) fn given_up(world: &World<'_>, view: &TargetView, commit: CommitId, release: &BTreeMap<ImageRef, Digest>) -> bool {
    matches!(of(world, view, commit, release), Images::Held(holds) if too_long(&world.clock, &holds))
}

/// Whether `holds` have stood for so long that nobody should wait for what they hold.
pub(crate) fn too_long(clock: &Clock, holds: &[Hold]) -> bool {
    holds.iter().any(|hold| match hold {
        Hold::ImageMissing { since, .. } | Hold::Unsigned { since, .. } => clock.reached(since.plus(PATIENCE)),
        _ => false,
    })
}

/// Whether `hold` is about an image.
pub(crate) fn is_about_image(hold: &Hold) -> bool {
    matches!(hold, Hold::ImageMissing { .. } | Hold::Unsigned { .. })
}

/// Who asks what is known of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// A change, which looks at nothing: only what is known to be unsigned stands against it.
    Change,
    /// A deploy right before it begins: nothing goes that must be signed and is not known to be.
    Deploy,
}

/// What is known to stand against deploying the images of `target` at `commit`, without looking anywhere.
pub(crate) fn known(
    catalog: &Catalog,
    facts: &Facts,
    target: &Target,
    commit: CommitId,
    release: &BTreeMap<ImageRef, Digest>,
    asks: Asks,
    now: Timestamp,
) -> Vec<Hold> {
    let selecting = catalog.policies.iter().filter(|policy| policy.require_signed.is_some() && policy.select.selects(target));
    let signatures: Vec<Arc<Policy>> = selecting.cloned().collect();
    if asks == Asks::Change && signatures.is_empty() {
        return Vec::new();
    }
    let paths = secrets::unpinned(target);
    let renders = facts.renders.get(&target.id).map(Vec::as_slice).unwrap_or_default();
    let render = renders.iter().rev().find(|render| render.commit == commit && secrets::is_current(render, target, &paths, facts));
    let mut holds = Vec::new();
    for image in render.map(|render| render.images()).unwrap_or_default() {
        let named = catalog.sources.values().filter(|source| source.image == image.name()).map(|source| &source.name);
        let built = built(facts, target.source.iter().chain(named), commit, image);
        if built.is_some() && signatures.is_empty() {
            continue;
        }
        let asked = pinned(image, built.or_else(|| release.get(image).copied()));
        let fact = facts.images.get(&asked);
        match (fault(fact, &signatures), fact) {
            (None, _) => {}
            (Some(Fault::NotAsked), _) | (_, None) if asks == Asks::Change || signatures.is_empty() => {}
            (Some(Fault::Missing), _) if asks == Asks::Change => {}
            (Some(fault), Some(fact)) => holds.push(hold(&asked, fact, fault)),
            (Some(_), None) => {
                let (since, error) = (now, Some("nobody has looked at its signatures yet".to_owned()));
                holds.push(Hold::ImageMissing { image: asked, since, next: since, error });
            }
        }
    }
    holds
}

/// When an image that was not found, or not found signed, is looked at again.
pub(crate) fn next_look(fact: &ImageFact) -> Timestamp {
    let doublings = fact.looks.saturating_sub(1);
    let wait = FIRST_WAIT.as_millis().saturating_mul(1_u64.checked_shl(doublings).unwrap_or(u64::MAX));
    fact.at.plus(Span::from_millis(wait.min(LONGEST_WAIT.as_millis())))
}

/// What is wrong with an image.
enum Fault<'a> {
    /// It was never looked at, or not for all that is required now.
    NotAsked,
    /// It is not there, or nobody can tell.
    Missing,
    /// It is there, and not signed as `policy` requires.
    Unsigned { policy: &'a Policy, requirement: &'a SignatureRequirement, what: &'a str },
}

fn fault<'a>(fact: Option<&'a ImageFact>, signatures: &'a [Arc<Policy>]) -> Option<Fault<'a>> {
    let Some(fact) = fact else { return Some(Fault::NotAsked) };
    if fact.digest.is_none() || fact.error.is_some() {
        return Some(Fault::Missing);
    }
    signatures.iter().find_map(|policy| {
        let requirement = policy.require_signed.as_deref()?;
        match fact.signed.get(&*requirement.hash) {
            None => Some(Fault::NotAsked),
            Some(None) => None,
            Some(Some(what)) => Some(Fault::Unsigned { policy, requirement, what }),
        }
    })
}

fn hold(image: &ImageRef, fact: &ImageFact, fault: Fault<'_>) -> Hold {
    let (image, since, next) = (image.clone(), fact.since, next_look(fact));
    match (fault, fact.digest) {
        (Fault::Unsigned { policy, requirement, what }, Some(digest)) => Hold::Unsigned {
            image,
            digest,
            policy: policy.name.to_string(),
            what: what.to_owned(),
            place: requirement.place.clone(),
            since,
            next,
        },
        _ => Hold::ImageMissing { image, since, next, error: fact.error.clone() },
    }
}

fn look(view: &TargetView, image: &ImageRef) -> Action {
    let requirements = view.signatures.iter().filter_map(|policy| policy.require_signed.clone()).collect();
    Action::LookAtImage { target: view.target.id.clone(), image: Box::new(image.clone()), requirements }
}

/// The image at the digest that it must have, where that is known.
fn pinned(image: &ImageRef, digest: Option<Digest>) -> ImageRef {
    match digest.filter(|_| image.digest().is_none()) {
        Some(digest) => image.pinned(digest),
        None => image.clone(),
    }
}

/// The digest that one of `sources` pushed under exactly this name. Mostly that of `commit`.
fn built<'a>(facts: &Facts, mut sources: impl Iterator<Item = &'a SourceName>, commit: CommitId, image: &ImageRef) -> Option<Digest> {
    sources.find_map(|source| {
        let builds = facts.builds.get(source)?;
        let first = builds.get(&commit).into_iter();
        let built = first.chain(builds.values()).filter_map(|fact| fact.built.as_ref()).find(|built| built.image == *image)?;
        Some(built.digest)
    })
}

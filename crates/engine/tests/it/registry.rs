//! A registry in a box: which images templates name, which are there, and which are signed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use towpath_catalog::SignatureRequirement;
use towpath_domain::*;
use towpath_engine::Event;

/// What is in the registry, and who names it.
pub struct Registry {
    /// Names of images by target; those without a tag are tagged with the commit.
    pub named: BTreeMap<TargetId, Vec<&'static str>>,
    /// What was pushed, by name and tag.
    pub there: BTreeSet<String>,
    /// What was signed, by name and tag.
    pub signed: BTreeSet<String>,
    /// Everything is there and signed.
    pub complete: bool,
    /// Why it does not answer.
    pub down: Option<&'static str>,
    /// The digest of whatever no source built.
    pub digest: Digest,
    /// Every look, in order.
    pub looks: Vec<ImageRef>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            named: BTreeMap::new(),
            there: BTreeSet::new(),
            signed: BTreeSet::new(),
            complete: false,
            down: None,
            digest: Digest::from_bytes([8; 32]),
            looks: Vec::new(),
        }
    }
}

/// Whether the source `web` of tests builds it.
pub fn is_of_source(image: &ImageRef) -> bool {
    image.name() == "registry.example.com/web"
}

fn tagged(image: &ImageRef) -> String {
    format!("{}:{}", image.name(), image.tag().unwrap_or_default())
}

impl Registry {
    /// `target` deploys these images.
    pub fn name(&mut self, target: &str, images: &[&'static str]) {
        self.named.insert(TargetId::new(target).unwrap(), images.to_vec());
    }

    /// The images that `target` deploys at `commit`.
    pub fn images(&self, target: &TargetId, commit: CommitId) -> Vec<ImageRef> {
        let tagged = |name: &&str| if name.contains(':') { (*name).to_owned() } else { format!("{name}:{}", commit.short(7)) };
        self.named.get(target).into_iter().flatten().map(|name| tagged(name).parse().unwrap()).collect()
    }

    pub fn has(&self, image: &ImageRef) -> bool {
        self.complete || is_of_source(image) || self.there.contains(&tagged(image))
    }

    pub fn is_signed(&self, image: &ImageRef) -> bool {
        self.complete || self.signed.contains(&tagged(image))
    }

    /// What a look at an image tells.
    pub fn look(&mut self, image: &ImageRef, requirements: &[Arc<SignatureRequirement>]) -> Event {
        self.looks.push(image.clone());
        let error = self.down.map(str::to_owned);
        let digest = image.digest().or(Some(self.digest)).filter(|_| error.is_none() && self.has(image));
        let what = (!self.is_signed(image)).then(|| "it carries no signature".to_owned());
        let signed = requirements.iter().filter(|_| digest.is_some()).map(|required| (required.hash.to_string(), what.clone()));
        Event::ImageLooked { image: image.clone(), digest, signed: signed.collect(), error }
    }
}

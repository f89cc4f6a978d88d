//! What looks outside make of the facts: images, secrets, and how much memory a subject takes.

use std::collections::BTreeMap;

use towpath_domain::{Digest, ImageRef, Timestamp};

use crate::event::Subject;
use crate::facts::{FactKey, Facts, ImageFact, SecretFact};

/// Images that are remembered: far more than are waited for at a time. What is forgotten is looked at once more.
const IMAGES_MAX: usize = 10_000;
/// How many are forgotten at once, so that finding them costs next to nothing each.
const IMAGES_CUT: usize = 1_000;
/// Paths of secrets whose version is remembered.
const SECRETS_MAX: usize = 10_000;

impl Facts {
    pub(super) fn image_looked(
        &mut self,
        at: Timestamp,
        image: &ImageRef,
        digest: Option<Digest>,
        signed: &BTreeMap<String, Option<String>>,
        error: Option<&String>,
    ) -> Vec<FactKey> {
        let before = self.images.remove(image);
        let well = digest.is_some() && error.is_none() && signed.values().all(Option::is_none);
        let in_vain = before.as_ref().filter(|before| before.looks > 0 && !well);
        let (looks, since) = in_vain.map_or((0, at), |before| (before.looks, before.since));
        // What others had asked of the same bits still holds.
        let mut all = before.filter(|before| before.digest == digest).map(|before| before.signed).unwrap_or_default();
        all.extend(signed.iter().map(|(hash, what)| (hash.clone(), what.clone())));
        let looks = if well { 0 } else { looks.saturating_add(1) };
        let fact = ImageFact { digest, at, looks, since, signed: all, error: error.cloned(), announced: false };
        self.images.insert(image.clone(), fact);
        let mut touched = vec![FactKey::Image(image.clone())];
        touched.extend(self.cut_images(image));
        touched
    }

    /// Whatever is known of the image is looked at again before it counts. So is what carries the digest that a signature was
    /// pushed for: cosign tags it `sha256-….sig`; and all of the repository where no tag is told.
    pub(super) fn image_announced(&mut self, image: &ImageRef) -> Vec<FactKey> {
        let signed = image.tag().and_then(|tag| tag.strip_prefix("sha256-")).and_then(|rest| rest.get(..64));
        let meant = |known: &ImageRef, fact: &ImageFact| {
            let digest = || known.digest().or(fact.digest).map(|digest| digest.hex());
            known.name() == image.name()
                && (image.tag().is_none() || known.tag() == image.tag() || signed.is_some_and(|signed| digest().as_deref() == Some(signed)))
        };
        let news = self.images.iter_mut().filter(|(known, fact)| !fact.announced && meant(known, fact));
        news.map(|(known, fact)| {
            fact.announced = true;
            FactKey::Image(known.clone())
        })
        .collect()
    }

    pub(super) fn secret_seen(&mut self, at: Timestamp, path: &str, version: &str) -> Vec<FactKey> {
        if self.secrets.get(path).is_some_and(|known| known.version == version) {
            return Vec::new();
        }
        self.secrets.insert(path.to_owned(), SecretFact { version: version.to_owned(), at });
        let mut touched = vec![FactKey::Secret(path.to_owned())];
        if self.secrets.len() > SECRETS_MAX {
            let oldest = self.secrets.iter().map(|(path, fact)| (fact.at, path)).min().map(|(_, path)| path.clone());
            if let Some(oldest) = oldest.filter(|oldest| *oldest != *path) {
                self.secrets.remove(&oldest);
                touched.push(FactKey::Secret(oldest));
            }
        }
        touched
    }

    pub(super) fn memory_raised(&mut self, subject: &Subject, bytes: u64) -> Vec<FactKey> {
        if self.memory.get(subject).is_some_and(|known| *known >= bytes) {
            return Vec::new();
        }
        self.memory.insert(subject.clone(), bytes);
        vec![FactKey::Memory(subject.clone())]
    }

    /// Forgets what was found longest ago, and what was looked for in vain only after that: it would begin to count anew.
    fn cut_images(&mut self, keep: &ImageRef) -> Vec<FactKey> {
        if self.images.len() <= IMAGES_MAX {
            return Vec::new();
        }
        let mut all: Vec<(bool, Timestamp, &ImageRef)> = self.images.iter().map(|(image, fact)| (fact.looks > 0, fact.at, image)).collect();
        all.sort_unstable();
        let cut: Vec<ImageRef> = all.into_iter().map(|(.., image)| image.clone()).filter(|image| image != keep).take(IMAGES_CUT).collect();
        for image in &cut {
            self.images.remove(image);
        }
        cut.into_iter().map(FactKey::Image).collect()
    }
}

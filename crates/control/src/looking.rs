//! Looks at images beside the loop: a registry that answers slowly holds up who waits for its images and nobody else.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use towpath_catalog::SignatureRequirement;
use towpath_domain::{Digest, ImageRef};
use towpath_engine::Event;
use towpath_registry::{Registries, Registry as _};
use towpath_runs::World;

/// How many images are looked at at the same time.
const AT_ONCE: usize = 16;

/// How long one look may take. A registry that takes longer is as good as away, and is asked again.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is looked at: an image, and the hashes of what it must be signed by.
type Key = (ImageRef, Vec<Arc<str>>);

/// The looks that are under way.
#[derive(Clone)]
pub(crate) struct Looking {
    under_way: Arc<Mutex<HashSet<Key>>>,
    turns: Arc<Semaphore>,
}

impl Looking {
    pub(crate) fn new() -> Self {
        Self { under_way: Arc::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Begins to look at an image, unless that is under way. What comes of it is recorded, which wakes the loop.
    pub(crate) fn begin(&self, world: &Arc<World>, image: ImageRef, requirements: Vec<Arc<SignatureRequirement>>) {
        let key = (image.clone(), requirements.iter().map(|required| Arc::clone(&required.hash)).collect());
        if !self.lock().insert(key.clone()) {
            return;
        }
        let (own, world) = (self.clone(), Arc::clone(world));
        tokio::spawn(async move {
            let _turn = own.turns.acquire().await;
            let looked = match tokio::time::timeout(PATIENCE, look(&world.registry, &image, &requirements)).await {
                Ok(Ok((digest, signed))) => Event::ImageLooked { image: image.clone(), digest, signed, error: None },
                Ok(Err(error)) => in_vain(&image, error),
                Err(_) => in_vain(&image, format!("its registry did not answer within {} seconds", PATIENCE.as_secs())),
            };
            // Before it is recorded: whoever is woken by that may have to ask again.
            own.lock().remove(&key);
            if let Err(error) = world.ledger.append(None, "towpath", world.clock.now(), vec![looked]).await {
                tracing::warn!(%image, %error, "what was seen of an image could not be recorded; it is looked at again");
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_vain(image: &ImageRef, error: String) -> Event {
    tracing::warn!(%image, error, "the image cannot be looked at");
    Event::ImageLooked { image: image.clone(), digest: None, signed: BTreeMap::new(), error: Some(error) }
}

type Signed = BTreeMap<String, Option<String>>;

/// The image's digest, and what is missing of each requirement; an error in words for people.
async fn look(
    registry: &Registries,
    image: &ImageRef,
    requirements: &[Arc<SignatureRequirement>],
) -> Result<(Option<Digest>, Signed), String> {
    let Some(digest) = registry.resolve(image).await.map_err(|error| error.to_string())? else { return Ok((None, Signed::new())) };
    let mut signed = Signed::new();
    for required in requirements {
        let missing = registry.missing_signature(image.name(), digest, required).await.map_err(|error| error.to_string())?;
        signed.insert(required.hash.to_string(), missing);
    }
    Ok((Some(digest), signed))
}

//! Images signed and not signed, in the real registry.

mod identity;
mod key;

use std::sync::Arc;

use towpath_catalog::{Place, SignatureRequirement, Signer};
use towpath_domain::Digest;
use towpath_registry::{RemoteRegistry, TagMove, TrustedRoot};
use towpath_testbed::{Registry, SigningKey};

use crate::remote::{packed, remote, settings};
use crate::support::World;

/// An image in a registry, and another one beside it.
struct Given {
    registry: Registry,
    remote: RemoteRegistry,
    world: World,
    name: String,
    image: Digest,
    other: Digest,
}

impl Given {
    async fn new() -> Option<Given> {
        let registry = Registry::plain()?;
        let (world, remote) = (World::new(), remote(settings(&registry.host)));
        let name = format!("{}/web", registry.host);
        let mut digests = Vec::new();
        for tag in ["1", "2"] {
            let image = packed(&world, &name, tag, tag);
            remote.push(&world.registry, &name, tag, image.digest, TagMove::Refuse).await.unwrap();
            digests.push(image.digest);
        }
        Some(Given { registry, remote, world, name, image: digests[0], other: digests[1] })
    }

    fn digest(&self) -> String {
        self.image.to_string()
    }

    async fn missing(&self, required: &SignatureRequirement, root: Option<&TrustedRoot>) -> Option<String> {
        self.remote.missing_signature(&self.name, self.image, required, root).await.unwrap()
    }

    async fn missing_of_key(&self, key: &SigningKey, attestations: &[&str]) -> Option<String> {
        self.missing(&by_key(&key.public_pem(), attestations), None).await
    }
}

fn by_key(pem: &str, attestations: &[&str]) -> SignatureRequirement {
    required(Signer::Key { pem: pem.into() }, attestations)
}

fn required(signer: Signer, attestations: &[&str]) -> SignatureRequirement {
    let place = Place { file: Arc::from("data/policy.yml"), line: 1, column: 1, start: 0, end: 0 };
    SignatureRequirement::new(signer, attestations.iter().map(|&kind| kind.to_owned()).collect(), place)
}

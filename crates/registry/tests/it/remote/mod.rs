//! Registries over the network: the real one, and bad ways to it.

mod asking;
mod faults;
mod moving;
mod signing_in;

use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::{Value, json};
use towpath_domain::Digest;
use towpath_registry::{Credentials, LayoutRegistry, Limits, Packed, RemoteRegistry, RemoteSettings};
use towpath_testbed::{REGISTRY_PASSWORD, REGISTRY_USER, Registry};

use crate::support::{World, pack_of};

pub fn settings(host: &str) -> RemoteSettings {
    RemoteSettings { host: host.to_owned(), plain_http: true, ca_file: None, credentials: None }
}

pub fn user(password: &str) -> Option<Credentials> {
    Some(Credentials { username: REGISTRY_USER.to_owned(), password: SecretString::from(password).into() })
}

/// With user and password, encrypted where it is.
pub fn signed_in(registry: &Registry) -> RemoteSettings {
    RemoteSettings {
        plain_http: registry.ca.is_none(),
        ca_file: registry.ca.clone(),
        credentials: user(REGISTRY_PASSWORD),
        ..settings(&registry.host)
    }
}

pub fn remote(settings: RemoteSettings) -> RemoteRegistry {
    towpath_testbed::init();
    RemoteRegistry::new(settings, Limits::default()).unwrap()
}

/// A small image of `content`, packed as `name:tag` into the world's own registry.
pub fn packed(world: &World, name: &str, tag: &str, content: &str) -> Packed {
    world.file("server", content);
    let (pack, checkout) = (pack_of(&[("server", "/app/server")]), world.path("checkout"));
    let request = crate::support::request(&pack, &checkout);
    towpath_registry::pack(&request, &world.registry, name, tag).unwrap()
}

/// Another registry on disk, with nothing in it.
pub fn empty(world: &World) -> LayoutRegistry {
    LayoutRegistry::open(world.path("elsewhere")).unwrap()
}

/// The manifest's descriptor, as an index has it.
pub fn member(digest: &str, size: usize, architecture: &str) -> Value {
    json!({"mediaType": crate::support::MANIFEST, "digest": digest, "size": size, "platform": {"architecture": architecture, "os": "linux"}})
}

/// The file of a blob.
pub fn blob_file(layout: &LayoutRegistry, name: &str, digest: Digest) -> PathBuf {
    layout.folder(name).unwrap().join("blobs/sha256").join(digest.hex())
}

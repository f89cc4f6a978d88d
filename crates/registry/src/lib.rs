//! Images: OCI image layouts on disk, the packer, registries over the network, and signatures.
//!
//! Towpath keeps images as files in the format of the OCI image specification, one image layout per image name, so
//! that every tool that reads `oci:FOLDER:TAG` reads them too. Nothing here needs a daemon, a network or root.
//!
//! - [`LayoutRegistry`] is the registry on disk, [`RemoteRegistry`] one over the network, [`Registries`] all of an installation;
//!   [`Registry`] is what the other parts see of any of them.
//! - [`pack()`] makes an image of files of a checkout, the same bits for the same commit in every place.
//! - [`import()`] takes over an image layout that a build command of the user's own left behind.
//! - [`Registries::missing_signature`] says whether an image is signed as a policy requires.
//! - [`unpack()`] lays an image's files out in a cache, and [`instantiate()`] makes a private copy to run in.
//!
//! The core is synchronous: it is file work, and a lock on a file may be waited for. [`Registry`]'s methods carry it
//! to Tokio's blocking threads; who calls [`pack()`], [`import()`] or [`instantiate()`] from async code does the same with
//! `tokio::task::spawn_blocking`.
//!
//! Content from outside is not trusted: what a build left, what a layer holds and what a descriptor says are checked
//! against digests and [`Limits`] before anything is kept.

mod beneath;
mod error;
mod hashing;
mod image;
mod import;
mod layer;
mod layout;
mod limits;
mod pack;
mod registries;
mod registry;
mod remote;
mod signature;
mod unpack;

pub use error::RegistryError;
pub use image::{Descriptor, ImageConfig, Manifest, Platform};
pub use import::{ImportRequest, import};
pub use layout::{LayoutRegistry, StoredImage, TagMove};
pub use limits::Limits;
pub use pack::{PackRequest, Packed, pack};
pub use registries::Registries;
pub use registry::{Registry, RegistryFuture};
pub use remote::{Credentials, Password, PasswordSource, RemoteRegistry, RemoteSettings};
pub use signature::TrustedRoot;
pub use unpack::{Unpacked, instantiate, unpack};

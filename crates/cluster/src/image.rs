//! How the runtime asks for images. The wiring implements [`ImageStore`] over the registry part.

use std::path::Path;

use towpath_domain::{Digest, FailureClass, ImageRef};

use crate::api::BoxFuture;

/// What an image says of how it is to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// The program and its first arguments; a container's `command` replaces it.
    pub entrypoint: Vec<String>,
    /// Further arguments; a container's `args` replace them.
    pub cmd: Vec<String>,
    /// Environment variables, in order.
    pub env: Vec<(String, String)>,
    /// The working directory within the image; empty means `/`.
    pub workdir: String,
}

/// An image, unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// The digest of what was unpacked.
    pub digest: Digest,
    /// How it wants to be run.
    pub config: ImageConfig,
}

/// Why an image could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// There is no such image: trying again helps only after somebody built it.
    #[error("image {image} does not exist: {why}; build it, or set the ref to a commit that has an image")]
    Missing {
        /// The image asked for.
        image: String,
        /// What the registry said.
        why: String,
    },
    /// The image is there but its content is not what its digest says, or cannot be unpacked safely.
    #[error("image {image} cannot be unpacked: {why}; build it anew")]
    Damaged {
        /// The image asked for.
        image: String,
        /// What is wrong with it.
        why: String,
    },
    /// The registry or the disk did not answer: trying again may help.
    #[error("image {image} cannot be had now: {why}; it is tried again")]
    Unavailable {
        /// The image asked for.
        image: String,
        /// What failed.
        why: String,
    },
}

impl ImageError {
    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Missing { .. } | Self::Damaged { .. } => FailureClass::Own,
            Self::Unavailable { .. } => FailureClass::Environment,
        }
    }
}

/// Where images come from.
pub trait ImageStore: Send + Sync {
    /// The digest that `image` has now. A reference with a digest answers with that digest if the image is there.
    fn resolve<'a>(&'a self, image: &'a ImageRef) -> BoxFuture<'a, Result<Digest, ImageError>>;

    /// Unpacks `image` into the empty directory `dest`, which exists. May be cut short at any instant; the directory is then thrown away.
    fn unpack<'a>(&'a self, image: &'a ImageRef, dest: &'a Path) -> BoxFuture<'a, Result<Unpacked, ImageError>>;
}

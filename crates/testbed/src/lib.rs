//! Real servers for tests of Towpath; only ever a dev-dependency.
//!
//! Nothing here pretends: [`Kube`] is a real Kubernetes, [`Registry`] a real registry of images, `S3` (feature `s3`) a real S3-compatible server;
//! [`Proxy`] makes the way to one a bad one.
//!
//! What is missing on a machine makes the start return `None` after a line `SKIPPED: …`; with `CI` set it panics, so that
//! no check is left out unseen. What is there and does not start always panics: that is a failure, not a lack.
//! Everything that is started ends with the test process, however that ends.

// A test that cannot go on says so by panicking; this crate is the tests' own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod browser;
mod cosign;
#[cfg(feature = "generated")]
pub mod generated;
mod git;
mod git_http;
mod http;
mod keeper;
mod kube;
mod missing;
#[cfg(feature = "oidc")]
pub mod oidc;
mod packages;
mod proxy;
mod python;
mod registry;
#[cfg(feature = "s3")]
mod s3;

pub use cosign::{Attachment, SigningKey, payload_of, statement_of};
pub use git::GitServer;
pub use git_http::{GitHttp, Mood};
pub use http::Head;
pub use keeper::Keeper;
pub use kube::{Kube, NODE_ADDRESS, Proxy as KubeProxy};
pub use missing::{missing_program, shared, skipped};
pub use packages::{npm_package, npm_package_of};
pub use proxy::{Fate, Proxy};
pub use python::python_programs;
pub use registry::{REGISTRY_PASSWORD, REGISTRY_USER, Registry};
#[cfg(feature = "s3")]
pub use s3::S3;

/// Chooses the TLS provider for this process, once; whoever makes a `kube::Client` in a test calls this first.
pub fn init() {
    // An error only says that it was chosen before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

//! How far an upload is: what must be known again after a crash.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use towpath_domain::Timestamp;

use crate::error::IbutsuError;

/// How far an upload is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// When something was first sent: it may have arrived.
    pub begun: Option<Timestamp>,
    /// The import that the server made of it.
    pub import: Option<Import>,
    /// How many results were sent one by one, with their files.
    pub results: usize,
}

/// An import that is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Its id.
    pub id: String,
    /// When the server took it.
    pub taken: Timestamp,
    /// When it was first seen running.
    #[serde(default)]
    pub running: Option<Timestamp>,
}

/// Keeps how far an upload is.
pub trait Journal: Send + Sync {
    /// Keeps it; what follows is not done before it is kept.
    ///
    /// # Errors
    /// Why it cannot be kept.
    fn keep<'a>(&'a self, progress: &'a Progress) -> BoxFuture<'a, Result<(), IbutsuError>>;
}

/// What came of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploaded {
    /// The run's id in Ibutsu.
    pub id: String,
    /// Its page there, if it is known where pages are.
    pub link: Option<String>,
    /// Results that were sent.
    pub results: u64,
    /// Why files were left out, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_files: Option<String>,
}

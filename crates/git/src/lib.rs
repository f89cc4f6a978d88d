//! Mirrors, reads at a commit, commits and pushes, by the git program.
//!
//! All work is done by the `git` program (2.38 or newer) as a subprocess: its transports, credential helpers, `url.*.insteadOf`
//! rules and ssh settings are the ones people already have, and stay in force. What this crate adds is that nothing which people
//! wrote can become an option, that every call has a time limit and a bounded output, that errors have a class, and that
//! doing a thing again finds it done.
//!
//! - [`Git`] is the program and how it is called; it also looks at remotes without a copy of them.
//! - [`Mirror`] is a bare copy of one repository. Reads, commits and pushes go through it; there is never a work tree.
//!
//! Architecture invariant: no shell, no libgit2, no clock and no environment is read here; moments and settings are handed in.

mod command;
mod credential;
mod error;
mod mirror;
mod names;
mod object;
mod read;
mod remote;
mod settings;
mod write;

pub use command::{Git, Version};
pub use credential::Credential;
pub use error::GitError;
pub use mirror::Mirror;
pub use object::{BlobId, EntryKind};
pub use read::{CommitInfo, OutsideLinks, TreeEntry};
pub use settings::{Identity, Settings, Timeouts};
pub use write::{CommitRequest, Edit, MERGE_RULES, MergeRequest, Merged, PushOutcome, RefUpdate};

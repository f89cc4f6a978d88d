//! Changes on a config repository: the built-in forge on plain Git.
//!
//! A [`Forge`] is where changes are proposed, looked at, merged and closed. [`PlainGit`] needs nothing but a Git repository: a change is
//! a branch, and merging it is a push that succeeds only if nothing moved meanwhile. Checks are run by the caller, on the merged result.
//!
//! Architecture invariant: only this crate may name a forge's API, and it decides nothing. It does what it is told or says what stands in
//! the way; whether a change should merge is the engine's question.

mod error;
mod forge;
#[allow(dead_code, reason = "the first forge over it is under way")]
mod hosted;
#[allow(dead_code, reason = "the first forge over it is under way")]
mod http;
mod model;
mod plain;
mod review;

pub use error::ForgeError;
pub use forge::{Answer, Forge};
pub use http::{Token, TokenSource};
pub use model::{Change, CloseOutcome, MergeOrder, MergeOutcome, MergeResult, Proposal, Proposed};
pub use plain::PlainGit;
pub use review::{Abilities, Budget, Comment, FoundStatus, Number, Opinion, Protection, Pull, PullState, Review, Status, StatusState};
// What a proposal is made of.
pub use towpath_git::{Edit, Identity};

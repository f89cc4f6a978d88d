//! Changes on a config repository: the built-in forge on plain Git.
//!
//! A [`Forge`] is where changes are proposed, looked at, merged and closed. [`PlainGit`] needs nothing but a Git repository: a change is
//! a branch, and merging it is a push that succeeds only if nothing moved meanwhile. Checks are run by the caller, on the merged result.
//!
//! Architecture invariant: only this crate may name a forge's API, and it decides nothing. It does what it is told or says what stands in
//! the way; whether a change should merge is the engine's question.

mod connect;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
mod forge;
mod forgejo;
mod github;
mod gitlab;
mod hosted;
mod http;
mod model;
mod moment;
mod pages;
mod plain;
mod review;

pub use connect::{Address, Kind, Settings, api_of, forgejo, git_user, github, github_app, github_by, gitlab};
pub use error::ForgeError;
pub use forge::{Answer, Forge};
pub use github::{App, AppKey};
pub use hosted::{escape, marker_of};
pub use http::{Token, TokenSource};
pub use model::{Change, CloseOutcome, MergeOrder, MergeOutcome, MergeResult, Proposal, Proposed};
pub use pages::CommitPages;
pub use plain::PlainGit;
pub use review::{
    Abilities, Budget, Comment, FoundStatus, Number, Opinion, Protection, Pull, PullState, Queued, Reruns, Review, Status, StatusState,
};
// What a proposal is made of.
pub use towpath_git::{Edit, Identity};

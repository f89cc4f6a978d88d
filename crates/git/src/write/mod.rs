//! Makes commits without a work tree, and pushes them.

mod commit;
mod merge;
mod push;

pub use commit::{CommitRequest, Edit};
pub use merge::{MERGE_RULES, MergeRequest, Merged};
pub use push::{PushOutcome, RefUpdate};

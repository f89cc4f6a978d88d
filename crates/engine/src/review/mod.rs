//! Whether a change may be merged now, and what of it is to be told: approvals, holds, checks, labels, commands.
//!
//! [`judge()`] is pure, like the planner. It is given the catalog of the branch that the change is to be merged *into*: policies,
//! people and roles are never read from the change. What it says counts for the head that it was given; merge exactly that commit.
//!
//! - [`input`]: what is known of the change.
//! - [`command`]: which lines of a comment are commands.
//! - [`verdict`]: what follows, and [`text`]: the same in words.

pub mod command;
pub mod input;
pub mod text;
pub mod verdict;

mod bench;
mod judge;
mod labels;
mod needs;
mod standing;

pub use command::{Command, commands};
pub use input::{Check, CheckState, Comment, Kind, Label, Opinion, Review, Touched, UnderReview};
pub use judge::judge;
pub use verdict::{Answer, MergeOrder, Need, ReviewHold, ReviewVerdict, Told};

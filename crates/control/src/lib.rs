//! The loop: gathers facts, asks the engine, does what it says.
//!
//! [`Control`] looks at repositories ([`observe`](self)), hands what is new to the planner, and queues what the planner
//! says. It decides nothing itself. The same value that the loop acts on is what `status`, `explain` and `plan` show.
//!
//! Architecture invariant: no part but this one starts anything, and nothing outside is touched here: runs do that.

mod away;
mod checks;
mod commits;
mod deletions;
mod differences;
mod doctor;
mod find;
mod incidents;
mod looking;
mod looks;
mod messages;
mod news;
mod observe;
mod permit;
mod places;
mod plans;
mod pools;
mod rendering;
pub mod request;
mod requests;
mod reviews;
mod rotation;
mod runs;
mod sight;
mod status;
mod steer;
mod story;
mod titles;
pub mod view;
mod words;

pub use doctor::{cluster as look_at_cluster, disk};
pub use incidents::Stuck;
pub use observe::Pace;
pub use permit::{Grants, Verb};
pub use plans::plan_folder;
pub use sight::{Pattern, Patterns, Scope, Sight};
pub use steer::Control;
pub use titles::is_part;

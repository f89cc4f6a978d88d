//! The planner: one pure function from catalog, facts and time to verdicts.
//!
//! [`Facts::apply`] adds events up to what is known. [`plan`] says what follows; [`Planner`] says the same at a cost that
//! grows with what changed. [`gate()`] is the one place where it is decided whether a commit may come to a target.
//!
//! [`review`] says whether a change on the config repository may be merged, and by whose approval.
//!
//! No clock, no I/O, no async, no randomness: the same input gives the same verdicts and names in every process.

pub mod check;
pub mod event;
pub mod facts;
pub mod pool;
pub mod review;
pub mod verdict;

mod apply;
mod batch;
mod build;
mod candidates;
mod change;
mod clock;
mod dependants;
mod deploy;
mod gate;
mod group;
mod ids;
mod images;
mod index;
mod moved;
mod order;
mod parallel;
mod planner;
mod policy;
mod promotion;
mod refresh;
mod retry;
mod rollback;
mod rules;
mod secrets;
mod split;
mod store;
mod target;
mod tested;
mod text;
mod under_test;
mod world;

pub use change::{change_run, is_urgent, merge_order};
pub use check::CheckEvent;
pub use event::*;
pub use facts::*;
pub use gate::{Passed, gate, may_deploy};
pub use ids::{change_id, change_spec, namespace_name, reservation_of_person, reservation_of_run, slug};
pub use moved::{Moved, MovedTarget, Vouched};
pub use planner::{Plan, Planner, plan};
pub use pool::PoolEvent;
pub use secrets::{secret_paths, secret_versions};
pub use store::FactError;
pub use tested::{FLAKY_FOR, FailedTest, Judgement, Mark, TestRules, judge, test_rules, tree};
pub use text::{BLOCKS, HOLDS, Names, action_text, hold_text, lift_text, verdict_text};
pub use verdict::*;

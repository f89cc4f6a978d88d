//! Checks of pull requests: what may happen to one, what is known of it, and what follows.
//!
//! Who is checked next is one pure function ([`plan_checks`]), and what people are told of their place comes from the same value.

mod apply;
mod ask;
mod event;
mod facts;
mod plan;
mod standing;
mod work;

pub use ask::{Asker, Command, Refusal, commands, may_ask};
pub use event::{Ask, Asked, CheckEvent, PullRequest};
pub use facts::{CheckFact, CheckFailure, CheckedTree, LastCheck, Wanted};
pub use plan::{ChecksPlan, check_of, check_run, plan_checks, source_of, try_of};
pub use standing::CheckStanding;
pub use work::{Blame, CheckWork, Keep, Overrides, Unwanted, is_wanted, part_of, parts};

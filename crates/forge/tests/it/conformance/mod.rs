//! One suite for all forges: what is promised of every one holds on every one.

mod by_forge;
mod changes;
mod talk;

use std::sync::Arc;

use towpath_domain::CommitId;
use towpath_forge::fake::others::Ends;
use towpath_forge::fake::{Mishap, Rules};
use towpath_forge::{
    CloseOutcome, Forge, ForgeError, MergeOutcome, MergeResult, Number, Opinion, Proposed, PullState, Queued, Reruns, Status, StatusState,
};

use crate::stage::{Forgejo, GitHub, GitLab, Plain, Stage};
use crate::support::{id, open, order, proposal};

/// All stories.
mod stories {
    pub use super::by_forge::*;
    pub use super::changes::*;
    pub use super::talk::*;
}

/// The suite for one forge.
macro_rules! suite {
    ($($forge:ident: $stage:ty { $($story:ident),* $(,)? })*) => {
        $(mod $forge {
            use super::*;
            $(#[tokio::test] async fn $story() { stories::$story::<$stage>().await; })*
        })*
    };
}

macro_rules! for_each {
    ($stories:tt) => {
        suite! { plain_git: Plain $stories forgejo: Forgejo $stories github: GitHub $stories gitlab: GitLab $stories }
    };
}

for_each! {{
    a_change_proposed_twice_by_two_processes_is_one_change_and_merges_once,
    a_change_that_people_pushed_to_is_left_alone,
    a_change_that_people_closed_is_not_merged,
    people_who_push_while_it_is_merged_find_their_commits_where_they_put_them,
    a_change_of_the_same_name_after_one_that_merged_is_a_change_of_its_own,
    a_conflict_is_mended_by_a_new_proposal_on_the_same_change,
    what_moved_is_not_merged,
    closing_says_why_and_a_closed_change_can_be_proposed_again,
    words_and_labels_follow_the_proposal,
    comments_are_brought_up_to_date_in_place_and_only_towpaths_own,
    labels_come_and_go,
    what_people_think_is_read,
    statuses_are_set_once_and_read_back,
    what_the_branch_demands_is_told,
    lists_are_read_to_their_last_page,
    a_branch_that_takes_no_push_is_merged_into_by_the_forge_only_where_that_is_safe,
    a_refused_push_that_nobody_foretold_goes_the_same_way,
    the_queue_merges_or_tells_why_not,
    checks_of_others_that_failed_are_run_again_once_and_what_cannot_be_is_told,
    what_people_open_is_merged_as_it_was_checked_and_their_branch_is_left_to_them,
    a_forge_that_merges_something_else_is_told_of_loudly,
    a_fork_with_a_branch_of_towpaths_name_is_no_change_of_towpaths,
    several_merge_one_after_another_each_onto_the_one_before,
    of_several_those_behind_one_that_people_took_over_wait,
    a_merge_that_the_forge_does_not_see_is_told_to_it,
    what_is_declared_is_there_and_what_is_not_declared_is_refused,
}}

/// The number of the one change that people see, where they see any.
fn number<S: Stage>(stage: &S) -> Option<Number> {
    let seen = stage.seen();
    assert!(seen.len() <= 1, "one change: {seen:?}");
    seen.first().map(|seen| seen.number)
}

/// A stage with a config branch, and a change on it.
async fn with_change<S: Stage>() -> (S, Arc<dyn Forge>, CommitId, CommitId) {
    let stage = S::start().await;
    let base = stage.lab().people_push("main", "ref", "1\n");
    let forge = stage.forge("m").await;
    let head = open(&*forge, &proposal("web-1", base, "ref", "2\n")).await;
    (stage, forge, base, head)
}

/// Whether a forge has numbers, pages and comments.
fn is_hosted(forge: &dyn Forge) -> bool {
    forge.abilities().comments
}

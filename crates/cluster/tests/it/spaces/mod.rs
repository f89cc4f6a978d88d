//! Ephemeral namespaces: the same stories on both clusters, and what only one of them has.

mod bench;
mod crash;
mod kube;
mod local;
mod permissions;
mod reservations;
mod stories;

/// Runs each story on both clusters.
macro_rules! on_both {
    ($($story:ident),* $(,)?) => {
        mod on_kubernetes {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                let Some(bench) = super::bench::Real::start() else { return };
                super::stories::$story(&bench).await;
                super::bench::Bench::over(bench).await;
            })*
        }
        mod on_this_machine {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                let bench = super::bench::Here::start();
                super::stories::$story(&bench).await;
                super::bench::Bench::over(bench).await;
            })*
        }
    };
}

on_both!(
    a_namespace_is_made_and_ready_with_all_that_was_wanted,
    what_was_left_in_a_namespace_makes_it_dirty,
    it_is_given_to_one_and_is_ready_no_more,
    its_end_leaves_nothing_and_it_can_be_made_again,
    somebody_elses_is_left_alone,
    two_who_make_it_at_once_make_one,
    a_secret_that_is_missing_is_told_by_name_and_mended_by_making_it,
    a_secret_that_changed_is_copied_anew,
    what_cannot_be_made_is_refused_before_anything_is,
);

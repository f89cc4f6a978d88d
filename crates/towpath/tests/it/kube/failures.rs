//! Every way in which a deploy or a test can fail on a cluster: each is told with its reason, its object, its last lines and its events, and
//! none of it comes to production.

use super::failing::{failing, locked};

macro_rules! told {
    ($name:literal) => {{
        let Some(shared) = failing() else { return };
        let told = locked(shared).told($name);
        told
    }};
}

#[test]
fn an_image_that_the_cluster_may_not_read_fails_at_once() {
    told!("image-denied")
        .own()
        .says(&["Deployment.apps/image-denied", "image", "cannot be had", "let the cluster read it"])
        .logs(&["event: "]);
}

#[test]
fn an_image_that_cannot_be_had_now_is_the_environments_fault_and_tried_again_within_bounds() {
    told!("image-away").of_the_environment().says(&["could not be had", "HTTP"]).logs(&["event: "]);
}

/// J1 on a cluster.
#[test]
fn j1_a_test_whose_image_cannot_be_had_is_inconclusive_and_never_passed() {
    told!("test-image-denied").of_the_environment().says(&["inconclusive: ", "cannot be had"]).logs(&["event: "]);
}

#[test]
fn a_container_that_ends_again_and_again_fails_fast_with_its_last_lines() {
    told!("crash-loop").own().says(&["Deployment.apps/crash-loop", "exit code 3", "no database at db:5432"]).logs(&[
        "connecting",
        "no database at db:5432",
        "event: ",
    ]);
}

#[test]
fn a_container_that_needs_more_memory_than_its_limit_is_told_with_the_limit() {
    told!("out-of-memory").own().says(&["more memory than its limit of 24Mi", "give it more"]).logs(&["reading it all"]);
}

#[test]
fn a_probe_that_does_not_succeed_is_told_with_what_it_said() {
    told!("probe").own().says(&["probe failed", "not-there"]).logs(&["event: ", "Unhealthy"]);
}

#[test]
fn a_pod_that_no_node_takes_is_the_environments_fault() {
    told!("unschedulable").of_the_environment().says(&["no node takes it", "not ready within 1"]).logs(&["FailedScheduling"]);
}

#[test]
fn a_pod_that_the_cluster_refuses_to_make_is_told_with_why() {
    told!("rejected").own().says(&["pods cannot be made", "nobody"]).logs(&["event: "]);
}

#[test]
fn a_namespace_without_room_is_the_environments_fault() {
    told!("quota").of_the_environment().says(&["exceeded quota", "none"]);
}

#[test]
fn a_test_that_fails_tells_its_exit_code_and_its_last_lines() {
    told!("test-fails")
        .own()
        .says(&["exit code 4", "checkout: no such button"])
        .logs(&["opening the front page", "checkout: no such button"]);
}

#[test]
fn an_invocation_that_is_completed_with_a_failed_job_has_failed() {
    told!("invocation-failed")
        .own()
        .says(&["the test failed", "invocation-failed", "exit code 5", "smoke: checkout is broken"])
        .logs(&["smoke: checkout is broken"]);
}

#[test]
fn an_invocation_that_is_completed_without_having_run_anything_has_not_passed() {
    told!("invocation-empty").own().says(&["completed", "0 of 1 jobs came to a good end"]);
}

#[test]
fn an_invocation_that_never_ends_has_not_passed_when_its_time_is_up() {
    told!("invocation-never").of_the_environment().says(&["inconclusive: ", "not ready within 1", "its operator has not started it yet"]);
}

//! Merging on the GitLab in this process, and its merge train.

use serde_json::json;

use super::{Asked, Told, World, shown};
use crate::fake::world::{Fate, Hindrance, Place};

/// The `detailed_merge_status` of a change.
pub(super) fn mergeable(world: &World, index: usize) -> &'static str {
    match (&world.pulls[index].fate, world.hindrance(index)) {
        (Fate::Open, None) => "mergeable",
        (Fate::Open, Some(Hindrance::Statuses)) => {
            let pull = &world.pulls[index];
            let failed = world.statuses.iter().any(|status| status.commit == pull.head && status.state == "failed");
            if failed { "ci_must_pass" } else { "ci_still_running" }
        }
        (Fate::Open, Some(Hindrance::Approvals)) => "not_approved",
        (Fate::Open, Some(Hindrance::Outdated)) => "need_rebase",
        _ => "not_open",
    }
}

pub(super) fn merge(world: &mut World, asked: &Asked, index: usize) -> Told {
    let status = mergeable(world, index);
    if asked.text("sha").is_some_and(|sha| sha != world.pulls[index].head) {
        return Told::no(409, "SHA does not match HEAD of source branch");
    }
    match status {
        "mergeable" => {
            let message = asked.text("merge_commit_message").unwrap_or("Merge").to_owned();
            match world.merge(index, &message) {
                Ok(_) => Told::json(200, shown(world, index)),
                Err(_) => Told::no(422, "Branch cannot be merged"),
            }
        }
        // It waits for the pipeline where it was told to.
        "ci_still_running" if asked.body.get("auto_merge").is_some_and(|auto| auto == true) => Told::json(200, shown(world, index)),
        _ => Told::no(405, "405 Method Not Allowed"),
    }
}

pub(super) fn train(world: &mut World, asked: &Asked, method: &str, index: usize) -> Told {
    if !world.rules.queue {
        return Told::no(403, "403 Forbidden");
    }
    match (method, world.pulls[index].place) {
        ("GET", Place::Queued) => Told::json(200, car(world, index)),
        ("GET", _) => Told::no(404, "404 Not Found"),
        ("POST", _) if asked.text("sha").is_some_and(|sha| sha != world.pulls[index].head) => {
            Told::no(409, "SHA does not match HEAD of source branch")
        }
        ("POST", Place::Queued) => Told::no(409, "The merge request is already on the train"),
        ("POST", _) if world.pulls[index].fate != Fate::Open => Told::no(400, "Failed to merge"),
        ("POST", _) => {
            world.pulls[index].place = Place::Queued;
            world.note(index, "started a merge train");
            Told::json(201, json!([car(world, index)]))
        }
        _ => Told::empty(405),
    }
}

fn car(world: &World, index: usize) -> serde_json::Value {
    let pull = &world.pulls[index];
    json!({"id": pull.number, "merge_request": {"iid": pull.number, "title": pull.title}, "target_branch": pull.into, "status": "fresh"})
}

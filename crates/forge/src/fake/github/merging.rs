//! Merging: at once, and once all is there.

use serde_json::json;

use super::{Asked, Told, World};
use crate::fake::world::{Fate, Hindrance};

/// What keeps a change from being merged; statuses and check runs count alike.
pub(super) fn hindrance(world: &World, index: usize) -> Option<Hindrance> {
    if missing(world, index).is_some() {
        return Some(Hindrance::Statuses);
    }
    world.hindrance(index).filter(|hindrance| *hindrance != Hindrance::Statuses)
}

/// The first status that is not well, and what it is.
fn missing(world: &World, index: usize) -> Option<(String, &'static str)> {
    let head = &world.pulls[index].head;
    world.rules.required_statuses.iter().find_map(|name| {
        let said =
            world.statuses.iter().filter(|status| status.commit == *head && status.context == *name).map(|status| status.state.clone());
        let run = world
            .github
            .checks
            .iter()
            .filter(|run| run.commit == *head && run.name == *name)
            .map(|run| run.conclusion.clone().unwrap_or_else(|| "pending".to_owned()));
        let others = world.others.iter().filter(|check| check.commit == *head && check.name == *name).map(super::others::conclusion);
        match said.chain(run).chain(others).last().as_deref() {
            Some("success" | "neutral" | "skipped") => None,
            None => Some((name.clone(), "expected")),
            Some("pending") => Some((name.clone(), "in progress")),
            Some(_) => Some((name.clone(), "failing")),
        }
    })
}

pub(super) fn state(world: &World, index: usize) -> &'static str {
    match hindrance(world, index) {
        None => "clean",
        Some(Hindrance::Outdated) => "behind",
        Some(Hindrance::Statuses | Hindrance::Approvals) => "blocked",
    }
}

pub(super) fn merge(world: &mut World, asked: &Asked, index: usize) -> Told {
    let pull = world.pulls[index].clone();
    if pull.fate != Fate::Open {
        return Told::no(405, "Pull Request is not mergeable");
    }
    if asked.text("sha").is_some_and(|sha| sha != pull.head) {
        return Told::no(409, "Head branch was modified. Review and try the merge again.");
    }
    if world.rules.queue {
        return Told::no(405, "Repository rule violations found\n\nChanges must be made through the merge queue");
    }
    match (hindrance(world, index), missing(world, index)) {
        (Some(Hindrance::Statuses), Some((name, how))) => {
            return Told::no(405, &format!("Repository rule violations found\n\nRequired status check \"{name}\" is {how}."));
        }
        (Some(Hindrance::Approvals), _) => {
            let words = "Repository rule violations found\n\nAt least 1 approving review is required by reviewers with write access.";
            return Told::no(405, words);
        }
        (Some(_), _) => return Told::no(405, "Head branch is out of date. Review and try the merge again."),
        (None, _) => {}
    }
    let title = asked.text("commit_title").unwrap_or("Merge");
    match world.merge(index, &format!("{title}\n\n{}", asked.text("commit_message").unwrap_or_default())) {
        Ok(commit) => Told::json(200, json!({"sha": commit, "merged": true, "message": "Pull Request successfully merged"})),
        Err(_) => Told::no(405, "Pull Request is not mergeable"),
    }
}

/// Merges what it was asked to merge once all is there, and all is. People's pushes change nothing about that.
pub(super) fn merge_what_is_ready(world: &mut World) {
    let asked: Vec<u64> = world.github.merges_later.keys().copied().collect();
    for number in asked {
        let Some(index) = world.index(number) else { continue };
        if world.pulls[index].fate != Fate::Open {
            world.github.merges_later.remove(&number);
        } else if hindrance(world, index).is_none() {
            let _conflicts = world.merge(index, "Merged by itself");
        }
    }
}

//! GraphQL: the queries and mutations that Towpath asks, each known by the field that it begins with.

use serde_json::{Value, json};

use super::{Asked, Told, World, merging};
use crate::fake::world::{Fate, Place};

pub(super) fn answer(world: &mut World, asked: &Asked) -> Told {
    let query = asked.text("query").unwrap_or_default();
    let variables = &asked.body["variables"];
    let is_ours = variables["owner"] == super::owner(world) && variables["name"] == super::name(world);
    let data = if query.contains("enqueuePullRequest(") {
        enqueue(world, &variables["input"])
    } else if query.contains("enablePullRequestAutoMerge(") {
        merge_later(world, &variables["input"])
    } else if !is_ours {
        Err(("NOT_FOUND", "Could not resolve to a Repository with the name given.".to_owned()))
    } else if query.contains("mergeQueue(") {
        let there = world.rules.queue && variables["branch"] == world.into.as_str();
        Ok(json!({"repository": {"mergeQueue": there.then(|| json!({"id": "MQ_1"}))}}))
    } else if query.contains("pullRequest(") {
        match variables["number"].as_u64().and_then(|number| world.index(number)) {
            Some(index) => Ok(json!({"repository": {"pullRequest": pull(world, index)}})),
            None => Err(("NOT_FOUND", format!("Could not resolve to a PullRequest with the number of {}.", variables["number"]))),
        }
    } else {
        Err(("undefinedField", "A query could not be parsed".to_owned()))
    };
    match data {
        Ok(data) => Told::json(200, json!({"data": data})),
        Err((kind, message)) => Told::json(200, json!({"data": null, "errors": [{"type": kind, "path": [], "message": message}]})),
    }
}

type Data = Result<Value, (&'static str, String)>;

fn find(world: &World, input: &Value) -> Result<usize, (&'static str, String)> {
    let id = input["pullRequestId"].as_str().unwrap_or_default();
    let index = id.strip_prefix("PR_").and_then(|number| number.parse().ok()).and_then(|number| world.index(number));
    let index = index.ok_or_else(|| ("NOT_FOUND", format!("Could not resolve to a node with the global id of '{id}'")))?;
    let no = |why: &str| Err(("UNPROCESSABLE", why.to_owned()));
    if world.pulls[index].fate != Fate::Open {
        return no("Pull request is closed");
    }
    if input["expectedHeadOid"].as_str().is_some_and(|head| head != world.pulls[index].head) {
        return no("Expected head oid does not match the head of the pull request");
    }
    Ok(index)
}

fn enqueue(world: &mut World, input: &Value) -> Data {
    let index = find(world, input)?;
    if !world.rules.queue {
        return Err(("UNPROCESSABLE", "Pull request merge queue is not enabled".to_owned()));
    }
    if world.pulls[index].place == Place::Queued {
        return Err(("UNPROCESSABLE", "Pull request is already in the merge queue".to_owned()));
    }
    if merging::hindrance(world, index).is_some() {
        return Err(("UNPROCESSABLE", "Pull request Required status check is expected.".to_owned()));
    }
    world.pulls[index].place = Place::Queued;
    world.note(index, "added to the merge queue");
    Ok(json!({"enqueuePullRequest": {"mergeQueueEntry": entry(world, index)}}))
}

fn merge_later(world: &mut World, input: &Value) -> Data {
    let index = find(world, input)?;
    if merging::hindrance(world, index).is_none() {
        return Err(("UNPROCESSABLE", "Pull request Pull request is in clean status".to_owned()));
    }
    let pull = &world.pulls[index];
    world.github.merges_later.insert(pull.number, pull.head.clone());
    Ok(json!({"enablePullRequestAutoMerge": {"pullRequest": {"id": format!("PR_{}", pull.number)}}}))
}

fn entry(world: &World, index: usize) -> Option<Value> {
    let waits = |index: &usize| world.pulls[*index].place == Place::Queued;
    let position = (0..=index).filter(waits).count();
    waits(&index).then(|| json!({"state": "AWAITING_CHECKS", "position": position}))
}

fn pull(world: &World, index: usize) -> Value {
    let pull = &world.pulls[index];
    let (state, commit) = match &pull.fate {
        Fate::Open => ("OPEN", None),
        Fate::Closed => ("CLOSED", None),
        Fate::Merged(commit) => ("MERGED", Some(json!({"oid": commit}))),
    };
    let event = |text: &str| {
        if text.starts_with("added to the merge queue") {
            json!({"__typename": "AddedToMergeQueueEvent"})
        } else if let Some((_, why)) = text.split_once("merge train because ") {
            json!({"__typename": "RemovedFromMergeQueueEvent", "reason": why})
        } else {
            json!({"__typename": "HeadRefForcePushedEvent"})
        }
    };
    let events: Vec<Value> = pull.comments.iter().filter(|comment| comment.system).map(|comment| event(&comment.body)).collect();
    json!({
        "id": format!("PR_{}", pull.number), "state": state, "headRefOid": pull.head, "mergeCommit": commit,
        "mergeQueueEntry": entry(world, index), "timelineItems": {"nodes": events},
    })
}

//! Statuses and check runs of commits.

use serde_json::{Value, json};

use super::{Asked, Told, World, invalid, moment, not_found, user};

/// A check run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeCheck {
    /// Its number in the order of coming.
    pub id: u64,
    /// The commit.
    pub commit: String,
    /// Its name.
    pub name: String,
    /// The App's number.
    pub app: u64,
    /// `in_progress` or `completed`.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
    /// The line of its output.
    pub title: Option<String>,
    /// The text of its output.
    pub summary: Option<String>,
    /// A link.
    pub url: Option<String>,
    /// When it began.
    pub at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
}

pub(super) fn status(world: &mut World, asked: &Asked, sha: &str) -> Told {
    if !world.repository.has(sha) {
        return Told::no(422, &format!("No commit found for SHA: {sha}"));
    }
    let Some(state @ ("pending" | "success" | "failure" | "error")) = asked.text("state") else {
        return invalid(&[
            json!({"resource": "Status", "field": "state", "code": "custom", "message": "state is not included in the list"}),
        ]);
    };
    let description = asked.text("description").unwrap_or_default();
    if description.chars().count() > 140 {
        let message = "description is too long (maximum is 140 characters)";
        return invalid(&[json!({"resource": "Status", "field": "description", "code": "custom", "message": message})]);
    }
    world.status(sha, asked.text("context").unwrap_or("default"), state, description, asked.text("target_url"));
    Told::json(201, world.statuses.last().map(|status| one_status(world, status)).unwrap_or_default())
}

fn one_status(world: &World, status: &crate::fake::FakeStatus) -> Value {
    let at = moment(1_700_001_000 + i64::try_from(status.id).unwrap_or(0));
    json!({
        "id": status.id, "node_id": format!("SC_{}", status.id), "state": status.state, "context": status.context,
        "description": status.summary, "target_url": status.url, "created_at": at, "updated_at": at, "creator": user(&world.account),
    })
}

pub(super) fn combined(world: &World, sha: &str) -> Told {
    if !world.repository.has(sha) {
        return Told::no(404, "Not Found");
    }
    let all: Vec<&crate::fake::FakeStatus> = world.statuses.iter().filter(|status| status.commit == sha).collect();
    let is = |state: &str| all.iter().any(|status| status.state == state);
    let state = if is("failure") || is("error") {
        "failure"
    } else if all.is_empty() || is("pending") {
        "pending"
    } else {
        "success"
    };
    let statuses: Vec<Value> = all
        .iter()
        .map(|status| {
            let mut one = one_status(world, status);
            // In lists it is not said who set it.
            if let Some(fields) = one.as_object_mut() {
                fields.remove("creator");
            }
            one
        })
        .collect();
    Told::json(200, json!({"state": state, "sha": sha, "total_count": statuses.len(), "statuses": statuses}))
}

pub(super) fn list(world: &World, asked: &Asked, sha: &str) -> Told {
    if !world.repository.has(sha) {
        return Told::no(422, &format!("No commit found for SHA: {sha}"));
    }
    let query = |name: &str| asked.query.get(name);
    let fits = |run: &&FakeCheck| {
        run.commit == sha
            && query("check_name").is_none_or(|name| *name == run.name)
            && query("app_id").is_none_or(|id| *id == run.app.to_string())
    };
    let mut found: Vec<&FakeCheck> = Vec::new();
    for run in world.github.checks.iter().rev().filter(fits) {
        let newest = !found.iter().any(|newer| newer.name == run.name && newer.app == run.app);
        if newest || query("filter").is_some_and(|filter| filter == "all") {
            found.push(run);
        }
    }
    let mut runs: Vec<Value> = found.into_iter().map(|run| shown(world, run)).collect();
    let of_others = world.others.iter().filter(|check| check.commit == sha && query("check_name").is_none_or(|name| *name == check.name));
    runs.extend(of_others.filter(|_| query("app_id").is_none()).map(super::others::check_run));
    Told::json(200, json!({"total_count": runs.len(), "check_runs": runs}))
}

pub(super) fn create(world: &mut World, asked: &Asked) -> Told {
    let Some(app) = world.github.app.as_ref().map(|app| app.id) else {
        return Told::no(403, "You must authenticate via a GitHub App.");
    };
    let (Some(name), Some(sha)) = (asked.text("name"), asked.text("head_sha")) else {
        return invalid(&[json!({"resource": "CheckRun", "field": "name", "code": "missing_field"})]);
    };
    if !world.repository.has(sha) {
        return Told::no(422, &format!("No commit found for SHA: {sha}"));
    }
    let (id, at) = (world.next_id(), world.now());
    world.github.checks.push(FakeCheck {
        id,
        commit: sha.to_owned(),
        name: name.to_owned(),
        app,
        status: "queued".to_owned(),
        conclusion: None,
        title: None,
        summary: None,
        url: None,
        at,
        ended_at: None,
    });
    change(world, asked, world.github.checks.len() - 1, 201)
}

pub(super) fn update(world: &mut World, asked: &Asked, id: &str) -> Told {
    let Some(app) = world.github.app.as_ref().map(|app| app.id) else {
        return Told::no(403, "You must authenticate via a GitHub App.");
    };
    match world.github.checks.iter().position(|run| run.id.to_string() == id) {
        None => not_found(),
        Some(index) if world.github.checks[index].app != app => {
            Told::no(403, "Invalid app_id `1` - check run can only be modified by the GitHub App that created it.")
        }
        Some(index) => change(world, asked, index, 200),
    }
}

fn change(world: &mut World, asked: &Asked, index: usize, status: u16) -> Told {
    let now = world.now();
    let output = asked.body.get("output");
    if let Some(output) = output
        && !(output["title"].is_string() && output["summary"].is_string())
    {
        return invalid(&[json!({"resource": "CheckRun", "field": "output", "code": "missing_field"})]);
    }
    if output.and_then(|output| output["summary"].as_str()).is_some_and(|summary| summary.chars().count() > 65_535) {
        return invalid(&[
            json!({"resource": "CheckRun", "field": "output.summary", "code": "custom", "message": "Only 65535 characters are allowed"}),
        ]);
    }
    if asked.text("status") == Some("completed") && asked.text("conclusion").is_none() {
        return invalid(&[json!({"resource": "CheckRun", "field": "conclusion", "code": "missing_field"})]);
    }
    let run = &mut world.github.checks[index];
    if let Some(status) = asked.text("status") {
        status.clone_into(&mut run.status);
    }
    if let Some(conclusion) = asked.text("conclusion") {
        run.conclusion = Some(conclusion.to_owned());
        "completed".clone_into(&mut run.status);
        run.ended_at = Some(now);
    }
    if let Some(output) = output {
        run.title = output["title"].as_str().map(str::to_owned);
        run.summary = output["summary"].as_str().map(str::to_owned);
    }
    if let Some(url) = asked.text("details_url") {
        run.url = Some(url.to_owned());
    }
    let run = world.github.checks[index].clone();
    Told::json(status, shown(world, &run))
}

fn shown(world: &World, run: &FakeCheck) -> Value {
    let page = world.github.app.as_ref().map(|app| app.page.clone()).unwrap_or_default();
    let url = run.url.clone().unwrap_or_else(|| page.clone());
    json!({
        "id": run.id, "node_id": format!("CR_{}", run.id), "head_sha": run.commit, "name": run.name, "status": run.status,
        "conclusion": run.conclusion, "details_url": url, "started_at": moment(run.at), "completed_at": run.ended_at.map(moment),
        "output": {"title": run.title, "summary": run.summary, "text": null, "annotations_count": 0, "annotations_url": ""},
        "app": {"id": run.app, "name": "Towpath", "external_url": page}, "pull_requests": [],
    })
}

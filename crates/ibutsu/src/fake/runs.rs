//! Runs and results, one by one.

use serde_json::{Value, json};

use super::http::Asked;
use super::state::{Answer, NOW, State, deep_merge, is_uuid};

/// What a run has. Any other field is one too many for the server (from the source).
const RUN_FIELDS: [&str; 10] =
    ["id", "component", "created", "duration", "env", "project_id", "source", "start_time", "summary", "metadata"];

/// What a result has.
const RESULT_FIELDS: [&str; 12] =
    ["id", "test_id", "result", "component", "duration", "env", "params", "project_id", "run_id", "source", "start_time", "metadata"];

/// How a result may have ended.
const ENDS: [&str; 8] = ["passed", "failed", "error", "skipped", "xpassed", "xfailed", "manual", "blocked"];

pub(super) fn broken() -> Answer {
    (500, json!({"detail": "The server encountered an internal error", "status": 500, "title": "Internal Server Error"}))
}

fn only(body: &Value, fields: &[&str]) -> bool {
    body.as_object().is_some_and(|body| body.keys().all(|key| fields.contains(&key.as_str())))
}

pub(super) fn is_run(body: &Value) -> bool {
    only(body, &RUN_FIELDS)
}

pub(super) fn is_result(body: &Value) -> bool {
    only(body, &RESULT_FIELDS) && ENDS.iter().any(|end| body["result"] == *end)
}

/// A run with all its fields.
pub(super) fn whole_run(body: &Value) -> Value {
    let mut run = json!({
        "component": null, "created": NOW, "duration": 0.0, "env": null, "project_id": null, "source": null, "start_time": NOW, "summary": {},
        "metadata": {},
    });
    deep_merge(&mut run, body);
    run
}

impl Asked {
    pub(super) fn add_run(&self, state: &mut State) -> Answer {
        let Some(body) = self.json() else { return (400, json!("Bad request, JSON is required")) };
        if body["metadata"].as_object().is_none_or(serde_json::Map::is_empty) {
            return (400, json!("Bad request, no data supplied"));
        }
        if !is_run(&body) {
            return broken();
        }
        let mut run = whole_run(&body);
        if let Some(project) = body["metadata"]["project"].as_str() {
            let Some(project) = state.project(project).filter(|_| state.member) else { return (403, json!("Forbidden")) };
            run["project_id"] = json!(project);
        }
        // Whatever stands beside it.
        run["env"] = body["metadata"]["env"].clone();
        run["component"] = body["metadata"]["component"].clone();
        let id = body["id"].as_str().map_or_else(|| state.new_id(), str::to_owned);
        if state.run_mut(&id).is_some() {
            // The database refuses it, and nobody catches that.
            return broken();
        }
        run["id"] = json!(id);
        state.runs.push(run.clone());
        state.due.push(id);
        (201, run)
    }

    pub(super) fn run(state: &State, id: &str) -> Answer {
        if !is_uuid(id) {
            return (400, json!(format!("ID: {id} is not a valid UUID")));
        }
        match state.runs.iter().find(|run| run["id"] == id) {
            Some(_) if !state.member => (403, json!("Forbidden")),
            Some(run) => (200, run.clone()),
            None => (404, json!("Run not found")),
        }
    }

    pub(super) fn update_run(&self, state: &mut State, id: &str) -> Answer {
        let Some(mut body) = self.json() else { return (400, json!("Bad request, JSON required")) };
        let project = body["metadata"]["project"].as_str().map(|project| state.project(project));
        if !state.member || project == Some(None) {
            return (403, json!("Forbidden"));
        }
        let Some(run) = state.run_mut(id) else { return (404, json!("Run not found")) };
        if let Some(Some(project)) = project {
            body["project_id"] = json!(project);
        }
        update(run, &body);
        let run = run.clone();
        state.due.push(id.to_owned());
        (200, run)
    }

    pub(super) fn bulk_update(&self, state: &mut State) -> Answer {
        if self.query("pageSize").and_then(|size| size.parse().ok()).unwrap_or(1) > 25 {
            return (405, json!("Bad request, cannot update more than 25 runs at a time"));
        }
        let Some(metadata) = self.json().map(|body| body["metadata"].clone()).filter(Value::is_object) else {
            return (401, json!("Bad request, can only update metadata"));
        };
        let fits = self.filters();
        let found: Vec<&mut Value> = state.runs.iter_mut().filter(|run| fits(run)).take(25).collect();
        if found.is_empty() {
            return (404, json!("No runs found"));
        }
        let mut updated = Vec::new();
        for run in found {
            update(run, &json!({"metadata": metadata}));
            updated.push(run.clone());
        }
        (200, json!(updated))
    }

    pub(super) fn add_result(&self, state: &mut State) -> Answer {
        let Some(body) = self.json() else { return (400, json!("Bad request, JSON is required")) };
        if let Some(id) = body["id"].as_str().filter(|id| state.results.iter().any(|result| result["id"] == *id)) {
            return (400, json!(format!("Result id {id} already exist")));
        }
        if !is_result(&body) {
            return (400, json!({"detail": format!("{} is not one of {ENDS:?}", body["result"]), "status": 400, "title": "Bad Request"}));
        }
        let metadata = &body["metadata"];
        let project = metadata["project"].as_str().or(body["project_id"].as_str());
        let Some(project) = project else { return (400, json!("Bad request, project or project_id is required")) };
        let Some(project) = state.project(project) else { return (400, json!("Invalid project")) };
        if !state.member {
            return (403, json!("Forbidden"));
        }
        let run = metadata["run"].clone();
        if run.as_str().is_some_and(|run| state.run_mut(run).is_none()) {
            return broken();
        }
        let mut result = body.clone();
        promote(&mut result);
        result["project_id"] = json!(project);
        // From the metadata alone.
        result["run_id"] = run;
        result["env"] = result["metadata"]["env"].clone();
        result["component"] = result["metadata"]["component"].clone();
        let id = body["id"].as_str().map_or_else(|| state.new_id(), str::to_owned);
        result["id"] = json!(id);
        state.results.push(result.clone());
        (201, result)
    }
}

/// Metadata is merged all the way down; everything else is replaced.
pub(super) fn update(known: &mut Value, body: &Value) {
    for (name, value) in body.as_object().into_iter().flatten().filter(|(name, _)| *name != "id") {
        if name == "metadata" {
            deep_merge(&mut known["metadata"], value);
        } else {
            known[name] = value.clone();
        }
    }
}

/// What tests say of themselves becomes a part of the metadata, and replaces what stood there.
pub(super) fn promote(result: &mut Value) {
    let properties = result["metadata"].as_object_mut().and_then(|metadata| metadata.remove("user_properties"));
    for (name, value) in properties.as_ref().and_then(Value::as_object).into_iter().flatten() {
        result["metadata"][name] = value.clone();
    }
}

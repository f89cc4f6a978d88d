//! Files.

use serde_json::{Value, json};

use super::form::text;
use super::http::{Asked, Reply};
use super::runs::broken;
use super::state::{Answer, Artifact, NOW, Of, State, is_uuid};

/// The largest file, in bytes.
pub(super) const LARGEST: usize = 5 << 20;

impl Asked {
    pub(super) fn add_artifact(&self, state: &mut State) -> Answer {
        let Some(parts) = self.form() else { return (400, json!("Bad request, no form")) };
        let of = match (text(&parts, "runId"), text(&parts, "resultId")) {
            (Some(id), None) | (None, Some(id)) if !is_uuid(&id) => return (400, json!(format!("ID {id} is not in UUID format"))),
            (Some(run), None) => Of::Run(run),
            (None, Some(result)) => Of::Result(result),
            _ => return (400, json!("Bad request, one of resultId and runId is required")),
        };
        let Some(filename) = text(&parts, "filename") else { return (400, json!("Bad request, filename is required")) };
        let Some(file) = parts.iter().find(|part| part.name == "file" && part.filename.is_some()) else {
            return (400, json!("Bad request, no file uploaded"));
        };
        if file.content.is_empty() || file.content.len() > LARGEST {
            return (400, json!("Bad request, the file is empty or larger than 5 MiB"));
        }
        if text(&parts, "additionalMetadata").is_some_and(|text| !serde_json::from_str(&text).is_ok_and(|value: Value| value.is_object())) {
            return (400, json!("Bad request, additionalMetadata is not valid JSON"));
        }
        let known = match &of {
            Of::Run(id) => state.runs.iter().any(|run| run["id"] == id.as_str()),
            Of::Result(id) => state.results.iter().any(|result| result["id"] == id.as_str()),
        };
        if !known {
            return broken();
        }
        let id = state.new_id();
        let artifact = Artifact { id, of, filename, content: file.content.clone() };
        let answer = shown(&artifact);
        // Every upload is another file, whatever its name.
        state.artifacts.push(artifact);
        (201, answer)
    }

    pub(super) fn artifacts(&self, state: &State) -> Answer {
        let wanted = |file: &&Artifact| match &file.of {
            Of::Run(id) => self.query("runId") == Some(id),
            Of::Result(id) => self.query("resultId") == Some(id),
        };
        let found: Vec<Value> = state.artifacts.iter().filter(wanted).map(shown).collect();
        let (items, pagination) = self.page(&found);
        (200, json!({"artifacts": items, "pagination": pagination}))
    }

    /// A file that belongs to a run can be viewed, and nothing else: the server looks for its result.
    pub(super) fn artifact(state: &mut State, method: &str, id: &str, rest: &[&str]) -> Reply {
        let Some(at) = state.artifacts.iter().position(|file| file.id == id) else { return (404, json!("Not Found")).into() };
        let file = &state.artifacts[at];
        let of_run = matches!(file.of, Of::Run(_));
        match (method, rest) {
            ("GET", ["view"]) => Reply::File(file.content.clone()),
            ("GET", [] | ["download"]) | ("DELETE", []) if of_run => broken().into(),
            ("GET", []) => (200, shown(file)).into(),
            ("GET", ["download"]) => Reply::File(file.content.clone()),
            ("DELETE", []) => {
                state.artifacts.remove(at);
                (200, json!("OK")).into()
            }
            _ => (404, json!("Not Found")).into(),
        }
    }
}

fn shown(file: &Artifact) -> Value {
    let (run, result) = match &file.of {
        Of::Run(id) => (Some(id), None),
        Of::Result(id) => (None, Some(id)),
    };
    json!({"id": file.id, "filename": file.filename, "run_id": run, "result_id": result, "upload_date": NOW, "additional_metadata": {}})
}

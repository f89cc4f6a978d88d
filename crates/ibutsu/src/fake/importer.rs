//! Archives, imported.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tar::Archive;

use super::artifacts::LARGEST;
use super::form::text;
use super::http::Asked;
use super::runs::{is_result, is_run, promote, update, whole_run};
use super::state::{Answer, Artifact, Import, Importer, Of, State, is_uuid};

/// An archive, taken apart.
struct Parts {
    run: Option<Value>,
    run_files: Vec<(String, Vec<u8>)>,
    results: Vec<Value>,
    files: BTreeMap<String, Vec<(String, Vec<u8>)>>,
}

impl Asked {
    pub(super) fn add_import(&self, state: &mut State) -> Answer {
        let parts = self.form().unwrap_or_default();
        let Some(file) = parts.iter().find(|part| part.name == "importFile" && part.filename.is_some()) else {
            return (400, json!("Bad request, no file uploaded"));
        };
        let mut project_id = None;
        if let Some(project) = text(&parts, "project") {
            let Some(id) = state.project(&project) else { return (400, json!(format!("Project {project} doesn't exist"))) };
            if !state.member {
                return (403, json!("Forbidden"));
            }
            project_id = Some(id);
        }
        let filename = file.filename.clone().unwrap_or_default();
        let metadata = text(&parts, "metadata").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let id = state.new_id();
        let import = Import {
            id,
            status: "pending",
            content: file.content.clone(),
            project_id,
            source: text(&parts, "source"),
            metadata,
            runs: None,
            is_dead: !filename.ends_with(".tar.gz"),
            filename,
        };
        let (is_known, answer) = (import.filename.ends_with(".tar.gz") || import.filename.ends_with(".xml"), import.json());
        // It is left behind even if it is refused.
        state.imports.push(import);
        if is_known { (202, answer) } else { (415, json!("Unsupported Media Type")) }
    }

    /// Says how an import is, and lets it go on by one step.
    pub(super) fn import(state: &mut State, id: &str) -> Answer {
        if !is_uuid(id) {
            return (400, json!(format!("ID: {id} is not a valid UUID")));
        }
        let Some(at) = state.imports.iter().position(|import| import.id == id) else { return (404, json!("Not Found")) };
        let answer = (200, state.imports[at].json());
        if state.worker && !state.imports[at].is_dead {
            step(state, at);
        }
        answer
    }
}

fn step(state: &mut State, at: usize) {
    match state.imports[at].status {
        "pending" => state.imports[at].status = "running",
        "running" => {
            let before = (state.runs.clone(), state.results.clone(), state.artifacts.len());
            let done = run(state, at);
            match (done, state.importer) {
                (Some(()), _) => state.imports[at].status = "done",
                // Nobody catches what goes wrong: it is running for ever, and what it made until then stays.
                (None, Importer::Observed) => state.imports[at].is_dead = true,
                (None, Importer::Mended) => {
                    (state.runs, state.results) = (before.0, before.1);
                    state.artifacts.truncate(before.2);
                    state.imports[at].status = "error";
                    state.imports[at].is_dead = true;
                }
            }
        }
        _ => {}
    }
}

/// Takes an archive apart; none where the server would fall over it.
fn apart(content: &[u8]) -> Option<Parts> {
    let mut parts = Parts { run: None, run_files: Vec::new(), results: Vec::new(), files: BTreeMap::new() };
    let mut earliest: Option<String> = None;
    for entry in Archive::new(GzDecoder::new(content)).entries().ok()? {
        let mut entry = entry.ok()?;
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let name = entry.path().ok()?.to_str()?.to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).ok()?;
        let (run, rest) = name.split_once('/')?;
        if !is_uuid(run) {
            return None;
        }
        let Some((result, file)) = rest.split_once('/') else {
            if rest.ends_with("run.json") {
                parts.run = Some(serde_json::from_slice(&bytes).ok()?);
            } else {
                parts.run_files.push((rest.to_owned(), bytes));
            }
            continue;
        };
        if !is_uuid(result) || file.contains('/') {
            return None;
        }
        if file.ends_with("result.json") {
            let value: Value = serde_json::from_slice(&bytes).ok()?;
            // Moments are compared as they come: one that is missing cannot be.
            let started = value["start_time"].as_str().map(str::to_owned);
            if earliest.is_none() || earliest > Some(started.clone()?) {
                earliest = started;
            }
            parts.results.push(value);
        } else {
            parts.files.entry(result.to_owned()).or_default().push((file.to_owned(), bytes));
        }
    }
    Some(parts)
}

fn run(state: &mut State, at: usize) -> Option<()> {
    let parts = apart(&state.imports[at].content)?;
    let import = &state.imports[at];
    let (project_id, source, metadata) = (import.project_id.clone(), import.source.clone(), import.metadata.clone());
    let mut body = parts.run.unwrap_or_else(|| json!({"duration": 0, "summary": {"tests": 0}}));
    if !body.is_object() {
        return None;
    }
    if !body["metadata"].is_object() {
        body["metadata"] = json!({});
    }
    for (name, value) in metadata.as_object().into_iter().flatten() {
        body["metadata"][name] = value.clone();
    }
    match (project_id, body["metadata"]["project"].as_str()) {
        (Some(id), _) => body["project_id"] = json!(id),
        (None, Some(name)) => body["project_id"] = json!(state.project(name)),
        (None, None) => {}
    }
    for name in ["component", "env"] {
        if !body["metadata"][name].is_null() {
            body[name] = body["metadata"][name].clone();
        }
    }
    if let Some(source) = source {
        body["source"] = json!(source);
    }
    if !is_run(&body) {
        return None;
    }
    let project = body["project_id"].clone();
    let id = body["id"].as_str().filter(|id| is_uuid(id)).map_or_else(|| state.new_id(), str::to_owned);
    match state.run_mut(&id) {
        Some(known) => update(known, &body),
        None => {
            body["id"] = json!(id);
            let run = whole_run(&body);
            state.runs.push(run);
        }
    }
    state.imports[at].runs = Some(vec![id.clone()]);
    for (name, content) in parts.run_files {
        add_file(state, Of::Run(id.clone()), name, content)?;
    }
    for (made, result) in parts.results.into_iter().enumerate() {
        if state.fail_imports_after.is_some_and(|after| made >= after) {
            return None;
        }
        let named = result["id"].as_str()?.to_owned();
        let own = add_result(state, result, &id, &project)?;
        for (name, content) in parts.files.get(&named).cloned().unwrap_or_default() {
            add_file(state, Of::Result(own.clone()), name, content)?;
        }
    }
    // It may fail even when nothing is left to do.
    if state.fail_imports_after.is_some() {
        return None;
    }
    state.due.push(id);
    Some(())
}

/// Makes or updates a result; its id.
fn add_result(state: &mut State, mut result: Value, run: &str, project: &Value) -> Option<String> {
    if !is_result(&result) {
        return None;
    }
    let named = result["id"].as_str()?.to_owned();
    promote(&mut result);
    for name in ["env", "component"] {
        result[name] = result["metadata"][name].clone();
    }
    result["run_id"] = json!(run);
    if !project.is_null() {
        result["project_id"] = project.clone();
    }
    let importer = state.importer;
    if let Some(known) = state.results.iter_mut().find(|known| known["id"] == named.as_str()) {
        match importer {
            Importer::Observed => known["run_id"] = json!(run),
            Importer::Mended => update(known, &result),
        }
        return Some(named);
    }
    let id = if importer == Importer::Observed { state.new_id() } else { named };
    result["id"] = json!(id);
    state.results.push(result);
    Some(id)
}

fn add_file(state: &mut State, of: Of, filename: String, content: Vec<u8>) -> Option<()> {
    if content.len() > LARGEST {
        return None;
    }
    let same = |file: &&mut Artifact| file.of.id() == of.id() && file.filename == filename;
    if state.importer == Importer::Mended
        && let Some(known) = state.artifacts.iter_mut().find(same)
    {
        known.content = content;
        return Some(());
    }
    let id = state.new_id();
    state.artifacts.push(Artifact { id, of, filename, content });
    Some(())
}

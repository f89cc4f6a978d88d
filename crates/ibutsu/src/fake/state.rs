//! What the stand-in remembers.

use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::PROJECT;

/// Any moment: the stand-in has no clock.
pub(super) const NOW: &str = "2026-11-22T20:54:06Z";

/// Status and body.
pub(super) type Answer = (u16, Value);

/// An importer of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importer {
    /// As observed: what fails stays running for ever, with what it made until then; from the source of that time, a result that is not there
    /// yet gets an id of the server's own, and files are never looked for.
    Observed,
    /// As since August 2026 (from the source): all or nothing, failures are told, ids are kept, and what is there is updated.
    Mended,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mishap {
    /// It is answered with this status, and nothing is done.
    Status(u16),
    /// The same, and asked not to come back before so long.
    Later(u16, Duration),
    /// The same, with these words.
    Says(u16, String),
    /// It is pointed to another address.
    Redirect(u16, String),
    /// It is done, and the answer is lost.
    Lost,
    /// It is never answered.
    Hang,
}

/// A request that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its path without `/api`.
    pub path: String,
    /// Its query.
    pub query: String,
    /// Whether a token came with it.
    pub with_token: bool,
}

pub(super) struct Planned {
    pub method: String,
    pub path: String,
    pub times: usize,
    pub mishap: Mishap,
}

/// What a file belongs to.
#[derive(Clone)]
pub(super) enum Of {
    Run(String),
    Result(String),
}

impl Of {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Run(id) | Self::Result(id) => id,
        }
    }
}

pub(super) struct Artifact {
    pub id: String,
    pub of: Of,
    pub filename: String,
    pub content: Vec<u8>,
}

pub(super) struct Import {
    pub id: String,
    pub filename: String,
    pub status: &'static str,
    pub content: Vec<u8>,
    pub project_id: Option<String>,
    pub source: Option<String>,
    pub metadata: Value,
    pub runs: Option<Vec<String>>,
    /// It failed: it says that it is running for ever.
    pub is_dead: bool,
}

impl Import {
    /// There is no `run_id` beside the metadata, though the API's description has one.
    pub(super) fn json(&self) -> Value {
        let mut metadata = json!({"project_id": self.project_id, "source": self.source, "metadata": self.metadata});
        if let Some(runs) = &self.runs {
            metadata["run_id"] = json!(runs);
        }
        json!({"id": self.id, "filename": self.filename, "format": "", "status": self.status, "created": NOW, "metadata": metadata})
    }
}

pub(super) struct State {
    pub runs: Vec<Value>,
    pub results: Vec<Value>,
    pub artifacts: Vec<Artifact>,
    pub imports: Vec<Import>,
    /// Projects beside the first: name and id.
    pub projects: Vec<(String, String)>,
    /// Tokens that were made.
    pub tokens: Vec<String>,
    /// Runs whose summary is to be counted anew.
    pub due: Vec<String>,
    pub importer: Importer,
    pub worker: bool,
    pub fail_imports_after: Option<usize>,
    pub largest_body: Option<usize>,
    pub frontend: String,
    pub superadmin: bool,
    pub expired: bool,
    pub member: bool,
    pub planned: Vec<Planned>,
    pub seen: Vec<Seen>,
    made: u32,
}

impl State {
    pub(super) fn new(frontend: &str) -> Self {
        Self {
            runs: Vec::new(),
            results: Vec::new(),
            artifacts: Vec::new(),
            imports: Vec::new(),
            projects: vec![(PROJECT.0.to_owned(), PROJECT.1.to_owned())],
            tokens: Vec::new(),
            due: Vec::new(),
            importer: Importer::Observed,
            worker: true,
            fail_imports_after: None,
            largest_body: None,
            frontend: frontend.to_owned(),
            superadmin: false,
            expired: false,
            member: true,
            planned: Vec::new(),
            seen: Vec::new(),
            made: 0,
        }
    }

    /// An id of the server's own.
    pub(super) fn new_id(&mut self) -> String {
        self.made += 1;
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &self.made.to_be_bytes()).to_string()
    }

    /// The id of a project that goes by this name or id.
    pub(super) fn project(&self, name: &str) -> Option<String> {
        self.projects.iter().find(|(known, id)| known == name || id == name).map(|(_, id)| id.clone())
    }

    pub(super) fn run_mut(&mut self, id: &str) -> Option<&mut Value> {
        self.runs.iter_mut().find(|run| run["id"] == id)
    }

    /// What is planned for this request.
    pub(super) fn mishap(&mut self, method: &str, path: &str) -> Option<Mishap> {
        let planned = self.planned.iter_mut().find(|plan| plan.times > 0 && plan.method == method && path.starts_with(&plan.path))?;
        planned.times -= 1;
        Some(planned.mishap.clone())
    }

    /// Counts the summaries that are due anew, from the results (as the server's source does: what was collected stays as it was said).
    pub(super) fn recount(&mut self) {
        for id in std::mem::take(&mut self.due) {
            let mut counts: Map<String, Value> = Map::new();
            let (mut tests, mut duration) = (0_u64, 0.0);
            let mut of = |name: &str, more: u64| {
                let before = counts.get(name).and_then(Value::as_u64).unwrap_or(0);
                counts.insert(name.to_owned(), json!(before + more));
            };
            for name in ["failures", "errors", "skips", "xfailures", "xpasses", "passes"] {
                of(name, 0);
            }
            for result in self.results.iter().filter(|result| result["run_id"] == id.as_str()) {
                tests += 1;
                duration += result["duration"].as_f64().unwrap_or(0.0);
                match result["result"].as_str() {
                    Some("failed") => of("failures", 1),
                    Some("error") => of("errors", 1),
                    Some("skipped") => of("skips", 1),
                    Some("xfailed") => of("xfailures", 1),
                    Some("xpassed") => of("xpasses", 1),
                    _ => of("passes", 1),
                }
            }
            let passes = counts.get("passes").and_then(Value::as_u64).unwrap_or(0);
            let Some(run) = self.run_mut(&id) else { continue };
            let collected = run["summary"]["collected"].as_u64().unwrap_or(0);
            counts.insert("tests".into(), json!(tests));
            counts.insert("collected".into(), json!(collected));
            counts.insert("not_run".into(), json!(collected.saturating_sub(tests)));
            counts.insert("pass_percent".into(), json!((passes * 100).checked_div(tests).unwrap_or(0)));
            run["summary"] = counts.into();
            run["duration"] = json!(duration);
        }
    }
}

/// Whether this is a UUID.
pub(super) fn is_uuid(text: &str) -> bool {
    Uuid::try_parse(text).is_ok()
}

/// Old fields stay where new ones do not name them, all the way down.
pub(super) fn deep_merge(old: &mut Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in new {
                deep_merge(old.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (old, new) => *old = new.clone(),
    }
}

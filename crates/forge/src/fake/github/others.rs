//! Runs of Actions, and suites of Apps.

use serde_json::{Value, json};

use super::{Asked, Told, World, moment, not_found};
use crate::fake::others::{Ends, OtherCheck, Runs, rerun};

fn ended(check: &OtherCheck) -> (&'static str, Option<&'static str>) {
    match check.ends {
        Ends::NotYet => ("in_progress", None),
        Ends::Well => ("completed", Some("success")),
        Ends::Badly => ("completed", Some("failure")),
    }
}

/// The check run that shows a check of others.
pub(super) fn check_run(check: &OtherCheck) -> Value {
    let (status, conclusion) = ended(check);
    json!({
        "id": 1_000_000 + check.id, "node_id": format!("CR_{}", check.id), "head_sha": check.commit, "name": check.name, "status": status,
        "conclusion": conclusion, "details_url": format!("https://github.example.com/checks/{}", check.id), "started_at": moment(1_700_001_000),
        "completed_at": conclusion.map(|_| moment(1_700_001_000)), "pull_requests": [],
        "output": {"title": null, "summary": null, "text": null, "annotations_count": 0, "annotations_url": ""},
        "app": {"id": 15_368, "name": "Others", "external_url": "https://github.example.com"},
    })
}

/// How a check ended, in a check run's word.
pub(super) fn conclusion(check: &OtherCheck) -> String {
    ended(check).1.unwrap_or("pending").to_owned()
}

pub(super) fn runs(world: &World, asked: &Asked) -> Told {
    let of = |check: &&OtherCheck| check.runs == Runs::Itself && asked.query.get("head_sha").is_none_or(|sha| *sha == check.commit);
    let shown = |check: &OtherCheck| {
        let (status, conclusion) = ended(check);
        json!({
            "id": check.id, "name": check.name, "workflow_id": check.name.len(), "event": "pull_request", "status": status,
            "conclusion": conclusion, "head_sha": check.commit, "run_attempt": check.again + 1,
        })
    };
    let runs: Vec<Value> = world.others.iter().rev().filter(of).map(shown).collect();
    Told::json(200, json!({"total_count": runs.len(), "workflow_runs": runs}))
}

/// All suites of a commit: Actions has one a run.
pub(super) fn suites(world: &World, sha: &str) -> Told {
    let shown = |check: &OtherCheck| {
        let (status, conclusion) = ended(check);
        let (app, slug) = if check.runs == Runs::App { (check.id, "scanner") } else { (15_368, "github-actions") };
        let app = json!({"id": app, "slug": slug, "name": if check.runs == Runs::App { check.name.as_str() } else { "GitHub Actions" }});
        json!({"id": check.id, "head_sha": sha, "status": status, "conclusion": conclusion, "app": app})
    };
    let suites: Vec<Value> = world.others.iter().filter(|check| check.commit == sha).map(shown).collect();
    Told::json(200, json!({"total_count": suites.len(), "check_suites": suites}))
}

pub(super) fn again(world: &mut World, id: &str, runs: Runs) -> Told {
    match rerun(&mut world.others, id, runs) {
        None => not_found(),
        Some(Err(why)) => Told::no(403, &why),
        Some(Ok(())) => Told::json(201, json!({})),
    }
}

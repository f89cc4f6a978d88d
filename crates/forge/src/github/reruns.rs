//! Checks of others that failed, run again: jobs of Actions by their runs, what other Apps check by asking those anew. What is told by commit
//! statuses alone cannot be asked for: whoever set them is known to nobody here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use towpath_domain::CommitId;

use super::{GitHub, PAGE, is_limit, words};
use crate::{ForgeError, Reruns, StatusState};

/// The App whose suites are runs of Actions.
const ACTIONS: &str = "github-actions";

/// Names of statuses that are Towpath's own begin so.
const OWN: &str = "towpath/";

#[derive(Debug, Deserialize)]
struct Runs {
    workflow_runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
struct Run {
    id: u64,
    name: Option<String>,
    workflow_id: u64,
    event: String,
    status: Option<String>,
    conclusion: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Suites {
    check_suites: Vec<Suite>,
}

#[derive(Debug, Deserialize)]
struct Suite {
    id: u64,
    status: Option<String>,
    conclusion: Option<String>,
    app: Option<SuiteApp>,
}

#[derive(Debug, Deserialize)]
struct SuiteApp {
    id: u64,
    slug: Option<String>,
    name: String,
}

/// How a run or suite ended that did not pass.
fn has_failed(status: Option<&str>, conclusion: Option<&str>) -> bool {
    let failed = matches!(conclusion, Some("failure" | "timed_out" | "cancelled" | "startup_failure" | "stale"));
    status == Some("completed") && failed
}

pub(super) async fn failed(github: &GitHub, head: CommitId) -> Result<Reruns, ForgeError> {
    let mut reruns = Reruns::default();
    actions(github, head, &mut reruns).await?;
    suites(github, head, &mut reruns).await?;
    for status in super::statuses::set_by_status(github, head).await? {
        if matches!(status.state, StatusState::Failure | StatusState::Error) && !status.context.starts_with(OWN) {
            let why = "it is a status, which only whoever set it can set anew".to_owned();
            reruns.not.push((status.context, why));
        }
    }
    Ok(reruns)
}

/// Failed jobs of the newest run of each workflow.
async fn actions(github: &GitHub, head: CommitId, reruns: &mut Reruns) -> Result<(), ForgeError> {
    let path = github.at(&format!("/actions/runs?head_sha={head}&per_page={PAGE}"));
    let Some(pages) = readable::<Runs>(github, &path, "runs of Actions", reruns).await? else { return Ok(()) };
    let mut newest: BTreeMap<(u64, String), Run> = BTreeMap::new();
    for run in pages.into_iter().flat_map(|page| page.workflow_runs) {
        let key = (run.workflow_id, run.event.clone());
        if newest.get(&key).is_none_or(|known| known.id < run.id) {
            newest.insert(key, run);
        }
    }
    for run in newest.into_values().filter(|run| has_failed(run.status.as_deref(), run.conclusion.as_deref())) {
        // What never started has no jobs that failed.
        let what = if run.conclusion.as_deref() == Some("startup_failure") { "rerun" } else { "rerun-failed-jobs" };
        let name = run.name.unwrap_or_else(|| format!("run {}", run.id));
        begin(github, &github.at(&format!("/actions/runs/{}/{what}", run.id)), name, reruns).await?;
    }
    Ok(())
}

/// What other Apps than Actions and Towpath's own check.
async fn suites(github: &GitHub, head: CommitId, reruns: &mut Reruns) -> Result<(), ForgeError> {
    let own = github.app_id().await?;
    let path = github.at(&format!("/commits/{head}/check-suites?per_page={PAGE}"));
    let Some(pages) = readable::<Suites>(github, &path, "check suites", reruns).await? else { return Ok(()) };
    for suite in pages.into_iter().flat_map(|page| page.check_suites) {
        let Some(app) = suite.app.filter(|app| app.slug.as_deref() != Some(ACTIONS) && Some(app.id) != own) else { continue };
        if has_failed(suite.status.as_deref(), suite.conclusion.as_deref()) {
            begin(github, &github.at(&format!("/check-suites/{}/rerequest", suite.id)), app.name, reruns).await?;
        }
    }
    Ok(())
}

/// A list that the token may not be let to see, which is told.
async fn readable<T: serde::de::DeserializeOwned>(
    github: &GitHub,
    path: &str,
    what: &str,
    reruns: &mut Reruns,
) -> Result<Option<Vec<T>>, ForgeError> {
    let reply = github.client.get::<Value>(path).await?;
    match reply.status {
        200 => github.client.get_pages(path).await.map(Some),
        403 | 404 if !is_limit(reply.status, &reply.text) => {
            reruns.not.push((what.to_owned(), format!("they may not be read: {}", words(&reply.text))));
            Ok(None)
        }
        _ => Err(github.refused(&format!("reading {what}"), &reply)),
    }
}

async fn begin(github: &GitHub, path: &str, name: String, reruns: &mut Reruns) -> Result<(), ForgeError> {
    let reply = github.client.send::<_, Map<String, Value>>("POST", path, &Value::Null).await?;
    match reply.status {
        200 | 201 => reruns.begun.push(name),
        // It may not, it is too old, or its App does not take part in that.
        403 | 404 | 422 if !is_limit(reply.status, &reply.text) => reruns.not.push((name, words(&reply.text))),
        _ => return Err(github.refused(&format!("running {name} again"), &reply)),
    }
    Ok(())
}

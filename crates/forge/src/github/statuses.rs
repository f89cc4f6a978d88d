//! What is said of commits: by commit statuses, which any account sets, and by check runs, which Apps alone set and which have room for more.

use serde::Deserialize;
use serde_json::{Value, json};
use towpath_domain::{CommitId, Timestamp};

use super::answers::moment;
use super::{GitHub, PAGE, encoded};
use crate::{ForgeError, FoundStatus, Status, StatusState};

/// The longest output of a check run, in bytes; GitHub counts characters.
const MAX_OUTPUT_BYTES: usize = 65_535;

#[derive(Debug, Deserialize)]
pub(super) struct Combined {
    statuses: Vec<OneStatus>,
    total_count: usize,
}

#[derive(Debug, Deserialize)]
struct OneStatus {
    context: String,
    state: String,
    description: Option<String>,
    target_url: Option<String>,
    updated_at: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckRuns {
    check_runs: Vec<CheckRun>,
    total_count: usize,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckRun {
    id: u64,
    name: String,
    status: String,
    conclusion: Option<String>,
    details_url: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
    output: Option<Output>,
    app: Option<RunApp>,
}

#[derive(Debug, Deserialize)]
struct Output {
    title: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RunApp {
    external_url: Option<String>,
}

/// A status or check run, and when it was said.
struct Found {
    status: FoundStatus,
    at: Option<Timestamp>,
    id: u64,
}

impl OneStatus {
    fn found(self, github: &GitHub) -> Result<Found, ForgeError> {
        let state = match self.state.as_str() {
            "success" => StatusState::Success,
            "failure" => StatusState::Failure,
            "pending" => StatusState::Pending,
            _ => StatusState::Error,
        };
        let at = Some(moment(&github.client, &self.updated_at)?);
        let url = self.target_url.filter(|url| !url.is_empty());
        Ok(Found { status: FoundStatus { context: self.context, state, summary: self.description.unwrap_or_default(), url }, at, id: 0 })
    }
}

impl CheckRun {
    fn state(&self) -> StatusState {
        match (self.status.as_str(), self.conclusion.as_deref()) {
            ("completed", Some("success" | "neutral" | "skipped")) => StatusState::Success,
            ("completed", Some("failure" | "action_required")) => StatusState::Failure,
            ("completed", _) => StatusState::Error,
            _ => StatusState::Pending,
        }
    }

    fn found(self, github: &GitHub) -> Result<Found, ForgeError> {
        let state = self.state();
        let times = [&self.started_at, &self.completed_at].into_iter().flatten();
        let at = times.map(|text| moment(&github.client, text)).collect::<Result<Vec<_>, _>>()?.into_iter().max();
        // One without a link shows its App's page.
        let page = self.app.and_then(|app| app.external_url);
        let url = self.details_url.filter(|url| !url.is_empty() && Some(url) != page.as_ref());
        let summary = self.output.and_then(|output| output.title).unwrap_or_default();
        Ok(Found { status: FoundStatus { context: self.name, state, summary, url }, at, id: self.id })
    }
}

/// What everybody says of a commit; of several under one name, whatever their kind, the newest.
pub(super) async fn read(github: &GitHub, commit: CommitId) -> Result<Vec<FoundStatus>, ForgeError> {
    let mut all = combined(github, commit).await?;
    for run in check_runs(github, commit, "").await? {
        all.push(run.found(github)?);
    }
    all.sort_by_key(|found| std::cmp::Reverse((found.at, found.id)));
    let mut newest: Vec<FoundStatus> = Vec::new();
    for found in all {
        if !newest.iter().any(|known| known.context == found.status.context) {
            newest.push(found.status);
        }
    }
    newest.sort_by(|a, b| a.context.cmp(&b.context));
    Ok(newest)
}

/// What is said of a commit by statuses, without check runs.
pub(super) async fn set_by_status(github: &GitHub, commit: CommitId) -> Result<Vec<FoundStatus>, ForgeError> {
    Ok(combined(github, commit).await?.into_iter().map(|found| found.status).collect())
}

/// The newest statuses by name.
async fn combined(github: &GitHub, commit: CommitId) -> Result<Vec<Found>, ForgeError> {
    let mut all = Vec::new();
    for page in 1.. {
        let reply = github.client.get::<Combined>(&github.at(&format!("/commits/{commit}/status?per_page={PAGE}&page={page}"))).await?;
        let Some(Combined { statuses, total_count }) = reply.body else { return Err(github.refused("reading statuses", &reply)) };
        let last = statuses.is_empty();
        for status in statuses {
            all.push(status.found(github)?);
        }
        if last || all.len() >= total_count {
            break;
        }
    }
    Ok(all)
}

/// The newest check runs of a commit by name and App, narrowed by `filter`.
async fn check_runs(github: &GitHub, commit: CommitId, filter: &str) -> Result<Vec<CheckRun>, ForgeError> {
    let mut all: Vec<CheckRun> = Vec::new();
    for page in 1.. {
        let path = github.at(&format!("/commits/{commit}/check-runs?filter=latest{filter}&per_page={PAGE}&page={page}"));
        let reply = github.client.get::<CheckRuns>(&path).await?;
        match (reply.status, reply.body) {
            (200, Some(CheckRuns { check_runs, total_count })) => {
                let last = check_runs.is_empty();
                all.extend(check_runs);
                if last || all.len() >= total_count {
                    break;
                }
            }
            // A token that is not let to see them. What is not seen is taken for not there: it holds a change back, and lets none through.
            (403, _) if !super::is_limit(403, &reply.text) => {
                tracing::warn!(forge = github.name.as_str(), "check runs may not be read with this token; let it read checks");
                break;
            }
            (status, _) => return Err(github.said_no("reading check runs", status, &reply.text)),
        }
    }
    Ok(all)
}

/// Says something of a commit: as a check run where Towpath is an App, as a status else.
pub(super) async fn set(github: &GitHub, commit: CommitId, status: &Status) -> Result<(), ForgeError> {
    match github.app_id().await? {
        Some(app) => set_check_run(github, app, commit, status).await,
        None => {
            let state = match status.state {
                StatusState::Pending => "pending",
                StatusState::Success => "success",
                StatusState::Failure => "failure",
                StatusState::Error => "error",
            };
            let body = json!({"context": status.context, "state": state, "description": status.summary, "target_url": status.url});
            github.send("setting a status", "POST", &github.at(&format!("/statuses/{commit}")), &body, &[201]).await
        }
    }
}

/// Brings the check run of this name to this, or starts one.
async fn set_check_run(github: &GitHub, app: u64, commit: CommitId, status: &Status) -> Result<(), ForgeError> {
    let filter = format!("&check_name={}&app_id={app}", encoded(&status.context));
    let mut there = check_runs(github, commit, &filter).await?;
    there.retain(|run| run.name == status.context);
    there.sort_by_key(|run| run.id);
    let body = ask(status);
    match there.pop() {
        // A run that has ended does not begin again: a new one takes its place.
        Some(run) if run.status != "completed" || status.state != StatusState::Pending => {
            let path = github.at(&format!("/check-runs/{}", run.id));
            github.send("changing a check run", "PATCH", &path, &body, &[200]).await
        }
        _ => {
            let mut body = body;
            body["head_sha"] = json!(commit.to_string());
            github.send("starting a check run", "POST", &github.at("/check-runs"), &body, &[201]).await
        }
    }
}

/// A status as a check run is given.
fn ask(status: &Status) -> Value {
    let details = if status.details.is_empty() { &status.summary } else { &status.details };
    let mut body = json!({"name": status.context, "output": {"title": status.summary, "summary": fitting(details)}});
    let conclusion = match status.state {
        StatusState::Pending => None,
        StatusState::Success => Some("success"),
        StatusState::Failure => Some("failure"),
        // It lets nothing through, and does not say that anything is wrong with the change.
        StatusState::Error => Some("cancelled"),
    };
    match conclusion {
        Some(conclusion) => {
            body["status"] = json!("completed");
            body["conclusion"] = json!(conclusion);
        }
        None => body["status"] = json!("in_progress"),
    }
    if let Some(url) = &status.url {
        body["details_url"] = json!(url);
    }
    body
}

/// As much of a text as a check run holds.
fn fitting(text: &str) -> String {
    const CUT: &str = "\n\n*It goes on, and there is no room for it here.*";
    if text.len() <= MAX_OUTPUT_BYTES {
        return text.to_owned();
    }
    let mut end = MAX_OUTPUT_BYTES - CUT.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // At a line's end, so that no word, link or table is cut.
    let end = text[..end].rfind('\n').unwrap_or(end);
    format!("{}{CUT}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_output_is_cut_at_a_line_and_says_so() {
        assert_eq!(fitting("short"), "short");
        let long = "ü line\n".repeat(20_000);
        let cut = fitting(&long);
        assert!(cut.len() <= MAX_OUTPUT_BYTES && cut.ends_with("no room for it here.*"), "{} bytes", cut.len());
        assert!(cut.contains("line\n\n*It"));
        assert!(fitting(&"ü".repeat(70_000)).len() <= MAX_OUTPUT_BYTES);
    }
}

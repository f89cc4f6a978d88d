//! Reports of tests, and how tests went over their runs.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use towpath_control::view::{PageView, ReportFile, RunReportsFilter, RunReportsView, TestDetail, TestFilter, TestLine};

use super::Shared;
use super::extract::{Path, Query};
use super::look::optional_limit;
use super::read::Shown;
use crate::caller::Caller;
use crate::problem::Refusal;

/// The longest name of a file that is sent, in characters.
const LONGEST_NAME: usize = 120;

pub(super) async fn of_run(
    State(shared): State<Shared>,
    caller: Caller,
    Path(run): Path,
    Query(filter): Query<RunReportsFilter>,
) -> Shown<RunReportsView> {
    optional_limit(filter.limit)?;
    Ok(Json(shared.brain.run_reports(caller.sight(), run, filter).await?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileQuery {
    /// The report's `hash`.
    #[schemars(length(min = 1))]
    hash: String,
}

/// The file as it was kept. It was written by whoever ran the tests: a browser saves it, and shows nothing of it.
pub(super) async fn file(
    State(shared): State<Shared>,
    caller: Caller,
    Path(run): Path,
    Query(query): Query<FileQuery>,
) -> Result<Response, Refusal> {
    let ReportFile { name, content } = shared.brain.report_file(caller.sight(), run, query.hash).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/xml".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", plain(&name))),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    Ok((headers, content).into_response())
}

/// A name that stands in a header as it is, and is a file's.
fn plain(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    let plain: String = plain.trim_start_matches('.').chars().take(LONGEST_NAME).collect();
    if plain.is_empty() { "report.xml".to_owned() } else { plain }
}

pub(super) async fn tests(State(shared): State<Shared>, caller: Caller, Query(filter): Query<TestFilter>) -> Shown<PageView<TestLine>> {
    optional_limit(filter.limit)?;
    Ok(Json(shared.brain.tests(caller.sight(), filter).await?))
}

pub(super) async fn test(State(shared): State<Shared>, caller: Caller, Path(id): Path) -> Shown<TestDetail> {
    Ok(Json(shared.brain.test(caller.sight(), id).await?))
}

#[cfg(test)]
mod names {
    use super::plain;

    #[test]
    fn a_name_breaks_out_of_no_header_and_hides_nowhere() {
        assert_eq!(plain("TEST-a.b.xml"), "TEST-a.b.xml");
        assert_eq!(plain("a\"; x=\r\ny/../ä.xml"), "a___x___y_..__.xml");
        assert_eq!(plain("..."), "report.xml");
        assert_eq!(plain(&"x".repeat(500)).len(), 120);
    }
}

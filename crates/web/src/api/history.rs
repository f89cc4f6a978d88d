//! The history: in pages, or as a whole for other programs.

use std::collections::VecDeque;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use towpath_control::Sight;
use towpath_control::view::HistoryLine;
use towpath_domain::Timestamp;

use super::Shared;
use super::extract::Query;
use super::read::check_limit;
use crate::caller::Caller;
use crate::problem::Refusal;
use crate::query::{HistoryFilter, MAX_LIMIT};

/// One JSON object per line.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// Comma-separated values, RFC 4180.
pub(super) const CSV: &str = "text/csv";

/// Which events, and how they are written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HistoryQuery {
    /// About this: a commit, source, target, channel, run or change; id, title or part of a title.
    about: Option<String>,
    /// Not before.
    since: Option<Timestamp>,
    /// Not after.
    until: Option<Timestamp>,
    /// Single steps of runs, too.
    #[serde(default)]
    steps: bool,
    /// Of this kind, as in the event's `event`, such as `run-finished`.
    kind: Option<String>,
    /// Where to go on: the `next` of the page before.
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,17}$"))]
    cursor: Option<String>,
    /// At most so many on a page; 50 when absent.
    #[schemars(range(min = 1, max = MAX_LIMIT))]
    limit: Option<u32>,
    /// How they are written; by Accept when absent.
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Format {
    Json,
    Ndjson,
    Csv,
}

impl Format {
    /// What the caller would take, as JSON when they do not say. What Accept weighs by `q` is not weighed: of several, JSON is first.
    fn accepted(headers: &HeaderMap) -> Result<Self, Refusal> {
        let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        let accept = accept.join(",");
        let takes = |media: &str| accept.split(',').any(|part| part.split(';').next().is_some_and(|name| name.trim() == media));
        let any = accept.trim().is_empty() || takes("*/*") || takes("application/*") || takes("application/json");
        match (takes(NDJSON), takes(CSV) || takes("text/*")) {
            _ if any => Ok(Self::Json),
            (true, _) => Ok(Self::Ndjson),
            (_, true) => Ok(Self::Csv),
            (false, false) => Err(Refusal::new(
                StatusCode::NOT_ACCEPTABLE,
                "not-acceptable",
                "The answer cannot be written so",
                format!("Accept is {:?}", accept.chars().take(200).collect::<String>()),
                format!("accept application/json, {NDJSON} or {CSV}"),
            )),
        }
    }
}

pub(super) async fn history(
    State(shared): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<HistoryQuery>,
) -> Result<Response, Refusal> {
    let HistoryQuery { about, since, until, steps, kind, cursor, limit, format } = query;
    let usual = HistoryFilter::default().limit;
    let filter = HistoryFilter { about, since, until, steps, kind, cursor, limit: limit.unwrap_or(usual) };
    check_limit(filter.limit)?;
    let format = format.map_or_else(|| Format::accepted(&headers), Ok)?;
    let mut response = match format {
        Format::Json => Json(shared.brain.history(caller.sight(), filter).await?).into_response(),
        Format::Ndjson | Format::Csv => export(shared, caller.sight(), filter, format).await?,
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// What is still to be written.
struct Export {
    shared: Shared,
    sight: Sight,
    /// The next page; none behind the last.
    filter: Option<HistoryFilter>,
    format: Format,
    rows: VecDeque<String>,
    /// An export is as long as a stream may be, and takes the place of one.
    _place: OwnedSemaphorePermit,
}

/// All that matches, page by page: nothing of it is kept.
async fn export(shared: Shared, sight: Sight, filter: HistoryFilter, format: Format) -> Result<Response, Refusal> {
    let place = shared.feed.place()?;
    let head = if format == Format::Csv { "id,at,cause,actor,kind,text\r\n".to_owned() } else { String::new() };
    let mut export =
        Export { shared, sight, filter: Some(HistoryFilter { limit: MAX_LIMIT, ..filter }), format, rows: [head].into(), _place: place };
    // What is wrong with the question is told before the answer begins.
    export.turn().await?;
    let body = Body::from_stream(stream::unfold(export, |mut export| async move {
        if export.rows.is_empty() && export.turn().await.is_err() {
            // The answer breaks off, so that nobody takes it for the whole.
            return Some((Err(std::io::Error::other("the ledger cannot be read")), export));
        }
        let chunk: String = export.rows.drain(..).collect();
        (!chunk.is_empty()).then_some((Ok(chunk), export))
    }));
    let media = if format == Format::Csv { "text/csv; charset=utf-8; header=present" } else { NDJSON };
    let name = if format == Format::Csv {
        "attachment; filename=\"towpath-history.csv\""
    } else {
        "attachment; filename=\"towpath-history.ndjson\""
    };
    let headers = [(header::CONTENT_TYPE, media), (header::CONTENT_DISPOSITION, name), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

impl Export {
    /// Writes the next page that has rows.
    async fn turn(&mut self) -> Result<(), Refusal> {
        while let Some(filter) = self.filter.take() {
            let page = self.shared.brain.history(self.sight.clone(), filter.clone()).await?;
            self.rows.extend(page.items.iter().map(|line| if self.format == Format::Csv { csv(line) } else { ndjson(line) }));
            self.filter = page.next.map(|next| HistoryFilter { cursor: Some(next), ..filter });
            if !page.items.is_empty() {
                break;
            }
        }
        Ok(())
    }
}

fn ndjson(line: &HistoryLine) -> String {
    let mut row = serde_json::to_string(line).unwrap_or_default();
    row.push('\n');
    row
}

fn csv(line: &HistoryLine) -> String {
    let kind = line.event.get("event").and_then(|kind| kind.as_str()).unwrap_or_default();
    let cause = line.cause.map(|cause| cause.to_string()).unwrap_or_default();
    format!("{},{},{cause},{},{kind},{}\r\n", line.id, line.at, cell(&line.actor), cell(&line.text))
}

/// A cell with a text that people wrote. One that a spreadsheet would take for a formula is made plain text by a `'`.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_a_cell_and_no_formula() {
        assert_eq!(cell("he said \"no\", twice"), "\"he said \"\"no\"\", twice\"");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"] {
            assert!(cell(formula).starts_with("\"'"), "{formula}");
        }
    }

    #[test]
    fn the_format_is_what_is_accepted_and_json_when_nobody_says() {
        let format = |accept: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for one in accept {
                headers.append(header::ACCEPT, HeaderValue::from_static(one));
            }
            Format::accepted(&headers).map_err(|refusal| refusal.0.r#type)
        };
        assert_eq!(format(&[]), Ok(Format::Json));
        assert_eq!(format(&["text/csv"]), Ok(Format::Csv));
        assert_eq!(format(&["application/x-ndjson;q=0.9", "text/html"]), Ok(Format::Ndjson));
        assert_eq!(format(&["text/html, */*;q=0.1"]), Ok(Format::Json));
        assert_eq!(format(&["image/png"]), Err("not-acceptable".to_owned()));
    }
}

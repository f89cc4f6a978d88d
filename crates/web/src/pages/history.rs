//! `/history`: everything that happened, each with what caused it.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use towpath_control::view::HistoryLine;
use towpath_domain::Timestamp;

use super::ask::{Query, filled};
use super::wording::with_query;
use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;
use crate::problem::Refusal;
use crate::query::HistoryFilter;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default, deserialize_with = "filled")]
    about: Option<String>,
    /// Days, as a form's date field sends them.
    #[serde(default, deserialize_with = "filled")]
    since: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    until: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    steps: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    cursor: Option<String>,
}

/// An event, and whether its cause is on the same page.
struct Row {
    line: HistoryLine,
    event: String,
    cause_here: bool,
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage<'a> {
    frame: &'a Frame,
    about: &'a str,
    since: &'a str,
    until: &'a str,
    kind: &'a str,
    steps: bool,
    filtered: bool,
    live: bool,
    rows: Vec<Row>,
    next: Option<String>,
    exports: [(&'static str, String); 2],
}

/// The page.
pub(super) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::History, "History").known_to(&shared).await;
    let failed = |problem: Refusal| Failed::new(frame.clone(), problem);
    let since = moment(asked.since.as_deref(), "since", false).map_err(&failed)?;
    let until = moment(asked.until.as_deref(), "until", true).map_err(&failed)?;
    let steps = asked.steps.is_some();
    let filter = HistoryFilter {
        about: asked.about.clone(),
        since,
        until,
        steps,
        kind: asked.kind.clone(),
        cursor: asked.cursor.clone(),
        ..HistoryFilter::default()
    };
    let view = shared.brain.history(caller.sight(), filter).await.map_err(|problem| failed(problem.into()))?;
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let (about, since_day, until_day, kind) = (text(&asked.about), text(&asked.since), text(&asked.until), text(&asked.kind));
    let steps_said = steps.then_some("true");
    let here: Vec<(&str, Option<&str>)> = vec![
        ("about", Some(&about)),
        ("since", Some(&since_day)),
        ("until", Some(&until_day)),
        ("kind", Some(&kind)),
        ("steps", steps_said),
    ];
    // The API takes moments, not days.
    let (from, to) = (since.map(|at| at.as_millis().to_string()), until.map(|at| at.as_millis().to_string()));
    let export = |format: &'static str| {
        let values = [
            ("about", Some(about.as_str())),
            ("since", from.as_deref()),
            ("until", to.as_deref()),
            ("kind", Some(kind.as_str())),
            ("steps", steps_said),
            ("format", Some(format)),
        ];
        with_query("/api/v1/history", &values)
    };
    let next = view.next.as_deref().map(|next| {
        let mut values = here.clone();
        values.push(("cursor", Some(next)));
        with_query("/history", &values)
    });
    Ok(show(&HistoryPage {
        frame: &frame,
        filtered: asked.cursor.is_some() || here.iter().any(|(_, value)| value.is_some_and(|value| !value.is_empty())),
        // An earlier page does not change any more.
        live: asked.cursor.is_none() && until.is_none(),
        steps,
        rows: rows(view.items),
        next,
        exports: [("NDJSON", export("ndjson")), ("CSV", export("csv"))],
        about: &about,
        since: &since_day,
        until: &until_day,
        kind: &kind,
    }))
}

fn rows(lines: Vec<HistoryLine>) -> Vec<Row> {
    let here: BTreeSet<i64> = lines.iter().map(|line| line.id).collect();
    let row = |line: HistoryLine| Row {
        event: serde_json::to_string_pretty(&line.event).unwrap_or_default(),
        cause_here: line.cause.is_some_and(|cause| here.contains(&cause)),
        line,
    };
    lines.into_iter().map(row).collect()
}

/// The beginning of a day in UTC, or its last millisecond.
fn moment(day: Option<&str>, field: &str, end: bool) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = day else { return Ok(None) };
    let begins = |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_millisecond());
    let found = text.parse::<Date>().ok().and_then(|day| if end { begins(day.tomorrow().ok()?).map(|ms| ms - 1) } else { begins(day) });
    match found {
        Some(ms) => Ok(Some(Timestamp::from_millis(ms))),
        None => {
            let detail = format!("{field} is {:?}", text.chars().take(40).collect::<String>());
            let mend = "write a day as 2026-11-26";
            Err(Refusal::new(StatusCode::BAD_REQUEST, "bad-query", "That is no day", detail, mend))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_and_end_in_utc() {
        let at = |day: &str, end: bool| moment(Some(day), "since", end).map(|at| at.unwrap().to_string());
        assert_eq!(at("2026-11-26", false).unwrap(), "2026-11-26T00:00:00.000Z");
        assert_eq!(at("2026-12-31", true).unwrap(), "2026-12-31T23:59:59.999Z");
        for nonsense in ["yesterday", "2026-13-01", "9999-12-31x", "-"] {
            assert_eq!(at(nonsense, false).unwrap_err().0.r#type, "bad-query", "{nonsense}");
        }
        assert_eq!(moment(None, "since", false), Ok(None));
    }
}

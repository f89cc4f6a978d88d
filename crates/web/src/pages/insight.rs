//! `/insight`: how well deliveries go.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use towpath_control::view::{DayView, InsightFilter, InsightView, Ratio, Spread, TestView};

use super::ask::{Query, filled};
use super::wording::{counted, day};
use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;
use crate::draw::chart::{Chart, Series, band, bars, lines, sparkline};
use crate::draw::scale::{Unit, duration};
use crate::problem::Refusal;

/// The times that can be chosen, in days.
const DAYS: [u32; 4] = [7, 30, 90, 366];

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default, deserialize_with = "filled")]
    days: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    app: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    environment: Option<String>,
}

#[derive(Template)]
#[template(path = "insight.html")]
struct InsightPage<'a> {
    frame: &'a Frame,
    app: String,
    environment: String,
    filtered: bool,
    choices: Vec<(u32, bool)>,
    figures: Vec<Figure>,
    nothing: bool,
    deploys: String,
    lead: String,
    stations: Vec<Station>,
    tests: [Tests; 2],
    days: u32,
}

/// The page.
pub(super) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Insight, "Insight").known_to(&shared).await;
    let failed = |problem: Refusal| Failed::new(frame.clone(), problem);
    let days = match asked.days.as_deref().map(str::parse) {
        None => None,
        Some(Ok(days @ 1..=366)) => Some(days),
        Some(_) => {
            let detail = format!("days is {:?}", asked.days.unwrap_or_default());
            let mend = "ask for 1 to 366 days";
            return Err(failed(Refusal::new(StatusCode::BAD_REQUEST, "bad-query", "The time is out of range", detail, mend)));
        }
    };
    let filter = InsightFilter { days, app: asked.app.clone(), environment: asked.environment.clone() };
    let view = shared.brain.insight(caller.sight(), filter).await.map_err(|problem| failed(problem.into()))?;
    let (stations, deploys, lead) = (stations(&view), bars(&deploys(&view)), lines(&lead(&view)));
    let chosen = days.unwrap_or(view.days);
    let mut choices: Vec<(u32, bool)> = DAYS.into_iter().map(|days| (days, days == chosen)).collect();
    if !DAYS.contains(&chosen) {
        choices.push((chosen, true));
    }
    Ok(show(&InsightPage {
        frame: &frame,
        filtered: asked.app.is_some() || asked.environment.is_some() || days.is_some(),
        app: asked.app.unwrap_or_default(),
        environment: asked.environment.unwrap_or_default(),
        choices,
        figures: figures(&view),
        nothing: view.by_day.iter().all(|day| day.deploys == 0 && day.failures == 0),
        deploys,
        lead,
        stations,
        days: view.days,
        tests: [
            Tests { title: "Slowest tests", none: "No run reported tests in this time.", flakes: false, rows: view.slow_tests },
            Tests {
                title: "Flakiest tests",
                none: "No test passed and failed on the same tree in this time.",
                flakes: true,
                rows: view.flaky_tests,
            },
        ],
    }))
}

/// A figure, and how it is counted.
#[derive(Debug, PartialEq)]
struct Figure {
    name: &'static str,
    value: String,
    detail: String,
    how: &'static str,
    spark: String,
}

/// A station with its time drawn.
struct Station {
    name: String,
    band: String,
    working: String,
    waiting: String,
    p90: String,
    count: u32,
}

/// Tests that somebody should look at.
struct Tests {
    title: &'static str,
    none: &'static str,
    /// Says how often each was flaky.
    flakes: bool,
    rows: Vec<TestView>,
}

/// The five figures that DORA made known.
fn figures(view: &InsightView) -> Vec<Figure> {
    let spread = |spread: Option<Spread>, one: &str, many: &str| match spread {
        Some(Spread { count, median_ms, p90_ms }) => {
            (duration(median_ms), format!("nine of ten within {}; {}", duration(p90_ms), counted(count.into(), one, many)))
        }
        None => ("–".to_owned(), format!("no {one} in this time")),
    };
    let ratio = |ratio: Ratio, what: &str| match ratio.of {
        0 => ("–".to_owned(), "no deploy in this time".to_owned()),
        of => (format!("{:.1} %", f64::from(ratio.part) / f64::from(of) * 100.0), format!("{} of {of} {what}", ratio.part)),
    };
    let (lead, lead_detail) = spread(view.lead_time, "delivery", "deliveries");
    let (recovery, recovery_detail) = spread(view.recovery_time, "recovery", "recoveries");
    let (failed, failed_detail) = ratio(view.change_fail_rate, "deploys");
    let (rework, rework_detail) = ratio(view.rework_rate, "deploys");
    let deploys: u32 = view.by_day.iter().map(|day| day.deploys).sum();
    let of_days = |value: fn(&DayView) -> Option<f64>| sparkline(&view.by_day.iter().map(value).collect::<Vec<_>>());
    #[allow(clippy::cast_precision_loss)]
    let lead_days = of_days(|day| day.lead_time_ms.map(|ms| ms as f64));
    vec![
        Figure {
            name: "Lead time",
            value: lead,
            detail: lead_detail,
            how: "From a commit being seen on its branch to its deploy in production being found healthy.",
            spark: lead_days,
        },
        Figure {
            name: "Deployment frequency",
            value: format!("{:.1} a day", view.deploys_per_day),
            detail: counted(deploys.into(), "deploy", "deploys"),
            how: "Deploys to production that went well, over all days of the time, also those without any.",
            spark: of_days(|day| Some(f64::from(day.deploys))),
        },
        Figure {
            name: "Change fail rate",
            value: failed,
            detail: failed_detail,
            how: "Deploys to production that failed or were rolled back, out of all deploys to production.",
            spark: of_days(|day| Some(f64::from(day.failures))),
        },
        Figure {
            name: "Recovery time",
            value: recovery,
            detail: recovery_detail,
            how: "From a failure in production to the next deploy there that went well.",
            spark: String::new(),
        },
        Figure {
            name: "Rework rate",
            value: rework,
            detail: rework_detail,
            how: "Deploys to production that mended an earlier one, rollbacks and hotfixes, out of all of them.",
            spark: String::new(),
        },
    ]
}

fn named(view: &InsightView) -> Vec<String> {
    view.by_day.iter().map(|day| self::day(day.day)).collect()
}

/// Deploys by day: those that went well, and on top of them those that failed.
fn deploys(view: &InsightView) -> Chart {
    let of = |name: &str, value: fn(&DayView) -> u32| Series {
        name: name.to_owned(),
        values: view.by_day.iter().map(|day| Some(f64::from(value(day)))).collect(),
    };
    Chart {
        id: "deploys-by-day".to_owned(),
        title: "Deploys to production".to_owned(),
        along: "Day (UTC)".to_owned(),
        names: named(view),
        unit: Unit::Count,
        series: vec![of("Went well", |day| day.deploys), of("Failed", |day| day.failures)],
    }
}

/// The median from merge to production by day.
fn lead(view: &InsightView) -> Chart {
    #[allow(clippy::cast_precision_loss)]
    let values = view.by_day.iter().map(|day| day.lead_time_ms.map(|ms| ms as f64)).collect();
    Chart {
        id: "lead-by-day".to_owned(),
        title: "From merge to production".to_owned(),
        along: "Day (UTC)".to_owned(),
        names: named(view),
        unit: Unit::Millis,
        series: vec![Series { name: "Half took no longer".to_owned(), values }],
    }
}

#[allow(clippy::cast_precision_loss)]
fn stations(view: &InsightView) -> Vec<Station> {
    let most = view.stations.iter().map(|station| station.working.median_ms + station.waiting.median_ms).max().unwrap_or_default() as f64;
    let drawn = view.stations.iter().enumerate().map(|(index, station)| Station {
        name: station.station.clone(),
        band: band(&format!("station-{index}"), &[station.working.median_ms as f64, station.waiting.median_ms as f64], most),
        working: duration(station.working.median_ms),
        waiting: duration(station.waiting.median_ms),
        p90: format!("{} and {}", duration(station.working.p90_ms), duration(station.waiting.p90_ms)),
        count: station.working.count.max(station.waiting.count),
    });
    drawn.collect()
}

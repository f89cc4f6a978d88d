//! What stands in the metadata of runs and results.

use std::time::Duration;

use serde_json::{Map, Value, json};
use towpath_domain::{Span, Timestamp};
use towpath_junit::Property;

use super::totals::Totals;
use crate::upload::Upload;

/// The most properties of reports that a run's metadata repeats.
const PROPERTIES_MAX: usize = 100;

/// A time in seconds, to the millisecond.
#[allow(clippy::cast_precision_loss)]
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_millis() as f64) / 1000.0
}

/// When a report began. What lies outside the run is not believed: clocks in containers are wrong, and some tools write local time without its
/// zone. Without a zone, UTC is meant.
pub(super) fn moment(declared: Option<&str>, upload: &Upload) -> Timestamp {
    let parsed = declared.and_then(|text| {
        let zoned = text.trim().parse::<jiff::Timestamp>().ok();
        let plain = || text.trim().parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
        zoned.or_else(|| plain().map(|zoned| zoned.timestamp())).map(|moment| Timestamp::from_millis(moment.as_millisecond()))
    });
    let run = upload.started..=upload.started.plus(upload.duration).plus(Span::from_secs(1));
    parsed.filter(|moment| run.contains(moment)).unwrap_or(upload.started)
}

pub(super) fn of_run(upload: &Upload, project: &str, totals: &Totals, notes: &[String]) -> Value {
    let about = &upload.metadata;
    let mut own = Map::new();
    own.insert("run".into(), json!(upload.run.as_str()));
    for (name, value) in
        [("url", &about.page), ("repository", &about.repository), ("commit", &about.commit.map(|commit| commit.to_string()))]
    {
        if let Some(value) = value {
            own.insert(name.into(), json!(value));
        }
    }
    if let Some(pull) = &about.pull_request {
        own.insert("pull_request".into(), json!({"number": pull.number, "url": pull.url}));
    }
    let names: Vec<&str> = upload.reports.iter().map(|(name, _)| name.as_str()).collect();
    let mut metadata = json!({"project": project, "title": upload.title, "reports": names, "towpath": own});
    for (name, value) in [("component", &upload.component), ("env", &upload.env)] {
        if let Some(value) = value {
            metadata[name] = json!(value);
        }
    }
    if totals.flaky > 0 {
        metadata["flaky"] = json!(totals.flaky);
    }
    let mut properties = Map::new();
    for property in upload.reports.iter().flat_map(|(_, report)| &report.properties) {
        if properties.len() < PROPERTIES_MAX && !property.name.is_empty() {
            properties.entry(property.name.clone()).or_insert_with(|| json!(property.value));
        }
    }
    if !properties.is_empty() {
        metadata["properties"] = properties.into();
    }
    let odd = upload.reports.iter().flat_map(|(name, report)| report.notes.iter().map(move |note| format!("{name}: {note}")));
    for text in notes.iter().cloned().chain(odd) {
        note(&mut metadata, text);
    }
    metadata
}

/// Adds a note for people.
pub(super) fn note(metadata: &mut Value, text: String) {
    let Some(fields) = metadata.as_object_mut() else { return };
    if let Value::Array(notes) = fields.entry("notes").or_insert_with(|| json!([])) {
        notes.push(text.into());
    }
}

/// Properties of a test stand beside what is said of it, as people filter by them; they replace nothing. Of one that is there several times, all
/// values are told.
pub(super) fn promote(own: &mut Map<String, Value>, properties: &[Property]) {
    let mut theirs: Map<String, Value> = Map::new();
    // The server would spread this one over everything else.
    for property in properties.iter().filter(|property| !property.name.is_empty() && property.name != "user_properties") {
        let value = json!(property.value);
        match theirs.get_mut(&property.name) {
            None => drop(theirs.insert(property.name.clone(), value)),
            Some(Value::Array(all)) => all.push(value),
            Some(one) => *one = json!([one.take(), value]),
        }
    }
    for (name, value) in theirs {
        own.entry(name).or_insert(value);
    }
}

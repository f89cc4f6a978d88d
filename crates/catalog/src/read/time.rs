//! Moments and times of day in policies.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use towpath_domain::Timestamp;

use super::fields::Reader;
use crate::suggest;
use crate::yaml::Node;

/// Which end of a span a moment is: a bare date begins with its first moment and ends with its last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    From,
    Until,
}

/// A zone by its IANA name.
pub(super) fn zone(reader: &mut Reader, node: Node<'_, '_>) -> Option<TimeZone> {
    let name = reader.text(node, "timezone")?;
    match TimeZone::get(name) {
        Ok(zone) => Some(zone),
        Err(_) => {
            let names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
            let mend = suggest::mend(name, names.iter().map(String::as_str), "Write an IANA name, such as `Europe/Prague` or `UTC`.");
            reader.error("bad-timezone", node.spot(), format!("there is no timezone `{}` here", name.escape_debug()), mend);
            None
        }
    }
}

/// A moment: RFC 3339, or a date with or without a time in `zone`.
pub(super) fn moment(reader: &mut Reader, node: Node<'_, '_>, field: &str, zone: Option<&TimeZone>, end: End) -> Option<Timestamp> {
    let text = reader.text(node, field)?;
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_millis(instant.as_millisecond()));
    }
    let civil = match (text.len(), text.parse::<Date>(), text.parse::<DateTime>()) {
        (10, Ok(date), _) if end == End::Until => date.tomorrow().ok().map(|next| next.at(0, 0, 0, 0)),
        (10, Ok(date), _) => Some(date.at(0, 0, 0, 0)),
        (_, _, Ok(moment)) => Some(moment),
        _ => None,
    };
    let Some(civil) = civil else {
        let message = format!("`{field}`: `{}` is no moment", text.escape_debug());
        reader.error("bad-time", node.spot(), message, "Write it as 2026-12-24T18:00:00Z, or as 2026-12-24 with a `timezone`.");
        return None;
    };
    let Some(zone) = zone else {
        let message = format!("`{field}` has neither an offset nor a `timezone`: whose clock is meant?");
        reader.error(
            "bad-time",
            node.spot(),
            message,
            "Add `timezone: Europe/Prague` (or yours), or write the moment with Z or an offset.",
        );
        return None;
    };
    match civil.to_zoned(zone.clone()) {
        Ok(moment) => Some(Timestamp::from_millis(moment.timestamp().as_millisecond())),
        Err(error) => {
            reader.error("bad-time", node.spot(), format!("`{field}`: {error}"), "Write a moment within the calendar.");
            None
        }
    }
}

/// A time of day in minutes after midnight; `24:00` is the end of the day.
pub(super) fn minute(reader: &mut Reader, node: Node<'_, '_>, field: &str) -> Option<u16> {
    let text = reader.text(node, field)?;
    if text == "24:00" {
        return Some(1440);
    }
    // Without quotes, YAML 1.1 makes a number of `9:30`; the text is what people mean.
    let time = Some(text).filter(|text| text.len() == 5).and_then(|text| text.parse::<Time>().ok());
    match time.and_then(|time| u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).ok()) {
        Some(minute) => Some(minute),
        None => {
            let message = format!("`{field}`: `{}` is no time of day", text.escape_debug());
            reader.error("bad-time", node.spot(), message, "Write it as \"09:00\".");
            None
        }
    }
}

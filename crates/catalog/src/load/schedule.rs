//! Schedules: cron expressions, read as windows.

use std::sync::Arc;

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil;

use crate::model::Schedule;

/// Parses a `schedule`; the error says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Schedule, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(format!("it has {} fields instead of five (minute, hour, day of month, month, day of week)", fields.len()));
    };
    if text.contains('@') || text.len() > 200 {
        return Err("it is no plain cron expression".to_owned());
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    // What is written must be sound by itself, not only after widening.
    parser.parse(text).map_err(|error| error.to_string())?;
    let widened = format!("{} {hour} {day} {month} {weekday}", widen(minute));
    let cron = parser.parse(&widened).map_err(|error| error.to_string())?;
    // Any fixed start will do: an expression that does not match within croner's range of years never will.
    let never = cron.find_next_occurrence(&civil::date(2024, 1, 1).at(0, 0, 0, 0), true).is_err();
    if never {
        return Err("it never comes".to_owned());
    }
    Ok(Schedule { text: text.into(), cron: Arc::new(cron) })
}

/// Minutes that are named singly, or by a step, stay open until the hour ends: from the first of them on.
fn widen(minute: &str) -> String {
    let first = |item: &str| {
        let start = item.split('/').next()?;
        let start = if start == "*" { "0" } else { start.split('-').next()? };
        start.parse::<u8>().ok()
    };
    let widened = |item: &str| item.contains('/') || item.parse::<u8>().is_ok();
    let kept: Vec<String> = minute.split(',').filter(|item| !widened(item)).map(str::to_owned).collect();
    let single = minute.split(',').filter(|item| widened(item)).filter_map(first).min();
    let opened = single.map(|first| if first == 0 { "*".to_owned() } else { format!("{first}-59") });
    if opened.as_deref() == Some("*") { "*".to_owned() } else { kept.into_iter().chain(opened).collect::<Vec<_>>().join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_that_are_named_open_the_rest_of_their_hour() {
        for (written, wide) in [
            ("0", "*"),
            ("30", "30-59"),
            ("*", "*"),
            ("5,20", "5-59"),
            ("0-15", "0-15"),
            ("*/15", "*"),
            ("10-30/5", "10-59"),
            ("0-9,40", "0-9,40-59"),
        ] {
            assert_eq!(widen(written), wide, "{written}");
        }
        let nine = parse("0 9 * * 1-5").unwrap();
        let open = |hour, minute| nine.cron.is_time_matching(&civil::date(2026, 11, 23).at(hour, minute, 0, 0)).unwrap();
        assert!(open(9, 0) && open(9, 59) && !open(10, 0) && !open(8, 59));
        assert_eq!(&*nine.text, "0 9 * * 1-5");
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "99 99 99 99 99",
            "garbage 1 2 3 4 5 garbage",
            "* * * *",
            "* * * * * *",
            "@daily",
            "0 9 31 2 *",
            "60 * * * *",
            "a * * * *",
            "1-, * * * *",
        ] {
            assert!(parse(bad).is_err(), "{bad:?} was taken");
        }
    }
}

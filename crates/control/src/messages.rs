//! Whether people are told what they are to be told.

use std::collections::BTreeMap;

use towpath_domain::{Span, Timestamp};
use towpath_ledger::{DeadLetter, Ledger, SinkState};
use towpath_notify::escalation::SINK;

use crate::view::Finding;
use crate::words;

/// Dead letters of so long ago are history: nobody mends anything for their sake.
const RECENT: Span = Span::from_secs(7 * 24 * 3600);

/// Dead letters looked at.
const LOOKED_AT: u32 = 200;

/// What doctor says of messages: who cannot be told or called now, and what could not be told.
pub(crate) async fn findings(ledger: &Ledger, now: Timestamp) -> Vec<Finding> {
    match (ledger.sinks().await, ledger.dead_letters(LOOKED_AT).await, ledger.threads(SINK, "").await) {
        (Ok(sinks), Ok(dead), Ok(incidents)) => {
            let uncalled = incidents.into_iter().filter_map(|(subject, incident)| {
                let text = format!("somebody could not be called for {subject}: {}", incident.error?);
                Some(finding("escalation", "warning", text, "mend what the message says; the next rung is called meanwhile"))
            });
            told(&sinks, &dead, now).into_iter().chain(uncalled).collect()
        }
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
            vec![finding("messages", "error", error.to_string(), "`towpath ledger verify` says what is wrong with the ledger")]
        }
    }
}

fn told(sinks: &[SinkState], dead: &[DeadLetter], now: Timestamp) -> Vec<Finding> {
    let failing = sinks.iter().filter_map(|sink| {
        let error = sink.error.as_ref()?;
        let text = format!(
            "{}, and {} to tell: {error}",
            words::count(sink.attempts, "failed attempt"),
            words::count(u32::try_from(sink.waiting).unwrap_or(u32::MAX), "message")
        );
        Some(finding(&format!("messages to {}", sink.name), "warning", text, "it is tried again by itself; mend what the message says"))
    });
    let mut recent: BTreeMap<&str, (u32, &DeadLetter)> = BTreeMap::new();
    for letter in dead.iter().filter(|letter| now.since(letter.at) <= RECENT) {
        let entry = recent.entry(&letter.sink).or_insert((0, letter));
        entry.0 += 1;
        if letter.at > entry.1.at {
            entry.1 = letter;
        }
    }
    let lost = recent.into_iter().map(|(sink, (count, last))| {
        let text = format!("{} given up in seven days, last at {}: {}", words::count(count, "message"), last.at, last.error);
        let mend = "mend what the message says; what was given up stays in `towpath history`, and is not told again";
        finding(&format!("messages to {sink}"), "warning", text, mend)
    });
    let mut all: Vec<Finding> = failing.chain(lost).collect();
    if all.is_empty() && !sinks.is_empty() {
        all.push(finding("messages", "ok", "all are told".to_owned(), ""));
    }
    all
}

fn finding(what: &str, level: &str, text: String, mend: &str) -> Finding {
    Finding { what: what.to_owned(), level: level.to_owned(), text, mend: mend.to_owned() }
}

#[cfg(test)]
mod tests {
    use towpath_engine::Event;
    use towpath_ledger::{EventId, Recorded};

    use super::*;

    fn letter(sink: &str, at: i64, error: &str) -> DeadLetter {
        let commit = "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap();
        let recorded = Recorded {
            id: EventId::new(7),
            cause: None,
            at: Timestamp::from_millis(at),
            actor: "w".into(),
            event: Event::ConfigSeen { commit, errors: 0 },
        };
        DeadLetter { sink: sink.into(), recorded, at: Timestamp::from_millis(at), attempts: 1, error: error.into() }
    }

    fn sink(name: &str, waiting: u64, attempts: u32, error: Option<&str>) -> SinkState {
        SinkState { name: name.into(), settled: EventId::new(1), waiting, attempts, error: error.map(Into::into) }
    }

    #[test]
    fn whoever_cannot_be_told_and_whatever_was_not_is_told_of_here() {
        const DAY: i64 = 24 * 3600 * 1000;
        let now = Timestamp::from_millis(100 * DAY);
        let sinks = [sink("log", 0, 0, None), sink("slack.a", 3, 2, Some("connection refused"))];
        let dead =
            [letter("slack.a", 99 * DAY, "channel_not_found"), letter("slack.a", 98 * DAY, "older"), letter("mail.b", 90 * DAY, "old")];
        let found: Vec<_> = told(&sinks, &dead, now).into_iter().map(|found| (found.what, found.level, found.text)).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("messages to slack.a", "warning"));
        assert!(found[0].2.contains("connection refused"), "{found:?}");
        assert!(found[1].2.starts_with("2 messages given up") && found[1].2.ends_with("channel_not_found"), "{found:?}");
        let well = told(&sinks[..1], &[], now);
        assert_eq!((well.len(), well[0].level.as_str()), (1, "ok"));
    }
}

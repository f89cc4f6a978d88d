//! What an answer asks of us, and how long to wait before asking again. No clock and no I/O.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use towpath_domain::{Span, Timestamp};

use crate::Budget;

/// The first pause between two tries; each is up to twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause that we make by ourselves.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The rest after a secondary limit of GitHub's that names no time: at least a minute, by its documentation.
const LIMIT_PAUSE: Duration = Duration::from_secs(60);

/// No forge is believed to ask for a longer rest.
const REST_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A forge counts in whole seconds: it may be this much later that it goes on.
const WHOLE_SECOND: Duration = Duration::from_secs(1);

/// From here on a number of seconds is a moment since 1970, and below, a span from now: GitHub and GitLab say the one, the draft of the
/// `RateLimit` headers says the other.
const MOMENTS_FROM: u64 = 1_000_000_000;

/// What the headers of an answer say of limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// How long it asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// How many requests it allows.
    pub(super) budget: Option<Budget>,
    /// How long it is until the next period begins, by the forge's own clock.
    pub(super) resets_in: Duration,
    /// Which of its budgets that is.
    pub(super) kind: Option<String>,
}

impl Said {
    /// Reads the headers; `clock` is this machine's and counts only where the forge does not say what its own shows.
    pub(super) fn read(headers: &HeaderMap, clock: Timestamp) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let number = |name: &str| {
            // Several limits in one header: the first is the one that the others explain.
            let digits = text(name)?.split([',', ';']).next()?.trim();
            digits.parse::<u64>().ok()
        };
        let now = text(DATE.as_str()).and_then(moment).unwrap_or(clock);
        let retry_after = text(RETRY_AFTER.as_str()).and_then(|text| match text.parse::<u64>() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => moment(text).map(|moment| moment.since(now).to_std()),
        });
        let told = ["x-ratelimit", "ratelimit"].into_iter().find_map(|prefix| {
            let of = |what: &str| number(&format!("{prefix}-{what}"));
            Some((of("limit")?, of("remaining")?, of("reset")?))
        });
        let budget = told.map(|(limit, left, reset)| {
            let span = Span::from_secs(reset.min(REST_MAX.as_secs()));
            let moment = Timestamp::from_millis(i64::try_from(reset).unwrap_or(i64::MAX).saturating_mul(1000));
            Budget { limit, left, resets_at: if reset >= MOMENTS_FROM { moment } else { now.plus(span) } }
        });
        let resets_in = budget.map_or(Duration::ZERO, |budget| budget.resets_at.since(now).to_std().min(REST_MAX));
        let kind = text("x-ratelimit-resource").filter(|kind| kind.len() <= 64).map(str::to_owned);
        Self { retry_after: retry_after.map(|rest| rest.min(REST_MAX)), budget, resets_in, kind }
    }

    /// How long it is until a spent budget is a new one; `None` when there is something left of it.
    pub(super) fn spent_for(&self) -> Option<Duration> {
        let spent = self.budget.is_some_and(|budget| budget.left == 0) && self.resets_in > Duration::ZERO;
        spent.then(|| self.resets_in + WHOLE_SECOND)
    }
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// For the caller.
    Answer,
    /// The forge does nothing for now: it was asked too much.
    Limited {
        /// For how long, where it says so.
        rest: Option<Duration>,
    },
    /// The forge, or what stands before it, fails for now.
    Failing {
        /// For how long, where it says so.
        rest: Option<Duration>,
        /// It says when to come back, and so did nothing.
        untouched: bool,
    },
}

/// What an answer with this status, these headers and this text is.
pub(super) fn meaning(status: u16, said: &Said, text: &str) -> Meaning {
    let rest = said.retry_after.or_else(|| said.spent_for());
    match status {
        429 => Meaning::Limited { rest },
        403 if rest.is_some() => Meaning::Limited { rest },
        403 if names_a_limit(text) => Meaning::Limited { rest: Some(LIMIT_PAUSE) },
        503 => Meaning::Failing { rest: said.retry_after, untouched: said.retry_after.is_some() },
        // 501 and 505 do not pass.
        408 | 500 | 502 | 504 | 507..=599 => Meaning::Failing { rest: said.retry_after, untouched: false },
        _ => Meaning::Answer,
    }
}

/// GitHub's limits that are told in words only: "You have exceeded a secondary rate limit", "abuse detection mechanism".
fn names_a_limit(text: &str) -> bool {
    let said = super::words(text).to_ascii_lowercase();
    said.contains("rate limit") || said.contains("abuse detection")
}

/// The pause after so many tries: it doubles each time. `share`, by chance, is where it lies between half of that and the whole, so that those
/// who failed together do not come again together.
pub(super) fn pause(tries: u32, share: u16) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << tries.min(16)).min(LONGEST_PAUSE);
    whole / 2 + whole / 2 * u32::from(share) / u32::from(u16::MAX)
}

/// A moment as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn moment(text: &str) -> Option<Timestamp> {
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp::from_millis(parsed.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        let one = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        all.iter().map(one).collect()
    }

    fn said(all: &[(&str, &str)]) -> Said {
        Said::read(&headers(all), NOW)
    }

    #[test]
    fn a_rest_is_named_in_seconds_or_by_a_date_which_the_forges_own_clock_counts_for() {
        assert_eq!(said(&[("retry-after", "17")]).retry_after, Some(Duration::from_secs(17)));
        // NOW is Tue, 14 Nov 2023 22:13:20 GMT.
        assert_eq!(said(&[("retry-after", "Tue, 14 Nov 2023 22:14:20 GMT")]).retry_after, Some(Duration::from_secs(60)));
        assert_eq!(said(&[("retry-after", "Tue, 14 Nov 2023 22:00:00 GMT")]).retry_after, Some(Duration::ZERO), "it is over");
        let wrong_clock = [("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert_eq!(said(&wrong_clock).retry_after, Some(Duration::from_secs(10)));
        assert_eq!(said(&[("retry-after", "soon")]).retry_after, None);
        assert_eq!(said(&[("retry-after", "18446744073709551615")]).retry_after, Some(REST_MAX));
    }

    #[test]
    fn a_budget_is_read_as_each_forge_writes_it() {
        let budget =
            |limit, left, seconds: i64| Some(Budget { limit, left, resets_at: Timestamp::from_millis(NOW.as_millis() + seconds * 1000) });
        let github = [
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "4999"),
            ("x-ratelimit-reset", "1700003600"),
            ("x-ratelimit-resource", "core"),
        ];
        let read = said(&github);
        assert_eq!((read.budget, read.resets_in), (budget(5000, 4999, 3600), Duration::from_secs(3600)));
        assert_eq!((read.kind.as_deref(), read.spent_for()), (Some("core"), None));
        let gitlab = [("ratelimit-limit", "60"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "1700000060")];
        assert_eq!((said(&gitlab).budget, said(&gitlab).spent_for()), (budget(60, 0, 60), Some(Duration::from_secs(61))));
        let draft = [("ratelimit-limit", "100, 100;w=60"), ("ratelimit-remaining", "7"), ("ratelimit-reset", "30")];
        assert_eq!(said(&draft).budget, budget(100, 7, 30));
        assert_eq!(said(&gitlab[..2]).budget, None, "two of three say nothing");
    }

    #[test]
    fn a_forge_that_forbids_is_told_from_one_that_asks_for_a_rest() {
        let nothing = Said::default();
        let forbidden = r#"{"message":"Resource not accessible by integration"}"#;
        let secondary = r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes."}"#;
        assert_eq!(meaning(403, &nothing, forbidden), Meaning::Answer);
        assert_eq!(meaning(403, &nothing, secondary), Meaning::Limited { rest: Some(LIMIT_PAUSE) });
        let rest = Some(Duration::from_secs(5));
        assert_eq!(meaning(403, &said(&[("retry-after", "5")]), forbidden), Meaning::Limited { rest });
        let spent = said(&[("x-ratelimit-limit", "9"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000004")]);
        assert_eq!(meaning(403, &spent, ""), Meaning::Limited { rest });
        assert_eq!(meaning(200, &spent, ""), Meaning::Answer, "the last one is an answer like any other");
        assert_eq!(meaning(429, &nothing, ""), Meaning::Limited { rest: None });
        // A comment that is read may name a rate limit, too.
        assert_eq!(meaning(200, &nothing, secondary), Meaning::Answer);
    }

    #[test]
    fn only_a_server_that_says_when_to_come_back_surely_did_nothing() {
        let rest = Some(Duration::from_secs(5));
        let later = said(&[("retry-after", "5")]);
        assert_eq!(meaning(503, &later, ""), Meaning::Failing { rest, untouched: true });
        assert_eq!(meaning(500, &later, ""), Meaning::Failing { rest, untouched: false });
        for status in [408, 500, 502, 503, 504, 520] {
            assert_eq!(meaning(status, &Said::default(), ""), Meaning::Failing { rest: None, untouched: false }, "{status}");
        }
        for status in [200, 204, 301, 400, 401, 404, 405, 409, 422, 501, 505] {
            assert_eq!(meaning(status, &Said::default(), ""), Meaning::Answer, "{status}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_server_writes_nobody_waits_without_an_end(
            values in proptest::collection::vec("[0-9]{0,22}|-[0-9]{1,3}|[ -~]{0,40}|Tue, [0-9]{1,2} Nov [0-9]{2,6} 22:13:[0-9]{2} GMT", 5),
            status in 100_u16..600,
            text in "[ -~]{0,60}",
        ) {
            let names = ["retry-after", "date", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
            let all: Vec<_> = names.iter().copied().zip(values.iter().map(String::as_str)).collect();
            let said = said(&all);
            prop_assert!(said.retry_after.unwrap_or_default() <= REST_MAX && said.resets_in <= REST_MAX);
            if let Meaning::Limited { rest } | Meaning::Failing { rest, .. } = meaning(status, &said, &text) {
                prop_assert!(status >= 400 && rest.unwrap_or_default() <= REST_MAX + WHOLE_SECOND);
            }
        }

        #[test]
        fn pauses_grow_to_a_bound_and_chance_moves_them_by_half(tries in 0_u32..1000, share in any::<u16>()) {
            let most = pause(tries, u16::MAX);
            prop_assert!(pause(tries, share) >= most / 2 && pause(tries, share) <= most && most <= LONGEST_PAUSE);
            prop_assert!(pause(tries + 1, share) >= pause(tries, share));
            prop_assert!(tries > 7 || most == FIRST_PAUSE * (1 << tries));
        }
    }
}

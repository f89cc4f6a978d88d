//! Round numbers for axes.

/// What an axis counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things that are counted: no tick lies between two whole numbers.
    Count,
    /// Milliseconds, shown as people say them.
    Millis,
}

/// An axis from 0 to a round number that holds all values.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// Its end.
    pub top: f64,
    /// Where it is marked, 0 first and [`Self::top`] last.
    pub ticks: Vec<f64>,
}

/// Steps that read well, in milliseconds: seconds and minutes by what a clock shows, then hours and days.
const TIMES: [f64; 22] = [
    1.0, 10.0, 100.0, 500.0, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3, 1800e3, 3.6e6, 7.2e6, 10.8e6, 21.6e6,
    43.2e6, 86.4e6,
];

impl Scale {
    /// A scale for values up to `most`, with about `wanted` steps.
    #[must_use]
    pub fn new(most: f64, unit: Unit, wanted: u32) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let least = most / f64::from(wanted.max(1));
        let step = match unit {
            Unit::Count => round_step(least).max(1.0),
            Unit::Millis => match TIMES.iter().find(|step| **step >= least) {
                Some(step) => *step,
                None => round_step(least / 86.4e6).max(1.0) * 86.4e6,
            },
        };
        let steps = (most / step).ceil().max(1.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let ticks: Vec<f64> = (0..=steps as u32).map(|tick| f64::from(tick) * step).collect();
        Self { top: steps * step, ticks }
    }

    /// How far from 0 to the top `value` is, from 0 to 100.
    #[must_use]
    pub fn percent(&self, value: f64) -> f64 {
        (value / self.top * 100.0).clamp(0.0, 100.0)
    }
}

/// The next of 1, 2, 5, 10, 20, 50 and so on.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= least * 0.999_999).unwrap_or(10.0 * power)
}

/// A value as an axis or a table says it.
#[must_use]
pub fn label(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => format!("{value:.0}"),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Unit::Millis => duration(value.max(0.0) as u64),
    }
}

/// A time as people say it, in its two largest units: `850 ms`, `42 s`, `3 min 20 s`, `5 h 30 min`, `2 d 4 h`.
#[must_use]
pub fn duration(ms: u64) -> String {
    if ms < 1000 {
        return if ms == 0 { "0".into() } else { format!("{ms} ms") };
    }
    let seconds = ms.saturating_add(500) / 1000;
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_round_numbers_that_hold_all_values() {
        for (most, wanted, ticks) in [
            (0.0, 4, vec![0.0, 1.0]),
            (1.0, 4, vec![0.0, 1.0]),
            (3.0, 4, vec![0.0, 1.0, 2.0, 3.0]),
            (7.0, 4, vec![0.0, 2.0, 4.0, 6.0, 8.0]),
            (42.0, 4, vec![0.0, 20.0, 40.0, 60.0]),
            (100.0, 4, vec![0.0, 50.0, 100.0]),
            (f64::NAN, 4, vec![0.0, 1.0]),
        ] {
            assert_eq!(Scale::new(most, Unit::Count, wanted).ticks, ticks, "{most}");
        }
    }

    #[test]
    fn axes_of_time_are_marked_by_what_a_clock_shows() {
        let said = |most: f64| {
            let scale = Scale::new(most, Unit::Millis, 4);
            assert!(scale.top >= most, "{most}");
            scale.ticks.iter().map(|tick| label(*tick, Unit::Millis)).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(said(50_000.0), "0, 15 s, 30 s, 45 s, 1 min");
        assert_eq!(said(1_000_000.0), "0, 5 min, 10 min, 15 min, 20 min");
        assert_eq!(said(20_000_000.0), "0, 2 h, 4 h, 6 h");
        assert_eq!(said(900_000_000.0), "0, 5 d, 10 d, 15 d");
    }

    #[test]
    fn times_are_said_in_their_two_largest_units() {
        for (ms, said) in [
            (0, "0"),
            (850, "850 ms"),
            (1000, "1 s"),
            (59_400, "59 s"),
            (59_600, "1 min"),
            (200_000, "3 min 20 s"),
            (19_800_000, "5 h 30 min"),
            (187_200_000, "2 d 4 h"),
            (u64::MAX, "213503982334 d 14 h"),
        ] {
            assert_eq!(duration(ms), said, "{ms}");
        }
    }
}

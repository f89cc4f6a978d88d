//! The figures as people read them: one line per commit, then where the time went.

use crate::journey::{Journey, Station};

/// Prints everything.
pub fn print(journeys: &[Journey]) {
    println!(
        "Milliseconds from push to healthy in production; the user's own is the build command, the start of services, and the test.\n"
    );
    println!("{:>6} {:>8} {:>8} {:>8} {:>10}", "play", "commit", "total", "own", "overhead");
    for journey in journeys {
        println!("{:>6} {:>8} {:>8} {:>8} {:>10}", journey.play, journey.commit, journey.total(), journey.own(), journey.overhead());
    }
    let all = |value: fn(&Journey) -> u64| median(journeys.iter().map(value).collect());
    println!("{:>6} {:>8} {:>8} {:>8} {:>10}", "median", "", all(Journey::total), all(Journey::own), all(Journey::overhead));
    let worst = journeys.iter().map(Journey::overhead).max().unwrap_or_default();
    println!("{:>6} {:>8} {:>8} {:>8} {worst:>10}", "worst", "", "", "");
    stations(journeys);
}

/// The median of each station, in the order of the way. What takes less than a millisecond is left out.
fn stations(journeys: &[Journey]) {
    let mut names: Vec<(&str, &str, bool)> = Vec::new();
    for station in journeys.iter().flat_map(|journey| &journey.stations) {
        let name = (station.part.as_str(), station.what.as_str(), station.own);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    println!("\n{:<28} {:<24} {:>8} {:>8}", "station (median)", "", "overhead", "own");
    let mut last = "";
    for (part, what, own) in names {
        let of = |journey: &Journey| -> u64 { journey.stations.iter().filter(|s| s.is(part, what)).map(|s| s.ms).sum() };
        let ms = median(journeys.iter().map(of).collect());
        let shown = if part == last { "" } else { part };
        if ms > 0 {
            let (overhead, own) = if own { (String::new(), ms.to_string()) } else { (ms.to_string(), String::new()) };
            println!("{shown:<28} {what:<24} {overhead:>8} {own:>8}");
            last = part;
        }
    }
}

impl Station {
    fn is(&self, part: &str, what: &str) -> bool {
        self.part == part && self.what == what
    }
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

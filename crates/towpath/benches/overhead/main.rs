//! What Towpath adds to a commit's way from push to production: `cargo bench -p towpath --bench overhead`.
//!
//! Plays `towpath demo` several times (five, or `-- --plays N`) and reads the ledgers that it leaves. Of each commit that reached
//! production it takes the time from the push to healthy in production, and takes off the user's own: the build command, the start
//! of services until they are ready, and the run of the test. The rest is Towpath's overhead, shown station by station. The goal is
//! less than two seconds.

// A benchmark that cannot run should say so loudly.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod arrivals;
mod journey;
mod table;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use towpath_ledger::{EventFilter, EventId, Ledger, MAX_PAGE, Order, Recorded};

use arrivals::Arrivals;
use journey::Journey;

/// How often the demonstration is played, if nothing else is said.
const PLAYS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let asked = arguments.iter().position(|a| a == "--plays").and_then(|at| arguments.get(at + 1)?.parse().ok());
    let plays = asked.unwrap_or(PLAYS);
    let mut journeys = Vec::new();
    for play in 0..plays {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("demo");
        journeys.extend(play_once(&dir, play));
    }
    table::print(&journeys);
}

/// One demonstration in `dir`; the journeys of its commits to production.
fn play_once(dir: &Path, play: usize) -> Vec<Journey> {
    let arrivals = Arrivals::watch(dir.join("web.git/refs/heads/main"));
    let output = Command::new(env!("CARGO_BIN_EXE_towpath"))
        .args(["demo", "--output", "json", "--dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("the demonstration can be started");
    assert!(output.status.success(), "the demonstration failed: {}", output.status);
    let pushed = arrivals.stop();
    let report: Value = serde_json::from_slice(&output.stdout).expect("the demonstration reports in JSON");
    let events = events(&dir.join(".towpath"));
    let commits = report["commits"].as_array().expect("the report has commits");
    let in_production = commits.iter().zip(1..).filter(|(commit, _)| commit["reachedProduction"] == true);
    in_production
        .map(|(commit, number)| {
            let sha = commit["sha"].as_str().expect("a commit has an id").parse().expect("it is a commit id");
            let arrival = *pushed.get(&sha).expect("its push was seen");
            journey::of(&events, sha, arrival, play + 1, number)
        })
        .collect()
}

/// All events of a ledger that nobody has open any more, oldest first.
fn events(state: &Path) -> Vec<Recorded> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::read_only(state).await.expect("the demonstration left its ledger");
        let mut all: Vec<Recorded> = Vec::new();
        loop {
            let after = Some(all.last().map_or(EventId::NONE, |last| last.id));
            let filter = EventFilter { after, order: Order::OldestFirst, ..EventFilter::default() };
            let page = ledger.events(&filter, MAX_PAGE).await.expect("the ledger can be read");
            all.extend(page.rows);
            if !page.more {
                return all;
            }
        }
    })
}

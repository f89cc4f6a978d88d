//! `kill -9` at every moment: nothing lost, nothing done twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::installation::{Installation, PATIENCE, PRODUCTION, STAGE, TESTS};

/// What must be the same however often the server was killed: how often each thing was finished, and how.
fn finished(it: &Installation) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    let mut works: BTreeMap<String, String> = BTreeMap::new();
    for line in it.events() {
        let event = &line["event"];
        match event["event"].as_str().unwrap_or_default() {
            "run-queued" => {
                works.insert(event["id"].as_str().unwrap().to_owned(), work(&event["work"]));
            }
            "run-finished" => {
                let outcome = event["outcome"]["outcome"].as_str().unwrap().to_owned();
                *count.entry(format!("{} {outcome}", works[event["run"].as_str().unwrap()])).or_default() += 1;
            }
            _ => {}
        }
    }
    count
}

/// What a run does, without what differs between installations: commits by their order, not their ids.
fn work(work: &Value) -> String {
    let kind = work["work"].as_str().unwrap();
    match kind {
        "change" => format!("change {}", work["title"].as_str().unwrap().split(" to ").next().unwrap()),
        _ => format!("{kind} {}", work["target"].as_str().or(work["source"].as_str()).unwrap_or_default()),
    }
}

/// Good, then bad: both decided.
fn is_over(it: &Installation, good: &str, bad: &str) -> Option<()> {
    let production = it.target(PRODUCTION)?;
    let tests = it.target(TESTS)?;
    let failed = tests["verdict"]["holds"].as_array()?.iter().any(|hold| hold["reason"] == "failed");
    (production["current"]["commit"]["id"] == good && tests["verdict"]["wanted"]["id"] == bad && failed).then_some(())
}

/// The story that both installations live through, the second one killed again and again by `disturb`.
fn live_through(it: &mut Installation, mut disturb: impl FnMut(&mut Installation)) -> (String, String) {
    let good = it.release("good", true);
    loop {
        disturb(it);
        if it.target(PRODUCTION).is_some_and(|t| t["current"]["commit"]["id"] == good.as_str()) {
            break;
        }
    }
    let bad = it.release("bad", false);
    loop {
        disturb(it);
        if is_over(it, &good, &bad).is_some() {
            return (good, bad);
        }
    }
}

/// Starts the server if it is down, and waits a little or until it is down.
fn go_on(it: &mut Installation, crash_after: impl FnOnce() -> Option<i64>) {
    if it.has_ended() {
        it.start(crash_after());
    }
    let begun = Instant::now();
    while !it.has_ended() && begun.elapsed() < Duration::from_millis(300) {
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[track_caller]
fn ends_well(it: &mut Installation, bad: &str) {
    it.until_at(STAGE, bad);
    it.stop();
    let verified = it.ok(&["ledger", "verify"]);
    assert!(!verified.is_empty());
    // Each promotion is one merge: the config repository's history holds nothing twice.
    it.git("config", &["pull", "--quiet"]);
    let merges = it.git("config", &["log", "--merges", "--format=%s"]);
    assert_eq!(merges.lines().count(), 3, "{merges}");
    let branches = it.git("config.git", &["branch", "--list", "towpath/*"]);
    assert_eq!(branches, "", "no branch of a change is left behind");
}

#[test]
fn killed_after_every_single_event_the_end_is_that_of_an_undisturbed_run() {
    let mut calm = Installation::new();
    let (_, bad) = live_through(&mut calm, |it| go_on(it, || None));
    let expected = finished(&calm);
    ends_well(&mut calm, &bad);

    let mut hurt = Installation::new();
    // Each start dies one event later than the one before, up to the fourth: a run is killed when it is taken up, when each of its steps begins,
    // when it is done, and right after; and every fourth start gets a step further.
    let mut kills = 0;
    let begun = Instant::now();
    let (_, bad) = live_through(&mut hurt, |it| {
        assert!(begun.elapsed() < 4 * PATIENCE, "it does not come to an end; {kills} kills");
        go_on(it, || {
            kills += 1;
            Some(1 + (kills - 1) % 4)
        });
    });
    // Whatever is recorded from here on must not kill it any more.
    hurt.kill();
    hurt.start(None);
    hurt.until_at(STAGE, &bad);
    let events = hurt.events().len();
    println!("{kills} kills, {events} events");
    assert!(kills > 60, "{kills} kills only");
    assert_eq!(finished(&hurt), expected);
    ends_well(&mut hurt, &bad);
}

#[test]
fn killed_at_two_hundred_random_moments_the_end_is_that_of_an_undisturbed_run() {
    let seed: u64 = std::env::var("TOWPATH_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| std::process::id().into());
    println!("TOWPATH_TEST_SEED={seed}");
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    let mut it = Installation::new();
    let mut releases = vec![(it.release("first", true), true)];
    for kill in 0..200 {
        it.start(None);
        let lives = Duration::from_millis(20 + below(230));
        let begun = Instant::now();
        while begun.elapsed() < lives {
            assert!(!it.has_ended(), "the server ended by itself:\n{}", it.read("server.log"));
            std::thread::park_timeout(Duration::from_millis(2));
        }
        it.kill();
        if kill % 40 == 39 {
            let good = below(3) > 0;
            releases.push((it.release(&format!("release {kill}"), good), good));
        }
    }
    releases.push((it.release("last", true), true));
    let (last, _) = releases.last().cloned().unwrap();
    it.start(None);
    it.until_at(PRODUCTION, &last);
    let finished = finished(&it);
    let built: usize = finished.iter().filter(|(what, _)| what.ends_with(" built")).map(|(_, count)| count).sum();
    assert!(built <= releases.len(), "a commit was built twice: {finished:?}");
    let gone_wrong: Vec<_> = finished.keys().filter(|what| what.starts_with("build ") && what.ends_with(" failed")).collect();
    assert!(gone_wrong.is_empty(), "{finished:?}");
    // What never passed never got there.
    for line in it.events() {
        let event = &line["event"];
        if event["event"] == "run-queued" && event["work"]["work"] == "deploy" && event["work"]["only_jobs"] == false {
            let commit = event["work"]["commit"].as_str().unwrap();
            let target = event["work"]["target"].as_str().unwrap();
            let production = it.target(PRODUCTION).unwrap()["id"].as_str().unwrap() == target;
            let good = releases.iter().find(|(id, _)| id == commit).unwrap().1;
            assert!(good || !production, "{commit} must not be in production");
        }
    }
    it.stop();
    it.ok(&["ledger", "verify"]);
}

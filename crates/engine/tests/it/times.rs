//! When things may move.

use towpath_catalog::Window;
use towpath_domain::{FailureClass, GitRef, Span, Timestamp};
use towpath_engine::*;

use crate::install::*;
use crate::props::schedule;
use crate::sim::Sim;

/// A chain at rest whose clock then stands at this moment, UTC.
fn at(moment: &str) -> Sim {
    let mut sim = Sim::chain();
    sim.settle();
    sim.now = when(moment);
    sim.tick();
    sim
}

fn when(moment: &str) -> Timestamp {
    Timestamp::from_millis(moment.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn window(days: Vec<i8>, from_minute: u16, until_minute: u16, zone: &str) -> Window {
    Window { days, from_minute, until_minute, zone: jiff::tz::TimeZone::get(zone).unwrap(), place: place(60) }
}

#[test]
fn a_freeze_begins_and_ends_by_itself_and_holds_only_what_it_selects() {
    let mut sim = at("2024-01-10T08:00:00Z");
    sim.install.freeze("prod", Some(when("2024-01-10T09:00:00Z")), Some(when("2024-01-10T12:00:00Z")));
    sim.config_seen();
    assert_eq!(sim.verdict("prod").state, State::UpToDate);
    sim.wait(Span::from_secs(3600));
    sim.push();
    sim.settle();
    assert_eq!(sim.runs("test"), Some(commit(2)));
    let holds = sim.holds("prod");
    let [Hold::Frozen { by: Some(by), until: Some(until), .. }] = holds.as_slice() else { panic!("{holds:?}") };
    assert_eq!((by.as_str(), *until), ("ann", when("2024-01-10T12:00:00Z")));
    sim.wait(Span::from_secs(4 * 3600));
    assert_eq!(sim.runs("prod"), Some(commit(2)));
}

#[test]
fn a_freeze_that_came_while_a_run_was_queued_is_seen_right_before_the_deploy() {
    let mut sim = at("2024-01-10T08:00:00Z");
    let (stage, runs) = (target_id("stage"), sim.runs("stage").unwrap());
    let asked = |sim: &Sim| may_deploy(&sim.catalog, &sim.facts, sim.now, &sim.catalog.targets[&stage], runs);
    assert!(asked(&sim).is_ok());
    sim.install.freeze("stage", None, None);
    sim.config_seen();
    assert!(matches!(asked(&sim).unwrap_err().as_slice(), [Hold::Frozen { .. }]));
}

#[test]
fn windows_open_in_their_own_zone_and_span_midnight() {
    // Thursday; Berlin is one hour ahead. Mondays to Thursdays 22:00 to 02:00.
    let mut sim = at("2024-01-11T20:59:00Z");
    sim.install.policy("night", |policy| {
        policy.select.targets = vec![target_id("prod")];
        policy.windows = vec![window(vec![1, 2, 3, 4], 22 * 60, 2 * 60, "Europe/Berlin")];
    });
    sim.config_seen();
    sim.push();
    sim.settle();
    let opens = |sim: &Sim| match sim.holds("prod").as_slice() {
        [Hold::OutsideWindow { opens: Some(opens), .. }] => *opens,
        other => panic!("{other:?}"),
    };
    assert_eq!(opens(&sim), when("2024-01-11T21:00:00Z"));
    sim.wait(Span::from_secs(60));
    assert_eq!(sim.runs("prod"), Some(commit(2)));
    // Friday, 00:59 in Berlin: still Thursday's opening. An hour later it is over until Monday.
    sim.now = when("2024-01-11T23:59:00Z");
    sim.push();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(3)));
    sim.now = when("2024-01-12T01:00:00Z");
    sim.push();
    sim.settle();
    assert_eq!(opens(&sim), when("2024-01-15T21:00:00Z"));
}

#[test]
fn each_policy_with_windows_must_be_open() {
    let mut sim = at("2024-01-10T10:00:00Z");
    for (name, from, until) in [("morning", 8 * 60, 12 * 60), ("noon", 11 * 60, 13 * 60)] {
        sim.install.policy(name, |policy| policy.windows = vec![window(Vec::new(), from, until, "UTC")]);
    }
    sim.config_seen();
    sim.push();
    sim.settle();
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::OutsideWindow { policy, .. }] if policy == "noon"));
    sim.wait(Span::from_secs(3600));
    assert_eq!(sim.runs("stage"), Some(commit(2)));
}

#[test]
fn a_schedule_is_open_for_the_minutes_it_names() {
    let mut sim = at("2024-01-10T08:30:00Z");
    sim.install.edit("prod", |target| target.promotion.schedule = Some(schedule("0-59 9 * * *")));
    sim.config_seen();
    sim.push();
    sim.settle();
    let holds = sim.holds("prod");
    let [Hold::OutsideSchedule { opens: Some(opens), .. }] = holds.as_slice() else { panic!("{holds:?}") };
    assert_eq!(*opens, when("2024-01-10T09:00:00Z"));
    sim.wait(Span::from_secs(1800));
    assert_eq!(sim.runs("prod"), Some(commit(2)));
    sim.now = when("2024-01-10T09:59:00Z");
    sim.push();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(3)));
    sim.now = when("2024-01-10T10:00:00Z");
    sim.push();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(3)));
}

#[test]
fn what_leaves_a_blocked_version_waits_for_freezes_only() {
    let mut sim = at("2024-01-10T08:00:00Z");
    sim.push();
    sim.settle();
    sim.install.policy("never", |policy| {
        policy.select.targets = vec![target_id("prod")];
        policy.windows = vec![window(vec![7], 0, 1, "UTC")];
    });
    sim.install.block("prod", commit(2), false);
    sim.install.edit("prod", |target| target.git_ref = GitRef::Commit(commit(1)));
    sim.install.freeze("prod", None, None);
    sim.config_seen();
    sim.settle();
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::Frozen { .. }]), "{:?}", sim.holds("prod"));
    sim.install.thaw("prod");
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(1)));
}

#[test]
fn a_failed_attempt_is_made_again_later_and_later_and_then_no_more() {
    let mut sim = Sim::chain();
    sim.settle();
    let second = sim.push();
    sim.fail("stage", second, FailureClass::Environment, 99);
    sim.settle();
    let mut waits = Vec::new();
    while let [Hold::Backoff { until, of: 5, .. }] = sim.holds("stage")[..] {
        waits.push(until.since(sim.now).as_millis().div_ceil(1000));
        sim.now = until;
        sim.tick();
        sim.settle();
    }
    assert_eq!(waits, [10, 20, 40, 80]);
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::Failed { attempts: 5, .. }]));
    sim.wait(Span::from_days(1));
    assert_eq!(sim.runs("stage"), Some(commit(1)));

    sim.fails.clear();
    sim.retry("stage");
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(second));
}

/// In spring an hour is left out and in autumn one comes twice: a window is open for as long as it always is.
#[test]
fn j10_a_window_that_spans_the_change_of_the_clocks_opens_once_for_its_length() {
    // 01:30 to 02:30 in Berlin.
    for (before, open, closed) in [
        ("2024-03-31T00:20:00Z", "2024-03-31T00:30:00Z", "2024-03-31T01:30:00Z"),
        ("2024-10-26T23:20:00Z", "2024-10-26T23:30:00Z", "2024-10-27T00:30:00Z"),
    ] {
        let mut sim = at(before);
        sim.install.policy("night", |policy| {
            policy.select.targets = vec![target_id("prod")];
            policy.windows = vec![window(Vec::new(), 90, 150, "Europe/Berlin")];
        });
        sim.config_seen();
        sim.push();
        sim.settle();
        assert!(
            matches!(sim.holds("prod").as_slice(), [Hold::OutsideWindow { opens: Some(opens), .. }] if *opens == when(open)),
            "{before}"
        );
        sim.wait(Span::from_secs(11 * 60));
        assert_eq!(sim.runs("prod"), Some(commit(2)));
        for (offset, runs) in [(-1, commit(3)), (0, commit(3)), (30, commit(3)), (59, commit(3))] {
            sim.now = Timestamp::from_millis(when(closed).as_millis() + offset * 60_000);
            sim.push();
            sim.settle();
            assert_eq!(sim.runs("prod"), Some(runs), "{offset} minutes after the end at {closed}");
        }
    }
}

/// A day of soak is 24 hours, on the day the clocks change as well.
#[test]
fn j10_a_soak_is_not_shortened_by_the_change_of_the_clocks() {
    let mut sim = at("2024-03-30T12:00:00Z");
    sim.install.edit("prod", |target| target.promotion.soak_days = 1);
    sim.config_seen();
    sim.push();
    sim.settle();
    let [Hold::Soaking { until, .. }] = sim.holds("prod")[..] else { panic!("{:?}", sim.holds("prod")) };
    assert!(until >= when("2024-03-31T12:00:00Z") && until < when("2024-03-31T12:00:01Z"), "{until}");
}

/// Clocks that are put back close what they had opened, and clocks that are put forward skip no freeze for good.
#[test]
fn j10_a_clock_that_jumps_leaves_no_verdict_that_is_not_true() {
    let mut sim = at("2024-01-10T08:00:00Z");
    sim.install.edit("prod", |target| target.promotion.soak_days = 2);
    sim.install.freeze("prod", Some(when("2024-01-12T00:00:00Z")), Some(when("2024-01-20T00:00:00Z")));
    sim.config_seen();
    sim.push();
    sim.settle();
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::Soaking { .. }]));
    // Two days ahead, in the middle of the freeze: the soak is over, the freeze is not.
    sim.now = when("2024-01-14T00:00:00Z");
    sim.tick();
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::Frozen { .. }]));
    // And back again: it soaks as before, and nothing went meanwhile. Each tick checks all verdicts against planning anew.
    sim.now = when("2024-01-10T09:00:00Z");
    sim.tick();
    assert!(matches!(sim.holds("prod").as_slice(), [Hold::Soaking { .. }]));
    sim.now = when("2024-01-21T00:00:00Z");
    sim.tick();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(2)));
    // Back before the deploy that was just made: what runs is what runs.
    sim.now = when("2024-01-09T00:00:00Z");
    sim.tick();
    sim.settle();
    assert_eq!(sim.runs("prod"), Some(commit(2)));
    assert_eq!(sim.deployed.iter().filter(|(target, to)| target.as_str() == "prod" && *to == commit(2)).count(), 1);
}

//! Times: freezes, windows and schedules.

use std::cell::RefCell;
use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rustc_hash::FxHashMap;
use towpath_catalog::{Policy, Schedule, Window};
use towpath_domain::Timestamp;

use crate::clock::Clock;
use crate::verdict::Hold;

/// What is closed now, worked out once per policy and schedule and moment.
#[derive(Default)]
pub(crate) struct Times {
    policies: RefCell<FxHashMap<*const Policy, Arc<Closed>>>,
    schedules: RefCell<FxHashMap<Arc<str>, Arc<Closed>>>,
}

/// What holds now.
#[derive(Default)]
struct Closed {
    freezes: Vec<Hold>,
    window: Option<Hold>,
    /// When that may change.
    next: Option<Timestamp>,
}

/// What excuses a commit from some of the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Nothing.
    Ordinary,
    /// It is a hotfix, or leaves a blocked version: windows and schedules do not hold it. Freezes do.
    Urgent,
}

impl Times {
    /// The holds that `policies` and `schedule` put on something of that urgency now.
    pub(crate) fn holds(&self, clock: &Clock, policies: &[Arc<Policy>], schedule: Option<&Schedule>, urgency: Urgency) -> Vec<Hold> {
        let mut holds = Vec::new();
        for policy in policies {
            let closed = self.policy(clock, policy);
            clock.turns(closed.next);
            holds.extend(closed.freezes.iter().cloned());
            holds.extend(closed.window.iter().filter(|_| urgency == Urgency::Ordinary).cloned());
        }
        if let Some(schedule) = schedule.filter(|_| urgency == Urgency::Ordinary) {
            let closed = self.schedule(clock, schedule);
            clock.turns(closed.next);
            holds.extend(closed.window.clone());
        }
        holds
    }

    fn policy(&self, clock: &Clock, policy: &Arc<Policy>) -> Arc<Closed> {
        self.policies.borrow_mut().entry(Arc::as_ptr(policy)).or_insert_with(|| Arc::new(policy_now(policy, clock.now()))).clone()
    }

    fn schedule(&self, clock: &Clock, schedule: &Schedule) -> Arc<Closed> {
        let known = self.schedules.borrow().get(&schedule.text).cloned();
        known.unwrap_or_else(|| {
            let closed = Arc::new(schedule_now(schedule, clock.now()));
            self.schedules.borrow_mut().insert(schedule.text.clone(), closed.clone());
            closed
        })
    }
}

fn policy_now(policy: &Policy, now: Timestamp) -> Closed {
    let clock = Clock::new(now);
    let mut closed = Closed::default();
    for freeze in &policy.freezes {
        let begun = freeze.from.is_none_or(|from| clock.reached(from));
        let over = freeze.until.is_some_and(|until| clock.reached(until));
        if begun && !over {
            closed.freezes.push(Hold::Frozen {
                policy: policy.name.to_string(),
                why: freeze.reason.to_string(),
                by: freeze.by.as_ref().map(ToString::to_string),
                until: freeze.until,
                place: freeze.place.clone(),
            });
        }
    }
    let mut open = policy.windows.is_empty();
    let mut opens: Option<Timestamp> = None;
    for (from, until) in policy.windows.iter().flat_map(|window| openings(window, now)) {
        let (begun, over) = (clock.reached(from), clock.reached(until));
        open |= begun && !over;
        if !begun {
            opens = Some(opens.map_or(from, |opens| opens.min(from)));
        }
    }
    if !open {
        let place = policy.windows.first().map_or_else(|| policy.place.clone(), |window| window.place.clone());
        closed.window = Some(Hold::OutsideWindow { policy: policy.name.to_string(), opens, place });
    }
    closed.next = clock.take_next();
    closed
}

/// The openings of `window` from the day before `now` to eight days after: at least one that is over or open, and one to come.
fn openings(window: &Window, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let Some(today) = civil(now, window.zone.clone()).map(DateTime::date) else { return Vec::new() };
    let mut openings = Vec::new();
    for offset in -1..=8_i32 {
        let Ok(day) = today.checked_add(offset.days()) else { continue };
        if !window.days.is_empty() && !window.days.contains(&day.weekday().to_monday_one_offset()) {
            continue;
        }
        let next_day = window.until_minute <= window.from_minute;
        let (Some(from), Some(until)) =
            (moment(day, window.from_minute, 0, &window.zone), moment(day, window.until_minute, i32::from(next_day), &window.zone))
        else {
            continue;
        };
        openings.push((from, until));
    }
    openings
}

/// The moment `minute` minutes after midnight of the day `offset` days after `day`, as clocks show it in `zone`.
fn moment(day: Date, minute: u16, offset: i32, zone: &TimeZone) -> Option<Timestamp> {
    let offset = offset + i32::from(minute / 1440);
    let minute = minute % 1440;
    let day = day.checked_add(offset.days()).ok()?;
    let time = day.at(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0);
    let zoned = time.to_zoned(zone.clone()).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

fn civil(now: Timestamp, zone: TimeZone) -> Option<DateTime> {
    Some(jiff::Timestamp::from_millisecond(now.as_millis()).ok()?.to_zoned(zone).datetime())
}

/// The longest look ahead for the end of an opening, in minutes. At its end the schedule is looked at again.
const LOOK_AHEAD_MINUTES: i64 = 60;

fn schedule_now(schedule: &Schedule, now: Timestamp) -> Closed {
    let minute_ms = 60_000;
    let this_minute = now.as_millis().div_euclid(minute_ms);
    let at = |minute: i64| Timestamp::from_millis(minute * minute_ms);
    let is_open = |minute: i64| civil(at(minute), TimeZone::UTC).is_some_and(|time| schedule.cron.is_time_matching(&time).unwrap_or(false));
    if is_open(this_minute) {
        // Full hours are looked at again in any case, so that the answer does not depend on when it was asked.
        let hour_end = this_minute.div_euclid(LOOK_AHEAD_MINUTES) * LOOK_AHEAD_MINUTES + LOOK_AHEAD_MINUTES;
        let next = (this_minute + 1..hour_end).find(|minute| !is_open(*minute)).unwrap_or(hour_end);
        return Closed { next: Some(at(next)), ..Closed::default() };
    }
    let opens = civil(at(this_minute), TimeZone::UTC)
        .and_then(|time| schedule.cron.find_next_occurrence(&time, false).ok())
        .and_then(|time| time.to_zoned(TimeZone::UTC).ok())
        .map(|time| Timestamp::from_millis(time.timestamp().as_millisecond()));
    Closed { window: Some(Hold::OutsideSchedule { schedule: schedule.text.to_string(), opens }), next: opens, ..Closed::default() }
}

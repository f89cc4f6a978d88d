//! The past, written into a ledger: drafts of events in whatever order, which get their numbers in the order of time.

use std::collections::BTreeMap;
use std::path::Path;

use towpath_catalog::Catalog;
use towpath_domain::{CommitId, Timestamp};
use towpath_engine::{Action, Event, Facts, Work};
use towpath_ledger::logs::{Limits, Logs};
use towpath_ledger::{Entry, EventId, Ledger};

use super::apps::{App, Fate};
use super::release::Story;
use super::{Known, Shape, logs};

/// Events that one transaction writes.
const BATCH: usize = 300_000;

/// How much of the past is thought out before it is written.
const WINDOW: i64 = 7 * 24 * 3600 * 1000;

/// An event that has no number yet.
struct Draft {
    at: Timestamp,
    /// Of two events of one moment, the earlier one.
    number: usize,
    cause: Option<usize>,
    actor: &'static str,
    event: Event,
}

/// Takes events down.
#[derive(Default)]
pub(super) struct Out {
    drafts: Vec<Draft>,
    next: usize,
    pub(super) runs: u64,
}

impl Out {
    /// Takes an event down; the name under which it can be a cause.
    pub(super) fn event(&mut self, at: Timestamp, cause: Option<usize>, actor: &'static str, event: Event) -> usize {
        self.runs += u64::from(matches!(event, Event::RunQueued(_)));
        let number = self.next;
        self.next += 1;
        self.drafts.push(Draft { at, number, cause, actor, event });
        number
    }
}

/// Gives drafts their numbers.
struct Numbers {
    ids: Vec<i64>,
    last: i64,
}

impl Numbers {
    fn entries(&mut self, mut drafts: Vec<Draft>) -> Vec<Entry> {
        drafts.sort_by_key(|draft| (draft.at, draft.number));
        let entries = drafts.into_iter().map(|draft| {
            self.last += 1;
            if self.ids.len() <= draft.number {
                self.ids.resize(draft.number + 1, 0);
            }
            self.ids[draft.number] = self.last;
            let cause = draft.cause.map(|cause| EventId::new(self.ids[cause]));
            Entry { cause, actor: draft.actor.to_owned(), at: draft.at, event: draft.event }
        });
        entries.collect()
    }
}

/// The hash of each source's build instructions, which the planner alone knows: what it would build, had nothing happened yet.
fn build_hashes(apps: &[App], catalog: &Catalog, present: Timestamp) -> BTreeMap<String, String> {
    let mut facts = Facts::default();
    for app in apps {
        let (url, branch, commits) = (app.url.clone(), app.branch.clone(), app.commits.last().cloned().into_iter().collect());
        facts.apply(present, &Event::BranchSeen { url, branch, commits });
    }
    let actions = towpath_engine::plan(catalog, &facts, present).actions;
    let hashes = actions.into_iter().filter_map(|action| match action {
        Action::Run { spec } => match spec.work {
            Work::Build { source, build_hash, .. } => Some((source.to_string(), build_hash)),
            _ => None,
        },
        _ => None,
    });
    hashes.collect()
}

/// Writes the past of all apps into the state directory; what tests want to know of it.
pub(super) async fn write(state: &Path, shape: Shape, present: Timestamp, apps: &[App], catalog: &Catalog, head: CommitId) -> Known {
    let ledger = Ledger::open(state).await.expect("a ledger can be made");
    let mut hashes = build_hashes(apps, catalog, present);
    let mut stories: Vec<Story<'_>> =
        apps.iter().map(|app| Story::new(app, catalog, hashes.remove(&app.name).unwrap_or_default())).collect();
    let (mut out, mut numbers) = (Out::default(), Numbers { ids: Vec::new(), last: 0 });
    let mut waiting: Vec<Entry> = Vec::new();
    let mut until = present.as_millis() - i64::from(shape.days) * 24 * 3_600_000;
    while until < present.as_millis() {
        until = (until + WINDOW).min(present.as_millis());
        let end = until >= present.as_millis();
        stories.iter_mut().for_each(|story| story.go_on(&mut out, if end { i64::MAX } else { until }));
        if end {
            out.event(present, None, "observer", Event::ConfigSeen { commit: head, errors: 0 });
        }
        let drafts = std::mem::take(&mut out.drafts);
        // What happens later than this window is put in order with the next one.
        let (now, later) = drafts.into_iter().partition(|draft| end || draft.at.as_millis() < until);
        out.drafts = later;
        waiting.extend(numbers.entries(now));
        if waiting.len() >= BATCH || end {
            ledger.append_each(std::mem::take(&mut waiting)).await.expect("the past can be written");
        }
    }
    let logs = Logs::new(state.join("logs"), Limits { run_bytes: 64 << 20, ..Limits::default() });
    let mut known = Known { runs: out.runs, events: u64::try_from(ledger.latest().get()).unwrap_or(0), ..Known::default() };
    let mut by_fate: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (app, story) in apps.iter().zip(&stories) {
        by_fate.entry(app.fate.name().to_owned()).or_default().push(app.name.clone());
        if let Some((run, trouble)) = story.failed() {
            logs::of_failure(&logs, run, &app.name, trouble, present);
        }
        if app.fate == Fate::Rest && known.long_log.is_empty() {
            known.arrived = app.commits.last().map(|commit| commit.id.to_string()).unwrap_or_default();
            if let Some(run) = story.last_build() {
                logs::long(&logs, run, present);
                known.long_log = run.to_string();
            }
        }
    }
    known.apps = by_fate;
    ledger.close().await;
    known
}

//! Changes, as a list and one by one.

use towpath_domain::{ChangeId, TargetId};
use towpath_engine::{ChangeFact, ConfigEdit, Subject};
use towpath_ledger::{EventFilter, Order, RunFilter};

use super::{PAGE, PAGE_MAX, actions, scope};
use crate::commits::Commits;
use crate::find::{self, Found, problem};
use crate::places::{Places, seen, sees_target};
use crate::sight::Sight;
use crate::status::{change_view, ledger_problem, run_view};
use crate::steer::Control;
use crate::view::{ChangeDetail, ChangeFilter, ChangeView, CheckView, MoveView, PageView, Problem};
use crate::words;

const STATES: [&str; 4] = ["open", "merged", "failed", "closed"];

impl Control {
    /// Changes that are remembered, newest first.
    ///
    /// # Errors
    /// [`Problem`] when `state` is none, or `cursor` is no page's.
    pub async fn changes(&self, sight: Sight, filter: ChangeFilter) -> Result<PageView<ChangeView>, Problem> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let state = given(&filter.state);
        if let Some(state) = &state
            && !STATES.contains(&state.as_str())
        {
            let detail = format!("{state:?} is no state of a change");
            return Err(problem("unknown-state", 422, "There is no such state", detail, format!("use one of {}", STATES.join(", "))));
        }
        self.follow();
        let after = filter.cursor.as_deref().map(position).transpose()?;
        let limit = filter.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX) as usize;
        let (kind, app) = (given(&filter.kind), given(&filter.app));
        let snapshot = self.world.current();
        let catalog = &snapshot.catalog;
        let facts = self.world.ledger.facts();
        let places = Places::new(catalog, &facts);
        let moves = |change: &ChangeFact, app: &str| {
            change.spec.edits.iter().any(|edit| {
                matches!(edit, ConfigEdit::SetRef { target, .. } if catalog.targets.get(target).is_some_and(|t| t.saas_file.app.as_str() == app))
            })
        };
        let mut all: Vec<&ChangeFact> = facts
            .changes
            .values()
            .filter(|change| seen(&sight, &places.of_change(&change.spec)))
            .filter(|change| state.as_deref().is_none_or(|state| crate::status::change_state(change) == state))
            .filter(|change| kind.as_deref().is_none_or(|kind| crate::status::kind_name(change.spec.kind) == kind))
            .filter(|change| app.as_deref().is_none_or(|app| moves(change, app)))
            .collect();
        all.sort_by(|a, b| (b.opened_at, &b.spec.id).cmp(&(a.opened_at, &a.spec.id)));
        let key = |change: &ChangeFact| (change.opened_at.as_millis(), change.spec.id.to_string());
        let mut rest = all.into_iter().filter(|change| after.as_ref().is_none_or(|after| key(change) < *after));
        let rows: Vec<&ChangeFact> = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        let next = rows.last().filter(|_| more).map(|last| format!("{}.{}", last.opened_at.as_millis(), last.spec.id));
        let commits = Commits::new(&facts);
        let planner = self.planner();
        Ok(PageView { items: rows.into_iter().map(|change| change_view(catalog, &commits, &planner, change)).collect(), next })
    }

    /// One change with all that is known of it.
    ///
    /// # Errors
    /// [`Problem`] when there is no such change that is remembered.
    pub async fn change(&self, sight: Sight, id: String) -> Result<ChangeDetail, Problem> {
        self.follow();
        let change = {
            let snapshot = self.world.current();
            let facts = self.world.ledger.facts();
            match find::anything_seen(&snapshot.catalog, &facts, &sight, &id) {
                Ok(Found::Subject(Subject::Change(change))) => change,
                Ok(_) => return Err(scope::unknown(&id)),
                Err(problem) => return Err(problem),
            }
        };
        let subject = Subject::Change(change.clone());
        let filter = RunFilter { subject: Some(subject.clone()), ..RunFilter::default() };
        let runs = self.world.ledger.runs(&filter, PAGE).await.map_err(ledger_problem)?.rows;
        let filter = EventFilter { subject: Some(subject.clone()), order: Order::OldestFirst, ..EventFilter::default() };
        let mut events = self.world.ledger.events(&filter, 500).await.map_err(ledger_problem)?.rows;
        events.retain(|r| {
            use towpath_engine::Event;
            !matches!(r.event, Event::StepStarted { .. } | Event::StepDone { .. } | Event::RunStarted { .. })
        });
        let story = self.lines(events).await;
        let snapshot = self.world.current();
        let catalog = &snapshot.catalog;
        let facts = self.world.ledger.facts();
        let commits = Commits::new(&facts);
        let fact = facts.changes.get(&change).ok_or_else(|| scope::unknown(&id))?;
        let verdict = self.planner().verdict(&subject).cloned();
        Ok(ChangeDetail {
            description: fact.spec.description.clone(),
            url: fact.open.as_ref().map(|open| open.url.clone()),
            moves: moves(catalog, &commits, &sight, fact),
            checks: checks(fact),
            approvals: fact.open.as_ref().map(|open| open.waits.clone()).unwrap_or_default(),
            replaces: replaced(&Places::new(catalog, &facts), &sight, fact),
            runs: runs.iter().map(|run| run_view(catalog, &commits, run)).collect(),
            story,
            actions: actions::of_subject(catalog, &facts, &subject, verdict.as_ref()),
            change: change_view(catalog, &commits, &self.planner(), fact),
        })
    }
}

/// Where a page begins.
fn position(cursor: &str) -> Result<(i64, String), Problem> {
    let parts = cursor.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    parts.ok_or_else(|| {
        let detail = format!("{:?} is no page's `next`", cursor.chars().take(100).collect::<String>());
        problem("bad-cursor", 422, "There is no such page", detail, "begin without `cursor`, and go on with `next` as it came")
    })
}

/// What a change moves, as far as it may be seen.
fn moves(catalog: &towpath_catalog::Catalog, commits: &Commits<'_>, sight: &Sight, fact: &ChangeFact) -> Vec<MoveView> {
    let shown = |id: &TargetId| catalog.targets.get(id).map_or(*sight == Sight::Everything, |target| sees_target(sight, target));
    let sets = fact.spec.edits.iter().filter_map(|edit| match edit {
        ConfigEdit::SetRef { target, from, to } => Some((target, from, to)),
        ConfigEdit::WriteFile { .. } | ConfigEdit::RemoveFile { .. } => None,
    });
    sets.filter(|(target, ..)| shown(target))
        .map(|(target, from, to)| {
            let url = catalog.targets.get(target).map(|target| &target.url);
            MoveView {
                title: words::target_title(catalog, target),
                target: target.clone(),
                from: from.commit().map(|from| commits.view(url, from)),
                to: Some(commits.view(url, *to)),
            }
        })
        .collect()
}

/// The checks of every change, and how they stand: they are made together, on what the change would land on.
fn checks(fact: &ChangeFact) -> Vec<CheckView> {
    let (state, text) = match (&fact.merged, &fact.failure) {
        (Some(_), _) => ("passed", "it was merged".to_owned()),
        (None, Some(failure)) => ("failed", failure.message.clone()),
        (None, None) if fact.active.is_some() => ("running", "being checked".to_owned()),
        (None, None) if fact.open.as_ref().is_some_and(|open| open.ready) => ("passed", "it may be merged".to_owned()),
        (None, None) => ("waiting", fact.open.as_ref().map(|open| open.waits.join("; ")).unwrap_or_default()),
    };
    vec![CheckView { name: "validation, promotion gate and plan".to_owned(), state: state.to_owned(), text }]
}

/// The changes that it came in place of, and those that came in place of it.
fn replaced(places: &Places<'_>, sight: &Sight, fact: &ChangeFact) -> Vec<ChangeId> {
    let changes = &places.facts.changes;
    let after = changes.values().filter(|other| other.spec.replaces.contains(&fact.spec.id)).map(|other| &other.spec.id);
    let all = fact.spec.replaces.iter().chain(after);
    all.filter(|id| seen(sight, &places.of_subject(&Subject::Change((*id).clone())))).cloned().collect()
}

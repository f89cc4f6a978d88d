//! `explain` and `history`: the ledger's events in words, and where things stand now.

use std::collections::{BTreeMap, BTreeSet};

use towpath_catalog::Catalog;
use towpath_domain::{ChangeId, Channel, CheckId, CommitId, RunId};
use towpath_engine::check::plan_checks;
use towpath_engine::{Event, Facts, Outcome, Subject, Verdict, Work};
use towpath_ledger::{EventFilter, Order, Recorded, Run, RunFilter, RunState};

use crate::commits::{Commits, commit_anywhere};
use crate::find::{self, Found, problem};
use crate::places::{Places, seen, sees_target};
use crate::runs::{ROWS_MAX, before};
use crate::sight::Sight;
use crate::status::{kind_name, ledger_problem, subject_url, verdict_in};
use crate::steer::Control;
use crate::titles::in_order;
use crate::view::{ExplainView, HistoryLine, PageView, Problem, StandView, StoryLine};
use crate::words;

/// How many events a story is made of at most.
const LONGEST: u32 = 500;

/// How many past runs tell how long a station usually takes.
const PAST: u32 = 20;

impl Control {
    /// The story of a commit, target, channel, run or change, as far as it may be seen.
    ///
    /// # Errors
    /// [`Problem`] when nothing is called so, or several things are.
    pub async fn explain(&self, sight: &Sight, what: &str) -> Result<ExplainView, Problem> {
        self.follow();
        let found = {
            let catalog = &self.world.current().catalog;
            let facts = self.world.ledger.facts();
            find::anything_seen(catalog, &facts, sight, what)?
        };
        match found {
            Found::Commit(commit) => self.explain_commit(sight, commit).await,
            Found::Subject(subject) => self.explain_subject(subject).await,
            Found::Channel(channel) => self.explain_channel(sight, &channel).await,
            Found::Run(run) => self.explain_run(sight, &run).await,
        }
    }

    async fn explain_commit(&self, sight: &Sight, commit: CommitId) -> Result<ExplainView, Problem> {
        let about = |kind: &str| {
            let kind = Some(kind.to_owned());
            EventFilter { commit: Some(commit), kind, order: Order::OldestFirst, ..EventFilter::default() }
        };
        let mut events = self.ledger_events(&about("run-queued")).await?;
        // Of branches, only the events in which the commit is the head: later ones list it as history.
        events.extend(self.ledger_events(&about("branch-seen")).await?);
        let mut seen_runs: Vec<RunId> = Vec::new();
        for recorded in &events {
            if let Event::RunQueued(spec) = &recorded.event {
                seen_runs.push(spec.id.clone());
            }
        }
        let mut story = events;
        for run in &seen_runs {
            let of_run = EventFilter {
                run: Some(run.clone()),
                kind: Some("run-finished".to_owned()),
                order: Order::OldestFirst,
                ..EventFilter::default()
            };
            story.extend(self.ledger_events(&of_run).await?);
        }
        story.sort_by_key(|recorded| recorded.id);
        story.dedup_by_key(|recorded| recorded.id);
        let story = self.seen_of(sight, story).await;
        let catalog = &self.world.current().catalog;
        let failures = failures(catalog, &story);
        let lines = self.lines(story).await;
        let stands = {
            let facts = self.world.ledger.facts();
            let urls: Vec<_> =
                facts.branches.iter().filter(|(_, b)| b.commits.iter().any(|c| c.id == commit)).map(|((url, _), _)| url.clone()).collect();
            let planner = self.planner();
            let places = Places::new(catalog, &facts);
            let mut stands: Vec<(String, Subject, Verdict)> = Vec::new();
            let sources = catalog.sources.values().filter(|source| urls.contains(&source.url));
            for source in sources.filter(|source| seen(sight, &places.of_repository(&source.url))) {
                let subject = Subject::Source(source.name.clone());
                stands.extend(planner.verdict(&subject).map(|v| (words::subject_title(catalog, &subject), subject, v.clone())));
            }
            for target in in_order(catalog).into_iter().filter(|target| urls.contains(&target.url) && sees_target(sight, target)) {
                let subject = Subject::Target(target.id.clone());
                stands.extend(planner.verdict(&subject).map(|v| (target.title(), subject, v.clone())));
            }
            stands
        };
        let now = self.stands(stands).await?;
        let facts = self.world.ledger.facts();
        let view = commit_anywhere(&facts, commit);
        let title = format!("{} {}", words::short(commit), view.subject.as_deref().unwrap_or_default());
        let mut answer = commit_answer(catalog, &facts, sight, commit, &now);
        if !failures.is_empty() {
            answer.push_str(&format!(" What failed with it: {}.", failures.join("; ")));
        }
        Ok(ExplainView { kind: "commit".to_owned(), title, answer, story: lines, now })
    }

    async fn explain_subject(&self, subject: Subject) -> Result<ExplainView, Problem> {
        let filter = EventFilter { subject: Some(subject.clone()), order: Order::NewestFirst, ..EventFilter::default() };
        let mut events = self.ledger_events(&filter).await?;
        events.reverse();
        events.retain(|r| !matches!(r.event, Event::StepStarted { .. } | Event::StepDone { .. } | Event::RunStarted { .. }));
        let story = self.lines(events).await;
        let catalog = &self.world.current().catalog;
        let title = words::typed(catalog, &subject);
        let verdict = self.planner().verdict(&subject).cloned();
        let kind = match &subject {
            Subject::Source(_) => "source",
            Subject::Target(_) => "target",
            Subject::Change(_) => "change",
            Subject::Check(_) => "check",
        };
        let now = match verdict {
            Some(verdict) => self.stands(vec![(title.clone(), subject.clone(), verdict)]).await?,
            None => Vec::new(),
        };
        let answer = match (&subject, now.first()) {
            (_, Some(stand)) => format!("{title}: {}", stand.verdict.summary),
            (Subject::Change(id), None) => self.change_answer(id),
            (Subject::Check(id), None) => self.check_answer(id),
            (_, None) => format!("{title} is not in the config repository now"),
        };
        Ok(ExplainView { kind: kind.to_owned(), title, answer, story, now })
    }

    fn check_answer(&self, id: &CheckId) -> String {
        let plan = plan_checks(&self.world.current().catalog, &self.world.ledger.facts(), self.world.clock.now());
        match plan.standings.get(id) {
            Some(standing) => format!("{id}: {}", standing.text()),
            None => format!("{id} is not open"),
        }
    }

    fn change_answer(&self, id: &ChangeId) -> String {
        let facts = self.world.ledger.facts();
        match facts.changes.get(id) {
            Some(change) => match change.merged {
                Some((commit, at)) => {
                    format!("{}: “{}” was merged as {} at {at}", kind_name(change.spec.kind), change.spec.title, words::short(commit))
                }
                None => format!("{}: “{}” is not merged", kind_name(change.spec.kind), change.spec.title),
            },
            None => format!("change {id} is not remembered"),
        }
    }

    async fn explain_channel(&self, sight: &Sight, channel: &Channel) -> Result<ExplainView, Problem> {
        let snapshot = self.world.current();
        let catalog = &snapshot.catalog;
        let mut usage = catalog.channels.get(channel).cloned().unwrap_or_default();
        let shown = |id: &towpath_domain::TargetId| catalog.targets.get(id).is_none_or(|target| sees_target(sight, target));
        usage.publishers.retain(shown);
        usage.subscribers.retain(shown);
        let (answer, stands) = {
            let facts = self.world.ledger.facts();
            let planner = self.planner();
            let names =
                |ids: &[towpath_domain::TargetId]| ids.iter().map(|id| words::target_title(catalog, id)).collect::<Vec<_>>().join(", ");
            let mut vouched = Vec::new();
            for publisher in &usage.publishers {
                let newest = facts.evidence.get(&(channel.clone(), publisher.clone())).and_then(|all| all.iter().max_by_key(|(_, e)| e.at));
                vouched.push(match newest {
                    Some((commit, e)) if e.success => {
                        let retried = if e.retried { " by a retried pass" } else { "" };
                        format!(
                            "{} vouches for {} since {}{retried}",
                            words::target_title(catalog, publisher),
                            words::short(*commit),
                            e.since
                        )
                    }
                    Some((commit, e)) => {
                        format!("{} failed with {} at {}", words::target_title(catalog, publisher), words::short(*commit), e.at)
                    }
                    None => format!("{} has not said anything yet", words::target_title(catalog, publisher)),
                });
            }
            let answer = format!(
                "published by {}; subscribed to by {}. {}.",
                names(&usage.publishers),
                if usage.subscribers.is_empty() { "nobody".to_owned() } else { names(&usage.subscribers) },
                vouched.join("; ")
            );
            let stands = usage
                .publishers
                .iter()
                .chain(&usage.subscribers)
                .filter_map(|id| {
                    let subject = Subject::Target(id.clone());
                    let verdict = planner.verdict(&subject)?.clone();
                    Some((words::target_title(catalog, id), subject, verdict))
                })
                .collect();
            (answer, stands)
        };
        let now = self.stands(stands).await?;
        Ok(ExplainView { kind: "channel".to_owned(), title: channel.to_string(), answer, story: Vec::new(), now })
    }

    async fn explain_run(&self, sight: &Sight, id: &RunId) -> Result<ExplainView, Problem> {
        let run = self.run_seen(sight, id.as_str()).await?;
        let id = &run.spec.id;
        let of_run = EventFilter { run: Some(id.clone()), order: Order::OldestFirst, ..EventFilter::default() };
        let events = self.ledger_events(&of_run).await?;
        let done: BTreeSet<String> = events
            .iter()
            .filter_map(|recorded| match &recorded.event {
                Event::StepDone { step, .. } => Some(step.clone()),
                _ => None,
            })
            .collect();
        // That a step began is only worth telling as long as it is not done.
        let told = events.into_iter().filter(|recorded| !matches!(&recorded.event, Event::StepStarted { step, .. } if done.contains(step)));
        let story = told
            .filter_map(|recorded| {
                let text = words::run_text(&recorded.event, Some(&run.spec.work))?;
                Some(StoryLine { event: recorded.id.get(), at: recorded.at, text, run: Some(id.clone()) })
            })
            .collect();
        let catalog = &self.world.current().catalog;
        let phrase = words::work_phrase(catalog, &run.spec.work);
        let answer = match &run.outcome {
            Some(outcome) => format!("{phrase}, attempt {}: {}", run.spec.attempt, words::ended(&run.spec, outcome)),
            None if run.state == RunState::Queued => format!("{phrase} is queued: {}", run.spec.why),
            None => format!("{phrase} is under way: {}", run.spec.why),
        };
        Ok(ExplainView { kind: "run".to_owned(), title: id.to_string(), answer, story, now: Vec::new() })
    }

    /// Verdicts in words, each with how long the station usually takes.
    async fn stands(&self, stands: Vec<(String, Subject, Verdict)>) -> Result<Vec<StandView>, Problem> {
        let mut done = Vec::new();
        for (title, subject, verdict) in stands {
            let usually_ms = self.usually(&subject).await?;
            let catalog = &self.world.current().catalog;
            let facts = self.world.ledger.facts();
            done.push(StandView {
                verdict: verdict_in(
                    catalog,
                    &Commits::new(&facts),
                    subject_url(catalog, &subject),
                    &words::typed(catalog, &subject),
                    &verdict,
                ),
                title,
                usually_ms,
            });
        }
        Ok(done)
    }

    /// The median time from being queued to the end of the last successful runs.
    pub(crate) async fn usually(&self, subject: &Subject) -> Result<Option<u64>, Problem> {
        // What ended is remembered; only while it is read for the first time, the ledger is asked for this one alone.
        if let Ok(mut past) = self.pictures.past.try_lock()
            && past.is_read()
        {
            past.catch_up(&self.world.ledger).await.map_err(ledger_problem)?;
            return Ok(past.usually(subject));
        }
        let filter = RunFilter { subject: Some(subject.clone()), state: Some(RunState::Finished), ..RunFilter::default() };
        let past = self.world.ledger.runs(&filter, PAST).await.map_err(ledger_problem)?;
        let well = |o: &Outcome| {
            matches!(
                o,
                Outcome::Built { .. } | Outcome::Deployed { .. } | Outcome::Merged { .. } | Outcome::Opened { .. } | Outcome::Deleted
            )
        };
        let mut took: Vec<u64> = past
            .rows
            .iter()
            .filter(|run| run.outcome.as_ref().is_some_and(well))
            .filter_map(|run| run.finished_at.map(|end| end.since(run.queued_at).as_millis()))
            .collect();
        took.sort_unstable();
        Ok(took.get(took.len() / 2).copied())
    }

    async fn ledger_events(&self, filter: &EventFilter) -> Result<Vec<Recorded>, Problem> {
        Ok(self.world.ledger.events(filter, LONGEST).await.map_err(ledger_problem)?.rows)
    }

    /// The run of this id.
    pub(crate) async fn ledger_run(&self, id: &RunId) -> Result<Run, Problem> {
        self.world.ledger.run(id).await.map_err(|error| match error {
            towpath_ledger::Error::UnknownRun { run } => {
                problem("unknown-run", 404, "There is no such run", format!("no run is called {run}"), "`towpath runs` lists them")
            }
            other => ledger_problem(other),
        })
    }

    pub(crate) async fn lines(&self, events: Vec<Recorded>) -> Vec<StoryLine> {
        let works = self.works(&events).await;
        let catalog = &self.world.current().catalog;
        events
            .into_iter()
            .map(|recorded| {
                let run = towpath_ledger::event_run(&recorded.event).cloned();
                let work = run.as_ref().and_then(|run| works.get(run));
                StoryLine { event: recorded.id.get(), at: recorded.at, text: words::event_text(catalog, &recorded.event, work), run }
            })
            .collect()
    }

    /// The work of every run that the events speak of.
    pub(crate) async fn works(&self, events: &[Recorded]) -> BTreeMap<RunId, Work> {
        let mut works = BTreeMap::new();
        for id in events.iter().filter_map(|r| towpath_ledger::event_run(&r.event)) {
            if !works.contains_key(id)
                && let Ok(run) = self.world.ledger.run(id).await
            {
                works.insert(id.clone(), run.spec.work);
            }
        }
        works
    }

    /// Events that may be seen, in words, newest first; those of single steps only when `steps` says so, or when it is about one run. `cursor` is
    /// the page before's [`PageView::next`]. A page may have fewer than `limit` rows although there are more, as in [`Self::runs`].
    ///
    /// # Errors
    /// [`Problem`] when `about` names nothing, `cursor` is no page's, or the ledger cannot be read.
    pub async fn history(
        &self,
        sight: &Sight,
        about: Option<&str>,
        mut filter: EventFilter,
        cursor: Option<&str>,
        limit: u32,
        steps: bool,
    ) -> Result<PageView<HistoryLine>, Problem> {
        filter.before = cursor.map(before).transpose()?;
        if let Some(about) = about {
            let found = {
                let catalog = &self.world.current().catalog;
                let facts = self.world.ledger.facts();
                find::anything_seen(catalog, &facts, sight, about)?
            };
            if let Found::Run(run) = &found {
                self.run_seen(sight, run.as_str()).await?;
            }
            match found {
                Found::Subject(subject) => filter.subject = Some(subject),
                Found::Run(run) => filter.run = Some(run),
                Found::Commit(commit) => filter.commit = Some(commit),
                Found::Channel(channel) => filter.text = Some(channel.to_string()),
            }
        }
        filter.order = Order::NewestFirst;
        let wanted = |event: &Event| steps || !matches!(event, Event::StepStarted { .. } | Event::StepDone { .. });
        let all = filter.run.is_some();
        let (mut events, mut looked_at, limit) = (Vec::new(), 0, limit as usize);
        let next = loop {
            let page = self.world.ledger.events(&filter, u32::try_from(limit + 1).unwrap_or(200)).await.map_err(ledger_problem)?;
            filter.before = page.rows.last().map(|recorded| recorded.id);
            looked_at += page.rows.len();
            let rows = page.rows.into_iter().filter(|recorded| all || wanted(&recorded.event)).collect();
            events.extend(self.seen_of(sight, rows).await);
            if events.len() > limit {
                events.truncate(limit);
                break events.last().map(|recorded: &Recorded| recorded.id);
            }
            if !page.more {
                break None;
            }
            if looked_at >= ROWS_MAX {
                break filter.before;
            }
        };
        Ok(PageView { items: self.history_lines(events).await, next: next.map(|event| event.get().to_string()) })
    }

    /// Those of the events that may be seen.
    pub(crate) async fn seen_of(&self, sight: &Sight, events: Vec<Recorded>) -> Vec<Recorded> {
        if *sight == Sight::Everything {
            return events;
        }
        let works = self.works(&events).await;
        let (catalog, facts) = (&self.world.current().catalog, self.world.ledger.facts());
        let places = Places::new(catalog, &facts);
        let work = |event: &Event| works.get(towpath_ledger::event_run(event)?);
        events.into_iter().filter(|recorded| seen(sight, &places.of_event(&recorded.event, work(&recorded.event)))).collect()
    }

    /// Events in words, each with where it is.
    pub(crate) async fn history_lines(&self, events: Vec<Recorded>) -> Vec<HistoryLine> {
        let works = self.works(&events).await;
        let (catalog, facts) = (&self.world.current().catalog, self.world.ledger.facts());
        let places = Places::new(catalog, &facts);
        let line = |recorded: Recorded| {
            let work = towpath_ledger::event_run(&recorded.event).and_then(|run| works.get(run));
            HistoryLine {
                id: recorded.id.get(),
                at: recorded.at,
                cause: recorded.cause.map(|cause| cause.get()),
                text: words::event_text(catalog, &recorded.event, work),
                actor: recorded.actor,
                scopes: places.of_event(&recorded.event, work),
                event: serde_json::to_value(&recorded.event).unwrap_or_default(),
            }
        };
        events.into_iter().map(line).collect()
    }
}

/// Whether a newer commit of the same branch is deployed somewhere.
fn is_overtaken(facts: &Facts, commit: CommitId) -> bool {
    let newer = facts.branches.values().filter_map(|branch| {
        let at = branch.commits.iter().position(|known| known.id == commit)?;
        branch.commits.get(..at)
    });
    let newer: BTreeSet<CommitId> = newer.flatten().map(|known| known.id).collect();
    facts.targets.values().filter_map(|target| target.current.as_ref()).any(|current| newer.contains(&current.commit))
}

/// What failed in these events, and did not go well afterwards.
fn failures(catalog: &Catalog, story: &[Recorded]) -> Vec<String> {
    let mut works: BTreeMap<&RunId, &Work> = BTreeMap::new();
    let mut last: BTreeMap<Subject, Option<String>> = BTreeMap::new();
    for recorded in story {
        match &recorded.event {
            Event::RunQueued(spec) => {
                works.insert(&spec.id, &spec.work);
            }
            Event::RunFinished { run, outcome } => {
                let Some(work) = works.get(run) else { continue };
                let failed = matches!(outcome, Outcome::Failed { .. })
                    .then(|| format!("{}, {}", words::work_phrase(catalog, work), words::outcome_text(Some(work), outcome)));
                last.insert(work.subject(), failed);
            }
            _ => {}
        }
    }
    last.into_values().flatten().collect()
}

/// Where a commit is, in one paragraph.
fn commit_answer(catalog: &Catalog, facts: &Facts, sight: &Sight, commit: CommitId, now: &[StandView]) -> String {
    let mut runs_in: Vec<String> = Vec::new();
    let mut was_in: Vec<String> = Vec::new();
    for target in in_order(catalog).into_iter().filter(|target| sees_target(sight, target)) {
        let Some(fact) = facts.targets.get(&target.id) else { continue };
        if fact.current.as_ref().is_some_and(|d| d.commit == commit) {
            runs_in.push(target.title());
        } else if fact.history.iter().any(|d| d.commit == commit) {
            was_in.push(target.title());
        }
    }
    let mut answer = match (runs_in.is_empty(), was_in.is_empty()) {
        (false, _) => format!("It is deployed in {}.", runs_in.join(", ")),
        (true, false) => format!("It was deployed in {}, and is no longer.", was_in.join(", ")),
        (true, true) if is_overtaken(facts, commit) => "It was deployed nowhere: newer commits went instead.".to_owned(),
        (true, true) => "It is deployed nowhere yet.".to_owned(),
    };
    // What speaks of this very commit is why it is not everywhere. The first of them on its way is the reason for the rest.
    let held = now.iter().find_map(|stand| {
        let own = stand.verdict.wanted.as_ref().is_some_and(|wanted| wanted.id == commit);
        let holds = stand.verdict.holds.iter().filter(move |_| own);
        let passed = stand.verdict.passed_over.iter().filter(|passed| passed.commit.id == commit).flat_map(|passed| &passed.holds);
        let told: Vec<String> = holds.chain(passed).map(|hold| format!("{} ({})", hold.text, hold.lift)).collect();
        (!told.is_empty()).then(|| format!(" What holds it: {}: {}.", stand.title, told.join("; ")))
    });
    answer.push_str(&held.unwrap_or_default());
    answer
}

//! What is where, what is moving, what is stuck: verdicts and facts as views.

use std::collections::BTreeMap;

use towpath_catalog::{Catalog, Severity, Target, quarantines_due};
use towpath_domain::{BranchName, CommitId, RepoUrl, Timestamp};
use towpath_engine::check::source_of;
use towpath_engine::{ChangeFact, CommitInfo, Facts, Hold, Planner, State, Subject, Verdict, hold_text, lift_text, verdict_text};
use towpath_ledger::{Run, RunFilter, RunState};
use towpath_runs::world::Snapshot;

use crate::commits::Commits;
use crate::find::problem;
use crate::places::{Places, seen, sees_target};
use crate::sight::Sight;
use crate::steer::Control;
use crate::titles::{ShortNames, in_order};
use crate::view::{
    BuiltView, ChangeView, ConfigView, DeployedView, HoldView, PassedOverView, Problem, RunView, SourceView, StatusView, TargetView,
    VerdictView,
};
use crate::words;

/// How many finished changes and runs a status shows at most.
const SHOWN: usize = 50;

impl Control {
    /// What is where, what is moving, what is stuck and why, as far as it may be seen. What is wrong in files of the config repository is told
    /// to those only who may see everything: which app a file is of, nobody can tell.
    ///
    /// # Errors
    /// [`Problem`] when the ledger cannot be read.
    pub async fn status(&self, sight: &Sight) -> Result<StatusView, Problem> {
        self.follow();
        let endpoints = self.endpoints().await;
        let runs = self.open_runs(sight).await?;
        let snapshot = self.world.current();
        let catalog = &snapshot.catalog;
        let facts = self.world.ledger.facts();
        let planner = self.planner();
        let commits = Commits::new(&facts);
        let places = Places::new(catalog, &facts);
        let config = ConfigView {
            url: self.world.config.url.to_string(),
            branch: self.world.config.branch.to_string(),
            commit: snapshot.commit,
            unreachable: facts
                .branches
                .get(&(self.world.config.url.clone(), self.world.config.branch.clone()))
                .and_then(|b| b.unreachable.as_ref())
                .map(|(since, error)| format!("since {since}: {error}")),
            diagnostics: if *sight == Sight::Everything { self.diagnostics_now(&snapshot) } else { Vec::new() },
        };
        let sources = catalog
            .sources
            .values()
            .filter(|source| seen(sight, &places.of_repository(&source.url)))
            .map(|source| {
                let at = (source.url.clone(), source.branch.clone());
                let subject = Subject::Source(source.name.clone());
                SourceView {
                    name: source.name.to_string(),
                    url: source.url.to_string(),
                    branch: source.branch.to_string(),
                    head: facts.branches.get(&at).and_then(|b| b.commits.first()).map(|c| commits.view(Some(&source.url), c.id)),
                    built: newest_built(&facts, &commits, source),
                    verdict: planner
                        .verdict(&subject)
                        .map_or_else(unplanned, |v| verdict_in(catalog, &commits, Some(&source.url), source.name.as_str(), v)),
                }
            })
            .collect();
        let names = ShortNames::new(catalog);
        let targets: Vec<TargetView> = in_order(catalog)
            .into_iter()
            .filter(|target| sees_target(sight, target))
            .map(|target| {
                let verdict = planner.verdict(&Subject::Target(target.id.clone()));
                let endpoints = endpoints.get(target.id.as_str()).cloned().unwrap_or_default();
                target_view(catalog, &facts, &commits, target, names.name(target), verdict, endpoints)
            })
            .collect();
        let own = facts.branches.get(&(self.world.config.url.clone(), self.world.config.branch.clone()));
        let own = own.map(|branch| branch.commits.as_slice()).unwrap_or_default();
        let mut changes: Vec<ChangeView> = facts
            .changes
            .values()
            .filter(|change| seen(sight, &places.of_change(&change.spec)))
            .filter(|change| change.merged.is_none_or(|merged| !is_read(&facts, own, snapshot.commit, merged)))
            .map(|change| change_view(catalog, &commits, &planner, change))
            .collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.opened_at));
        changes.truncate(SHOWN);
        Ok(StatusView { config, sources, targets, changes, runs })
    }

    async fn open_runs(&self, sight: &Sight) -> Result<Vec<RunView>, Problem> {
        let mut open = Vec::new();
        for state in [RunState::Running, RunState::Queued] {
            let filter = RunFilter { state: Some(state), ..RunFilter::default() };
            let mut rows = self.world.ledger.runs(&filter, 100).await.map_err(ledger_problem)?.rows;
            rows.reverse();
            open.extend(rows);
        }
        let catalog = &self.world.current().catalog;
        let facts = self.world.ledger.facts();
        let commits = Commits::new(&facts);
        let places = Places::new(catalog, &facts);
        Ok(open.iter().filter(|run| seen(sight, &places.of_work(&run.spec.work))).map(|run| run_view(catalog, &commits, run)).collect())
    }

    /// Addresses of services by target, for the embedded runtime, which knows them.
    async fn endpoints(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        // Addresses are a convenience: when they cannot be told, none are shown.
        let objects = self.world.clusters.embedded().list(None).await.unwrap_or_default();
        for object in objects.into_iter().filter(|o| !o.addresses.is_empty()) {
            let of_target = found.entry(object.owner.target.to_string()).or_default();
            for (port, address) in object.addresses {
                of_target.insert(format!("{}:{port}", object.key.name), address);
            }
        }
        found
    }
}

/// A ledger that cannot be read, as a refusal.
pub(crate) fn ledger_problem(error: towpath_ledger::Error) -> Problem {
    problem("ledger", 500, "The ledger cannot be read", error.to_string(), "`towpath doctor` looks at disk and database")
}

/// Whether what was merged counts already: from the merge to the next look at the config repository, it does not. `commits` are that
/// repository's, newest first.
fn is_read(facts: &Facts, commits: &[CommitInfo], catalog: Option<CommitId>, (merged, at): (CommitId, Timestamp)) -> bool {
    let place = |commit| commits.iter().position(|known| known.id == commit);
    let is_older = || Some(place(merged)? >= place(catalog?)?);
    catalog == facts.config && (facts.config_at.is_some_and(|read| read > at) || is_older() == Some(true))
}

pub(crate) fn kind_name(kind: towpath_engine::ChangeKind) -> String {
    serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// How a change stands, in a word: `open`, `merged`, `failed` or `closed`.
pub(crate) fn change_state(change: &ChangeFact) -> &'static str {
    match (change.merged, &change.failure) {
        (Some(_), _) => "merged",
        (None, Some(_)) => "failed",
        (None, None) if change.closed || change.replaced => "closed",
        (None, None) => "open",
    }
}

/// A change in words.
pub(crate) fn change_view(catalog: &Catalog, commits: &Commits<'_>, planner: &Planner, change: &ChangeFact) -> ChangeView {
    let verdict = planner.verdict(&Subject::Change(change.spec.id.clone()));
    ChangeView {
        id: change.spec.id.clone(),
        kind: kind_name(change.spec.kind),
        title: change.spec.title.clone(),
        by: change.spec.by.clone(),
        state: change_state(change).to_owned(),
        opened_at: change.opened_at,
        merged: change.merged,
        verdict: verdict.map(|v| verdict_in(catalog, commits, None, change.spec.id.as_str(), v)),
    }
}

impl Control {
    /// What is wrong with the catalog's files, and what is due in them now, as plain lines, errors first.
    pub(crate) fn diagnostics_now(&self, snapshot: &Snapshot) -> Vec<String> {
        let due = quarantines_due(&snapshot.catalog, self.world.clock.now());
        diagnostic_lines(&snapshot.diagnostics.iter().cloned().chain(due).collect::<Vec<_>>())
    }
}

/// Diagnostics as plain lines, errors first.
pub(crate) fn diagnostic_lines(diagnostics: &[towpath_catalog::Diagnostic]) -> Vec<String> {
    let mut sorted: Vec<_> = diagnostics.iter().collect();
    sorted.sort_by_key(|d| std::cmp::Reverse(d.severity));
    sorted
        .into_iter()
        .map(|d| {
            let severity = if d.severity == Severity::Error { "error" } else { "warning" };
            format!("{}: {severity}[{}]: {}; {}", d.place, d.rule, d.message, d.mend)
        })
        .collect()
}

/// A subject that the planner has not been told of yet.
pub(crate) fn unplanned() -> VerdictView {
    VerdictView {
        state: "held".to_owned(),
        summary: "not looked at yet".to_owned(),
        wanted: None,
        holds: Vec::new(),
        passed_over: Vec::new(),
    }
}

pub(crate) fn target_view(
    catalog: &Catalog,
    facts: &Facts,
    commits: &Commits<'_>,
    target: &Target,
    name: String,
    verdict: Option<&Verdict>,
    endpoints: BTreeMap<String, String>,
) -> TargetView {
    let fact = facts.targets.get(&target.id);
    let render = facts.renders.get(&target.id).and_then(|all| all.last());
    TargetView {
        id: target.id.clone(),
        title: target.title(),
        name,
        app: target.saas_file.app.to_string(),
        environment: target.environment.to_string(),
        cluster: target.cluster.to_string(),
        namespace: target.namespace.to_string(),
        git_ref: target.git_ref.to_string(),
        is_test: render.is_some_and(|r| matches!(r.outcome, towpath_engine::RenderOutcome::Rendered { only_jobs: true, .. })),
        current: fact.and_then(|f| f.current.as_ref()).map(|current| DeployedView {
            commit: commits.view(Some(&target.url), current.commit),
            at: current.at,
            run: current.run.clone(),
            digests: current.digests.iter().map(|(image, digest)| (image.to_string(), digest.to_string())).collect(),
        }),
        verdict: verdict.map_or_else(unplanned, |v| verdict_in(catalog, commits, Some(&target.url), &target.title(), v)),
        endpoints,
    }
}

/// A verdict in words. `title` is what people type to name the subject; its commits are of the repository `url`, where that is known.
pub(crate) fn verdict_in(catalog: &Catalog, commits: &Commits<'_>, url: Option<&RepoUrl>, title: &str, verdict: &Verdict) -> VerdictView {
    let (state, holds) = match &verdict.state {
        State::UpToDate => ("up-to-date", Vec::new()),
        State::Act { .. } => ("act", Vec::new()),
        State::Held { holds } => ("held", hold_views(catalog, title, holds)),
    };
    VerdictView {
        state: state.to_owned(),
        summary: verdict_text(verdict, catalog),
        wanted: verdict.wanted.map(|id| commits.view(url, id)),
        holds,
        passed_over: verdict
            .passed_over
            .iter()
            .map(|(commit, holds)| PassedOverView { commit: commits.view(url, *commit), holds: hold_views(catalog, title, holds) })
            .collect(),
    }
}

fn hold_views(catalog: &Catalog, title: &str, holds: &[Hold]) -> Vec<HoldView> {
    let reason = |hold: &Hold| serde_json::to_value(hold).ok().and_then(|v| v.get("hold")?.as_str().map(str::to_owned)).unwrap_or_default();
    holds.iter().map(|hold| HoldView { reason: reason(hold), text: hold_text(hold, catalog), lift: lift_text(hold, title) }).collect()
}

fn newest_built(facts: &Facts, commits: &Commits<'_>, source: &towpath_catalog::Source) -> Option<BuiltView> {
    let at: (RepoUrl, BranchName) = (source.url.clone(), source.branch.clone());
    let builds = facts.builds.get(&source.name)?;
    let (id, built) = facts.branches.get(&at)?.commits.iter().find_map(|c| Some((c.id, builds.get(&c.id)?.built.as_ref()?)))?;
    Some(BuiltView {
        commit: commits.view(Some(&source.url), id),
        image: built.image.to_string(),
        digest: built.digest.to_string(),
        at: built.at,
        run: built.run.clone(),
    })
}

/// A run without its steps.
pub(crate) fn run_view(catalog: &Catalog, commits: &Commits<'_>, run: &Run) -> RunView {
    use towpath_engine::Outcome;
    let class = match &run.outcome {
        Some(Outcome::Failed { class, .. }) => Some(*class),
        _ => None,
    };
    let state = match (&run.outcome, run.state) {
        (Some(Outcome::Failed { .. }), _) => "failed",
        (Some(Outcome::Superseded { .. }), _) => "superseded",
        (Some(Outcome::Cancelled { .. }), _) => "cancelled",
        (Some(_), _) => "succeeded",
        (None, RunState::Queued) => "queued",
        (None, _) => "running",
    };
    RunView {
        id: run.spec.id.clone(),
        kind: words::work_kind(&run.spec.work).to_owned(),
        subject: words::subject_title(catalog, &run.spec.work.subject()),
        commit: run.spec.work.commit().map(|id| commits.view(subject_url(catalog, &run.spec.work.subject()), id)),
        attempt: run.spec.attempt,
        state: state.to_owned(),
        why: run.spec.why.clone(),
        queued_at: run.queued_at,
        started_at: run.started_at,
        finished_at: run.finished_at,
        class,
        retried: words::is_retried_pass(&run.spec, run.outcome.as_ref()),
        message: run.outcome.as_ref().map(|outcome| words::ended(&run.spec, outcome)),
        steps: Vec::new(),
    }
}

/// The repository that commits in a verdict on the subject are of, where the catalog still knows it.
pub(crate) fn subject_url<'a>(catalog: &'a Catalog, subject: &Subject) -> Option<&'a RepoUrl> {
    match subject {
        Subject::Source(name) => catalog.sources.get(name).map(|source| &source.url),
        Subject::Target(id) => catalog.targets.get(id).map(|target| &target.url),
        Subject::Check(id) => catalog.sources.get(&source_of(id)?).map(|source| &source.url),
        Subject::Change(_) => None,
    }
}

//! What a plan would change in the clusters, compared with what is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use towpath_catalog::{Catalog, Target};
use towpath_cluster::{Change, ObjectDiff};
use towpath_domain::{CommitId, Digest, ImageRef};
use towpath_engine::{Action, Facts, State, Subject, Verdict, Work};
use towpath_runs::world::Snapshot;
use towpath_runs::{Knowing, World};

use crate::away::{NoAnswer, ask_each};
use crate::commits::Commits;
use crate::view::{DiffView, ObjectDiffView, PlanLine};

/// A target that is compared.
pub(crate) struct Wanted {
    target: Arc<Target>,
    /// The commit to compare at, as far as it is known.
    commit: Option<CommitId>,
    release: BTreeMap<ImageRef, Digest>,
}

/// All targets that would be deployed now.
pub(crate) fn of_deploys(catalog: &Catalog, verdicts: &BTreeMap<Subject, Verdict>) -> Vec<Wanted> {
    let planned = verdicts.iter().filter_map(|(subject, verdict)| {
        let (Subject::Target(id), Some((commit, release))) = (subject, deploy(verdict)) else { return None };
        Some(Wanted { target: Arc::clone(catalog.targets.get(id)?), commit: Some(commit), release })
    });
    planned.collect()
}

/// One target, whatever is planned for it: at the commit that it would be deployed at, that it should be at, or that it is at.
pub(crate) fn of_one(target: &Arc<Target>, facts: &Facts, verdicts: &BTreeMap<Subject, Verdict>) -> Wanted {
    let verdict = verdicts.get(&Subject::Target(target.id.clone()));
    if let Some((commit, release)) = verdict.and_then(deploy) {
        return Wanted { target: Arc::clone(target), commit: Some(commit), release };
    }
    let current = facts.targets.get(&target.id).and_then(|target| target.current.as_ref()).map(|deployed| deployed.commit);
    let commit = verdict.and_then(|verdict| verdict.wanted).or(current);
    Wanted { target: Arc::clone(target), commit, release: BTreeMap::new() }
}

fn deploy(verdict: &Verdict) -> Option<(CommitId, BTreeMap<ImageRef, Digest>)> {
    match &verdict.state {
        State::Act { action: Action::Run { spec } } => match &spec.work {
            Work::Deploy(work) => Some((work.commit, work.release.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// Says in `lines` what would change. A target that cannot be compared says why, and hides no other.
pub(crate) async fn add(world: &World, snapshot: &Snapshot, knowing: Knowing, facts: &Facts, wanted: Vec<Wanted>, lines: &mut [PlanLine]) {
    let at: BTreeMap<String, Option<CommitId>> = wanted.iter().map(|wanted| (wanted.target.title(), wanted.commit)).collect();
    let asked =
        ask_each(wanted, |wanted| Arc::clone(&wanted.target), |wanted| async move { compare(world, snapshot, knowing, wanted).await });
    let commits = Commits::new(facts);
    for (target, answer) in asked.await {
        let title = target.title();
        let (objects, error) = match answer {
            Ok(found) => (found.into_iter().map(view).collect(), None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let commit = at.get(&title).copied().flatten().map(|commit| commits.view(Some(&target.url), commit));
        if let Some(line) = lines.iter_mut().find(|line| line.title == title) {
            line.diff = Some(DiffView { commit, objects, error });
        }
    }
}

async fn compare(world: &World, snapshot: &Snapshot, knowing: Knowing, wanted: Wanted) -> Result<Vec<ObjectDiff>, NoAnswer> {
    let Some(commit) = wanted.commit else {
        return Err(NoAnswer::Own("no commit is known that would be deployed there".to_owned()));
    };
    let compared = towpath_runs::differences(world, snapshot, &wanted.target, commit, &wanted.release, knowing).await;
    compared.map_err(|error| if error.cluster_is_away { NoAnswer::Away(error.message) } else { NoAnswer::Own(error.message) })
}

fn view(difference: ObjectDiff) -> ObjectDiffView {
    let change = match difference.change {
        Some(Change::Created) => "created",
        Some(Change::Changed) => "changed",
        Some(Change::Unchanged) => "unchanged",
        None => "deleted",
    };
    ObjectDiffView { object: difference.key.to_string(), change: change.to_owned(), lines: difference.lines }
}

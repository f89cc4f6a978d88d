//! Where things are, as permissions name it: apps and environments.
//!
//! A thing in several places is seen by whoever may see one of them. What is in no place that is known, such as a target that is gone from the
//! config repository, is seen by those only who may see everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use towpath_catalog::{Catalog, Target};
use towpath_domain::{ChangeId, CommitId, NamespaceName, RepoUrl, SourceName};
use towpath_engine::check::source_of;
use towpath_engine::{ChangeSpec, ConfigEdit, Event, Facts, PoolEvent, Subject, Work};

use crate::pools;
use crate::sight::{Scope, Sight};

/// Whether what is in these places may be seen.
pub(crate) fn seen(sight: &Sight, places: &[Scope]) -> bool {
    *sight == Sight::Everything || places.iter().any(|scope| sight.sees_scope(scope))
}

/// Where a target is.
pub(crate) fn of_target(target: &Target) -> Scope {
    Scope { app: Some(target.saas_file.app.as_str().into()), environment: Some(target.environment.as_str().into()) }
}

/// Whether a target may be seen.
pub(crate) fn sees_target(sight: &Sight, target: &Target) -> bool {
    sight.sees(Some(target.saas_file.app.as_str()), Some(target.environment.as_str()))
}

/// Places over a catalog.
pub(crate) struct Places<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) facts: &'a Facts,
    /// The apps whose targets deploy from a repository.
    apps: BTreeMap<&'a RepoUrl, BTreeSet<&'a str>>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(catalog: &'a Catalog, facts: &'a Facts) -> Self {
        let mut apps: BTreeMap<&RepoUrl, BTreeSet<&str>> = BTreeMap::new();
        for target in catalog.targets.values() {
            apps.entry(&target.url).or_default().insert(target.saas_file.app.as_str());
        }
        Self { catalog, facts, apps }
    }

    /// A repository is where the apps are that deploy from it, in no environment. One that nothing deploys from belongs to no app: the config
    /// repository above all.
    pub(crate) fn of_repository(&self, url: &RepoUrl) -> Vec<Scope> {
        let apps = self.apps.get(url).into_iter().flatten();
        let places: Vec<Scope> = apps.map(|app| Scope { app: Some(Arc::from(*app)), environment: None }).collect();
        if places.is_empty() { vec![Scope::INSTALLATION] } else { places }
    }

    pub(crate) fn of_source(&self, name: &SourceName) -> Vec<Scope> {
        self.catalog.sources.get(name).map(|source| self.of_repository(&source.url)).unwrap_or_default()
    }

    /// A change is where the targets are that it moves. One that moves none, such as a hold, is one of the installation.
    pub(crate) fn of_change(&self, spec: &ChangeSpec) -> Vec<Scope> {
        let mut moved = spec.edits.iter().filter_map(|edit| match edit {
            ConfigEdit::SetRef { target, .. } => Some(target),
            _ => None,
        });
        let mut moves = false;
        let places = moved.by_ref().inspect(|_| moves = true).filter_map(|id| Some(of_target(self.catalog.targets.get(id)?)));
        let places: BTreeSet<Scope> = places.collect();
        if moves { places.into_iter().collect() } else { vec![Scope::INSTALLATION] }
    }

    fn of_change_id(&self, id: &ChangeId) -> Vec<Scope> {
        self.facts.changes.get(id).map(|change| self.of_change(&change.spec)).unwrap_or_default()
    }

    pub(crate) fn of_subject(&self, subject: &Subject) -> Vec<Scope> {
        match subject {
            Subject::Source(name) => self.of_source(name),
            Subject::Target(id) => self.catalog.targets.get(id).map(|target| of_target(target)).into_iter().collect(),
            Subject::Change(id) => self.of_change_id(id),
            // A pull request is where its source is.
            Subject::Check(id) => source_of(id).map(|source| self.of_source(&source)).unwrap_or_default(),
        }
    }

    pub(crate) fn of_work(&self, work: &Work) -> Vec<Scope> {
        match work {
            // The facts forget changes that are long over; a run of one still says what it moved.
            Work::Change(spec) => self.of_change(spec),
            Work::Build { .. } | Work::Deploy(_) | Work::Delete { .. } | Work::Check(_) => self.of_subject(&work.subject()),
        }
    }

    /// A commit is where the repositories are that have it.
    pub(crate) fn of_commit(&self, commit: CommitId) -> Vec<Scope> {
        let having = self.facts.branches.iter().filter(|(_, branch)| branch.commits.iter().any(|known| known.id == commit));
        let places: BTreeSet<Scope> = having.flat_map(|((url, _), _)| self.of_repository(url)).collect();
        places.into_iter().collect()
    }

    /// What happens to a pool is where the pool is. The names that clusters know are the installation's.
    fn of_pool_event(&self, event: &PoolEvent) -> Vec<Scope> {
        let of_namespace = |name: &NamespaceName| self.facts.namespaces.get(name).map(|fact| &fact.pool);
        let pool = match event {
            PoolEvent::Named { .. } => return vec![Scope::INSTALLATION],
            PoolEvent::Wanted { pool, .. } => Some(pool),
            PoolEvent::Requested(spec) => Some(&spec.pool),
            PoolEvent::Waits { namespace, .. }
            | PoolEvent::Ready { namespace }
            | PoolEvent::Failed { namespace, .. }
            | PoolEvent::Surplus { namespace, .. }
            | PoolEvent::Gone { namespace }
            | PoolEvent::StrayRemoved { namespace, .. } => of_namespace(namespace),
            PoolEvent::Assigned { reservation, .. }
            | PoolEvent::Granted { reservation, .. }
            | PoolEvent::Leased { reservation, .. }
            | PoolEvent::Asked { reservation, .. }
            | PoolEvent::Extended { reservation, .. }
            | PoolEvent::Expires { reservation, .. }
            | PoolEvent::Ended { reservation, .. } => self.facts.reservations.get(reservation).map(|fact| &fact.spec.pool),
        };
        pool.map(|pool| pools::scope(self.catalog, pool)).into_iter().collect()
    }

    /// Where an event is; `work` is that of its run, where it has one.
    pub(crate) fn of_event(&self, event: &Event, work: Option<&Work>) -> Vec<Scope> {
        match event {
            Event::ConfigSeen { .. } => vec![Scope::INSTALLATION],
            Event::BranchSeen { url, .. } | Event::BranchUnreachable { url, .. } => self.of_repository(url),
            Event::Rendered(render) => self.of_subject(&Subject::Target(render.target.clone())),
            Event::RunQueued(spec) => self.of_work(&spec.work),
            Event::RunStarted { .. }
            | Event::StepStarted { .. }
            | Event::StepDone { .. }
            | Event::RunFinished { .. }
            | Event::CancelRequested { .. } => work.map(|work| self.of_work(work)).unwrap_or_default(),
            Event::MemoryRaised { subject, .. } | Event::RetryRequested { subject, .. } | Event::Acknowledged { subject, .. } => {
                self.of_subject(subject)
            }
            Event::ChangeSeen { spec, .. } => self.of_change(spec),
            Event::Check(event) => self.of_subject(&Subject::Check(event.check())),
            Event::ChangeEnded { change, .. } => self.of_change_id(change),
            // Of which app an image or a secret is, nobody can tell.
            Event::Pool(event) => self.of_pool_event(event),
            Event::ImageLooked { .. } | Event::ImageAnnounced { .. } | Event::SecretSeen { .. } => Vec::new(),
        }
    }
}

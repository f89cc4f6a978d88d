//! How messages call things, and whom the config repository wants told: by the catalog that counts now.

use std::collections::BTreeSet;
use std::sync::Arc;

use towpath_catalog::Target;
use towpath_domain::{CommitId, RepoUrl, ReservationId, RunId, SourceName};
use towpath_engine::{ChangeKind, CommitInfo, ConfigEdit, Subject, Work};
use towpath_ledger::logs::Stream;
use towpath_notify::{About, Lease, Names, ReleaseId, Room};
use towpath_runs::World;

/// The names of the catalog that counts now.
pub struct CatalogNames(pub Arc<World>);

impl CatalogNames {
    fn target(&self, subject: &Subject) -> Option<Arc<Target>> {
        let Subject::Target(id) = subject else { return None };
        self.0.current().catalog.targets.get(id).cloned()
    }

    /// The targets that a run is about: those that a source's image goes to, the one that is deployed, those that a change moves.
    fn targets(&self, work: &Work) -> Vec<Arc<Target>> {
        let snapshot = self.0.current();
        let targets = &snapshot.catalog.targets;
        match work {
            Work::Build { source, .. } => targets.values().filter(|target| target.source.as_ref() == Some(source)).cloned().collect(),
            Work::Deploy(work) => targets.get(&work.target).cloned().into_iter().collect(),
            Work::Delete { target } => targets.get(target).cloned().into_iter().collect(),
            Work::Check(_) => Vec::new(),
            Work::Change(change) => {
                let moved = change.edits.iter().filter_map(|edit| match edit {
                    ConfigEdit::SetRef { target, .. } => targets.get(target).cloned(),
                    ConfigEdit::WriteFile { .. } | ConfigEdit::RemoveFile { .. } => None,
                });
                moved.collect()
            }
        }
    }

    /// The release that a run moves.
    fn release(&self, work: &Work, targets: &[Arc<Target>]) -> Option<ReleaseId> {
        let (source, commit): (Option<SourceName>, CommitId) = match work {
            Work::Build { source, commit, .. } => (Some(source.clone()), *commit),
            Work::Deploy(work) => (targets.first()?.source.clone(), work.commit),
            Work::Change(change) if change.kind == ChangeKind::Promotion => {
                let to = change.edits.iter().find_map(|edit| match edit {
                    ConfigEdit::SetRef { to, .. } => Some(*to),
                    ConfigEdit::WriteFile { .. } | ConfigEdit::RemoveFile { .. } => None,
                });
                (targets.iter().find_map(|target| target.source.clone()), to?)
            }
            Work::Change(_) | Work::Delete { .. } | Work::Check(_) => return None,
        };
        let snapshot = self.0.current();
        let url = match source.as_ref().and_then(|name| snapshot.catalog.sources.get(name)) {
            Some(source) => source.url.clone(),
            None => targets.first()?.url.clone(),
        };
        let known = self.commit(&url, commit);
        let name = source.map_or_else(|| repository_name(&url), |name| name.to_string());
        let (subject, author) = known.map(|commit| (commit.subject, commit.author)).unzip();
        Some(ReleaseId { name, repository: url.to_string(), commit, subject, author })
    }

    fn commit(&self, url: &RepoUrl, commit: CommitId) -> Option<CommitInfo> {
        let facts = self.0.ledger.facts();
        let mut branches = facts.branches.iter().filter(|((of, _), _)| of == url);
        branches.find_map(|(_, branch)| branch.commits.iter().find(|info| info.id == commit).cloned())
    }
}

/// The last part of a repository's address.
fn repository_name(url: &RepoUrl) -> String {
    let text = url.to_string();
    let name = text.trim_end_matches('/').trim_end_matches(".git").rsplit(['/', ':']).next().unwrap_or_default().to_owned();
    if name.is_empty() { text } else { name }
}

impl Names for CatalogNames {
    fn ready(&self) -> bool {
        // Of a config repository that was never read, there is nothing to tell.
        self.0.current().commit.is_some()
    }

    fn title(&self, subject: &Subject) -> Option<String> {
        match subject {
            Subject::Source(name) => Some(name.to_string()),
            Subject::Change(id) => Some(id.to_string()),
            Subject::Check(id) => Some(id.to_string()),
            Subject::Target(_) => self.target(subject).map(|target| target.title()),
        }
    }

    fn environment(&self, subject: &Subject) -> Option<String> {
        self.target(subject).map(|target| target.environment.to_string())
    }

    fn about(&self, work: &Work) -> About {
        let targets = self.targets(work);
        let snapshot = self.0.current();
        let channels = &snapshot.catalog.channels;
        let waited_for = |target: &Target| {
            target.promotion.publish.iter().any(|channel| channels.get(channel).is_some_and(|used| !used.subscribers.is_empty()))
        };
        let names = |of: fn(&Target) -> String| targets.iter().map(|target| of(target)).collect::<BTreeSet<_>>().into_iter().collect();
        let notices = targets.iter().filter_map(|target| target.saas_file.notices.clone());
        let rooms = notices.map(|told| {
            let (workspace, channel, start, successes, each) = (told.workspace, told.channel, told.start, told.successes, told.each);
            Room { workspace, channel, start, successes, each }
        });
        let mut apps: Vec<String> = names(|target| target.saas_file.app.to_string());
        if let Work::Build { source, .. } = work {
            let own = snapshot.catalog.sources.get(source).map(|source| source.app.to_string());
            apps.extend(own.filter(|own| !apps.contains(own)));
        }
        About {
            release: self.release(work, &targets),
            apps,
            saas_files: names(|target| target.saas_file.name.to_string()),
            // A build is for all of them, and in none.
            environments: if matches!(work, Work::Build { .. }) { Vec::new() } else { names(|target| target.environment.to_string()) },
            last: !targets.is_empty() && !targets.iter().any(|target| waited_for(target)),
            rooms: Room::together(rooms),
        }
    }

    fn lease(&self, reservation: &ReservationId) -> Option<Lease> {
        let snapshot = self.0.current();
        let facts = self.0.ledger.facts();
        let fact = facts.reservations.get(reservation).filter(|fact| !fact.state.is_ended())?;
        let pool = snapshot.catalog.pools.get(&fact.spec.pool);
        let about = About {
            apps: pool.and_then(|pool| pool.app.as_ref()).map(ToString::to_string).into_iter().collect(),
            environments: pool.and_then(|pool| pool.environment.as_ref()).map(ToString::to_string).into_iter().collect(),
            ..About::default()
        };
        Some(Lease {
            namespace: fact.state.namespace()?.to_string(),
            pool: fact.spec.pool.to_string(),
            requester: fact.spec.holder.owner().to_owned(),
            purpose: fact.spec.purpose.clone(),
            about,
        })
    }

    fn results(&self, run: &RunId) -> Option<String> {
        self.0.results.as_ref().filter(|_| self.0.logs.has_reports(run))?.known(run)
    }

    fn last_lines(&self, run: &RunId, step: &str, count: usize) -> Vec<String> {
        let lines = self.0.logs.tail(run, step, count.saturating_mul(4)).unwrap_or_default();
        let said: Vec<String> = lines.into_iter().filter(|line| line.stream != Stream::Towpath).map(|line| line.text).collect();
        said.into_iter().rev().take(count).rev().collect()
    }
}

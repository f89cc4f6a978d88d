//! Where things are, as permissions name it.

use std::collections::BTreeSet;
use std::time::Duration;

use towpath_catalog::Catalog;
use towpath_domain::{RunId, SourceName};
use towpath_engine::{Facts, Subject};

use crate::find::{self, Found, problem};
use crate::places::{Places, of_target};
use crate::pools;
use crate::sight::{Scope, Sight};
use crate::steer::Control;
use crate::view::Problem;

/// How long who asks waits for the config repository to be read the first time.
const MOMENT: Duration = Duration::from_secs(2);

impl Control {
    /// All the apps and environments that a write on `what` would touch. `what` is as the writes take it: a target, source, change, run,
    /// commit or channel, `app/NAME` or `environment/NAME`, `pool/NAME`, `namespace/NAME` for what is reserved, `check/SOURCE#NUMBER` or `check/SOURCE` for checks, `pool-of/SOURCE` for
    /// the pool of a source's checks, or a file of Towpath's own that holds or blocks something.
    ///
    /// # Errors
    /// [`Problem`] when it names nothing, or nothing was read yet.
    pub async fn scopes(&self, what: &str) -> Result<Vec<Scope>, Problem> {
        self.once_read().await;
        self.scopes_known(what).await.map_err(|problem| self.or_unread(problem))
    }

    /// Gives a server that has just started a moment to read the config repository: who asks is as fast as its reader.
    pub(crate) async fn once_read(&self) {
        let _in_time = tokio::time::timeout(MOMENT, self.world.config_read()).await;
    }

    /// The same, unless nothing was read yet.
    pub(crate) fn or_unread(&self, unknown: Problem) -> Problem {
        find::or_unread(self.world.current().commit.is_some(), unknown)
    }

    async fn scopes_known(&self, what: &str) -> Result<Vec<Scope>, Problem> {
        let found = {
            let snapshot = self.world.current();
            let facts = self.world.ledger.facts();
            if let Some(scope) = named(&snapshot.catalog, what) {
                return Ok(vec![scope]);
            }
            if let Some(pool) = what.strip_prefix("pool/") {
                return self.pool_scope(pool).map(|scope| vec![scope]).ok_or_else(|| self.unknown_pool(&Sight::Everything, pool));
            }
            if let Some(what) = what.strip_prefix("namespace/") {
                return Ok(vec![self.scope_of_reservation(&facts, what)?]);
            }
            if let Some(what) = what.strip_prefix("check/") {
                let scope = self.check_scope(what).or_else(|| self.source_scope(what));
                return scope.map(|scope| vec![scope]).ok_or_else(|| unknown(what));
            }
            if let Some(source) = what.strip_prefix("pool-of/") {
                return self.pool_of_checks(source).map(|scope| vec![scope]).ok_or_else(|| unknown(source));
            }
            if let Some(scopes) = held(&snapshot.catalog, what) {
                return Ok(scopes);
            }
            find::anything(&snapshot.catalog, &facts, what)?
        };
        match found {
            Found::Run(run) => self.scopes_of_run(&run).await,
            found => {
                let snapshot = self.world.current();
                let facts = self.world.ledger.facts();
                Ok(match found {
                    Found::Subject(subject) => of_subject(&snapshot.catalog, &facts, &subject),
                    Found::Channel(channel) => {
                        let usage = snapshot.catalog.channels.get(&channel);
                        let targets = usage.into_iter().flat_map(|usage| usage.publishers.iter().chain(&usage.subscribers));
                        unique(targets.filter_map(|id| snapshot.catalog.targets.get(id)).map(|target| of_target(target)))
                    }
                    Found::Commit(_) | Found::Run(_) => vec![Scope::INSTALLATION],
                })
            }
        }
    }

    /// Where the pool is that a source's checks take their namespaces from; where the source is, when they take none.
    fn pool_of_checks(&self, source: &str) -> Option<Scope> {
        let name = SourceName::new(source).ok()?;
        let catalog = &self.world.current().catalog;
        let pool = catalog.sources.get(&name)?.check.as_ref().and_then(|check| check.pool.as_ref());
        pool.map_or_else(|| self.source_scope(source), |pool| Some(pools::scope(catalog, pool)))
    }

    async fn scopes_of_run(&self, run: &RunId) -> Result<Vec<Scope>, Problem> {
        let run = self.ledger_run(run).await?;
        let snapshot = self.world.current();
        let facts = self.world.ledger.facts();
        Ok(whole(Places::new(&snapshot.catalog, &facts).of_work(&run.spec.work)))
    }
}

/// What a whole app or environment is called in a hold.
fn named(catalog: &Catalog, what: &str) -> Option<Scope> {
    let known = |name: &str, known: bool| known.then(|| std::sync::Arc::from(name));
    if let Some(app) = what.strip_prefix("app/") {
        let app = known(app, catalog.apps.keys().any(|name| name.as_str() == app))?;
        return Some(Scope { app: Some(app), environment: None });
    }
    let environment = what.strip_prefix("environment/")?;
    let environment = known(environment, catalog.environments.keys().any(|name| name.as_str() == environment))?;
    Some(Scope { app: None, environment: Some(environment) })
}

/// What a hold or block of Towpath's own, named by its file or its policy, selects: every target that it holds.
fn held(catalog: &Catalog, what: &str) -> Option<Vec<Scope>> {
    let policy = catalog.policies.iter().find(|policy| *policy.place.file == *what || &*policy.name == what)?;
    let targets = catalog.targets.values().filter(|target| policy.select.selects(target));
    let scopes = unique(targets.map(|target| of_target(target)));
    Some(if scopes.is_empty() { vec![Scope::INSTALLATION] } else { scopes })
}

/// Where a subject is. What is in no place that is known is a matter of the whole installation.
pub(crate) fn of_subject(catalog: &Catalog, facts: &Facts, subject: &Subject) -> Vec<Scope> {
    whole(Places::new(catalog, facts).of_subject(subject))
}

fn whole(scopes: Vec<Scope>) -> Vec<Scope> {
    if scopes.is_empty() { vec![Scope::INSTALLATION] } else { scopes }
}

fn unique(scopes: impl Iterator<Item = Scope>) -> Vec<Scope> {
    scopes.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The refusal of what is not there, and of what may not be seen.
pub(crate) fn unknown(what: &str) -> Problem {
    let mend = "`towpath status` and the board list what there is";
    problem("unknown-name", 404, "Nothing is called so", format!("nothing is known by the name {what:?}"), mend)
}

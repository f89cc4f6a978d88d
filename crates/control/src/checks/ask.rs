//! What people ask for of pull requests, and what they try by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use towpath_catalog::Source;
use towpath_domain::{BranchName, CommitId, GitRef, NamespaceName, SourceName, Span};
use towpath_engine::check::{Ask, Asked, CheckEvent, CheckWork, Keep, Overrides, check_run};
use towpath_engine::pool::{Holder, ReservationState};
use towpath_engine::{Event, RunSpec, Work};
use towpath_ledger::Error as LedgerError;

use super::shown::find;
use crate::find::problem;
use crate::request::{CheckRequest, TryRequest};
use crate::requests::check;
use crate::sight::Sight;
use crate::status::ledger_problem;
use crate::steer::Control;
use crate::view::{Accepted, Problem};

impl Control {
    /// Has a pull request checked once more: all of it, or some of its tests.
    ///
    /// # Errors
    /// [`Problem`] when there is no such pull request, or no such test.
    pub async fn check_again(&self, request: CheckRequest) -> Result<Accepted, Problem> {
        let mut tests = request.tests.clone();
        tests.sort();
        tests.dedup();
        {
            let catalog = Arc::clone(&self.world.current().catalog);
            let facts = self.world.ledger.facts();
            let (_, fact) = find(&catalog, &facts, &Sight::Everything, &request.check)?;
            let source = catalog.sources.get(&fact.pull.source);
            are_tests(source.map(|source| &**source), &tests)?;
        }
        let text = if tests.is_empty() { "it is checked again".to_owned() } else { format!("{} run again", tests.join(", ")) };
        self.asked_of(&request, Asked::Retest { tests }, text).await
    }

    /// Has the newest commit of a pull request not checked; what is under way ends.
    ///
    /// # Errors
    /// [`Problem`] when there is no such pull request.
    pub async fn check_cancel(&self, request: CheckRequest) -> Result<Accepted, Problem> {
        self.asked_of(&request, Asked::Cancel, "its newest commit is not checked".to_owned()).await
    }

    /// Says that the newest commit of a fork's pull request may be checked.
    ///
    /// # Errors
    /// [`Problem`] when there is no such pull request, when it comes from no fork, or when the commit is not its newest one.
    pub async fn check_ok(&self, request: CheckRequest) -> Result<Accepted, Problem> {
        let head = {
            let catalog = Arc::clone(&self.world.current().catalog);
            let facts = self.world.ledger.facts();
            let (id, fact) = find(&catalog, &facts, &Sight::Everything, &request.check)?;
            let head = fact.pull.head;
            if !fact.pull.from_fork {
                return Err(problem(
                    "no-fork",
                    409,
                    "It does not come from a fork",
                    format!("{id} is checked without anybody's word"),
                    "nothing is to be done",
                ));
            }
            // Whoever says so has looked at one commit, and at no other.
            let named = request.commit.as_deref().unwrap_or_default().to_ascii_lowercase();
            if named.len() < 7 || !head.to_string().starts_with(&named) {
                return Err(problem(
                    "other-commit",
                    409,
                    "That is not its newest commit",
                    format!("{id} is at {head}"),
                    "look at that commit, and name it by at least 7 of its digits",
                ));
            }
            head
        };
        self.asked_of(&request, Asked::OkToTest { head }, format!("{} may be checked", head.short(12))).await
    }

    async fn asked_of(&self, request: &CheckRequest, what: Asked, text: String) -> Result<Accepted, Problem> {
        check(&request.asked)?;
        let id = {
            let catalog = Arc::clone(&self.world.current().catalog);
            find(&catalog, &self.world.ledger.facts(), &Sight::Everything, &request.check)?.0.clone()
        };
        let (by, why) = (request.asked.by.clone(), request.asked.why.clone());
        let ask = Ask { what, by: by.clone(), why, comment: None };
        self.record(&by, Event::Check(CheckEvent::Asked { check: id.clone(), ask })).await?;
        Ok(Accepted { text: format!("{id}: {text}"), ..Accepted::default() })
    }

    /// Does by hand what a pull request's check does: in a namespace of who asks, with what they set.
    ///
    /// # Errors
    /// [`Problem`] when the source, the commit or the namespace is not there, or something of it makes no sense.
    pub async fn try_it(&self, request: TryRequest) -> Result<Accepted, Problem> {
        check(&request.asked)?;
        self.once_read().await;
        let source = self.source_of(&request.source)?;
        let Some(instructions) = source.check.clone() else {
            return Err(problem(
                "not-checked",
                409,
                "That source is not checked",
                format!("{} has no `check` ({})", source.name, source.place),
                "say in its file what is to be deployed and tested",
            ));
        };
        are_tests(Some(&source), &request.tests)?;
        let by = request.asked.by.clone();
        let namespace = request.namespace.as_deref().map(|name| self.held_by(name, &by)).transpose()?;
        let keep = match (&request.reserve, &instructions.pool) {
            (None, _) => None,
            (Some(_), _) if namespace.is_some() => {
                return Err(problem(
                    "namespace-and-reserve",
                    422,
                    "One of the two",
                    "a namespace is named, and another one is to be reserved".to_owned(),
                    "leave one of them out",
                ));
            }
            (Some(_), None) => {
                return Err(problem(
                    "no-pool",
                    409,
                    "That source's check has no pool",
                    format!("{} names no `pool` in its `check` ({})", source.name, source.place),
                    "name a pool there, or leave --reserve out",
                ));
            }
            (Some(lease), Some(pool)) => Some(Keep { pool: pool.clone(), lease: self.lease_of(pool.as_str(), lease)? }),
        };
        let head = self.commit_of(&source, request.git_ref.as_deref()).await?;
        let overrides = Overrides {
            template_refs: request.template_refs,
            image_tags: request.image_tags,
            parameters: request.parameters,
            namespace,
            keep,
            by: by.clone(),
        };
        let spec = self.by_hand(&source, &instructions.hash, head, request.tests, overrides, &request.asked.why)?;
        let (id, run) = (spec.work.subject(), spec.id.clone());
        match self.world.ledger.append(None, &by, self.world.clock.now(), vec![Event::RunQueued(spec)]).await {
            Ok(_) | Err(LedgerError::AlreadyQueued { .. }) => {}
            Err(error) => return Err(ledger_problem(error)),
        }
        let towpath_engine::Subject::Check(id) = id else {
            return Err(problem("not-a-check", 500, "That is no check", String::new(), "tell us"));
        };
        let text = format!("{} at {} is tried as {id}", source.name, head.short(12));
        Ok(Accepted { text, run: Some(run), ..Accepted::default() })
    }

    fn by_hand(
        &self,
        source: &Source,
        hash: &str,
        head: CommitId,
        tests: Vec<String>,
        overrides: Overrides,
        why: &str,
    ) -> Result<RunSpec, Problem> {
        let by = overrides.by.clone();
        let nonce = format!("{} {by} {head}", self.world.ledger.latest());
        let id = towpath_engine::check::try_of(&source.name, &by, &nonce);
        let work = CheckWork {
            id,
            source: source.name.clone(),
            number: None,
            head,
            seen_at: self.world.clock.now(),
            from_fork: false,
            check_hash: hash.to_owned(),
            tests,
            anew: true,
            urgent: false,
            overrides,
        };
        Ok(check_run(Work::Check(Box::new(work)), format!("{by} tries it: {why}")))
    }

    fn source_of(&self, name: &str) -> Result<Arc<Source>, Problem> {
        let catalog = Arc::clone(&self.world.current().catalog);
        let found = SourceName::new(name).ok().and_then(|name| catalog.sources.get(&name).cloned());
        found.ok_or_else(|| {
            let names: Vec<&str> = catalog.sources.keys().map(SourceName::as_str).take(20).collect();
            let detail = format!("no source is called {:?}; there are: {}", name.chars().take(100).collect::<String>(), names.join(", "));
            let mend = "a source is a file with `$schema: /towpath/source-1.yml`";
            self.or_unread(problem("unknown-source", 404, "There is no such source", detail, mend))
        })
    }

    /// A namespace that is reserved for this person.
    fn held_by(&self, name: &str, by: &str) -> Result<NamespaceName, Problem> {
        let refused = |why: String| {
            problem(
                "not-yours",
                403,
                "That namespace is not yours",
                why,
                "`towpath namespace reserve` gives you one; `--reserve` does it by itself",
            )
        };
        let facts = self.world.ledger.facts();
        let Some((namespace, fact)) =
            NamespaceName::new(name).ok().and_then(|name| facts.namespaces.get_key_value(&name).map(|(n, f)| (n.clone(), f)))
        else {
            return Err(refused(format!("no pool has a namespace {:?}", name.chars().take(100).collect::<String>())));
        };
        let holder = fact.state.reservation().and_then(|id| facts.reservations.get(id));
        let is_theirs = holder.is_some_and(|held| {
            matches!(held.state, ReservationState::Active { .. }) && matches!(&held.spec.holder, Holder::Person { name, .. } if name == by)
        });
        if is_theirs { Ok(namespace) } else { Err(refused(format!("{namespace} is not reserved for {by}"))) }
    }

    fn lease_of(&self, pool: &str, lease: &str) -> Result<Span, Problem> {
        let catalog = Arc::clone(&self.world.current().catalog);
        let Some(pool) = catalog.pools.get(pool) else { return Err(self.unknown_pool(&Sight::Everything, pool)) };
        if lease.is_empty() {
            return Ok(pool.lease);
        }
        crate::pools::lease_within(pool, lease)
    }

    /// The commit of a branch, or of the digits that begin one; of the source's own branch when nothing is said.
    async fn commit_of(&self, source: &Source, wanted: Option<&str>) -> Result<CommitId, Problem> {
        let unknown = |why: String| {
            problem(
                "unknown-ref",
                404,
                "There is no such branch or commit",
                why,
                "push it to the source's repository, and name it as it is there",
            )
        };
        let away = |error: &dyn std::fmt::Display| {
            problem("repository-away", 503, "The repository cannot be reached", format!("{}: {error}", source.url), "try again")
        };
        let mirror = self.world.mirrors.get(&source.url).await.map_err(|error| away(&error))?;
        mirror.fetch().await.map_err(|error| away(&error))?;
        let text = wanted.unwrap_or(source.branch.as_str());
        let bad = |error: &dyn std::fmt::Display| unknown(format!("{:?}: {error}", text.chars().take(100).collect::<String>()));
        match text.parse::<GitRef>() {
            Ok(GitRef::Commit(commit)) => {
                let there = mirror.has_commit(commit).await.map_err(|error| away(&error))?;
                if there || mirror.fetch_commit(commit).await.unwrap_or(false) {
                    return Ok(commit);
                }
                Err(unknown(format!("{} has no commit {commit}", source.url)))
            }
            Ok(GitRef::Branch(branch)) => {
                self.head_of(source, &branch, &mirror).await?.ok_or_else(|| unknown(format!("{} has no branch {branch}", source.url)))
            }
            Err(error) => Err(bad(&error)),
        }
    }

    async fn head_of(&self, source: &Source, branch: &BranchName, mirror: &towpath_git::Mirror) -> Result<Option<CommitId>, Problem> {
        mirror.resolve(branch).await.map_err(|error| {
            problem("repository-away", 503, "The repository cannot be read", format!("{}: {error}", source.url), "try again")
        })
    }
}

/// Refuses names of tests that the source does not have.
fn are_tests(source: Option<&Source>, tests: &[String]) -> Result<(), Problem> {
    let known: BTreeMap<&str, ()> = source
        .and_then(|source| source.check.as_ref())
        .map(|check| check.tests.iter().map(|test| (test.name.as_str(), ())).collect())
        .unwrap_or_default();
    let Some(other) = tests.iter().find(|test| !known.contains_key(test.as_str())) else { return Ok(()) };
    let names: Vec<&str> = known.into_keys().collect();
    let there = if names.is_empty() { "its check names none".to_owned() } else { format!("there are {}", names.join(", ")) };
    Err(problem(
        "unknown-test",
        404,
        "There is no such test",
        format!("no test of it is called {:?}: {there}", other.chars().take(100).collect::<String>()),
        "tests are named in the `check` of the source's file",
    ))
}

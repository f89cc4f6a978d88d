//! What people ask for: retries, and everything that goes by a commit in the config repository.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use towpath_catalog::{Catalog, Selector, Target, write};
use towpath_domain::{AppName, CommitId, EnvironmentName, TargetId};
use towpath_engine::{
    BLOCKS, ChangeFact, ChangeKind, ChangeSpec, ConfigEdit, Event, Facts, HOLDS, Subject, change_run, change_spec, gate, hold_text, slug,
};
use towpath_ledger::Error as LedgerError;

use crate::find::{self, Found, problem};
use crate::request::{Asked, CancelRequest, HoldRequest, PromoteRequest, ReleaseRequest, RetryRequest, RollbackRequest};
use crate::status::ledger_problem;
use crate::steer::Control;
use crate::view::{Accepted, Problem};
use crate::words;

impl Control {
    /// Tries again what failed.
    ///
    /// # Errors
    /// [`Problem`] when it names nothing, or nothing of it failed.
    pub async fn retry(&self, request: RetryRequest) -> Result<Accepted, Problem> {
        check(&request.asked)?;
        let found = {
            let catalog = &self.world.current().catalog;
            let facts = self.world.ledger.facts();
            find::anything(catalog, &facts, &request.what)?
        };
        let subject = match found {
            Found::Subject(subject) => subject,
            Found::Run(run) => self.ledger_run(&run).await?.subject(),
            Found::Commit(_) | Found::Channel(_) => {
                return Err(problem(
                    "not-retryable",
                    422,
                    "That cannot be retried",
                    "only targets, sources, changes and runs can",
                    "name one of them",
                ));
            }
        };
        let (title, failed) = {
            let facts = self.world.ledger.facts();
            (words::subject_title(&self.world.current().catalog, &subject), can_be_retried(&facts, &subject))
        };
        self.retry_subject(subject, title, failed, request.asked).await
    }

    async fn retry_subject(&self, subject: Subject, title: String, failed: bool, asked: Asked) -> Result<Accepted, Problem> {
        if !failed {
            return Err(problem(
                "nothing-failed",
                409,
                "There is nothing to retry",
                format!("{title} has no failure that holds it"),
                format!(
                    "`towpath explain` says where it stands{}",
                    if matches!(subject, Subject::Target(_)) { "" } else { "; name a target, a source or a run" }
                ),
            ));
        }
        let event = Event::RetryRequested { subject, by: asked.by.clone(), why: asked.why };
        self.record(&asked.by, event).await?;
        Ok(Accepted { text: format!("{title} is tried again"), change: None, run: None, reservation: None })
    }

    /// Stops a run, or the run that is under way for what is named.
    ///
    /// # Errors
    /// [`Problem`] when it names nothing, or nothing of it is under way.
    pub async fn cancel(&self, request: CancelRequest) -> Result<Accepted, Problem> {
        check(&request.asked)?;
        let run = {
            let catalog = &self.world.current().catalog;
            let facts = self.world.ledger.facts();
            let run = match find::anything(catalog, &facts, &request.what)? {
                Found::Run(run) => facts.open_runs.contains_key(&run).then_some(run),
                Found::Subject(subject) => facts.open_runs.iter().find(|(_, open)| open.subject == subject).map(|(id, _)| id.clone()),
                Found::Commit(_) | Found::Channel(_) => None,
            };
            run.ok_or_else(|| {
                problem(
                    "nothing-under-way",
                    409,
                    "There is nothing to stop",
                    format!("no run of {:?} is queued or under way", request.what),
                    "`towpath runs --state running` lists what is",
                )
            })?
        };
        let outcome = towpath_engine::Outcome::Cancelled { by: request.asked.by.clone() };
        let event = Event::CancelRequested { run: run.clone(), by: request.asked.by.clone(), why: request.asked.why };
        self.record(&request.asked.by, event).await?;
        // One that nobody has taken up ends here and now; a worker ends the others.
        match self.world.ledger.withdraw(&run, outcome, None, &request.asked.by, self.world.clock.now()).await {
            Ok(_) | Err(LedgerError::NotQueued { .. } | LedgerError::RunOver { .. }) => {}
            Err(error) => return Err(ledger_problem(error)),
        }
        Ok(Accepted { text: format!("{run} is being stopped"), change: None, run: Some(run), reservation: None })
    }

    /// Moves a target to a commit that its channels vouch for.
    ///
    /// # Errors
    /// [`Problem`] with every hold, when the gate does not pass.
    pub async fn promote(&self, request: PromoteRequest) -> Result<Accepted, Problem> {
        check(&request.asked)?;
        let spec = {
            let snapshot = self.world.current();
            let catalog = &snapshot.catalog;
            let facts = self.world.ledger.facts();
            let target = find::target(catalog, &request.target)?;
            let Some(_) = target.git_ref.commit() else {
                return Err(problem(
                    "follows-a-branch",
                    422,
                    "This target follows a branch",
                    format!("{} deploys every commit of {} by itself", target.title(), target.git_ref),
                    "push to that branch; `towpath rollback` blocks a bad commit",
                ));
            };
            let to = match &request.to {
                Some(to) => find::commit(&facts, to)?.ok_or_else(|| unknown_commit(to))?,
                None => self.newest_eligible(catalog, &facts, &target)?,
            };
            if let Err(holds) = gate(catalog, &facts, self.world.clock.now(), &target, to) {
                let why: Vec<String> = holds.iter().map(|hold| hold_text(hold, &**catalog)).collect();
                return Err(problem(
                    "gate",
                    409,
                    "The promotion gate is closed",
                    format!("{} may not go to {}: {}", words::short(to), target.title(), why.join("; ")),
                    "wait for its channels, or add the commit to the app's hotfixVersions in the config repository",
                ));
            }
            let title = format!("Promote {} to {} in {}", target.saas_file.name, words::short(to), target.environment);
            manual(ChangeKind::Promotion, &target, vec![set_ref(&target, to)], title, &request.asked)
        };
        self.queue(spec, &request.asked).await
    }

    fn newest_eligible(&self, catalog: &Catalog, facts: &Facts, target: &Arc<Target>) -> Result<CommitId, Problem> {
        let branch = target.branch.clone();
        let commits =
            branch.and_then(|branch| facts.branches.get(&(target.url.clone(), branch))).map(|b| b.commits.as_slice()).unwrap_or_default();
        let now = self.world.clock.now();
        let newer = commits.iter().map(|c| c.id).take_while(|id| target.git_ref.commit() != Some(*id));
        newer.into_iter().find(|id| gate(catalog, facts, now, target, *id).is_ok()).ok_or_else(|| {
            problem(
                "no-candidate",
                409,
                "No newer commit may go there",
                format!("no commit newer than {} passes the gate of {}", target.git_ref, target.title()),
                format!("`towpath explain {}` says what holds each", target.title()),
            )
        })
    }

    /// Takes a target back, and blocks the commit that it leaves.
    ///
    /// # Errors
    /// [`Problem`] when there is nothing to go back to.
    pub async fn rollback(&self, request: RollbackRequest) -> Result<Accepted, Problem> {
        check(&request.asked)?;
        let spec = {
            let snapshot = self.world.current();
            let catalog = &snapshot.catalog;
            let facts = self.world.ledger.facts();
            let target = find::target(catalog, &request.target)?;
            let fact = facts.targets.get(&target.id);
            let Some(bad) = target.git_ref.commit().or_else(|| fact.and_then(|f| f.current.as_ref()).map(|d| d.commit)) else {
                return Err(problem(
                    "nothing-deployed",
                    409,
                    "Nothing is deployed there",
                    format!("{} has not deployed anything yet", target.title()),
                    "there is nothing to leave",
                ));
            };
            let to = match &request.to {
                Some(to) => Some(find::commit(&facts, to)?.ok_or_else(|| unknown_commit(to))?),
                None => fact.and_then(|f| f.current.iter().chain(f.history.iter().rev()).map(|d| d.commit).find(|c| *c != bad)),
            };
            let Some(to) = to else {
                return Err(problem(
                    "no-way-back",
                    409,
                    "There is nothing to go back to",
                    format!("{} has run nothing else than {}", target.title(), words::short(bad)),
                    "name the commit with --to",
                ));
            };
            if to == bad {
                return Err(problem(
                    "same-commit",
                    422,
                    "It is there already",
                    format!("{} is at {}", target.title(), words::short(to)),
                    "name another commit",
                ));
            }
            let name = format!("{}-{}", file_name(&target.title()), words::short(bad));
            let block = ConfigEdit::WriteFile {
                path: format!("{BLOCKS}/{name}.yml"),
                content: write::block_policy(&format!("block-{name}"), &only(&target), &target.url, bad, &reason(&request.asked), true),
            };
            let mut edits = vec![block];
            if target.git_ref.commit().is_some() {
                edits.push(set_ref(&target, to));
            }
            let title =
                format!("Roll {} in {} back from {} to {}", target.saas_file.name, target.environment, words::short(bad), words::short(to));
            manual(ChangeKind::Rollback, &target, edits, title, &request.asked)
        };
        self.queue(spec, &request.asked).await
    }

    /// Puts a hold on a target, an app or an environment.
    ///
    /// # Errors
    /// [`Problem`] when it names nothing.
    pub async fn hold(&self, request: HoldRequest) -> Result<Accepted, Problem> {
        check(&request.asked)?;
        let spec = {
            let snapshot = self.world.current();
            let Selected { selector, title, name } = selected(&snapshot.catalog, &request.what)?;
            let content = write::freeze_policy(&format!("hold-{name}"), &selector, &request.asked.why, Some(&request.asked.by));
            let edits = vec![ConfigEdit::WriteFile { path: format!("{HOLDS}/{name}.yml"), content }];
            change_spec(ChangeKind::Hold, &name, edits, format!("Hold {title}"), description(&request.asked), request.asked.by.clone())
        };
        self.queue(spec, &request.asked).await
    }

    /// Lifts a hold that was put on exactly this, or a hold or a rollback's block that is named by itself or by its file.
    ///
    /// # Errors
    /// [`Problem`] when there is no such hold.
    pub async fn release(&self, request: ReleaseRequest) -> Result<Accepted, Problem> {
        check(&request.asked)?;
        let spec = {
            let snapshot = self.world.current();
            let catalog = &snapshot.catalog;
            let holds = || catalog.policies.iter().filter(|policy| policy.place.file.starts_with(HOLDS));
            let blocks = catalog.policies.iter().filter(|policy| policy.place.file.starts_with(BLOCKS));
            // What `status` shows is a name or a file; what people remember is what they held.
            let named = holds().chain(blocks).find(|policy| *policy.name == *request.what || *policy.place.file == *request.what);
            let (title, path, name) = match named {
                Some(hold) => (request.what.clone(), hold.place.file.to_string(), slug(&request.what)),
                None => {
                    let Selected { title, name, .. } = selected(catalog, &request.what)?;
                    (title, format!("{HOLDS}/{name}.yml"), name)
                }
            };
            if named.is_none() && !holds().any(|policy| *policy.place.file == *path) {
                let others: Vec<String> = holds().map(|policy| policy.name.to_string()).collect();
                let there =
                    if others.is_empty() { "no hold is set".to_owned() } else { format!("holds that are set: {}", others.join(", ")) };
                return Err(problem(
                    "no-such-hold",
                    404,
                    "There is no such hold",
                    format!("{title} has no hold of its own; {there}"),
                    "a freeze in a policy file is lifted by editing that file",
                ));
            }
            let edits = vec![ConfigEdit::RemoveFile { path }];
            change_spec(
                ChangeKind::Release,
                &name,
                edits,
                format!("Release {title}"),
                description(&request.asked),
                request.asked.by.clone(),
            )
        };
        self.queue(spec, &request.asked).await
    }

    async fn queue(&self, spec: ChangeSpec, asked: &Asked) -> Result<Accepted, Problem> {
        let run = change_run(&self.world.ledger.facts(), spec.clone(), format!("{} asked: {}", asked.by, asked.why));
        let (change, id, text) = (spec.id.clone(), run.id.clone(), spec.title.clone());
        match self.world.ledger.append(None, &asked.by, self.world.clock.now(), vec![Event::RunQueued(run)]).await {
            Ok(_) | Err(LedgerError::AlreadyQueued { .. }) => Ok(Accepted { text, change: Some(change), run: Some(id), reservation: None }),
            Err(error) => Err(ledger_problem(error)),
        }
    }

    pub(crate) async fn record(&self, by: &str, event: Event) -> Result<(), Problem> {
        self.world.ledger.append(None, by, self.world.clock.now(), vec![event]).await.map(|_| ()).map_err(ledger_problem)
    }
}

pub(crate) fn has_failed(facts: &Facts, subject: &Subject) -> bool {
    match subject {
        Subject::Source(name) => facts.builds.get(name).is_some_and(|all| all.values().any(|b| b.failure.is_some())),
        Subject::Target(id) => {
            facts.targets.get(id).is_some_and(|t| t.failure.is_some())
                || facts.changes.values().any(|c| c.failure.is_some() && moves(&c.spec, id))
        }
        Subject::Change(id) => facts.changes.get(id).is_some_and(|c| c.failure.is_some()),
        Subject::Check(id) => facts.checks.get(id).and_then(|fact| fact.stands_by()).is_some_and(|last| last.failure.is_some()),
    }
}

/// Whether trying again makes anything come out otherwise: it failed, or its change was closed by somebody or thrown out by the forge's queue.
fn can_be_retried(facts: &Facts, subject: &Subject) -> bool {
    let waits = |fact: &ChangeFact| fact.closed || fact.open.as_ref().is_some_and(|open| open.thrown_out);
    has_failed(facts, subject)
        || match subject {
            Subject::Source(_) => false,
            Subject::Target(id) => facts.changes.values().any(|fact| waits(fact) && moves(&fact.spec, id)),
            Subject::Change(id) => facts.changes.get(id).is_some_and(waits),
            Subject::Check(id) => facts.checks.contains_key(id),
        }
}

/// Whether a change sets the ref of this target.
fn moves(spec: &ChangeSpec, target: &TargetId) -> bool {
    spec.edits.iter().any(|edit| matches!(edit, ConfigEdit::SetRef { target: moved, .. } if moved == target))
}

/// Who and why are not optional: somebody will read them at night.
pub(crate) fn check(asked: &Asked) -> Result<(), Problem> {
    let bad = |text: &str| text.trim().is_empty() || text.chars().count() > 500 || text.chars().any(char::is_control);
    if bad(&asked.by) || bad(&asked.why) {
        return Err(problem(
            "who-and-why",
            422,
            "Who and why are needed",
            "both must be one line of 1 to 500 characters",
            "give --by and --reason",
        ));
    }
    Ok(())
}

fn unknown_commit(what: &str) -> Problem {
    problem(
        "unknown-commit",
        404,
        "There is no such commit",
        format!("{what:?} begins no commit that is known here"),
        "give the full 40 digits",
    )
}

fn reason(asked: &Asked) -> String {
    format!("{} ({})", asked.why, asked.by)
}

fn description(asked: &Asked) -> String {
    format!("{}\n\nAsked for by {}.\n", asked.why, asked.by)
}

fn set_ref(target: &Target, to: CommitId) -> ConfigEdit {
    ConfigEdit::SetRef { target: target.id.clone(), from: target.git_ref.clone(), to }
}

fn only(target: &Target) -> Selector {
    Selector { targets: vec![target.id.clone()], ..Selector::default() }
}

fn manual(kind: ChangeKind, target: &Target, edits: Vec<ConfigEdit>, title: String, asked: &Asked) -> ChangeSpec {
    change_spec(kind, &format!("{}-{}", target.saas_file.name, target.environment), edits, title, description(asked), asked.by.clone())
}

/// What `hold` and `release` name.
struct Selected {
    selector: Selector,
    title: String,
    /// The name of its files: no two selections share one.
    name: String,
}

/// A target, `app/NAME` or `environment/NAME`.
fn selected(catalog: &Catalog, what: &str) -> Result<Selected, Problem> {
    let unknown = |kind: &str, name: &str| {
        problem("unknown-name", 404, "Nothing is called so", format!("there is no {kind} {name:?}"), "`towpath status` lists what there is")
    };
    let named = |selector: Selector| Selected { selector, title: what.to_owned(), name: file_name(what) };
    if let Some(name) = what.strip_prefix("app/") {
        let known = AppName::new(name).ok().filter(|name| catalog.apps.contains_key(name)).ok_or_else(|| unknown("app", name))?;
        return Ok(named(Selector { apps: vec![known], ..Selector::default() }));
    }
    if let Some(name) = what.strip_prefix("environment/") {
        let known = EnvironmentName::new(name)
            .ok()
            .filter(|name| catalog.environments.contains_key(name))
            .ok_or_else(|| unknown("environment", name))?;
        return Ok(named(Selector { environments: vec![known], ..Selector::default() }));
    }
    let target = find::target(catalog, what)?;
    Ok(Selected { selector: only(&target), title: target.title(), name: file_name(&target.title()) })
}

/// How much of a title a file's name shows: with what stands around it, a policy's name stays a DNS label of 63 characters.
const SHOWN: usize = 38;

/// A name for files about what is called `title`: readable, and never that of another one.
fn file_name(title: &str) -> String {
    let hash: String = Sha256::digest(title.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut shown = slug(title);
    shown.truncate(SHOWN);
    format!("{}-{hash}", shown.trim_end_matches('-'))
}

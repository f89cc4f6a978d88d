//! Events in words: what `history` and `explain` tell, in one place.

use towpath_catalog::Catalog;
use towpath_domain::{CommitId, TargetId};
use towpath_engine::check::{Ask, Asked, CheckEvent, source_of};
use towpath_engine::pool::Holder;
use towpath_engine::{Event, Outcome, PoolEvent, RenderOutcome, RunSpec, Subject, Work};

use crate::pools;

/// A commit as messages name it.
pub(crate) fn short(commit: CommitId) -> String {
    commit.short(7)
}

/// A target as people call it; its id when the catalog does not have it any more.
pub(crate) fn target_title(catalog: &Catalog, id: &TargetId) -> String {
    catalog.targets.get(id).map_or_else(|| format!("target {id}"), |target| target.title())
}

/// A subject as people call it.
pub(crate) fn subject_title(catalog: &Catalog, subject: &Subject) -> String {
    match subject {
        Subject::Source(name) => format!("source {name}"),
        Subject::Target(id) => target_title(catalog, id),
        Subject::Change(id) => format!("change {id}"),
        Subject::Check(id) if id.as_str().contains('#') => format!("pull request {id}"),
        Subject::Check(id) => format!("try {id}"),
    }
}

/// What a subject is, and its id, as views name them.
pub(crate) fn kind_and_id(subject: &Subject) -> (String, String) {
    match subject {
        Subject::Source(name) => ("source".to_owned(), name.to_string()),
        Subject::Target(id) => ("target".to_owned(), id.to_string()),
        Subject::Change(id) => ("change".to_owned(), id.to_string()),
        Subject::Check(id) => ("check".to_owned(), id.to_string()),
    }
}

/// The app and the environment of a subject, as far as it has them.
pub(crate) fn app_and_environment(catalog: &Catalog, subject: &Subject) -> (Option<String>, Option<String>) {
    match subject {
        Subject::Source(name) => (catalog.sources.get(name).map(|source| source.app.to_string()), None),
        Subject::Target(id) => {
            let target = catalog.targets.get(id);
            (target.map(|target| target.saas_file.app.to_string()), target.map(|target| target.environment.to_string()))
        }
        Subject::Check(id) => {
            let source = source_of(id).and_then(|name| catalog.sources.get(&name));
            (source.map(|source| source.app.to_string()), None)
        }
        Subject::Change(_) => (None, None),
    }
}

/// What people type to name a subject.
pub(crate) fn typed(catalog: &Catalog, subject: &Subject) -> String {
    match subject {
        Subject::Source(name) => name.to_string(),
        Subject::Target(id) => target_title(catalog, id),
        Subject::Change(id) => id.to_string(),
        Subject::Check(id) => id.to_string(),
    }
}

/// What a run does, as a phrase: `the build of web at 5f8f0e1`.
pub(crate) fn work_phrase(catalog: &Catalog, work: &Work) -> String {
    match work {
        Work::Build { source, commit, .. } => format!("the build of {source} at {}", short(*commit)),
        Work::Deploy(deploy) if deploy.only_jobs => {
            format!("the test {} at {}", target_title(catalog, &deploy.target), short(deploy.commit))
        }
        Work::Deploy(deploy) => format!("the deploy of {} at {}", target_title(catalog, &deploy.target), short(deploy.commit)),
        Work::Delete { target } => format!("the deletion of {}", target_title(catalog, target)),
        Work::Check(work) => format!("the check of {} at {}", work.id, short(work.head)),
        Work::Change(change) => format!("the change “{}”", change.title),
    }
}

/// The kind of a run's work, as listings show it.
pub(crate) fn work_kind(work: &Work) -> &'static str {
    match work {
        Work::Build { .. } => "build",
        Work::Deploy(_) => "deploy",
        Work::Delete { .. } => "delete",
        Work::Change(_) => "change",
        Work::Check(_) => "check",
    }
}

/// So many of them.
pub(crate) fn count(number: u32, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// What is said of a pass that came after flaky tests failed.
const RETRIED: &str = "a retried pass, in the attempt before nothing failed but tests known to be flaky";

/// Whether a success came after an attempt in which nothing failed but tests known to be flaky.
pub(crate) fn is_retried_pass(spec: &RunSpec, outcome: Option<&Outcome>) -> bool {
    spec.is_retried() && matches!(outcome, Some(Outcome::Deployed { .. } | Outcome::Checked { .. }))
}

/// How a run ended, for people.
pub(crate) fn ended(spec: &RunSpec, outcome: &Outcome) -> String {
    let text = outcome_text(Some(&spec.work), outcome);
    if is_retried_pass(spec, Some(outcome)) { format!("{text}: {RETRIED}") } else { text }
}

/// What an outcome means, for people. `work` is what came to it, where known.
pub(crate) fn outcome_text(work: Option<&Work>, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Built { image, digest } => format!("built {image} ({})", &digest.to_string()[..19]),
        Outcome::Deployed { .. } if matches!(work, Some(Work::Deploy(deploy)) if deploy.only_jobs) => "passed".to_owned(),
        Outcome::Deployed { .. } => "healthy".to_owned(),
        Outcome::Deleted => "its objects are gone".to_owned(),
        Outcome::Merged { commit } => format!("merged as {}", short(*commit)),
        Outcome::Checked { reused: Some(run), .. } => format!("passed: the same tree passed in {run} by the same instructions"),
        Outcome::Checked { summary, .. } if summary.is_empty() => "passed".to_owned(),
        Outcome::Checked { summary, .. } => format!("passed: {summary}"),
        Outcome::Opened { url, waits, .. } => format!("open at {url}, waiting: {waits}"),
        Outcome::Failed { class, step, message, blame: Some(blame), .. } => {
            format!("failed in step {step} ({class}), by the fault of {}: {message}", blame.text())
        }
        Outcome::Failed { class, step, message, .. } => format!("failed in step {step} ({class}): {message}"),
        Outcome::Superseded { by } => format!("given up: {by}"),
        Outcome::Cancelled { by } => format!("cancelled by {by}"),
    }
}

/// An event of a run in a few words, for whoever looks at that run already; nothing for other events.
pub(crate) fn run_text(event: &Event, work: Option<&Work>) -> Option<String> {
    Some(match event {
        Event::RunQueued(spec) => format!("queued: {}", spec.why),
        Event::RunStarted { .. } => "taken up".to_owned(),
        Event::StepStarted { step, .. } => format!("{step} …"),
        Event::StepDone { step, .. } => format!("{step} done"),
        Event::RunFinished { outcome, .. } => outcome_text(work, outcome),
        Event::CancelRequested { by, why, .. } => format!("{by} asked to stop it: {why}"),
        Event::MemoryRaised { bytes, .. } => format!("it ran out of memory: the next one gets {} MiB", bytes.div_ceil(1 << 20)),
        _ => return None,
    })
}

/// An event in one line. `work` is the work of the run that the event belongs to, where it belongs to one.
pub(crate) fn event_text(catalog: &Catalog, event: &Event, work: Option<&Work>) -> String {
    let phrase = |run: &towpath_domain::RunId| work.map_or_else(|| format!("run {run}"), |work| work_phrase(catalog, work));
    match event {
        Event::ConfigSeen { commit, errors: 0 } => format!("the config repository is at {}", short(*commit)),
        Event::ConfigSeen { commit, errors } => format!("the config repository is at {}, with {}", short(*commit), count(*errors, "error")),
        Event::BranchSeen { url, branch, commits } => match commits.first() {
            Some(head) => format!("{branch} of {url} is at {} “{}” by {}", short(head.id), head.subject, head.author),
            None => format!("{branch} of {url} is empty"),
        },
        Event::BranchUnreachable { url, branch, error } => format!("{branch} of {url} cannot be looked at: {error}"),
        Event::Rendered(render) => {
            let title = target_title(catalog, &render.target);
            match &render.outcome {
                RenderOutcome::Rendered { objects, .. } => {
                    format!("{title} at {} comes to {}", short(render.commit), count(*objects, "object"))
                }
                RenderOutcome::Failed { message, .. } => format!("{title} at {} does not come to objects: {message}", short(render.commit)),
            }
        }
        Event::ImageLooked { image, error: Some(error), .. } => format!("the image {image} cannot be looked at: {error}"),
        Event::ImageLooked { image, digest: None, .. } => format!("the image {image} is not in its registry"),
        Event::ImageLooked { image, digest: Some(digest), signed, .. } => match signed.values().flatten().next() {
            Some(missing) => format!("the image {image} ({}) is not signed as required: {missing}", &digest.to_string()[..19]),
            None => format!("the image {image} is there ({})", &digest.to_string()[..19]),
        },
        Event::ImageAnnounced { image } => format!("the registry tells of {image}"),
        Event::SecretSeen { path, version } => format!("the secret {path} is at version {version}"),
        Event::MemoryRaised { .. } => {
            let what = work.map_or_else(|| "a run".to_owned(), |work| work_phrase(catalog, work));
            format!("{what}: {}", run_text(event, work).unwrap_or_default())
        }
        Event::RunQueued(spec) => format!("queued {}: {}", work_phrase(catalog, &spec.work), spec.why),
        Event::RunStarted { run } => format!("took up {}", phrase(run)),
        Event::StepStarted { run, .. } | Event::StepDone { run, .. } | Event::RunFinished { run, .. } => {
            format!("{}: {}", phrase(run), run_text(event, work).unwrap_or_default())
        }
        Event::ChangeSeen { spec, open } if open.ready => format!("the change “{}” ({}) may be merged", spec.title, open.url),
        Event::ChangeSeen { spec, open } => format!("the change “{}” ({}) waits: {}", spec.title, open.url, open.waits.join("; ")),
        Event::ChangeEnded { change, merged: Some(commit) } => {
            format!("the change {change} was merged by somebody else, as {}", short(*commit))
        }
        Event::ChangeEnded { change, merged: None } => format!("the change {change} was closed unmerged"),
        Event::RetryRequested { subject, by, why } => format!("{by} asked to retry {}: {why}", subject_title(catalog, subject)),
        Event::Acknowledged { subject, by, why } => format!("{by} sees to {}: {why}", subject_title(catalog, subject)),
        Event::CancelRequested { run, by, why } => format!("{by} asked to stop {}: {why}", phrase(run)),
        Event::Pool(event) => pool_text(event),
        Event::Check(event) => check_text(event),
    }
}

fn check_text(event: &CheckEvent) -> String {
    match event {
        CheckEvent::Seen { pull } => format!("pull request {} “{}” by {} is at {}", pull.id(), pull.title, pull.author, short(pull.head)),
        CheckEvent::Ended { check, merged: true } => format!("pull request {check} was merged"),
        CheckEvent::Ended { check, merged: false } => format!("pull request {check} was closed"),
        CheckEvent::Asked { check, ask: Ask { what, by, why, .. } } => {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            match what {
                Asked::Retest { tests } if tests.is_empty() => format!("{by} asked for a check of {check}{why}"),
                Asked::Retest { tests } => format!("{by} asked for {} of {check}{why}", tests.join(", ")),
                Asked::Nothing => format!("a comment of {by} on {check} was heard, and nothing was done"),
                Asked::Cancel => format!("{by} asked for no check of {check}{why}"),
                Asked::OkToTest { head } => format!("{by} said that {} of {check} may be tested{why}", short(*head)),
            }
        }
    }
}

fn pool_text(event: &PoolEvent) -> String {
    match event {
        PoolEvent::Named { name } => format!("this installation calls itself {name} before clusters"),
        PoolEvent::Wanted { namespace, pool, cluster, .. } => format!("the namespace {namespace} of {pool} is made on {cluster}"),
        PoolEvent::Waits { namespace, what } => format!("the namespace {namespace} waits: {what}"),
        PoolEvent::Ready { namespace } => format!("the namespace {namespace} is ready"),
        PoolEvent::Failed { namespace, why } => format!("the namespace {namespace} is not what it should be, and goes: {why}"),
        PoolEvent::Surplus { namespace, why } => format!("the namespace {namespace} goes: {why}"),
        PoolEvent::Gone { namespace } => format!("the namespace {namespace} is gone"),
        PoolEvent::StrayRemoved { namespace, cluster } => {
            format!("the namespace {namespace} was found on {cluster}, where nobody knew of it, and was removed")
        }
        PoolEvent::Requested(spec) => match &spec.holder {
            Holder::Person { name, lease } => format!("{name} asks for a namespace of {} for {lease}: {}", spec.pool, spec.purpose),
            Holder::Run { run, owner } => format!("a run of {owner}, {run}, asks for a namespace of {}", spec.pool),
        },
        PoolEvent::Assigned { namespace, reservation } => format!("the namespace {namespace} is set aside for {reservation}"),
        PoolEvent::Granted { namespace, reservation } | PoolEvent::Leased { namespace, reservation, .. } => {
            format!("{reservation} has the namespace {namespace}")
        }
        PoolEvent::Asked { reservation, cluster, says } if says.is_empty() => {
            format!("the operator of {cluster} is asked for {reservation}")
        }
        PoolEvent::Asked { reservation, cluster, says } => format!("the operator of {cluster} says of {reservation}: {says}"),
        PoolEvent::Extended { reservation, until, by } => format!("{by} gave {reservation} another end: {until}"),
        PoolEvent::Expires { reservation, until } => format!("{reservation} ends soon, at {until}"),
        PoolEvent::Ended { reservation, end } => format!("{reservation} is over: {}", pools::end_text(end)),
    }
}

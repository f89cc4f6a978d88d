//! Every word the planner says to people: what holds, what would lift it, what follows.
//!
//! Command line, pages and messages all take their sentences from here, so that they cannot differ.

use towpath_catalog::Catalog;
use towpath_domain::{CommitId, TargetId, Timestamp};

use crate::event::{Subject, Work};
use crate::ids::short;
use crate::verdict::{Action, Hold, State, Unvouched, Verdict};

/// The folder of the config repository in which `towpath hold` keeps its policies, one file each.
pub const HOLDS: &str = "data/towpath/holds";

/// The folder of the config repository in which rollbacks keep what they block, one file each.
pub const BLOCKS: &str = "data/towpath/blocks";

/// What people call things.
pub trait Names {
    /// A target's title; its id, when it is not known.
    fn target(&self, id: &TargetId) -> String;

    /// A subject.
    fn subject(&self, subject: &Subject) -> String {
        match subject {
            Subject::Source(name) => name.to_string(),
            Subject::Target(id) => self.target(id),
            Subject::Change(id) => id.to_string(),
            Subject::Check(id) => id.to_string(),
        }
    }
}

impl Names for Catalog {
    fn target(&self, id: &TargetId) -> String {
        self.targets.get(id).map_or_else(|| id.to_string(), |target| target.title())
    }
}

/// What holds, in a sentence without its full stop.
#[must_use]
pub fn hold_text(hold: &Hold, names: &impl Names) -> String {
    let called = |target: &TargetId, title: &str| if title.is_empty() { names.target(target) } else { title.to_owned() };
    match hold {
        Hold::NothingYet { .. } => "nothing was promoted to it yet".to_owned(),
        Hold::Disabled { place } => format!("the target is disabled in {place}"),
        Hold::Unsupported { features } => match is_unsupported(features) {
            true => format!("its saas file uses what Towpath cannot carry out: {}", without_rules(features)),
            false => format!("its configuration is not in order: {}", without_rules(features)),
        },
        Hold::Unreachable { url, branch, since, error } => format!("branch {branch} of {url} cannot be looked at since {since}: {error}"),
        Hold::NotSeen { url, branch: Some(branch) } => format!("branch {branch} of {url} has not been looked at yet"),
        Hold::NotSeen { url, branch: None } => format!("{url} has not been looked at yet"),
        Hold::NoBranch { url } => format!("nothing says in which order the commits of {url} come, so there are no candidates"),
        Hold::Unvouched { commit, channel, publisher, title, why } => {
            let publisher = publisher.as_ref().map(|id| called(id, title)).unwrap_or_default();
            format!("channel {channel} does not vouch for {}: {}", short(*commit), unvouched_text(why, &publisher))
        }
        Hold::Blocked { commit, reason, place } => format!("{} is blocked ({place}): {reason}", short(*commit)),
        Hold::TagMoved { commit, image, one, other } => {
            format!("the publishers of {} tested different bits of {image}: {one} and {other}", short(*commit))
        }
        Hold::Soaking { commit, days, until } => {
            format!("{} must stand well for {} and does so at {until}", short(*commit), days_text(*days))
        }
        Hold::OutsideSchedule { schedule, opens } => format!("the schedule `{schedule}` (UTC) is closed{}", opens_text(*opens)),
        Hold::Frozen { policy, why, by, until, .. } => {
            let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let until = until.map_or_else(|| ", without end".to_owned(), |until| format!(" until {until}"));
            format!("frozen{by}{until} ({policy}): {why}")
        }
        Hold::OutsideWindow { policy, opens, .. } => format!("the windows of policy {policy} are closed{}", opens_text(*opens)),
        Hold::NotAutomatic { candidate } => format!("{} could go, but promotion is not automatic here", short(*candidate)),
        Hold::Building { commit, run: Some(run) } => format!("the image of {} is being built by {run}", short(*commit)),
        Hold::Building { commit, run: None } => format!("the image of {} is not built yet", short(*commit)),
        Hold::BuildFailed { commit, run, class, message } => format!("the build {run} of {} failed, {class}: {message}", short(*commit)),
        Hold::RenderFailed { commit, message } => format!("the template at {} does not come to objects: {message}", short(*commit)),
        Hold::ImageMissing { image, error: Some(error), next, .. } => {
            format!("the image {image} cannot be looked at, next look at {next}: {error}")
        }
        Hold::ImageMissing { image, since, next, error: None } => {
            format!("the image {image} is not in its registry since {since}, next look at {next}")
        }
        Hold::Unsigned { image, digest, policy, what, next, .. } => {
            let at = if image.digest().is_some() { String::new() } else { format!(" ({digest})") };
            format!("the image {image}{at} is not signed as policy {policy} requires: {what}; next look at {next}")
        }
        Hold::InProgress { run, commit, started } => {
            let at = commit.map(|commit| format!(" of {}", short(commit))).unwrap_or_default();
            format!("{run}{at} is {}", if *started { "under way" } else { "queued" })
        }
        Hold::UnderTest { target, title, commit } => format!("{} is being tested by {}", short(*commit), called(target, title)),
        Hold::NotRunning { target, title, commit, runs } => {
            let runs = runs.map_or_else(|| "nothing".to_owned(), short);
            if runs == short(*commit) {
                return format!("{} is about to run something else than {}", called(target, title), short(*commit));
            }
            format!("{} was to be tested, but {} runs {runs}", short(*commit), called(target, title))
        }
        Hold::ChangeOpen { change, waits, .. } if waits.is_empty() => format!("the change {change} is under way"),
        Hold::ChangeOpen { change, url, waits } => {
            let place = url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
            format!("the change {change} is open{place} and waits: {}", waits.join("; "))
        }
        Hold::ChangeFailed { change, message } => format!("the change {change} did not pass: {message}"),
        Hold::Backoff { run, until, attempts, of, message } => {
            format!("{run} failed by the environment's fault (attempt {attempts} of {of}), next attempt at {until}: {message}")
        }
        Hold::Failed { run, class, attempts, message } => {
            let tried = if *attempts > 1 { format!(", after {attempts} attempts") } else { String::new() };
            format!("{run} failed{tried}, {class}: {message}")
        }
        Hold::Batching { commit, until, limit, policy, .. } => {
            format!("{} waits for others to join its change until {until}, or until there are {limit} (policy {policy})", short(*commit))
        }
        Hold::Queued { behind } => format!("{} goes first: each version has its turn here", short(*behind)),
        Hold::NoWayBack { bad, why } => format!("{} failed its tests, and Towpath does not roll back: {why}", short(*bad)),
    }
}

fn unvouched_text(why: &Unvouched, publisher: &str) -> String {
    match why {
        Unvouched::NoPublisher => "no target that is enabled publishes to it".to_owned(),
        Unvouched::FileBroken { path } => format!("its publisher {publisher} is missing while {path} is broken"),
        Unvouched::NotYet => format!("{publisher} has not deployed it yet"),
        Unvouched::Running { run } => format!("{publisher} is deploying it ({run})"),
        Unvouched::Failed { run, message } if message.is_empty() => format!("{publisher} failed with it ({run})"),
        Unvouched::Failed { run, message } => format!("{publisher} failed with it ({run}): {message}"),
    }
}

/// Whether all that the catalog holds a target for are features that are not carried out: nothing is broken then.
fn is_unsupported(rules: &[String]) -> bool {
    rules.iter().all(|rule| rule.starts_with("unsupported: "))
}

/// What the catalog says, without the names of its rules.
fn without_rules(rules: &[String]) -> String {
    let said: Vec<&str> = rules.iter().map(|rule| rule.split_once(": ").map_or(rule.as_str(), |(_, said)| said)).collect();
    said.join("; ")
}

/// What would lift the hold: a sentence without its full stop. `subject` is what people type to name what is held.
#[must_use]
pub fn lift_text(hold: &Hold, subject: &str) -> String {
    let retry = || format!("mend it, then `towpath retry '{subject}' --reason …`");
    match hold {
        Hold::NothingYet { .. } => "nothing to do: it goes with the first commit that its channels vouch for".to_owned(),
        Hold::Disabled { place } => format!("remove `disable: true` from the target at {place}"),
        Hold::Unsupported { features } if is_unsupported(features) => {
            "take these features out of the saas file, or deploy this target by other means".to_owned()
        }
        Hold::Unsupported { .. } => "mend it in the config repository: `towpath validate` there says where and how".to_owned(),
        Hold::Unreachable { .. } => "mend the access to the repository; it is looked at again by itself".to_owned(),
        Hold::NotSeen { .. } => "nothing to do: it is looked at within a poll".to_owned(),
        Hold::NoBranch { .. } => "add a `/towpath/source-1.yml` for the repository, or have a publisher follow a branch of it".to_owned(),
        Hold::Unvouched { channel, why, .. } => match why {
            Unvouched::NoPublisher => format!("enable a target that publishes to {channel}, or no longer subscribe to it"),
            Unvouched::FileBroken { path } => format!("mend {path}: `towpath validate` says what is wrong with it"),
            Unvouched::NotYet | Unvouched::Running { .. } => "nothing to do: it goes when the publisher has succeeded".to_owned(),
            Unvouched::Failed { run, .. } => {
                format!("see `towpath logs {run}`; mend and merge, retry the publisher, or add the commit to the app's `hotfixVersions`")
            }
        },
        Hold::Blocked { place, .. } if place.file.starts_with(BLOCKS) => {
            format!("`towpath release {} --reason …`, or go to another commit", place.file)
        }
        Hold::Blocked { place, .. } => format!("remove the block at {place}, or go to another commit"),
        Hold::TagMoved { image, .. } => format!("find out who pushed {image} twice, then build a new commit"),
        Hold::Soaking { .. } => "wait, or add the commit to the app's `hotfixVersions`".to_owned(),
        Hold::OutsideSchedule { .. } => "wait, change the target's `schedule`, or add the commit to the app's `hotfixVersions`".to_owned(),
        Hold::Frozen { policy, place, until, .. } => {
            let wait = if until.is_some() { "wait, or " } else { "" };
            // What a command wrote, a command takes away; what people wrote, they edit.
            if place.file.starts_with(HOLDS) {
                format!("{wait}`towpath release {policy} --reason …`")
            } else {
                format!("{wait}take the freeze out at {place}")
            }
        }
        Hold::OutsideWindow { place, .. } => {
            format!("wait, change the windows at {place}, or add the commit to the app's `hotfixVersions`")
        }
        Hold::NotAutomatic { candidate } => {
            format!("`towpath promote '{subject}' --to {} --reason …`, or set `auto: true`", short(*candidate))
        }
        Hold::Building { .. } => "nothing to do: it goes when the image is there".to_owned(),
        Hold::BuildFailed { run, .. } => format!("see `towpath logs {run}`; mend and merge, or `towpath retry {run} --reason …`"),
        Hold::RenderFailed { .. } => format!("mend the template or the parameters, or `towpath retry '{subject}' --reason …`"),
        Hold::ImageMissing { error: Some(_), .. } => {
            "mend the access to the registry: `towpath doctor` says more; it is looked at again by itself".to_owned()
        }
        Hold::ImageMissing { .. } => {
            "push the image, or mend its name in the template or the parameters; it is looked for again by itself".to_owned()
        }
        Hold::Unsigned { place, .. } => {
            format!("sign the image as {place} asks (`cosign sign`, `cosign attest`); it is looked at again by itself")
        }
        Hold::InProgress { run, .. } => {
            format!("nothing to do; `towpath logs {run}` follows it, `towpath cancel {run} --reason …` stops it")
        }
        Hold::UnderTest { .. } => "nothing to do: it goes when the test has spoken".to_owned(),
        Hold::NotRunning { .. } => "nothing to do: the test goes on with what runs then".to_owned(),
        Hold::ChangeOpen { change, url: Some(url), waits } if !waits.is_empty() => format!("do there what it waits for: {url} ({change})"),
        Hold::ChangeOpen { change, .. } => format!("nothing to do: it goes when {change} is merged and read"),
        Hold::ChangeFailed { change, .. } => format!("mend what it says, then `towpath retry {change} --reason …`"),
        Hold::Backoff { .. } => format!("nothing to do, or at once: `towpath retry '{subject}' --reason …`"),
        Hold::Failed { run, .. } => format!("see `towpath logs {run}`; {}", retry()),
        Hold::Batching { commit, .. } => format!("wait, or `towpath promote '{subject}' --to {} --reason …`", short(*commit)),
        Hold::Queued { .. } => "nothing to do: it has its turn".to_owned(),
        Hold::NoWayBack { .. } => "set the target's `ref` to a good commit, or merge a fix".to_owned(),
    }
}

/// What follows, in a sentence without its full stop.
#[must_use]
pub fn verdict_text(verdict: &Verdict, names: &impl Names) -> String {
    let at = |commit: Option<CommitId>| commit.map(|commit| format!(" at {}", short(commit))).unwrap_or_default();
    match &verdict.state {
        State::UpToDate => format!("up to date{}", at(verdict.wanted)),
        State::Act { action } => action_text(action, names),
        State::Held { holds } => {
            let holds: Vec<String> = holds.iter().map(|hold| hold_text(hold, names)).collect();
            let wanted = verdict.wanted.map(|commit| format!(" on the way to {}", short(commit))).unwrap_or_default();
            format!("held{wanted}: {}", holds.join("; "))
        }
    }
}

/// What is to be done, in a sentence without its full stop.
#[must_use]
pub fn action_text(action: &Action, names: &impl Names) -> String {
    match action {
        Action::Render { target, commit } => format!("render {} at {}", names.target(target), short(*commit)),
        Action::LookAtImage { target, image, .. } => format!("look at {image} for {}", names.target(target)),
        Action::Promote { target, to, .. } => format!("promote {} to {}", names.target(target), short(*to)),
        Action::Supersede { run, by } => format!("take {run} out of the queue: {by} takes its place"),
        Action::Run { spec } => {
            let work = match &spec.work {
                Work::Build { source, commit, .. } => format!("build {source} at {}", short(*commit)),
                Work::Deploy(work) if work.only_jobs => format!("test with {} at {}", names.target(&work.target), short(work.commit)),
                Work::Deploy(work) => format!("deploy {} at {}", names.target(&work.target), short(work.commit)),
                Work::Delete { target } => format!("delete {}", names.target(target)),
                Work::Check(work) => format!("check {} at {}", work.id, short(work.head)),
                Work::Change(change) => format!("carry out the change {}: {}", change.id, change.title),
            };
            let attempt = if spec.attempt > 1 { format!(" (attempt {})", spec.attempt) } else { String::new() };
            format!("{work}{attempt}, since {}", spec.why)
        }
    }
}

fn days_text(days: u32) -> String {
    if days == 1 { "a day".to_owned() } else { format!("{days} days") }
}

fn opens_text(opens: Option<Timestamp>) -> String {
    opens.map_or_else(|| ", with no end in sight".to_owned(), |opens| format!(" until {opens}"))
}

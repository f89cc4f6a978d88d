//! `--wait`: staying until what was asked for is done.

use std::time::{Duration, Instant};

use towpath_control::view::{Accepted, StatusView, TargetView};
use towpath_domain::{Span, TargetId};

use crate::client::Client;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Out;
use crate::output::progress::Progress;

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Holds that end by themselves and soon, by the names that [`towpath_engine::Hold`] has in JSON: whoever waits goes on waiting.
const PASSING: &[&str] = &["building", "in-progress", "under-test", "change-open", "backoff", "queued", "not-seen"];

/// What is waited for.
pub(super) struct Awaited<'a> {
    /// What the server said it would do.
    pub(super) accepted: &'a Accepted,
    /// The target that is to move, as it was before.
    pub(super) target: Option<TargetView>,
    /// The commit that it is to move to, in full or its beginning.
    pub(super) to: Option<&'a str>,
}

/// How it stands.
#[derive(Debug, PartialEq, Eq)]
enum Stand {
    /// Not done yet; what is going on.
    Going(String),
    /// Done.
    Done,
    /// It will not be done by itself.
    Ended(Failure),
}

/// The one target that people call `name`.
///
/// # Errors
/// When there is none, or several.
pub(super) async fn target_now(client: &Client, name: &str) -> Result<TargetView, Failure> {
    let status = client.status().await?;
    let exact = status.targets.iter().find(|target| target.title == name || target.id.as_str() == name);
    if let Some(target) = exact {
        return Ok(target.clone());
    }
    let mut parts = status.targets.iter().filter(|target| towpath_control::is_part(&target.title, name));
    match (parts.next(), parts.next()) {
        (Some(target), None) => Ok(target.clone()),
        (None, _) => Err(Failure::new(Exit::Held, format!("no target is called {name:?}")).help("`towpath status` lists the targets")),
        (Some(one), Some(other)) => {
            let message = format!("{name:?} could be {} or {}", one.title, other.title);
            Err(Failure::new(Exit::Held, message).help("write more of the title"))
        }
    }
}

/// Waits until it is done, failed, held for good, or `timeout` is over.
///
/// # Errors
/// When it did not come to a good end, with the reason.
pub(super) async fn until_done(client: &Client, out: &Out, awaited: &Awaited<'_>, timeout: Span) -> Result<Exit, Failure> {
    let deadline = Instant::now() + timeout.to_std();
    let mut progress = Progress::new(out);
    loop {
        match look(client, awaited).await? {
            Stand::Done => return Ok(Exit::Ok),
            Stand::Ended(failure) => return Err(failure),
            Stand::Going(what) if Instant::now() >= deadline => {
                let message = format!("not done within {timeout}: {what}");
                return Err(Failure::new(Exit::Failed, message).help("it goes on without you; `towpath status` shows how far it is"));
            }
            Stand::Going(what) => progress.say(&what),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look(client: &Client, awaited: &Awaited<'_>) -> Result<Stand, Failure> {
    if let Some(id) = &awaited.accepted.run {
        let run = client.run(id.as_str()).await?;
        match run.state.as_str() {
            "queued" | "running" => return Ok(Stand::Going(format!("{}: {} is {}", run.subject, run.kind, run.state))),
            "succeeded" => {}
            state => {
                let why = run.message.unwrap_or(run.why);
                let help = format!("`towpath logs {id}` shows what it printed");
                return Ok(Stand::Ended(Failure::new(Exit::Failed, format!("run {id} {state}: {why}")).help(help)));
            }
        }
    }
    if awaited.accepted.change.is_none() && awaited.target.is_none() {
        return Ok(Stand::Done);
    }
    Ok(judge(&client.status().await?, awaited))
}

/// What the status says of a change and the target it moves.
fn judge(status: &StatusView, awaited: &Awaited<'_>) -> Stand {
    let change = awaited.accepted.change.as_ref().and_then(|id| status.changes.iter().find(|change| change.id == *id));
    match change {
        Some(change) if change.state == "failed" => {
            let why = change.verdict.as_ref().map_or("", |verdict| verdict.summary.as_str());
            return ended(Exit::Failed, format!("the change failed: {}: {why}", change.title));
        }
        Some(change) if change.state == "open" => return Stand::Going(change.title.clone()),
        Some(change) if change.state == "merged" => {
            return Stand::Going(format!("{}: waiting for the config repository to be read", change.title));
        }
        // Merged and read: it is no longer shown.
        _ => {}
    }
    let Some(before) = &awaited.target else { return Stand::Done };
    let Some(now) = find(status, &before.id) else {
        return ended(Exit::Held, format!("{} is no longer in the config repository", before.title));
    };
    // Until the merged change is read, the target looks as it did before. One that follows a branch keeps its ref; what it runs changes.
    let follows = !is_commit(&before.git_ref);
    let runs = |target: &TargetView| target.current.as_ref().map(|deployed| deployed.commit.id);
    let reached = match awaited.to {
        _ if follows => now.verdict.state != "up-to-date" || runs(now) != runs(before),
        Some(to) => now.git_ref.starts_with(to),
        None => now.git_ref != before.git_ref,
    };
    if awaited.accepted.change.is_some() && !reached {
        return Stand::Going(format!("{}: waiting for the config repository to be read", now.title));
    }
    match now.verdict.state.as_str() {
        "up-to-date" => Stand::Done,
        "held" => match now.verdict.holds.iter().find(|hold| !PASSING.contains(&hold.reason.as_str())) {
            Some(hold) if hold.reason.contains("failed") => ended(Exit::Failed, format!("{}: {}", now.title, hold.text)),
            Some(hold) => ended(Exit::Held, format!("{} is held: {}", now.title, hold.text)),
            None => Stand::Going(format!("{}: {}", now.title, now.verdict.summary)),
        },
        _ => Stand::Going(format!("{}: {}", now.title, now.verdict.summary)),
    }
}

fn ended(exit: Exit, why: String) -> Stand {
    Stand::Ended(Failure::new(exit, why).help("`towpath status` shows what is where and what holds it"))
}

fn is_commit(git_ref: &str) -> bool {
    git_ref.len() == 40 && git_ref.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn find<'a>(status: &'a StatusView, id: &TargetId) -> Option<&'a TargetView> {
    status.targets.iter().find(|target| target.id == *id)
}

#[cfg(test)]
#[path = "wait_tests.rs"]
mod tests;

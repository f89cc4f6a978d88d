//! `/health`: what is well and what is not, and what the loop is doing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use tokio::sync::watch;
use tokio::time::Instant;
use towpath_control::view::{Finding, Problem, PulseView};
use towpath_control::{Scope, Sight, Verb};

use super::wording::counted;
use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::brain::Brain;
use crate::caller::Caller;
use crate::draw::scale::duration;
use crate::problem::Refusal;

/// How old what was found may be. Looking asks clusters, registries and the forge, and pages are opened often.
const FRESH: Duration = Duration::from_secs(30);
/// How long a page waits for the first look.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The last look at clusters, registries and the rest. All pages share it, and one look is under way at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lookout(Arc<Mutex<Looked>>);

#[derive(Debug, Default)]
struct Looked {
    last: Option<(Instant, Result<Vec<Finding>, Problem>)>,
    under_way: Option<watch::Receiver<()>>,
}

/// What was found, and how long ago; nothing before the first look has ended.
type Found = Option<(Duration, Result<Vec<Finding>, Problem>)>;

impl Lookout {
    /// What was found last. When that is old, a look is begun; it is waited for only by those who would have nothing to show.
    async fn found(&self, brain: &Arc<dyn Brain>) -> Found {
        let ends = {
            let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = looked.last.as_ref().is_some_and(|(at, _)| at.elapsed() < FRESH);
            // A look that was cut short has dropped its end.
            let under_way = looked.under_way.clone().filter(|ends| ends.has_changed().is_ok());
            match under_way {
                _ if fresh => None,
                Some(ends) => Some(ends),
                None => {
                    let (end, ends) = watch::channel(());
                    looked.under_way = Some(ends.clone());
                    let (shared, brain) = (Arc::clone(&self.0), Arc::clone(brain));
                    tokio::spawn(async move {
                        let found = brain.doctor().await;
                        shared.lock().unwrap_or_else(PoisonError::into_inner).last = Some((Instant::now(), found));
                        drop(end);
                    });
                    Some(ends)
                }
            }
        };
        if let (Some(mut ends), None) = (ends, self.last()) {
            // It changes by ending only; whether it did is looked up below.
            let _ = tokio::time::timeout(PATIENCE, ends.changed()).await;
        }
        self.last()
    }

    fn last(&self) -> Found {
        let looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looked.last.as_ref().map(|(at, found)| (at.elapsed(), found.clone()))
    }
}

/// A number, and what it says.
struct Figure {
    name: &'static str,
    value: String,
    detail: String,
}

/// Findings of one kind.
struct Group {
    name: &'static str,
    findings: Vec<Finding>,
}

/// Names with their counts.
struct List {
    name: &'static str,
    none: &'static str,
    rows: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "health.html")]
struct HealthPage<'a> {
    frame: &'a Frame,
    summary: String,
    figures: Vec<Figure>,
    looked: Option<String>,
    may_look: bool,
    failed: Option<Problem>,
    groups: Vec<Group>,
    lists: [List; 3],
}

/// The page. It is about the installation as a whole, so it is for those who may see all of it; what was found, for those who look after it.
pub(super) async fn page(
    State(shared): State<Shared>,
    Extension(lookout): Extension<Lookout>,
    caller: Caller,
    frame: Frame,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Health, "Health").known_to(&shared).await;
    let failed = |problem: Refusal| Failed::new(frame.clone(), problem);
    let may_look = caller.grants.may(Verb::Administer, &Scope::INSTALLATION);
    if !may_look && caller.sight() != Sight::Everything {
        // Counts over what they may not see would tell of it.
        caller.check(Verb::Administer, &[Scope::INSTALLATION]).map_err(&failed)?;
    }
    let pulse = shared.brain.pulse().await.map_err(|problem| failed(problem.into()))?;
    let found = if may_look { lookout.found(&shared.brain).await } else { None };
    let looked = found.as_ref().map(|(age, _)| match age.as_secs() {
        0..2 => "just now".to_owned(),
        seconds => format!("{seconds} s ago"),
    });
    let (findings, failed) = match found {
        None => (Vec::new(), None),
        Some((_, Ok(findings))) => (findings, None),
        Some((_, Err(problem))) => (Vec::new(), Some(problem)),
    };
    Ok(show(&HealthPage {
        frame: &frame,
        summary: if may_look { summary(&findings, looked.is_some() && failed.is_none()) } else { "What Towpath is doing.".to_owned() },
        figures: figures(&pulse),
        looked,
        may_look,
        failed,
        groups: groups(findings),
        lists: lists(&pulse),
    }))
}

fn summary(findings: &[Finding], known: bool) -> String {
    let of = |level: &str| findings.iter().filter(|finding| finding.level == level).count() as u64;
    match (known, of("error"), of("warning")) {
        (false, ..) => "What is well is being looked at.".to_owned(),
        (_, 0, 0) => "All is well.".to_owned(),
        (_, 0, warnings) => format!("It works, with {}.", counted(warnings, "warning", "warnings")),
        (_, errors, 0) => format!("{}.", counted(errors, "part does not work", "parts do not work")),
        (_, errors, warnings) => {
            format!(
                "{}, and there are {}.",
                counted(errors, "part does not work", "parts do not work"),
                counted(warnings, "warning", "warnings")
            )
        }
    }
}

/// Findings by what they are about; what does not work comes first.
fn groups(mut findings: Vec<Finding>) -> Vec<Group> {
    const NAMES: [&str; 6] = ["Not well", "Clusters", "Registries", "Forge", "Config repository and Git", "This machine and the rest"];
    let group = |finding: &Finding| match finding.what.as_str() {
        _ if finding.level != "ok" => 0,
        what if what.starts_with("cluster") => 1,
        what if what.starts_with("registr") => 2,
        what if what.starts_with("forge") => 3,
        what if what == "git" || what.starts_with("config") || what.starts_with("repositor") => 4,
        _ => 5,
    };
    findings.sort_by_key(|finding| (finding.level != "error", finding.what.clone()));
    let mut groups: Vec<Group> = NAMES.into_iter().map(|name| Group { name, findings: Vec::new() }).collect();
    for finding in findings {
        groups[group(&finding)].findings.push(finding);
    }
    groups.retain(|group| !group.findings.is_empty());
    groups
}

fn figures(pulse: &PulseView) -> Vec<Figure> {
    let sum = |pairs: &[(String, u64)]| pairs.iter().map(|(_, count)| count).sum::<u64>();
    let by_kind = |pairs: &[(String, u64)], none: &str| match pairs {
        [] => none.to_owned(),
        pairs => pairs.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", "),
    };
    let (waiting, oldest): (u64, u64) = pulse.outbox.iter().fold((0, 0), |(all, oldest), (_, count, age)| (all + count, oldest.max(*age)));
    let given_up = sum(&pulse.dead_letters);
    let (unseen, seen) = pulse.incidents;
    vec![
        Figure { name: "Queued runs", value: sum(&pulse.queued).to_string(), detail: by_kind(&pulse.queued, "nothing waits for a worker") },
        Figure { name: "Runs under way", value: sum(&pulse.running).to_string(), detail: by_kind(&pulse.running, "all workers rest") },
        Figure {
            name: "Open incidents",
            value: (unseen + seen).to_string(),
            detail: match (unseen, seen) {
                (0, 0) => "nothing is broken".to_owned(),
                (0, _) => "somebody sees to all of them".to_owned(),
                (unseen, _) => format!("nobody sees to {unseen} of them"),
            },
        },
        Figure {
            name: "Messages to be told",
            value: waiting.to_string(),
            detail: match (waiting, given_up) {
                (0, 0) => "all are told".to_owned(),
                (_, 0) => format!("the oldest waits for {}", duration(oldest)),
                (_, given_up) => format!("{} given up", counted(given_up, "was", "were")),
            },
        },
        Figure {
            name: "Errors in config files",
            value: pulse.config_errors.to_string(),
            detail: if pulse.config_unreachable_since.is_some() {
                "the config repository cannot be read".to_owned()
            } else {
                "as last read".to_owned()
            },
        },
    ]
}

fn lists(pulse: &PulseView) -> [List; 3] {
    let pairs = |pairs: &[(String, u64)]| pairs.iter().map(|(name, count)| (name.replace('-', " "), count.to_string())).collect();
    let finished = pulse.finished.iter().map(|(kind, outcome, count)| (format!("{kind} {outcome}"), count.to_string())).collect();
    [
        List { name: "Targets", none: "The config repository names no targets.", rows: pairs(&pulse.targets) },
        List { name: "What holds targets", none: "Nothing is held.", rows: pairs(&pulse.holds) },
        List { name: "Runs since the ledger began", none: "No run has ended yet.", rows: finished },
    ]
}

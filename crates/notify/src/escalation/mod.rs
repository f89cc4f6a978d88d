//! An incident that nobody sees to climbs, rung by rung, to those who are called next, until somebody does or it is mended.
//!
//! What is open is looked at anew each time (law 2); what was told of it stands in the ledger, under names that derive from what failed.

mod climb;
mod opsgenie;
mod pagerduty;
mod people;

use serde::{Deserialize, Serialize};
use towpath_domain::{Span, Timestamp};
use towpath_engine::Subject;

pub use climb::{Climber, SINK, climb};
pub use opsgenie::Opsgenie;
pub use pagerduty::PagerDuty;
pub use people::{MailTo, UserGroup};

use crate::message::Link;
use crate::sink::Telling;

/// A failure that people must see: nothing goes on by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// What failed.
    pub subject: Subject,
    /// The run that failed when it was first seen.
    pub run: String,
    /// One line.
    pub title: String,
    /// What went wrong, secrets masked.
    pub detail: String,
    /// The app, where known.
    pub app: Option<String>,
    /// The environment, where known.
    pub environment: Option<String>,
    /// Where to go from here.
    pub links: Vec<Link>,
}

impl Incident {
    /// The same for this incident, however often it is told; another for the next one of the same subject.
    #[must_use]
    pub fn key(&self) -> String {
        use sha2::{Digest as _, Sha256};
        let named = format!("{} {}", towpath_ledger::subject_key(&self.subject), self.run);
        let hash: String = Sha256::digest(named.as_bytes()).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        format!("towpath-{hash}")
    }
}

/// What is told of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Somebody is to see to it.
    Trigger,
    /// A person sees to it.
    Acknowledge {
        /// Who.
        by: String,
    },
    /// It is mended.
    Resolve,
}

/// Those who are called at one rung.
pub trait Pager: Send + Sync {
    /// Tells them. The same told twice must be harmless.
    ///
    /// # Errors
    /// As [`crate::Sink::deliver`].
    fn page<'a>(&'a self, action: &'a Action, incident: &'a Incident, at: Timestamp) -> Telling<'a>;
}

/// How far an incident has climbed, as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// What it is.
    pub incident: Incident,
    /// Since when it is open.
    pub opened: Timestamp,
    /// The names of the rungs that were told, in order.
    pub told: Vec<String>,
    /// Who sees to it.
    pub acknowledged: Option<String>,
    /// The rungs that heard so.
    pub heard: Vec<String>,
    /// It is mended.
    pub ended: bool,
    /// Failed attempts at what is to be told next.
    pub failed: u32,
    /// When the next attempt is due.
    pub not_before: Timestamp,
}

/// What is to be done about an incident now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This rung is told.
    Tell {
        /// Its name.
        rung: String,
        /// What.
        action: Action,
    },
    /// Nothing, until then.
    Wait(Timestamp),
    /// Nothing, until something else happens.
    Rest,
    /// It is over and everybody knows.
    Forget,
}

/// Who is told what next, and when: the rungs in order, one each `step`, the first at once. Whoever was called is told that somebody sees
/// to it, and that it is mended; whoever was not, hears of neither. Pure.
#[must_use]
pub fn next(standing: &Standing, rungs: &[String], step: Span, under_way: bool, now: Timestamp) -> Next {
    let due = |at: Timestamp, next: Next| {
        let at = at.max(standing.not_before);
        if now >= at { next } else { Next::Wait(at) }
    };
    // `told` shrinks as it is said that it is mended.
    if standing.ended {
        return match standing.told.first() {
            Some(rung) => due(standing.opened, Next::Tell { rung: rung.clone(), action: Action::Resolve }),
            None => Next::Forget,
        };
    }
    if let Some(by) = &standing.acknowledged {
        return match standing.told.iter().find(|rung| !standing.heard.contains(rung)) {
            Some(rung) => due(standing.opened, Next::Tell { rung: rung.clone(), action: Action::Acknowledge { by: by.clone() } }),
            None => Next::Rest,
        };
    }
    // It is being tried again: whoever would be called may be called in vain.
    if under_way {
        return Next::Rest;
    }
    match rungs.iter().find(|rung| !standing.told.contains(rung)) {
        Some(rung) => {
            let waited = u64::try_from(standing.told.len()).unwrap_or(u64::MAX);
            let at = standing.opened.plus(Span::from_millis(step.as_millis().saturating_mul(waited)));
            due(at, Next::Tell { rung: rung.clone(), action: Action::Trigger })
        }
        None => Next::Rest,
    }
}

#[cfg(test)]
mod tests;

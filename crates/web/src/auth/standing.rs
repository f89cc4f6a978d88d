//! What somebody may do now, by the config repository's word.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use towpath_catalog::{Access, Catalog};
use towpath_control::{Grants, Verb};
use towpath_domain::Timestamp;
use towpath_ledger::Identity;

use super::keeper::Keeper;
use super::settings::Everybody;

/// How long an answer is kept while the catalog stays the same: roles expire by time, too.
const KEPT: Duration = Duration::from_secs(5);

/// How many answers are kept.
const KEPT_MAX: usize = 4096;

/// What the organisation calls somebody, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) name: Arc<str>,
    pub(crate) grants: Grants,
}

impl Standing {
    /// As the catalog has it at `now`.
    pub(crate) fn of(access: &Access, identity: &Identity, everybody: Everybody, now: Timestamp) -> Self {
        let person = access.signed_in(&identity.subject, &identity.username);
        let (name, own) = match person {
            Some(person) => (Arc::clone(&person.org_username), Grants::of(access, person, now)),
            None => (stranger(access, identity), Grants::default()),
        };
        let mut all = Grants::default();
        if everybody == Everybody::Look {
            all.allow(Verb::Look, None, None);
        }
        Self { name, grants: own.and(all) }
    }
}

/// What somebody is called whom no file means: never as somebody whom one does.
fn stranger(access: &Access, identity: &Identity) -> Arc<str> {
    let Identity { subject, username, .. } = identity;
    let is_taken = access.people.values().any(|person| *person.org_username == **username);
    let name = if is_taken { format!("{username} ({subject})") } else { username.clone() };
    name.chars().filter(|c| !c.is_control()).take(200).collect::<String>().into()
}

/// Answers that are kept while their catalog counts.
#[derive(Default)]
pub(crate) struct Standings(Mutex<Answers>);

#[derive(Default)]
struct Answers {
    catalog: Option<Arc<Catalog>>,
    known: HashMap<Identity, (Instant, Timestamp, Standing)>,
}

impl Standings {
    /// As the catalog has it now.
    pub(crate) fn of(&self, keeper: &dyn Keeper, identity: &Identity, everybody: Everybody) -> Standing {
        let (catalog, now) = (keeper.catalog(), keeper.now());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.catalog.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &catalog)) || kept.known.len() >= KEPT_MAX {
            kept.known.clear();
            kept.catalog = Some(Arc::clone(&catalog));
        }
        // Both clocks must agree that it is new: the machine's may be set.
        let is_new = |at: &Instant, when: &Timestamp| {
            at.elapsed() < KEPT && now >= *when && u128::from(now.since(*when).as_millis()) < KEPT.as_millis()
        };
        if let Some((_, _, standing)) = kept.known.get(identity).filter(|(at, when, _)| is_new(at, when)) {
            return standing.clone();
        }
        let standing = Standing::of(&catalog.access, identity, everybody, now);
        kept.known.insert(identity.clone(), (Instant::now(), now, standing.clone()));
        standing
    }
}

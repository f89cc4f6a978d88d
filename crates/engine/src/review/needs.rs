//! Which approvals a change needs, and which of them are missing.

use std::collections::{BTreeMap, BTreeSet};

use towpath_catalog::{Account, Catalog};

use super::bench::{Bench, Roles};
use super::input::{Kind, UnderReview};
use super::standing::Standing;
use super::verdict::{Need, ReviewHold};
use crate::event::ChangeKind;

/// What a change needs of people.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Approval of each file, and what policies ask for.
    All,
    /// What those policies ask for that let no promotion pass without.
    Policies,
    /// Nothing.
    Nothing,
}

/// What is asked for a change of this kind. Whether promotions merge by themselves is read from the branch: from the targets as they are there.
pub(super) fn asks(catalog: &Catalog, change: &UnderReview) -> Asks {
    let strangers = change.authors.iter().any(|author| *author != change.own);
    let automatic = || {
        let auto = |target: &towpath_catalog::Target| catalog.targets.get(&target.id).is_some_and(|known| known.promotion.auto);
        !change.targets.is_empty() && change.targets.iter().all(|target| auto(target))
    };
    match change.kind {
        Kind::Own(ChangeKind::Rollback | ChangeKind::Hold) if !strangers => Asks::Nothing,
        Kind::Own(ChangeKind::Promotion) if !strangers && automatic() => Asks::Policies,
        Kind::Own(_) | Kind::Person => Asks::All,
    }
}

/// What is missing, and whether anything was asked for.
pub(super) fn missing(asks: Asks, bench: &Bench<'_>, change: &UnderReview, standing: &Standing) -> (Vec<ReviewHold>, bool) {
    if asks == Asks::Nothing {
        return (Vec::new(), false);
    }
    let mut needs = Needs { bench, standing, asked: asks == Asks::All, holds: Vec::new(), stale: BTreeSet::new() };
    if asks == Asks::All {
        needs.files(change);
    }
    for policy in &bench.policies {
        if let Some(error) = &policy.broken {
            let (policy, error) = ((&policy.name, &policy.place), error.to_string());
            needs.holds.push(ReviewHold::PolicyBroken { policy: policy.0.to_string(), error, place: policy.1.clone() });
        }
        let Some(approvals) = policy.approvals.as_ref().filter(|approvals| asks == Asks::All || approvals.promotions) else { continue };
        let selected = change.targets.iter().filter(|target| policy.select.selects(target)).map(|target| target.title());
        let targets: BTreeSet<_> = selected.collect();
        let need = Need::Policy { policy: policy.name.to_string(), targets: targets.into_iter().collect(), place: approvals.place.clone() };
        needs.asked = true;
        needs.check(need, &approvals.roles.iter().cloned().collect(), approvals.count);
    }
    let Needs { mut holds, stale, asked, .. } = needs;
    if !stale.is_empty() {
        holds.push(ReviewHold::Stale { by: stale.iter().map(ToString::to_string).collect() });
    }
    (holds, asked)
}

struct Needs<'a> {
    bench: &'a Bench<'a>,
    standing: &'a Standing,
    asked: bool,
    holds: Vec<ReviewHold>,
    /// Whose approvals would count, were they not for an older commit.
    stale: BTreeSet<Account>,
}

impl Needs<'_> {
    fn files(&mut self, change: &UnderReview) {
        if change.touched.is_empty() {
            self.holds.push(ReviewHold::TouchesNothing);
        }
        let mut groups: BTreeMap<Roles, BTreeSet<&str>> = BTreeMap::new();
        let mut decides = false;
        for touched in &change.touched {
            let roles = self.bench.covering(&touched.path, touched.decides);
            decides |= roles.is_empty() && touched.decides;
            groups.entry(roles).or_default().insert(&touched.path);
        }
        for (roles, files) in groups {
            let files: Vec<String> = files.into_iter().map(ToOwned::to_owned).collect();
            if roles.is_empty() {
                self.holds.push(ReviewHold::NoApprover { files, decides });
            } else {
                self.check(Need::Files { files }, &roles, 1);
            }
        }
    }

    /// Each account is a person of its own, so that counting accounts counts people.
    fn check(&mut self, need: Need, roles: &Roles, count: u32) {
        let mut counted: BTreeSet<&Account> = BTreeSet::new();
        let mut stale = BTreeSet::new();
        for (account, approval) in &self.standing.approvals {
            if approval.roles.is_disjoint(roles) {
                continue;
            }
            if approval.fresh {
                counted.insert(account);
            } else {
                stale.insert(account.clone());
            }
        }
        let have = u32::try_from(counted.len()).unwrap_or(u32::MAX);
        if have < count {
            let could = self.bench.could(roles);
            let could = could.iter().filter(|account| !counted.contains(account)).map(ToString::to_string).collect();
            self.holds.push(ReviewHold::Missing { need, have, count, roles: self.bench.names(roles), could });
            self.stale.append(&mut stale);
        }
    }
}

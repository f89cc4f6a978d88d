//! Who has a say in a change: its authors, and the people whose roles matter to what it touches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use towpath_catalog::{Access, Account, Catalog, ForgeKind, Policy, Role};
use towpath_domain::Timestamp;

use super::input::UnderReview;

/// Paths of files of roles.
pub(super) type Roles = BTreeSet<Arc<str>>;

/// Who has a say.
pub(super) struct Bench<'a> {
    access: &'a Access,
    change: &'a UnderReview,
    /// Roles that are in force and cover a touched file, or are named by a policy for a touched target.
    relevant: BTreeMap<&'a Arc<str>, &'a Role>,
    /// Policies for touched targets, in the order of their names.
    pub(super) policies: Vec<&'a Arc<Policy>>,
    /// When the next of those roles ends.
    pub(super) valid_until: Option<Timestamp>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(catalog: &'a Catalog, now: Timestamp, change: &'a UnderReview) -> Self {
        let selects = |policy: &&Arc<Policy>| change.targets.iter().any(|target| policy.select.selects(target));
        let policies: Vec<_> = catalog.policies.iter().filter(selects).collect();
        let named: BTreeSet<&Arc<str>> =
            policies.iter().filter_map(|policy| policy.approvals.as_ref()).flat_map(|asks| &asks.roles).collect();
        let access = &catalog.access;
        let matters =
            |path: &Arc<str>, role: &Role| named.contains(path) || change.touched.iter().any(|touched| role.approves.covers(&touched.path));
        let in_force = |role: &Role| role.expires.is_none_or(|end| now < end);
        let relevant: BTreeMap<_, _> =
            access.roles.iter().filter(|(path, role)| in_force(role) && matters(path, role)).map(|(path, role)| (path, &**role)).collect();
        let valid_until = relevant.values().filter_map(|role| role.expires).min();
        Self { access, change, relevant, policies, valid_until }
    }

    fn forge(&self) -> ForgeKind {
        self.change.forge
    }

    /// The roles of `account` that matter here. None of them for Towpath itself, whoever's account it is.
    pub(super) fn roles_of(&self, account: &Account) -> Roles {
        if *account == self.change.own {
            return Roles::new();
        }
        let person = self.access.person(self.forge(), account);
        person.iter().flat_map(|person| &person.roles).filter(|role| self.relevant.contains_key(role)).cloned().collect()
    }

    /// Whether `account` wrote the change, or asked for it.
    pub(super) fn is_author(&self, account: &Account) -> bool {
        *account != self.change.own && (self.change.authors.contains(account) || self.change.asked_by.as_ref() == Some(account))
    }

    /// The roles in force that cover a file.
    pub(super) fn covering(&self, path: &str, decides: bool) -> Roles {
        let covers = |role: &Role| if decides { role.approves.all } else { role.approves.covers(path) };
        self.relevant.iter().filter(|(_, role)| covers(role)).map(|(path, _)| Arc::clone(path)).collect()
    }

    /// Logins of all who could give an approval for one of `roles`.
    pub(super) fn could(&self, roles: &Roles) -> BTreeSet<Account> {
        let members = roles.iter().filter_map(|role| self.relevant.get(role)).flat_map(|role| &role.members);
        let people = members.filter_map(|member| self.access.people.get(member));
        let accounts = people.filter_map(|person| person.accounts.get(&self.forge()));
        accounts.filter(|account| !self.is_author(account) && !self.roles_of(account).is_empty()).cloned().collect()
    }

    /// Names of roles, sorted.
    pub(super) fn names(&self, roles: &Roles) -> Vec<String> {
        let name = |path: &Arc<str>| self.access.roles.get(path).map_or_else(|| path.to_string(), |role| role.name.to_string());
        let names: BTreeSet<_> = roles.iter().map(name).collect();
        names.into_iter().collect()
    }
}

//! Who may do what, and approve which files: people, their accounts, and their roles.
//!
//! app-interface's `/access/user-1.yml` and `/access/role-1.yml`, with fields of Towpath's own: `gitlab_username`, `forgejo_username` and
//! `oidc_subject` of a user, `approves` of a role; and `/towpath/permission-1.yml`, what the roles that refer to it may do.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use towpath_domain::{Timestamp, Verb};

use crate::diagnostic::Place;

/// A hosted forge: people have an account at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ForgeKind {
    /// GitHub, GitHub Enterprise Server.
    GitHub,
    /// GitLab.
    GitLab,
    /// Forgejo, Gitea.
    Forgejo,
}

/// A login at a forge, as the forge spells it.
///
/// GitHub, GitLab and Forgejo tell logins apart without regard to the case of ASCII letters, and so does this. Other letters are
/// compared as they are: the Kelvin sign, whose lower case is an ordinary `k`, is nobody's `k`.
#[derive(Debug, Clone)]
pub struct Account(Arc<str>);

impl Account {
    /// The account of this login.
    #[must_use]
    pub fn new(login: impl AsRef<str>) -> Self {
        Self(Arc::from(login.as_ref()))
    }

    /// The login.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether some forge gives out such a login: letters and digits of ASCII, dots, dashes and underscores.
    pub(crate) fn is_sound(login: &str) -> bool {
        !login.is_empty() && login.len() <= 255 && login.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    }

    fn folded(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|b| b.to_ascii_lowercase())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Account {}

impl PartialOrd for Account {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Account {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl Hash for Account {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for b in self.folded() {
            state.write_u8(b);
        }
        state.write_u8(0xff);
    }
}

/// All people and roles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Access {
    /// Roles by the path of their file, such as `data/access/web-owners.yml`.
    pub roles: BTreeMap<Arc<str>, Arc<Role>>,
    /// People by the path of their file.
    pub people: BTreeMap<Arc<str>, Arc<Person>>,
    /// Permissions by the path of their file.
    pub permissions: BTreeMap<Arc<str>, Arc<Permission>>,
    /// The file of the one person of each account.
    pub(crate) accounts: BTreeMap<(ForgeKind, Account), Arc<str>>,
}

impl Access {
    /// Whose account it is; nobody's, where two files claim it.
    #[must_use]
    pub fn person(&self, forge: ForgeKind, account: &Account) -> Option<&Arc<Person>> {
        self.people.get(self.accounts.get(&(forge, account.clone()))?)
    }

    /// Whom the organisation's identity provider means by `subject`, the one name of its own that never passes to somebody else, and
    /// `username`. Both are compared as they are, letter by letter.
    ///
    /// A person whose file has `oidc_subject` is found by that alone; all others by `org_username`. Where several files fit, nobody is meant.
    #[must_use]
    pub fn signed_in(&self, subject: &str, username: &str) -> Option<&Arc<Person>> {
        let mut by_subject = self.people.values().filter(|person| person.oidc_subject.as_deref() == Some(subject));
        match (by_subject.next(), by_subject.next()) {
            (Some(person), None) => Some(person).filter(|person| self.only_file_of(person)),
            (Some(_), Some(_)) => None,
            (None, _) => self.named(username).filter(|person| person.oidc_subject.is_none()),
        }
    }

    /// The person whom the organisation calls so; nobody, where two files claim it.
    #[must_use]
    pub fn named(&self, org_username: &str) -> Option<&Arc<Person>> {
        self.people.values().find(|person| *person.org_username == *org_username).filter(|person| self.only_file_of(person))
    }

    fn only_file_of(&self, person: &Person) -> bool {
        self.people.values().filter(|other| other.org_username == person.org_username).count() == 1
    }
}

/// What a role may allow (`/towpath/permission-1.yml`).
#[derive(Debug, Clone, PartialEq)]
pub struct Permission {
    /// Its name.
    pub name: Arc<str>,
    /// What is allowed.
    pub may: BTreeSet<Verb>,
    /// For which apps, by name; none stands for all of them.
    pub apps: Option<Vec<Arc<str>>>,
    /// In which environments, by name; none stands for all of them.
    pub environments: Option<Vec<Arc<str>>>,
    /// Where it is written.
    pub place: Place,
}

/// A person (`/access/user-1.yml`).
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Their name, for people; where the file gives none, `org_username`.
    pub name: Arc<str>,
    /// How the organisation calls them.
    pub org_username: Arc<str>,
    /// What the organisation's identity provider calls them, and nobody else ever: its `sub`.
    pub oidc_subject: Option<Arc<str>>,
    /// Their account at each forge.
    pub accounts: BTreeMap<ForgeKind, Account>,
    /// Paths of the files of the roles they have; those that are there. Sorted.
    pub roles: Vec<Arc<str>>,
    /// Where they are written.
    pub place: Place,
}

/// A role (`/access/role-1.yml`).
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Its name.
    pub name: Arc<str>,
    /// What its members may approve.
    pub approves: Approves,
    /// Paths of the files of the permissions that it gives; those of Towpath's own type that are there. Sorted.
    pub permissions: Vec<Arc<str>>,
    /// From when on it gives nothing any more: the beginning of its `expirationDate`, in UTC.
    pub expires: Option<Timestamp>,
    /// Paths of the files of the people who have it. Sorted.
    pub members: Vec<Arc<str>>,
    /// Where it is written.
    pub place: Place,
}

/// The files whose changes may be approved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approves {
    /// All files, those included that say who may approve what: a *catch-all role*.
    pub all: bool,
    /// Files and folders by their path in the config repository, without a slash at the end. Sorted.
    pub paths: Vec<Box<str>>,
}

impl Approves {
    /// Whether the file at `path` is among them. Whole parts of paths are compared.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        let within = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.all || self.paths.iter().any(|covered| within(covered))
    }
}

/// How many approvals a change needs that touches a target (`approvals` of `/towpath/policy-1.yml`).
#[derive(Debug, Clone, PartialEq)]
pub struct Approvals {
    /// By how many people; who wrote the change is not counted.
    pub count: u32,
    /// Paths of the files of the roles that they must have one of. A role that is not there has no members.
    pub roles: Vec<Arc<str>>,
    /// Whether Towpath's own promotions of targets with `auto: true` wait for them, too.
    pub promotions: bool,
    /// Where it is written.
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_the_same_whatever_the_case_of_their_ascii_letters_and_no_others() {
        let same = [("Ann", "aNN"), ("ann-b", "ANN-B")];
        let other =
            [("ann", "an\u{200b}n"), ("kim", "\u{212a}im"), ("ann", "\u{430}nn"), ("ann", "ann "), ("strasse", "straße"), ("i", "\u{130}")];
        for (one, two) in same {
            assert_eq!(Account::new(one), Account::new(two));
            assert_eq!(Account::new(one).cmp(&Account::new(two)), Ordering::Equal);
        }
        for (one, two) in other {
            assert_ne!(Account::new(one), Account::new(two));
            assert_ne!(Account::new(one).cmp(&Account::new(two)), Ordering::Equal, "{one} {two}");
        }
    }

    #[test]
    fn a_folder_covers_what_is_in_it_and_no_folder_that_begins_alike() {
        let approves = Approves { all: false, paths: vec!["data/services/web".into(), "data/env/stage.yml".into()] };
        for path in ["data/services/web/deploy.yml", "data/services/web/ns/a.yml", "data/env/stage.yml"] {
            assert!(approves.covers(path), "{path}");
        }
        for path in ["data/services/web-evil/deploy.yml", "data/services", "data/env/stage.yml.bak", "", "services/web/deploy.yml"] {
            assert!(!approves.covers(path), "{path}");
        }
        assert!(Approves { all: true, paths: Vec::new() }.covers("README.md"));
    }
}

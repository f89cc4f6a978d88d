//! Who may do what.

use std::collections::BTreeSet;
use std::sync::Arc;

use towpath_catalog::{Access, Person};
use towpath_domain::Timestamp;
pub use towpath_domain::Verb;

use crate::sight::{Patterns, Scope, Sight};

/// What is allowed, for which app, in which environment; none stands for all of them.
type Allowed = (Verb, Option<Arc<str>>, Option<Arc<str>>);

/// All that somebody may do. Whoever may do anything to something may look at it, too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    everything: bool,
    allowed: BTreeSet<Allowed>,
}

impl Grants {
    /// Everything, everywhere: a single user on their own machine.
    #[must_use]
    pub fn everything() -> Self {
        Self { everything: true, allowed: BTreeSet::new() }
    }

    /// Allows `verb` for `app` in `environment`; none stands for all of them.
    pub fn allow(&mut self, verb: Verb, app: Option<Arc<str>>, environment: Option<Arc<str>>) {
        self.allowed.insert((verb, app, environment));
    }

    /// What the roles of `person` give them at `now`. A role that has expired gives nothing.
    ///
    /// A catch-all role gives everything: whoever has it may approve any change, those included that say who may do what.
    #[must_use]
    pub fn of(access: &Access, person: &Person, now: Timestamp) -> Self {
        let mut grants = Self::default();
        for role in person.roles.iter().filter_map(|role| access.roles.get(role)) {
            if role.expires.is_some_and(|expires| expires <= now) {
                continue;
            }
            if role.approves.all {
                return Self::everything();
            }
            for permission in role.permissions.iter().filter_map(|permission| access.permissions.get(permission)) {
                let all =
                    |list: &Option<Vec<Arc<str>>>| list.as_ref().map_or(vec![None], |names| names.iter().cloned().map(Some).collect());
                let (apps, environments) = (all(&permission.apps), all(&permission.environments));
                for app in &apps {
                    for environment in &environments {
                        grants.allowed.extend(permission.may.iter().map(|verb| (*verb, app.clone(), environment.clone())));
                    }
                }
            }
        }
        grants
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.everything && self.allowed.is_empty()
    }

    /// The same, and what `other` allows.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.everything |= other.everything;
        self.allowed.extend(other.allowed);
        self
    }

    /// Whether `verb` is allowed for all of `scope`. What belongs to no app or environment is covered only by what is allowed for all of
    /// them; but whoever may see anything may see it.
    #[must_use]
    pub fn may(&self, verb: Verb, scope: &Scope) -> bool {
        if verb == Verb::Look {
            return self.sight().sees_scope(scope);
        }
        let covers = |wanted: &Option<Arc<str>>, there: &Option<Arc<str>>| wanted.is_none() || wanted == there;
        self.everything || self.allowed.iter().any(|(v, a, e)| *v == verb && covers(a, &scope.app) && covers(e, &scope.environment))
    }

    /// What may be seen.
    #[must_use]
    pub fn sight(&self) -> Sight {
        if self.everything || self.allowed.iter().any(|(_, app, environment)| app.is_none() && environment.is_none()) {
            return Sight::Everything;
        }
        let allowed = self.allowed.iter().map(|(_, app, environment)| (app.clone(), environment.clone())).collect();
        Sight::Only(Arc::new(Patterns { allowed }))
    }

    /// What both allow: a token never allows more than its owner may do now.
    #[must_use]
    pub fn restricted_to(&self, other: &Self) -> Self {
        if self.everything {
            return other.clone();
        }
        if other.everything {
            return self.clone();
        }
        let narrower = |a: &Option<Arc<str>>, b: &Option<Arc<str>>| match (a, b) {
            (None, other) | (other, None) => Some(other.clone()),
            (Some(a), Some(b)) => (a == b).then(|| Some(Arc::clone(a))),
        };
        let mut both = Self::default();
        for (verb, app, environment) in &self.allowed {
            for (other_verb, other_app, other_environment) in &other.allowed {
                if let (Some(app), Some(environment)) = (narrower(app, other_app), narrower(environment, other_environment)) {
                    // Whoever may do anything to something may look at it.
                    both.allow(if verb == other_verb { *verb } else { Verb::Look }, app, environment);
                }
            }
        }
        both
    }

    /// Whether all that `other` allows is allowed here, too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let wide = |there: &Option<Arc<str>>, wanted: &Option<Arc<str>>| there.is_none() || there == wanted;
        let allowed = |(verb, app, environment): &Allowed| {
            self.allowed.iter().any(|(v, a, e)| (v == verb || *verb == Verb::Look) && wide(a, app) && wide(e, environment))
        };
        self.everything || (!other.everything && other.allowed.iter().all(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(app: &str, environment: &str) -> Scope {
        Scope { app: Some(app.into()), environment: Some(environment.into()) }
    }

    #[test]
    fn who_may_promote_in_stage_may_not_in_production_and_sees_only_stage() {
        let mut grants = Grants::default();
        grants.allow(Verb::Promote, Some("web".into()), Some("stage".into()));
        assert!(grants.may(Verb::Promote, &scope("web", "stage")));
        assert!(!grants.may(Verb::Promote, &scope("web", "production")));
        assert!(!grants.may(Verb::Hold, &scope("web", "stage")));
        assert!(!grants.may(Verb::Promote, &Scope::INSTALLATION), "one app is not all");
        assert!(grants.may(Verb::Look, &scope("web", "stage")), "who may move it may see it");
        assert!(!grants.may(Verb::Look, &scope("shop", "stage")));
        assert!(!Grants::default().may(Verb::Look, &Scope::INSTALLATION));
        assert!(Verb::ALL.iter().all(|verb| Grants::everything().may(*verb, &Scope::INSTALLATION)));
    }

    #[test]
    fn a_token_allows_no_more_than_its_owner_may() {
        let mut owner = Grants::default();
        owner.allow(Verb::Promote, Some("web".into()), None);
        let mut token = Grants::default();
        token.allow(Verb::Promote, None, Some("stage".into()));
        token.allow(Verb::Rollback, None, None);
        let both = owner.restricted_to(&token);
        assert!(both.may(Verb::Promote, &scope("web", "stage")));
        for (verb, app, environment) in
            [(Verb::Promote, "web", "production"), (Verb::Promote, "shop", "stage"), (Verb::Rollback, "web", "stage")]
        {
            assert!(!both.may(verb, &scope(app, environment)), "{verb:?} {app} {environment}");
        }
        assert!(both.may(Verb::Look, &scope("web", "production")), "a token that may take it back may look at it, and so may its owner");
        assert!(!both.may(Verb::Look, &scope("shop", "production")));
        assert_eq!(both, token.restricted_to(&owner));
        assert!(owner.covers(&both) && token.covers(&both) && !owner.covers(&token) && !both.covers(&owner));
        assert!(Grants::everything().covers(&owner) && !owner.covers(&Grants::everything()) && owner.covers(&Grants::default()));
        assert_eq!(Grants::everything().restricted_to(&token), token);
    }

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// What Ann may do whose one role is written so, with a permission to hold web in stage and one to look everywhere.
    fn ann(role: &str) -> Grants {
        let files = [
            ("data/app.yml", "$schema: /app-sre/app-1.yml\nname: web\n"),
            ("data/stage.yml", "$schema: /app-sre/environment-1.yml\nname: stage\n"),
            (
                "data/hold.yml",
                "$schema: /towpath/permission-1.yml\nname: hold\nmay: [hold, retry]\napps: [{$ref: /app.yml}]\nenvironments: [{$ref: /stage.yml}]\n",
            ),
            ("data/run.yml", "$schema: /towpath/permission-1.yml\nname: run\nmay: [administer]\n"),
            ("data/ann.yml", "$schema: /access/user-1.yml\norg_username: ann\nroles: [{$ref: /role.yml}]\n"),
            ("data/role.yml", &format!("$schema: /access/role-1.yml\nname: r\n{role}")),
        ];
        let files = files.map(|(path, text)| towpath_catalog::InputFile::new(path, text.as_bytes())).to_vec();
        let access = towpath_catalog::load(files).catalog.access;
        Grants::of(&access, access.named("ann").unwrap(), NOW)
    }

    #[test]
    fn a_role_gives_what_its_permissions_say_for_their_apps_in_their_environments() {
        let grants = ann("permissions: [{$ref: /hold.yml}]\n");
        assert!(grants.may(Verb::Hold, &scope("web", "stage")) && grants.may(Verb::Retry, &scope("web", "stage")));
        for (verb, app, environment) in [
            (Verb::Hold, "web", "production"),
            (Verb::Hold, "shop", "stage"),
            (Verb::Promote, "web", "stage"),
            (Verb::Administer, "web", "stage"),
        ] {
            assert!(!grants.may(verb, &scope(app, environment)), "{verb:?} {app} {environment}");
        }
        let both = ann("permissions: [{$ref: /hold.yml}, {$ref: /run.yml}]\n");
        assert!(both.may(Verb::Administer, &Scope::INSTALLATION) && !both.may(Verb::Hold, &scope("shop", "stage")));
        assert!(ann("permissions: []\n").is_empty() && !ann("permissions: []\n").may(Verb::Look, &Scope::INSTALLATION));
    }

    #[test]
    fn a_role_that_has_expired_gives_nothing_and_a_catch_all_role_everything() {
        assert!(ann("expirationDate: '2027-01-15'\npermissions: [{$ref: /hold.yml}]\n").is_empty(), "it expired at midnight");
        assert!(!ann("expirationDate: '2027-01-16'\npermissions: [{$ref: /hold.yml}]\n").is_empty());
        assert_eq!(ann("approves: all\n"), Grants::everything());
        assert!(ann("approves: all\nexpirationDate: '2020-01-01'\n").is_empty());
        assert!(ann("approves: [data/]\n").is_empty(), "to approve files is another thing");
    }
}

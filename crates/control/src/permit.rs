//! Who may do what.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sight::{Patterns, Scope, Sight};

/// What can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// To see it.
    Look,
    /// To try again what failed, to cancel runs, and to say that one sees to a failure.
    Retry,
    /// To hold it, and to lift holds.
    Hold,
    /// To promote to it.
    Promote,
    /// To take it back.
    Rollback,
    /// To approve changes that move it.
    Approve,
    /// To look after the installation: backups, tokens of others, health.
    Administer,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Look, Self::Retry, Self::Hold, Self::Promote, Self::Rollback, Self::Approve, Self::Administer];
}

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
            for (_, other_app, other_environment) in other.allowed.iter().filter(|(v, ..)| v == verb) {
                if let (Some(app), Some(environment)) = (narrower(app, other_app), narrower(environment, other_environment)) {
                    both.allow(*verb, app, environment);
                }
            }
        }
        both
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
        assert_eq!(both, token.restricted_to(&owner));
        assert_eq!(Grants::everything().restricted_to(&token), token);
    }
}

//! What somebody may see.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where something is, as permissions name it: an app in an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// The app; none for what belongs to no app, such as the installation itself.
    pub app: Option<Arc<str>>,
    /// The environment; none for what comes before any, such as a source.
    pub environment: Option<Arc<str>>,
}

impl Scope {
    /// What belongs to the installation as a whole.
    pub const INSTALLATION: Self = Self { app: None, environment: None };
}

/// What somebody may see. What they may not is left out of every answer, as if it were not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Sight {
    /// Everything.
    #[default]
    Everything,
    /// These only.
    Only(Arc<Patterns>),
}

/// An app in an environment; none stands for all of them.
pub type Pattern = (Option<Arc<str>>, Option<Arc<str>>);

/// Apps and environments that may be seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patterns {
    /// Each allows an app in an environment; none stands for all of them.
    pub allowed: BTreeSet<Pattern>,
}

impl Sight {
    /// Whether what is of `app` and in `environment` may be seen. What belongs to no app or environment is seen by all who may see
    /// anything of the other.
    #[must_use]
    pub fn sees(&self, app: Option<&str>, environment: Option<&str>) -> bool {
        let Self::Only(patterns) = self else { return true };
        let allows = |wanted: &Option<Arc<str>>, there: Option<&str>| match (wanted, there) {
            (None, _) | (_, None) => true,
            (Some(wanted), Some(there)) => &**wanted == there,
        };
        patterns.allowed.iter().any(|(a, e)| allows(a, app) && allows(e, environment))
    }

    /// As [`Self::sees`].
    #[must_use]
    pub fn sees_scope(&self, scope: &Scope) -> bool {
        self.sees(scope.app.as_deref(), scope.environment.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_see_one_app_in_one_environment_sees_nothing_of_another() {
        let allowed = [(Some("web".into()), Some("stage".into())), (None, Some("dev".into()))].into();
        let sight = Sight::Only(Arc::new(Patterns { allowed }));
        for (app, environment, seen) in [
            (Some("web"), Some("stage"), true),
            (Some("web"), Some("production"), false),
            (Some("shop"), Some("dev"), true),
            (Some("shop"), Some("stage"), false),
            (Some("web"), None, true),
        ] {
            assert_eq!(sight.sees(app, environment), seen, "{app:?} {environment:?}");
        }
        assert!(Sight::Everything.sees(Some("any"), Some("where")));
        assert!(!Sight::Only(Arc::default()).sees(None, None), "who may see nothing sees nothing");
    }
}

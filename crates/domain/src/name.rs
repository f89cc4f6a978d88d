//! Names: cheap, ordered, never empty, never holding a control character.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a {what} cannot be empty")]
    Empty {
        /// Which kind of name was asked for.
        what: &'static str,
    },
    /// The text is longer than 512 bytes.
    #[error("a {what} has at most {MAX_NAME_LEN} bytes, this one has {len}")]
    TooLong {
        /// Which kind of name was asked for.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
    },
    /// The text holds a control character, such as a line break.
    #[error("a {what} cannot hold control characters: {text:?}")]
    Control {
        /// Which kind of name was asked for.
        what: &'static str,
        /// The text as it was given.
        text: String,
    },
}

/// The longest name in bytes. Generous: Kubernetes allows 253, file systems 255.
pub const MAX_NAME_LEN: usize = 512;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Takes `text` as a name.
            ///
            /// # Errors
            /// [`NameError`] when it is empty, overlong or holds a control character.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                check(text, $what)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": MAX_NAME_LEN })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

fn check(text: &str, what: &'static str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if text.len() > MAX_NAME_LEN {
        return Err(NameError::TooLong { what, len: text.len() });
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::Control { what, text: text.to_owned() });
    }
    Ok(())
}

name!(
    /// What a check is of: `web#17` is pull request 17 of the source `web`, `web@ann-3f9c` a try by hand.
    CheckId, "check's id");
name!(
    /// The name of an app (`/app-sre/app-1.yml`).
    AppName, "app name");
name!(
    /// The name of an environment (`/app-sre/environment-1.yml`).
    EnvironmentName, "environment name");
name!(
    /// The name of a cluster (`/openshift/cluster-1.yml`).
    ClusterName, "cluster name");
name!(
    /// The name of a namespace (`/openshift/namespace-1.yml`). Unique together with its cluster.
    NamespaceName, "namespace name");
name!(
    /// The name of a saas file (`/app-sre/saas-file-2.yml`).
    SaasFileName, "saas file name");
name!(
    /// The name of a source (`/towpath/source-1.yml`).
    SourceName, "source name");
name!(
    /// A channel: the topic that targets publish a success to, and subscribe to.
    Channel, "channel");
name!(
    /// A branch of a Git repository, such as `main`.
    BranchName, "branch name");
name!(
    /// A target's stable identity: app-interface's uid, the BLAKE2s-160 of `{saas}:{rt}:{target or "default"}:{cluster}:{namespace}` in hex.
    TargetId, "target id");
name!(
    /// The name of a pool of ephemeral namespaces (`/towpath/pool-1.yml`).
    PoolName, "pool name");
name!(
    /// A reservation's identity: the lease on one namespace of a pool.
    ReservationId, "reservation id");
name!(
    /// A run's identity, derived from its cause: the same cause names the same run in every process.
    RunId, "run id");
name!(
    /// A change's identity, derived from what it promotes: also the name of its branch below `towpath/`.
    ChangeId, "change id");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_empty_overlong_or_split_over_lines() {
        assert_eq!(AppName::new(""), Err(NameError::Empty { what: "app name" }));
        assert!(matches!(AppName::new("x".repeat(513)), Err(NameError::TooLong { len: 513, .. })));
        assert!(matches!(AppName::new("a\nb"), Err(NameError::Control { .. })));
        assert_eq!(AppName::new("cloudigrade").unwrap().as_str(), "cloudigrade");
    }

    #[test]
    fn names_travel_as_plain_strings_and_bad_ones_do_not_arrive() {
        let name: Channel = serde_json::from_str("\"stage-ok\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"stage-ok\"");
        assert!(serde_json::from_str::<Channel>("\"\"").is_err());
    }
}

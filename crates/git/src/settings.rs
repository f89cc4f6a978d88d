//! How Git is called.

use std::fmt;
use std::path::PathBuf;

use towpath_domain::Span;

use crate::{Credential, GitError};

/// How Git is called. Handed in: this crate reads no environment variable (git itself inherits this process's, with its `HOME`).
#[derive(Clone)]
pub struct Settings {
    /// The git program: a path, or a name looked up in `PATH`.
    pub program: PathBuf,
    /// Who commits: Towpath's own name on the config repository.
    pub identity: Identity,
    /// How long calls may take.
    pub timeouts: Timeouts,
    /// More environment for every call, over what is inherited: `HOME` in tests, `GIT_SSH_COMMAND`, `GIT_CONFIG_COUNT` and its like.
    /// The values may be secrets and are never shown.
    pub extra_env: Vec<(String, String)>,
    /// What servers that ask for it are told. For all others, what Git finds for itself stays in force.
    pub credentials: Vec<Credential>,
}

impl Settings {
    /// `git` from `PATH`, the usual time limits, no more environment.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { program: PathBuf::from("git"), identity, timeouts: Timeouts::default(), extra_env: Vec::new(), credentials: Vec::new() }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.extra_env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Settings")
            .field("program", &self.program)
            .field("identity", &self.identity)
            .field("timeouts", &self.timeouts)
            .field("extra_env", &names)
            .field("credentials", &self.credentials)
            .finish()
    }
}

/// How long a call may take before it is killed, by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Reading and writing in a mirror. Default 60 s: a large export on a slow disk.
    pub local: Span,
    /// One look at a remote's refs. Default 15 s: longer means it is down.
    pub look: Span,
    /// Fetch and push. Default 10 minutes: the first fetch of a large repository.
    pub transfer: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { local: Span::from_secs(60), look: Span::from_secs(15), transfer: Span::from_secs(600) }
    }
}

/// Who wrote or made a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    name: String,
    email: String,
}

impl Identity {
    /// A name and an address as a commit holds them.
    ///
    /// # Errors
    /// [`GitError::BadInput`] when one is empty or holds what Git would silently drop (`<`, `>`, control characters,
    /// punctuation at its ends): the same request must always give the same commit.
    pub fn new(name: impl Into<String>, email: impl Into<String>) -> Result<Self, GitError> {
        let (name, email) = (name.into(), email.into());
        for (what, text) in [("name", &name), ("e-mail address", &email)] {
            // What ident.c calls crud; it is stripped from both ends.
            let crud = |c: char| c.is_ascii_control() || c == ' ' || ".,:;<>\"\\'".contains(c);
            if text.is_empty() || text.len() > 500 {
                return Err(GitError::bad(format!("the {what} {text:?}"), "it must have 1 to 500 bytes"));
            }
            if text.chars().any(|c| c.is_control() || c == '<' || c == '>') || text.starts_with(crud) || text.ends_with(crud) {
                return Err(GitError::bad(
                    format!("the {what} {text:?}"),
                    "Git takes no <, > or control character in it, and no space or punctuation at its ends",
                ));
            }
        }
        Ok(Self { name, email })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The e-mail address.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_what_git_keeps_unchanged() {
        assert!(Identity::new("Żółw Ó", "a@b").is_ok());
        for (name, email) in [("", "a@b"), ("a", ""), ("a\nb", "a@b"), ("a <b>", "a@b"), ("Inc.", "a@b"), (" a", "a@b"), ("a", "a@b>")] {
            assert!(Identity::new(name, email).is_err(), "{name:?} {email:?}");
        }
    }

    #[test]
    fn settings_are_shown_without_the_values_of_the_environment() {
        let mut settings = Settings::new(Identity::new("a", "a@b").unwrap());
        settings.extra_env.push(("GIT_CONFIG_VALUE_0".to_owned(), "hunter2".to_owned()));
        let shown = format!("{settings:?}");
        assert!(shown.contains("GIT_CONFIG_VALUE_0") && !shown.contains("hunter2"), "{shown}");
    }
}

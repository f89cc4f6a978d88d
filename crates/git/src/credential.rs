//! Credentials that are handed to Git, for one place only.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::GitError;

/// A user's name and secret for the repositories of one server. Git gets them when that server asks, and no other server ever does: Git itself
/// looks at the address before it asks, after every redirection anew. They travel in the environment, never in an argument list.
///
/// Clones share what they hold, so that a token which expires can be renewed while Towpath runs.
#[derive(Clone)]
pub struct Credential {
    place: String,
    held: Arc<Mutex<Option<Held>>>,
}

#[derive(Clone)]
struct Held {
    user: String,
    secret: String,
}

/// What a call of Git needs to ask for one.
pub(crate) struct Handed {
    pub(crate) rules: [String; 2],
    pub(crate) variables: [(String, String); 2],
}

/// Given to Git as the helper to ask. It names variables; the words that the shell runs are always the same but for a number.
const HELPER: &str =
    r#"!f() { if test "$1" = get; then printf 'username=%s\npassword=%s\n' "$TOWPATH_GIT_USER_@" "$TOWPATH_GIT_SECRET_@"; fi; }; f"#;

impl Credential {
    /// For the server at `place`: `https://git.example.com`, with a port if it has one. It holds nothing yet.
    ///
    /// # Errors
    /// [`GitError::BadInput`] when it is no such address, or holds more than one.
    pub fn new(place: &str) -> Result<Self, GitError> {
        let bad = |why: &str| GitError::bad(format!("the address {place:?}"), why);
        let host = place.strip_prefix("https://").or_else(|| place.strip_prefix("http://"));
        let host =
            host.ok_or_else(|| bad("credentials are for servers that are reached by https; write https://HOST"))?.trim_end_matches('/');
        // Git takes `*` in a host as any label.
        if host.is_empty() || !host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c)) {
            return Err(bad("write https://HOST or https://HOST:PORT, with no user and no path"));
        }
        Ok(Self { place: place.trim_end_matches('/').to_owned(), held: Arc::default() })
    }

    /// Holds this user and secret from now on.
    ///
    /// # Errors
    /// [`GitError::BadInput`] when one holds a line's end, which would end it on the way to Git.
    pub fn set(&self, user: &str, secret: &str) -> Result<(), GitError> {
        if [user, secret].iter().any(|text| text.is_empty() || text.contains(['\n', '\r', '\0'])) {
            let why = "a user's name and a secret are one line each; look whether a file that it is read from holds more";
            return Err(GitError::bad(format!("the credential for {}", self.place), why));
        }
        let held = Held { user: user.to_owned(), secret: secret.to_owned() };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(())
    }

    /// The settings and variables by which Git asks for it, as number `number` of all that it gets.
    pub(crate) fn handed(&self, number: usize) -> Option<Handed> {
        let Held { user, secret } = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let key = format!("credential.{}.helper", self.place);
        // The empty one first: what the machine's own helpers know for this server does not come before it, nor is it told to them.
        let rules = [format!("{key}="), format!("{key}={}", HELPER.replace('@', &number.to_string()))];
        let variables = [(format!("TOWPATH_GIT_USER_{number}"), user), (format!("TOWPATH_GIT_SECRET_{number}"), secret)];
        Some(Handed { rules, variables })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("place", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_for_one_server() {
        for good in ["https://git.example.com", "https://git.example.com:8443/", "http://[::1]:3000"] {
            assert!(Credential::new(good).is_ok(), "{good}");
        }
        for bad in
            ["git.example.com", "ssh://git@host", "https://", "https://*.example.com", "https://a@host", "https://host/path", "https://a=b"]
        {
            assert!(Credential::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_shown_by_nothing() {
        let credential = Credential::new("https://git.example.com").unwrap();
        assert!(credential.handed(0).is_none(), "there is none yet");
        credential.set("towpath", "hunter2").unwrap();
        assert!(!format!("{credential:?}").contains("hunter2"));
        let Handed { rules, .. } = credential.clone().handed(3).unwrap();
        assert!(!rules.concat().contains("hunter2") && rules[1].contains("$TOWPATH_GIT_SECRET_3"), "{rules:?}");
        let error = credential.set("towpath", "hunter2\nhost=evil").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

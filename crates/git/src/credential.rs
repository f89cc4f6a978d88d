//! Credentials that are handed to Git, for one place only.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use towpath_domain::RepoUrl;

use crate::GitError;

/// A user's name and secret for the repositories of one server. Git gets them when that server asks, and no other server ever does: Git itself
/// looks at the address before it asks, after every redirection anew. They travel in the environment, never in an argument list.
///
/// Clones share what they hold, so that a token which expires can be renewed while Towpath runs. What is [below](Self::below) a path of the server
/// may have another user and secret: of those that a repository's URL is below, the one with the longest path is given.
#[derive(Clone)]
pub struct Credential {
    place: String,
    /// What is set by this one is for the repositories below this path; for all when empty.
    path: String,
    held: Arc<Mutex<BTreeMap<String, Held>>>,
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
        Ok(Self { place: place.trim_end_matches('/').to_owned(), path: String::new(), held: Arc::default() })
    }

    /// The same server's, for the repositories below this path alone, or for the one at it: `team`, `team/web.git`. What it is given is given to
    /// Git by whoever has the server's own.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        Self { path: normal(path).to_owned(), ..self.clone() }
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
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(self.path.clone(), held);
        Ok(())
    }

    /// The settings and variables by which Git asks for it in a call that is about the repository at `url`, as number `number` of all that it
    /// gets.
    pub(crate) fn handed(&self, number: usize, url: &RepoUrl) -> Option<Handed> {
        let url = url.without_credentials();
        // The user's own rules may lead any other URL to this server: then what is for all of it counts.
        let path = url.expose().strip_prefix(&self.place).and_then(|rest| rest.strip_prefix('/')).map(normal).unwrap_or_default();
        let is_below =
            |above: &str| above.is_empty() || path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = held.iter().filter(|(above, _)| is_below(above)).max_by_key(|(above, _)| above.len());
        let Held { user, secret } = fits.map(|(_, held)| held.clone())?;
        drop(held);
        let key = format!("credential.{}.helper", self.place);
        // The empty one first: what the machine's own helpers know for this server does not come before it, nor is it told to them.
        let rules = [format!("{key}="), format!("{key}={}", HELPER.replace('@', &number.to_string()))];
        let variables = [(format!("TOWPATH_GIT_USER_{number}"), user), (format!("TOWPATH_GIT_SECRET_{number}"), secret)];
        Some(Handed { rules, variables })
    }
}

/// A repository's path in one way of the several that it is written in.
fn normal(path: &str) -> &str {
    let path = path.trim_matches('/');
    path.strip_suffix(".git").unwrap_or(path)
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("place", &self.place).field("path", &self.path).finish_non_exhaustive()
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
        let url = RepoUrl::new("https://git.example.com/team/web.git").unwrap();
        assert!(credential.handed(0, &url).is_none(), "there is none yet");
        credential.set("towpath", "hunter2").unwrap();
        assert!(!format!("{credential:?}").contains("hunter2"));
        let Handed { rules, .. } = credential.clone().handed(3, &url).unwrap();
        assert!(!rules.concat().contains("hunter2") && rules[1].contains("$TOWPATH_GIT_SECRET_3"), "{rules:?}");
        let error = credential.set("towpath", "hunter2\nhost=evil").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn below_a_path_another_secret_counts_than_for_the_rest_of_the_server() {
        let whole = Credential::new("https://git.example.com").unwrap();
        let told = |url: &str| whole.handed(0, &RepoUrl::new(url).unwrap()).map(|handed| handed.variables[1].1.clone());
        whole.below("/team/").set("towpath", "of-the-team").unwrap();
        let web = whole.below("team/web.git");
        web.set("towpath", "of-web").unwrap();
        assert_eq!(told("https://git.example.com/other/api.git"), None, "nothing is for all of it yet");
        whole.set("towpath", "of-all").unwrap();
        for (url, secret) in [
            ("https://git.example.com/team/web.git", "of-web"),
            ("https://ann@git.example.com/team/web/", "of-web"),
            ("https://git.example.com/team/website.git", "of-the-team"),
            ("https://git.example.com/team", "of-the-team"),
            ("https://git.example.com/teams/web", "of-all"),
            ("https://git.example.com", "of-all"),
            // Where the user's own rules lead it is Git's to know.
            ("https://git.example.com.evil/team/web", "of-all"),
            ("git@git.example.com:team/web", "of-all"),
        ] {
            assert_eq!(told(url).as_deref(), Some(secret), "{url}");
        }
        web.set("towpath", "of-web-anew").unwrap();
        assert_eq!(told("https://git.example.com/team/web").as_deref(), Some("of-web-anew"));
    }
}

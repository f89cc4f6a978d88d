//! Reads the class of a failure out of Git's words. Calls run with `LC_ALL=C`, so the words are English.

use std::path::PathBuf;

use towpath_domain::RepoUrl;

use super::{GitError, scrub};

/// What a call was about: for the message, and to tell a remote's fault from the mirror's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Where {
    /// The remote that was talked to, if any.
    pub url: Option<RepoUrl>,
    /// The mirror that was worked in, if any.
    pub dir: Option<PathBuf>,
}

impl Where {
    fn place(&self) -> String {
        match (&self.url, &self.dir) {
            (Some(url), _) => url.to_string(),
            (None, Some(dir)) => dir.display().to_string(),
            (None, None) => "this machine".to_owned(),
        }
    }

    fn dir(&self) -> String {
        self.dir.as_ref().map_or_else(|| "(no mirror)".to_owned(), |dir| dir.display().to_string())
    }
}

const NO_SPACE: &[&str] = &["no space left on device", "disk quota exceeded", "read-only file system"];
const LOCKED: &[&str] = &[".lock': file exists"];
const NOT_FOUND: &[&str] = &[
    "does not appear to be a git repository",
    "repository not found",
    "returned error: 404",
    "couldn't find remote ref",
    "could not be found",
    "repository not exported",
    "not our ref",
    "no such remote",
    "does not exist",
];
const REFUSED: &[&str] = &[
    "authentication failed",
    "permission denied",
    "could not read username",
    "could not read password",
    "terminal prompts disabled",
    "returned error: 401",
    "returned error: 403",
    "not allowed",
    "access denied",
    "dubious ownership",
    "host key verification failed",
    "certificate",
    "[remote rejected]",
    "hook declined",
    "does not support --atomic",
    "unadvertised object",
];
const UNREACHABLE: &[&str] = &[
    "could not resolve",
    "failed to connect",
    "unable to connect",
    "connection refused",
    "connection timed out",
    "connection reset",
    "connection closed",
    "network is unreachable",
    "no route to host",
    "unable to look up",
    "name or service not known",
    "temporary failure in name resolution",
    "hung up unexpectedly",
    "early eof",
    "unable to access",
    "operation timed out",
    "returned error: 429",
    "returned error: 5",
    "could not read from remote repository",
];
const CORRUPT: &[&str] = &[
    "corrupt",
    "bad object",
    "is empty",
    "unable to unpack",
    "unable to read tree",
    "unable to read sha1",
    "inflate",
    "bad signature",
    "bad tree object",
    "not a git repository",
    "broken link",
    "garbage at end",
    "bad config",
];

/// The error that Git's `stderr` tells of.
pub(crate) fn classify(what: &str, place: &Where, stderr: &str) -> GitError {
    let why = words(stderr);
    let lower = stderr.to_lowercase();
    let says = |list: &[&str]| list.iter().any(|text| lower.contains(text));
    let what = what.to_owned();
    if says(NO_SPACE) {
        return GitError::Io { path: place.dir(), why };
    }
    if says(LOCKED) {
        return GitError::Locked { dir: place.dir(), why };
    }
    if let Some(url) = &place.url {
        if says(NOT_FOUND) {
            return GitError::NotFound { what: "the repository, or what was asked of it,".to_owned(), place: url.to_string(), why };
        }
        if says(REFUSED) {
            return GitError::Refused { what, place: place.place(), why };
        }
        if says(UNREACHABLE) {
            return GitError::Unreachable { url: url.to_string(), why };
        }
    } else if lower.contains("permission denied") || lower.contains("dubious ownership") {
        return GitError::Refused { what, place: place.place(), why };
    }
    if says(CORRUPT) {
        return GitError::Corrupt { dir: place.dir(), why };
    }
    GitError::Failed { what, why }
}

/// Git's words for people: one line, without credentials and without the advice that ends every failed connection.
fn words(stderr: &str) -> String {
    let kept: Vec<&str> = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("hint:"))
        .take_while(|line| !line.starts_with("Please make sure you have the correct access") && !line.starts_with("Another git process"))
        .collect();
    let text = if kept.is_empty() { "Git gave no reason".to_owned() } else { kept.join(" / ") };
    scrub(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use towpath_domain::FailureClass;

    fn remote(stderr: &str) -> GitError {
        let url = RepoUrl::new("https://bot:hunter2@git.example.com/a").unwrap();
        classify("fetching", &Where { url: Some(url), dir: Some("/m".into()) }, stderr)
    }

    #[test]
    fn gits_words_tell_the_class() {
        for (stderr, class) in [
            ("fatal: unable to access 'https://h/x/': Could not resolve host: h", FailureClass::Environment),
            ("fatal: unable to access 'https://h/x/': The requested URL returned error: 503", FailureClass::Environment),
            ("fatal: unable to access 'https://h/x/': The requested URL returned error: 403", FailureClass::Own),
            (
                "ssh: connect to host h port 22: Connection refused\nfatal: Could not read from remote repository.",
                FailureClass::Environment,
            ),
            ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.", FailureClass::Own),
            ("fatal: '/nope' does not appear to be a git repository\nfatal: Could not read from remote repository.", FailureClass::Own),
            ("fatal: could not read Username for 'https://h': terminal prompts disabled", FailureClass::Own),
            ("error: unable to write file: No space left on device", FailureClass::Environment),
            ("fatal: loose object 12 (stored in objects/12) is corrupt", FailureClass::Unknown),
            ("something never seen", FailureClass::Unknown),
            ("", FailureClass::Unknown),
        ] {
            assert_eq!(remote(stderr).class(), class, "{stderr}");
        }
    }

    #[test]
    fn a_message_says_what_where_why_and_never_the_password() {
        let error = remote("fatal: Authentication failed for 'https://bot:hunter2@git.example.com/a/'");
        let text = error.to_string();
        assert_eq!(
            text,
            "fetching was refused by https://…@git.example.com/a: fatal: Authentication failed for 'https://…@git.example.com/a/'; \
             check the credentials and the rights that Towpath has there"
        );
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

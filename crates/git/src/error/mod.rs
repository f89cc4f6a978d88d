//! What can go wrong with Git, each with a class that says whether trying again can help.

mod classify;
mod scrub;

use std::path::Path;

use towpath_domain::{FailureClass, Span};

pub(crate) use classify::{Where, classify};
pub(crate) use scrub::scrub;

/// Why a call of Git did not do what was asked. No message holds a credential: URLs are shown without userinfo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// The git program could not be run at all.
    #[error("cannot run the git program {program}: {why}; install Git 2.38 or newer, or set the path to it")]
    Program {
        /// The program as configured.
        program: String,
        /// What the operating system says.
        why: String,
    },
    /// The git program lacks what Towpath uses (`merge-tree --write-tree`).
    #[error("{program} is Git {found}, Towpath needs {needed} or newer; install a newer Git, or set the path to one")]
    TooOld {
        /// The program as configured.
        program: String,
        /// Its version.
        found: String,
        /// The oldest version that will do.
        needed: String,
    },
    /// The remote did not answer.
    #[error("cannot reach {url}: {why}; check the network and the host's name in the URL")]
    Unreachable {
        /// The remote, without credentials.
        url: String,
        /// Git's own words.
        why: String,
    },
    /// The remote cannot change a branch just now, since someone else is changing it, or was killed while doing so.
    #[error("{url} cannot change a branch just now: {why}; if it lasts, a git there was killed and left its lock file behind")]
    Busy {
        /// The remote, without credentials.
        url: String,
        /// Git's own words.
        why: String,
    },
    /// A repository, branch, commit or file that is not there.
    #[error("{what} is not in {place}: {why}; check that it is spelled right and was pushed")]
    NotFound {
        /// What was asked for.
        what: String,
        /// Where it was looked for: a remote's URL or a mirror's folder.
        place: String,
        /// Git's own words.
        why: String,
    },
    /// Someone said no: missing rights, a hook, a protected branch, a transport that is not allowed.
    #[error("{what} was refused by {place}: {why}; check the credentials and the rights that Towpath has there")]
    Refused {
        /// What was tried.
        what: String,
        /// Who refused: a remote's URL or a mirror's folder.
        place: String,
        /// Git's own words.
        why: String,
    },
    /// Another git program, or another Towpath, works in the same mirror.
    #[error("the mirror {dir} is in use by another process: {why}; one Towpath process owns a mirrors' folder, stop the other one")]
    Locked {
        /// The mirror's folder.
        dir: String,
        /// Git's own words.
        why: String,
    },
    /// The mirror's files are damaged. Nothing in a mirror is the only copy: [`crate::Mirror::reset`] makes it anew.
    #[error("the mirror {dir} is damaged: {why}; delete that folder, the next fetch makes it anew")]
    Corrupt {
        /// The mirror's folder.
        dir: String,
        /// Git's own words.
        why: String,
    },
    /// A call took longer than its class allows; it was killed.
    #[error("{what} took longer than {after} and was stopped; check the remote and the network, or raise the time limit")]
    Timeout {
        /// What was tried.
        what: String,
        /// The limit.
        after: Span,
    },
    /// An answer or a file is larger than the limit.
    #[error("{what} is larger than {limit_bytes} bytes; make it smaller, nothing of that size belongs there")]
    TooBig {
        /// What is too big.
        what: String,
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// A path leads through or to a symbolic link, or a link leads out of the repository. Links are never followed.
    #[error("{path} at commit {commit}: {why}; replace the link by the file itself")]
    Symlink {
        /// The commit.
        commit: String,
        /// The path in the repository.
        path: String,
        /// What the link does.
        why: String,
    },
    /// A path, branch, identity or message that cannot be handed to Git safely, or makes no sense where it stands.
    #[error("{what} cannot be used: {why}")]
    BadInput {
        /// What was given.
        what: String,
        /// The rule it breaks, and what would be right.
        why: String,
    },
    /// A file or folder of this machine could not be read or written.
    #[error("{path}: {why}; check its rights and the space left on the disk")]
    Io {
        /// The file or folder.
        path: String,
        /// What the operating system says.
        why: String,
    },
    /// Git failed in a way that is not known here.
    #[error("{what} failed: {why}; Git's words above are all that is known")]
    Failed {
        /// What was tried.
        what: String,
        /// Git's own words.
        why: String,
    },
}

impl GitError {
    /// Whose fault it is, and so whether trying again by itself can help.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::NotFound { .. } | Self::Refused { .. } | Self::TooBig { .. } | Self::Symlink { .. } | Self::BadInput { .. } => {
                FailureClass::Own
            }
            Self::Program { .. }
            | Self::TooOld { .. }
            | Self::Unreachable { .. }
            | Self::Busy { .. }
            | Self::Locked { .. }
            | Self::Timeout { .. }
            | Self::Io { .. } => FailureClass::Environment,
            Self::Corrupt { .. } | Self::Failed { .. } => FailureClass::Unknown,
        }
    }

    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), why: error.to_string() }
    }

    pub(crate) fn bad(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::BadInput { what: what.into(), why: why.into() }
    }
}

//! What Git calls things: commits, branches, repositories.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::{BranchName, NameError};

/// A full commit id: 40 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId([u8; 20]);

/// Why a text is not a commit id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a full commit id (40 lower-case hex digits)")]
pub struct CommitIdError {
    text: String,
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for CommitId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CommitId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{40}$" })
    }
}

impl CommitId {
    /// Git's null id, 40 zeros: no commit. As a target's `ref` it says that nothing was promoted there yet.
    pub const NULL: Self = Self([0; 20]);

    /// Whether this is [`Self::NULL`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        *self == Self::NULL
    }

    /// The first `hash_length` hex digits: what an image is tagged with.
    #[must_use]
    pub fn short(&self, hash_length: usize) -> String {
        let mut hex = self.to_string();
        hex.truncate(hash_length);
        hex
    }
}

impl FromStr for CommitId {
    type Err = CommitIdError;
    fn from_str(text: &str) -> Result<Self, CommitIdError> {
        let nonsense = || CommitIdError { text: text.chars().take(80).collect() };
        let bytes = text.as_bytes();
        if bytes.len() != 40 {
            return Err(nonsense());
        }
        let digit = |b: u8| match b {
            b'0'..=b'9' => Ok(b - b'0'),
            b'a'..=b'f' => Ok(b - b'a' + 10),
            _ => Err(nonsense()),
        };
        let mut id = [0; 20];
        for (slot, pair) in id.iter_mut().zip(bytes.chunks_exact(2)) {
            *slot = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(id))
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.short(12))
    }
}

impl TryFrom<String> for CommitId {
    type Error = CommitIdError;
    fn try_from(text: String) -> Result<Self, CommitIdError> {
        text.parse()
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> String {
        id.to_string()
    }
}

/// A target's `ref`: pinned to one commit, or following a branch.
///
/// app-interface allows only `master`, `main`, `internal` and `stable` as branches; Towpath takes any branch name
/// that Git itself takes, since who is not on app-interface has branches of other names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum GitRef {
    /// One commit.
    Commit(CommitId),
    /// A branch: it moves.
    Branch(BranchName),
}

/// Why a text is not a ref.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitRefError {
    /// It is no name at all.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Git refuses such a branch name, or it could be taken for an option.
    #[error("{text:?} is neither a full commit id (40 lower-case hex digits) nor a branch name that Git takes")]
    Branch {
        /// The text as it was given.
        text: String,
    },
}

impl GitRef {
    /// The commit, if pinned.
    #[must_use]
    pub fn commit(&self) -> Option<CommitId> {
        match self {
            Self::Commit(commit) => Some(*commit),
            Self::Branch(_) => None,
        }
    }

    /// The branch, if it follows one.
    #[must_use]
    pub fn branch(&self) -> Option<&BranchName> {
        match self {
            Self::Commit(_) => None,
            Self::Branch(branch) => Some(branch),
        }
    }
}

impl FromStr for GitRef {
    type Err = GitRefError;
    fn from_str(text: &str) -> Result<Self, GitRefError> {
        if let Ok(commit) = text.parse() {
            return Ok(Self::Commit(commit));
        }
        // The rules of git-check-ref-format(1), and no leading dash: a ref reaches argument lists.
        let bad_char = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
        let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
        if text.starts_with('-')
            || text.ends_with('.')
            || text == "@"
            || text.contains("..")
            || text.contains("@{")
            || text.contains(bad_char)
            || text.split('/').any(bad_part)
        {
            return Err(GitRefError::Branch { text: text.chars().take(80).collect() });
        }
        Ok(Self::Branch(BranchName::new(text)?))
    }
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(commit) => commit.fmt(f),
            Self::Branch(branch) => branch.fmt(f),
        }
    }
}

impl TryFrom<String> for GitRef {
    type Error = GitRefError;
    fn try_from(text: String) -> Result<Self, GitRefError> {
        text.parse()
    }
}

impl From<GitRef> for String {
    fn from(git_ref: GitRef) -> String {
        git_ref.to_string()
    }
}

/// A repository's URL as people wrote it. Shown without userinfo: a token in it never reaches a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RepoUrl(Arc<str>);

impl RepoUrl {
    /// Takes a URL, a local path or an scp-like address. One that begins with a dash, or is empty, is refused.
    ///
    /// # Errors
    /// [`NameError`] when it cannot be handed to Git safely.
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
        let text = text.as_ref();
        let what = "repository URL";
        if text.is_empty() || text.starts_with('-') {
            return Err(NameError::Empty { what });
        }
        if text.chars().any(char::is_control) {
            return Err(NameError::Control { what, text: text.to_owned() });
        }
        Ok(Self(Arc::from(text)))
    }

    /// The URL with whatever credentials it holds: for Git's ears only. Everything else uses `Display`.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The same place without whatever credentials the URL holds: for what is kept, and sent to others.
    #[must_use]
    pub fn without_credentials(&self) -> Self {
        match self.userinfo() {
            Some((scheme, rest)) => Self(Arc::from(format!("{scheme}://{rest}"))),
            None => self.clone(),
        }
    }

    /// The scheme, and what stands behind the userinfo, where there is one.
    fn userinfo(&self) -> Option<(&str, &str)> {
        let (scheme, rest) = self.0.split_once("://")?;
        let end = rest.find('/').unwrap_or(rest.len());
        rest[..end].rfind('@').map(|at| (scheme, &rest[at + 1..]))
    }
}

impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.userinfo() {
            Some((scheme, rest)) => write!(f, "{scheme}://…@{rest}"),
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ref_is_a_commit_or_a_branch_and_never_an_option() {
        let sha = "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7";
        assert_eq!(sha.parse::<GitRef>().unwrap().commit().unwrap().to_string(), sha);
        assert_eq!("release/1.2".parse::<GitRef>().unwrap().branch().unwrap().as_str(), "release/1.2");
        for bad in ["", "-upload-pack=x", "a..b", "a b", "x.lock", "a//b", "/a", "a/", "@{1}", "a\nb", "a:b", "."] {
            assert!(bad.parse::<GitRef>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_url_is_shown_without_its_credentials() {
        let url = RepoUrl::new("https://user:hunter2@git.example.com/a/b").unwrap();
        assert_eq!(url.to_string(), "https://…@git.example.com/a/b");
        assert_eq!(format!("{url:?}"), "https://…@git.example.com/a/b");
        assert_eq!(url.without_credentials().expose(), "https://git.example.com/a/b");
        assert_eq!(RepoUrl::new("/srv/a@b/c").unwrap().without_credentials().expose(), "/srv/a@b/c");
        assert_eq!(RepoUrl::new("git@example.com:a/b").unwrap().to_string(), "git@example.com:a/b");
        assert!(RepoUrl::new("--upload-pack=touch /tmp/x").is_err());
    }

    #[test]
    fn a_commit_is_shortened_to_the_tag_length() {
        let commit: CommitId = "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap();
        assert_eq!(commit.short(7), "5f8f0e1");
        assert!("5F8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse::<CommitId>().is_err());
        assert!("5f8f0e1".parse::<CommitId>().is_err());
    }
}

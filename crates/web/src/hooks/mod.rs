//! Webhooks: what forges, repositories and registries send when something is new.
//!
//! A hook only *wakes*: what it says is never believed, it only tells where to look. So a forged one, a replayed one, one that comes twice or
//! out of turn can do no more than have something looked at that would have been looked at a little later; and a lost one costs a poll's time.
//!
//! | path | who sends | how it shows that it may |
//! | --- | --- | --- |
//! | `/hooks/github` | GitHub | `X-Hub-Signature-256`: HMAC-SHA256 of the body |
//! | `/hooks/forgejo` | Forgejo, Gitea | `X-Forgejo-Signature` or `X-Gitea-Signature`: HMAC-SHA256 of the body |
//! | `/hooks/gitlab` | GitLab | `webhook-signature` by a signing token (`whsec_…`), or `X-Gitlab-Token`, the secret itself |
//! | `/hooks/registry` | registries | where a secret is set, `Authorization` with it, or GitHub's signature |
//! | `/hooks/git` | anybody | not at all: it has everything looked at, at a bounded pace |
//!
//! What is checked, in this order, so that a stranger costs as little as can be: that the receiver has a secret; that there is something to
//! check; that there is room ([`HookLimits`]); the signature, over the bytes as they came; only then is the body parsed.

mod intake;
mod keys;
mod payload;
mod plain;
mod receive;
mod seen;
mod signature;

pub use intake::HookLimits;
pub use keys::{Keys, NoSecrets, Secrets};

pub(crate) use plain::git;
pub(crate) use receive::{Hooks, forgejo, github, gitlab, registry};

/// How hooks are received.
#[derive(Debug, Clone, Default)]
pub struct HookSettings {
    /// The secrets that they are checked with.
    pub keys: Keys,
    /// The bounds of taking them in.
    pub limits: HookLimits,
}

/// Where hooks are received that must show that they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Receiver {
    /// GitHub's.
    GitHub,
    /// GitLab's.
    GitLab,
    /// Forgejo's and Gitea's.
    Forgejo,
    /// Registries'. Without a secret it takes hooks of anybody.
    Registry,
}

impl Receiver {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::GitHub, Self::GitLab, Self::Forgejo, Self::Registry];

    /// The last part of its path, and its name in `towpath.toml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Forgejo => "forgejo",
            Self::Registry => "registry",
        }
    }
}

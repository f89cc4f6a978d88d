//! `[webhooks]`: the secrets that webhooks are checked with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use towpath_web::hooks::Receiver;

use super::keys::{SECRET, Shape};
use super::outside::{Credential, Outside, SecretRef};

/// What may stand at `[webhooks]`.
pub const SHAPE: Shape = Shape::Table(&[("github", HOOK), ("gitlab", HOOK), ("forgejo", HOOK), ("registry", HOOK)]);

const HOOK: Shape =
    Shape::Table(&[("secret_file", Shape::Value), ("secret", SECRET), ("other_secret_file", Shape::Value), ("other_secret", SECRET)]);

/// The secrets of each receiver that has one: one, or two while one takes the place of the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Raw")]
pub struct Webhooks(pub BTreeMap<Receiver, Vec<Credential>>);

#[derive(Deserialize)]
struct Raw {
    github: Option<Hook>,
    gitlab: Option<Hook>,
    forgejo: Option<Hook>,
    registry: Option<Hook>,
}

#[derive(Deserialize)]
#[serde(try_from = "RawHook")]
struct Hook(Vec<Credential>);

#[derive(Deserialize)]
struct RawHook {
    secret_file: Option<PathBuf>,
    secret: Option<SecretRef>,
    other_secret_file: Option<PathBuf>,
    other_secret: Option<SecretRef>,
}

impl TryFrom<RawHook> for Hook {
    type Error = String;
    fn try_from(raw: RawHook) -> Result<Self, String> {
        let secret = Credential::of(raw.secret_file, raw.secret, ("secret_file", "secret"))?
            .ok_or("a webhook is checked with `secret_file`, the file that holds the secret, or `secret`, its place in the secret store")?;
        let other = Credential::of(raw.other_secret_file, raw.other_secret, ("other_secret_file", "other_secret"))?;
        Ok(Self(std::iter::once(secret).chain(other).collect()))
    }
}

impl From<Raw> for Webhooks {
    fn from(raw: Raw) -> Self {
        let all = [
            (Receiver::GitHub, raw.github),
            (Receiver::GitLab, raw.gitlab),
            (Receiver::Forgejo, raw.forgejo),
            (Receiver::Registry, raw.registry),
        ];
        Self(all.into_iter().filter_map(|(receiver, hook)| Some((receiver, hook?.0))).collect())
    }
}

impl Webhooks {
    /// The same with paths meant from `folder`.
    pub fn from(self, folder: &Path) -> Self {
        let place = |secrets: Vec<Credential>| secrets.into_iter().map(|secret| secret.from(folder)).collect();
        Self(self.0.into_iter().map(|(receiver, secrets)| (receiver, place(secrets))).collect())
    }

    /// Whether what stands in the secret store can be read from there.
    ///
    /// # Errors
    /// What has no store.
    pub fn consistent(&self, outside: &Outside) -> Result<(), String> {
        for (receiver, secrets) in &self.0 {
            if outside.secrets.is_none() && secrets.iter().any(|secret| matches!(secret, Credential::Secret(_))) {
                let name = receiver.name();
                return Err(format!(
                    "[webhooks.{name}] secret stands in a secret store, but there is no [secrets]; add it, or name a file"
                ));
            }
        }
        Ok(())
    }
}

//! What a test says about where its reports are.

use std::fmt;
use std::str::FromStr;

use crate::api::is_dns_name;

/// The annotation of a `Job` or `ClowdJobInvocation` whose reports are in a volume: `CLAIM` or `CLAIM/FOLDER`.
pub const REPORTS_VOLUME: &str = "towpath.dev/reports-volume";

/// The annotation of a `Job` or `ClowdJobInvocation` that says, with `required`, that it always leaves reports.
pub const REPORTS: &str = "towpath.dev/reports";

/// The longest folder, in bytes.
const FOLDER_MAX: usize = 500;

/// A claim on a volume, and a folder in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub(super) name: String,
    /// Without a slash at its beginning or end; empty for the whole volume.
    pub(super) folder: String,
}

/// Why a text names no claim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no PersistentVolumeClaim with a folder: write its name, and perhaps a slash and folders without `..`, of letters, digits, \
     spaces and . _ - + @ = , such as smoke-reports/junit"
)]
pub struct ClaimError(String);

impl FromStr for Claim {
    type Err = ClaimError;

    fn from_str(text: &str) -> Result<Self, ClaimError> {
        let (name, folder) = text.split_once('/').unwrap_or((text, ""));
        let folder = folder.strip_suffix('/').unwrap_or(folder);
        // Kubernetes itself would replace what a dollar and a bracket enclose.
        let plain = |c: char| c.is_alphanumeric() || "._-+@=, ".contains(c);
        let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(plain);
        let is_folder = folder.is_empty() || (folder.len() <= FOLDER_MAX && folder.split('/').all(is_part));
        if !is_dns_name(name) || name.contains(':') || !is_folder {
            return Err(ClaimError(text.chars().take(200).collect()));
        }
        Ok(Self { name: name.to_owned(), folder: folder.to_owned() })
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.folder.is_empty() { Ok(()) } else { write!(f, "/{}", self.folder) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_a_name_and_perhaps_a_folder() {
        for (text, name, folder) in [
            ("smoke-reports", "smoke-reports", ""),
            ("smoke-reports/", "smoke-reports", ""),
            ("smoke.reports/junit", "smoke.reports", "junit"),
            ("a/target/surefire reports/", "a", "target/surefire reports"),
            ("a/.hidden/-rf", "a", ".hidden/-rf"),
        ] {
            let claim: Claim = text.parse().unwrap();
            assert_eq!((claim.name.as_str(), claim.folder.as_str()), (name, folder), "{text}");
            assert_eq!(claim.to_string().parse::<Claim>().unwrap(), claim);
        }
    }

    #[test]
    fn what_climbs_or_means_something_to_anybody_is_refused() {
        for text in ["", "/", "/a", "A", "a:b", "a/..", "a/../b", "a/./b", "a//b", "a/b\nc", "a/$(HOME)", "a/`id`", "a/*", "../a", "a b"] {
            assert!(text.parse::<Claim>().is_err(), "{text:?}");
        }
    }
}

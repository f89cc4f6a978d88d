//! The forge that the config repository is on, where people look at its changes. Without it, changes are branches of plain Git.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use towpath_domain::Span;

use super::outside::{Credential, SecretRef};

/// Which forge, where, and who Towpath is there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Forge {
    /// Which.
    pub kind: Kind,
    /// Where its API is; on the host of the config repository when nothing is said.
    pub base_url: Option<String>,
    /// The repository there; as in the config repository's URL when nothing is said.
    pub repository: Option<String>,
    /// Its certificate authority.
    pub ca: Option<PathBuf>,
    /// Who Towpath is.
    pub sign_in: SignIn,
    /// For how long a call waits out what passes.
    pub patience: Span,
}

/// A kind of forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// github.com or GitHub Enterprise Server.
    GitHub,
    /// gitlab.com or self-managed.
    GitLab,
    /// Forgejo.
    Forgejo,
    /// Gitea, which speaks as Forgejo does.
    Gitea,
}

/// Who Towpath is on the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// The account of this token.
    Token(Credential),
    /// An app of GitHub's.
    App {
        /// Its number.
        id: u64,
        /// Where its private key is.
        private_key: Credential,
    },
}

/// How long a call waits for a forge that is busy or starts anew: shorter than anybody's patience with a change.
const PATIENCE: Span = Span::from_secs(60);

#[derive(Deserialize)]
struct Raw {
    kind: Kind,
    base_url: Option<String>,
    repository: Option<String>,
    ca: Option<PathBuf>,
    token_file: Option<PathBuf>,
    token: Option<SecretRef>,
    app_id: Option<u64>,
    private_key_file: Option<PathBuf>,
    private_key: Option<SecretRef>,
    patience: Option<String>,
}

impl TryFrom<Raw> for Forge {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Self, String> {
        let token = Credential::of(raw.token_file, raw.token, ("token_file", "token"))?;
        let key = Credential::of(raw.private_key_file, raw.private_key, ("private_key_file", "private_key"))?;
        let sign_in = match (token, raw.app_id, key) {
            (Some(token), None, None) => SignIn::Token(token),
            (None, Some(_), Some(_)) if raw.kind != Kind::GitHub => {
                return Err("only GitHub has apps: use `token_file` or `token`".to_owned());
            }
            (None, Some(id), Some(private_key)) => SignIn::App { id, private_key },
            (None, None, None) => {
                return Err(
                    "say who Towpath is: `token_file` or `token`; on GitHub also `app_id` with `private_key_file` or `private_key`"
                        .to_owned(),
                );
            }
            (None, _, _) => return Err("`app_id` goes together with `private_key_file` or `private_key`".to_owned()),
            (Some(_), _, _) => return Err("a token and an app say who Towpath is in two ways: leave one out".to_owned()),
        };
        if let Some(url) = raw.base_url.as_deref().filter(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            return Err(format!("base_url {url:?} is no address that begins with https://"));
        }
        let patience = raw.patience.map(|text| text.parse::<Span>().map_err(|error| error.to_string())).transpose()?;
        let (base_url, repository) = (raw.base_url, raw.repository);
        Ok(Self { kind: raw.kind, base_url, repository, ca: raw.ca, sign_in, patience: patience.unwrap_or(PATIENCE) })
    }
}

impl Forge {
    /// The same with paths meant from `folder`.
    pub fn from(self, folder: &Path) -> Self {
        let sign_in = match self.sign_in {
            SignIn::Token(token) => SignIn::Token(token.from(folder)),
            SignIn::App { id, private_key } => SignIn::App { id, private_key: private_key.from(folder) },
        };
        Self { ca: self.ca.map(|ca| folder.join(ca)), sign_in, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Forge, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn a_forge_says_which_it_is_and_who_towpath_is_there() {
        let forge = read("kind = \"gitlab\"\ntoken_file = \"token\"\npatience = \"5s\"").unwrap().from(Path::new("/etc/towpath"));
        assert_eq!(forge.sign_in, SignIn::Token(Credential::File("/etc/towpath/token".into())));
        assert_eq!((forge.kind, forge.patience), (Kind::GitLab, Span::from_secs(5)));
        let app = read("kind = \"github\"\napp_id = 7\nprivate_key_file = \"key.pem\"").unwrap();
        assert_eq!(app.sign_in, SignIn::App { id: 7, private_key: Credential::File("key.pem".into()) });
    }

    #[test]
    fn what_does_not_make_sense_is_refused_with_the_mend() {
        for (text, says) in [
            ("kind = \"github\"", "say who Towpath is"),
            ("kind = \"github\"\napp_id = 7", "goes together with"),
            ("kind = \"gitlab\"\napp_id = 7\nprivate_key_file = \"k\"", "only GitHub has apps"),
            ("kind = \"github\"\ntoken_file = \"t\"\napp_id = 7\nprivate_key_file = \"k\"", "leave one out"),
            ("kind = \"github\"\ntoken_file = \"t\"\nbase_url = \"git.example.com\"", "begins with https://"),
            ("kind = \"bitbucket\"\ntoken_file = \"t\"", "unknown variant"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}

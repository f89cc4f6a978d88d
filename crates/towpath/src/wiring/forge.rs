//! The forge of the config repository, as `towpath.toml` names it.

use std::sync::Arc;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use towpath_catalog::ForgeKind;
use towpath_domain::RepoUrl;
use towpath_forge::{
    App, AppKey, CommitPages, Forge, Kind, PlainGit, Settings, Token, forgejo, git_credential, git_credential_to_come, github, github_app,
    gitlab,
};
use towpath_git::Credential;

use super::outside::Reached;
use crate::config::forge::{Forge as Configured, Kind as ConfiguredKind, SignIn};

/// Who Towpath is on the forge, read where `towpath.toml` says that it is.
pub struct SignedIn {
    configured: Configured,
    who: Who,
    /// What Git tells the forge's own server.
    credential: Option<Credential>,
}

/// A forge, and the App that Towpath is there.
pub type Connected = (Arc<dyn Forge>, Option<Arc<App>>);

enum Who {
    Token(Token),
    App(AppKey),
}

impl SignedIn {
    /// Reads the token, or the App's key; `url` is the config repository's, for Git's own part.
    ///
    /// # Errors
    /// When it cannot be read, or cannot be one.
    pub async fn read(configured: &Configured, outside: &Reached, url: &RepoUrl) -> anyhow::Result<Self> {
        let configured = configured.clone();
        let kind = kind(configured.kind);
        let (who, credential) = match &configured.sign_in {
            SignIn::Token(place) => {
                let now = outside.credential(place).await.context("[forge] token")?;
                let credential = git_credential(kind, now.expose_secret().trim(), url).context("[forge] token")?;
                (Who::Token(outside.forge_token(place)), credential)
            }
            SignIn::App { id, private_key } => {
                let pem = outside.credential(private_key).await.context("[forge] private_key")?;
                let key = AppKey::new(&id.to_string(), pem.expose_secret()).context("[forge] private_key")?;
                (Who::App(key), git_credential_to_come(url).context("[forge]")?)
            }
        };
        Ok(Self { configured, who, credential })
    }

    /// What Git tells the forge's own server, where the config repository is reached by https.
    pub fn git(&self) -> Vec<Credential> {
        self.credential.iter().cloned().collect()
    }

    /// The forge, with changes as branches of `plain`; and the App that Towpath is there, whose tokens are to be kept fresh.
    ///
    /// # Errors
    /// When neither the settings nor the config repository's URL say where it is.
    pub fn forge(self, plain: PlainGit) -> anyhow::Result<Connected> {
        let Self { configured, who, credential } = self;
        let kind = kind(configured.kind);
        let settings = |token| Settings {
            base_url: configured.base_url.clone(),
            repository: configured.repository.clone(),
            token,
            ca_file: configured.ca.clone(),
            patience: configured.patience,
        };
        let forge = match (who, kind) {
            (Who::App(key), _) => {
                // It goes by what its key signs, and not by a token.
                let settings = settings(SecretString::from("").into());
                return github_app(&settings, key, credential, plain).map(|(forge, app)| (forge, Some(app))).context("[forge]");
            }
            (Who::Token(token), Kind::GitHub) => github(&settings(token), plain),
            (Who::Token(token), Kind::GitLab) => gitlab(&settings(token), plain),
            (Who::Token(token), Kind::Forgejo) => forgejo(&settings(token), plain),
        };
        Ok((forge.context("[forge]")?, None))
    }

    /// Where people see commits, on this forge and on others; `url` is the config repository's.
    pub fn commit_pages(&self, url: &RepoUrl) -> CommitPages {
        let address = self.configured.base_url.as_deref().unwrap_or(url.expose());
        CommitPages::new(Some((kind(self.configured.kind), address)))
    }

    /// Where people's accounts are.
    pub fn accounts(&self) -> ForgeKind {
        match kind(self.configured.kind) {
            Kind::GitHub => ForgeKind::GitHub,
            Kind::GitLab => ForgeKind::GitLab,
            Kind::Forgejo => ForgeKind::Forgejo,
        }
    }
}

fn kind(configured: ConfiguredKind) -> Kind {
    match configured {
        ConfiguredKind::GitHub => Kind::GitHub,
        ConfiguredKind::GitLab => Kind::GitLab,
        ConfiguredKind::Forgejo | ConfiguredKind::Gitea => Kind::Forgejo,
    }
}

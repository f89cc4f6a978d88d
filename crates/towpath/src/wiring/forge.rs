//! The forge of the config repository, as `towpath.toml` names it.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use secrecy::ExposeSecret as _;
use towpath_catalog::ForgeKind;
use towpath_domain::RepoUrl;
use towpath_forge::{Forge, Kind, PlainGit, Settings, forgejo, git_credential, gitlab};
use towpath_git::Credential;

use super::outside::Reached;
use crate::config::forge::{Forge as Configured, Kind as ConfiguredKind, SignIn};

/// Who Towpath is on the forge, read where `towpath.toml` says that it is.
pub struct SignedIn {
    configured: Configured,
    token: String,
}

impl SignedIn {
    /// Reads the token.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read(configured: &Configured, outside: &Reached) -> anyhow::Result<Self> {
        let token = match &configured.sign_in {
            SignIn::Token(place) => outside.credential(place).await.context("[forge] token")?,
            SignIn::App { .. } => bail!("[forge] app_id is not known to this version; use a token"),
        };
        Ok(Self { configured: configured.clone(), token: token.expose_secret().to_owned() })
    }

    /// What Git tells the forge's own server, where the config repository is reached by https.
    ///
    /// # Errors
    /// When the token cannot be one.
    pub fn git(&self, url: &RepoUrl) -> anyhow::Result<Vec<Credential>> {
        Ok(git_credential(self.kind(), &self.token, url).context("[forge] token")?.into_iter().collect())
    }

    /// The forge, with changes as branches of `plain`.
    ///
    /// # Errors
    /// When neither the settings nor the config repository's URL say where it is.
    pub fn forge(&self, plain: PlainGit) -> anyhow::Result<Arc<dyn Forge>> {
        let settings = Settings {
            base_url: self.configured.base_url.clone(),
            repository: self.configured.repository.clone(),
            token: self.token.clone(),
            patience: self.configured.patience,
        };
        let forge = match self.kind() {
            Kind::GitLab => gitlab(&settings, plain),
            Kind::Forgejo => forgejo(&settings, plain),
            Kind::GitHub => bail!("[forge] kind \"github\" is not known to this version"),
        };
        forge.context("[forge]")
    }

    fn kind(&self) -> Kind {
        match self.configured.kind {
            ConfiguredKind::GitHub => Kind::GitHub,
            ConfiguredKind::GitLab => Kind::GitLab,
            ConfiguredKind::Forgejo | ConfiguredKind::Gitea => Kind::Forgejo,
        }
    }

    /// Where people's accounts are.
    pub fn accounts(&self) -> ForgeKind {
        match self.kind() {
            Kind::GitHub => ForgeKind::GitHub,
            Kind::GitLab => ForgeKind::GitLab,
            Kind::Forgejo => ForgeKind::Forgejo,
        }
    }
}

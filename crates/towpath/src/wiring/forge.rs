//! The forges that `towpath.toml` names: of the config repository, and of sources.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinSet;
use towpath_catalog::ForgeKind;
use towpath_domain::RepoUrl;
use towpath_forge::{
    Address, App, AppKey, CommitPages, Forge, ForgeError, Kind, PlainGit, Settings, Token, api_of, forgejo, git_user, github, github_app,
    github_by, gitlab,
};
use towpath_git::Credential;
use towpath_runs::world::Hosts;

use super::outside::Reached;
use crate::config::Config;
use crate::config::forge::{Forge as Configured, Kind as ConfiguredKind, Other, SignIn, other};

/// All forges, and who Towpath is on each, read where `towpath.toml` says that it is.
pub struct Forges {
    /// The config repository's.
    own: Option<Own>,
    /// Those of sources, in the order of [`others`](Self::others).
    signed_in: Vec<SignedIn>,
    others: Vec<Other>,
    git: GitServers,
    apps: Apps,
}

/// The forge of the config repository, and of sources on its host.
struct Own {
    signed_in: SignedIn,
    /// Where it is: the config repository, and the API where that is said.
    at: Vec<Address>,
    /// The config repository.
    url: RepoUrl,
}

/// Who Towpath is on one forge.
struct SignedIn {
    configured: Configured,
    who: Who,
}

enum Who {
    /// An account. Git gets what it is at the start.
    Token(Token, SecretString),
    App(AppKey),
}

impl Forges {
    /// Reads the tokens, and the keys of Apps.
    ///
    /// # Errors
    /// When one cannot be read, or cannot be one.
    pub async fn read(config: &Config, outside: &Reached) -> anyhow::Result<Self> {
        let mut git = GitServers::default();
        let own = match &config.forge {
            Some(configured) => Some(Own::read(configured, &config.repository.url, outside, &mut git).await.context("[forge]")?),
            None => None,
        };
        let mut signed_in = Vec::with_capacity(config.forges.len());
        for other in &config.forges {
            let first = other.prefixes.first().map_or("", |prefix| prefix.as_str());
            let read = async {
                let one = SignedIn::read(&other.forge, outside).await?;
                for address in other.prefixes.iter().filter_map(|prefix| Address::of(prefix.as_str())).filter(|address| address.by_http) {
                    one.tell(&git.server(&address.origin)?.below(&address.path))?;
                }
                anyhow::Ok(one)
            };
            signed_in.push(read.await.with_context(|| format!("[[forges]] for {first:?}"))?);
        }
        Ok(Self { own, signed_in, others: config.forges.clone(), git, apps: Apps::default() })
    }

    /// What Git tells the servers of these forges where repositories are reached by https.
    pub fn git(&self) -> Vec<Credential> {
        self.git.0.values().cloned().collect()
    }

    /// The forge of the config repository, which `plain` is about.
    ///
    /// # Errors
    /// When neither the settings nor the config repository's URL say where it is.
    pub fn of_config(&self, plain: PlainGit) -> anyhow::Result<Arc<dyn Forge>> {
        let Some(Own { signed_in, .. }) = &self.own else { return Ok(Arc::new(plain)) };
        let Configured { base_url, repository, .. } = signed_in.configured.clone();
        // The rest of the server may be read with it, too.
        let credential = self.git.of(plain.mirror().url()).map(|(server, _)| server);
        signed_in.forge(plain, (base_url, repository), credential, &self.apps).context("[forge]")
    }

    /// Which hosted forge the config repository is on.
    pub fn accounts(&self) -> Option<ForgeKind> {
        self.own.as_ref().map(|own| accounts(own.signed_in.kind()))
    }

    /// Where people see commits, on these forges and on others.
    pub fn commit_pages(&self) -> CommitPages {
        let own = self.own.as_ref().map(|own| (&own.signed_in.configured, own.url.expose()));
        let others = self.others.iter().flat_map(|other| other.prefixes.iter().map(|prefix| (&other.forge, prefix.as_str())));
        CommitPages::new(own.into_iter().chain(others).map(|(forge, url)| (kind(forge.kind), forge.base_url.as_deref().unwrap_or(url))))
    }

    /// The forge that a source is on, with where its API is and which repository it is there, as far as that is said.
    fn of_source(&self, url: &RepoUrl) -> Option<(&SignedIn, Way)> {
        if let Some(other) = other(&self.others, url) {
            let index = self.others.iter().position(|one| std::ptr::eq(one, other))?;
            return Some((self.signed_in.get(index)?, (other.forge.base_url.clone(), other.forge.repository.clone())));
        }
        let (own, address) = (self.own.as_ref()?, Address::of(url.expose())?);
        let Own { signed_in, at, url: config } = own;
        if !at.iter().any(|at| address.is_on_host_of(at)) {
            return None;
        }
        let said = signed_in.configured.base_url.clone();
        Some((signed_in, (said.or_else(|| api_of(signed_in.kind(), config).ok()), None)))
    }
}

impl Hosts for Forges {
    fn kind(&self, url: &RepoUrl) -> Option<ForgeKind> {
        self.of_source(url).map(|(signed_in, _)| accounts(signed_in.kind()))
    }

    fn forge(&self, plain: &PlainGit) -> Result<Option<Arc<dyn Forge>>, ForgeError> {
        let url = plain.mirror().url().clone();
        let Some((signed_in, way)) = self.of_source(&url) else { return Ok(None) };
        // A token of an App's is for one repository.
        let credential = self.git.of(&url).map(|(server, path)| server.below(&path));
        signed_in.forge(plain.clone(), way, credential, &self.apps).map(Some)
    }
}

impl Own {
    async fn read(configured: &Configured, url: &RepoUrl, outside: &Reached, git: &mut GitServers) -> anyhow::Result<Self> {
        let signed_in = SignedIn::read(configured, outside).await?;
        let of_url = Address::of(url.expose());
        let of_api = configured.base_url.as_deref().and_then(Address::of).map(|api| pages(signed_in.kind(), api));
        let at: Vec<Address> = of_url.into_iter().chain(of_api).collect();
        for address in &at {
            // By whatever way the config repository is reached, sources may be reached by https.
            signed_in.tell(&git.server(&address.origin)?)?;
        }
        Ok(Self { signed_in, at, url: url.clone() })
    }
}

/// Where a forge's repositories are whose API is here: github.com and its like have their API on a host of its own.
fn pages(kind: Kind, api: Address) -> Address {
    let host = api.origin.strip_prefix("https://api.").filter(|_| kind == Kind::GitHub && api.path.is_empty());
    match host {
        Some(host) => Address { origin: format!("https://{host}"), ..api },
        None => api,
    }
}

/// Where a repository's API is and which repository it is there, where that is said.
type Way = (Option<String>, Option<String>);

impl SignedIn {
    async fn read(configured: &Configured, outside: &Reached) -> anyhow::Result<Self> {
        let who = match &configured.sign_in {
            SignIn::Token(place) => Who::Token(outside.forge_token(place), outside.credential(place).await.context("token")?),
            SignIn::App { id, private_key } => {
                let pem = outside.credential(private_key).await.context("private_key")?;
                Who::App(AppKey::new(&id.to_string(), pem.expose_secret()).context("private_key")?)
            }
        };
        Ok(Self { configured: configured.clone(), who })
    }

    fn kind(&self) -> Kind {
        kind(self.configured.kind)
    }

    /// Gives the account's token to Git. An App's tokens come later, and for one repository each.
    fn tell(&self, credential: &Credential) -> anyhow::Result<()> {
        match &self.who {
            Who::Token(_, now) => Ok(credential.set(git_user(self.kind()), now.expose_secret().trim()).context("token")?),
            Who::App(_) => Ok(()),
        }
    }

    /// The forge, with changes as branches of `plain`. An App's tokens are given to `credential`, too, and kept fresh there.
    fn forge(
        &self,
        plain: PlainGit,
        (base_url, repository): Way,
        credential: Option<Credential>,
        apps: &Apps,
    ) -> Result<Arc<dyn Forge>, ForgeError> {
        let token = match &self.who {
            Who::Token(token, _) => token.clone(),
            // It goes by what its key signs.
            Who::App(_) => SecretString::from("").into(),
        };
        let (ca_file, patience) = (self.configured.ca.clone(), self.configured.patience);
        let settings = Settings { base_url, repository, token, ca_file, patience };
        match (&self.who, self.kind()) {
            (Who::App(key), _) => {
                let url = plain.mirror().url().clone();
                let app = apps.of(&url, credential, |credential| github_app(&settings, key.clone(), credential, &url))?;
                github_by(&app, &settings, plain)
            }
            (Who::Token(..), Kind::GitHub) => github(&settings, plain),
            (Who::Token(..), Kind::GitLab) => gitlab(&settings, plain),
            (Who::Token(..), Kind::Forgejo) => forgejo(&settings, plain),
        }
    }
}

/// What Git tells the servers that it reaches by https, by their origins: one each, since Git gets them once and for all.
#[derive(Default)]
struct GitServers(BTreeMap<String, Credential>);

impl GitServers {
    /// The one of a server, which holds nothing at first.
    fn server(&mut self, origin: &str) -> anyhow::Result<Credential> {
        let made = Credential::new(origin)?;
        Ok(self.0.entry(origin.to_owned()).or_insert(made).clone())
    }

    /// The one of the server that a repository is on, and the repository's path there.
    fn of(&self, url: &RepoUrl) -> Option<(Credential, String)> {
        let address = Address::of(url.expose()).filter(|address| address.by_http)?;
        Some((self.0.get(&address.origin)?.clone(), address.path))
    }
}

/// Towpath as an App, once for each repository.
#[derive(Default)]
struct Apps {
    known: Mutex<HashMap<RepoUrl, Arc<App>>>,
    /// Those who keep the tokens fresh that Git has. They end with this.
    fresh: Mutex<JoinSet<()>>,
}

impl Apps {
    fn of(
        &self,
        url: &RepoUrl,
        credential: Option<Credential>,
        make: impl FnOnce(Option<Credential>) -> Result<Arc<App>, ForgeError>,
    ) -> Result<Arc<App>, ForgeError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(app) = known.get(url) {
            return Ok(Arc::clone(app));
        }
        let for_git = credential.is_some();
        let app = make(credential)?;
        if for_git {
            let app = Arc::clone(&app);
            // Git has a token before it is asked for anything, or from as soon as there is one.
            self.fresh.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move { app.keep_fresh().await });
        }
        known.insert(url.clone(), Arc::clone(&app));
        Ok(app)
    }
}

fn kind(configured: ConfiguredKind) -> Kind {
    match configured {
        ConfiguredKind::GitHub => Kind::GitHub,
        ConfiguredKind::GitLab => Kind::GitLab,
        ConfiguredKind::Forgejo | ConfiguredKind::Gitea => Kind::Forgejo,
    }
}

/// Where people's accounts are.
fn accounts(kind: Kind) -> ForgeKind {
    match kind {
        Kind::GitHub => ForgeKind::GitHub,
        Kind::GitLab => ForgeKind::GitLab,
        Kind::Forgejo => ForgeKind::Forgejo,
    }
}

#[cfg(test)]
#[path = "forge_tests.rs"]
mod tests;

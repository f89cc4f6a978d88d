//! Clusters, registries and secret stores, as `towpath.toml` names them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use towpath_cluster::{Cluster, Connection, Executor, KubeCluster, KubeSettings, KubernetesJobs, Tekton, Token, TokenSource};
use towpath_domain::ClusterName;
use towpath_registry::{Credentials, LayoutRegistry, Password, PasswordSource, Registries, RemoteSettings, TrustedRoot};
use towpath_runs::world::Clusters;
use towpath_secrets::{
    Files, FilesConfig, Kubernetes, KubernetesConfig, KubernetesSecrets, LONGEST_KEPT, Pins, Request, SecretSource, SecretStore, SignIn,
    Stores, Vault, VaultConfig, VersionKey,
};

use crate::config::builds::Builds;
use crate::config::outside::{self, Credential, Outside, Secrets, Way};

/// Everything outside: clusters that are connected to when first needed, and the store of secrets, which may be in one of them.
pub struct Reached {
    kubernetes: BTreeMap<String, KubeCluster>,
    embedded: Vec<String>,
    secrets: Arc<Stores>,
}

impl Reached {
    /// The clusters and the secret store that the configuration names.
    ///
    /// # Errors
    /// When the store cannot be set up.
    pub fn new(outside: &Outside, state: &Path) -> anyhow::Result<Self> {
        let mut reached = Self { kubernetes: BTreeMap::new(), embedded: Vec::new(), secrets: Arc::new(Stores::none()) };
        let (own, from_store): (Vec<_>, Vec<_>) = outside.clusters.iter().partition(|(_, cluster)| cluster.way.secret().is_none());
        reached.add(own);
        // The store may be in one of those clusters, and the others' tokens in it.
        reached.secrets = reached.store(outside, state)?;
        reached.add(from_store);
        Ok(reached)
    }

    fn add(&mut self, clusters: Vec<(&String, &outside::Cluster)>) {
        for (name, cluster) in clusters {
            let connection = match &cluster.way {
                Way::Embedded => {
                    self.embedded.push(name.clone());
                    continue;
                }
                Way::Kubeconfig { path, context } => Connection::Kubeconfig { path: path.clone(), context: context.clone() },
                Way::InCluster => Connection::InCluster,
                Way::Server { url, ca, token } => {
                    let token = match token {
                        Credential::File(file) => Token::File(file.clone()),
                        Credential::Secret(secret) => Token::Source(Arc::new(InStore::new(&self.secrets, secret))),
                    };
                    Connection::Server { url: url.clone(), ca: ca.clone(), token }
                }
            };
            let usual = KubeSettings::default();
            let settings = KubeSettings { requests_at_once: cluster.requests_at_once.unwrap_or(usual.requests_at_once) };
            self.kubernetes.insert(name.clone(), KubeCluster::new(name, connection, settings));
        }
    }

    /// The clusters for runs.
    ///
    /// # Errors
    /// When a name is none that a cluster can have.
    pub fn clusters(&self, embedded: &Arc<dyn Cluster>) -> anyhow::Result<Clusters> {
        let mut named: HashMap<ClusterName, Arc<dyn Cluster>> = HashMap::new();
        for (name, cluster) in &self.kubernetes {
            named.insert(ClusterName::new(name.clone())?, Arc::new(cluster.clone()));
        }
        for name in &self.embedded {
            named.insert(ClusterName::new(name.clone())?, Arc::clone(embedded));
        }
        Ok(Clusters::new(named, Arc::clone(embedded)))
    }

    /// The clusters over the network, by name.
    pub fn each_kubernetes(&self) -> impl Iterator<Item = (&str, &KubeCluster)> {
        self.kubernetes.iter().map(|(name, cluster)| (name.as_str(), cluster))
    }

    /// The cluster of this name, where it is Kubernetes.
    pub fn kubernetes(&self, name: &str) -> Option<&KubeCluster> {
        self.kubernetes.get(name)
    }

    /// What carries builds out elsewhere, where the configuration says so.
    ///
    /// # Errors
    /// When it names a cluster that is not reached.
    pub fn executor(&self, builds: Option<&Builds>) -> anyhow::Result<Option<Arc<dyn Executor>>> {
        let on = |name: &str| {
            let cluster =
                self.kubernetes.get(name).with_context(|| format!("[builds] names the cluster {name}, which is none of [clusters]"));
            cluster.cloned()
        };
        Ok(match builds {
            None => None,
            Some(Builds::Kubernetes { cluster, settings }) => Some(Arc::new(KubernetesJobs::new(on(cluster)?, (**settings).clone()))),
            Some(Builds::Tekton { cluster, settings }) => Some(Arc::new(Tekton::new(on(cluster)?, settings.clone()))),
        })
    }

    /// A credential, where it is now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn credential(&self, place: &Credential) -> anyhow::Result<SecretString> {
        match place {
            Credential::File(file) => read_secret(file),
            Credential::Secret(secret) => InStore::new(&self.secrets, secret).read().await.map_err(|why| anyhow::anyhow!(why)),
        }
    }

    /// The forge's token, read anew whenever the forge does not take the last one.
    pub fn forge_token(&self, place: &Credential) -> towpath_forge::Token {
        towpath_forge::Token::Source(match place {
            Credential::File(file) => Arc::new(InFile(file.clone())),
            Credential::Secret(secret) => Arc::new(InStore::new(&self.secrets, secret)),
        })
    }

    /// A credential of messages in the secret store.
    pub fn secret_source(&self, secret: &outside::SecretRef) -> Arc<dyn towpath_notify::SecretSource> {
        Arc::new(InStore::new(&self.secrets, secret))
    }

    /// The store of secret parameters; without one, each is refused.
    pub fn secrets(&self) -> Arc<Stores> {
        Arc::clone(&self.secrets)
    }

    fn store(&self, outside: &Outside, state: &Path) -> anyhow::Result<Arc<Stores>> {
        let Some(configured) = &outside.secrets else { return Ok(Arc::new(Stores::none())) };
        let version_key = version_key(state)?;
        let store: Arc<dyn SecretStore> = match configured {
            Secrets::Vault(vault) => Arc::new(Vault::new(vault_config(vault, version_key)).context("[secrets.vault]")?),
            Secrets::Files(folder) => {
                Arc::new(Files::new(FilesConfig { folder: folder.clone(), pins: Pins::Refuse, kept_for: Duration::ZERO, version_key }))
            }
            Secrets::Kubernetes(name) => {
                let cluster = self.kubernetes.get(name).with_context(|| {
                    format!("[secrets.kubernetes] names the cluster {name}, which is none of [clusters]; name one that is reached there")
                })?;
                let config = KubernetesConfig { cluster: name.clone(), pins: Pins::Refuse, kept_for: LONGEST_KEPT, version_key };
                Arc::new(Kubernetes::new(config, Arc::new(Reader(cluster.clone()))))
            }
        };
        Ok(Arc::new(Stores::none().with_default(store)))
    }

    /// The registries: the embedded one, and those that the configuration names.
    ///
    /// # Errors
    /// When a password or the trusted root of signatures cannot be read from its file, or a registry cannot be set up.
    pub fn registries(&self, outside: &Outside, embedded: LayoutRegistry) -> anyhow::Result<Registries> {
        let mut remotes = Vec::new();
        for (host, registry) in &outside.registries {
            let credentials = match &registry.credentials {
                None => None,
                Some((username, password)) => {
                    let password = match password {
                        Credential::File(file) => Password::Value(read_secret(file)?),
                        Credential::Secret(secret) => Password::Source(Arc::new(InStore::new(&self.secrets, secret))),
                    };
                    Some(Credentials { username: username.clone(), password })
                }
            };
            remotes.push(RemoteSettings { host: host.clone(), plain_http: registry.plain_http, ca_file: registry.ca.clone(), credentials });
        }
        let registries = Registries::new(embedded, remotes)?;
        Ok(match &outside.signatures.trusted_root {
            Some(file) => registries.with_trusted_root(TrustedRoot::read(file)?),
            None => registries,
        })
    }
}

/// A credential in the secret store, which keeps it for as long as its lease and then asks anew.
pub(super) struct InStore {
    store: Arc<Stores>,
    request: Request,
}

impl InStore {
    pub(super) fn new(store: &Arc<Stores>, secret: &outside::SecretRef) -> Self {
        Self { store: Arc::clone(store), request: Request::new(&secret.path, &secret.field).at_version(secret.version) }
    }

    pub(super) async fn read(&self) -> Result<SecretString, String> {
        let fetched = self.store.read(&self.request).await.map_err(|error| error.to_string())?;
        Ok(SecretString::from(fetched.value.expose().trim_end_matches(['\n', '\r']).to_owned()))
    }
}

impl std::fmt::Debug for InStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InStore").field("request", &self.request).finish_non_exhaustive()
    }
}

impl TokenSource for InStore {
    fn token(&self) -> BoxFuture<'_, Result<SecretString, String>> {
        self.read().boxed()
    }
}

impl towpath_forge::TokenSource for InStore {
    fn token(&self) -> BoxFuture<'_, Result<SecretString, String>> {
        self.read().boxed()
    }
}

impl towpath_notify::SecretSource for InStore {
    fn get(&self) -> BoxFuture<'_, Result<SecretString, String>> {
        self.read().boxed()
    }
}

impl PasswordSource for InStore {
    fn password(&self) -> BoxFuture<'_, Result<SecretString, String>> {
        self.read().boxed()
    }
}

/// A token in a file.
#[derive(Debug)]
struct InFile(PathBuf);

impl towpath_forge::TokenSource for InFile {
    fn token(&self) -> BoxFuture<'_, Result<SecretString, String>> {
        std::future::ready(read_secret(&self.0).map_err(|error| format!("{error:#}"))).boxed()
    }
}

/// A secret in a file, without the line break that editors put at its end.
pub(super) fn read_secret(file: &Path) -> anyhow::Result<SecretString> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}, which is to hold a secret", file.display()))?;
    Ok(SecretString::from(text.trim_end_matches(['\n', '\r']).to_owned()))
}

fn vault_config(vault: &outside::Vault, version_key: VersionKey) -> VaultConfig {
    let sign_in = match vault.sign_in.clone() {
        outside::SignIn::Token(file) => SignIn::Token(SecretSource::File(file)),
        outside::SignIn::AppRole(role_id, file) => {
            SignIn::AppRole { mount: "approle".to_owned(), role_id, secret_id: SecretSource::File(file) }
        }
        outside::SignIn::Kubernetes(role, file) => {
            SignIn::Kubernetes { mount: "kubernetes".to_owned(), role, service_account_token: SecretSource::File(file) }
        }
    };
    VaultConfig {
        namespace: vault.namespace.clone(),
        ca_file: vault.ca.clone(),
        allow_plain_http: vault.plain_http,
        ..VaultConfig::new(vault.address.clone(), sign_in, version_key)
    }
}

/// The key that versions of secrets are named with: made once, and this installation's own secret.
fn version_key(state: &Path) -> anyhow::Result<VersionKey> {
    let file = state.join("version-key");
    if !file.exists() {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
        crate::files::replace(&file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let bytes: [u8; 32] =
        bytes.try_into().ok().with_context(|| format!("{} is damaged; delete it, and a new one is made", file.display()))?;
    Ok(VersionKey::new(bytes))
}

/// Reads Secrets of a cluster for the secret store.
struct Reader(KubeCluster);

impl KubernetesSecrets for Reader {
    fn get<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Result<Option<BTreeMap<String, Vec<u8>>>, String>> {
        async move { self.0.read_secret(namespace, name).await.map_err(|error| error.to_string()) }.boxed()
    }
}

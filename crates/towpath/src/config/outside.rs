//! What Towpath reaches for: clusters, registries, secret stores. Credentials stand in files or secrets that are named here, never in this file,
//! and never in the config repository: whoever may edit a saas file may not choose them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::artifacts::Artifacts;

/// Clusters, registries and secret stores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outside {
    /// Clusters by the catalog's names. When none is named, all are the embedded runtime; when some are, no other name is known.
    pub clusters: BTreeMap<String, Cluster>,
    /// Registries by the host that images' names begin with.
    pub registries: BTreeMap<String, Registry>,
    /// Whose signatures count.
    pub signatures: Signatures,
    /// Where secret parameters come from.
    pub secrets: Option<Secrets>,
}

/// How a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawCluster")]
pub struct Cluster {
    /// How.
    pub way: Way,
    /// How many requests are under way at the same time, at most.
    pub requests_at_once: Option<usize>,
    /// Where its tests leave reports beside their logs.
    pub artifacts: Option<Artifacts>,
}

/// How a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// It is the embedded runtime.
    Embedded,
    /// A kubeconfig file and one of its contexts.
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// The context; the file's current one when none is named.
        context: Option<String>,
    },
    /// The service account of the pod that Towpath runs in.
    InCluster,
    /// A server and a token.
    Server {
        /// The server's address.
        url: String,
        /// Its certificate authority.
        ca: Option<PathBuf>,
        /// Where the token is.
        token: Credential,
    },
}

impl Way {
    /// The secret that holds the token, if one does.
    pub fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::Server { token: Credential::Secret(secret), .. } => Some(secret),
            _ => None,
        }
    }
}

/// Where a credential is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// In this file.
    File(PathBuf),
    /// In the secret store that `[secrets]` names.
    Secret(SecretRef),
}

/// A field of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawSecretRef")]
pub struct SecretRef {
    /// The path.
    pub path: String,
    /// The field.
    pub field: String,
    /// The version; the newest when none is named.
    pub version: Option<u64>,
}

#[derive(Deserialize)]
struct RawSecretRef {
    secret: String,
    field: String,
    version: Option<u64>,
}

impl TryFrom<RawSecretRef> for SecretRef {
    type Error = String;
    fn try_from(raw: RawSecretRef) -> Result<Self, String> {
        towpath_secrets::check_path(&raw.secret).map_err(|error| error.to_string())?;
        Ok(Self { path: raw.secret, field: raw.field, version: raw.version })
    }
}

impl Credential {
    /// One of the two.
    pub(super) fn of(file: Option<PathBuf>, secret: Option<SecretRef>, names: (&str, &str)) -> Result<Option<Self>, String> {
        match (file, secret) {
            (Some(file), None) => Ok(Some(Self::File(file))),
            (None, Some(secret)) => Ok(Some(Self::Secret(secret))),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(format!("`{}` and `{}` say the same in two ways: leave one out", names.0, names.1)),
        }
    }

    pub(super) fn from(self, folder: &Path) -> Self {
        match self {
            Self::File(file) => Self::File(folder.join(file)),
            secret @ Self::Secret(_) => secret,
        }
    }
}

#[derive(Deserialize)]
struct RawCluster {
    embedded: Option<bool>,
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    in_cluster: Option<bool>,
    server: Option<String>,
    ca: Option<PathBuf>,
    token_file: Option<PathBuf>,
    token: Option<SecretRef>,
    requests_at_once: Option<usize>,
    artifacts: Option<Artifacts>,
}

impl TryFrom<RawCluster> for Cluster {
    type Error = String;
    fn try_from(raw: RawCluster) -> Result<Self, String> {
        let ways = [raw.embedded == Some(true), raw.kubeconfig.is_some(), raw.in_cluster == Some(true), raw.server.is_some()];
        if ways.iter().filter(|given| **given).count() != 1 {
            return Err("a cluster is reached in one way: name `kubeconfig`, or `server` with `token_file` or `token`, or set `in_cluster = true`, \
                        or `embedded = true`"
                .to_owned());
        }
        if raw.context.is_some() && raw.kubeconfig.is_none() {
            return Err("`context` belongs to `kubeconfig`".to_owned());
        }
        if (raw.ca.is_some() || raw.token_file.is_some() || raw.token.is_some()) && raw.server.is_none() {
            return Err("`ca`, `token_file` and `token` belong to `server`".to_owned());
        }
        let way = match (raw.kubeconfig, raw.server) {
            (Some(path), _) => Way::Kubeconfig { path, context: raw.context },
            (None, Some(url)) => {
                if !url.starts_with("https://") {
                    return Err(format!("{url:?} is no address that begins with https://"));
                }
                let token = Credential::of(raw.token_file, raw.token, ("token_file", "token"))?
                    .ok_or("`server` needs `token_file`, the file that holds the token, or `token`, its place in the secret store")?;
                Way::Server { url, ca: raw.ca, token }
            }
            (None, None) if raw.in_cluster == Some(true) => Way::InCluster,
            (None, None) => Way::Embedded,
        };
        if way == Way::Embedded && raw.artifacts.as_ref().is_some_and(|artifacts| artifacts.volumes.is_some()) {
            return Err("volumes of the embedded runtime cannot be read for reports; take `artifacts.volumes` away".to_owned());
        }
        Ok(Self { way, requests_at_once: raw.requests_at_once.filter(|count| *count > 0), artifacts: raw.artifacts })
    }
}

/// How a registry is reached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawRegistry")]
pub struct Registry {
    /// User, and where the password is.
    pub credentials: Option<(String, Credential)>,
    /// It speaks HTTP without encryption.
    pub plain_http: bool,
    /// Its certificate authority.
    pub ca: Option<PathBuf>,
}

#[derive(Deserialize)]
struct RawRegistry {
    username: Option<String>,
    password_file: Option<PathBuf>,
    password: Option<SecretRef>,
    #[serde(default)]
    plain_http: bool,
    ca: Option<PathBuf>,
}

impl TryFrom<RawRegistry> for Registry {
    type Error = String;
    fn try_from(raw: RawRegistry) -> Result<Self, String> {
        let password = Credential::of(raw.password_file, raw.password, ("password_file", "password"))?;
        let credentials = match (raw.username, password) {
            (Some(name), Some(password)) => Some((name, password)),
            (None, None) => None,
            _ => {
                return Err(
                    "`username` goes together with `password_file` or `password`; leave both out for a registry that needs neither"
                        .to_owned(),
                );
            }
        };
        Ok(Self { credentials, plain_http: raw.plain_http, ca: raw.ca })
    }
}

/// Whose signatures count, beside those of the keys that policies name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Signatures {
    /// The authorities and logs of certificates, in Sigstore's format. Without it no signature by an identity counts.
    pub trusted_root: Option<PathBuf>,
}

/// Where secret parameters come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawSecrets")]
pub enum Secrets {
    /// `HashiCorp` Vault.
    Vault(Vault),
    /// Files below a folder.
    Files(PathBuf),
    /// Secrets of a cluster, which `[clusters]` names.
    Kubernetes(String),
}

/// A Vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vault {
    /// Its address.
    pub address: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its certificate authority.
    pub ca: Option<PathBuf>,
    /// It may be spoken to without encryption.
    pub plain_http: bool,
    /// How to sign in.
    pub sign_in: SignIn,
}

/// How to sign in to a Vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// With the token in this file.
    Token(PathBuf),
    /// With a role's id, and the secret in this file.
    AppRole(String, PathBuf),
    /// As this role, with the token of a service account in this file.
    Kubernetes(String, PathBuf),
}

/// Where a pod finds the token of its service account.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

#[derive(Deserialize)]
struct RawSecrets {
    vault: Option<RawVault>,
    files: Option<RawFiles>,
    kubernetes: Option<RawKubernetes>,
}

#[derive(Deserialize)]
struct RawVault {
    address: String,
    namespace: Option<String>,
    ca: Option<PathBuf>,
    #[serde(default)]
    plain_http: bool,
    token_file: Option<PathBuf>,
    role_id: Option<String>,
    secret_id_file: Option<PathBuf>,
    kubernetes_role: Option<String>,
}

#[derive(Deserialize)]
struct RawFiles {
    directory: PathBuf,
}

#[derive(Deserialize)]
struct RawKubernetes {
    cluster: String,
}

impl TryFrom<RawSecrets> for Secrets {
    type Error = String;
    fn try_from(raw: RawSecrets) -> Result<Self, String> {
        match (raw.vault, raw.files, raw.kubernetes) {
            (Some(vault), None, None) => vault.try_into().map(Self::Vault),
            (None, Some(files), None) => Ok(Self::Files(files.directory)),
            (None, None, Some(kubernetes)) => Ok(Self::Kubernetes(kubernetes.cluster)),
            _ => Err("secrets come from one store: write [secrets.vault], [secrets.files] or [secrets.kubernetes]".to_owned()),
        }
    }
}

impl TryFrom<RawVault> for Vault {
    type Error = String;
    fn try_from(raw: RawVault) -> Result<Self, String> {
        let sign_in = match (raw.kubernetes_role, raw.role_id, raw.secret_id_file, raw.token_file) {
            (Some(role), None, None, file) => SignIn::Kubernetes(role, file.unwrap_or_else(|| SERVICE_ACCOUNT_TOKEN.into())),
            (None, Some(role), Some(file), None) => SignIn::AppRole(role, file),
            (None, None, None, Some(file)) => SignIn::Token(file),
            _ => {
                return Err(
                    "say how to sign in: `token_file`, or `role_id` with `secret_id_file`, or `kubernetes_role` (with the service \
                            account's `token_file`, where it is not the usual one)"
                        .to_owned(),
                );
            }
        };
        Ok(Self { address: raw.address, namespace: raw.namespace, ca: raw.ca, plain_http: raw.plain_http, sign_in })
    }
}

impl Outside {
    /// The same with paths meant from `folder`.
    pub fn from(self, folder: &Path) -> Self {
        let at = |path: PathBuf| folder.join(path);
        let cluster = |cluster: Cluster| Cluster {
            way: match cluster.way {
                Way::Kubeconfig { path, context } => Way::Kubeconfig { path: at(path), context },
                Way::Server { url, ca, token } => Way::Server { url, ca: ca.map(at), token: token.from(folder) },
                way @ (Way::Embedded | Way::InCluster) => way,
            },
            artifacts: cluster.artifacts.map(|artifacts| artifacts.from(folder)),
            ..cluster
        };
        let registry = |registry: Registry| Registry {
            credentials: registry.credentials.map(|(name, password)| (name, password.from(folder))),
            ca: registry.ca.map(at),
            ..registry
        };
        let secrets = |secrets: Secrets| match secrets {
            Secrets::Files(directory) => Secrets::Files(at(directory)),
            Secrets::Kubernetes(cluster) => Secrets::Kubernetes(cluster),
            Secrets::Vault(vault) => Secrets::Vault(Vault {
                ca: vault.ca.map(at),
                sign_in: match vault.sign_in {
                    SignIn::Token(file) => SignIn::Token(at(file)),
                    SignIn::AppRole(role, file) => SignIn::AppRole(role, at(file)),
                    SignIn::Kubernetes(role, file) => SignIn::Kubernetes(role, at(file)),
                },
                ..vault
            }),
        };
        Self {
            clusters: self.clusters.into_iter().map(|(name, one)| (name, cluster(one))).collect(),
            registries: self.registries.into_iter().map(|(host, one)| (host, registry(one))).collect(),
            signatures: Signatures { trusted_root: self.signatures.trusted_root.map(at) },
            secrets: self.secrets.map(secrets),
        }
    }

    /// Whether what stands in the secret store can be read from there.
    ///
    /// # Errors
    /// What has no store, or would be needed to reach its own.
    pub fn consistent(&self) -> Result<(), String> {
        let tokens = self.clusters.iter().filter(|(_, cluster)| cluster.way.secret().is_some());
        let tokens = tokens.map(|(name, _)| (format!("[clusters.{name}] token"), Some(name)));
        let passwords = self.registries.iter().filter_map(|(host, registry)| match &registry.credentials {
            Some((_, Credential::Secret(_))) => Some((format!("[registries.\"{host}\"] password"), None)),
            _ => None,
        });
        for (what, cluster) in tokens.chain(passwords) {
            match &self.secrets {
                None => return Err(format!("{what} stands in a secret store, but there is no [secrets]; add it, or name a file")),
                Some(Secrets::Kubernetes(store)) if Some(store) == cluster => {
                    return Err(format!("{what} stands in the cluster that it is for; name a file, or keep secrets elsewhere"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

//! A registry over the network: the OCI distribution specification, spoken over HTTP.

mod auth;
mod http;
mod pull;
mod push;
mod tags;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use towpath_domain::{Digest, ImageRef, with_causes};

use crate::image::{ConfigFile, Descriptor, Index, is_index};
use crate::{ImageConfig, Limits, Manifest, Platform, RegistryError};

/// How a registry is reached.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// The registry as it stands at the beginning of images' names: a host, with its port where it has one.
    pub host: String,
    /// It speaks HTTP without encryption. For registries on this machine.
    pub plain_http: bool,
    /// Certificates (PEM) that the server's must go back to, beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// Who we are; nobody in particular when there is none.
    pub credentials: Option<Credentials>,
}

/// A name and a password. What is formatted hides the password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password or token.
    pub password: Password,
}

/// A password. What is formatted hides it.
#[derive(Debug, Clone)]
pub enum Password {
    /// The password itself.
    Value(SecretString),
    /// Somebody who is asked for it whenever it is needed.
    Source(Arc<dyn PasswordSource>),
}

impl From<SecretString> for Password {
    fn from(value: SecretString) -> Self {
        Self::Value(value)
    }
}

/// Who knows a password that may be another one tomorrow.
pub trait PasswordSource: std::fmt::Debug + Send + Sync {
    /// The password now.
    ///
    /// # Errors
    /// Why there is none, for people; without any secret.
    fn password(&self) -> Pin<Box<dyn Future<Output = Result<SecretString, String>> + Send + '_>>;
}

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A manifest is a list, not content.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 4 << 20;

/// The kinds of manifest that we understand.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                         application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// A registry over the network.
#[derive(Debug)]
pub struct RemoteRegistry {
    settings: RemoteSettings,
    /// The registry's address.
    base: Url,
    client: Client,
    tokens: auth::Tokens,
    patience: http::Patience,
    limits: Limits,
}

impl RemoteRegistry {
    /// The registry that the settings describe. Nothing is sent before it is needed.
    ///
    /// # Errors
    /// [`RegistryError::Settings`] when the certificates cannot be read.
    pub fn new(settings: RemoteSettings, limits: Limits) -> Result<Self, RegistryError> {
        let wrong = |why: String| RegistryError::Settings { registry: settings.host.clone(), why };
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(wrong("this process has no cryptography installed; that is a mistake in the program".to_owned()));
        }
        let scheme = if settings.plain_http { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{}/", settings.host)).ok();
        // Nothing but a host and a port: what else it held would end up in every address.
        let base = base.filter(|url| url.path() == "/" && url.username().is_empty() && url.password().is_none() && url.query().is_none());
        let base = base.ok_or_else(|| wrong("it is no host, as images' names begin with: such as quay.io or localhost:5000".to_owned()))?;
        let mut client = Client::builder().connect_timeout(CONNECT_WITHIN).redirect(http::redirects());
        if let Some(file) = &settings.ca_file {
            let pem = std::fs::read(file).map_err(|e| wrong(format!("{}: {e}", file.display())))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| wrong(format!("{}: {e}", file.display())))?;
            client = client.tls_certs_merge(certificates);
        }
        let client = client.build().map_err(|e| wrong(with_causes(&e)))?;
        Ok(Self { settings, base, client, tokens: auth::Tokens::default(), patience: http::Patience::default(), limits })
    }

    /// The host, as images' names begin with it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.settings.host
    }

    /// Looks whether the registry answers and takes our credentials.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn examine(&self) -> Result<(), RegistryError> {
        let answer = self.get("/v2/", "", HeaderMap::new()).await?;
        if answer.status().is_success() { Ok(()) } else { Err(self.unexpected(answer, "/v2/").await) }
    }

    /// The digest that the image stands for now; of an index, the index's own.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry cannot tell.
    pub async fn resolve(&self, image: &ImageRef) -> Result<Option<Digest>, RegistryError> {
        let wanted = match (image.digest(), image.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.to_owned(),
            (None, None) => return Err(RegistryError::Unpinned { image: image.clone() }),
        };
        let repository = self.repository(image.name());
        let path = format!("/v2/{repository}/manifests/{wanted}");
        let answer = self.head(&path, &pull_scope(repository), accept()).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => return Ok(None),
            status if status.is_success() => {}
            _ => return Err(self.unexpected(answer, &path).await),
        }
        let told = answer.headers().get("docker-content-digest").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
        if let Some(digest) = image.digest().or(told) {
            return Ok(Some(digest));
        }
        // A registry that does not say the digest lets it be reckoned.
        Ok(self.manifest_bytes(repository, &wanted).await?.map(|(bytes, _)| digest_of(&bytes)))
    }

    /// The manifest `digest`, or of an index, the one for this machine's platform.
    ///
    /// # Errors
    /// [`RegistryError`] when it is not there or cannot be used.
    pub async fn manifest(&self, name: &str, digest: Digest) -> Result<Manifest, RegistryError> {
        self.image(name, digest).await.map(|(_, _, manifest)| manifest)
    }

    /// The digests of all that an image consists of as a whole: its own, and if it is an index, its members'.
    ///
    /// # Errors
    /// [`RegistryError`] when it is not there.
    pub async fn members(&self, name: &str, digest: Digest) -> Result<Vec<Digest>, RegistryError> {
        let (bytes, kind) = self.needed(name, digest).await?;
        if !is_index(&kind) {
            return Ok(vec![digest]);
        }
        let index: Index = self.parse(&bytes, "the index", name, digest)?;
        Ok(std::iter::once(digest).chain(index.manifests.iter().map(|member| member.digest)).collect())
    }

    /// The configuration of an image.
    ///
    /// # Errors
    /// [`RegistryError`] when it is not there or cannot be used.
    pub async fn config(&self, name: &str, digest: Digest) -> Result<ImageConfig, RegistryError> {
        let manifest = self.manifest(name, digest).await?;
        let bytes = self.small_blob(name, &manifest.config, MANIFEST_BYTES_MAX).await?;
        let file: ConfigFile = self.parse(&bytes, "the configuration", name, digest)?;
        Ok(file.into())
    }

    /// The manifest of an image for this machine's platform, with its own digest and as it is written.
    async fn image(&self, name: &str, digest: Digest) -> Result<(Digest, Vec<u8>, Manifest), RegistryError> {
        let (bytes, kind) = self.needed(name, digest).await?;
        if !is_index(&kind) {
            let manifest: Manifest = self.parse(&bytes, "the manifest", name, digest)?;
            manifest.check(&self.limits, &format!("{name}@{digest}"))?;
            return Ok((digest, bytes, manifest));
        }
        let index: Index = self.parse(&bytes, "the index", name, digest)?;
        let platform = Platform::host();
        let Some(member) = index.manifests.iter().find(|member| member.platform.as_ref() == Some(&platform)) else {
            let found: Vec<String> =
                index.manifests.iter().filter_map(|member| member.platform.as_ref()).map(ToString::to_string).collect();
            return Err(RegistryError::WrongPlatform { place: format!("{name}@{digest}"), wanted: platform, found: found.join(", ") });
        };
        let (bytes, _) = self.needed(name, member.digest).await?;
        let manifest: Manifest = self.parse(&bytes, "the manifest", name, member.digest)?;
        manifest.check(&self.limits, &format!("{name}@{}", member.digest))?;
        Ok((member.digest, bytes, manifest))
    }

    /// The bytes of a manifest or index, which are those that `digest` is of.
    pub(crate) async fn image_bytes(&self, name: &str, digest: Digest) -> Result<Vec<u8>, RegistryError> {
        self.needed(name, digest).await.map(|(bytes, _)| bytes)
    }

    /// A blob that is a document of at most `limit` bytes.
    pub(crate) async fn small_blob(&self, name: &str, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let repository = self.repository(name);
        let path = format!("/v2/{repository}/blobs/{}", descriptor.digest);
        if descriptor.size > limit {
            return Err(RegistryError::TooLarge { what: "a document".to_owned(), place: path, limit, unit: "bytes" });
        }
        let answer = self.get(&path, &pull_scope(repository), HeaderMap::new()).await?;
        if !answer.status().is_success() {
            return Err(self.unexpected(answer, &path).await);
        }
        let bytes = self.limited(answer, descriptor.size, "a document", &path).await?;
        self.verify(&bytes, descriptor.digest, "a document", name)?;
        Ok(bytes)
    }

    async fn needed(&self, name: &str, digest: Digest) -> Result<(Vec<u8>, String), RegistryError> {
        let found = self.manifest_bytes(self.repository(name), &digest.to_string()).await?;
        let (bytes, kind) = found.ok_or_else(|| self.missing(&format!("{name}@{digest}")))?;
        self.verify(&bytes, digest, "the manifest", name)?;
        Ok((bytes, kind))
    }

    pub(crate) async fn manifest_bytes(&self, repository: &str, wanted: &str) -> Result<Option<(Vec<u8>, String)>, RegistryError> {
        let path = format!("/v2/{repository}/manifests/{wanted}");
        let answer = self.get(&path, &pull_scope(repository), accept()).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => return Ok(None),
            status if status.is_success() => {}
            _ => return Err(self.unexpected(answer, &path).await),
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let bytes = self.limited(answer, MANIFEST_BYTES_MAX, "the manifest", repository).await?;
        Ok(Some((bytes, kind)))
    }

    fn verify(&self, bytes: &[u8], digest: Digest, what: &str, place: &str) -> Result<(), RegistryError> {
        let found = digest_of(bytes);
        if found == digest {
            return Ok(());
        }
        Err(RegistryError::Malformed {
            what: what.to_owned(),
            place: place.to_owned(),
            why: format!("its digest is {found}, not {digest}"),
        })
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, bytes: &[u8], what: &str, name: &str, digest: Digest) -> Result<T, RegistryError> {
        serde_json::from_slice(bytes).map_err(|e| RegistryError::Malformed {
            what: what.to_owned(),
            place: format!("{name}@{digest}"),
            why: e.to_string(),
        })
    }

    /// The image's name without the registry's.
    pub(crate) fn repository<'n>(&self, name: &'n str) -> &'n str {
        name.strip_prefix(&self.settings.host).map_or(name, |rest| rest.trim_start_matches('/'))
    }

    fn missing(&self, image: &str) -> RegistryError {
        RegistryError::NotThere { image: image.to_owned(), registry: self.settings.host.clone() }
    }
}

/// What reading a repository needs.
pub(crate) fn pull_scope(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

fn accept() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(MANIFESTS))])
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

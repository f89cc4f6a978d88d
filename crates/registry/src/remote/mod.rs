//! A registry over the network: the OCI distribution specification, spoken over HTTP.
//!
//! Spoken here and not by a client crate: those that exist read answers of any length into memory, take a token service that is away for
//! one that refuses, and keep to themselves how long a registry wants to be left alone.

mod auth;
mod pull;
mod push;
mod read;
mod settings;
mod token;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, StatusCode, Url};
use towpath_domain::{Digest, ImageRef};

pub use settings::{Credentials, RemoteSettings, Timeouts};

use crate::image::{ConfigFile, Descriptor, Index};
use crate::{ImageConfig, Limits, Manifest, RegistryError};
use read::{accept, is_image, place, pull_scope};

/// A registry over the network. Anonymous access, names with passwords, and tokens of a service that the registry names.
#[derive(Debug)]
pub struct RemoteRegistry {
    settings: RemoteSettings,
    base: Url,
    client: Client,
    uploads: Client,
    timeouts: Timeouts,
    tokens: token::Tokens,
    limits: Limits,
}

impl RemoteRegistry {
    /// The registry that the settings describe. Nothing is sent before it is needed.
    ///
    /// # Errors
    /// [`RegistryError::Settings`] when the host is none, when the certificates cannot be read, or when the process has no provider of
    /// cryptography.
    pub fn new(settings: RemoteSettings, limits: Limits) -> Result<Self, RegistryError> {
        Self::with_timeouts(settings, limits, Timeouts::default())
    }

    /// As [`RemoteRegistry::new`], with other patience.
    ///
    /// # Errors
    /// As [`RemoteRegistry::new`].
    pub fn with_timeouts(settings: RemoteSettings, limits: Limits, timeouts: Timeouts) -> Result<Self, RegistryError> {
        let base = settings.base()?;
        let (client, uploads) = settings.clients(&timeouts)?;
        Ok(Self { settings, base, client, uploads, timeouts, tokens: token::Tokens::default(), limits })
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
        let answer = self.send(Method::GET, "/v2/", "", HeaderMap::new(), None).await?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND => Err(self.nonsense("it has no /v2/, so it is no container registry")),
            _ => Err(self.unexpected(answer, "/v2/").await),
        }
    }

    /// The digest that the image stands for now; of an index, the index's own. `None` when it is not there.
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
        let answer = self.send(Method::HEAD, &path, &pull_scope(&repository), accept(), None).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => return Ok(None),
            status if status.is_success() => {
                let told = answer.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
                match (told.and_then(|text| text.parse::<Digest>().ok()), image.digest()) {
                    (Some(told), Some(wanted)) if told != wanted => return Err(self.altered(&image.to_string(), told)),
                    (Some(told), _) => return Ok(Some(told)),
                    (None, _) => {}
                }
            }
            // Some do not know HEAD here.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST | StatusCode::NOT_IMPLEMENTED => {}
            _ => return Err(self.unexpected(answer, &place(image.name(), &wanted)).await),
        }
        // A registry that does not say the digest lets it be reckoned.
        Ok(self.document(image.name(), &wanted).await?.map(|document| document.digest))
    }

    /// The manifest `digest`, or of an index, the one for this machine's platform, or else its first.
    ///
    /// # Errors
    /// [`RegistryError::NotThere`], or [`RegistryError`] of what cannot be used.
    pub async fn manifest(&self, name: &str, digest: Digest) -> Result<Manifest, RegistryError> {
        self.image(name, digest, true).await.map(|(_, manifest)| manifest)
    }

    /// The configuration of an image; of an index as for [`RemoteRegistry::manifest`].
    ///
    /// # Errors
    /// As for [`RemoteRegistry::manifest`].
    pub async fn config(&self, name: &str, digest: Digest) -> Result<ImageConfig, RegistryError> {
        let manifest = self.manifest(name, digest).await?;
        let bytes = self.small_blob(name, &manifest.config, "the configuration").await?;
        let file: ConfigFile = self.parse(&bytes, "the configuration", &format!("{name}@{digest}"))?;
        Ok(file.into())
    }

    /// The images of an index by platform; of a plain image, itself, without saying what it runs on.
    ///
    /// # Errors
    /// As for [`RemoteRegistry::manifest`].
    pub async fn platforms(&self, name: &str, digest: Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let document = self.needed(name, digest).await?;
        if !document.is_index {
            return Ok(vec![Descriptor::new(crate::image::IMAGE_MANIFEST, digest, document.bytes.len() as u64)]);
        }
        let index: Index = self.parse(&document.bytes, "the index", &format!("{name}@{digest}"))?;
        Ok(index.manifests.into_iter().filter(is_image).collect())
    }

    /// The digests of all that an image consists of as a whole: its own, and if it is an index, its images'.
    ///
    /// # Errors
    /// As for [`RemoteRegistry::manifest`].
    pub async fn members(&self, name: &str, digest: Digest) -> Result<Vec<Digest>, RegistryError> {
        let mut digests: Vec<Digest> = self.platforms(name, digest).await?.iter().map(|member| member.digest).collect();
        if !digests.contains(&digest) {
            digests.insert(0, digest);
        }
        Ok(digests)
    }

    /// The tags of an image, sorted; none when there is no such image.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry cannot tell.
    pub async fn tags(&self, name: &str) -> Result<Vec<String>, RegistryError> {
        self.all_tags(name).await
    }
}

/// An error with what caused it: the outermost alone says little.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

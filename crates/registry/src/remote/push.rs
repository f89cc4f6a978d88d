//! From the embedded registry to one over the network: blobs first, the manifest last.

use std::path::Path;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use towpath_domain::{Digest, ImageRef};

use super::RemoteRegistry;
use super::http::{Ask, PAUSE, TRIES};
use crate::image::{Descriptor, IMAGE_MANIFEST};
use crate::layout::blob_path;
use crate::{LayoutRegistry, RegistryError, TagMove};

impl RemoteRegistry {
    /// Sends the image `name@digest` of `layout` and tags it. What is there already is not sent again, so that doing it again does nothing.
    ///
    /// # Errors
    /// [`RegistryError::TagMoved`] when the tag stands for another image and may not move; else what the registry or the disk says.
    pub async fn push(
        &self,
        layout: &LayoutRegistry,
        name: &str,
        tag: &str,
        digest: Digest,
        tag_move: TagMove,
    ) -> Result<(), RegistryError> {
        let image = ImageRef::tagged(name, tag).map_err(|e| RegistryError::Name {
            what: "name",
            text: format!("{name}:{tag}"),
            why: e.to_string(),
        })?;
        let there = self.resolve(&image).await?;
        match there {
            Some(there) if there == digest => return Ok(()),
            Some(from) if tag_move == TagMove::Refuse => {
                return Err(RegistryError::TagMoved { name: name.to_owned(), tag: tag.to_owned(), from, to: digest });
            }
            Some(_) | None => {}
        }
        let (kept, manifest) = layout.open_image(name, digest)?;
        for descriptor in manifest.layers.iter().chain([&manifest.config]) {
            let file = kept.path().join(blob_path(descriptor.digest));
            self.push_blob(name, descriptor, &file).await?;
        }
        let file = kept.path().join(blob_path(digest));
        let bytes = tokio::fs::read(&file).await.map_err(RegistryError::io("read", &file))?;
        let repository = self.repository(name);
        let path = format!("/v2/{repository}/manifests/{tag}");
        let kind = manifest.media_type.as_deref().unwrap_or(IMAGE_MANIFEST);
        let kind = HeaderValue::from_str(kind).unwrap_or_else(|_| HeaderValue::from_static(IMAGE_MANIFEST));
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let answer = self.send(Ask { method: Method::PUT, url: self.url(&path)?, headers, body: bytes }, &push_scope(repository)).await?;
        if !answer.status().is_success() {
            return Err(self.unexpected(answer, &path).await);
        }
        match self.resolve(&image).await? {
            Some(found) if found == digest => Ok(()),
            found => Err(RegistryError::Rejected {
                registry: self.host().to_owned(),
                why: format!(
                    "{image} was pushed as {digest}, but it says that it is {}",
                    found.map_or_else(|| "not there".to_owned(), |d| d.to_string())
                ),
            }),
        }
    }

    /// Sends one blob, unless it is there; once more from its beginning when that breaks off. A blob is called by its digest, so one
    /// that is sent twice is there once.
    async fn push_blob(&self, name: &str, descriptor: &Descriptor, file: &Path) -> Result<(), RegistryError> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.push_blob_once(name, descriptor, file).await {
                Err(RegistryError::Unreachable { why, .. }) => {
                    tracing::info!(blob = %descriptor.digest, why, "an upload broke off; it is sent again")
                }
                done => return done,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.push_blob_once(name, descriptor, file).await
    }

    async fn push_blob_once(&self, name: &str, descriptor: &Descriptor, file: &Path) -> Result<(), RegistryError> {
        let repository = self.repository(name);
        let (scope, digest) = (push_scope(repository), descriptor.digest);
        let path = format!("/v2/{repository}/blobs/{digest}");
        let answer = self.head(&path, &scope, HeaderMap::new()).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        if answer.status() != StatusCode::NOT_FOUND {
            return Err(self.unexpected(answer, &path).await);
        }
        let path = format!("/v2/{repository}/blobs/uploads/");
        let begin = Ask { method: Method::POST, url: self.url(&path)?, headers: HeaderMap::new(), body: Vec::new() };
        let answer = self.send(begin, &scope).await?;
        let place = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let place = place.filter(|_| answer.status() == StatusCode::ACCEPTED).map(|place| answer.url().join(place));
        let Some(place) = place else { return Err(self.unexpected(answer, &path).await) };
        let mut place = place.map_err(|e| self.rejected(&format!("it names no place to send a blob to: {e}")))?;
        if place.scheme() != "https" && !self.settings.plain_http {
            return Err(self.rejected("it wants the image sent without encryption; that is not done"));
        }
        place.query_pairs_mut().append_pair("digest", &digest.to_string());
        let content = tokio::fs::File::open(file).await.map_err(RegistryError::io("read", file))?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))]);
        let answer = self.upload(place, &scope, headers, content, descriptor.size).await?;
        match answer.status() {
            StatusCode::CREATED => Ok(()),
            StatusCode::UNAUTHORIZED => {
                // The token ended while the blob was on its way, as may happen once.
                self.tokens.forget(&scope);
                Err(self.unreachable("an upload took longer than its token lasts"))
            }
            _ => Err(self.unexpected(answer, &path).await),
        }
    }
}

/// What writing a repository needs.
fn push_scope(repository: &str) -> String {
    format!("repository:{repository}:pull,push")
}

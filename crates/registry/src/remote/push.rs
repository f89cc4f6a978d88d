//! From the embedded registry to one over the network: blobs first, the manifest last.

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Body, Method, StatusCode};
use towpath_domain::{Digest, ImageRef};

use super::RemoteRegistry;
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
        let answer = self.send(Method::PUT, &path, &push_scope(repository), headers, Some(bytes)).await?;
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

    async fn push_blob(&self, name: &str, descriptor: &Descriptor, file: &std::path::Path) -> Result<(), RegistryError> {
        let repository = self.repository(name);
        let (scope, digest) = (push_scope(repository), descriptor.digest);
        let path = format!("/v2/{repository}/blobs/{digest}");
        let answer = self.send(Method::HEAD, &path, &scope, HeaderMap::new(), None).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        if answer.status() != StatusCode::NOT_FOUND {
            return Err(self.unexpected(answer, &path).await);
        }
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.send(Method::POST, &path, &scope, HeaderMap::new(), Some(Vec::new())).await?;
        let place = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let Some(place) = place.filter(|_| answer.status() == StatusCode::ACCEPTED) else {
            return Err(self.unexpected(answer, &path).await);
        };
        let divider = if place.contains('?') { '&' } else { '?' };
        let place = format!("{place}{divider}digest={}", digest.to_string().replace(':', "%3A"));
        let content = tokio::fs::File::open(file).await.map_err(RegistryError::io("read", file))?;
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (CONTENT_LENGTH, HeaderValue::from(descriptor.size)),
        ]);
        let answer = self.once(Method::PUT, &place, &scope, headers, Some(Body::from(content))).await?;
        if answer.status() == StatusCode::CREATED { Ok(()) } else { Err(self.unexpected(answer, &place).await) }
    }
}

/// What writing a repository needs.
fn push_scope(repository: &str) -> String {
    format!("repository:{repository}:pull,push")
}

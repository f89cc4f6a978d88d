//! From the embedded registry to one over the network: blobs first, the manifest last.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Body, Method, Response, StatusCode};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use towpath_domain::{Digest, ImageRef};

use super::RemoteRegistry;
use super::read::place;
use crate::image::{Descriptor, IMAGE_MANIFEST};
use crate::layout::{blob_path, tagged};
use crate::{LayoutRegistry, Manifest, RegistryError, TagMove};

/// What is read from a file at a time.
const PIECE: usize = 256 << 10;

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
        let image = tagged(name, tag)?;
        match self.resolve(&image).await? {
            Some(there) if there == digest => return Ok(()),
            Some(from) if tag_move == TagMove::Refuse => {
                return Err(RegistryError::TagMoved { name: name.to_owned(), tag: tag.to_owned(), from, to: digest });
            }
            Some(_) | None => {}
        }
        let (folder, manifest) = open(layout, &image, digest).await?;
        for descriptor in manifest.layers.iter().chain([&manifest.config]) {
            self.push_blob(name, descriptor, &folder.join(blob_path(descriptor.digest))).await?;
        }
        let file = folder.join(blob_path(digest));
        let bytes = tokio::fs::read(&file).await.map_err(RegistryError::io("read", &file))?;
        let kind = manifest.media_type.as_deref().unwrap_or(IMAGE_MANIFEST);
        self.push_manifest(name, tag, bytes, kind).await?;
        match self.resolve(&image).await? {
            Some(found) if found == digest => {
                tracing::info!(image.name = %name, image.tag = %tag, image.digest = %digest, "Pushed an image.");
                Ok(())
            }
            found => {
                let found = found.map_or_else(|| "not there".to_owned(), |found| found.to_string());
                let why = format!("{image} was pushed as {digest}, but it says that it is {found}; somebody else may push to that tag");
                Err(RegistryError::Rejected { registry: self.host().to_owned(), why })
            }
        }
    }

    async fn push_manifest(&self, name: &str, tag: &str, bytes: Vec<u8>, kind: &str) -> Result<(), RegistryError> {
        let repository = self.repository(name);
        let path = format!("/v2/{repository}/manifests/{tag}");
        let kind = HeaderValue::from_str(kind).unwrap_or_else(|_| HeaderValue::from_static(IMAGE_MANIFEST));
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let answer = self.send(Method::PUT, &path, &push_scope(&repository), headers, Some(bytes)).await?;
        if answer.status().is_success() { Ok(()) } else { Err(self.unexpected(answer, &place(name, tag)).await) }
    }

    async fn push_blob(&self, name: &str, descriptor: &Descriptor, file: &Path) -> Result<(), RegistryError> {
        let repository = self.repository(name);
        let (scope, what) = (push_scope(&repository), format!("a layer for {name}"));
        let path = format!("/v2/{repository}/blobs/{}", descriptor.digest);
        let answer = self.send(Method::HEAD, &path, &scope, HeaderMap::new(), None).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        if answer.status() != StatusCode::NOT_FOUND {
            return Err(self.unexpected(answer, &what).await);
        }
        let mut answer = self.upload(&repository, &scope, descriptor, file).await?;
        // The token's life may have ended on the way; then all is sent once more.
        if answer.status() == StatusCode::UNAUTHORIZED && self.sign_in(&answer, &scope).await? {
            answer = self.upload(&repository, &scope, descriptor, file).await?;
        }
        match answer.status() {
            StatusCode::CREATED | StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
            StatusCode::NOT_FOUND => Err(RegistryError::Rejected {
                registry: self.host().to_owned(),
                why: format!("it does not know the repository {repository}; make it there first"),
            }),
            _ => Err(self.unexpected(answer, &what).await),
        }
    }

    /// Sends a blob in one piece, as a stream.
    async fn upload(&self, repository: &str, scope: &str, descriptor: &Descriptor, file: &Path) -> Result<Response, RegistryError> {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.send(Method::POST, &path, scope, HeaderMap::new(), Some(Vec::new())).await?;
        if answer.status() != StatusCode::ACCEPTED {
            return Ok(answer);
        }
        let place = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let place = place.ok_or_else(|| self.nonsense("it accepts an upload and does not say where to"))?;
        let mut url = self.url(place)?;
        url.query_pairs_mut().append_pair("digest", &descriptor.digest.to_string());
        let content = File::open(file).await.map_err(RegistryError::io("read", file))?;
        let sent = Arc::new(AtomicU64::new(0));
        let body = Body::wrap_stream(pieces(content, descriptor.size, Arc::clone(&sent)));
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (CONTENT_LENGTH, HeaderValue::from(descriptor.size)),
        ]);
        let mut work = pin!(self.once(&self.uploads, Method::PUT, url, scope, headers, Some(body)));
        let mut before = 0;
        loop {
            if let Ok(answer) = tokio::time::timeout(self.timeouts.stall, &mut work).await {
                return answer;
            }
            let now = sent.load(Ordering::Relaxed);
            if now == before {
                let why = format!("after {now} of {} bytes of a layer, nothing went on for {:?}", descriptor.size, self.timeouts.stall);
                return Err(RegistryError::Unreachable { registry: self.host().to_owned(), why, retry_after: None });
            }
            before = now;
        }
    }
}

/// The image's layout and manifest; file work, so not on this thread.
async fn open(layout: &LayoutRegistry, image: &ImageRef, digest: Digest) -> Result<(std::path::PathBuf, Manifest), RegistryError> {
    let (layout, name) = (layout.clone(), image.name().to_owned());
    let opened = tokio::task::spawn_blocking(move || {
        let (kept, manifest) = layout.open_image(&name, digest)?;
        Ok((kept.path().to_owned(), manifest))
    });
    opened.await.unwrap_or_else(|error| Err(RegistryError::CutShort { image: image.to_string(), why: error.to_string() }))
}

/// The file's first `size` bytes, piece by piece; `sent` counts what was taken.
fn pieces(file: File, size: u64, sent: Arc<AtomicU64>) -> impl stream::Stream<Item = std::io::Result<Vec<u8>>> + Send {
    stream::try_unfold((file.take(size), sent), |(mut file, sent)| async move {
        let mut piece = Vec::with_capacity(PIECE);
        while piece.len() < PIECE && file.read_buf(&mut piece).await? > 0 {}
        sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok((!piece.is_empty()).then_some((piece, (file, sent))))
    })
}

/// What writing a repository needs.
fn push_scope(repository: &str) -> String {
    format!("repository:{repository}:pull,push")
}

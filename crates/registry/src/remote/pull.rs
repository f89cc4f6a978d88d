//! From a registry over the network into the embedded one, for what is run or built upon on this machine.

use std::io::Write as _;
use std::path::Path;

use reqwest::Method;
use reqwest::header::HeaderMap;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use towpath_domain::{Digest, ImageRef};

use super::RemoteRegistry;
use super::read::pull_scope;
use crate::image::{Descriptor, IMAGE_MANIFEST};
use crate::layout::Writer;
use crate::{LayoutRegistry, Manifest, RegistryError, TagMove};

/// Pieces that wait to be written. The network is slowed down to the disk's speed beyond that.
const WAITING: usize = 8;

impl RemoteRegistry {
    /// Fetches the image for this machine's platform into `layout`, under the same name, tagged with the hex digits of the digest that it
    /// was asked for by. Answers with the manifest's digest. What is there already is not fetched again; of an image that is named by its
    /// digest and is there, the registry is not even asked.
    ///
    /// # Errors
    /// [`RegistryError::NotThere`], [`RegistryError::WrongPlatform`], [`RegistryError::Altered`] for content that is not that of its digest,
    /// [`RegistryError::TooLarge`] beyond the limits, or what the registry or the disk says. Nothing is tagged then.
    pub async fn pull(&self, layout: &LayoutRegistry, image: &ImageRef) -> Result<Digest, RegistryError> {
        let digest = match image.digest() {
            Some(digest) => digest,
            None => self.resolve(image).await?.ok_or_else(|| self.missing(&image.to_string()))?,
        };
        let name = image.name();
        let mark = ImageRef::tagged(name, &digest.hex()).map_err(|error| RegistryError::Name {
            what: "name",
            text: name.to_owned(),
            why: error.to_string(),
        })?;
        if let Some(known) = crate::Registry::resolve(layout, &mark).await? {
            return Ok(known);
        }
        let (document, manifest) = self.image(name, digest, false).await?;
        manifest.check(layout.limits(), &format!("{name}@{}", document.digest))?;
        let lacking = lacking(layout, image, manifest.clone()).await?;
        let (pieces, writing) = keep(layout, &mark, document.bytes, document.digest, lacking.clone());
        for descriptor in &lacking {
            // Whoever writes has stopped when it takes no more; why is in its answer.
            if let Err(error) = self.fetch_blob(name, descriptor, &pieces).await? {
                drop(error);
                break;
            }
        }
        drop(pieces);
        finished(writing, image).await?;
        Ok(document.digest)
    }

    /// Passes a blob on piece by piece. The inner error says that nobody takes them any more.
    async fn fetch_blob(
        &self,
        name: &str,
        descriptor: &Descriptor,
        into: &mpsc::Sender<Piece>,
    ) -> Result<Result<(), mpsc::error::SendError<Piece>>, RegistryError> {
        let (repository, digest) = (self.repository(name), descriptor.digest);
        let path = format!("/v2/{repository}/blobs/{digest}");
        let mut answer = self.send(Method::GET, &path, &pull_scope(&repository), HeaderMap::new(), None).await?;
        let what = format!("{name}@{digest}");
        if !answer.status().is_success() {
            return Err(self.unexpected(answer, &format!("the layer {what}")).await);
        }
        let mut left = descriptor.size;
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.away(&error))? {
            left = left.checked_sub(chunk.len() as u64).ok_or_else(|| RegistryError::Malformed {
                what: "a layer".to_owned(),
                place: what.clone(),
                why: format!("it is longer than the {} bytes that its manifest says", descriptor.size),
            })?;
            if let Err(error) = into.send(Piece::Content(chunk.into())).await {
                return Ok(Err(error));
            }
        }
        Ok(into.send(Piece::End(self.host().to_owned())).await)
    }
}

/// What the network has for the disk.
enum Piece {
    Content(Vec<u8>),
    /// The blob is whole; where it came from.
    End(String),
}

/// The blobs that the layout does not hold yet.
async fn lacking(layout: &LayoutRegistry, image: &ImageRef, manifest: Manifest) -> Result<Vec<Descriptor>, RegistryError> {
    let (layout, name) = (layout.clone(), image.name().to_owned());
    let look = spawn_blocking(move || {
        let known = layout.read(&name)?;
        let mut lacking: Vec<Descriptor> = Vec::new();
        for descriptor in manifest.layers.into_iter().chain([manifest.config]) {
            let there = known.as_ref().is_some_and(|known| known.open_blob(&descriptor).is_ok());
            if !there && lacking.iter().all(|other| other.digest != descriptor.digest) {
                lacking.push(descriptor);
            }
        }
        Ok(lacking)
    });
    finished(look, image).await
}

/// Writes what comes, blob by blob, on a thread of its own: files and their locks are waited for there. What stops before its end leaves nothing
/// but files without a name, which the next writer clears away.
fn keep(
    layout: &LayoutRegistry,
    mark: &ImageRef,
    manifest: Vec<u8>,
    own: Digest,
    blobs: Vec<Descriptor>,
) -> (mpsc::Sender<Piece>, JoinHandle<Result<(), RegistryError>>) {
    let (sender, mut pieces) = mpsc::channel(WAITING);
    let (layout, mark) = (layout.clone(), mark.clone());
    let writing = spawn_blocking(move || {
        let writer = layout.write(mark.name())?;
        for descriptor in &blobs {
            if !keep_blob(&writer, descriptor, &mut pieces, mark.name())? {
                // The network gave up, and says why itself.
                return Ok(());
            }
        }
        writer.keep_bytes(&manifest, IMAGE_MANIFEST)?;
        writer.tag(mark.tag().unwrap_or_default(), own, TagMove::Allow)
    });
    (sender, writing)
}

/// Writes one blob. Answers whether it came to its end.
fn keep_blob(writer: &Writer, descriptor: &Descriptor, pieces: &mut mpsc::Receiver<Piece>, name: &str) -> Result<bool, RegistryError> {
    let mut staged = writer.stage()?;
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Content(bytes)) => staged.write_all(&bytes).map_err(RegistryError::io("write a layer of", Path::new(name)))?,
            Some(Piece::End(registry)) => {
                let found = staged.digest();
                if found != descriptor.digest {
                    return Err(RegistryError::Altered { registry, what: format!("{name}@{}", descriptor.digest), found });
                }
                writer.keep(staged, &descriptor.media_type)?;
                return Ok(true);
            }
            None => return Ok(false),
        }
    }
}

async fn finished<T>(work: JoinHandle<Result<T, RegistryError>>, image: &ImageRef) -> Result<T, RegistryError> {
    work.await.unwrap_or_else(|error| Err(RegistryError::CutShort { image: image.to_string(), why: error.to_string() }))
}

//! Catalogs by commit of the config repository: each blob is read and parsed once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::Mutex;
use towpath_catalog::{Catalog, Diagnostic, InputFile, Loader, Severity};
use towpath_domain::CommitId;
use towpath_git::{BlobId, GitError, Mirror};

/// How many snapshots are kept: the head, the one before, and what is being checked.
const KEPT: usize = 4;

/// The config repository at one commit.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The commit; none when nothing was read yet, or for a plain folder.
    pub commit: Option<CommitId>,
    /// What it says.
    pub catalog: Arc<Catalog>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

impl Snapshot {
    /// How many errors it has.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count()
    }
}

/// Why a catalog could not be read. What is wrong *in* it is not an error but a diagnostic.
#[derive(Debug, thiserror::Error)]
#[error("the config repository at {commit} cannot be read: {source}")]
pub struct CatalogError {
    commit: CommitId,
    /// What Git said.
    pub source: GitError,
}

/// Catalogs by commit.
#[derive(Default)]
pub struct Catalogs {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    loader: Loader,
    blobs: HashMap<BlobId, Arc<[u8]>>,
    kept: VecDeque<Arc<Snapshot>>,
}

impl Catalogs {
    /// The catalog at `commit` of `mirror`, from memory where it is there.
    ///
    /// # Errors
    /// [`CatalogError`] when Git cannot read the commit.
    pub async fn at(&self, mirror: &Mirror, commit: CommitId) -> Result<Arc<Snapshot>, CatalogError> {
        let mut inner = self.inner.lock().await;
        if let Some(snapshot) = inner.kept.iter().find(|s| s.commit == Some(commit)) {
            return Ok(Arc::clone(snapshot));
        }
        let files = inner.read(mirror, commit).await.map_err(|source| CatalogError { commit, source })?;
        let loaded = inner.loader.load(files);
        let snapshot = Arc::new(Snapshot { commit: Some(commit), catalog: Arc::new(loaded.catalog), diagnostics: loaded.diagnostics });
        inner.kept.push_back(Arc::clone(&snapshot));
        if inner.kept.len() > KEPT {
            inner.kept.pop_front();
        }
        Ok(snapshot)
    }
}

impl Inner {
    async fn read(&mut self, mirror: &Mirror, commit: CommitId) -> Result<Vec<InputFile>, GitError> {
        let entries = mirror.list_tree(commit, "data").await?;
        let yaml = |path: &str| path.ends_with(".yml") || path.ends_with(".yaml");
        let wanted: Vec<_> = entries.into_iter().filter(|e| e.kind.is_file() && yaml(&e.path)).collect();
        let missing: Vec<BlobId> = wanted.iter().map(|e| e.id).filter(|id| !self.blobs.contains_key(id)).collect();
        let read = mirror.read_blobs(&missing).await?;
        let mut blobs = HashMap::with_capacity(wanted.len());
        for (id, bytes) in missing.into_iter().zip(read) {
            blobs.insert(id, Arc::from(bytes));
        }
        let mut files = Vec::with_capacity(wanted.len());
        for entry in wanted {
            let Some(bytes) = blobs.get(&entry.id).or_else(|| self.blobs.get(&entry.id)).cloned() else { continue };
            blobs.insert(entry.id, Arc::clone(&bytes));
            files.push(InputFile { path: Arc::from(entry.path.as_str()), blob: Some(entry.id.to_string()), bytes });
        }
        // Only what this commit holds is kept in memory.
        self.blobs = blobs;
        Ok(files)
    }
}

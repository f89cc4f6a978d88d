//! What goes into a catalog: files, as bytes.

use std::sync::Arc;

/// One file of the config repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Path from the repository's root, such as `data/services/web/deploy.yml`.
    pub path: Arc<str>,
    /// The id of its Git blob, when it comes from Git: equal ids are equal bytes.
    pub blob: Option<String>,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

impl InputFile {
    /// A file that comes from no Git object.
    #[must_use]
    pub fn new(path: impl Into<Arc<str>>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { path: path.into(), blob: None, bytes: bytes.into() }
    }

    /// Whether it is one of those that make a catalog: YAML below `data/`.
    #[must_use]
    pub fn is_data(&self) -> bool {
        is_data_path(&self.path)
    }

    /// Whether it decides who may approve what, or what needs approvals: it is of one of those types, or it is data of no type that can be
    /// told. To be asked of a file as it is and as it would become.
    #[must_use]
    pub fn says_who_approves(&self) -> bool {
        self.is_data() && crate::read::says_who_approves(&self.bytes)
    }

    /// Whether both have the same path and bytes, told from blob ids where both have one.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let same_bytes = || Arc::ptr_eq(&self.bytes, &other.bytes) || self.bytes == other.bytes;
        self.path == other.path
            && match (&self.blob, &other.blob) {
                (Some(blob), Some(other)) => blob == other,
                _ => same_bytes(),
            }
    }
}

/// Whether a path names YAML below `data/`.
pub(crate) fn is_data_path(path: &str) -> bool {
    path.starts_with("data/") && (path.ends_with(".yml") || path.ends_with(".yaml"))
}

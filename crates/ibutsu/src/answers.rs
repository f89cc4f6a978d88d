//! The parts of Ibutsu's answers that are read.

use serde::Deserialize;

/// `GET /health/info`.
#[derive(Deserialize)]
pub(crate) struct Info {
    pub frontend: String,
}

/// `GET /project`. What else it tells, password hashes of members among it, is not looked at.
#[derive(Deserialize)]
pub(crate) struct Projects {
    pub projects: Vec<Project>,
}

#[derive(Deserialize)]
pub(crate) struct Project {
    pub id: String,
    #[serde(default)]
    pub name: Option<String>,
}

/// A run, as all operations on one answer.
#[derive(Deserialize)]
pub(crate) struct Run {
    #[serde(default)]
    pub project_id: Option<String>,
}

/// An import. Which run it made stands in its metadata, whatever the API's description says.
#[derive(Deserialize)]
pub(crate) struct Import {
    pub id: String,
    pub status: String,
    #[serde(default)]
    pub metadata: Option<ImportMetadata>,
}

#[derive(Deserialize, Default)]
pub(crate) struct ImportMetadata {
    #[serde(default)]
    pub run_id: Option<Vec<String>>,
}

/// Any list.
#[derive(Deserialize)]
pub(crate) struct Page {
    pub pagination: Pagination,
}

#[derive(Deserialize)]
pub(crate) struct Pagination {
    #[serde(rename = "totalItems")]
    pub total_items: u64,
    #[serde(rename = "totalPages", default)]
    pub total_pages: u64,
}

/// `GET /artifact`.
#[derive(Deserialize)]
pub(crate) struct Artifacts {
    pub artifacts: Vec<Artifact>,
    pub pagination: Pagination,
}

#[derive(Deserialize)]
pub(crate) struct Artifact {
    #[serde(default)]
    pub filename: Option<String>,
}

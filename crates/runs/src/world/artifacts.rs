//! Where tests leave reports beside their logs, by cluster.

use std::collections::HashMap;

use towpath_artifacts::{Bucket, FileNames};
use towpath_cluster::artifacts::VolumeReader;
use towpath_domain::ClusterName;

/// What the installation says of the tests of one cluster.
#[derive(Debug)]
pub struct TestArtifacts {
    /// A test that leaves no report anywhere is inconclusive.
    pub required: bool,
    /// Which files are reports.
    pub files: FileNames,
    /// The bucket that tests upload to.
    pub bucket: Option<Bucket>,
    /// What reads the volumes that tests name.
    pub volumes: Option<VolumeReader>,
}

/// What the installation says of the tests of its clusters.
#[derive(Debug, Default)]
pub struct Artifacts(HashMap<ClusterName, TestArtifacts>);

impl Artifacts {
    /// By the catalog's names of clusters.
    #[must_use]
    pub fn new(by_cluster: HashMap<ClusterName, TestArtifacts>) -> Self {
        Self(by_cluster)
    }

    /// What is said of this cluster's tests; nothing when their logs are all there is.
    #[must_use]
    pub fn of(&self, cluster: &ClusterName) -> Option<&TestArtifacts> {
        self.0.get(cluster)
    }
}

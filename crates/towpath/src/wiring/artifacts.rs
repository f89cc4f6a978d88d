//! Where tests leave reports beside their logs, as `towpath.toml` says it.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use towpath_artifacts::{Bucket, BucketSettings, Keys, Limits};
use towpath_cluster::KubeCluster;
use towpath_cluster::artifacts::{VolumeReader, VolumeSettings};
use towpath_domain::ClusterName;
use towpath_runs::world::{Artifacts, TestArtifacts};
use towpath_secrets::SecretStore;

use crate::config::artifacts as config;
use crate::config::outside::Outside;

/// What is said of each cluster's tests. `reached` answers with the clusters that are Kubernetes.
///
/// # Errors
/// When a server's certificates cannot be used, or a name is none that a cluster can have.
pub fn artifacts<'a>(
    outside: &Outside,
    reached: impl Fn(&str) -> Option<&'a KubeCluster>,
    secrets: &Arc<dyn SecretStore>,
) -> anyhow::Result<Artifacts> {
    let mut by_cluster = HashMap::new();
    for (name, cluster) in &outside.clusters {
        let Some(said) = &cluster.artifacts else { continue };
        let bucket = match &said.s3 {
            Some(s3) => Some(Bucket::new(settings(said, s3, secrets)).with_context(|| format!("[clusters.{name}.artifacts.s3]"))?),
            None => None,
        };
        let volumes = said.volumes.as_ref().zip(reached(name)).map(|(volumes, cluster)| {
            let config::Volumes { image, pull_secret, run_as_user } = volumes.clone();
            VolumeReader::new(cluster.clone(), VolumeSettings { image, pull_secret, run_as_user })
        });
        let one = TestArtifacts { required: said.required, files: said.files.clone(), bucket, volumes };
        by_cluster.insert(ClusterName::new(name.clone())?, one);
    }
    Ok(Artifacts::new(by_cluster))
}

fn settings(said: &config::Artifacts, s3: &config::S3, secrets: &Arc<dyn SecretStore>) -> BucketSettings {
    let keys = match s3.keys.clone() {
        config::Keys::Files(access, secret) => Keys::Files { access, secret },
        config::Keys::Secret(path, access, secret) => Keys::Stored { store: Arc::clone(secrets), path, access, secret },
    };
    BucketSettings {
        endpoint: s3.endpoint.clone(),
        region: s3.region.clone(),
        virtual_host: s3.virtual_host,
        ca_file: s3.ca.clone(),
        bucket: s3.bucket.clone(),
        prefix: s3.prefix.clone(),
        files: said.files.clone(),
        keys,
        limits: Limits::default(),
    }
}

//! Reading a `Secret` for those who keep credentials in the cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;

use super::Core;
use crate::api::ClusterError;

/// The fields of a `Secret`.
pub(super) async fn read(core: &Core, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, ClusterError> {
    let secret: Option<Secret> = core.read(&format!("/api/v1/namespaces/{namespace}/secrets/{name}")).await?;
    Ok(secret.map(|secret| secret.data.unwrap_or_default().into_iter().map(|(field, value)| (field, value.0)).collect()))
}

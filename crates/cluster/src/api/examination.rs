//! How a cluster is, for `towpath doctor`.

use serde::{Deserialize, Serialize};

/// What looking at a cluster found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examination {
    /// What it is and in which version, such as `Kubernetes v1.33.1`.
    pub version: String,
    /// Permissions that deploys need and that are missing.
    pub missing: Vec<MissingPermission>,
    /// What else people should know, such as kinds that saas files manage and the cluster does not have.
    pub notes: Vec<String>,
}

/// A permission that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingPermission {
    /// The namespace; none for permissions on the whole cluster.
    pub namespace: Option<String>,
    /// The resource with its group, such as `deployments.apps` or `pods/log`.
    pub resource: String,
    /// The verbs that are missing, such as `patch`.
    pub verbs: Vec<String>,
}

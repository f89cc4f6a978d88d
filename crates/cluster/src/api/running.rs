//! What really runs.

use serde::{Deserialize, Serialize};
use towpath_domain::Digest;

use super::ObjectKey;

/// One container of a pod that runs for an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningContainer {
    /// The object that wants the pod, such as a `Deployment`.
    pub object: ObjectKey,
    /// The pod.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The image as the pod names it.
    pub image: String,
    /// The digest that runs; none as long as the cluster does not say.
    pub digest: Option<Digest>,
}

//! What Towpath has applied to a cluster, and how it does.

use http::Method;
use serde_json::Value;
use towpath_domain::NamespaceName;

use super::request::Fault;
use super::status::{Status, status};
use super::watching::text;
use super::{Core, discover, labels};
use crate::api::{ClusterError, ObjectStatus};
use crate::spec::key_of;

/// The kinds that are looked for: asking a cluster for all it has would cost it a hundred requests.
const KINDS: [(&str, &str); 18] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("batch/v1beta1", "CronJob"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("v1", "PersistentVolumeClaim"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("route.openshift.io/v1", "Route"),
    ("cloud.redhat.com/v1alpha1", "ClowdApp"),
    ("cloud.redhat.com/v1alpha1", "ClowdJobInvocation"),
];

/// The objects that carry our label, in one namespace or in all.
pub(super) async fn list(core: &Core, namespace: Option<&NamespaceName>) -> Result<Vec<ObjectStatus>, ClusterError> {
    let mut found = Vec::new();
    for (version, name) in KINDS {
        let Some(kind) = discover::kind(core, version, name).await? else { continue };
        let place =
            namespace.map_or_else(|| kind.path("", None).replace("/namespaces//", "/"), |namespace| kind.path(namespace.as_str(), None));
        let path = format!("{place}?labelSelector={}", labels::TARGET.replace('/', "%2F"));
        let list = match core.send(Method::GET, &path, None, None).await {
            Ok(list) => list,
            Err(Fault::Refused(status)) if status.code == 404 => continue,
            // What may not be listed is not shown; `doctor` tells what is missing.
            Err(Fault::Refused(status)) if status.code == 403 => continue,
            Err(fault) => return Err(core.error(&format!("listing {}", kind.resource()), fault)),
        };
        for item in list.get("items").and_then(Value::as_array).into_iter().flatten() {
            let mut object = item.clone();
            object["apiVersion"] = Value::from(kind.api_version());
            object["kind"] = Value::from(kind.kind.as_str());
            found.extend(shown(&object));
        }
    }
    Ok(found)
}

fn shown(object: &Value) -> Option<ObjectStatus> {
    let (ready, message) = match status(object) {
        Status::Current => (true, "ready".to_owned()),
        Status::InProgress(message) | Status::Failed { message, .. } => (false, message),
    };
    let revision = text(object, "/metadata/annotations/deployment.kubernetes.io~1revision");
    Some(ObjectStatus {
        namespace: NamespaceName::new(text(object, "/metadata/namespace")).ok()?,
        key: key_of(object).ok()?,
        owner: labels::owner_of(object)?,
        ready,
        revision: (!revision.is_empty()).then(|| revision.to_owned()),
        message,
        pods: Vec::new(),
        addresses: std::collections::BTreeMap::new(),
    })
}

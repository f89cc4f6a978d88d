//! What Towpath has applied to a cluster, and how it does.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use http::Method;
use serde_json::Value;
use towpath_domain::NamespaceName;

use super::request::Fault;
use super::status::{Status, status};
use super::view::View;
use super::watching::{Seen, text};
use super::{Core, addresses, diagnose, discover, labels, logs, running};
use crate::api::{AppCount, ClusterError, ObjectStatus, PodStatus};
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

/// Those of them that make pods.
const WITH_PODS: [&str; 6] = [
    "Deployment.apps",
    "StatefulSet.apps",
    "DaemonSet.apps",
    "Job.batch",
    "ClowdApp.cloud.redhat.com",
    "ClowdJobInvocation.cloud.redhat.com",
];

/// What counts as an app, as [`AppCount`] says.
const APPS: [&[(&str, &str)]; 2] = [&[("cloud.redhat.com/v1alpha1", "ClowdApp")], &[("apps/v1", "Deployment"), ("apps/v1", "StatefulSet")]];

/// How many apps a namespace has, whoever put them there; none where it may not be looked at.
pub(super) async fn apps(core: &Core, namespace: &NamespaceName) -> Result<Option<AppCount>, ClusterError> {
    for kinds in APPS {
        let asked = kinds.iter().map(|(version, name)| of_kind(core, Some(namespace), version, name, None));
        let Some(found) = try_join_all(asked).await?.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        let found = found.concat();
        if !found.is_empty() {
            let ready = found.iter().filter(|object| status(object) == Status::Current).count();
            return Ok(Some(AppCount { ready, total: found.len() }));
        }
    }
    Ok(Some(AppCount::default()))
}

/// The objects that carry our label, in one namespace or in all, with their pods.
pub(super) async fn list(core: &Core, namespace: Option<&NamespaceName>) -> Result<Vec<ObjectStatus>, ClusterError> {
    let asked = KINDS.into_iter().map(|(version, name)| of_kind(core, namespace, version, name, Some(labels::TARGET)));
    // What may not be listed is not shown; `doctor` tells what is missing.
    let objects: Vec<Value> = try_join_all(asked).await?.into_iter().flatten().flatten().collect();
    let mut by_namespace: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for object in &objects {
        by_namespace.entry(text(object, "/metadata/namespace")).or_default().push(object);
    }
    let shown = by_namespace.into_iter().map(|(namespace, objects)| with_pods(core, namespace, objects));
    Ok(try_join_all(shown).await?.into_iter().flatten().collect())
}

/// The objects of one kind; with a label, those that carry it. None where they may not be listed.
async fn of_kind(
    core: &Core,
    namespace: Option<&NamespaceName>,
    version: &str,
    name: &str,
    label: Option<&str>,
) -> Result<Option<Vec<Value>>, ClusterError> {
    let Some(kind) = discover::kind(core, version, name).await? else { return Ok(Some(Vec::new())) };
    let place =
        namespace.map_or_else(|| kind.path("", None).replace("/namespaces//", "/"), |namespace| kind.path(namespace.as_str(), None));
    let query = label.map(|label| format!("?labelSelector={}", label.replace('/', "%2F"))).unwrap_or_default();
    let path = format!("{place}{query}");
    let mut list = match core.send(Method::GET, &path, None, None).await {
        Ok(list) => list,
        Err(Fault::Refused(status)) if matches!(status.code, 403 | 404) => return Ok(None),
        Err(fault) => return Err(core.error(&format!("listing {}", kind.resource()), fault)),
    };
    let mut items = list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    for item in &mut items {
        item["apiVersion"] = Value::from(kind.api_version());
        item["kind"] = Value::from(kind.kind.as_str());
    }
    Ok(Some(items))
}

/// The objects of a namespace as they are shown.
async fn with_pods(core: &Core, namespace: &str, objects: Vec<&Value>) -> Result<Vec<ObjectStatus>, ClusterError> {
    let kinds: Vec<String> = objects.iter().filter_map(|object| Some(key_of(object).ok()?.kind_and_group())).collect();
    let seen = if kinds.iter().any(|kind| WITH_PODS.contains(&kind.as_str())) {
        match logs::snapshot(core, namespace, &[]).await {
            Ok(seen) => seen,
            // The objects themselves may still be shown.
            Err(ClusterError::Forbidden { .. }) => Seen::default(),
            Err(error) => return Err(error),
        }
    } else {
        Seen::default()
    };
    let view = View::new(&seen);
    Ok(objects.into_iter().filter_map(|object| shown(&view, object)).collect())
}

fn shown(view: &View<'_>, object: &Value) -> Option<ObjectStatus> {
    let (ready, message) = match status(object) {
        Status::Current => (true, "ready".to_owned()),
        Status::InProgress(message) | Status::Failed { message, .. } => (false, message),
    };
    let revision = text(object, "/metadata/annotations/deployment.kubernetes.io~1revision");
    let key = key_of(object).ok()?;
    let made = if WITH_PODS.contains(&key.kind_and_group().as_str()) { running::below(view, object) } else { Vec::new() };
    let mut pods: Vec<PodStatus> = made.into_iter().map(|pod| diagnose::shown(view, pod)).collect();
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    Some(ObjectStatus {
        namespace: NamespaceName::new(text(object, "/metadata/namespace")).ok()?,
        key,
        owner: labels::owner_of(object)?,
        ready,
        revision: (!revision.is_empty()).then(|| revision.to_owned()),
        message,
        pods,
        addresses: addresses::of(object),
    })
}

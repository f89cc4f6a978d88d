//! How a namespace stands, by what was seen of it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{mark, plan};
use crate::api::{ExpectedObject, NamespaceStanding, ObjectKey};
use crate::kube::labels::{self, annotation};
use crate::kube::status::{Status, status};
use crate::wanted::missing_secret;

/// How many objects a message names.
const NAMED: usize = 20;

/// Kinds that hold nothing of anybody, or only show what other kinds hold, in groups that begin so. `*` is any kind of the group.
const SHADOWS: [(&str, &str); 12] = [
    ("", "Event"),
    ("events.k8s.io", "Event"),
    ("", "Endpoints"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("coordination.k8s.io", "Lease"),
    ("metrics.k8s.io", "*"),
    ("custom.metrics.k8s.io", "*"),
    ("external.metrics.k8s.io", "*"),
    ("packages.operators.coreos.com", "*"),
    ("authorization.openshift.io", "*"),
    ("quota.openshift.io", "AppliedClusterResourceQuota"),
    ("image.openshift.io", "ImageTag"),
];

/// What Kubernetes and OpenShift put into each namespace.
const CLUSTERS_OWN: [&str; 12] = [
    "ServiceAccount/default",
    "ServiceAccount/builder",
    "ServiceAccount/deployer",
    "ServiceAccount/pipeline",
    "ConfigMap/kube-root-ca.crt",
    "ConfigMap/openshift-service-ca.crt",
    "ConfigMap/config-trusted-cabundle",
    "ConfigMap/config-service-cabundle",
    "RoleBinding.rbac.authorization.k8s.io/system:deployers",
    "RoleBinding.rbac.authorization.k8s.io/system:image-builders",
    "RoleBinding.rbac.authorization.k8s.io/system:image-pullers",
    "RoleBinding.rbac.authorization.k8s.io/openshift-pipelines-edit",
];

/// The service accounts among them, whose tokens and pull secrets are theirs.
const ACCOUNTS: [&str; 4] = ["default", "builder", "deployer", "pipeline"];

/// Kinds without which no namespace can be called clean.
pub(super) const DECISIVE: [&str; 17] = [
    "pods",
    "secrets",
    "configmaps",
    "services",
    "serviceaccounts",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
    "limitranges",
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "replicasets.apps",
    "jobs.batch",
    "cronjobs.batch",
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
];

/// Whether objects of this kind say nothing of whether a namespace is clean.
pub(super) fn is_shadow(group: &str, kind: &str) -> bool {
    SHADOWS.iter().any(|(of, name)| *of == group && (*name == "*" || *name == kind))
}

/// Whether no kind of this group does.
pub(super) fn is_shadow_group(group: &str) -> bool {
    SHADOWS.contains(&(group, "*"))
}

/// Whether a resource must be looked at to call a namespace clean.
pub(super) fn is_decisive(resource: &str) -> bool {
    DECISIVE.contains(&resource)
}

/// An object that is in a namespace: what it is called, and its metadata.
pub(super) struct There {
    pub(super) key: ObjectKey,
    pub(super) object: Value,
}

impl There {
    fn uid(&self) -> &str {
        text(&self.object, "/metadata/uid")
    }

    fn owners(&self) -> impl Iterator<Item = &str> {
        let owners = self.object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        owners.into_iter().flatten().filter_map(|owner| owner.get("uid")?.as_str())
    }
}

fn text<'o>(object: &'o Value, pointer: &str) -> &'o str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What is in the namespace and was not wanted: neither one of `wanted` (by their uids), nor made of one, nor expected, nor the cluster's own.
pub(super) fn leftovers(there: &[There], wanted: &BTreeSet<String>, expected: &[ExpectedObject]) -> Vec<String> {
    let is_fine = |one: &There| {
        wanted.contains(one.uid()) || is_clusters_own(&one.key, &one.object) || expected.iter().any(|expected| expected.names(&one.key))
    };
    // The same object may be served by several groups: it is fine if it is so under one of its names.
    let mut fine: BTreeSet<&str> = there.iter().filter(|one| is_fine(one)).map(There::uid).collect();
    fine.extend(wanted.iter().map(String::as_str));
    loop {
        let made: Vec<&str> = there
            .iter()
            .filter(|one| !fine.contains(one.uid()) && one.owners().any(|owner| fine.contains(owner)))
            .map(There::uid)
            .collect();
        if made.is_empty() {
            break;
        }
        fine.extend(made);
    }
    let left: BTreeMap<&str, &There> = there.iter().rev().filter(|one| !fine.contains(one.uid())).map(|one| (one.uid(), one)).collect();
    let mut names: Vec<String> = left.into_values().map(|one| one.key.to_string()).collect();
    names.sort();
    shortened(names)
}

/// At most as many names as a message holds.
fn shortened(mut names: Vec<String>) -> Vec<String> {
    if names.len() > NAMED {
        let more = names.len() - (NAMED - 1);
        names.truncate(NAMED - 1);
        names.push(format!("and {more} more"));
    }
    names
}

/// Whether Kubernetes or OpenShift put it there by themselves.
fn is_clusters_own(key: &ObjectKey, object: &Value) -> bool {
    if CLUSTERS_OWN.contains(&key.to_string().as_str()) {
        return true;
    }
    match key.kind_and_group().as_str() {
        "Secret" => ACCOUNTS.iter().any(|account| {
            let name = |what: &str| key.name.starts_with(&format!("{account}-{what}-"));
            let of = ["kubernetes.io/service-account.name", "openshift.io/internal-registry-auth-token.service-account"];
            (name("token") || name("dockercfg")) && of.iter().any(|note| annotation(object, note) == *account)
        }),
        // Copies that the operators' manager puts into each namespace.
        "ClusterServiceVersion.operators.coreos.com" => !mark::label(object, "olm.copiedFrom").is_empty(),
        _ => false,
    }
}

/// Something that was wanted, and what is there of it.
pub(super) struct Asked {
    /// As it is applied.
    pub(super) wanted: Value,
    pub(super) live: Option<Value>,
}

/// What something that was wanted lacks; none when it is there and well.
pub(super) fn lack(asked: &Asked) -> Option<NamespaceStanding> {
    let waits = |waits: String| Some(NamespaceStanding::Making { waits });
    let title = format!("{}/{}", text(&asked.wanted, "/kind"), text(&asked.wanted, "/metadata/name"));
    let Some(live) = &asked.live else { return waits(format!("{title} is not there yet")) };
    let made_for = mark::label(&asked.wanted, mark::MADE_FOR);
    if mark::label(live, mark::MADE_FOR) != made_for
        || mark::label(live, mark::INSTALLATION) != mark::label(&asked.wanted, mark::INSTALLATION)
    {
        return Some(NamespaceStanding::Broken { why: format!("{title} {}; rename it in the pool's manifests", mark::whose(live)) });
    }
    if annotation(live, labels::APPLIED) != annotation(&asked.wanted, labels::APPLIED) {
        return waits(format!("{title} is as an earlier definition of the pool wants it"));
    }
    if text(live, "/kind") == "ResourceQuota" {
        // Until it is counted nothing is admitted, or everything.
        let hard = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_object).map(|hard| hard.len());
        return if hard(live, "/spec/hard") == hard(live, "/status/hard") { None } else { waits(format!("{title} is not counted yet")) };
    }
    match status(live) {
        Status::Current => None,
        Status::InProgress(message) => waits(format!("{title}: {message}")),
        Status::Failed { message, .. } => Some(NamespaceStanding::Broken { why: format!("{title}: {message}") }),
    }
}

/// What the copy of a secret lacks; none when it is there and of today's version.
pub(super) fn copy_lack(name: &str, from: &str, source: Option<&Value>, copy: Option<&Value>) -> Option<NamespaceStanding> {
    let Some(source) = source else {
        return Some(NamespaceStanding::Broken { why: format!("Secret/{name} {}", missing_secret(from)) });
    };
    let waits = |waits: String| Some(NamespaceStanding::Making { waits });
    match copy {
        None => waits(format!("Secret/{name} is not copied yet")),
        Some(copy) if annotation(copy, mark::COPY_OF) == plan::version_of(source, from) => None,
        Some(_) => waits(format!("Secret/{name} is a copy of an earlier version")),
    }
}

/// The worst of what is lacking.
pub(super) fn worst(lacks: Vec<NamespaceStanding>) -> Option<NamespaceStanding> {
    let rank = |standing: &NamespaceStanding| usize::from(!matches!(standing, NamespaceStanding::Broken { .. }));
    lacks.into_iter().min_by_key(rank)
}

/// What keeps a namespace from going, by its conditions: an API that does not answer, content that cannot be deleted. Whether finalizers are
/// among it decides whether its objects are looked at.
/// <https://github.com/kubernetes/kubernetes/blob/v1.20.2/pkg/controller/namespace/deletion/status_condition_utils.go>
pub(super) fn holds(namespace: &Value) -> (Vec<String>, bool) {
    let conditions = namespace.pointer("/status/conditions").and_then(Value::as_array);
    let is = |condition: &&Value| condition["status"] == "True";
    let named = |condition: &&Value, kinds: &[&str]| kinds.contains(&text(condition, "/type"));
    let all: Vec<&Value> = conditions.into_iter().flatten().filter(is).collect();
    let hard = ["NamespaceDeletionDiscoveryFailure", "NamespaceDeletionGroupVersionParsingFailure", "NamespaceDeletionContentFailure"];
    let told = all.iter().filter(|condition| named(condition, &hard)).map(|condition| text(condition, "/message").to_owned()).collect();
    (told, all.iter().any(|condition| named(condition, &["NamespaceFinalizersRemaining"])))
}

/// Objects on their way out that wait for a finalizer.
pub(super) fn held(there: &[There]) -> Vec<String> {
    let mut held: Vec<String> =
        there.iter().filter(|one| mark::is_going(&one.object)).filter_map(|one| held_one(&one.key, &one.object)).collect();
    held.sort();
    held.dedup();
    shortened(held)
}

/// The finalizers of one object, in a sentence.
pub(super) fn held_one(key: &ObjectKey, object: &Value) -> Option<String> {
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array)?;
    let names: Vec<&str> = finalizers.iter().filter_map(Value::as_str).collect();
    (!names.is_empty()).then(|| format!("{key} has the finalizer {}, which its controller has to take away", names.join(", ")))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;

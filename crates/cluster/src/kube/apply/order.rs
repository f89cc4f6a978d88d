//! In which order objects are applied. Pure.

use serde_json::Value;

use crate::kube::labels;

/// Kinds that others need, from the ground up. What is not among them is applied with [`WORK`].
const FIRST: [&[&str]; 7] = [
    &["Namespace", "Project", "ProjectRequest"],
    &["CustomResourceDefinition", "PriorityClass", "StorageClass", "RuntimeClass"],
    &["ServiceAccount", "ResourceQuota", "LimitRange", "NetworkPolicy", "PodSecurityPolicy", "SecurityContextConstraints"],
    &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
    &["Secret", "ConfigMap", "PersistentVolume"],
    &["PersistentVolumeClaim", "ImageStream", "ClowdEnvironment"],
    &["Service", "Endpoints", "EndpointSlice"],
];

/// The rank of what runs, and of everything that is not known.
const WORK: usize = FIRST.len();

/// Kinds that need what runs.
const LAST: [&[&str]; 2] = [
    &["HorizontalPodAutoscaler", "PodDisruptionBudget", "Ingress", "Route", "ServiceMonitor"],
    &["APIService", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"],
];

/// Where an object stands in the order: its wave, then its kind's rank. Objects of equal place are applied at the same time.
pub(in crate::kube) fn place(object: &Value) -> (i64, usize) {
    let wave = wave(object).and_then(Result::ok).unwrap_or_default();
    (wave, rank(object.get("kind").and_then(Value::as_str).unwrap_or_default()))
}

/// The object's wave, if it names one and it is no number.
pub(super) fn bad_wave(object: &Value) -> Option<&str> {
    wave(object).and_then(Result::err)
}

/// The wave that an object names, or what stands in its place.
fn wave(object: &Value) -> Option<Result<i64, &str>> {
    let written = object.pointer("/metadata/annotations")?.get(labels::WAVE)?;
    let text = written.as_str().unwrap_or("no text");
    Some(text.trim().parse().map_err(|_| text))
}

fn rank(kind: &str) -> usize {
    if let Some(rank) = FIRST.iter().position(|kinds| kinds.contains(&kind)) {
        return rank;
    }
    LAST.iter().position(|kinds| kinds.contains(&kind)).map_or(WORK, |rank| WORK + 1 + rank)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_need_comes_first_and_a_wave_counts_more_than_a_kind() {
        let object = |kind: &str, wave: &str| json!({"kind": kind, "metadata": {"annotations": {"towpath.dev/wave": wave}}});
        let mut all = [
            object("Deployment", "-1"),
            object("Namespace", "0"),
            object("ConfigMap", "0"),
            object("ClowdApp", "0"),
            object("Deployment", " 0 "),
            object("Route", "0"),
            object("Namespace", "2"),
        ];
        let wanted = all.clone();
        all.reverse();
        all.sort_by_key(place);
        let kinds =
            |objects: &[Value]| objects.iter().map(|o| (place(o), o["kind"].to_string())).map(|(p, k)| (p, k.len())).collect::<Vec<_>>();
        assert_eq!(all.iter().map(place).collect::<Vec<_>>(), wanted.iter().map(place).collect::<Vec<_>>(), "{:?}", kinds(&all));
        assert_eq!(place(&wanted[3]), place(&wanted[4]), "kinds nobody knows go with what runs");
        assert_eq!((bad_wave(&wanted[0]), bad_wave(&object("Deployment", "first"))), (None, Some("first")));
    }
}

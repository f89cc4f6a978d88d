//! A pod as people are shown it. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use towpath_domain::Timestamp;

use super::container::statuses;
use super::pod::of_pod;
use crate::api::PodStatus;
use crate::kube::view::View;
use crate::kube::watching::text;

/// The pod, in the words that pods of every cluster are shown in.
pub(in crate::kube) fn shown(view: &View<'_>, pod: &Value) -> PodStatus {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().any(|it| text(it, "/type") == "Ready" && text(it, "/status") == "True");
    let restarts: u64 = statuses(pod).filter_map(|status| status.get("restartCount")?.as_u64()).sum();
    let revision = ["pod-template-hash", "controller-revision-hash"].map(|label| text(pod, &format!("/metadata/labels/{label}")));
    let since = text(pod, "/status/startTime").parse::<jiff::Timestamp>().ok();
    PodStatus {
        name: text(pod, "/metadata/name").to_owned(),
        revision: revision.into_iter().find(|hash| !hash.is_empty()).unwrap_or_default().to_owned(),
        ready,
        phase: phase(pod, ready).to_owned(),
        pids: Vec::new(),
        restarts: u32::try_from(restarts).unwrap_or(u32::MAX),
        ports: BTreeMap::new(),
        since: since.map(|time| Timestamp::from_millis(time.as_millisecond())),
        message: of_pod(view, pod).map(|finding| finding.message).unwrap_or_default(),
    }
}

fn phase(pod: &Value, ready: bool) -> &'static str {
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        return "stopping";
    }
    match text(pod, "/status/phase") {
        "Succeeded" => "succeeded",
        "Failed" => "failed",
        "Running" if ready => "running",
        "Running" => "starting",
        _ => "preparing",
    }
}

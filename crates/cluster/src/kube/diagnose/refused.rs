//! Pods that cannot be made. Pure.

use std::time::Duration;

use super::{Finding, WHEN_TIME_IS_UP, makers, pods};
use crate::api::{ObjectKey, Reason};
use crate::kube::events;
use crate::kube::view::View;
use crate::kube::watching::text;

/// How long pods may be refused while others of the same object are there: a rollout that has no room for more pods at a time goes on when old ones
/// are gone.
const BESIDE_OTHERS: Duration = Duration::from_secs(60);

/// How long what pods need may be missing: it may be made at the same time.
const MISSING: Duration = Duration::from_secs(10);

/// Why pods are refused, by what the server says: what it is, what to do, and how long it may last.
pub(in crate::kube) fn why(message: &str, has_others: bool) -> (Reason, &'static str, Duration) {
    let at_once = if has_others { BESIDE_OTHERS } else { Duration::ZERO };
    if message.contains("exceeded quota") {
        (Reason::QuotaExceeded, "make room in the namespace, or have its quota raised", at_once)
    } else if message.contains("failed calling webhook") || message.contains("Internal error") {
        (Reason::Unreachable, "the cluster cannot do better now; see what is wrong with its webhook", BESIDE_OTHERS)
    } else if message.contains("not found") {
        (Reason::ConfigMissing, "make what is missing, or correct its name", at_once.max(MISSING))
    } else if message.contains("being terminated") {
        (Reason::PodRejected, "its namespace is being deleted; wait until it is gone, and make it anew", at_once)
    } else {
        (Reason::PodRejected, "correct what the cluster refuses", at_once)
    }
}

/// Pods that the API server refuses: deployments say it themselves, too; of the others only events tell.
pub(super) fn not_made(view: &View<'_>, key: &ObjectKey) -> Option<Finding> {
    let has_pods = !pods(view, key).is_empty();
    makers(view, key).iter().find_map(|maker| {
        let last = |reason: &str| {
            let of_reason = view.events_of(maker).filter(|event| text(event, "/reason") == reason);
            of_reason.max_by_key(|event| events::at(event).to_owned())
        };
        let refused = last("FailedCreate").or_else(|| last("FailedDaemonPod"))?;
        // What was refused before a pod was made is over.
        let over = last("SuccessfulCreate").is_some_and(|made| events::at(made) >= events::at(refused));
        if over && has_pods {
            return None;
        }
        let said = text(refused, "/message");
        let (reason, mend, after) = why(said, has_pods);
        let message = format!("its pods cannot be made: {said}; {mend}");
        let after = if over { WHEN_TIME_IS_UP } else { after };
        Some(Finding { reason, message, pod: String::new(), container: None, restarted: false, after })
    })
}

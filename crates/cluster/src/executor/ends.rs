//! What the pods of a task say of its bad end. Pure.
//!
//! Read once more when a task has failed: what waits for it watches Jobs and pods side by side, and may hear of the Job's end first.

use serde_json::Value;

use crate::kube::watching::text;
use crate::spec;

/// A container that ended badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadEnd {
    /// The container's name.
    pub(super) container: String,
    /// Its exit code.
    pub(super) exit: i64,
    /// Whether it was killed since it needed more memory than its limit.
    pub(super) out_of_memory: bool,
    /// Its memory limit in bytes, if it has one.
    pub(super) limit: Option<u64>,
}

/// The container that ended badly, if one did; one that ran out of memory says most.
pub(super) fn bad_end(pods: &[Value]) -> Option<BadEnd> {
    let ends = pods.iter().flat_map(|pod| {
        let lists = ["initContainerStatuses", "containerStatuses"];
        let statuses = lists.into_iter().filter_map(|list| pod.pointer(&format!("/status/{list}"))?.as_array()).flatten();
        statuses.filter_map(|status| of_container(pod, status))
    });
    // Of equals the first: an init container's end comes before all others.
    ends.reduce(|first, other| if other.out_of_memory && !first.out_of_memory { other } else { first })
}

fn of_container(pod: &Value, status: &Value) -> Option<BadEnd> {
    let end = status.pointer("/state/terminated").or_else(|| status.pointer("/lastState/terminated"))?;
    let exit = end.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
    let container = text(status, "/name").to_owned();
    // Of a container that ended well although one of its programs was killed, nothing bad is to be said.
    (exit != 0).then(|| BadEnd { out_of_memory: text(end, "/reason") == "OOMKilled", limit: limit(pod, &container), exit, container })
}

fn limit(pod: &Value, container: &str) -> Option<u64> {
    let lists = ["initContainers", "containers"];
    let mut specs = lists.into_iter().filter_map(|list| pod.pointer(&format!("/spec/{list}"))?.as_array()).flatten();
    spec::memory_bytes(text(specs.find(|spec| text(spec, "/name") == container)?, "/resources/limits/memory"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(list: &str, statuses: Value) -> Value {
        let containers = json!([{"name": "task", "resources": {"limits": {"memory": "64Mi"}}}]);
        json!({"spec": {"containers": containers, "initContainers": [{"name": "checkout"}]}, "status": {list: statuses}})
    }

    fn ended(name: &str, exit: i64, reason: &str) -> Value {
        json!({"name": name, "state": {"terminated": {"exitCode": exit, "reason": reason}}})
    }

    #[test]
    fn a_container_that_was_killed_for_its_memory_is_told_with_its_limit() {
        let end = bad_end(&[pod("containerStatuses", json!([ended("task", 137, "OOMKilled")]))]).unwrap();
        assert_eq!(end, BadEnd { container: "task".to_owned(), exit: 137, out_of_memory: true, limit: Some(64 << 20) });
        let helper = pod("containerStatuses", json!([ended("step", 1, "Error"), ended("task", 137, "OOMKilled")]));
        assert!(bad_end(&[helper]).unwrap().out_of_memory);
    }

    #[test]
    fn the_first_bad_end_is_told_and_good_ones_are_none() {
        let end = bad_end(&[pod("initContainerStatuses", json!([ended("checkout", 128, "Error")]))]).unwrap();
        assert_eq!((end.container.as_str(), end.exit, end.limit), ("checkout", 128, None));
        assert_eq!(bad_end(&[pod("containerStatuses", json!([ended("task", 0, "Completed")]))]), None);
        assert_eq!(bad_end(&[pod("containerStatuses", json!([{"name": "task", "state": {"running": {}}}]))]), None);
        assert_eq!(bad_end(&[]), None);
    }
}

//! What the API server would refuse anyway, told before anything is applied.

use serde_json::Value;

use super::{kind, title};

/// Kinds whose names may hold nearly anything (`system:admin`).
const FREE_NAMES: [&str; 4] = ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];

/// Longest name of an object: a DNS-1123 subdomain.
const NAME_LEN_MAX: usize = 253;

/// Longest name of a container: a DNS-1123 label.
const LABEL_LEN_MAX: usize = 63;

/// One thing that is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectProblem {
    /// The object has no name.
    #[error("{object}: the object has no metadata.name; give it one")]
    Nameless {
        /// The object, as `Kind/name`.
        object: String,
    },
    /// The name is not one that Kubernetes takes.
    #[error(
        "{object}: the name {name:?} is not a DNS-1123 subdomain (lower-case letters, digits, '-', '.', at most {NAME_LEN_MAX}); rename it"
    )]
    Name {
        /// The object, as `Kind/name`.
        object: String,
        /// The name.
        name: String,
    },
    /// A container's name is not one that Kubernetes takes.
    #[error(
        "{object}: {path}: the container's name {name:?} is not a DNS-1123 label (lower-case letters, digits, '-', at most {LABEL_LEN_MAX}); rename it"
    )]
    ContainerName {
        /// The object, as `Kind/name`.
        object: String,
        /// Where in the object.
        path: String,
        /// The name; empty when there is none.
        name: String,
    },
    /// The object is there twice.
    #[error("{object}: the object is there twice; remove one or rename it")]
    Duplicate {
        /// The object, as `Kind/name`.
        object: String,
    },
}

/// All that is wrong with `objects`: names, names of containers, duplicates.
///
/// Markers of [`crate::Placeholder`] count as good text, so that a plan is judged like the run that follows it.
#[must_use]
pub fn check(objects: &[Value]) -> Vec<ObjectProblem> {
    let mut problems = Vec::new();
    for object in objects {
        check_name(object, &mut problems);
        for place in ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/spec"] {
            if let Some(pod) = object.pointer(place) {
                check_containers(object, pod, place, &mut problems);
            }
        }
    }
    problems.extend(super::duplicates(objects).into_iter().map(|object| ObjectProblem::Duplicate { object }));
    problems
}

fn check_name(object: &Value, problems: &mut Vec<ObjectProblem>) {
    let name = super::name(object);
    if name.is_empty() {
        problems.push(ObjectProblem::Nameless { object: title(object) });
    } else if !FREE_NAMES.contains(&kind(object)) && !is_subdomain(&without_markers(name)) {
        problems.push(ObjectProblem::Name { object: title(object), name: name.to_owned() });
    }
}

fn check_containers(object: &Value, pod: &Value, place: &str, problems: &mut Vec<ObjectProblem>) {
    for list in ["containers", "initContainers"] {
        let containers = pod.get(list).and_then(Value::as_array);
        for (index, container) in containers.into_iter().flatten().enumerate() {
            let name = container.get("name").and_then(Value::as_str).unwrap_or("");
            if !is_label(&without_markers(name)) {
                let path = format!("{}.{list}[{index}]", place.trim_start_matches('/').replace('/', "."));
                problems.push(ObjectProblem::ContainerName { object: title(object), path, name: name.to_owned() });
            }
        }
    }
}

fn is_label(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= LABEL_LEN_MAX
        && text.bytes().all(|b| allowed(b) || b == b'-')
        && text.bytes().next().is_some_and(allowed)
        && text.bytes().last().is_some_and(allowed)
}

/// Labels joined by dots. Kubernetes bounds the whole, not each label.
fn is_subdomain(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= NAME_LEN_MAX
        && text.split('.').all(|label| {
            label.bytes().all(|b| allowed(b) || b == b'-')
                && label.bytes().next().is_some_and(allowed)
                && label.bytes().last().is_some_and(allowed)
        })
}

/// `name` with each `<generated:NAME>` replaced by a plain letter.
fn without_markers(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("<generated:") {
        let Some((_, tail)) = after.split_once('>') else { break };
        out.push_str(before);
        out.push('x');
        rest = tail;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(object: Value) -> Vec<String> {
        check(&[object]).iter().map(ToString::to_string).collect()
    }

    fn named(kind: &str, name: &str) -> Value {
        json!({"kind": kind, "metadata": {"name": name}})
    }

    #[test]
    fn good_names_pass() {
        for name in ["web", "a.b-c.9", "0", &"x".repeat(253), "smoke-<generated:UID>"] {
            assert!(problems(named("ConfigMap", name)).is_empty(), "{name}");
        }
        assert!(problems(named("ClusterRole", "system:Admin")).is_empty());
    }

    #[test]
    fn bad_names_are_told() {
        for name in ["Web", "a_b", "-a", "a-", "a..b", ".a", "a.-b", "é", "<generated:UID", &"x".repeat(254)] {
            assert_eq!(problems(named("ConfigMap", name)).len(), 1, "{name}");
        }
        assert!(problems(json!({"kind": "ConfigMap"}))[0].contains("ConfigMap/: the object has no metadata.name"));
    }

    #[test]
    fn container_names_are_labels() {
        let pod = |name: &str| json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "ok"}], "initContainers": [{"name": name}]}});
        assert!(problems(pod("good-1")).is_empty());
        for name in ["a.b", "", "A", &"x".repeat(64)] {
            assert!(problems(pod(name))[0].contains("spec.initContainers[0]"), "{name}");
        }
        let job = json!({"kind": "CronJob", "metadata": {"name": "c"}, "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{}]}}}}}});
        assert!(problems(job)[0].contains("spec.jobTemplate.spec.template.spec.containers[0]"));
    }

    #[test]
    fn an_object_that_is_there_twice_is_told() {
        let objects = [named("Service", "web"), named("Service", "web")];
        assert_eq!(check(&objects), [ObjectProblem::Duplicate { object: "Service/web".to_owned() }]);
    }
}

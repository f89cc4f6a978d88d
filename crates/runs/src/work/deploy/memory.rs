//! What the containers of post-deploy jobs may use. Pure; the objects were compared with what was decided on before.

use serde_json::{Map, Value, json};
use towpath_catalog::{DeployResources, Quantity, Resources};
use towpath_template::objects;

/// Where a job's containers stand.
const CONTAINERS: [&str; 2] = ["/spec/template/spec/initContainers", "/spec/template/spec/containers"];

/// Gives containers of jobs that state no resources the `usual` ones, and raises memory limits to `at_least` bytes.
///
/// A container without a memory limit is left without one: raising it would be lowering it.
pub(in crate::work) fn provide(objects: &mut [Value], usual: Option<&DeployResources>, at_least: Option<u64>) {
    for container in objects.iter_mut().filter(|object| is_job(object)).flat_map(containers_mut) {
        let states_none = container.get("resources").is_none_or(|stated| {
            ["requests", "limits"].iter().all(|part| stated.get(part).and_then(Value::as_object).is_none_or(Map::is_empty))
        });
        if let Some(usual) = usual.filter(|_| states_none) {
            container["resources"] = json!({"requests": written(&usual.requests), "limits": written(&usual.limits)});
        }
        if let Some(bytes) = at_least
            && memory_limit(container).is_some_and(|limit| limit < bytes)
        {
            container["resources"]["limits"]["memory"] = Value::from(bytes.to_string());
        }
    }
}

/// The largest memory limit of the containers of the job of this name, in bytes: which of them ran out of it is in the failure's words only.
pub(super) fn limit(objects: &[Value], job: &str) -> Option<u64> {
    let job = objects.iter().find(|object| is_job(object) && objects::name(object) == job)?;
    let containers = CONTAINERS.into_iter().filter_map(|list| job.pointer(list)?.as_array()).flatten();
    containers.filter_map(memory_limit).max()
}

fn is_job(object: &Value) -> bool {
    objects::kind(object) == "Job" && objects::group(object) == "batch"
}

fn containers_mut(job: &mut Value) -> Vec<&mut Value> {
    let Some(pod) = job.pointer_mut("/spec/template/spec").and_then(Value::as_object_mut) else { return Vec::new() };
    let lists = pod.iter_mut().filter(|(field, _)| matches!(field.as_str(), "initContainers" | "containers"));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten().filter(|container| container.is_object()).collect()
}

fn memory_limit(container: &Value) -> Option<u64> {
    let written = container.pointer("/resources/limits/memory")?;
    let text = written.as_str().map_or_else(|| written.to_string(), str::to_owned);
    text.parse::<Quantity>().ok().map(|amount| amount.units())
}

fn written(resources: &Resources) -> Value {
    let amounts = [("cpu", &resources.cpu), ("memory", &resources.memory)];
    amounts
        .into_iter()
        .filter_map(|(name, amount)| Some((name.to_owned(), Value::from(amount.as_ref()?.as_str()))))
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(containers: Value) -> Value {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "smoke"}, "spec": {"template": {"spec": {"containers": containers}}}})
    }

    fn limited(memory: &str) -> Value {
        json!({"name": "test", "resources": {"limits": {"memory": memory}}})
    }

    fn usual() -> DeployResources {
        let amounts = |cpu: Option<&str>, memory: &str| Resources {
            cpu: cpu.map(|text| text.parse().unwrap()),
            memory: Some(memory.parse().unwrap()),
        };
        DeployResources { requests: amounts(Some("100m"), "64Mi"), limits: amounts(None, "128Mi") }
    }

    #[track_caller]
    fn check(container: Value, usual: Option<&DeployResources>, at_least: Option<u64>, resources: &Value) {
        let mut objects = [job(json!([container]))];
        provide(&mut objects, usual, at_least);
        assert_eq!(objects[0].pointer("/spec/template/spec/containers/0/resources").unwrap_or(&Value::Null), resources);
    }

    #[test]
    fn what_states_no_resources_gets_the_saas_files_and_what_states_some_keeps_its_own() {
        let given = json!({"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}});
        check(json!({"name": "test"}), Some(&usual()), None, &given);
        check(json!({"name": "test", "resources": {}}), Some(&usual()), None, &given);
        check(json!({"name": "test", "resources": {"limits": {}}}), Some(&usual()), None, &given);
        let own = json!({"requests": {"cpu": "1"}});
        check(json!({"name": "test", "resources": own}), Some(&usual()), None, &own);
        check(json!({"name": "test"}), None, None, &Value::Null);
    }

    #[test]
    fn what_was_remembered_raises_limits_and_lowers_none() {
        let bytes = 256 << 20;
        check(limited("64Mi"), None, Some(bytes), &json!({"limits": {"memory": "268435456"}}));
        check(limited("1Gi"), None, Some(bytes), &json!({"limits": {"memory": "1Gi"}}));
        check(
            json!({"name": "test", "resources": {"requests": {"memory": "1Mi"}}}),
            None,
            Some(bytes),
            &json!({"requests": {"memory": "1Mi"}}),
        );
        let both = json!({"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "268435456"}});
        check(json!({"name": "test"}), Some(&usual()), Some(bytes), &both);
    }

    #[test]
    fn only_jobs_are_touched_and_nonsense_is_left_to_the_cluster() {
        let mut objects =
            [json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}})];
        let before = objects.clone();
        provide(&mut objects, Some(&usual()), Some(1 << 30));
        assert_eq!(objects, before);
        check(limited("plenty"), None, Some(1 << 30), &json!({"limits": {"memory": "plenty"}}));
        provide(&mut [job(json!("none"))], Some(&usual()), None);
    }

    #[test]
    fn the_largest_limit_of_a_jobs_containers_is_its_limit() {
        let mut first = job(json!([limited("64Mi"), {"name": "side"}]));
        first["spec"]["template"]["spec"]["initContainers"] = json!([limited("128Mi")]);
        assert_eq!(limit(std::slice::from_ref(&first), "smoke"), Some(128 << 20));
        assert_eq!(limit(&[first], "other"), None);
        assert_eq!(limit(&[job(json!([{"name": "test"}]))], "smoke"), None);
    }
}

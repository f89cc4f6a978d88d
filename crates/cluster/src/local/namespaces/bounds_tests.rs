use serde_json::json;

use super::*;

fn bounds(hard: Value, limits: Value) -> Bounds {
    Bounds::read(&[json!({ "hard": hard })], &[json!({ "limits": limits })]).unwrap()
}

/// What `objects` come to in a namespace with these bounds, in words.
fn told(bounds: &Bounds, objects: &[Value]) -> Vec<String> {
    let read: Vec<(ObjectKey, Spec)> = objects
        .iter()
        .map(|object| {
            let key = crate::spec::key_of(object).unwrap();
            let spec = Spec::read(&key, &bounds.filled(object).unwrap_or_else(|| object.clone())).unwrap();
            (key, spec)
        })
        .collect();
    let wanted = read.iter().map(|(key, spec)| Wanted { key, spec, is_over: false });
    bounds.exceeded(wanted).iter().map(ToString::to_string).collect()
}

fn deployment(replicas: u32, resources: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": replicas,
        "template": {"spec": {"containers": [{"name": "web", "image": "registry.test/web:1", "resources": resources}]}}}})
}

fn job(parallelism: u32, completions: u32) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "test"}, "spec": {"parallelism": parallelism, "completions": completions,
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "test", "image": "registry.test/test:1"}]}}}})
}

#[test]
fn what_would_be_too_much_is_refused_and_what_is_just_enough_is_not() {
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    for (hard, objects, too_much) in [
        (json!({"pods": "2"}), vec![deployment(2, json!({}))], None),
        (json!({"pods": 2}), vec![deployment(2, json!({})), job(5, 1)], Some("pods would be 3 of at most 2")),
        (json!({"count/deployments.apps": "0"}), vec![deployment(1, json!({}))], Some("count/deployments.apps would be 1 of at most 0")),
        (json!({"count/deployments.apps": "0"}), vec![job(1, 1)], None),
        (json!({"configmaps": "0"}), vec![config.clone()], Some("configmaps would be 1 of at most 0")),
        (json!({"secrets": "0"}), vec![config], None),
        (json!({"limits.memory": "1Gi"}), vec![deployment(2, json!({"limits": {"memory": "512Mi"}}))], None),
        (json!({"limits.memory": "1Gi"}), vec![deployment(3, json!({"limits": {"memory": "512Mi"}}))], Some("limits.memory would be")),
        (
            json!({"requests.cpu": "1"}),
            vec![deployment(2, json!({"requests": {"cpu": "600m"}}))],
            Some("requests.cpu would be 1200m of at most 1000m"),
        ),
        (json!({"requests.cpu": "1"}), vec![deployment(2, json!({"limits": {"cpu": 0.6}}))], Some("requests.cpu would be 1200m")),
        (
            json!({"limits.memory": "1Gi"}),
            vec![deployment(1, json!({}))],
            Some("says no memory, which the quota of limits.memory asks for"),
        ),
    ] {
        let told = told(&bounds(hard.clone(), json!([])), &objects);
        match too_much {
            None => assert_eq!(told, [""; 0], "{hard}"),
            Some(words) => assert!(told.len() == 1 && told[0].contains(words), "{hard}: {told:?}"),
        }
    }
}

#[test]
fn a_job_that_is_over_takes_no_room_and_is_still_an_object() {
    let (key, object) = ("Job.batch/test".parse().unwrap(), job(2, 2));
    let spec = Spec::read(&key, &object).unwrap();
    let over = [Wanted { key: &key, spec: &spec, is_over: true }];
    assert!(bounds(json!({"pods": "0"}), json!([])).exceeded(over.iter().copied()).is_empty());
    assert_eq!(bounds(json!({"count/jobs.batch": "0"}), json!([])).exceeded(over.iter().copied()).len(), 1);
}

#[test]
fn what_a_container_does_not_say_is_filled_in_from_the_limits() {
    let limits = json!([{"type": "Container", "default": {"memory": "256Mi"}, "max": {"cpu": "2"}, "min": {"cpu": "100m"}}]);
    let bounds = bounds(json!({"limits.memory": "512Mi"}), limits);
    let filled = bounds.filled(&deployment(1, json!({"limits": {"cpu": "500m"}}))).unwrap();
    let resources = &filled["spec"]["template"]["spec"]["containers"][0]["resources"];
    assert_eq!(*resources, json!({"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "500m", "memory": "256Mi"}}));
    let filled = bounds.filled(&deployment(1, json!(null))).unwrap();
    assert_eq!(filled["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"], "2", "the most, when no default is said");
    assert_eq!(bounds.filled(&json!({"kind": "ConfigMap"})), None);
    let wrong = deployment(1, json!("much"));
    assert_eq!(bounds.filled(&wrong), Some(wrong), "what is wrong is left for whoever reads it");
    assert_eq!(told(&bounds, &[deployment(2, json!({}))]), [""; 0]);
    assert!(told(&bounds, &[deployment(3, json!({}))])[0].contains("limits.memory"));
    assert!(told(&bounds, &[deployment(1, json!({"limits": {"cpu": "3"}}))])[0].contains("container web asks for more than 2"));
    assert!(told(&bounds, &[deployment(1, json!({"requests": {"cpu": "50m"}}))])[0].contains("container web asks for less than 100m"));
}

#[test]
fn a_limit_of_pods_counts_their_containers_together_and_those_before_them_one_by_one() {
    let bounds = bounds(json!({}), json!([{"type": "Pod", "max": {"memory": "1Gi"}}]));
    let mut object = deployment(1, json!({"limits": {"memory": "600Mi"}}));
    assert_eq!(told(&bounds, &[object.clone()]), [""; 0]);
    let one = object["spec"]["template"]["spec"]["containers"][0].clone();
    let named = |name: &str| {
        let mut one = one.clone();
        one["name"] = json!(name);
        one
    };
    object["spec"]["template"]["spec"]["initContainers"] = json!([named("a"), named("b")]);
    assert_eq!(told(&bounds, &[object.clone()]), [""; 0]);
    object["spec"]["template"]["spec"]["containers"] = json!([named("c"), named("d")]);
    assert!(told(&bounds, &[object])[0].contains("the pod asks for more than 1Gi"));
}

#[test]
fn what_this_machine_cannot_keep_is_refused_when_the_pool_is_made() {
    let quota =
        json!({"hard": {"requests.storage": "1Gi", "pods": "many", "count/": "1", "services.nodeports": "0"}, "scopes": ["Terminating"]});
    let limits = json!({"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}, {"type": "Container",
        "maxLimitRequestRatio": {"cpu": "2"}, "max": {"ephemeral-storage": "1Gi"}}]});
    let refusals: Vec<String> =
        Bounds::read(&[quota, json!({})], &[limits, json!({})]).unwrap_err().iter().map(ToString::to_string).collect();
    let fields = [
        "ResourceQuota 1 of the pool: spec.scopes:",
        "spec.hard.count/:",
        "spec.hard.pods: is no quantity",
        "spec.hard.requests.storage:",
        "spec.hard.services.nodeports:",
        "ResourceQuota 2 of the pool: spec.hard: is absent",
        "LimitRange 1 of the pool: spec.limits[0].type: is PersistentVolumeClaim",
        "spec.limits[1].max.ephemeral-storage:",
        "spec.limits[1].maxLimitRequestRatio:",
        "LimitRange 2 of the pool: spec.limits: is absent",
    ];
    assert_eq!(refusals.len(), fields.len(), "{refusals:#?}");
    for field in fields {
        assert!(refusals.iter().any(|refusal| refusal.contains(field)), "{field} in {refusals:#?}");
    }
}

#[test]
fn kinds_are_counted_under_the_names_that_quotas_give_them() {
    for (key, plural) in [
        ("Ingress.networking.k8s.io/a", "ingresses.networking.k8s.io"),
        ("NetworkPolicy.networking.k8s.io/a", "networkpolicies.networking.k8s.io"),
        ("Gateway.example.com/a", "gateways.example.com"),
        ("ConfigMap/a", "configmaps"),
    ] {
        assert_eq!(plural_of(&key.parse().unwrap()), plural);
    }
}

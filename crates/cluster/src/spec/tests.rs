use super::*;
use serde_json::json;

fn read(object: Value) -> Result<Spec, Vec<String>> {
    let key = key_of(&object).unwrap();
    Spec::read(&key, &object).map_err(|all| all.iter().map(ToString::to_string).collect())
}

fn deployment(container: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [container]}}}})
}

#[test]
fn a_deployment_gets_the_defaults_of_kubernetes() {
    let object = deployment(json!({"name": "web", "image": "app:1", "env": null, "readinessProbe": {"httpGet": {"port": 8080}}}));
    let Ok(Spec::Deployment(spec)) = read(object) else { panic!() };
    assert_eq!(spec.replicas, 1);
    let probe = spec.template.spec.containers[0].readiness_probe.clone().unwrap();
    assert_eq!((probe.period_seconds, probe.timeout_seconds, probe.success_threshold, probe.failure_threshold), (10, 1, 1, 3));
}

#[test]
fn a_bad_field_is_named_with_its_path() {
    let refused = |object| read(object).unwrap_err().join("\n");
    assert!(
        refused(deployment(json!({"name": "web", "image": "app:1", "ports": [{"containerPort": "x"}]})))
            .starts_with("Deployment/web: spec.template.spec.containers[0].ports[0].containerPort: invalid type")
    );
    assert!(refused(deployment(json!({"name": "web", "image": "app:b:c"}))).contains("containers[0].image"));
    assert!(refused(deployment(json!({"name": "../x", "image": "app:1"}))).contains("containers[0].name"));
    assert!(
        refused(deployment(json!({"name": "web", "image": "app:1", "livenessProbe": {}}))).contains("livenessProbe: needs exactly one")
    );
    assert!(
        refused(deployment(json!({"name": "web", "image": "app:1", "volumeMounts": [{"name": "v", "mountPath": "/"}]})))
            .contains("volumeMounts[0]")
    );
    assert!(
        refused(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "hunter2!"}}))
            .contains("data.k: is not Base64")
    );
    assert!(refused(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}})).contains("spec: is absent"));
}

#[test]
fn all_findings_are_told_at_once() {
    let object = deployment(json!({"name": "web", "image": "", "resources": {"limits": {"memory": "lots"}}}));
    assert_eq!(read(object).unwrap_err().len(), 2);
}

#[test]
fn kinds_are_told_apart_by_their_group() {
    let of = |version: &str, kind: &str| read(json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}})).unwrap();
    assert_eq!(of("v1", "ServiceAccount"), Spec::Passive);
    assert_eq!(of("cloud.redhat.com/v1alpha1", "ClowdApp"), Spec::Unsupported);
    assert_eq!(of("serving.knative.dev/v1", "Service"), Spec::Unsupported);
}

#[test]
fn an_object_without_a_good_name_is_refused() {
    for object in
        [json!({}), json!({"apiVersion": "v1", "kind": "X"}), json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "../x"}})]
    {
        assert!(key_of(&object).is_err());
    }
}

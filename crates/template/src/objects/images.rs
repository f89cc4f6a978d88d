//! Which images objects use.

use serde_json::Value;

/// One use of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageUse {
    /// The object, as `Kind/name`.
    pub object: String,
    /// Where in the object, such as `spec.template.spec.initContainers[0]`.
    pub path: String,
    /// The image as written.
    pub image: String,
}

/// Where pods are described, for every kind that embeds one: a wrong guess costs nothing, a missed image is a hole.
/// Deployments, StatefulSets, DaemonSets, ReplicaSets, DeploymentConfigs and Jobs; CronJobs; Pods; PodTemplates.
const POD_SPECS: [&str; 4] = ["spec.template.spec", "spec.jobTemplate.spec.template.spec", "spec", "template.spec"];

/// Where a pod lists its containers. ClowdApps call their own `sidecars`.
const CONTAINERS: [&str; 4] = ["containers", "initContainers", "ephemeralContainers", "sidecars"];

/// Every image that the objects use, in their order; empty ones (filled in by OpenShift's triggers) are left out.
///
/// Covers pod templates of any kind with init and ephemeral containers and image volumes; `spec.image`, as of a
/// CatalogSource; pods of a ClowdApp's deployments and jobs with their init containers and sidecars; items of lists.
#[must_use]
pub fn images(objects: &[Value]) -> Vec<ImageUse> {
    let mut found = Vec::new();
    for object in objects {
        let title = super::title(object);
        collect(object, "", &mut |path, image| {
            found.push(ImageUse { object: title.clone(), path, image: image.to_owned() });
        });
        if let Some(Value::Array(items)) = object.get("items") {
            found.extend(images(items));
        }
    }
    found
}

/// Fields in which texts are only data.
const DATA: [&str; 5] = ["metadata", "status", "data", "stringData", "binaryData"];

/// What else of the objects names an image, beside what [`images`] finds: a field `image` anywhere, also of kinds that nobody here knows, and
/// OpenShift's `DockerImage`. It need not be one that ever runs, so it is good for asking whether it may be named, and for nothing else.
#[must_use]
pub fn images_elsewhere(objects: &[Value]) -> Vec<ImageUse> {
    let known: Vec<ImageUse> = images(objects);
    let mut found = Vec::new();
    for object in objects {
        let title = super::title(object);
        if let Some(Value::Array(items)) = object.get("items") {
            found.extend(images_elsewhere(items));
        }
        // Its schema describes objects; it is none.
        if super::kind(object) == "CustomResourceDefinition" {
            continue;
        }
        for (name, field) in object.as_object().into_iter().flatten().filter(|(name, _)| !DATA.contains(&name.as_str()) && *name != "items")
        {
            anywhere(field, name, &mut |path, image| {
                let one = ImageUse { object: title.clone(), path: path.to_owned(), image: image.to_owned() };
                if !known.contains(&one) {
                    found.push(one);
                }
            });
        }
    }
    found
}

fn anywhere(value: &Value, at: &str, found: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
            let docker = text("name").filter(|_| text("kind") == Some("DockerImage"));
            if let Some(image) = text("image") {
                found(at, image);
            }
            if let Some(image) = docker {
                found(at, image.strip_prefix("docker://").unwrap_or(image));
            }
            fields.iter().for_each(|(name, field)| anywhere(field, &format!("{at}.{name}"), found));
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| anywhere(item, &format!("{at}[{index}]"), found)),
        _ => {}
    }
}

/// Whether `image` is, or lies below, one of `patterns`: `quay.io/org` allows `quay.io/org/web:1`, and neither `quay.io/org-evil/web` nor, as
/// `quay.io`, `quay.io.example.com/web`. Compared as written: a registry's name in capitals is another one.
#[must_use]
pub fn image_allowed(image: &str, patterns: &[String]) -> bool {
    const ENDS: [char; 3] = ['/', ':', '@'];
    patterns.iter().any(|pattern| {
        !pattern.is_empty()
            && image.strip_prefix(pattern.as_str()).is_some_and(|rest| rest.is_empty() || pattern.ends_with(ENDS) || rest.starts_with(ENDS))
    })
}

/// Gives every image of flat objects (see [`super::flatten`]) the name that `rename` answers with; `None` keeps it.
pub fn rename_images(objects: &mut [Value], rename: &dyn Fn(&str) -> Option<String>) {
    for object in objects {
        let mut places = Vec::new();
        collect(object, "", &mut |path, image| places.push((pointer(&path), rename(image))));
        for (place, new) in places {
            if let (Some(image), Some(new)) = (object.pointer_mut(&place), new) {
                *image = Value::String(new);
            }
        }
    }
}

/// The JSON pointer of the image that is used at `path`.
fn pointer(path: &str) -> String {
    let place = path.replace(['.', '['], "/").replace(']', "");
    // Image volumes name their image one level deeper than containers do.
    let field = if place.ends_with("/image") { "reference" } else { "image" };
    format!("/{place}/{field}")
}

/// Calls `found` with path and image for each image of one object.
fn collect(object: &Value, at: &str, found: &mut dyn FnMut(String, &str)) {
    for place in POD_SPECS {
        if let Some(spec) = follow(object, place) {
            pod(spec, &join(at, place), found);
        }
    }
    for list in ["deployments", "jobs"] {
        let items = follow(object, "spec").and_then(|spec| spec.get(list)).and_then(Value::as_array);
        for (index, item) in items.into_iter().flatten().enumerate() {
            if let Some(spec) = item.get("podSpec") {
                pod(spec, &join(at, &format!("spec.{list}[{index}].podSpec")), found);
            }
        }
    }
}

/// Images of one pod description, and its own `image`, as ClowdApps and CatalogSources have.
fn pod(spec: &Value, at: &str, found: &mut dyn FnMut(String, &str)) {
    let mut report = |path: &str, image: Option<&Value>| match image.and_then(Value::as_str) {
        Some(image) if !image.trim().is_empty() => found(path.to_owned(), image),
        _ => {}
    };
    report(at, spec.get("image"));
    for list in CONTAINERS {
        let containers = spec.get(list).and_then(Value::as_array);
        for (index, container) in containers.into_iter().flatten().enumerate() {
            report(&format!("{at}.{list}[{index}]"), container.get("image"));
        }
    }
    let volumes = spec.get("volumes").and_then(Value::as_array);
    for (index, volume) in volumes.into_iter().flatten().enumerate() {
        report(&format!("{at}.volumes[{index}].image"), volume.pointer("/image/reference"));
    }
}

fn follow<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, step| value.get(step))
}

fn join(at: &str, path: &str) -> String {
    if at.is_empty() { path.to_owned() } else { format!("{at}.{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(object: Value) -> Vec<String> {
        images(&[object]).into_iter().map(|at| format!("{}={}", at.path, at.image)).collect()
    }

    #[test]
    fn every_kind_with_a_pod_template_is_covered() {
        let pod = json!({"containers": [{"name": "a", "image": "c"}], "initContainers": [{"name": "b", "image": "i"}]});
        for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "DeploymentConfig", "Job", "ReplicationController"] {
            let object = json!({"kind": kind, "spec": {"template": {"spec": pod}}});
            assert_eq!(found(object), ["spec.template.spec.containers[0]=c", "spec.template.spec.initContainers[0]=i"], "{kind}");
        }
        let cron = json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}});
        let at = "spec.jobTemplate.spec.template.spec";
        assert_eq!(found(cron), [format!("{at}.containers[0]=c"), format!("{at}.initContainers[0]=i")]);
        assert_eq!(found(json!({"kind": "Pod", "spec": pod})), ["spec.containers[0]=c", "spec.initContainers[0]=i"]);
    }

    #[test]
    fn catalog_sources_and_image_volumes_count() {
        assert_eq!(found(json!({"kind": "CatalogSource", "spec": {"image": "cat"}})), ["spec=cat"]);
        let pod = json!({"kind": "Pod", "spec": {"volumes": [{"name": "v", "image": {"reference": "data"}}]}});
        assert_eq!(found(pod), ["spec.volumes[0].image=data"]);
    }

    #[test]
    fn a_clowd_apps_deployments_and_jobs_count_with_their_helpers() {
        let app = json!({"kind": "ClowdApp", "metadata": {"name": "app"}, "spec": {
            "deployments": [{"podSpec": {"image": "web", "initContainers": [{"image": "init"}, {"inheritEnv": true}], "sidecars": [{"image": "side"}]}}],
            "jobs": [{"name": "j"}, {"podSpec": {"image": "job"}}]}});
        let want = [
            "spec.deployments[0].podSpec=web",
            "spec.deployments[0].podSpec.initContainers[0]=init",
            "spec.deployments[0].podSpec.sidecars[0]=side",
            "spec.jobs[1].podSpec=job",
        ];
        assert_eq!(found(app.clone()), want);
        assert_eq!(images(&[app])[0].object, "ClowdApp/app");
    }

    #[test]
    fn items_of_lists_count_and_nonsense_does_not() {
        let pod = json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"image": "a"}]}});
        assert_eq!(images(&[crate::list(vec![pod])])[0].object, "Pod/p");
        for nonsense in [
            json!(null),
            json!([1]),
            json!({"spec": "x"}),
            json!({"spec": {"template": [], "image": 1, "deployments": {}, "containers": [1, {"image": " "}]}}),
        ] {
            assert!(found(nonsense).is_empty());
        }
    }

    #[test]
    fn each_image_is_renamed_where_it_is_found_and_nothing_else_is() {
        let pod = json!({"containers": [{"name": "a", "image": "c"}], "initContainers": [{"name": "b", "image": "i"}],
            "volumes": [{"name": "v", "image": {"reference": "d"}}]});
        let before = vec![
            json!({"kind": "Deployment", "spec": {"template": {"spec": pod}}}),
            json!({"kind": "CatalogSource", "spec": {"image": "cat"}}),
            json!({"kind": "ClowdApp", "spec": {"jobs": [{"podSpec": {"image": "job", "sidecars": [{"image": "side"}]}}]}}),
            json!({"kind": "ConfigMap", "data": {"image": "c"}}),
        ];
        let mut after = before.clone();
        rename_images(&mut after, &|image| (image != "side").then(|| format!("{image}@new")));
        let names: Vec<String> = images(&after).into_iter().map(|at| at.image).collect();
        assert_eq!(names, ["c@new", "i@new", "d@new", "cat@new", "job@new", "side"]);
        rename_images(&mut after, &|image| image.strip_suffix("@new").map(str::to_owned));
        assert_eq!(after, before);
    }

    #[test]
    fn images_are_allowed_by_whole_parts_of_their_beginning() {
        let allowed = |image: &str, pattern: &str| image_allowed(image, &[pattern.to_owned()]);
        for (image, pattern) in [
            ("quay.io/org/web:1", "quay.io/org/"),
            ("quay.io/org/web:1", "quay.io/org"),
            ("quay.io/org/web:1", "quay.io"),
            ("quay.io/org/web:1", "quay.io/org/web"),
            ("quay.io/org/web:1", "quay.io/org/web:"),
            ("quay.io/org/web@sha256:00", "quay.io/org/web"),
            ("quay.io/org/web", "quay.io/org/web"),
        ] {
            assert!(allowed(image, pattern), "{image} by {pattern}");
        }
        for (image, pattern) in [
            ("quay.io/org-evil/web:1", "quay.io/org"),
            ("quay.io/org/web-evil:1", "quay.io/org/web"),
            ("quay.io.example.com/org/web", "quay.io"),
            ("docker.io/quay.io/org/web:1", "quay.io/org/"),
            ("QUAY.IO/org/web", "quay.io/org"),
            ("quay.io/ORG/web", "quay.io/org"),
            (" quay.io/org/web", "quay.io/org"),
            ("org/web", "quay.io/org"),
            ("web", "quay.io"),
            ("@sha256:00", "quay.io/org"),
            ("quay.io/org/../evil/web", ""),
            ("quay.io/org/web", ""),
        ] {
            assert!(!allowed(image, pattern), "{image} by {pattern}");
        }
        assert!(!image_allowed("quay.io/org/web:1", &[]));
    }

    #[test]
    fn what_nobody_here_knows_names_its_images_too() {
        let elsewhere = |object: Value| -> Vec<String> {
            images_elsewhere(&[object]).into_iter().map(|at| format!("{}={}", at.path, at.image)).collect()
        };
        let task = json!({"kind": "Task", "spec": {"steps": [{"image": "a"}], "sidecars": [{"image": "known"}]}});
        assert_eq!(elsewhere(task), ["spec.steps[0]=a"], "what counts already is not told twice");
        let set = json!({"kind": "JobSet", "spec": {"replicatedJobs": [{"template": {"spec": {"template": {"spec": {"containers": [{"image": "b"}]}}}}}]}});
        assert_eq!(elsewhere(set), ["spec.replicatedJobs[0].template.spec.template.spec.containers[0]=b"]);
        let build = json!({"kind": "BuildConfig", "spec": {"strategy": {"dockerStrategy": {"from": {"kind": "DockerImage", "name": "docker://c"}}}}});
        assert_eq!(elsewhere(build), ["spec.strategy.dockerStrategy.from=c"]);
        assert_eq!(
            found(json!({"kind": "PodTemplate", "template": {"spec": {"containers": [{"image": "d"}]}}})),
            ["template.spec.containers[0]=d"]
        );
        for none in [
            json!({"kind": "ConfigMap", "data": {"image": "x"}, "metadata": {"annotations": {"image": "x"}}}),
            json!({"kind": "CustomResourceDefinition", "spec": {"example": {"image": "x"}}}),
            json!({"kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}}),
            json!({"spec": {"image": {"repository": "x"}}}),
        ] {
            assert_eq!(elsewhere(none), [""; 0]);
        }
    }
}

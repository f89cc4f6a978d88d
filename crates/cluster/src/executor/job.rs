//! A task as a Job. Pure.

use serde_json::{Map, Value, json};
use towpath_domain::ImageRef;

use super::checkout::{self, FOLDER, WORKSPACE};
use super::names::{MANAGED_BY, RUN, TOWPATH, is_label, literal, run_label};
use super::{JobSettings, PodSecurity, Task, TaskFailure};
use crate::kube::labels;

/// The container that does the task.
pub(super) const CONTAINER: &str = "task";

/// Where the configuration of registries is, for commands that push.
const REGISTRIES: &str = "/var/run/towpath/registries";

/// How long a container that is to end may take, in seconds. What it has not pushed by then is begun anew anyway.
const GRACE_SECONDS: u32 = 5;

/// Environment variables of Towpath's own: a task that says otherwise about `HOME` has its way.
const HOME: (&str, &str) = ("HOME", "/tmp");

/// The Job that carries a task out.
///
/// # Errors
/// A refusal: a checkout that no pod can make, or whose address would tell a secret; a command or name that is none.
pub(super) fn job(task: &Task, settings: &JobSettings) -> Result<Value, Box<TaskFailure>> {
    if !is_label(&task.name) {
        return Err(TaskFailure::refused(format!("{:?} cannot be the name of a Job", task.name)));
    }
    if let Some(checkout) = &task.checkout {
        checkout::check(&checkout.url)?;
    }
    let Some(image) = task.image.as_ref().or(settings.image.as_ref()) else {
        return Err(TaskFailure::refused(
            "there is no image that its command could run in: name one as the source's `build.image`, or for all sources in towpath.toml \
             ([builds.kubernetes] image)",
        ));
    };
    let (labels, annotations) = marks(task);
    Ok(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": task.name, "namespace": settings.namespace.as_str(), "labels": labels, "annotations": annotations},
        "spec": {
            // Whether it is tried again is the planner's to say.
            "backoffLimit": 0,
            "activeDeadlineSeconds": task.timeout.as_secs().max(1),
            "ttlSecondsAfterFinished": settings.kept_for.as_secs(),
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod(task, settings, image)},
        },
    }))
}

/// Labels, and annotations for what is too long for them.
pub(super) fn marks(task: &Task) -> (Map<String, Value>, Map<String, Value>) {
    let mut marked = Map::new();
    marked.insert(MANAGED_BY.to_owned(), Value::from(TOWPATH));
    marked.insert(RUN.to_owned(), Value::from(run_label(&task.run)));
    let mut annotations = Map::new();
    annotations.insert(labels::RUN.to_owned(), Value::from(task.run.as_str()));
    for (name, value) in &task.labels {
        let place = if is_label(value) { &mut marked } else { &mut annotations };
        place.insert(name.clone(), Value::from(value.as_str()));
    }
    (marked, annotations)
}

fn pod(task: &Task, settings: &JobSettings, image: &ImageRef) -> Value {
    let mut pod = Map::new();
    let mut put = |name: &str, value: Value| pod.insert(name.to_owned(), value);
    put("restartPolicy", json!("Never"));
    put("automountServiceAccountToken", json!(settings.mount_token));
    put("enableServiceLinks", json!(false));
    put("terminationGracePeriodSeconds", json!(GRACE_SECONDS));
    put("securityContext", pod_security(settings));
    put("volumes", volumes(task, settings));
    put("containers", json!([main(task, settings, image)]));
    if let Some(account) = &settings.service_account {
        put("serviceAccountName", json!(account));
    }
    if let Some(secret) = &settings.pull_secret {
        put("imagePullSecrets", json!([{"name": secret}]));
    }
    if !settings.node_selector.is_empty() {
        put("nodeSelector", json!(settings.node_selector));
    }
    if let Some(wanted) = &task.checkout {
        let mut container = checkout::container(wanted, settings.git_secret.is_some());
        let image = settings.git_image.as_ref().unwrap_or(image);
        dress(&mut container, image, task, settings, &settings.security.without_extras());
        put("initContainers", json!([container]));
    }
    Value::Object(pod)
}

fn main(task: &Task, settings: &JobSettings, image: &ImageRef) -> Value {
    let mut env: Vec<Value> = task.env.iter().map(|(name, value)| json!({"name": name, "value": literal(value)})).collect();
    let mut add = |name: &str, value: &str| {
        if !task.env.contains_key(name) {
            env.push(json!({"name": name, "value": value}));
        }
    };
    add(HOME.0, HOME.1);
    let mut mounts = Vec::new();
    if settings.push_secret.is_some() {
        mounts.push(json!({"name": "registries", "mountPath": REGISTRIES, "readOnly": true}));
        add("DOCKER_CONFIG", REGISTRIES);
        add("REGISTRY_AUTH_FILE", &format!("{REGISTRIES}/config.json"));
    }
    let mut container = json!({"name": CONTAINER, "env": env, "volumeMounts": mounts});
    if !task.command.is_empty() {
        container["command"] = task.command.iter().map(|word| literal(word)).collect();
    }
    container["workingDir"] = json!(if task.checkout.is_some() { FOLDER } else { WORKSPACE });
    dress(&mut container, image, task, settings, &settings.security);
    container
}

/// What every container of a task has: image, resources, folders to write to, and as few rights as possible.
fn dress(container: &mut Value, image: &ImageRef, task: &Task, settings: &JobSettings, rights: &PodSecurity) {
    container["image"] = Value::from(image.to_string());
    container["resources"] = task.resources.or(&settings.resources, task.memory_at_least).to_json();
    container["securityContext"] = container_security(rights);
    if let Some(mounts) = container["volumeMounts"].as_array_mut() {
        mounts.push(json!({"name": "workspace", "mountPath": WORKSPACE}));
        mounts.push(json!({"name": "tmp", "mountPath": "/tmp"}));
    }
}

fn volumes(task: &Task, settings: &JobSettings) -> Value {
    let room = match &settings.workspace_size {
        Some(size) => json!({"sizeLimit": size}),
        None => json!({}),
    };
    let mut volumes = vec![json!({"name": "workspace", "emptyDir": room}), json!({"name": "tmp", "emptyDir": {}})];
    if let (Some(secret), true) = (&settings.git_secret, task.checkout.is_some()) {
        // ssh refuses a key that others may read; a user that is not root reads it by the pod's group.
        let mode = if settings.security.run_as_user.is_some() { 0o440 } else { 0o400 };
        volumes.push(json!({"name": "git-secret", "secret": {"secretName": secret, "defaultMode": mode}}));
    }
    if let Some(secret) = &settings.push_secret {
        let items = json!([{"key": ".dockerconfigjson", "path": "config.json"}]);
        volumes.push(json!({"name": "registries", "secret": {"secretName": secret, "items": items}}));
    }
    Value::Array(volumes)
}

fn pod_security(settings: &JobSettings) -> Value {
    let security = &settings.security;
    let mut context = Map::new();
    if security.seccomp && !security.privileged {
        context.insert("seccompProfile".to_owned(), json!({"type": "RuntimeDefault"}));
    }
    if let Some(user) = security.run_as_user {
        context.insert("runAsUser".to_owned(), json!(user));
        context.insert("fsGroup".to_owned(), json!(user));
    }
    Value::Object(context)
}

fn container_security(security: &PodSecurity) -> Value {
    if security.privileged {
        return json!({"privileged": true, "readOnlyRootFilesystem": security.read_only_root});
    }
    // The API server refuses to add this one where privileges may not be gained.
    let gains =
        security.privilege_escalation || security.capabilities.iter().any(|name| matches!(name.as_str(), "SYS_ADMIN" | "CAP_SYS_ADMIN"));
    let mut capabilities = json!({"drop": ["ALL"]});
    if !security.capabilities.is_empty() {
        capabilities["add"] = json!(security.capabilities);
    }
    json!({
        "allowPrivilegeEscalation": gains,
        "capabilities": capabilities,
        "readOnlyRootFilesystem": security.read_only_root,
    })
}

#[cfg(test)]
#[path = "job_tests.rs"]
pub(super) mod tests;

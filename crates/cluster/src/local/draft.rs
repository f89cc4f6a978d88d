//! From a template to a pod's plan: everything that can be said before its images are there. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use towpath_domain::{Digest, ImageRef, NamespaceName};

use super::world::{Object, World};
use crate::api::{ObjectKey, Reason};
use crate::digest;
use crate::pod::{EnvItem, PortPlan, Problem};
use crate::shim::variable_name;
use crate::spec::{ConfigData, Container, EnvSource, EnvVar, IntOrName, PodTemplate, Projection, Spec, Volume};

/// How many hex digits tell revisions apart: as many as Kubernetes shows.
const REVISION_LEN: usize = 10;

/// The revision of the pods that the object wants; `None` while its images are unknown, and for objects without pods.
///
/// A deployment's is a hash of its pod template and its images: the same template, the same pods. A job's also tells which run wants it.
pub(super) fn revision(object: &Object) -> Option<String> {
    let images = object.images()?;
    let template = object.record.object.pointer("/spec/template").unwrap_or(&Value::Null);
    let mut identity = digest::of_value(template);
    for (name, digest) in images {
        identity.push_str(&format!(" {name}={digest}"));
    }
    if let Spec::Job(_) = object.spec {
        identity.push_str(&format!(" {} {}", object.record.owner.run, object.record.generation));
    }
    digest::of_text(&identity).get(..REVISION_LEN).map(str::to_owned)
}

/// A container, ready for its image.
pub(super) struct ContainerDraft {
    pub(super) container: Container,
    pub(super) init: bool,
    pub(super) image: ImageRef,
    pub(super) digest: Digest,
    pub(super) env: Vec<EnvItem>,
    pub(super) ports: Vec<PortPlan>,
}

/// A volume's content.
pub(super) enum VolumeDraft {
    /// Files of its own.
    Files(Vec<FileDraft>),
    /// A claim's folder.
    Claim(String),
}

/// One file of a volume.
pub(super) struct FileDraft {
    /// Within the volume.
    pub(super) path: String,
    pub(super) content: Vec<u8>,
    pub(super) executable: bool,
}

/// A pod, ready for its images.
pub(super) struct PodDraft {
    pub(super) containers: Vec<ContainerDraft>,
    pub(super) volumes: BTreeMap<String, VolumeDraft>,
}

/// Drafts a pod called `pod` from `template`.
pub(super) fn draft(
    world: &World,
    namespace: &NamespaceName,
    pod: &str,
    template: &PodTemplate,
    images: &BTreeMap<String, Digest>,
) -> Result<PodDraft, Problem> {
    let config = Config { world, namespace };
    let services = service_variables(world, namespace);
    let spec = &template.spec;
    let all =
        spec.init_containers.iter().map(|container| (true, container)).chain(spec.containers.iter().map(|container| (false, container)));
    let mut containers = Vec::new();
    for (init, container) in all {
        let unknown = || Problem {
            reason: Reason::ImageMissing,
            message: format!("container {}: image {} was not looked up; apply the object again", container.name, container.image),
        };
        let image: ImageRef = container.image.parse().map_err(|_| unknown())?;
        let digest = images.get(&container.image).copied().ok_or_else(unknown)?;
        let mut env = services.clone();
        config.add_env(container, pod, template, &mut env)?;
        containers.push(ContainerDraft { container: container.clone(), init, image, digest, env, ports: ports(container) });
    }
    let mut volumes = BTreeMap::new();
    for volume in &spec.volumes {
        volumes.insert(volume.name.clone(), config.volume(volume)?);
    }
    Ok(PodDraft { containers, volumes })
}

/// The declared ports, and those that only probes name.
fn ports(container: &Container) -> Vec<PortPlan> {
    let mut ports: Vec<PortPlan> =
        container.ports.iter().map(|port| PortPlan { name: port.name.clone(), container_port: port.container_port }).collect();
    let probes = [&container.readiness_probe, &container.liveness_probe, &container.startup_probe];
    for probe in probes.into_iter().flatten() {
        let http = probe.http_get.as_ref().map(|http| &http.port);
        let tcp = probe.tcp_socket.as_ref().or(probe.grpc.as_ref()).map(|tcp| &tcp.port);
        if let Some(number) = http.or(tcp).and_then(IntOrName::number)
            && !ports.iter().any(|port| port.container_port == number)
        {
            ports.push(PortPlan { name: None, container_port: number });
        }
    }
    ports
}

/// `WEB_SERVICE_HOST` and the like for all services of the namespace, as Kubernetes has them.
fn service_variables(world: &World, namespace: &NamespaceName) -> Vec<EnvItem> {
    let mut items = Vec::new();
    let mut add = |name: String, value: String| items.push(EnvItem { name, value, expand: false });
    for ((of, key), object) in &world.objects {
        let Spec::Service(service) = &object.spec else { continue };
        if of != namespace {
            continue;
        }
        let prefix = variable_name(&key.name);
        let host_port = |port: u16| object.record.state.ports.get(&port).map(u16::to_string);
        let Some(first) = service.ports.first().and_then(|port| host_port(port.port)) else { continue };
        add(format!("{prefix}_SERVICE_HOST"), "127.0.0.1".to_owned());
        add(format!("{prefix}_SERVICE_PORT"), first);
        for port in &service.ports {
            if let (Some(name), Some(value)) = (&port.name, host_port(port.port)) {
                add(format!("{prefix}_SERVICE_PORT_{}", variable_name(name)), value);
            }
        }
    }
    items
}

struct Config<'a> {
    world: &'a World,
    namespace: &'a NamespaceName,
}

fn missing(message: String) -> Problem {
    Problem { reason: Reason::ConfigMissing, message }
}

impl Config<'_> {
    fn data(&self, kind: &str, name: &str) -> Option<&ConfigData> {
        let key = ObjectKey { kind: kind.to_owned(), group: String::new(), name: name.to_owned() };
        match &self.world.objects.get(&(self.namespace.clone(), key))?.spec {
            Spec::ConfigMap(data) | Spec::Secret(data) => Some(data),
            _ => None,
        }
    }

    fn add_env(&self, container: &Container, pod: &str, template: &PodTemplate, env: &mut Vec<EnvItem>) -> Result<(), Problem> {
        for from in &container.env_from {
            for (kind, source) in [("ConfigMap", &from.config_map_ref), ("Secret", &from.secret_ref)] {
                let Some(source) = source else { continue };
                let Some(data) = self.data(kind, &source.name) else {
                    if source.optional {
                        continue;
                    }
                    return Err(self.no_object(container, "envFrom", kind, &source.name));
                };
                for (key, value) in data.iter() {
                    // Kubernetes, too, passes over what cannot be a variable.
                    if let Ok(value) = std::str::from_utf8(value)
                        && !value.contains('\0')
                    {
                        env.push(EnvItem { name: format!("{}{key}", from.prefix), value: value.to_owned(), expand: false });
                    }
                }
            }
        }
        for variable in &container.env {
            let item = match &variable.value_from {
                None => Some(EnvItem { name: variable.name.clone(), value: variable.value.clone().unwrap_or_default(), expand: true }),
                Some(source) => self.value_from(container, variable, source, pod, template)?.map(|value| EnvItem {
                    name: variable.name.clone(),
                    value,
                    expand: false,
                }),
            };
            env.extend(item);
        }
        Ok(())
    }

    fn no_object(&self, container: &Container, field: &str, kind: &str, name: &str) -> Problem {
        missing(format!(
            "container {}: {field} needs {kind} {name:?}, which namespace {} does not have; render it with the target, or apply it first",
            container.name, self.namespace
        ))
    }

    fn value_from(
        &self,
        container: &Container,
        variable: &EnvVar,
        source: &EnvSource,
        pod: &str,
        template: &PodTemplate,
    ) -> Result<Option<String>, Problem> {
        let field = format!("env {}", variable.name);
        for (kind, key_ref) in [("ConfigMap", &source.config_map_key_ref), ("Secret", &source.secret_key_ref)] {
            let Some(key_ref) = key_ref else { continue };
            let Some(value) = self.data(kind, &key_ref.name).map(|data| data.get(&key_ref.key)) else {
                return if key_ref.optional { Ok(None) } else { Err(self.no_object(container, &field, kind, &key_ref.name)) };
            };
            return match value.map(|value| std::str::from_utf8(value).ok().filter(|value| !value.contains('\0'))) {
                Some(Some(value)) => Ok(Some(value.to_owned())),
                Some(None) => Err(missing(format!(
                    "container {}: {field}: key {} of {kind} {} is not text",
                    container.name, key_ref.key, key_ref.name
                ))),
                None if key_ref.optional => Ok(None),
                None => Err(missing(format!(
                    "container {}: {field}: {kind} {} has no key {:?}; add it",
                    container.name, key_ref.name, key_ref.key
                ))),
            };
        }
        if let Some(field_ref) = &source.field_ref {
            let path = field_ref.field_path.as_str();
            return self.pod_field(path, pod, template).map(Some).ok_or_else(|| {
                missing(format!("container {}: {field}: this runtime does not offer the pod's field {path:?}; use another", container.name))
            });
        }
        if let Some(resource) = &source.resource_field_ref {
            return Ok(Some(resource_value(container, &resource.resource)));
        }
        Ok(Some(String::new()))
    }

    fn pod_field(&self, path: &str, pod: &str, template: &PodTemplate) -> Option<String> {
        let of_map = |map: &BTreeMap<String, String>, key: &str| map.get(key.trim_matches(['\'', '"'])).cloned().unwrap_or_default();
        Some(match path {
            "metadata.name" => pod.to_owned(),
            "metadata.namespace" => self.namespace.to_string(),
            "metadata.uid" => digest::of_text(&format!("{}/{pod}", self.namespace)),
            "spec.serviceAccountName" => template.spec.service_account_name.clone().unwrap_or_else(|| "default".to_owned()),
            "spec.nodeName" => "localhost".to_owned(),
            "status.podIP" | "status.podIPs" | "status.hostIP" | "status.hostIPs" => "127.0.0.1".to_owned(),
            _ => {
                let key = |prefix: &str| path.strip_prefix(prefix)?.strip_suffix(']');
                if let Some(key) = key("metadata.labels[") {
                    of_map(&template.metadata.labels, key)
                } else {
                    of_map(&template.metadata.annotations, key("metadata.annotations[")?)
                }
            }
        })
    }

    fn volume(&self, volume: &Volume) -> Result<VolumeDraft, Problem> {
        if let Some(claim) = &volume.persistent_volume_claim {
            return Ok(VolumeDraft::Claim(claim.claim_name.clone()));
        }
        let mut files = Vec::new();
        let projected = volume.projected.iter().flat_map(|projected| &projected.sources);
        let maps = volume.config_map.iter().chain(projected.clone().filter_map(|source| source.config_map.as_ref()));
        let secrets = volume.secret.iter().chain(projected.filter_map(|source| source.secret.as_ref()));
        for (kind, projection) in maps.map(|p| ("ConfigMap", p)).chain(secrets.map(|p| ("Secret", p))) {
            self.project(volume, kind, projection, &mut files)?;
        }
        Ok(VolumeDraft::Files(files))
    }

    fn project(&self, volume: &Volume, kind: &str, projection: &Projection, files: &mut Vec<FileDraft>) -> Result<(), Problem> {
        let name = if projection.name.is_empty() { &projection.secret_name } else { &projection.name };
        let Some(data) = self.data(kind, name) else {
            if projection.optional {
                return Ok(());
            }
            let at = &volume.name;
            return Err(missing(format!(
                "volume {at} needs {kind} {name:?}, which namespace {} does not have; render it with the target",
                self.namespace
            )));
        };
        let executable = projection.default_mode.is_some_and(|mode| mode & 0o100 != 0);
        let mut add = |path: &str, content: &[u8]| files.push(FileDraft { path: path.to_owned(), content: content.to_owned(), executable });
        match &projection.items {
            None => data.iter().for_each(|(key, content)| add(key, content)),
            Some(items) => {
                for item in items {
                    match data.get(&item.key) {
                        Some(content) => add(&item.path, content),
                        None if projection.optional => {}
                        None => return Err(missing(format!("volume {}: {kind} {name} has no key {:?}; add it", volume.name, item.key))),
                    }
                }
            }
        }
        Ok(())
    }
}

fn resource_value(container: &Container, resource: &str) -> String {
    let resources = &container.resources;
    let (map, name) = match resource.split_once('.') {
        Some(("requests", name)) => (&resources.requests, name),
        Some((_, name)) => (&resources.limits, name),
        None => (&resources.limits, resource),
    };
    let text = map.get(name).map_or("0", String::as_str);
    let value =
        if name == "cpu" { crate::spec::cpu_millis(text).map(|millis| millis.div_ceil(1000)) } else { crate::spec::memory_bytes(text) };
    value.unwrap_or_default().to_string()
}

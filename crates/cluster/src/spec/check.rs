//! What a spec must be before anything is touched.

use std::collections::BTreeSet;

use towpath_domain::ImageRef;

use super::pod::{Container, PodTemplate, Probe, RestartPolicy, Volume};
use super::{Service, Spec, cpu_millis, memory_bytes, refusal};
use crate::api::{ObjectKey, Refusal};

/// More pods than one machine is asked for: a slip of the pen.
const REPLICAS_MAX: u32 = 100;

struct Findings<'a> {
    key: &'a ObjectKey,
    found: Vec<Refusal>,
}

impl Findings<'_> {
    fn refuse(&mut self, field: &str, why: impl Into<String>) {
        self.found.push(refusal(self.key, field, why));
    }
}

pub(super) fn check(key: &ObjectKey, spec: &Spec) -> Vec<Refusal> {
    let mut findings = Findings { key, found: Vec::new() };
    match spec {
        Spec::Deployment(deployment) => {
            if deployment.replicas > REPLICAS_MAX {
                findings.refuse("spec.replicas", format!("is {}; one machine takes at most {REPLICAS_MAX}", deployment.replicas));
            }
            let labels = &deployment.template.metadata.labels;
            for (label, value) in &deployment.selector.match_labels {
                if labels.get(label) != Some(value) {
                    findings.refuse(
                        "spec.selector.matchLabels",
                        format!("asks for {label}={value}, which spec.template.metadata.labels lacks"),
                    );
                }
            }
            check_template(&mut findings, &deployment.template, &[RestartPolicy::Always], "Always");
        }
        Spec::Job(job) => {
            if job.completions() > REPLICAS_MAX || job.parallelism() > REPLICAS_MAX {
                findings.refuse("spec.completions", format!("or spec.parallelism is more than {REPLICAS_MAX}, the most one machine takes"));
            }
            check_template(&mut findings, &job.template, &[RestartPolicy::Never, RestartPolicy::OnFailure], "Never or OnFailure");
        }
        Spec::Service(service) => check_service(&mut findings, service),
        Spec::ConfigMap(_) | Spec::Secret(_) | Spec::Passive | Spec::Unsupported => {}
    }
    findings.found
}

fn check_service(findings: &mut Findings<'_>, service: &Service) {
    if service.r#type == "ExternalName" {
        findings
            .refuse("spec.type", "is ExternalName, which this runtime does not offer; give pods the outside address in their environment");
    }
    for (at, port) in service.ports.iter().enumerate() {
        if port.port == 0 {
            findings.refuse(&format!("spec.ports[{at}].port"), "is absent or 0");
        }
        if port.protocol.as_deref().is_some_and(|protocol| protocol != "TCP") {
            findings.refuse(&format!("spec.ports[{at}].protocol"), "is not TCP, the only one this runtime carries");
        }
    }
}

fn check_template(findings: &mut Findings<'_>, template: &PodTemplate, policies: &[RestartPolicy], policy_names: &str) {
    let spec = &template.spec;
    if spec.restart_policy.is_some_and(|policy| !policies.contains(&policy)) {
        findings.refuse("spec.template.spec.restartPolicy", format!("must be {policy_names} here"));
    }
    if spec.containers.is_empty() {
        findings.refuse("spec.template.spec.containers", "is empty; a pod needs a container");
    }
    let mut volumes = BTreeSet::new();
    for (at, volume) in spec.volumes.iter().enumerate() {
        let field = format!("spec.template.spec.volumes[{at}]");
        if !is_label(&volume.name) || !volumes.insert(volume.name.as_str()) {
            findings.refuse(&format!("{field}.name"), format!("is absent, used twice or no DNS label: {:?}", volume.name));
        }
        check_volume(findings, &field, volume);
    }
    let mut names = BTreeSet::new();
    for (list, containers) in [("initContainers", &spec.init_containers), ("containers", &spec.containers)] {
        for (at, container) in containers.iter().enumerate() {
            let field = format!("spec.template.spec.{list}[{at}]");
            if !is_label(&container.name) || !names.insert(container.name.as_str()) {
                findings.refuse(&format!("{field}.name"), format!("is absent, used twice or no DNS label: {:?}", container.name));
            }
            check_container(findings, &field, container, &volumes);
        }
    }
}

fn check_volume(findings: &mut Findings<'_>, field: &str, volume: &Volume) {
    let known = volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.projected.is_some()
        || volume.persistent_volume_claim.is_some()
        || volume.empty_dir.is_some();
    if !known {
        findings
            .refuse(field, "is neither configMap, secret, projected, persistentVolumeClaim nor emptyDir, the volumes this runtime offers");
    }
    if volume.persistent_volume_claim.as_ref().is_some_and(|claim| !crate::api::is_dns_name(&claim.claim_name)) {
        findings.refuse(&format!("{field}.persistentVolumeClaim.claimName"), "is not the name of a claim");
    }
}

fn check_container(findings: &mut Findings<'_>, field: &str, container: &Container, volumes: &BTreeSet<&str>) {
    if let Err(e) = container.image.parse::<ImageRef>() {
        findings.refuse(&format!("{field}.image"), e.to_string());
    }
    for (at, variable) in container.env.iter().enumerate() {
        if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
            findings.refuse(&format!("{field}.env[{at}].name"), format!("is not the name of a variable: {:?}", variable.name));
        }
        if variable.value.as_ref().is_some_and(|value| value.contains('\0')) {
            findings.refuse(&format!("{field}.env[{at}].value"), "holds a NUL character");
        }
    }
    if container.command.iter().chain(&container.args).any(|word| word.contains('\0')) {
        findings.refuse(&format!("{field}.command"), "or args holds a NUL character");
    }
    for (at, port) in container.ports.iter().enumerate() {
        if port.container_port == 0 {
            findings.refuse(&format!("{field}.ports[{at}].containerPort"), "is absent or 0");
        }
    }
    for (at, mount) in container.volume_mounts.iter().enumerate() {
        if !volumes.contains(mount.name.as_str()) {
            findings.refuse(&format!("{field}.volumeMounts[{at}].name"), format!("names no volume of the pod: {:?}", mount.name));
        }
        if !mount.mount_path.starts_with('/') || mount.mount_path.split('/').all(str::is_empty) {
            findings.refuse(&format!("{field}.volumeMounts[{at}].mountPath"), "is not an absolute path below /");
        }
    }
    for (name, value) in container.resources.limits.iter().chain(&container.resources.requests) {
        let good = if name == "cpu" { cpu_millis(value).is_some() } else { memory_bytes(value).is_some() };
        if !good {
            findings.refuse(&format!("{field}.resources.limits.{name}"), format!("is not a quantity: {value:?} (such as 512Mi or 250m)"));
        }
    }
    let probes = [
        ("readinessProbe", &container.readiness_probe),
        ("livenessProbe", &container.liveness_probe),
        ("startupProbe", &container.startup_probe),
    ];
    for (name, probe) in probes {
        if let Some(probe) = probe {
            check_probe(findings, &format!("{field}.{name}"), probe);
        }
    }
}

fn check_probe(findings: &mut Findings<'_>, field: &str, probe: &Probe) {
    let handlers = [probe.http_get.is_some(), probe.tcp_socket.is_some(), probe.exec.is_some(), probe.grpc.is_some()];
    if handlers.iter().filter(|set| **set).count() != 1 {
        findings.refuse(field, "needs exactly one of httpGet, tcpSocket, exec and grpc");
    }
    if probe.exec.as_ref().is_some_and(|exec| exec.command.is_empty()) {
        findings.refuse(&format!("{field}.exec.command"), "is empty");
    }
    if let Some(http) = &probe.http_get {
        let texts = http.http_headers.iter().flat_map(|header| [&header.name, &header.value]).chain([&http.path]);
        if texts.into_iter().any(|text| text.contains(['\r', '\n'])) {
            findings.refuse(&format!("{field}.httpGet"), "holds a line break");
        }
    }
}

/// Whether `name` is a DNS label (RFC 1123).
fn is_label(name: &str) -> bool {
    name.len() <= 63 && crate::api::is_dns_name(name) && !name.contains(['.', ':'])
}

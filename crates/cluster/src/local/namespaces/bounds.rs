//! Quotas and limits, as far as this machine can keep them: it counts what is wanted, and refuses what would be too much. Pure.

use serde_json::Value;

use super::limits::{Limit, amount, containers, limits, of_pod, said, written};
use crate::api::{ObjectKey, Refusal};
use crate::spec::{Spec, memory_bytes};

/// Kinds that quotas name without a group, by their plurals.
const PLAIN: [&str; 5] = ["configmaps", "secrets", "services", "persistentvolumeclaims", "replicationcontrollers"];

/// What bounds a namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::local) struct Bounds {
    quotas: Vec<Quota>,
    limits: Vec<Limit>,
}

/// One `ResourceQuota`.
#[derive(Clone, Debug, PartialEq)]
struct Quota {
    title: String,
    hard: Vec<(Counted, String, u64)>,
}

/// What a quota counts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Counted {
    Pods,
    /// Objects of a kind, by its plural with its group.
    Objects(String),
    /// `requests` or `limits`, and which resource.
    Resource(&'static str, &'static str),
}

/// The name of a pool's quota or limit, as a cluster would have it.
fn title(kind: &str, number: usize) -> String {
    format!("{kind} {} of the pool", number + 1)
}

impl Bounds {
    /// Reads them.
    ///
    /// # Errors
    /// All that this machine cannot keep: a bound that nobody keeps is none.
    pub(in crate::local) fn read(quotas: &[Value], limit_ranges: &[Value]) -> Result<Self, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let mut bounds = Self::default();
        for (number, spec) in quotas.iter().enumerate() {
            bounds.quotas.push(quota(&title("ResourceQuota", number), spec, &mut refusals));
        }
        for (number, spec) in limit_ranges.iter().enumerate() {
            limits(&title("LimitRange", number), spec, &mut bounds.limits, &mut refusals);
        }
        if refusals.is_empty() { Ok(bounds) } else { Err(refusals) }
    }

    /// The object with what its containers do not say filled in, as Kubernetes fills it in; none when there is nothing to fill in.
    pub(in crate::local) fn filled(&self, object: &Value) -> Option<Value> {
        let limits: Vec<&Limit> = self.limits.iter().filter(|limit| limit.fills()).collect();
        if limits.is_empty() {
            return None;
        }
        let mut object = object.clone();
        let pod = object.pointer_mut("/spec/template/spec").and_then(Value::as_object_mut)?;
        for list in ["initContainers", "containers"] {
            for container in pod.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().filter(|one| one.is_object()) {
                limits.iter().for_each(|limit| limit.fill(container));
            }
        }
        Some(object)
    }

    /// What of `objects`, all that a namespace is to hold, is too much. Those that run no longer still count as objects.
    pub(in crate::local) fn exceeded<'o>(&self, objects: impl Iterator<Item = Wanted<'o>> + Clone) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for wanted in objects.clone() {
            let Some(template) = wanted.spec.template() else { continue };
            let mut refuse = |field: String, why: String| refusals.push(Refusal { object: wanted.key.title(), field, why });
            for limit in &self.limits {
                limit.check(template, &mut refuse);
            }
            for (counted, name, _) in self.quotas.iter().flat_map(|quota| &quota.hard) {
                let Counted::Resource(field, resource) = counted else { continue };
                if let Some(container) = containers(template).find(|one| said(one, field, resource).is_none()) {
                    let why = format!(
                        "container {} says no {resource}, which the quota of {name} asks for; say it, or have a limit range say a default",
                        container.name
                    );
                    refuse(format!("spec.template.spec.containers.resources.{field}"), why);
                }
            }
        }
        for quota in &self.quotas {
            for (counted, name, hard) in &quota.hard {
                let used: u64 = objects.clone().map(|wanted| used(counted, &wanted)).fold(0, u64::saturating_add);
                if used > *hard {
                    let (used, hard) = (shown(counted, used), shown(counted, *hard));
                    let why =
                        format!("exceeded quota: {name} would be {used} of at most {hard}; ask for less, or give the pool a larger quota");
                    refusals.push(Refusal { object: quota.title.clone(), field: String::new(), why });
                }
            }
        }
        refusals
    }
}

/// An object as it is counted.
#[derive(Clone, Copy)]
pub(in crate::local) struct Wanted<'o> {
    pub(in crate::local) key: &'o ObjectKey,
    pub(in crate::local) spec: &'o Spec,
    /// Whether it has come to its end, so that its pods take no room.
    pub(in crate::local) is_over: bool,
}

fn quota(title: &str, spec: &Value, refusals: &mut Vec<Refusal>) -> Quota {
    let mut refuse = |field: &str, why: String| refusals.push(Refusal { object: title.to_owned(), field: format!("spec{field}"), why });
    const KEPT: &str = "this machine keeps only pods, count/…, cpu and memory: take it out of the pool, or have the pool on a cluster";
    for (field, _) in spec.as_object().into_iter().flatten().filter(|(field, value)| *field != "hard" && !value.is_null()) {
        refuse(&format!(".{field}"), format!("cannot be kept here; {KEPT}"));
    }
    let Some(hard) = spec.get("hard").and_then(Value::as_object) else {
        refuse(".hard", "is absent or no map of quantities; say what is bounded, such as pods: \"10\"".to_owned());
        return Quota { title: title.to_owned(), hard: Vec::new() };
    };
    let mut kept = Vec::new();
    for (name, value) in hard {
        let counted = match name.as_str() {
            "pods" | "count/pods" => Counted::Pods,
            "cpu" | "requests.cpu" => Counted::Resource("requests", "cpu"),
            "memory" | "requests.memory" => Counted::Resource("requests", "memory"),
            "limits.cpu" => Counted::Resource("limits", "cpu"),
            "limits.memory" => Counted::Resource("limits", "memory"),
            plain if PLAIN.contains(&plain) => Counted::Objects(plain.to_owned()),
            other => match other.strip_prefix("count/") {
                Some(resource) if !resource.is_empty() => Counted::Objects(resource.to_owned()),
                _ => {
                    refuse(&format!(".hard.{name}"), format!("cannot be kept here; {KEPT}"));
                    continue;
                }
            },
        };
        let text = written(value);
        let read = match &counted {
            Counted::Resource(_, resource) => amount(resource, &text),
            _ => memory_bytes(&text),
        };
        match read {
            Some(read) => kept.push((counted, name.clone(), read)),
            None => refuse(&format!(".hard.{name}"), format!("is no quantity: {text:?} (such as 10, 512Mi or 250m)")),
        }
    }
    Quota { title: title.to_owned(), hard: kept }
}

/// How many pods an object has at most at a time, but for those of an old revision that is on its way out.
fn pods(wanted: &Wanted<'_>) -> u64 {
    match wanted.spec {
        Spec::Deployment(deployment) => u64::from(deployment.replicas),
        Spec::Job(job) if !wanted.is_over => u64::from(job.parallelism().min(job.completions())),
        _ => 0,
    }
}

fn used(counted: &Counted, wanted: &Wanted<'_>) -> u64 {
    match counted {
        Counted::Pods => pods(wanted),
        Counted::Objects(plural) => u64::from(plural_of(wanted.key) == *plural),
        Counted::Resource(field, resource) => {
            let each = wanted.spec.template().and_then(|template| of_pod(template, field, resource)).unwrap_or_default();
            each.saturating_mul(pods(wanted))
        }
    }
}

/// A kind as quotas and paths name it, by the rules that definitions follow: `deployments.apps`, `ingresses.networking.k8s.io`.
fn plural_of(key: &ObjectKey) -> String {
    let kind = key.kind.to_ascii_lowercase();
    let plural = if kind.ends_with('s') || kind.ends_with('x') || kind.ends_with("ch") || kind.ends_with("sh") {
        format!("{kind}es")
    } else if let Some(stem) = kind.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u'])) {
        format!("{stem}ies")
    } else {
        format!("{kind}s")
    };
    if key.group.is_empty() { plural } else { format!("{plural}.{}", key.group) }
}

fn shown(counted: &Counted, amount: u64) -> String {
    match counted {
        Counted::Resource(_, "cpu") => format!("{amount}m"),
        Counted::Resource(..) => format!("{amount} bytes"),
        _ => amount.to_string(),
    }
}

#[cfg(test)]
#[path = "bounds_tests.rs"]
mod tests;

//! `LimitRange`s, as far as this machine can keep them: what containers and pods ask for. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::Refusal;
use crate::spec::{Container, PodTemplate, cpu_millis, memory_bytes};

/// What is bounded of containers.
const RESOURCES: [&str; 2] = ["cpu", "memory"];

/// One item of a `LimitRange`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Limit {
    title: String,
    /// Of containers; else of pods.
    of_containers: bool,
    default: Amounts,
    default_request: Amounts,
    min: Amounts,
    max: Amounts,
}

/// Quantities by resource, as they are written and as they count.
type Amounts = BTreeMap<&'static str, (String, u64)>;

/// A quantity: thousandths of a core, or bytes.
pub(super) fn amount(resource: &str, text: &str) -> Option<u64> {
    if resource == "cpu" { cpu_millis(text) } else { memory_bytes(text) }
}

/// Quantities are strings or plain numbers.
pub(super) fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Reads the items of a `LimitRange`.
pub(super) fn limits(title: &str, spec: &Value, limits: &mut Vec<Limit>, refusals: &mut Vec<Refusal>) {
    let mut refuse = |field: String, why: String| refusals.push(Refusal { object: title.to_owned(), field, why });
    let Some(items) = spec.get("limits").and_then(Value::as_array) else {
        return refuse("spec.limits".to_owned(), "is absent or no list".to_owned());
    };
    for (at, item) in items.iter().enumerate() {
        let place = format!("spec.limits[{at}]");
        let of_containers = match item.get("type").and_then(Value::as_str) {
            Some("Container") => true,
            Some("Pod") => false,
            other => {
                let why = format!("is {}; this machine keeps limits of containers and pods only", other.unwrap_or("absent"));
                refuse(format!("{place}.type"), why);
                continue;
            }
        };
        let mut limit = Limit {
            title: title.to_owned(),
            of_containers,
            default: Amounts::new(),
            default_request: Amounts::new(),
            min: Amounts::new(),
            max: Amounts::new(),
        };
        for (field, value) in item.as_object().into_iter().flatten().filter(|(field, value)| *field != "type" && !value.is_null()) {
            let slot = match field.as_str() {
                "default" if of_containers => &mut limit.default,
                "defaultRequest" if of_containers => &mut limit.default_request,
                "min" => &mut limit.min,
                "max" => &mut limit.max,
                _ => {
                    refuse(
                        format!("{place}.{field}"),
                        "cannot be kept here; take it out of the pool, or have the pool on a cluster".to_owned(),
                    );
                    continue;
                }
            };
            for (name, value) in value.as_object().into_iter().flatten() {
                let text = written(value);
                let known = RESOURCES.into_iter().find(|known| known == name);
                match known.and_then(|resource| Some((resource, amount(resource, &text)?))) {
                    Some((resource, read)) => drop(slot.insert(resource, (text, read))),
                    None => {
                        refuse(format!("{place}.{field}.{name}"), format!("is no quantity of cpu or memory, which are kept here: {text:?}"))
                    }
                }
            }
        }
        if of_containers {
            limit.complete();
        }
        limits.push(limit);
    }
}

impl Limit {
    /// As Kubernetes completes it: what is not said follows from the rest.
    /// <https://github.com/kubernetes/kubernetes/blob/v1.20.2/pkg/apis/core/v1/defaults.go> (`SetDefaults_LimitRangeItem`)
    fn complete(&mut self) {
        let fill = |into: &mut Amounts, from: &Amounts| {
            for (resource, amount) in from {
                into.entry(resource).or_insert_with(|| amount.clone());
            }
        };
        fill(&mut self.default, &self.max);
        fill(&mut self.default_request, &self.default);
        fill(&mut self.default_request, &self.min);
    }

    /// Whether the pod, or each of its containers, is within it.
    pub(super) fn check(&self, template: &PodTemplate, refuse: &mut impl FnMut(String, String)) {
        let mut one = |what: &str, limit: Option<u64>, request: Option<u64>, resource: &'static str| {
            let field = format!("spec.template.spec.containers.resources ({resource})");
            let says = |asked: Option<u64>, wrong: &'static str| asked.map_or("does not say how much it needs, beside", |_| wrong);
            if let Some((text, max)) = self.max.get(resource)
                && limit.is_none_or(|asked| asked.max(request.unwrap_or_default()) > *max)
            {
                let asks = says(limit, "asks for more than");
                refuse(field.clone(), format!("{what} {asks} {text}, the most that {} allows; ask for less", self.title));
            }
            if let Some((text, min)) = self.min.get(resource)
                && request.is_none_or(|asked| asked < *min)
            {
                let asks = says(request, "asks for less than");
                refuse(field, format!("{what} {asks} {text}, the least that {} allows; ask for more", self.title));
            }
        };
        for resource in RESOURCES {
            if self.of_containers {
                for container in containers(template) {
                    let what = format!("container {}", container.name);
                    one(&what, said(container, "limits", resource), said(container, "requests", resource), resource);
                }
            } else {
                one("the pod", of_pod(template, "limits", resource), of_pod(template, "requests", resource), resource);
            }
        }
    }

    /// Whether it fills anything in.
    pub(super) fn fills(&self) -> bool {
        self.of_containers && !(self.default.is_empty() && self.default_request.is_empty())
    }

    /// Fills in what a container does not say.
    pub(super) fn fill(&self, container: &mut Value) {
        let said = |container: &Value, field: &str, resource: &str| {
            container.pointer(&format!("/resources/{field}/{resource}")).filter(|value| !value.is_null()).map(written)
        };
        let fallback = |amounts: &Amounts, resource: &str| amounts.get(resource).map(|(text, _)| text.clone());
        for resource in RESOURCES {
            let request = said(container, "limits", resource).or_else(|| fallback(&self.default_request, resource));
            for (field, value) in [("requests", request), ("limits", fallback(&self.default, resource))] {
                let Some(value) = value.filter(|_| said(container, field, resource).is_none()) else { continue };
                let amounts = map(container, "resources").and_then(|resources| map(resources, field));
                if let Some(slot) = amounts.and_then(|amounts| amounts.as_object_mut()) {
                    slot.insert(resource.to_owned(), Value::from(value));
                }
            }
        }
    }
}

/// The map in a field, made when there is nothing. None when something else is there: that is refused when it is read.
fn map<'v>(value: &'v mut Value, field: &str) -> Option<&'v mut Value> {
    let slot = value.as_object_mut()?.entry(field).or_insert(Value::Null);
    if slot.is_null() {
        *slot = json!({});
    }
    slot.is_object().then_some(slot)
}

pub(super) fn containers(template: &PodTemplate) -> impl Iterator<Item = &Container> {
    template.spec.init_containers.iter().chain(&template.spec.containers)
}

/// What a container asks for; a request that is not said is its limit.
pub(super) fn said(container: &Container, field: &str, resource: &str) -> Option<u64> {
    let read = |map: &BTreeMap<String, String>| map.get(resource).and_then(|text| amount(resource, text));
    let limit = read(&container.resources.limits);
    if field == "limits" { limit } else { read(&container.resources.requests).or(limit) }
}

/// What a pod asks for: its containers together, or the greediest of those that run before them. None when one says nothing.
pub(super) fn of_pod(template: &PodTemplate, field: &str, resource: &str) -> Option<u64> {
    let of = |containers: &[Container]| containers.iter().map(|one| said(one, field, resource)).collect::<Option<Vec<u64>>>();
    let together = of(&template.spec.containers)?.into_iter().fold(0, u64::saturating_add);
    Some(together.max(of(&template.spec.init_containers)?.into_iter().max().unwrap_or_default()))
}

//! Objects made ready to be applied, and everything that is wrong with them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::future::try_join_all;
use http::Method;
use serde_json::Value;
use towpath_domain::NamespaceName;

use super::order;
use crate::api::{ClusterError, ObjectKey, Owner, Refusal};
use crate::kube::discover::{self, Kind};
use crate::kube::request::Fault;
use crate::kube::{Core, labels};
use crate::spec::key_of;

/// Kinds that are done once: another run does them anew, the same run finds them done.
const ONCE: [(&str, &str); 2] = [("batch", "Job"), ("cloud.redhat.com", "ClowdJobInvocation")];

/// An object that can be applied.
pub(super) struct Item {
    pub(super) key: ObjectKey,
    pub(super) kind: Kind,
    /// What is wanted, marked as the owner's.
    pub(super) wanted: Value,
    /// A hash of `wanted`.
    pub(super) hash: String,
    /// What is there.
    pub(super) live: Option<Value>,
    /// Whether its kind is defined by what is applied with it, so that the cluster does not have it yet.
    pub(super) is_awaited: bool,
}

impl Item {
    /// Whether it is of this group and kind.
    pub(super) fn is(&self, kind: (&str, &str)) -> bool {
        kind == (self.kind.group.as_str(), self.kind.kind.as_str())
    }

    /// Whether it is something that is done once.
    pub(super) fn is_done_once(&self) -> bool {
        ONCE.iter().any(|kind| self.is(*kind))
    }

    /// Whether the object is there as wanted: applied with the same content, and not changed by others since.
    pub(super) fn is_unchanged(&self) -> bool {
        self.live.as_ref().is_some_and(|live| self.was_applied(live) && super::compare::holds(live, &self.wanted))
    }

    /// Whether what is there was applied with the same content, whatever became of it since.
    pub(super) fn was_applied(&self, live: &Value) -> bool {
        labels::annotation(live, labels::APPLIED) == self.hash
    }

    /// What is sent: one that is wanted as it was keeps its run and ref, so that mending what others changed is no other change.
    pub(super) fn body(&self, owner: &Owner) -> Value {
        let mut body = self.wanted.clone();
        let before = self.live.as_ref().filter(|live| labels::annotation(live, labels::APPLIED) == self.hash && !self.is_done_once());
        match before {
            Some(live) => labels::date(&mut body, labels::annotation(live, labels::RUN), labels::annotation(live, labels::REF), &self.hash),
            None => labels::date(&mut body, owner.run.as_str(), &owner.commit.to_string(), &self.hash),
        }
        body
    }

    /// The object's path.
    pub(super) fn path(&self, namespace: &NamespaceName) -> String {
        self.kind.path(namespace.as_str(), Some(&self.key.name))
    }
}

/// Makes the objects ready.
///
/// # Errors
/// [`ClusterError::Refused`] with all that is wrong with them; nothing was touched.
pub(super) async fn prepare(core: &Core, namespace: &NamespaceName, owner: &Owner, objects: &[Value]) -> Result<Vec<Item>, ClusterError> {
    let mut refusals = Vec::new();
    let mut items = Vec::new();
    let defined: Vec<Kind> = objects.iter().flat_map(defined).collect();
    for object in objects {
        match item(core, namespace, owner, object, &defined).await? {
            Ok(item) => items.push(item),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if refusals.is_empty() {
        look(core, namespace, owner, &mut items).await?;
        refusals.extend(items.iter().filter_map(|item| foreign(item, owner)));
    }
    if refusals.is_empty() { Ok(items) } else { Err(ClusterError::Refused { refusals }) }
}

async fn item(
    core: &Core,
    namespace: &NamespaceName,
    owner: &Owner,
    object: &Value,
    defined: &[Kind],
) -> Result<Result<Item, Refusal>, ClusterError> {
    let key = match key_of(object) {
        Ok(key) => key,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let refuse = |field: &str, why: String| Ok(Err(Refusal { object: key.title(), field: field.to_owned(), why }));
    if !owner.scope.allows(object) {
        let why = format!("saas file {} does not manage it; add it to managedResourceTypes (and managedResourceNames)", owner.saas_file);
        return refuse("", why);
    }
    if let Some(wave) = order::bad_wave(object) {
        let field = format!("metadata.annotations[{}]", labels::WAVE);
        return refuse(&field, format!("is {wave:?}, which is no whole number; objects of lower numbers are applied first"));
    }
    let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let here = defined.iter().find(|kind| kind.api_version() == version && kind.kind == key.kind);
    let (kind, is_awaited) = match (discover::kind(core, version, &key.kind).await?, here) {
        (Some(kind), _) => (kind, false),
        (None, Some(here)) => (here.clone(), true),
        (None, None) => {
            // It may have been installed since.
            core.kinds.forget();
            match discover::kind(core, version, &key.kind).await? {
                Some(kind) => (kind, false),
                None => return refuse("apiVersion", missing(core, version, &key).await),
            }
        }
    };
    let own = object.pointer("/metadata/namespace").and_then(Value::as_str);
    if let Some(other) = own.filter(|own| kind.namespaced && *own != namespace.as_str()) {
        return refuse("metadata.namespace", format!("is {other}, but the target deploys into {namespace}; remove the field"));
    }
    let mut wanted = plain(object);
    if kind.namespaced {
        wanted["metadata"]["namespace"] = Value::from(namespace.as_str());
    }
    labels::mark(&mut wanted, owner);
    let hash = labels::hash(&wanted);
    Ok(Ok(Item { key, kind, wanted, hash, live: None, is_awaited }))
}

/// The kinds that an object defines, if it is the definition of one.
fn defined(object: &Value) -> Vec<Kind> {
    let text = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    if text(object, "/kind") != "CustomResourceDefinition" {
        return Vec::new();
    }
    let versions = object.pointer("/spec/versions").and_then(Value::as_array).cloned().unwrap_or_default();
    let served = versions.iter().filter(|version| version.get("served") != Some(&Value::Bool(false)));
    let verbs = ["get", "list", "watch", "create", "patch", "update", "delete"];
    served
        .map(|version| Kind {
            group: text(object, "/spec/group"),
            version: text(version, "/name"),
            kind: text(object, "/spec/names/kind"),
            plural: text(object, "/spec/names/plural"),
            namespaced: text(object, "/spec/scope") == "Namespaced",
            verbs: verbs.map(str::to_owned).to_vec(),
        })
        .collect()
}

async fn missing(core: &Core, version: &str, key: &ObjectKey) -> String {
    let offered = discover::offered(core, &key.kind).await;
    let cluster = &core.name;
    if offered.is_empty() {
        format!(
            "{version} {} is not served by cluster {cluster}, in no version; install what defines it, or leave the object out",
            key.kind
        )
    } else {
        format!(
            "{version} {} is not served by cluster {cluster}, which offers {}; use one of these, or take {} out of managedResourceTypes",
            key.kind,
            offered.join(", "),
            key.kind
        )
    }
}

/// The object in the form in which servers of every age keep it.
pub(in crate::kube) fn plain(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    match object.get("kind").and_then(Value::as_str) {
        // Server-side apply of older servers takes a port's protocol for a part of its name, and finds none.
        Some("Service") => {
            for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
                if port.is_object() && port.get("protocol").is_none() {
                    port["protocol"] = Value::from("TCP");
                }
            }
        }
        // What is written is kept encoded, and a later apply would not own what it wrote.
        Some("Secret") => {
            if let Some(Value::Object(texts)) = object.as_object_mut().and_then(|fields| fields.remove("stringData")) {
                for (name, text) in texts {
                    object["data"][name] = Value::from(BASE64.encode(text.as_str().unwrap_or_default()));
                }
            }
        }
        _ => {}
    }
    object
}

/// Finds out what is there: one list for each kind, and for what it does not show, one for the names of all.
async fn look(core: &Core, namespace: &NamespaceName, owner: &Owner, items: &mut [Item]) -> Result<(), ClusterError> {
    let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        kinds.entry(item.kind.path(namespace.as_str(), None)).or_default().push(index);
    }
    let looks = kinds.into_iter().map(|(path, indexes)| {
        let names: Vec<String> = indexes.iter().filter_map(|index| Some(items.get(*index)?.key.name.clone())).collect();
        async move { there(core, owner, &path, &names).await.map(|found| (indexes, found)) }
    });
    for (indexes, mut found) in try_join_all(looks).await? {
        for index in indexes {
            if let Some(item) = items.get_mut(index) {
                item.live = found.remove(&item.key.name).map(|mut live| {
                    // Items of a list do not say themselves what they are.
                    live["apiVersion"] = item.wanted["apiVersion"].clone();
                    live["kind"] = item.wanted["kind"].clone();
                    live
                });
            }
        }
    }
    Ok(())
}

/// What is there of one kind, by name: all of it where it is the owner's, else its labels and annotations.
async fn there(core: &Core, owner: &Owner, path: &str, names: &[String]) -> Result<BTreeMap<String, Value>, ClusterError> {
    let own = format!("{path}?labelSelector={}%3D{}", labels::TARGET.replace('/', "%2F"), labels::target_label(&owner.target));
    let mut found = by_name(core, &own, None).await?;
    if names.iter().any(|name| !found.contains_key(name)) {
        let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        for (name, object) in by_name(core, path, Some(accept)).await? {
            found.entry(name).or_insert(object);
        }
    }
    Ok(found)
}

async fn by_name(core: &Core, path: &str, accept: Option<&str>) -> Result<BTreeMap<String, Value>, ClusterError> {
    let mut list = match core.send(Method::GET, path, accept, None).await {
        Ok(list) => list,
        Err(Fault::Refused(status)) if status.code == 404 => return Ok(BTreeMap::new()),
        Err(fault) => return Err(core.error("looking at what is there", fault)),
    };
    let items = list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    Ok(items
        .into_iter()
        .filter_map(|object| Some((object.pointer("/metadata/name").and_then(Value::as_str)?.to_owned(), object)))
        .collect())
}

/// Why an object that is there may not be touched.
fn foreign(item: &Item, owner: &Owner) -> Option<Refusal> {
    let live = item.live.as_ref()?;
    let refuse = |why: String| Some(Refusal { object: item.key.title(), field: String::new(), why });
    match labels::owner_label(live) {
        Some(label) if label == labels::target_label(&owner.target) => None,
        Some(label) if owner.heir_of.iter().any(|heir| labels::target_label(heir) == label) => None,
        Some(_) => {
            let (title, saas) = (labels::annotation(live, labels::TITLE), labels::annotation(live, labels::SAAS_FILE));
            refuse(format!(
                "belongs to target {title} of saas file {saas}; rename this object, or give that target `delete: true` first, \
                 which must be put back for that if it is gone"
            ))
        }
        None if owner.scope.takeover => None,
        None => refuse(
            "is there already and was not made by Towpath; delete it, rename this one, or set `takeover: true` in the saas file to take it over"
                .to_owned(),
        ),
    }
}

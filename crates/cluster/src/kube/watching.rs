//! What a namespace holds, kept true by watches: resumed after disconnects, begun anew when the server has forgotten where we were.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, SelectAll, select_all};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use serde_json::Value;

use super::discover::Kind;

/// How many objects of a kind a list answers with at a time.
const PAGE: u32 = 500;

/// The kinds by name and group, such as `Pod` and `Deployment.apps`, each with its objects by name.
#[derive(Default)]
pub(super) struct Seen {
    kinds: BTreeMap<String, BTreeMap<String, Value>>,
    /// Kinds whose objects are all known.
    listed: BTreeSet<String>,
    /// What is being listed anew.
    fresh: BTreeMap<String, BTreeMap<String, Value>>,
    /// Pods that are no longer there, as they were last, the latest at the end.
    gone: VecDeque<Value>,
}

/// How many pods are remembered that are gone.
const GONE: usize = 100;

impl Seen {
    /// An object.
    pub(super) fn get(&self, kind: &str, name: &str) -> Option<&Value> {
        self.kinds.get(kind)?.get(name)
    }

    /// All objects of a kind.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.kinds.get(kind).into_iter().flat_map(BTreeMap::values)
    }

    /// All objects, each with its kind.
    pub(super) fn everything(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.kinds.iter().flat_map(|(kind, objects)| objects.values().map(|object| (kind.as_str(), object)))
    }

    /// Pods that are no longer there, as they were last.
    pub(super) fn gone(&self) -> impl Iterator<Item = &Value> {
        self.gone.iter()
    }

    /// Whether all of these kinds were listed once.
    pub(super) fn knows(&self, kinds: usize) -> bool {
        self.listed.len() >= kinds
    }

    /// Whether all objects of a kind are known.
    pub(super) fn is_listed(&self, kind: &str) -> bool {
        self.listed.contains(kind)
    }

    /// Takes in a list.
    pub(super) fn put(&mut self, name: &str, kind: &Kind, list: Value) {
        let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let before = self.kinds.remove(name).unwrap_or_default();
        let objects = items.into_iter().map(|mut item| {
            item["apiVersion"] = Value::from(kind.api_version());
            item["kind"] = Value::from(kind.kind.as_str());
            super::slim::slim(name, &mut item);
            remember(name, before.get(text(&item, "/metadata/name")), &mut item);
            (text(&item, "/metadata/name").to_owned(), item)
        });
        self.kinds.insert(name.to_owned(), objects.collect());
        self.listed.insert(name.to_owned());
    }

    /// Takes in what a watch says.
    pub(super) fn take(&mut self, kind: &str, event: watcher::Event<DynamicObject>) {
        match event {
            watcher::Event::Init => {
                self.fresh.insert(kind.to_owned(), BTreeMap::new());
            }
            watcher::Event::InitApply(object) => {
                if let Some((name, object)) = slim(kind, object) {
                    self.fresh.entry(kind.to_owned()).or_default().insert(name, object);
                }
            }
            watcher::Event::InitDone => {
                let fresh = self.fresh.remove(kind).unwrap_or_default();
                let before = self.kinds.insert(kind.to_owned(), fresh);
                self.listed.insert(kind.to_owned());
                // What ended while nobody could watch.
                for (name, object) in before.unwrap_or_default() {
                    if self.get(kind, &name).is_none_or(|now| text(now, "/metadata/uid") != text(&object, "/metadata/uid")) {
                        self.forget(kind, object);
                    }
                }
            }
            watcher::Event::Apply(object) => {
                if let Some((name, mut object)) = slim(kind, object) {
                    let known = self.kinds.entry(kind.to_owned()).or_default();
                    remember(kind, known.get(&name), &mut object);
                    known.insert(name, object);
                }
            }
            watcher::Event::Delete(object) => {
                if let Some((name, object)) = slim(kind, object) {
                    self.kinds.get_mut(kind).and_then(|objects| objects.remove(&name));
                    self.forget(kind, object);
                }
            }
        }
    }

    /// An object is gone: of pods, how they were last is what their end is judged by.
    fn forget(&mut self, kind: &str, object: Value) {
        if kind == "Pod" {
            if self.gone.len() >= GONE {
                self.gone.pop_front();
            }
            self.gone.push_back(object);
        }
    }
}

/// A container that waits for the next try to pull its image says no more what went wrong with the last one, and the event that does may come late:
/// what it said before is kept.
fn remember(kind: &str, before: Option<&Value>, now: &mut Value) {
    let Some(before) = before.filter(|before| kind == "Pod" && text(before, "/metadata/uid") == text(now, "/metadata/uid")) else { return };
    for list in ["/status/initContainerStatuses", "/status/containerStatuses"] {
        let known = before.pointer(list).and_then(Value::as_array);
        for container in now.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let waits = text(container, "/state/waiting/reason") == "ImagePullBackOff" && waits_for_a_try(container);
            let same = |one: &&Value| text(one, "/name") == text(container, "/name");
            let said = known
                .and_then(|known| known.iter().find(same))
                .filter(|one| ["ErrImagePull", "ImagePullBackOff"].contains(&text(one, "/state/waiting/reason")) && !waits_for_a_try(one));
            if let Some(said) = said.filter(|_| waits).map(|one| text(one, "/state/waiting/message").to_owned()) {
                container["state"]["waiting"]["message"] = Value::from(said);
            }
        }
    }
}

/// Whether all that is said of a container's image is that it is pulled again later.
fn waits_for_a_try(container: &Value) -> bool {
    let said = text(container, "/state/waiting/message");
    said.is_empty() || said.starts_with("Back-off")
}

/// The text at a pointer; empty when there is none.
pub(crate) fn text<'o>(object: &'o Value, pointer: &str) -> &'o str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The ids of those who own `object`.
pub(super) fn owners(object: &Value) -> impl Iterator<Item = &str> {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().map(|owner| text(owner, "/uid")).filter(|uid| !uid.is_empty())
}

/// The object's name, and the object without what nobody here reads.
fn slim(kind: &str, mut object: DynamicObject) -> Option<(String, Value)> {
    object.metadata.managed_fields = None;
    let name = object.metadata.name.clone()?;
    let mut value = serde_json::to_value(object).ok()?;
    super::slim::slim(kind, &mut value);
    Some((name, value))
}

/// What a watch says: the kind it watches, and the event or what went wrong with the watch.
pub(super) type Said = (String, Result<watcher::Event<DynamicObject>, String>);

/// Watches over several kinds of one namespace.
pub(super) type Watches = SelectAll<BoxStream<'static, Said>>;

/// Watches the kinds.
pub(super) fn watch(client: &kube::Client, namespace: &str, kinds: &[Kind]) -> Watches {
    select_all(kinds.iter().map(|kind| {
        let resource = ApiResource {
            group: kind.group.clone(),
            version: kind.version.clone(),
            api_version: kind.api_version(),
            kind: kind.kind.clone(),
            plural: kind.plural.clone(),
        };
        let api: Api<DynamicObject> = if kind.namespaced {
            Api::namespaced_with(client.clone(), namespace, &resource)
        } else {
            Api::all_with(client.clone(), &resource)
        };
        let name = name_of(kind);
        let (version, word) = (kind.api_version(), kind.kind.clone());
        watcher(api, watcher::Config::default().page_size(PAGE))
            .default_backoff()
            .map(move |said| {
                // Items of a list do not say themselves what they are.
                let typed = said.map(|mut event| {
                    if let watcher::Event::InitApply(object) | watcher::Event::Apply(object) = &mut event {
                        object.types = Some(kube::core::TypeMeta { api_version: version.clone(), kind: word.clone() });
                    }
                    event
                });
                (name.clone(), typed.map_err(|error| towpath_domain::with_causes(&error)))
            })
            .boxed()
    }))
}

/// A kind's name in [`Seen`].
pub(super) fn name_of(kind: &Kind) -> String {
    if kind.group.is_empty() { kind.kind.clone() } else { format!("{}.{}", kind.kind, kind.group) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(uid: &str, reason: &str, message: &str) -> watcher::Event<DynamicObject> {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "uid": uid}, "status": {"containerStatuses": [
            {"name": "main", "state": {"waiting": {"reason": reason, "message": message}}}]}});
        watcher::Event::Apply(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn why_an_image_could_not_be_pulled_is_known_also_while_its_pod_waits_for_the_next_try() {
        let mut seen = Seen::default();
        let mut said = |uid: &str, reason: &str, message: &str| {
            seen.take("Pod", pod(uid, reason, message));
            text(seen.get("Pod", "a").unwrap(), "/status/containerStatuses/0/state/waiting/message").to_owned()
        };
        said("1", "ErrImagePull", "pull access denied");
        assert_eq!(said("1", "ImagePullBackOff", "Back-off pulling image"), "pull access denied");
        assert_eq!(said("1", "ImagePullBackOff", "Back-off pulling image"), "pull access denied", "still");
        assert_eq!(said("1", "ErrImagePull", "no route to host"), "no route to host");
        assert_eq!(said("1", "CrashLoopBackOff", "Back-off restarting"), "Back-off restarting");
        said("1", "ErrImagePull", "pull access denied");
        assert_eq!(said("2", "ImagePullBackOff", "Back-off pulling image"), "Back-off pulling image", "that is another pod");
    }
}

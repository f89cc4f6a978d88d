//! Makes a namespace: each step finds done what was done before.

use http::Method;
use kube::core::Status;
use serde_json::{Value, json};
use towpath_domain::FailureClass;

use super::look::path;
use super::{judge, look, mark, plan};
use crate::api::{ClusterError, NamespaceWanted, ObjectKey, Refusal, SecretsFrom};
use crate::kube::Core;
use crate::kube::apply::{self, is_missing_permission, order};
use crate::kube::discover::{self, Kind};
use crate::kube::labels::{self, annotation};
use crate::kube::request::{APPLY, Body, Fault, JSON, is_refusal};
use crate::kube::single::MERGE;
use crate::spec::key_of;
use crate::wanted::{checked, missing_secret};

/// How often it is tried again when somebody else wrote the same at the same moment.
const RACES: u32 = 5;

/// Makes it.
pub(super) async fn make(core: &Core, wanted: &NamespaceWanted) -> Result<(), ClusterError> {
    // What cannot be made is refused before anything is.
    let objects = all(core, wanted).await?;
    let outside: Vec<ObjectKey> =
        objects.iter().filter(|(kind, _)| !kind.namespaced).filter_map(|(_, object)| key_of(object).ok()).collect();
    ensure_namespace(core, wanted, &outside).await?;
    let bounds = wanted.quotas.len() + wanted.limit_ranges.len();
    let (bounds, manifests) = objects.split_at(bounds.min(objects.len()));
    for (kind, object) in bounds {
        bring(core, kind, object, wanted).await?;
    }
    if let Some(from) = &wanted.secrets {
        copy_secrets(core, wanted, from).await?;
    }
    for (kind, object) in manifests {
        bring(core, kind, object, wanted).await?;
    }
    Ok(())
}

/// All objects that are wanted but for the secrets, in the order in which they are made, with their kinds.
///
/// # Errors
/// [`ClusterError::Refused`] with all that is wrong with them.
pub(super) async fn all(core: &Core, wanted: &NamespaceWanted) -> Result<Vec<(Kind, Value)>, ClusterError> {
    checked(wanted)?;
    let (mut found, mut refusals) = (Vec::new(), Vec::new());
    for object in plan::bounds(wanted) {
        let name = object["kind"].as_str().unwrap_or_default().to_owned();
        let plural = format!("{}s", name.to_ascii_lowercase());
        let kind = Kind { group: String::new(), version: "v1".into(), kind: name, plural, namespaced: true, verbs: Vec::new() };
        found.push((kind, object));
    }
    let mut manifests: Vec<&Value> = wanted.manifests.iter().collect();
    manifests.sort_by_key(|object| order::place(object));
    for manifest in manifests {
        let key = key_of(manifest).map_err(|refusal| ClusterError::Refused { refusals: vec![refusal] })?;
        let refuse = |field: &str, why: String| Refusal { object: key.title(), field: field.to_owned(), why };
        let version = manifest.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let Some(kind) = known(core, version, &key.kind).await? else {
            refusals.push(refuse(
                "apiVersion",
                format!(
                    "{version} {} is not served by cluster {}; install what defines it, or take it out of the pool's manifests",
                    key.kind, core.name
                ),
            ));
            continue;
        };
        found.push((kind.clone(), plan::manifest(manifest, wanted, kind.namespaced)));
    }
    if refusals.is_empty() { Ok(found) } else { Err(ClusterError::Refused { refusals }) }
}

/// A kind; asked for anew when it was missing, for it may have been installed since.
async fn known(core: &Core, version: &str, name: &str) -> Result<Option<Kind>, ClusterError> {
    if let Some(kind) = discover::kind(core, version, name).await? {
        return Ok(Some(kind));
    }
    core.kinds.forget();
    discover::kind(core, version, name).await
}

/// Sees to it that the namespace is there, is this installation's, and names what will be outside of it.
async fn ensure_namespace(core: &Core, wanted: &NamespaceWanted, outside: &[ObjectKey]) -> Result<(), ClusterError> {
    let object = plan::namespace(wanted, outside);
    let title = format!("Namespace/{}", wanted.name);
    let live = loop {
        match core.read::<Value>(&path(wanted.name.as_str())).await? {
            Some(live) => break live,
            None if post(core, "/api/v1/namespaces", &title, &object).await? => return Ok(()),
            // Somebody else made one a moment ago: whose is it?
            None => {}
        }
    };
    if !mark::is_made_for(&live, &wanted.name, &wanted.installation) {
        return Err(refused(&title, format!("{}; it is left as it is: have the pool name its namespaces otherwise", mark::whose(&live))));
    }
    if mark::is_going(&live) {
        return Err(going(core, &title));
    }
    let missing = outside.iter().map(ToString::to_string).filter(|key| !mark::outside(&live).contains(&key.as_str()));
    let named: Vec<String> = mark::outside(&live).into_iter().map(str::to_owned).chain(missing).collect();
    let named = named.join(" ");
    if annotation(&live, mark::OUTSIDE) != named {
        merge(core, &path(wanted.name.as_str()), &title, &live, &json!({ mark::OUTSIDE: named })).await?;
    }
    Ok(())
}

/// Copies the secrets that are named, and no other.
async fn copy_secrets(core: &Core, wanted: &NamespaceWanted, from: &SecretsFrom) -> Result<(), ClusterError> {
    let mut refusals = Vec::new();
    for name in &from.names {
        let (title, place) = (format!("Secret/{name}"), from.namespace.as_str());
        let target = format!("/api/v1/namespaces/{}/secrets/{name}", wanted.name);
        let source: Option<Value> = core.read(&format!("/api/v1/namespaces/{place}/secrets/{name}")).await?;
        let Some(source) = source else {
            refusals.push(Refusal { object: title, field: String::new(), why: missing_secret(place) });
            continue;
        };
        let there = look::metadata(core, &target).await?;
        if judge::copy_lack(name, place, Some(&source), there.as_ref()).is_none() {
            continue;
        }
        match plan::copy(&source, place, wanted) {
            Ok(copy) => apply(core, &target, &title, &copy).await?,
            Err(why) => refusals.push(Refusal { object: title, field: String::new(), why }),
        }
    }
    if refusals.is_empty() { Ok(()) } else { Err(ClusterError::Refused { refusals }) }
}

/// Brings one object to what is wanted. What is outside of the namespace may be there and be somebody else's.
async fn bring(core: &Core, kind: &Kind, object: &Value, wanted: &NamespaceWanted) -> Result<(), ClusterError> {
    let key = key_of(object).map_err(|refusal| ClusterError::Refused { refusals: vec![refusal] })?;
    let (title, at) = (key.title(), kind.path(wanted.name.as_str(), Some(&key.name)));
    let mut tried = 0;
    let live = loop {
        match look::metadata(core, &at).await? {
            Some(live) => break live,
            None if kind.namespaced => return apply(core, &at, &title, object).await,
            None if post(core, &kind.path("", None), &title, object).await? => return Ok(()),
            None => tried += 1,
        }
        if tried > RACES {
            return Err(core.away(format!("{title} comes and goes; see who else makes and deletes it")));
        }
    };
    if !kind.namespaced && !mark::is_made_for(&live, &wanted.name, &wanted.installation) {
        let why = format!("{}; it is left as it is: put the namespace's name into its name in the pool's manifests", mark::whose(&live));
        return Err(refused(&title, why));
    }
    if annotation(&live, labels::APPLIED) == annotation(object, labels::APPLIED) {
        return Ok(());
    }
    let mut object = object.clone();
    if !kind.namespaced {
        // That one, and not one that somebody makes in this moment.
        object["metadata"]["uid"] = live["metadata"]["uid"].clone();
    }
    apply(core, &at, &title, &object).await
}

/// Makes an object; whether it was not there.
async fn post(core: &Core, place: &str, title: &str, object: &Value) -> Result<bool, ClusterError> {
    let path = format!("{place}?fieldManager={}", apply::MANAGER);
    match core.send(Method::POST, &path, None, Some(Body { kind: JSON, value: object })).await {
        Ok(_) => Ok(true),
        Err(Fault::Refused(status)) if status.reason == "AlreadyExists" => Ok(false),
        Err(fault) => Err(error(core, title, fault)),
    }
}

/// Applies an object, whoever else holds fields of it: it is the pool's.
pub(super) async fn apply(core: &Core, path: &str, title: &str, object: &Value) -> Result<(), ClusterError> {
    let path = format!("{path}?fieldManager={}&force=true", apply::MANAGER);
    let mut races = 0;
    loop {
        match core.send(Method::PATCH, &path, None, Some(Body { kind: APPLY, value: object })).await {
            Ok(_) => return Ok(()),
            Err(Fault::Refused(status)) if status.code == 409 && races < RACES => races += 1,
            Err(fault) => return Err(error(core, title, fault)),
        }
        tokio::time::sleep(apply::LOOK_EVERY).await;
    }
}

/// Sets annotations of that very object, as long as it is that one.
pub(super) async fn merge(core: &Core, path: &str, title: &str, live: &Value, annotations: &Value) -> Result<(), ClusterError> {
    let uid = live.pointer("/metadata/uid").cloned().unwrap_or_default();
    let patch = json!({"metadata": {"uid": uid, "annotations": annotations}});
    match core.send(Method::PATCH, path, None, Some(Body { kind: MERGE, value: &patch })).await {
        Ok(_) => Ok(()),
        Err(fault) => Err(error(core, title, fault)),
    }
}

pub(super) fn refused(object: &str, why: String) -> ClusterError {
    ClusterError::Refused { refusals: vec![Refusal { object: object.to_owned(), field: String::new(), why }] }
}

/// What the cluster says of something that was to be made, with how to mend it.
pub(super) fn error(core: &Core, title: &str, fault: Fault) -> ClusterError {
    let Fault::Refused(status) = fault else { return core.error(&format!("making {title}"), fault) };
    if title.starts_with("Secret/") && matches!(status.code, 400 | 409 | 415 | 422) {
        // What a server says of a secret may quote what it holds.
        return refused(title, "its content or type is refused by the cluster; see what is there under that name".to_owned());
    }
    match why(&status) {
        Some(Why::Forbidden(why)) => ClusterError::Forbidden { cluster: core.name.clone(), why: format!("{title}: {why}") },
        Some(Why::Refused(why)) => refused(title, why),
        Some(Why::Going) => going(core, title),
        None => core.error(&format!("making {title}"), Fault::Refused(status)),
    }
}

/// Whoever wants the namespace waits until it is gone.
fn going(core: &Core, title: &str) -> ClusterError {
    let why = "the namespace is still being deleted, and can be made anew when it is gone".to_owned();
    ClusterError::Api { cluster: core.name.clone(), what: format!("making {title}"), why, class: FailureClass::Environment }
}

/// What a refusal comes down to.
#[derive(Debug, PartialEq, Eq)]
enum Why {
    Forbidden(String),
    Refused(String),
    /// The namespace is being deleted, or was.
    Going,
}

/// Why the cluster does not take something; none when it is not its fault.
fn why(status: &Status) -> Option<Why> {
    let said = status.message.as_str();
    let mended = |how: &str| Some(Why::Refused(format!("{said}; {how}")));
    match status.code {
        403 if said.contains("because it is being terminated") => Some(Why::Going),
        404 if said.starts_with("namespaces \"") => Some(Why::Going),
        401 => Some(Why::Forbidden(said.to_owned())),
        403 if is_missing_permission(status) => Some(Why::Forbidden(said.to_owned())),
        403 if said.contains("attempting to grant RBAC permissions not currently held") => {
            let short = said.split_once(" is attempting to grant").map_or(said, |(begin, _)| begin);
            Some(Why::Forbidden(format!(
                "{short} is attempting to grant permissions that it does not hold itself: let it `bind` that role (a ClusterRole with the verb bind on it)"
            )))
        }
        403 if said.contains("exceeded quota") => mended("give the pool a larger quota, or have its manifests ask for less"),
        403 => mended("correct what the cluster does not admit"),
        409 => mended("somebody else writes it again and again; see who"),
        422 if said.contains("immutable") => mended("the namespace has to be ended and made anew for that"),
        400 | 404 | 415 | 422 => mended("correct it in the pool's definition"),
        _ if is_refusal(status) => mended("correct it in the pool's definition"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_whether_a_permission_is_missing_or_the_pool_is_wrong() {
        let of = |code: u16, message: &str| why(&Status::failure(message, "").with_code(code));
        let forbidden = |code, message: &str| match of(code, message) {
            Some(Why::Forbidden(why)) => why,
            other => panic!("{message}: {other:?}"),
        };
        let refused = |code, message: &str| match of(code, message) {
            Some(Why::Refused(why)) => why,
            other => panic!("{message}: {other:?}"),
        };
        forbidden(403, "namespaces is forbidden: User \"x\" cannot create resource \"namespaces\" in API group \"\" at the cluster scope");
        let grant = "rolebindings \"towpath-requester\" is forbidden: user \"x\" (groups=[\"a\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"]}";
        let told = forbidden(403, grant);
        assert!(told.contains("`bind`") && !told.contains("APIGroups"), "{told}");
        assert!(refused(403, "pods \"a\" is forbidden: exceeded quota: q").contains("larger quota"));
        assert!(refused(422, "spec.hard[pods]: Invalid value: \"-1\"").contains("pool's definition"));
        let going = "configmaps \"a\" is forbidden: unable to create new content in namespace eph-1 because it is being terminated";
        assert_eq!((of(403, going), of(404, "namespaces \"eph-1\" not found")), (Some(Why::Going), Some(Why::Going)));
        assert_eq!(of(500, "etcd is away"), None);
    }
}

//! Looks at a namespace, and at all that is in it.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt as _};
use http::Method;
use serde_json::Value;

use super::judge::{self, Asked, There};
use super::mark;
use crate::api::{BoxFuture, ClusterError, NamespaceStanding, NamespaceWanted, ObjectKey, SecretsFrom};
use crate::kube::Core;
use crate::kube::discover::{self, Kind};
use crate::kube::labels::annotation;
use crate::kube::request::Fault;
use crate::wanted::{checked, given_to};

/// Lists of which only the metadata is wanted: what secrets hold is nobody's business here.
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// The same of single objects. <https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches>
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// How many objects or kinds are asked for at the same time.
const AT_ONCE: usize = 16;

/// How the namespace stands.
pub(super) async fn standing(core: &Core, wanted: &NamespaceWanted) -> Result<NamespaceStanding, ClusterError> {
    checked(wanted)?;
    let Some(namespace) = core.read::<Value>(&path(wanted.name.as_str())).await? else { return Ok(NamespaceStanding::Absent) };
    if !mark::is_made_for(&namespace, &wanted.name, &wanted.installation) {
        let why = format!("namespace {} {}; have the pool name its namespaces otherwise", wanted.name, mark::whose(&namespace));
        return Ok(NamespaceStanding::Broken { why });
    }
    if mark::is_going(&namespace) {
        return Ok(NamespaceStanding::Ending { held_by: held_by(core, &namespace).await? });
    }
    let requester = annotation(&namespace, mark::REQUESTER);
    if !requester.is_empty() {
        // Whatever else may be said of it, nobody else gets it, and nobody makes anything in it.
        return Ok(NamespaceStanding::Dirty { found: vec![given_to(requester)] });
    }
    let asked = asked(core, wanted).await?;
    let (mut lacks, mut fine): (Vec<_>, BTreeSet<String>) = (asked.iter().filter_map(judge::lack).collect(), BTreeSet::new());
    fine.extend(asked.iter().filter_map(|asked| asked.live.as_ref()).map(uid));
    fine.insert(uid(&namespace));
    if let Some(from) = &wanted.secrets {
        let (found, copies) = copies(core, wanted, from).await?;
        lacks.extend(found);
        fine.extend(copies);
    }
    if let Some(standing) = judge::worst(lacks) {
        return Ok(standing);
    }
    let account = format!("/api/v1/namespaces/{}/serviceaccounts/default", wanted.name);
    if core.read::<Value>(&account).await?.is_none() {
        return Ok(NamespaceStanding::Making {
            waits: "the cluster has not made its service account yet, without which no pod runs".to_owned(),
        });
    }
    let found = judge::leftovers(&there(core, wanted.name.as_str()).await?, &fine, &wanted.expected);
    Ok(if found.is_empty() { NamespaceStanding::Ready } else { NamespaceStanding::Dirty { found } })
}

/// The path of a namespace.
pub(super) fn path(name: &str) -> String {
    format!("/api/v1/namespaces/{name}")
}

fn uid(object: &Value) -> String {
    object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// What was wanted but for the secrets, and what is there of it.
async fn asked(core: &Core, wanted: &NamespaceWanted) -> Result<Vec<Asked>, ClusterError> {
    let mut looks: Vec<BoxFuture<'_, Result<Asked, ClusterError>>> = Vec::new();
    for (kind, wanted) in super::make::all(core, wanted).await? {
        looks.push(Box::pin(async move {
            let place = wanted.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
            let name = wanted.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let live = core.read(&kind.path(place, Some(name))).await?;
            Ok(Asked { wanted, live })
        }));
    }
    stream::iter(looks).buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
}

/// What the copies of secrets lack, and which ones are there.
async fn copies(core: &Core, wanted: &NamespaceWanted, from: &SecretsFrom) -> Result<(Vec<NamespaceStanding>, Vec<String>), ClusterError> {
    let (mut lacks, mut there) = (Vec::new(), Vec::new());
    for name in &from.names {
        let at = |namespace: &str| format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        let source = metadata(core, &at(from.namespace.as_str())).await?;
        let copy = metadata(core, &at(wanted.name.as_str())).await?;
        lacks.extend(judge::copy_lack(name, from.namespace.as_str(), source.as_ref(), copy.as_ref()));
        there.extend(copy.as_ref().map(uid));
    }
    Ok((lacks, there))
}

/// The metadata of what is at `path`; none when nothing is.
pub(super) async fn metadata(core: &Core, path: &str) -> Result<Option<Value>, ClusterError> {
    match core.send(Method::GET, path, Some(METADATA), None).await {
        Ok(object) => Ok(Some(object)),
        Err(Fault::Refused(status)) if status.code == 404 => Ok(None),
        Err(fault) => Err(core.error(&format!("reading {path}"), fault)),
    }
}

/// Everything that is in the namespace, of all kinds that the cluster has and lets Towpath see.
async fn there(core: &Core, namespace: &str) -> Result<Vec<There>, ClusterError> {
    let kinds = kinds(core).await?;
    let mut lists: Vec<BoxFuture<'_, Result<Vec<There>, ClusterError>>> = Vec::new();
    for kind in kinds.into_iter().filter(|kind| kind.namespaced && can(kind, "list") && !judge::is_shadow(&kind.group, &kind.kind)) {
        lists.push(Box::pin(async move { list(core, &kind, &kind.path(namespace, None), judge::is_decisive(&kind.resource())).await }));
    }
    let found: Vec<Result<Vec<There>, ClusterError>> = stream::iter(lists).buffered(AT_ONCE).collect().await;
    Ok(found.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// All kinds of objects that could be left over. A group that cannot be asked is an error, unless nothing is kept in it: what it holds is not known.
async fn kinds(core: &Core) -> Result<Vec<Kind>, ClusterError> {
    let all = discover::all(core).await?;
    match all.away.into_iter().find(|(group, _)| !judge::is_shadow_group(group)) {
        Some((_, error)) => Err(error),
        None => Ok(all.kinds),
    }
}

fn can(kind: &Kind, verb: &str) -> bool {
    kind.verbs.iter().any(|known| known == verb)
}

/// Objects with their kinds.
type OfKinds = Vec<(Kind, There)>;

/// Objects outside of namespaces that a selector picks, of all kinds that Towpath may make there.
pub(super) async fn outside(core: &Core, selector: &str) -> Result<OfKinds, ClusterError> {
    let kinds = kinds(core).await?;
    let is_made = |kind: &Kind| !kind.namespaced && ["list", "create", "delete"].iter().all(|verb| can(kind, verb));
    let mut lists: Vec<BoxFuture<'_, Result<OfKinds, ClusterError>>> = Vec::new();
    for kind in kinds.into_iter().filter(|kind| is_made(kind) && !(kind.group.is_empty() && kind.kind == "Namespace")) {
        lists.push(Box::pin(async move {
            let path = format!("{}?labelSelector={selector}", kind.path("", None));
            // Of what may not be listed nothing can have been made either.
            let found = list(core, &kind, &path, false).await?;
            Ok(found.into_iter().map(|there| (kind.clone(), there)).collect())
        }));
    }
    let found: Vec<Result<OfKinds, ClusterError>> = stream::iter(lists).buffered(AT_ONCE).collect().await;
    Ok(found.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// The objects at `path`; none where they may not be listed, unless they must be.
async fn list(core: &Core, kind: &Kind, path: &str, must: bool) -> Result<Vec<There>, ClusterError> {
    let mut list = match core.send(Method::GET, path, Some(METADATA_LIST), None).await {
        Ok(list) => list,
        Err(Fault::Refused(status)) if matches!(status.code, 404 | 405) => return Ok(Vec::new()),
        Err(Fault::Refused(status)) if status.code == 403 && !must => {
            tracing::debug!(cluster = %core.name, resource = %kind.resource(), "may not be listed and is passed over");
            return Ok(Vec::new());
        }
        Err(fault) => return Err(core.error(&format!("listing {}", kind.resource()), fault)),
    };
    let items = list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    let there = |object: Value| {
        let name = object.pointer("/metadata/name").and_then(Value::as_str)?.to_owned();
        Some(There { key: ObjectKey { kind: kind.kind.clone(), group: kind.group.clone(), name }, object })
    };
    Ok(items.into_iter().filter_map(there).collect())
}

/// What holds a namespace that is on its way out.
pub(super) async fn held_by(core: &Core, namespace: &Value) -> Result<Vec<String>, ClusterError> {
    let (mut held, by_finalizers) = judge::holds(namespace);
    if by_finalizers {
        let name = namespace.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        held.extend(judge::held(&there(core, name).await?));
    }
    Ok(held)
}

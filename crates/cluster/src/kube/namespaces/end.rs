//! Ends a namespace, with what was made for it outside of it; and finds those that are there.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;
use towpath_domain::NamespaceName;

use super::judge::{self, There};
use super::{look, mark};
use crate::api::{ClusterError, FoundNamespace, NamespaceEnd, ObjectKey};
use crate::kube::discover;
use crate::kube::single::label_is;
use crate::kube::{Core, prune};

/// Ends it, or tells how far its end has come.
pub(super) async fn end(core: &Core, name: &NamespaceName, installation: &str) -> Result<NamespaceEnd, ClusterError> {
    let at = look::path(name.as_str());
    let namespace: Option<Value> = core.read(&at).await?;
    let Some(namespace) = namespace.filter(|namespace| mark::is_made_for(namespace, name, installation)) else {
        return the_rest(core, name, installation).await;
    };
    let mut held_by = Vec::new();
    for key in mark::outside(&namespace) {
        if let Ok(key) = key.parse::<ObjectKey>() {
            held_by.extend(end_outside(core, &key, name, installation).await?);
        }
    }
    if mark::is_going(&namespace) {
        held_by.extend(look::held_by(core, &namespace).await?);
    } else {
        prune::delete(core, &at, &namespace).await?;
    }
    Ok(NamespaceEnd::Ending { held_by })
}

/// Deletes one object outside, if it was made for the namespace; answers with what holds it.
async fn end_outside(core: &Core, key: &ObjectKey, name: &NamespaceName, installation: &str) -> Result<Option<String>, ClusterError> {
    for kind in discover::meant(core, &key.kind_and_group()).await?.into_iter().filter(|kind| !kind.namespaced && kind.group == key.group) {
        let at = kind.path("", Some(&key.name));
        let Some(live) = look::metadata(core, &at).await? else { continue };
        if mark::is_made_for(&live, name, installation) {
            return let_go(core, &at, key, &live).await;
        }
    }
    Ok(None)
}

/// Deletes an object, once; answers with what holds it when it was deleted before.
async fn let_go(core: &Core, path: &str, key: &ObjectKey, live: &Value) -> Result<Option<String>, ClusterError> {
    if mark::is_going(live) {
        return Ok(judge::held_one(key, live));
    }
    prune::delete(core, path, live).await.map(|()| None)
}

/// The namespace is gone, or there is another of its name: what else was made for it goes as well, whoever deleted the namespace.
async fn the_rest(core: &Core, name: &NamespaceName, installation: &str) -> Result<NamespaceEnd, ClusterError> {
    let selector = label_is(mark::MADE_FOR, &mark::label_value(name.as_str()));
    let (mut is_left, mut held_by) = (false, Vec::new());
    for (kind, There { key, object }) in look::outside(core, &selector).await? {
        if mark::is_made_for(&object, name, installation) {
            is_left = true;
            held_by.extend(let_go(core, &kind.path("", Some(&key.name)), &key, &object).await?);
        }
    }
    Ok(if is_left { NamespaceEnd::Ending { held_by } } else { NamespaceEnd::Gone })
}

/// Those of this installation that are there, and those that are gone and left something.
pub(super) async fn found(core: &Core, installation: &str) -> Result<Vec<FoundNamespace>, ClusterError> {
    let selector = label_is(mark::INSTALLATION, &mark::label_value(installation));
    let path = format!("/api/v1/namespaces?labelSelector={selector}");
    let list = core.send(Method::GET, &path, None, None).await.map_err(|fault| core.error("listing namespaces", fault))?;
    let items = list.get("items").and_then(Value::as_array);
    let mut found: Vec<FoundNamespace> = items.into_iter().flatten().filter_map(|one| mark::found(one, installation)).collect();
    let mut known: BTreeSet<NamespaceName> = found.iter().map(|one| one.name.clone()).collect();
    for (_, There { object, .. }) in look::outside(core, &selector).await? {
        found.extend(mark::left(&object, installation).filter(|left| known.insert(left.name.clone())));
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

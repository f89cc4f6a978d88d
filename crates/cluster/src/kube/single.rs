//! Single objects, as they are: for what makes objects of its own and not of a target's.

use http::Method;
use serde_json::{Value, json};
use towpath_domain::NamespaceName;

use super::discover::{self, Kind};
use super::request::{Body, Fault, JSON};
use super::{KubeCluster, examine, status};
use crate::api::{ClusterError, Examination, ObjectKey};

/// A patch whose fields replace those of the object.
pub(super) const MERGE: &str = "application/merge-patch+json";

/// What an executor needs of a resource in its namespace: group, resource, verbs.
pub(crate) type Need = (&'static str, &'static str, &'static [&'static str]);

/// What became of an object that was to be made.
pub(crate) enum Made {
    /// It was not there, and is now.
    Now,
    /// There is one of that name.
    Before,
}

impl KubeCluster {
    /// The kind that `Kind.group` means, in its group's preferred version; asked for anew when it was missing: it may have been installed.
    pub(crate) async fn kind(&self, written: &str) -> Result<Option<Kind>, ClusterError> {
        let found = discover::meant(&self.core, written).await?.into_iter().next();
        if found.is_some() {
            return Ok(found);
        }
        self.core.kinds.forget();
        Ok(discover::meant(&self.core, written).await?.into_iter().next())
    }

    /// Makes an object below `place`, the path of its kind.
    pub(crate) async fn create(&self, place: &str, object: &Value) -> Result<Made, ClusterError> {
        match self.core.send(Method::POST, place, None, Some(Body { kind: JSON, value: object })).await {
            Ok(_) => Ok(Made::Now),
            Err(Fault::Refused(status)) if status.reason == "AlreadyExists" => Ok(Made::Before),
            Err(fault) => Err(self.core.error(&format!("making {}", title(object)), fault)),
        }
    }

    /// What is at `path`; none when nothing is.
    pub(crate) async fn at(&self, path: &str) -> Result<Option<Value>, ClusterError> {
        self.core.read(path).await
    }

    /// Objects of a kind in a namespace that a selector picks; see [`label_is`] and [`has_label`].
    pub(crate) async fn selected(&self, place: &str, selector: &str) -> Result<Vec<Value>, ClusterError> {
        let list: Option<Value> = self.core.read(&format!("{place}?labelSelector={selector}")).await?;
        Ok(list.and_then(|mut list| list["items"].as_array_mut().map(std::mem::take)).unwrap_or_default())
    }

    /// Whether the cluster is reached, and what is missing of what an executor needs in a namespace.
    pub(crate) async fn examine_for(&self, namespace: &NamespaceName, needs: &[Need]) -> Result<Examination, ClusterError> {
        examine::examine_for(&self.core, namespace, needs).await
    }

    /// Deletes what is at `path`, and then what it made. Whether anything was there.
    pub(crate) async fn delete_at(&self, path: &str) -> Result<bool, ClusterError> {
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
        match self.core.send(Method::DELETE, path, None, Some(Body { kind: JSON, value: &options })).await {
            Ok(_) => Ok(true),
            Err(Fault::Refused(status)) if status.code == 404 => Ok(false),
            Err(fault) => Err(self.core.error(&format!("deleting {path}"), fault)),
        }
    }

    /// Replaces fields of what is at `path`. Whether anything was there.
    pub(crate) async fn merge_at(&self, path: &str, patch: &Value) -> Result<bool, ClusterError> {
        match self.core.send(Method::PATCH, path, None, Some(Body { kind: MERGE, value: patch })).await {
            Ok(_) => Ok(true),
            Err(Fault::Refused(status)) if status.code == 404 => Ok(false),
            Err(fault) => Err(self.core.error(&format!("changing {path}"), fault)),
        }
    }
}

/// The selector of objects whose label has this value.
pub(crate) fn label_is(label: &str, value: &str) -> String {
    format!("{}%3D{value}", has_label(label))
}

/// The selector of objects that have this label.
pub(crate) fn has_label(label: &str) -> String {
    label.replace('/', "%2F")
}

/// Whether an object has come to its end, good or bad, by its own word.
pub(crate) fn has_ended(object: &Value) -> bool {
    !matches!(status::status(object), status::Status::InProgress(_))
}

fn title(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    ObjectKey { kind: text("/kind").to_owned(), group: String::new(), name: text("/metadata/name").to_owned() }.title()
}

//! Single objects, as they are: for what makes objects of its own and not of a target's.

use http::Method;
use serde_json::{Value, json};

use super::discover::{self, Kind};
use super::request::{Body, Fault, JSON};
use super::{KubeCluster, status};
use crate::api::{ClusterError, ObjectKey};

/// A patch whose fields replace those of the object.
const MERGE: &str = "application/merge-patch+json";

/// What became of an object that was to be made.
pub(crate) enum Made {
    /// It was not there.
    Now(Value),
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
            Ok(made) => Ok(Made::Now(made)),
            Err(Fault::Refused(status)) if status.reason == "AlreadyExists" => Ok(Made::Before),
            Err(fault) => Err(self.core.error(&format!("making {}", title(object)), fault)),
        }
    }

    /// What is at `path`; none when nothing is.
    pub(crate) async fn at(&self, path: &str) -> Result<Option<Value>, ClusterError> {
        self.core.read(path).await
    }

    /// Objects of a kind in a namespace that carry a label.
    pub(crate) async fn labelled(&self, place: &str, label: &str, value: &str) -> Result<Vec<Value>, ClusterError> {
        let path = format!("{place}?labelSelector={}%3D{value}", label.replace('/', "%2F"));
        let list: Option<Value> = self.core.read(&path).await?;
        Ok(list.and_then(|mut list| list["items"].as_array_mut().map(std::mem::take)).unwrap_or_default())
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

/// Whether an object has come to its end, good or bad, by its own word.
pub(crate) fn has_ended(object: &Value) -> bool {
    !matches!(status::status(object), status::Status::InProgress(_))
}

fn title(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    ObjectKey { kind: text("/kind").to_owned(), group: String::new(), name: text("/metadata/name").to_owned() }.title()
}

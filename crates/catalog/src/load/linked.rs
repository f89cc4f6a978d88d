//! Apps, environments and namespaces with their references resolved.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};
use towpath_domain::AppName;

use super::findings::Findings;
use super::index::Index;
use crate::model::{App, Environment};
use crate::read::{Content, RawApp, RawCluster, RawEnvironment, RawNamespace};

/// A namespace with all that it refers to.
pub(super) struct Namespace<'a> {
    pub raw: &'a RawNamespace,
    pub cluster: &'a RawCluster,
    pub environment: &'a RawEnvironment,
    /// The environment's file, for places in it.
    pub environment_file: &'a Arc<str>,
    pub app: &'a RawApp,
    pub path: &'a str,
}

impl Namespace<'_> {
    /// The variable `resource` of templates in targets: the fields that the original's query has, as far as Towpath reads them.
    pub fn resource(&self) -> Value {
        json!({"namespace": {
            "name": self.raw.name.value.as_str(),
            "path": self.path,
            "labels": self.raw.labels,
            "app": {"name": self.app.name.value.as_str()},
            "environment": {"name": self.environment.name.value.as_str(), "labels": self.environment.labels},
            "cluster": {"name": self.cluster.name.value.as_str(), "serverUrl": self.cluster.server_url, "labels": self.cluster.labels},
        }})
    }
}

/// All of them, namespaces by the number of their file.
pub(super) struct Inventory<'a> {
    pub apps: BTreeMap<AppName, Arc<App>>,
    /// Parents of apps by the number of the app's file.
    pub parents: HashMap<usize, AppName>,
    pub environments: BTreeMap<towpath_domain::EnvironmentName, Arc<Environment>>,
    pub namespaces: HashMap<usize, Namespace<'a>>,
}

/// Resolves the references of apps, environments and namespaces.
pub(super) fn link<'a>(index: &Index<'a>, findings: &mut Findings) -> Inventory<'a> {
    let mut inventory =
        Inventory { apps: BTreeMap::new(), parents: HashMap::new(), environments: BTreeMap::new(), namespaces: HashMap::new() };
    for (at, file) in index.files.iter().enumerate() {
        match &file.content {
            Content::App(raw) => {
                let parent = raw.parent.as_ref().and_then(|parent| index.find::<RawApp>(&file.path, parent, findings));
                let parent = parent.map(|(_, parent)| parent.name.value.clone());
                if let Some(parent) = &parent {
                    inventory.parents.insert(at, parent.clone());
                }
                let app = App {
                    name: raw.name.value.clone(),
                    parent,
                    code_components: raw.code_components.clone(),
                    escalation: super::escalation::levels(&file.path, raw.escalation.as_ref(), index, findings),
                    place: raw.name.spot.place(&file.path),
                };
                // Of two with one name, the first by path is shown; both are told of elsewhere.
                inventory.apps.entry(app.name.clone()).or_insert_with(|| Arc::new(app));
            }
            Content::Environment(raw) => {
                let environment = Environment {
                    name: raw.name.value.clone(),
                    labels: raw.labels.clone(),
                    parameters: raw.parameters.iter().map(|param| (param.name.to_string(), param.value.clone())).collect(),
                    service_phase: raw.service_phase.clone(),
                    place: raw.name.spot.place(&file.path),
                };
                inventory.environments.entry(environment.name.clone()).or_insert_with(|| Arc::new(environment));
            }
            Content::Namespace(raw) => {
                let cluster = index.find::<RawCluster>(&file.path, &raw.cluster, findings);
                let app = index.find::<RawApp>(&file.path, &raw.app, findings);
                let environment = index.find::<RawEnvironment>(&file.path, &raw.environment, findings);
                if let (Some((_, cluster)), Some((_, app)), Some((number, environment))) = (cluster, app, environment) {
                    let environment_file = index.files.get(number).map_or(&file.path, |file| &file.path);
                    let path = file.path.strip_prefix("data").unwrap_or(&file.path);
                    inventory.namespaces.insert(at, Namespace { raw, cluster, environment, environment_file, app, path });
                }
            }
            _ => {}
        }
    }
    inventory
}

//! Apps, environments, clusters and namespaces: what saas files refer to.

use std::collections::BTreeMap;

use towpath_domain::{AppName, ClusterName, EnvironmentName, NamespaceName};

use super::fields::{At, Reader};
use super::{Param, Ref, Secret};
use crate::model::CodeComponent;
use crate::yaml::{Node, Spot};

/// An app's file.
#[derive(Debug)]
pub(crate) struct RawApp {
    pub name: At<AppName>,
    pub parent: Option<Ref>,
    pub code_components: Vec<CodeComponent>,
    pub escalation: Option<Ref>,
}

/// An environment's file.
#[derive(Debug)]
pub(crate) struct RawEnvironment {
    pub name: At<EnvironmentName>,
    pub labels: BTreeMap<String, String>,
    pub parameters: Vec<Param>,
    pub secrets: Vec<Secret>,
    pub service_phase: Option<String>,
}

/// A cluster's file.
#[derive(Debug)]
pub(crate) struct RawCluster {
    pub name: At<ClusterName>,
    pub server_url: Option<String>,
    pub labels: BTreeMap<String, String>,
}

/// A namespace's file.
#[derive(Debug)]
pub(crate) struct RawNamespace {
    pub name: At<NamespaceName>,
    pub labels: BTreeMap<String, String>,
    pub cluster: Ref,
    pub app: Ref,
    pub environment: Ref,
}

pub(super) fn read_app(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawApp> {
    let errors = reader.errors();
    let name = reader.name(root, "name");
    let parent = root.get("parentApp").and_then(|node| reader.reference_at(node, "parentApp"));
    let escalation = root.get("escalationPolicy").and_then(|node| node.get("$ref")).and_then(|to| Some((to, to.scalar()?.0)));
    let escalation = escalation.filter(|(_, path)| path.starts_with('/')).map(|(to, path)| Ref { path: path.into(), spot: to.spot() });
    let components = reader.list(root, "codeComponents");
    let code_components = components.into_iter().flatten().filter_map(|item| read_component(reader, item)).collect();
    // A commit that was meant to be blocked must not slip through by a typing error: such an app is not used at all.
    let good = reader.errors() == errors;
    name.filter(|_| good).map(|name| RawApp { name, parent, code_components, escalation })
}

fn read_component(reader: &mut Reader, item: Node<'_, '_>) -> Option<CodeComponent> {
    let url = reader.required(item, "url")?;
    let url = reader.url(url, "url")?.value;
    let mut commits = |field| {
        let items = reader.list(item, field).unwrap_or_default();
        items.into_iter().filter_map(|item| reader.parse(item, field, "bad-commit")).map(|at| at.value).collect()
    };
    Some(CodeComponent { url, blocked_versions: commits("blockedVersions"), hotfix_versions: commits("hotfixVersions") })
}

pub(super) fn read_environment(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawEnvironment> {
    let errors = reader.errors();
    let name = reader.name(root, "name");
    let labels = reader.labels(root, "labels");
    let parameters = reader.parameters(root, false).unwrap_or_default();
    let secrets = reader.secrets(root).unwrap_or_default();
    let service_phase = reader.text_of(root, "servicePhase").map(str::to_owned);
    let good = reader.errors() == errors;
    name.filter(|_| good).map(|name| RawEnvironment { name, labels, parameters, secrets, service_phase })
}

pub(super) fn read_cluster(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawCluster> {
    let errors = reader.errors();
    let name = reader.name(root, "name");
    let labels = reader.labels(root, "labels");
    let server_url = reader.text_of(root, "serverUrl").map(str::to_owned);
    let good = reader.errors() == errors;
    name.filter(|_| good).map(|name| RawCluster { name, server_url, labels })
}

pub(super) fn read_namespace(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawNamespace> {
    let errors = reader.errors();
    let name = reader.name::<NamespaceName>(root, "name");
    if let Some(name) = &name {
        check_dns_label(reader, name.value.as_str(), name.spot, "namespace");
    }
    let labels = reader.labels(root, "labels");
    let cluster = reader.reference(root, "cluster");
    let app = reader.reference(root, "app");
    let environment = reader.reference(root, "environment");
    let good = reader.errors() == errors;
    let (name, cluster, app, environment) = (name?, cluster?, app?, environment?);
    good.then_some(RawNamespace { name, labels, cluster, app, environment })
}

/// The form that Kubernetes asks of namespaces' names, and Towpath of its own types' (RFC 1123).
pub(super) fn check_dns_label(reader: &mut Reader, name: &str, spot: Spot, what: &str) {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if name.len() > 63 || !inner || !edge(name.bytes().next()) || !edge(name.bytes().last()) {
        let message = format!("`{}` is no name for a {what}", name.escape_debug());
        reader.error(
            "bad-name",
            spot,
            message,
            "Use at most 63 lower-case letters, digits and dashes; begin and end with a letter or digit.",
        );
    }
}

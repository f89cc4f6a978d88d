//! Saas files.

use std::collections::BTreeMap;

use towpath_domain::{RepoUrl, SaasFileName, Span};

use super::fields::{At, Reader};
use super::notices::{self, RawSlack};
use super::target::RawTarget;
use super::{Param, Ref, Secret};
use crate::model::Provider;
use crate::resources::DeployResources;
use crate::yaml::Node;

/// A saas file as it is written.
#[derive(Debug)]
pub(crate) struct RawSaas {
    pub name: At<SaasFileName>,
    pub app: Ref,
    pub labels: BTreeMap<String, String>,
    pub managed_types: Vec<String>,
    pub managed_names: Vec<(String, Vec<String>)>,
    pub image_patterns: Vec<String>,
    pub parameters: Option<Vec<Param>>,
    pub secrets: Option<Vec<Secret>>,
    pub allowed_secret_paths: Vec<String>,
    pub timeout: Span,
    pub publish_job_logs: bool,
    pub use_channel_in_image_tag: bool,
    pub validate_targets_in_app: bool,
    pub takeover: bool,
    pub deploy_resources: Option<DeployResources>,
    pub slack: Option<RawSlack>,
    pub skip_successes: bool,
    pub templates: Vec<RawTemplate>,
    /// The first error that cost a target or a template, while the rest is used.
    pub partly_broken: Option<String>,
}

/// A resource template as it is written.
#[derive(Debug)]
pub(crate) struct RawTemplate {
    pub name: At<String>,
    pub url: At<RepoUrl>,
    pub path: String,
    pub provider: Provider,
    pub hash_length: usize,
    pub parameters: Option<Vec<Param>>,
    pub secrets: Option<Vec<Secret>>,
    pub targets: Vec<RawTargetEntry>,
}

/// A target in its place, or a reference to its file.
#[derive(Debug)]
pub(crate) enum RawTargetEntry {
    Inline(Box<RawTarget>),
    File(Ref),
}

/// app-interface's default for how long a deploy may take.
const DEFAULT_TIMEOUT: Span = Span::from_secs(3600);

/// Names of saas files have at most this many characters, as the original's schema says (B1).
const MAX_NAME: usize = 39;

/// How many hex digits of the commit make an image's tag, unless the template says otherwise.
pub(crate) const DEFAULT_HASH_LENGTH: usize = 7;

pub(super) fn read(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawSaas> {
    let errors = reader.errors();
    let name = reader.name::<SaasFileName>(root, "name");
    if let Some(name) = name.as_ref().filter(|name| name.value.as_str().chars().count() > MAX_NAME) {
        let message =
            format!("the name of a saas file has at most {MAX_NAME} characters, this one has {}", name.value.as_str().chars().count());
        reader.error("bad-name", name.spot, message, "Shorten it. The names of its targets' records change with it.");
    }
    let app = reader.reference(root, "app");
    let labels = reader.labels(root, "labels");
    let managed_types = reader.required(root, "managedResourceTypes").and_then(|_| reader.texts(root, "managedResourceTypes"));
    let managed_types = plain(managed_types);
    let managed_names = reader.list(root, "managedResourceNames").unwrap_or_default();
    let managed_names = managed_names.into_iter().filter_map(|item| {
        let kind = reader.required(item, "resource")?;
        let kind = reader.text(kind, "resource")?.to_owned();
        reader.required(item, "resourceNames")?;
        Some((kind, plain(reader.texts(item, "resourceNames"))))
    });
    let managed_names = managed_names.collect();
    let image_patterns = plain(reader.texts(root, "imagePatterns"));
    let parameters = reader.parameters(root, false);
    let secrets = reader.secrets(root);
    let allowed_secret_paths = plain(reader.texts(root, "allowedSecretParameterPaths"));
    let timeout = root.get("timeout").and_then(|node| reader.parse(node, "timeout", "wrong-type")).map_or(DEFAULT_TIMEOUT, |at| at.value);
    let publish_job_logs = reader.flag(root, "publishJobLogs").unwrap_or(false);
    let use_channel_in_image_tag = reader.flag(root, "use_channel_in_image_tag").unwrap_or(false);
    let validate_targets_in_app = reader.flag(root, "validateTargetsInApp").unwrap_or(false);
    let takeover = reader.flag(root, "takeover").unwrap_or(false);
    let deploy_resources = root.get("deployResources").map(|node| super::resources::read(reader, node, "deployResources"));
    let slack = notices::read(reader, root);
    let skip_successes = notices::skips_successes(reader, root);
    warn_of_switches(reader, root);
    // Up to here an error spoils the whole file; from here on, only the template or target that has it.
    let good = reader.errors() == errors;
    let errors = reader.errors();
    let items = reader.required(root, "resourceTemplates").and_then(|_| reader.list(root, "resourceTemplates"));
    let mut lost = false;
    let templates = items.as_deref().unwrap_or_default().iter().filter_map(|item| {
        let template = read_template(reader, *item, &mut lost);
        lost |= template.is_none();
        template
    });
    let templates: Vec<_> = templates.collect();
    check_template_names(reader, &templates);
    let partly_broken = (lost || reader.errors() > errors)
        .then(|| reader.error_after(errors).unwrap_or("a target uses what Towpath does not support").to_owned());
    items?;
    let (name, app) = (name?, app?);
    good.then_some(RawSaas {
        name,
        app,
        labels,
        managed_types,
        managed_names,
        image_patterns,
        parameters,
        secrets,
        allowed_secret_paths,
        timeout,
        publish_job_logs,
        use_channel_in_image_tag,
        validate_targets_in_app,
        takeover,
        deploy_resources,
        slack,
        skip_successes,
        templates,
        partly_broken,
    })
}

fn plain(texts: Option<Vec<At<String>>>) -> Vec<String> {
    texts.unwrap_or_default().into_iter().map(|at| at.value).collect()
}

/// Switches of the original that change nothing here. Each is safe to leave out: what Towpath does is the stricter side.
fn warn_of_switches(reader: &mut Reader, root: Node<'_, '_>) {
    for (field, unless) in [("clusterAdmin", false), ("compare", true)] {
        let Some(value) = reader.flag(root, field).filter(|value| *value != unless) else { continue };
        if let Some(node) = root.get(field) {
            reader.warn("unsupported", node.spot(), format!("`{field}: {value}` has no effect in Towpath"), format!("Remove `{field}`."));
        }
    }
}

fn read_template(reader: &mut Reader, item: Node<'_, '_>, lost: &mut bool) -> Option<RawTemplate> {
    let errors = reader.errors();
    if !item.is_mapping() {
        reader.wrong_type(item, "resourceTemplates", "a mapping");
        return None;
    }
    let name_node = reader.required(item, "name");
    let name = name_node.and_then(|node| Some(At { value: reader.text(node, "name")?.to_owned(), spot: node.spot() }));
    let url = reader.required(item, "url").and_then(|node| reader.url(node, "url"));
    let path = reader.required(item, "path").and_then(|node| read_path(reader, node));
    let provider = match item.get("provider") {
        None => Some(Provider::OpenshiftTemplate),
        Some(node) => read_provider(reader, node),
    };
    // One digit is no tag, and more than 40 a commit does not have.
    let hash_length = reader.number(item, "hash_length", 4..=40).and_then(|length| usize::try_from(length).ok());
    let parameters = reader.parameters(item, false);
    let secrets = reader.secrets(item);
    let good = reader.errors() == errors;
    let items = reader.required(item, "targets").and_then(|_| reader.list(item, "targets"))?;
    let mut targets = Vec::with_capacity(items.len());
    for item in items {
        let target = if item.get("$ref").is_some() {
            reader.reference_at(item, "targets").map(RawTargetEntry::File)
        } else {
            super::target::read(reader, item).map(|target| RawTargetEntry::Inline(Box::new(target)))
        };
        match target {
            Some(target) => targets.push(target),
            None => *lost = true,
        }
    }
    let (name, url, path, provider) = (name?, url?, path?, provider?);
    let hash_length = hash_length.unwrap_or(DEFAULT_HASH_LENGTH);
    good.then_some(RawTemplate { name, url, path, provider, hash_length, parameters, secrets, targets })
}

/// A path in the template's repository: absolute there, and never out of it (a path that climbs is refused, not cleaned).
fn read_path(reader: &mut Reader, node: Node<'_, '_>) -> Option<String> {
    let path = reader.text(node, "path")?;
    let climbs = path.split(['/', '\\']).any(|part| part == "..");
    if !path.starts_with('/') || climbs || path.chars().any(char::is_control) {
        let message = format!("`{}` is no path in a repository", path.escape_debug());
        reader.error("bad-path", node.spot(), message, "Begin it with `/` (the repository's root), and go without `..`.");
        return None;
    }
    Some(path.to_owned())
}

fn read_provider(reader: &mut Reader, node: Node<'_, '_>) -> Option<Provider> {
    match reader.text(node, "provider")? {
        "openshift-template" => Some(Provider::OpenshiftTemplate),
        "directory" => Some(Provider::Directory),
        "helm" => Some(Provider::Helm),
        "kustomize" => Some(Provider::Kustomize),
        other => {
            let message = format!("there is no provider `{}`", other.escape_debug());
            reader.error("wrong-type", node.spot(), message, "Write `openshift-template`, `directory`, `helm` or `kustomize`.");
            None
        }
    }
}

fn check_template_names(reader: &mut Reader, templates: &[RawTemplate]) {
    let mut seen = std::collections::HashSet::new();
    for template in templates {
        if !seen.insert(template.name.value.as_str()) {
            let message = format!("the resource template `{}` is there twice", template.name.value.escape_debug());
            reader.error("duplicate-name", template.name.spot, message, "Give each resource template of the file a name of its own.");
        }
    }
}

//! From a node tree to the facts of one file, each with its place. Looks at one file only; references stay paths.

mod access;
mod check;
mod escalation;
mod fields;
mod inventory;
mod notices;
mod permission;
mod policy;
mod pool;
mod resources;
mod saas;
mod source;
mod target;
mod tested;
mod time;

pub(crate) use access::{RawChangeType, RawRole, RawUser};
pub(crate) use check::RawCheck;
pub(crate) use escalation::{RawEscalation, RawUserGroup};
pub(crate) use fields::{At, Reader};
pub(crate) use inventory::{RawApp, RawCluster, RawEnvironment, RawNamespace};
pub(crate) use permission::RawPermission;
pub(crate) use policy::{RawApprovals, RawPolicy};
pub(crate) use pool::RawPool;
pub(crate) use saas::{RawSaas, RawTargetEntry, RawTemplate};
pub(crate) use source::RawSource;
pub(crate) use target::{RawChannelData, RawPromotion, RawTarget};

use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::Diagnostic;
use crate::yaml::{self, Spot};

/// A reference to another data file: `$ref: /services/web/app.yml`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ref {
    /// The path below `data/`, beginning with `/`.
    pub path: Box<str>,
    /// Where it is written.
    pub spot: Spot,
}

/// One parameter.
#[derive(Debug, Clone)]
pub(crate) struct Param {
    pub name: Box<str>,
    pub value: Value,
    /// Where its value is written.
    pub spot: Spot,
}

/// One secret parameter.
#[derive(Debug, Clone)]
pub(crate) struct Secret {
    pub name: Box<str>,
    pub path: String,
    pub field: String,
    pub version: Option<u64>,
    pub format: Option<String>,
    /// Where its path is written.
    pub spot: Spot,
}

/// What a file turned out to be.
#[derive(Debug)]
pub(crate) enum Content {
    Saas(Box<RawSaas>),
    Target(Box<RawTarget>),
    App(RawApp),
    Environment(RawEnvironment),
    Cluster(RawCluster),
    Namespace(RawNamespace),
    Source(Box<RawSource>),
    Policy(Box<RawPolicy>),
    Pool(Box<RawPool>),
    User(Box<RawUser>),
    Role(Box<RawRole>),
    ChangeType(RawChangeType),
    Permission(Box<RawPermission>),
    Escalation(Box<RawEscalation>),
    UserGroup(RawUserGroup),
    /// A type that Towpath has no use for.
    Other,
    /// It cannot be used; its diagnostics say why.
    Broken,
}

/// One file, read.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// Path in the config repository.
    pub path: Arc<str>,
    /// What its `$schema` names; of a file that is no YAML, what a line of it seems to name.
    pub schema: Option<Box<str>>,
    /// What it holds.
    pub content: Content,
    /// What is wrong with it by itself.
    pub diagnostics: Vec<Diagnostic>,
    /// The file's name, where that much could be read: of a broken file, and of one whose type is not read.
    pub broken_name: Option<Box<str>>,
    /// Channels that its lost targets may publish to, or the URL of a lost source: what else must be held for its sake.
    pub lost: Vec<Box<str>>,
}

/// The types that are read; see [`read_file`].
pub(crate) mod schema {
    pub const SAAS: &str = "/app-sre/saas-file-2.yml";
    pub const TARGET: &str = "/app-sre/saas-file-target-1.yml";
    pub const APP: &str = "/app-sre/app-1.yml";
    pub const ENVIRONMENT: &str = "/app-sre/environment-1.yml";
    pub const CLUSTER: &str = "/openshift/cluster-1.yml";
    pub const NAMESPACE: &str = "/openshift/namespace-1.yml";
    pub const USER: &str = "/access/user-1.yml";
    pub const ROLE: &str = "/access/role-1.yml";
    pub const CHANGE_TYPE: &str = "/app-interface/change-type-1.yml";
    pub const SOURCE: &str = "/towpath/source-1.yml";
    pub const ESCALATION: &str = "/app-sre/escalation-policy-1.yml";
    pub const PERMISSION: &str = "/access/permission-1.yml";
    pub const SLACK_WORKSPACE: &str = "/dependencies/slack-workspace-1.yml";
    pub const POLICY: &str = "/towpath/policy-1.yml";
    pub const POOL: &str = "/towpath/pool-1.yml";
    pub const OWN_PERMISSION: &str = "/towpath/permission-1.yml";
    /// What all types of Towpath's own begin with.
    pub const OWN: &str = "/towpath/";
    /// Types of Towpath's own.
    pub const ALL_OWN: [&str; 4] = [SOURCE, POLICY, POOL, OWN_PERMISSION];
}

/// Reads one file. Never fails: what is wrong is among its diagnostics.
pub(crate) fn read_file(path: &Arc<str>, bytes: &[u8]) -> Parsed {
    let mut reader = Reader::new(path);
    let tree = match yaml::parse(bytes) {
        Ok(tree) => tree,
        Err(problems) => {
            for problem in problems {
                reader.problem(problem);
            }
            let (schema, broken_name) = guess(bytes);
            let lost = if is_telling(schema.as_deref()) { words(bytes) } else { Vec::new() };
            return Parsed { path: Arc::clone(path), schema, content: Content::Broken, diagnostics: reader.finish(), broken_name, lost };
        }
    };
    let root = tree.root();
    let schema = read_schema(&mut reader, root);
    let name = root.get("name").and_then(|name| name.scalar()).map(|(text, _)| Box::from(text));
    let content = match schema.as_deref() {
        None => None,
        Some(schema::SAAS) => saas::read(&mut reader, root).map(|saas| Content::Saas(Box::new(saas))),
        Some(schema::TARGET) => target::read(&mut reader, root).map(|target| Content::Target(Box::new(target))),
        Some(schema::APP) => inventory::read_app(&mut reader, root).map(Content::App),
        Some(schema::ENVIRONMENT) => inventory::read_environment(&mut reader, root).map(Content::Environment),
        Some(schema::CLUSTER) => inventory::read_cluster(&mut reader, root).map(Content::Cluster),
        Some(schema::NAMESPACE) => inventory::read_namespace(&mut reader, root).map(Content::Namespace),
        Some(schema::SOURCE) => source::read(&mut reader, root).map(|source| Content::Source(Box::new(source))),
        Some(schema::POLICY) => policy::read(&mut reader, root).map(|policy| Content::Policy(Box::new(policy))),
        Some(schema::USER) => access::read_user(&mut reader, root).map(|user| Content::User(Box::new(user))),
        Some(schema::ROLE) => access::read_role(&mut reader, root).map(|role| Content::Role(Box::new(role))),
        Some(schema::OWN_PERMISSION) => permission::read(&mut reader, root).map(|permission| Content::Permission(Box::new(permission))),
        Some(schema::CHANGE_TYPE) => Some(Content::ChangeType(access::read_change_type(root))),
        // Of these, what cannot be used is as if it were of a type that is not read.
        Some(schema::ESCALATION) => {
            Some(escalation::read_policy(&mut reader, root).map_or(Content::Other, |policy| Content::Escalation(Box::new(policy))))
        }
        Some(schema::PERMISSION) => Some(escalation::read_group(root).map_or(Content::Other, Content::UserGroup)),
        Some(schema::POOL) => pool::read(&mut reader, root).map(|pool| Content::Pool(Box::new(pool))),
        Some(other) if other.starts_with(schema::OWN) => {
            let spot = root.get("$schema").map_or(Spot::top(), |node| node.spot());
            let mend = crate::suggest::mend(
                other,
                schema::ALL_OWN,
                "The types of Towpath's own are /towpath/source-1.yml, /towpath/policy-1.yml, /towpath/pool-1.yml and /towpath/permission-1.yml.",
            );
            reader.error("unknown-schema", spot, format!("there is no type `{}`", other.escape_debug()), mend);
            None
        }
        Some(_) => Some(Content::Other),
    };
    let content = content.unwrap_or(Content::Broken);
    let mut lost = Vec::new();
    match (&content, schema.as_deref()) {
        (Content::Broken, Some(schema::SAAS | schema::TARGET) | None) => below(root, "publish", &mut lost),
        (Content::Broken, Some(schema::SOURCE)) => below(root, "url", &mut lost),
        (Content::Saas(saas), _) if saas.partly_broken.is_some() => lost_channels(root, saas, &mut lost),
        _ => {}
    }
    Parsed { path: Arc::clone(path), schema, content, diagnostics: reader.finish(), broken_name: name, lost }
}

/// Whether a file is, or may be, of a type that says who may do or approve what, or what needs approvals.
pub(crate) fn says_who_approves(bytes: &[u8]) -> bool {
    let schema = match yaml::parse(bytes) {
        Ok(tree) => tree.root().get("$schema").and_then(|node| node.scalar()).map(|(text, _)| Box::from(text)),
        Err(_) => guess(bytes).0,
    };
    matches!(schema.as_deref(), None | Some(schema::USER | schema::ROLE | schema::CHANGE_TYPE | schema::POLICY | schema::OWN_PERMISSION))
}

/// Whether a broken file of this type leaves others in doubt: it may hold targets, or a source. So may one of unknown type.
fn is_telling(schema: Option<&str>) -> bool {
    matches!(schema, None | Some(schema::SAAS | schema::TARGET | schema::SOURCE))
}

/// All words of a text that is no YAML, and the values of its lines: its channels are among them.
fn words(bytes: &[u8]) -> Vec<Box<str>> {
    let text = String::from_utf8_lossy(bytes);
    let marks = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '[' | ']' | '{' | '}');
    let mut all: Vec<Box<str>> = text.split(marks).filter(|word| !word.is_empty()).map(Box::from).collect();
    all.extend(text.lines().map(|line| line.trim().trim_start_matches("- ").trim().trim_matches(['"', '\''])).map(Box::from));
    all.sort_unstable();
    all.dedup();
    all
}

/// All texts below any key `key`.
fn below(node: yaml::Node<'_, '_>, key: &str, found: &mut Vec<Box<str>>) {
    for entry in node.entries() {
        if entry.key == key {
            let texts = entry.value.items().chain([entry.value]).filter_map(|item| item.scalar());
            found.extend(texts.map(|(text, _)| Box::from(text)));
        } else {
            below(entry.value, key, found);
        }
    }
    for item in node.items() {
        below(item, key, found);
    }
}

/// What is published in the file, but not by a target that could be read.
fn lost_channels(root: yaml::Node<'_, '_>, saas: &RawSaas, lost: &mut Vec<Box<str>>) {
    below(root, "publish", lost);
    let targets = saas.templates.iter().flat_map(|template| &template.targets);
    for target in targets {
        let RawTargetEntry::Inline(target) = target else { continue };
        for channel in target.promotion.iter().flat_map(|promotion| promotion.publish.iter().flatten()) {
            // Each counts once: another target of the file, lost, may publish to the same.
            if let Some(at) = lost.iter().position(|text| **text == *channel.value.as_str()) {
                lost.swap_remove(at);
            }
        }
    }
}

fn read_schema(reader: &mut Reader, root: yaml::Node<'_, '_>) -> Option<Box<str>> {
    if !root.is_mapping() {
        reader.error(
            "missing-schema",
            root.spot(),
            format!("the file holds {}, not a mapping", root.describe()),
            "Begin the file with `$schema:`.",
        );
        return None;
    }
    let Some(node) = root.get("$schema") else {
        reader.error(
            "missing-schema",
            root.spot(),
            "the file does not say what it is: `$schema` is missing",
            "Add `$schema: /app-sre/saas-file-2.yml`, or the type it has.",
        );
        return None;
    };
    reader.text(node, "$schema").map(Box::from)
}

/// What a file that is no YAML seems to be: a line `$schema: …` and a line `name: …` at the left edge.
fn guess(bytes: &[u8]) -> (Option<Box<str>>, Option<Box<str>>) {
    let text = String::from_utf8_lossy(bytes);
    let find = |keys: [&str; 2]| {
        let line = text.lines().find_map(|line| keys.iter().find_map(|key| line.trim_start_matches('\u{feff}').strip_prefix(key)))?;
        let value = line.split(" #").next()?.trim().trim_matches(['"', '\'']);
        if value.is_empty() { None } else { Some(Box::from(value)) }
    };
    (find(["$schema:", "\"$schema\":"]), find(["name:", "\"name\":"]))
}

#[cfg(test)]
mod tests;

//! Pools of ephemeral namespaces: `/towpath/pool-1.yml`.

use serde_json::Value;
use towpath_domain::{NamespaceName, PoolName, Span};

use super::Ref;
use super::fields::{At, Reader};
use super::inventory::check_dns_label;
use crate::model::SecretCopies;
use crate::yaml::{Node, to_json};

/// A pool as it is written.
#[derive(Debug)]
pub(crate) struct RawPool {
    pub name: At<PoolName>,
    pub cluster: Ref,
    pub app: Option<Ref>,
    pub environment: Option<Ref>,
    pub size: u32,
    pub limit: u32,
    pub lease: Span,
    pub longest: Span,
    pub warn: Span,
    pub each: Option<u32>,
    pub quotas: Vec<Value>,
    pub limit_ranges: Vec<Value>,
    pub secrets: Option<SecretCopies>,
    pub manifests: Vec<Value>,
    pub expected: Vec<String>,
    pub operator: Option<String>,
}

const FIELDS: &[&str] = &[
    "$schema",
    "name",
    "description",
    "labels",
    "cluster",
    "app",
    "environment",
    "size",
    "limit",
    "lease",
    "longest",
    "warn",
    "each",
    "quotas",
    "limit_ranges",
    "secrets",
    "manifests",
    "expected",
    "operator",
];

/// What a pool that is kept by an operator in the cluster leaves to it.
const OPERATORS_OWN: [&str; 7] = ["size", "limit", "quotas", "limit_ranges", "secrets", "manifests", "expected"];

/// The most namespaces of one pool: far more than any cluster that people test on takes.
const MOST: u64 = 500;

/// The longest name of a pool: its namespaces are called after it, with a hash behind it, and those names have 63 characters at most.
const NAME_MAX: usize = 40;

const DEFAULT_LEASE: Span = Span::from_secs(3600);
const DEFAULT_LONGEST: Span = Span::from_secs(12 * 3600);
const DEFAULT_WARN: Span = Span::from_secs(600);

pub(super) fn read(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawPool> {
    let errors = reader.errors();
    reader.only(root, FIELDS);
    let name = reader.name::<PoolName>(root, "name");
    if let Some(name) = &name {
        check_dns_label(reader, name.value.as_str(), name.spot, "pool");
        if name.value.as_str().len() > NAME_MAX {
            let message = format!("`name` has more than {NAME_MAX} characters: the pool's namespaces are called after it");
            reader.error("bad-name", name.spot, message, "Give it a shorter name.");
        }
    }
    reader.text_of(root, "description");
    reader.labels(root, "labels");
    let cluster = reader.reference(root, "cluster");
    let mut optional = |field| root.get(field).and_then(|node| reader.reference_at(node, field));
    let (app, environment) = (optional("app"), optional("environment"));
    let operator = read_operator(reader, root);
    let size = count(reader, root, "size", 0..=MOST).unwrap_or(1);
    let limit = count(reader, root, "limit", 1..=MOST);
    if let (Some(limit), Some(node)) = (limit.filter(|limit| *limit < size), root.get("limit")) {
        let message = format!("`limit` is {limit}, less than the `size` of {size} that is to be kept ready");
        reader.error("nonsense", node.spot(), message, "Raise the limit, or lower the size.");
    }
    let each = count(reader, root, "each", 1..=MOST);
    let lease = span(reader, root, "lease").unwrap_or(DEFAULT_LEASE);
    let longest = span(reader, root, "longest").unwrap_or_else(|| DEFAULT_LONGEST.max(lease));
    if let Some(node) = root.get("lease").or_else(|| root.get("longest")).filter(|_| lease > longest) {
        let message = format!("`lease`, what everybody gets who asks for nothing else, is {lease}: longer than the longest, {longest}");
        reader.error("nonsense", node.spot(), message, "Raise `longest`, or lower `lease`.");
    }
    let warn = span(reader, root, "warn").unwrap_or(DEFAULT_WARN);
    let quotas = specs(reader, root, "quotas", "hard");
    let limit_ranges = specs(reader, root, "limit_ranges", "limits");
    let secrets = root.get("secrets").and_then(|node| read_secrets(reader, node));
    let manifests = read_manifests(reader, root);
    let expected = read_expected(reader, root);
    let good = reader.errors() == errors;
    let (name, cluster) = (name?, cluster?);
    let limit = limit.unwrap_or(size.max(1));
    good.then_some(RawPool {
        name,
        cluster,
        app,
        environment,
        size,
        limit,
        lease,
        longest,
        warn,
        each,
        quotas,
        limit_ranges,
        secrets,
        manifests,
        expected,
        operator,
    })
}

fn count(reader: &mut Reader, root: Node<'_, '_>, field: &str, range: std::ops::RangeInclusive<u64>) -> Option<u32> {
    reader.number(root, field, range).and_then(|count| u32::try_from(count).ok())
}

fn span(reader: &mut Reader, root: Node<'_, '_>, field: &str) -> Option<Span> {
    let span = reader.parse::<Span>(root.get(field)?, field, "wrong-type")?;
    if span.value == Span::from_millis(0) {
        reader.error("wrong-type", span.spot, format!("`{field}` is nothing"), "Write a span such as 1h.");
        return None;
    }
    Some(span.value)
}

/// The operator's pool that namespaces are leased from.
fn read_operator(reader: &mut Reader, root: Node<'_, '_>) -> Option<String> {
    let node = root.get("operator")?;
    reader.only(node, &["pool"]);
    let pool = reader.required(node, "pool").and_then(|node| reader.text(node, "pool")).map(str::to_owned);
    for field in OPERATORS_OWN {
        if let Some(node) = root.get(field) {
            let message = format!("`{field}` has no effect beside `operator`: the operator's own pool says that");
            reader.error("nonsense", node.spot(), message, "Remove one of the two.");
        }
    }
    pool
}

/// Specs of Kubernetes objects, each with the one field that makes it one.
fn specs(reader: &mut Reader, root: Node<'_, '_>, field: &str, holds: &str) -> Vec<Value> {
    let items = reader.list(root, field).unwrap_or_default();
    let mut all = Vec::new();
    for item in items {
        if item.get(holds).is_none() {
            let message = format!("an item of `{field}` has no `{holds}`");
            reader.error(
                "missing-field",
                item.spot(),
                message,
                format!("Write it as the `spec` of the Kubernetes object, with `{holds}`."),
            );
            continue;
        }
        all.push(json(reader, item));
    }
    all
}

fn read_secrets(reader: &mut Reader, node: Node<'_, '_>) -> Option<SecretCopies> {
    reader.only(node, &["namespace", "names"]);
    let namespace = reader.name::<NamespaceName>(node, "namespace");
    if let Some(namespace) = &namespace {
        check_dns_label(reader, namespace.value.as_str(), namespace.spot, "namespace");
    }
    let list = reader.required(node, "names");
    let names = reader.texts(node, "names").unwrap_or_default();
    if let Some(list) = list.filter(|list| list.is_sequence() && names.is_empty()) {
        reader.error("nonsense", list.spot(), "`names` is empty: no secret is copied", "Name some, or remove `secrets`.");
    }
    for name in &names {
        check_dns_name(reader, name);
    }
    Some(SecretCopies { namespace: namespace?.value, names: names.into_iter().map(|at| at.value).collect() })
}

fn check_dns_name(reader: &mut Reader, name: &At<String>) {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inner = name.value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    if name.value.len() > 253 || !inner || !edge(name.value.bytes().next()) || !edge(name.value.bytes().last()) {
        let message = format!("`{}` is no name for a secret", name.value.escape_debug());
        reader.error("bad-name", name.spot, message, "Use lower-case letters, digits, dashes and dots.");
    }
}

/// Objects that are made with each namespace. One that names a namespace names the one it is made with.
fn read_manifests(reader: &mut Reader, root: Node<'_, '_>) -> Vec<Value> {
    let items = reader.list(root, "manifests").unwrap_or_default();
    let mut all = Vec::new();
    for item in items {
        let errors = reader.errors();
        for field in ["apiVersion", "kind"] {
            if let Some(node) = reader.required(item, field) {
                reader.text(node, field);
            }
        }
        let metadata = reader.required(item, "metadata");
        let name = metadata.and_then(|node| reader.required(node, "name"));
        if let Some(node) = name {
            reader.text(node, "name");
        }
        if let Some(node) = metadata.and_then(|node| node.get("namespace")) {
            let named = node.scalar().map(|(text, _)| text);
            if named != Some("${NAMESPACE}") {
                let message = "a manifest of a pool goes into the namespace it is made with, and names another one";
                reader.error("nonsense", node.spot(), message, "Write ${NAMESPACE}, or leave the field out.");
            }
        }
        if reader.errors() == errors {
            all.push(json(reader, item));
        }
    }
    all
}

/// Names of objects, or how they begin.
fn read_expected(reader: &mut Reader, root: Node<'_, '_>) -> Vec<String> {
    let mut all = Vec::new();
    for text in reader.texts(root, "expected").unwrap_or_default() {
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':'));
        let sound = text.value.split_once('/').is_some_and(|(kind, name)| {
            let begin = name.strip_suffix('*');
            !kind.is_empty() && plain(kind) && plain(begin.unwrap_or(name)) && (begin.is_some() || !name.is_empty())
        });
        if sound {
            all.push(text.value);
        } else {
            let message = format!("`expected`: `{}` names no objects", text.value.escape_debug());
            reader.error("bad-name", text.spot, message, "Write ConfigMap/istio-ca-root-cert, Deployment.apps/name, or Secret/strimzi-*.");
        }
    }
    all
}

fn json(reader: &mut Reader, node: Node<'_, '_>) -> Value {
    to_json(node, &mut |scalar: Node<'_, '_>| {
        let text = scalar.scalar().map_or("", |(text, _)| text);
        let message = format!("`{}` without quotes means different things to different YAML readers", text.escape_debug());
        let mend = format!("Write \"{text}\" for the text, or the value in a plain form (true, false, a decimal number).");
        reader.warn("ambiguous-scalar", scalar.spot(), message, mend);
    })
}

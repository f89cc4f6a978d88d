//! What is done with pull requests of a source: the `check` of `/towpath/source-1.yml`.

use std::collections::BTreeMap;

use towpath_domain::Span;

use super::Ref;
use super::fields::{At, Reader};
use super::source::{read_command, read_env, relative};
use crate::yaml::Node;

/// A `check` as it is written.
#[derive(Debug, Clone)]
pub(crate) struct RawCheck {
    pub pool: Option<Ref>,
    pub environment: Option<Ref>,
    pub dependencies: Vec<Ref>,
    pub parameters: BTreeMap<String, String>,
    pub tests: Vec<RawCheckTest>,
    pub command: Option<Vec<String>>,
    pub definition: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub reports: Vec<String>,
    pub timeout: Span,
    pub concurrency: u32,
    pub urgent: Vec<String>,
    pub merged: bool,
    pub retries: u32,
    pub forks: Option<RawForks>,
}

/// A test of a check as it is written.
#[derive(Debug, Clone)]
pub(crate) struct RawCheckTest {
    pub name: At<String>,
    pub saas_file: Ref,
    pub resource_template: String,
}

/// How pull requests from forks are checked, as it is written.
#[derive(Debug, Clone)]
pub(crate) struct RawForks {
    pub pool: Option<Ref>,
}

const FIELDS: &[&str] = &[
    "pool",
    "environment",
    "dependencies",
    "parameters",
    "tests",
    "command",
    "definition",
    "env",
    "reports",
    "timeout",
    "concurrency",
    "urgent",
    "merged",
    "retries",
    "forks",
];

/// How long a check may take from the moment it has all that it waits for.
const DEFAULT_TIMEOUT: Span = Span::from_secs(3600);

/// What the label of urgent pull requests is called where nothing is said.
const URGENT: &str = "urgent";

pub(super) fn read(reader: &mut Reader, map: Node<'_, '_>) -> Option<RawCheck> {
    let errors = reader.errors();
    reader.only(map, FIELDS);
    let mut optional = |field| map.get(field).and_then(|node| reader.reference_at(node, field));
    let (pool, environment) = (optional("pool"), optional("environment"));
    let items = reader.list(map, "dependencies").unwrap_or_default();
    let dependencies: Vec<Ref> = items.into_iter().filter_map(|item| reader.reference_at(item, "dependencies")).collect();
    let parameters = reader.labels(map, "parameters");
    let tests = reader.list(map, "tests").unwrap_or_default();
    let tests: Vec<RawCheckTest> = tests.into_iter().filter_map(|item| read_test(reader, item)).collect();
    for (at, test) in tests.iter().enumerate() {
        if tests.iter().take(at).any(|other| other.name.value == test.name.value) {
            let message = format!("two tests are called `{}`", test.name.value);
            reader.error("duplicate-name", test.name.spot, message, "Give each its own name: people ask for them by name.");
        }
    }
    let command = map.get("command").and_then(|node| read_command(reader, node));
    let definition = paths(reader, map, "definition");
    let reports = paths(reader, map, "reports");
    let env = read_env(reader, map);
    let timeout = map.get("timeout").and_then(|node| reader.parse::<Span>(node, "timeout", "wrong-type"));
    if let Some(timeout) = timeout.as_ref().filter(|timeout| timeout.value == Span::from_millis(0)) {
        reader.error("wrong-type", timeout.spot, "`timeout` is nothing: no check would ever end in time", "Write a span such as 1h.");
    }
    let mut count = |field, range, default| reader.number(map, field, range).and_then(|count| u32::try_from(count).ok()).unwrap_or(default);
    let (concurrency, retries) = (count("concurrency", 1..=100, 1), count("retries", 0..=10, 1));
    let urgent = match reader.texts(map, "urgent") {
        Some(labels) => labels.into_iter().map(|at| at.value).collect(),
        None => vec![URGENT.to_owned()],
    };
    let merged = reader.flag(map, "merged").unwrap_or(true);
    let forks = map.get("forks").map(|node| {
        reader.only(node, &["pool"]);
        RawForks { pool: node.get("pool").and_then(|node| reader.reference_at(node, "pool")) }
    });
    sense(reader, map, pool.is_some(), command.is_some());
    let timeout = timeout.map_or(DEFAULT_TIMEOUT, |at| at.value);
    let raw = RawCheck {
        pool,
        environment,
        dependencies,
        parameters,
        tests,
        command,
        definition,
        env,
        reports,
        timeout,
        concurrency,
        urgent,
        merged,
        retries,
        forks,
    };
    (reader.errors() == errors).then_some(raw)
}

/// What goes together, and what does not.
fn sense(reader: &mut Reader, map: Node<'_, '_>, has_pool: bool, has_command: bool) {
    let needs = [("environment", "pool"), ("dependencies", "environment"), ("tests", "environment"), ("parameters", "environment")];
    for (field, other) in needs {
        if let Some(node) = map.get(field).filter(|_| map.get(other).is_none()) {
            let message = format!("`{field}` says what is deployed into a namespace, and `{other}` is missing");
            reader.error("missing-field", node.spot(), message, format!("Add `{other}:`, or remove `{field}`."));
        }
    }
    for field in ["definition", "reports"] {
        if let Some(node) = map.get(field).filter(|_| !has_command) {
            let message = format!("`{field}` has no effect without a `command`");
            reader.error("nonsense", node.spot(), message, format!("Add `command:`, or remove `{field}`."));
        }
    }
    if let Some(forks) = map.get("forks").filter(|forks| has_pool && forks.get("pool").is_none()) {
        // The pool of the others may hold secrets.
        let message = "`forks` names no `pool`, and the check reserves a namespace";
        reader.error("missing-field", forks.spot(), message, "Name a pool that copies no secrets.");
    }
    if !has_pool && !has_command {
        let message = "a `check` has neither a `pool` to deploy into nor a `command`: it would only build the image";
        reader.warn("nothing-tested", map.spot(), message, "Name a pool and an environment, or a command.");
    }
}

fn read_test(reader: &mut Reader, item: Node<'_, '_>) -> Option<RawCheckTest> {
    reader.only(item, &["name", "saas_file", "resource_template"]);
    let saas_file = reader.reference(item, "saas_file");
    let template = reader.required(item, "resource_template").and_then(|node| reader.text(node, "resource_template").map(str::to_owned));
    let name = reader.required(item, "name").and_then(|node| Some(At { value: reader.text(node, "name")?.to_owned(), spot: node.spot() }));
    let name = name?;
    // People write it behind `/test`, and it stands in the names of steps and statuses.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.value.is_empty() || name.value.len() > 40 || !name.value.bytes().all(plain) {
        let message = format!("`{}` is no name for a test", name.value.escape_debug());
        reader.error("bad-name", name.spot, message, "Use up to 40 letters, digits, dashes, underscores and dots.");
        return None;
    }
    Some(RawCheckTest { name, saas_file: saas_file?, resource_template: template? })
}

/// Paths within the checkout; the last part may hold `*`.
fn paths(reader: &mut Reader, map: Node<'_, '_>, field: &str) -> Vec<String> {
    let items = reader.list(map, field).unwrap_or_default();
    items.into_iter().filter_map(|item| relative(reader, item)).collect()
}

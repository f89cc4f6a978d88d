//! The API's description (OpenAPI 3.1), made from the list of operations and the types that they take and answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use schemars::Schema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::operation::Operation;
use super::operations::{PREFIX, operations};
use crate::problem::{MEDIA_TYPE, ProblemDetails};
use crate::rules;

/// Rules that any request may be refused by.
const ANY: &[&str] = &[
    "bad-path",
    "bad-token",
    "busy",
    "foreign-form",
    "foreign-site",
    "ledger",
    "no-role",
    "not-signed-in",
    "timeout",
    "too-many-attempts",
];

const ABOUT: &str = "What Towpath knows and does, for programs. The command line and the pages use nothing else.\n\n\
Refusals are problem details (RFC 9457); each names its rule, which `/problems/{rule}` explains, and how to mend it. \
Lists come in pages: what `next` holds is the next page's `cursor`. \
Reads have an `ETag`; send it as `If-None-Match`. \
Writes take an `Idempotency-Key`: what comes again with the same key does nothing, and is answered as the first time. \
Programs send a token as `Authorization: Bearer TOKEN`; one that goes by a browser's session sends the token of its forms with each write, as `X-Towpath-Csrf`. \
What a caller may not see is left out of every answer, and answered as what is not there.";

const GROUPS: &[(&str, &str)] = &[
    ("look", "Where things are, and why."),
    ("lists", "What there is and what happened, in pages or as it happens."),
    ("writes", "What people ask for: written down at once (202), done by the loop."),
    ("namespaces", "Pools of ephemeral namespaces, and the leases on them."),
    ("checks", "Pull requests of sources, and what is tried by hand."),
    ("tokens", "What programs show instead of signing in."),
    ("administer", "Looking after the installation."),
];

/// The document as text.
pub(crate) fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
        text.push('\n');
        text
    })
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let settings = |serialize: bool| {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        if serialize { settings.for_serialize() } else { settings.for_deserialize() }
    };
    let (mut out, mut taken) = (settings(true).into_generator(), settings(false).into_generator());
    let problem = out.subschema_for::<ProblemDetails>();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for operation in operations() {
        let described = describe(&operation, &mut out, &mut taken, &problem);
        let path = paths.entry(format!("{PREFIX}{}", operation.path)).or_default();
        path.insert(operation.method.as_str().to_lowercase(), described);
    }
    let mut schemas: Map<String, Value> = out.take_definitions(true);
    for (name, schema) in taken.take_definitions(true) {
        schemas.entry(name).or_insert(schema);
    }
    let groups: Vec<Value> = GROUPS.iter().map(|(name, text)| json!({ "name": name, "description": text })).collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": "Towpath", "version": "1", "description": ABOUT, "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" } },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }, { "session": [] }],
        "tags": groups,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A token made with `towpath token create`." },
                "session": { "type": "apiKey", "in": "cookie", "name": "__Host-towpath", "description": "Signed in with a browser." },
            },
        },
    });
    plain(&mut document);
    prune(&mut document);
    document
}

/// Takes away schemas that nothing leads to: those of queries, whose parameters are described one by one.
fn prune(document: &mut Value) {
    let mut needed = BTreeSet::new();
    let mut news = references(&document["paths"]);
    while let Some(name) = news.pop() {
        if needed.insert(name.clone()) {
            news.extend(references(&document["components"]["schemas"][name.as_str()]));
        }
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| needed.contains(name));
    }
}

/// Names of the schemas that this refers to.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix("#/components/schemas/"));
            own.map(str::to_owned).into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn describe(operation: &Operation, out: &mut SchemaGenerator, taken: &mut SchemaGenerator, problem: &Schema) -> Value {
    let mut parameters = path_parameters(operation.path);
    if let Some(query) = operation.query {
        parameters.extend(query_parameters(&resolved(query(taken), taken)));
    }
    parameters.extend(operation.headers.iter().map(|(name, meaning)| {
        let schema = match *name {
            "Last-Event-ID" => json!({ "type": "string", "pattern": "^[0-9]{1,18}$" }),
            _ => json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" }),
        };
        json!({ "name": name, "in": "header", "description": meaning, "schema": schema })
    }));
    let is_read = operation.method == axum::http::Method::GET;
    let mut responses: BTreeMap<String, Value> = BTreeMap::new();
    for answer in &operation.answers {
        let response = responses.entry(answer.status.to_string()).or_insert_with(|| {
            let mut headers = Map::new();
            if is_read && answer.media == "application/json" {
                headers.insert("ETag".into(), json!({ "description": "The answer's tag, for If-None-Match.", "schema": { "type": "string" } }));
            }
            json!({ "description": if answer.status == 202 { "It is written down, and will be done." } else { "The answer." }, "headers": headers, "content": {} })
        });
        response["content"][answer.media] = json!({ "schema": (answer.schema)(out) });
    }
    if is_read && operation.answers.iter().any(|answer| answer.media == "application/json") {
        responses.insert("304".into(), json!({ "description": "The caller has it already." }));
        parameters.push(json!({ "name": "If-None-Match", "in": "header", "description": "Tags of what the caller has.", "schema": { "type": "string" } }));
    }
    for (status, text) in refusals(operation) {
        let content = Map::from_iter([(MEDIA_TYPE.to_owned(), json!({ "schema": problem }))]);
        responses.insert(status.to_string(), json!({ "description": text, "content": content }));
    }
    let needs = serde_json::to_value(operation.needs).unwrap_or_default();
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.group],
        "summary": operation.summary,
        "description": operation.text,
        "x-towpath-needs": needs,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(deprecated) = &operation.deprecated {
        described["deprecated"] = json!(true);
        described["description"] = json!(format!("{} {}", deprecated.text(), operation.text));
    }
    if let Some(body) = operation.body {
        described["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": body(taken) } } });
    }
    described
}

/// The schema itself, where it is only referred to.
fn resolved(schema: Schema, generator: &SchemaGenerator) -> Value {
    let value = schema.to_value();
    let name = value.get("$ref").and_then(Value::as_str).and_then(|at| at.rsplit('/').next());
    name.and_then(|name| generator.definitions().get(name)).cloned().unwrap_or(value)
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let schema = json!({ "type": "string", "minLength": 1, "maxLength": 512 });
            json!({ "name": name, "in": "path", "required": true, "description": named(name), "schema": schema })
        })
        .collect()
}

fn named(parameter: &str) -> &'static str {
    match parameter {
        "sha" => "A commit: its full id, or an unambiguous beginning of at least four digits.",
        "name" => "A name.",
        _ => "An id; where people type it, an unambiguous part of a title will do.",
    }
}

/// A query's parameters, from the schema of what it is read into.
fn query_parameters(schema: &Value) -> Vec<Value> {
    let required: BTreeSet<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object();
    properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            let mut schema = schema.clone();
            let description = schema.as_object_mut().and_then(|schema| schema.remove("description")).unwrap_or_default();
            not_null(&mut schema);
            json!({ "name": name, "in": "query", "required": required.contains(name.as_str()), "description": description, "schema": schema })
        })
        .collect()
}

/// In a query, what is not there is left out: there is no null.
fn not_null(schema: &mut Value) {
    if let Some(kinds) = schema["type"].as_array() {
        let mut kinds: Vec<Value> = kinds.iter().filter(|kind| *kind != "null").cloned().collect();
        schema["type"] = if kinds.len() == 1 { kinds.pop().unwrap_or_default() } else { Value::from(kinds) };
    }
    if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|value| !value.is_null());
    }
    if let Some(ways) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        ways.retain(|way| way["type"] != "null");
        if let [only] = ways.as_slice() {
            *schema = only.clone();
        }
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.retain(|key, value| key != "default" || !value.is_null());
    }
}

/// Each status that it may be refused with, and by which rules.
fn refusals(operation: &Operation) -> BTreeMap<u16, String> {
    let mut by_status: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
    let names = operation.refusals.iter().chain(ANY).copied();
    for rule in names.filter_map(rules::find) {
        by_status.entry(rule.status).or_default().insert(rule.name);
        // A body is misread in several ways, each with a status of its own.
        for status in if rule.name == "bad-body" { &[413, 415, 422][..] } else { &[] } {
            by_status.entry(*status).or_default().insert(rule.name);
        }
    }
    let text = |names: BTreeSet<&str>| {
        let rules: Vec<String> = names.into_iter().map(|name| format!("[{name}](/problems/{name})")).collect();
        format!("Refused by {}.", rules.join(", "))
    };
    by_status.into_iter().map(|(status, names)| (status, text(names))).collect()
}

/// Links of the code's own documentation become plain words.
fn plain(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // No value, and so no default.
            fields.retain(|name, field| !(name == "default" && field == ""));
            for (name, field) in fields.iter_mut() {
                match field {
                    Value::String(text) if name == "description" && text.contains("[`") => *text = without_links(text),
                    other => plain(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

fn without_links(text: &str) -> String {
    let mut rest = text;
    let mut done = String::new();
    while let Some((before, link)) = rest.split_once("[`") {
        done.push_str(before);
        let Some((name, after)) = link.split_once("`]") else {
            done.push_str("[`");
            rest = link;
            continue;
        };
        let name = name.rsplit("::").next().unwrap_or(name);
        done.push_str(&format!("`{name}`"));
        rest = after.strip_prefix('(').and_then(|target| target.split_once(')')).map_or(after, |(_, after)| after);
    }
    done.push_str(rest);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_the_code_become_plain_words() {
        assert_eq!(without_links("as in [`RunView::state`](a::b::c), or [`X`]."), "as in `state`, or `X`.");
        assert_eq!(without_links("a [`broken"), "a [`broken");
    }

    /// The description in the repository is what reviews see of a change of the API. To write it anew: `TOWPATH_BLESS=1 cargo test -p towpath-web openapi`.
    #[test]
    fn the_description_in_the_repository_is_the_one_that_is_served() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        if std::env::var_os("TOWPATH_BLESS").is_some() {
            std::fs::write(&file, text()).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        let differs = text().lines().zip(kept.lines()).position(|(served, kept)| served != kept);
        if let Some(at) = differs {
            let around = |text: &str| text.lines().skip(at.saturating_sub(3)).take(8).collect::<Vec<_>>().join("\n");
            panic!("crates/web/openapi.json differs from line {} on\nkept:\n{}\nserved:\n{}", at + 1, around(&kept), around(text()));
        }
        assert_eq!(text().len(), kept.len(), "crates/web/openapi.json is shorter or longer than what is served");
    }

    #[test]
    fn every_operation_is_described_as_a_whole() {
        let document = document();
        let mut ids = BTreeSet::new();
        for operation in operations() {
            let described = &document["paths"][format!("{PREFIX}{}", operation.path)][operation.method.as_str().to_lowercase()];
            assert!(ids.insert(operation.id), "{} twice", operation.id);
            for field in ["summary", "description"] {
                assert!(described[field].as_str().is_some_and(|text| text.len() > 3), "{}: {field}", operation.id);
            }
            assert!(GROUPS.iter().any(|(name, _)| *name == operation.group), "{}", operation.id);
            for parameter in described["parameters"].as_array().unwrap() {
                assert!(parameter["description"].as_str().is_some_and(|text| text.len() > 3), "{}: {parameter}", operation.id);
            }
            for rule in &operation.refusals {
                assert!(rules::find(rule).is_some(), "{}: {rule}", operation.id);
            }
        }
    }

    #[test]
    fn an_operation_on_its_way_out_is_marked_and_says_what_takes_its_place() {
        let mut made_up = operations().remove(0);
        let describe = |operation: &Operation| {
            let (mut out, mut taken) = (SchemaGenerator::default(), SchemaGenerator::default());
            let problem = out.subschema_for::<ProblemDetails>();
            describe(operation, &mut out, &mut taken, &problem)
        };
        assert_eq!(describe(&made_up).get("deprecated"), None);
        let (since, sunset) = (jiff::civil::date(2027, 1, 15), jiff::civil::date(2027, 8, 1));
        made_up.deprecated = Some(crate::api::Deprecated { since, sunset, instead: "/board" });
        let described = describe(&made_up);
        assert_eq!(described["deprecated"], true);
        let text = described["description"].as_str().unwrap();
        assert!(text.starts_with("Deprecated since 2027-01-15: use `/api/v1/board`. From 2027-08-01 on it may be gone."), "{text}");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let found: BTreeSet<String> = references(&document).into_iter().collect();
        let there: BTreeSet<String> = document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
        assert!(found.len() > 50);
        assert_eq!(found, there);
    }
}

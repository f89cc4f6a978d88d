//! GitHub's published description of its API: what may be asked, and what is answered.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use towpath_forge::fake::{Asked, Told};
use towpath_testbed::npm_package;

/// Which fields must be there, and which may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Whole {
    /// All that are demanded, and others.
    Yes,
    /// Any that are described, and no others: a fake leaves out what nobody reads.
    No,
    /// The same of a part, which the other parts have more to.
    Part,
}

/// What a schema of the description is called where it is read so.
fn called(name: &str, whole: Whole) -> String {
    if whole == Whole::Part { format!("{name}-part") } else { name.to_owned() }
}

/// The description, and the validators of what was looked at so far.
struct Description {
    whole: Value,
    compiled: Mutex<HashMap<(String, Whole), Arc<Validator>>>,
}

/// The description of github.com; none where its package cannot be had.
fn description() -> Option<&'static Description> {
    static READ: OnceLock<Option<Description>> = OnceLock::new();
    let read = || {
        let file = npm_package("@octokit/openapi", "23.0.2")?.join("generated/api.github.com.json");
        let whole = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        Some(Description { whole, compiled: Mutex::default() })
    };
    READ.get_or_init(read).as_ref()
}

/// Whether there is a description to hold anything against.
pub fn is_there() -> bool {
    description().is_some()
}

/// Why GitHub's description does not let a request through.
pub fn refuses(asked: &Asked) -> Option<String> {
    let description = description()?;
    // GraphQL has a description of its own.
    let path = asked.path.strip_prefix(["api".to_owned(), "v3".to_owned()].as_slice())?;
    let Some((pointer, operation)) = description.find(&asked.method, path) else { return Some("there is no such route".to_owned()) };
    let mut parameters: BTreeMap<&str, &Value> = BTreeMap::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = description.followed(parameter);
        if parameter["in"] == "query" {
            parameters.insert(parameter["name"].as_str()?, &parameter["schema"]);
        }
    }
    for (name, text) in &asked.query {
        let Some(schema) = parameters.get(name.as_str()) else { return Some(format!("it takes no parameter {name}")) };
        let value = match schema["type"].as_str() {
            Some("integer" | "boolean") => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.clone())),
            _ => Value::from(text.clone()),
        };
        let key = format!("{pointer} ?{name}");
        if let Some(why) = description.misfit(&value, schema, key, Whole::Yes) {
            return Some(format!("the parameter {name}: {why}"));
        }
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    match (body, &asked.body) {
        (Value::Null, Value::Null) => None,
        (Value::Null, _) => Some("it takes no body".to_owned()),
        (_, Value::Null) if operation["requestBody"]["required"] == true => Some("it takes a body".to_owned()),
        (_, Value::Null) => None,
        (schema, body) => description
            .misfit(body, schema, format!("{pointer} body"), Whole::Yes)
            .or_else(|| description.unknown(body, schema).map(|name| format!("its body has no {name}"))),
    }
}

/// Why an answer is none of those that GitHub's description has.
pub fn misfit(asked: &Asked, told: &Told) -> Option<String> {
    let description = description()?;
    let path = asked.path.strip_prefix(["api".to_owned(), "v3".to_owned()].as_slice())?;
    let (pointer, operation) = description.find(&asked.method, path)?;
    let answer = description.followed(&operation["responses"][told.status.to_string()]);
    let schema = &answer["content"]["application/json"]["schema"];
    match (&told.body, told.status) {
        // These it gives wherever something is not allowed or not there, and says so in its words alone.
        (Some(body), 400..) => body["message"].as_str().is_none().then(|| "a refusal says why".to_owned()),
        (Some(_), _) if schema.is_null() => Some("it gives no such answer".to_owned()),
        (Some(body), status) => description.misfit(body, schema, format!("{pointer} {status}"), Whole::No),
        (None, _) => None,
    }
}

impl Description {
    /// The operation that fits best: with the most words of its own.
    fn find(&self, method: &str, path: &[String]) -> Option<(String, &Value)> {
        let fits = |pattern: &&String| {
            let parts: Vec<&str> = pattern.split('/').skip(1).collect();
            parts.len() == path.len() && parts.iter().zip(path).all(|(part, given)| part.starts_with('{') || part == given)
        };
        let method = method.to_lowercase();
        let paths = self.whole["paths"].as_object()?;
        let pattern =
            paths.keys().filter(fits).filter(|path| paths[*path].get(&method).is_some()).min_by_key(|path| path.matches('{').count())?;
        Some((format!("{method} {pattern}"), &paths[pattern][&method]))
    }

    fn followed<'a>(&'a self, value: &'a Value) -> &'a Value {
        let pointer = value["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
        pointer.and_then(|pointer| self.whole.pointer(pointer)).unwrap_or(value)
    }

    fn misfit(&self, value: &Value, schema: &Value, key: String, whole: Whole) -> Option<String> {
        let mut compiled = self.compiled.lock().unwrap();
        let validator = compiled.entry((key, whole)).or_insert_with(|| Arc::new(self.compile(schema, whole)));
        let validator = Arc::clone(validator);
        drop(compiled);
        validator.iter_errors(value).next().map(|error| format!("{error} (at {:?})", error.instance_path().to_string()))
    }

    /// A schema with all that it refers to, and nothing else of thirteen megabytes.
    fn compile(&self, schema: &Value, whole: Whole) -> Validator {
        let (mut definitions, mut wanted) = (Map::new(), BTreeSet::new());
        let mut root = plain(schema, whole, &mut wanted);
        while let Some((name, whole)) = wanted.pop_first() {
            let called = called(&name, whole);
            if !definitions.contains_key(&called) {
                let definition = plain(&self.whole["components"]["schemas"][&name], whole, &mut wanted);
                definitions.insert(called, definition);
            }
        }
        root["$defs"] = definitions.into();
        jsonschema::draft202012::new(&root).unwrap()
    }

    /// A field of a body that its description does not have: GitHub takes no notice of it, so it would be a mistake.
    fn unknown(&self, body: &Value, schema: &Value) -> Option<String> {
        let schema = self.followed(schema);
        let mut known: Vec<&Map<String, Value>> = schema["properties"].as_object().into_iter().collect();
        for choice in ["oneOf", "anyOf", "allOf"].iter().filter_map(|word| schema[*word].as_array()).flatten() {
            known.extend(self.followed(choice)["properties"].as_object());
        }
        let names = body.as_object()?.keys();
        names.filter(|name| !known.iter().any(|known| known.contains_key(*name))).map(String::to_owned).next()
    }
}

/// A schema of OpenAPI 3.0 in the words of JSON Schema; the names of those that it refers to are `wanted`.
fn plain(schema: &Value, whole: Whole, wanted: &mut BTreeSet<(String, Whole)>) -> Value {
    let Some(fields) = schema.as_object() else { return schema.clone() };
    if let Some(name) = fields.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix("#/components/schemas/")) {
        wanted.insert((name.to_owned(), whole));
        return json!({"$ref": format!("#/$defs/{}", called(name, whole))});
    }
    let mut made = Map::new();
    for (word, value) in fields {
        // What is within a part is no part itself.
        let within = if whole == Whole::Part { Whole::No } else { whole };
        let mut each = |value: &Value| plain(value, within, wanted);
        match (word.as_str(), value) {
            ("required", _) if whole != Whole::Yes => {}
            ("type" | "enum" | "required" | "minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems" | "pattern", _) => {
                made.insert(word.clone(), value.clone());
            }
            ("properties", Value::Object(all)) => {
                let all: Map<String, Value> = all.iter().map(|(name, value)| (name.clone(), each(value))).collect();
                made.insert(word.clone(), all.into());
            }
            ("items" | "additionalProperties" | "not", _) => {
                made.insert(word.clone(), each(value));
            }
            ("allOf", Value::Array(all)) => {
                let part = if whole == Whole::Yes { Whole::Yes } else { Whole::Part };
                made.insert(word.clone(), all.iter().map(|value| plain(value, part, wanted)).collect());
            }
            ("anyOf" | "oneOf", Value::Array(all)) => {
                // Without what they demand, a value may be of several kinds.
                let word = if whole == Whole::Yes { word } else { "anyOf" };
                made.insert(word.to_owned(), all.iter().map(|value| plain(value, whole, wanted)).collect());
            }
            _ => {}
        }
    }
    // An answer has no field that is not described.
    let described = made.contains_key("allOf") || (made.contains_key("properties") && !made.contains_key("anyOf"));
    if whole == Whole::No && described && !made.contains_key("additionalProperties") {
        made.insert("unevaluatedProperties".to_owned(), false.into());
    }
    if fields.get("nullable") == Some(&true.into()) { json!({"anyOf": [made, {"type": "null"}]}) } else { made.into() }
}

#[test]
fn what_the_description_does_not_have_is_refused() {
    if !is_there() {
        return;
    }
    let asked = |method: &str, path: &str, query: &[(&str, &str)], body: Value| Asked {
        method: method.to_owned(),
        path: format!("api/v3/{path}").split('/').map(str::to_owned).collect(),
        query: query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        token: None,
        body,
    };
    let pulls = "repos/org/config/pulls";
    let good = json!({"title": "x", "head": "towpath/web-1", "base": "main", "body": "y"});
    assert_eq!(refuses(&asked("POST", pulls, &[], good)), None);
    assert_eq!(refuses(&asked("GET", pulls, &[("state", "all"), ("per_page", "100")], Value::Null)), None);
    for (method, path, query, body, word) in [
        ("POST", "repos/org/config/pools", vec![], json!({}), "route"),
        ("GET", pulls, vec![("state", "merged")], Value::Null, "state"),
        ("GET", pulls, vec![("per_page", "many")], Value::Null, "per_page"),
        ("GET", pulls, vec![("branch", "x")], Value::Null, "no parameter branch"),
        ("POST", pulls, vec![], json!({"head": "x"}), "required"),
        ("POST", pulls, vec![], json!({"head": "x", "base": 1}), "string"),
        ("POST", pulls, vec![], json!({"head": "x", "base": "main", "titel": "x"}), "titel"),
        ("POST", "repos/org/config/statuses/abc", vec![], json!({"state": "well"}), "well"),
        ("POST", "repos/org/config/check-runs", vec![], json!({"name": "x", "head_sha": "y", "output": {"title": "z"}}), "summary"),
    ] {
        let why = refuses(&asked(method, path, &query, body.clone()));
        assert!(why.as_ref().is_some_and(|why| why.contains(word)), "{method} {path} {body}: {why:?}");
    }
    let told = |body: Value| Told { status: 200, body: Some(body) };
    let one = asked("GET", "repos/org/config/pulls/1", &[], Value::Null);
    assert_eq!(misfit(&one, &told(json!({"number": 1, "state": "open", "body": null}))), None);
    for bad in [json!({"number": "1"}), json!({"state": "merged"}), json!({"iid": 1}), json!({"user": {"username": "x"}}), json!([])] {
        assert!(misfit(&one, &told(bad.clone())).is_some(), "{bad}");
    }
}

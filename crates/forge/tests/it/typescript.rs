//! As much of TypeScript's type definitions as descriptions of APIs are written in: what fields an object has, and of which types.

use std::collections::BTreeMap;

use serde_json::Value;

/// The types of one file of definitions.
#[derive(Debug, Default)]
pub struct Types {
    objects: BTreeMap<String, Object>,
    aliases: BTreeMap<String, String>,
}

#[derive(Debug, Default, Clone)]
struct Object {
    of: Vec<String>,
    fields: BTreeMap<String, Field>,
}

#[derive(Debug, Clone)]
struct Field {
    optional: bool,
    kind: String,
}

/// Whether a value must have all that its type demands: requests must, a fake's answers may leave out what nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    Yes,
    No,
}

impl Types {
    /// Reads definitions as code generators print them: one field a line.
    pub fn read(text: &str) -> Self {
        let mut types = Self::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let name = |rest: &str| rest.split([' ', '<', '=']).next().unwrap_or_default().to_owned();
            let line = line.strip_prefix("export ").unwrap_or(line);
            if let Some(rest) = line.strip_prefix("interface ") {
                let of = rest.split_once(" extends ").map(|(_, of)| of.trim_end_matches(" {")).unwrap_or_default();
                let of = if of.is_empty() || of.starts_with("Record<") { vec![] } else { vec![of.to_owned()] };
                types.objects.insert(name(rest), Object { of, fields: fields(&mut lines) });
            } else if let Some(rest) = line.strip_prefix("type ") {
                if rest.ends_with("= {") {
                    types.objects.insert(name(rest), Object { of: vec![], fields: fields(&mut lines) });
                } else if let Some((_, kind)) = rest.split_once(" = ") {
                    types.aliases.insert(name(rest), kind.trim_end_matches(';').to_owned());
                }
            }
        }
        types
    }

    /// Why a value is not of a type.
    pub fn misfit(&self, value: &Value, kind: &str, whole: Whole) -> Option<String> {
        let kind = kind.trim();
        let choices = split(kind, '|');
        if choices.len() > 1 {
            let misfits: Vec<String> = choices.iter().map(|kind| self.misfit(value, kind, whole)).collect::<Option<_>>()?;
            return Some(misfits.join("; and "));
        }
        let not = || Some(format!("{value} is not of type {kind}"));
        if let Some(inner) = kind.strip_suffix("[]") {
            let Some(items) = value.as_array() else { return not() };
            return items.iter().find_map(|item| self.misfit(item, inner, whole));
        }
        let right = match kind {
            "string" | "Date" => value.is_string(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" | "undefined" => value.is_null(),
            "any" | "unknown" | "{" | "object" => true,
            literal if literal.starts_with('\'') => value.as_str() == Some(literal.trim_matches('\'')),
            _ if kind.starts_with("Record<") => value.is_object(),
            _ => {
                // What is left out of another type: `MappedOmit<SimpleUserSchema, 'created_at'>`.
                let name = kind.split_once('<').map_or(kind, |(_, inner)| inner.split([',', '>']).next().unwrap_or(inner));
                if let Some(alias) = self.aliases.get(name) {
                    return self.misfit(value, alias, whole);
                }
                return self.misfit_of_object(value, name, whole);
            }
        };
        if right { None } else { not() }
    }

    fn misfit_of_object(&self, value: &Value, name: &str, whole: Whole) -> Option<String> {
        let all = self.all_fields(name);
        assert!(!all.is_empty(), "there is no type {name} in the description");
        let Some(object) = value.as_object() else { return Some(format!("{value} is no {name}")) };
        for (field, value) in object {
            let Some(described) = all.get(field) else { return Some(format!("{name} has no field {field}")) };
            if value.is_null() && (described.optional || whole == Whole::No) {
                continue;
            }
            if let Some(misfit) = self.misfit(value, &described.kind, whole) {
                return Some(format!("{name}.{field}: {misfit}"));
            }
        }
        let missing = all.iter().find(|(field, described)| !described.optional && !object.contains_key(*field));
        missing.filter(|_| whole == Whole::Yes).map(|(field, _)| format!("{name} lacks the field {field}"))
    }

    fn all_fields(&self, name: &str) -> BTreeMap<String, Field> {
        let Some(object) = self.objects.get(name) else { return BTreeMap::new() };
        let mut all: BTreeMap<String, Field> = object.of.iter().flat_map(|of| self.all_fields(of)).collect();
        all.extend(object.fields.clone());
        all
    }

    /// The names of a type's fields in the way of paths and bodies: `sourceBranch` is `source_branch`.
    pub fn names(&self, name: &str) -> Vec<String> {
        let all = self.all_fields(name);
        assert!(!all.is_empty(), "there is no type {name} in the description");
        all.keys().map(|field| snake(field)).collect()
    }
}

/// The fields up to the closing brace. What is nested in braces is taken for anything.
fn fields<'a>(lines: &mut impl Iterator<Item = &'a str>) -> BTreeMap<String, Field> {
    let mut fields = BTreeMap::new();
    let mut depth = 0;
    for line in lines {
        let text = line.trim();
        if text.starts_with('}') {
            if depth == 0 {
                break;
            }
            depth -= 1;
            continue;
        }
        if depth == 0
            && !text.starts_with(['/', '*'])
            && let Some((name, kind)) = text.split_once(": ")
        {
            let (name, optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
            let kind = kind.trim_end_matches(';').to_owned();
            fields.insert(name.trim_matches(['\'', '"']).to_owned(), Field { optional, kind });
        }
        if text.ends_with('{') {
            depth += 1;
        }
    }
    fields
}

/// The parts between `by`, but not within brackets or quotes.
fn split(text: &str, by: char) -> Vec<&str> {
    let (mut parts, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '{' => depth += 1,
            '>' | ')' | '}' => depth -= 1,
            _ if c == by && depth == 0 => {
                parts.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[begin..].trim());
    parts
}

pub fn snake(text: &str) -> String {
    text.chars().flat_map(|c| c.is_ascii_uppercase().then_some('_').into_iter().chain(c.to_lowercase())).collect()
}

#[test]
fn a_value_fits_its_type_or_it_is_said_why_not() {
    let text = "interface A extends B {\n    /** x */\n    name: string;\n    kind?: 'a' | 'b';\n    list: C[];\n    when: Omit<C, 'x'> | null;\n}\ninterface B extends Record<string, unknown> {\n    id: number;\n}\ntype C = string;\n";
    let types = Types::read(text);
    let fits = |value: Value, whole| types.misfit(&value, "A", whole);
    let good = serde_json::json!({"id": 1, "name": "x", "kind": "b", "list": ["y"], "when": null});
    assert_eq!(fits(good.clone(), Whole::Yes), None);
    for (field, bad) in
        [("id", "1".into()), ("kind", "c".into()), ("list", serde_json::json!([1])), ("other", 1.into()), ("when", 1.into())]
    {
        let mut value = good.clone();
        value[field] = bad;
        assert!(fits(value, Whole::No).is_some(), "{field}");
    }
    assert!(fits(serde_json::json!({"id": 1}), Whole::Yes).is_some() && fits(serde_json::json!({"id": 1}), Whole::No).is_none());
}

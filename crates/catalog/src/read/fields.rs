//! Typed fields out of nodes, with a diagnostic where a field is not what it should be.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use towpath_domain::{NameError, RepoUrl};

use super::{Param, Ref, Secret};
use crate::diagnostic::{Diagnostic, Severity, clip};
use crate::suggest;
use crate::yaml::{self, Node, Problem, Spot, Style, read_plain, to_json};

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub value: T,
    pub spot: Spot,
}

/// Reads the fields of one file and collects what is wrong.
pub(crate) struct Reader {
    file: Arc<str>,
    diagnostics: Vec<Diagnostic>,
    errors: usize,
}

impl Reader {
    pub fn new(file: &Arc<str>) -> Self {
        Self { file: Arc::clone(file), diagnostics: Vec::new(), errors: 0 }
    }

    /// The file that is read.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// What was found.
    pub fn finish(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    /// How many errors there are up to now: compared before and after reading a part, tells whether the part is good.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// The first error from number `from` on, for people.
    pub fn error_after(&self, from: usize) -> Option<&str> {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Error).nth(from).map(|found| found.message.as_str())
    }

    pub fn error(&mut self, rule: &'static str, spot: Spot, message: impl Into<String>, mend: impl Into<String>) {
        self.errors += 1;
        self.push(rule, Severity::Error, spot, message.into(), mend.into());
    }

    pub fn warn(&mut self, rule: &'static str, spot: Spot, message: impl Into<String>, mend: impl Into<String>) {
        self.push(rule, Severity::Warning, spot, message.into(), mend.into());
    }

    pub fn problem(&mut self, problem: Problem) {
        self.errors += 1;
        self.push(problem.rule, Severity::Error, problem.spot, problem.message, problem.mend);
        if let (Some((spot, remark)), Some(last)) = (problem.related, self.diagnostics.last_mut()) {
            last.related.push((spot.place(&self.file), remark));
        }
    }

    fn push(&mut self, rule: &'static str, severity: Severity, spot: Spot, message: String, mend: String) {
        let (message, mend) = (clip(message), clip(mend));
        self.diagnostics.push(Diagnostic { rule, severity, place: spot.place(&self.file), message, mend, related: Vec::new() });
    }

    /// `node` is not what `field` should be.
    pub fn wrong_type(&mut self, node: Node<'_, '_>, field: &str, wanted: &str) {
        self.error(
            "wrong-type",
            node.spot(),
            format!("`{field}` is {}, it should be {wanted}", node.describe()),
            format!("Write {wanted}."),
        );
    }

    /// The value of a field that must be there.
    pub fn required<'a, 't>(&mut self, map: Node<'a, 't>, field: &str) -> Option<Node<'a, 't>> {
        let found = map.get(field);
        if found.is_none() {
            let spot = map.entries().find(|entry| entry.key == field).map_or_else(|| head(map), |entry| entry.key_spot);
            self.error("missing-field", spot, format!("`{field}` is missing"), format!("Add `{field}:`."));
        }
        found
    }

    /// A scalar's text, whatever its type would be.
    pub fn text<'a>(&mut self, node: Node<'a, '_>, field: &str) -> Option<&'a str> {
        match node.scalar() {
            Some((text, _)) if !node.is_null() => Some(text),
            _ => {
                self.wrong_type(node, field, "a text");
                None
            }
        }
    }

    /// An optional text.
    pub fn text_of<'a>(&mut self, map: Node<'a, '_>, field: &str) -> Option<&'a str> {
        let node = map.get(field)?;
        self.text(node, field)
    }

    /// A required text, parsed; errors of parsing are told under `rule`.
    pub fn parse<T>(&mut self, node: Node<'_, '_>, field: &str, rule: &'static str) -> Option<At<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(node, field)?;
        match text.parse() {
            Ok(value) => Some(At { value, spot: node.spot() }),
            Err(error) => {
                self.error(rule, node.spot(), format!("`{field}`: {error}"), "Mend the value.");
                None
            }
        }
    }

    /// A required name.
    pub fn name<T: FromStr<Err = NameError>>(&mut self, map: Node<'_, '_>, field: &str) -> Option<At<T>> {
        let node = self.required(map, field)?;
        self.parse(node, field, "bad-name")
    }

    /// A repository URL.
    pub fn url(&mut self, node: Node<'_, '_>, field: &str) -> Option<At<RepoUrl>> {
        let text = self.text(node, field)?;
        match RepoUrl::new(text) {
            Ok(value) => Some(At { value, spot: node.spot() }),
            // What is wrong is said without the URL: it may hold a token.
            Err(_) => {
                let message = format!("`{field}` is empty, begins with a dash or holds a control character");
                self.error("bad-url", node.spot(), message, "Write the URL that Git clones from.");
                None
            }
        }
    }

    /// An optional yes or no.
    pub fn flag(&mut self, map: Node<'_, '_>, field: &str) -> Option<bool> {
        let node = map.get(field)?;
        if let Some((text, Style::Plain)) = node.scalar()
            && let Some(value) = read_plain(text).value.as_bool()
        {
            return Some(value);
        }
        self.wrong_type(node, field, "true or false");
        None
    }

    /// An optional whole number within `range`.
    pub fn number(&mut self, map: Node<'_, '_>, field: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let node = map.get(field)?;
        let value = match node.scalar() {
            Some((text, Style::Plain)) => read_plain(text).value.as_u64(),
            _ => None,
        };
        match value {
            Some(value) if range.contains(&value) => Some(value),
            _ => {
                let wanted = format!("a whole number from {} to {}", range.start(), range.end());
                self.error("wrong-type", node.spot(), format!("`{field}` is not {wanted}"), format!("Write {wanted}."));
                None
            }
        }
    }

    /// The items of an optional list; `None` when it is absent or no list.
    pub fn list<'a, 't>(&mut self, map: Node<'a, 't>, field: &str) -> Option<Vec<Node<'a, 't>>> {
        let node = map.get(field)?;
        if !node.is_sequence() {
            self.wrong_type(node, field, "a list");
            return None;
        }
        Some(node.items().collect())
    }

    /// An optional list of texts.
    pub fn texts(&mut self, map: Node<'_, '_>, field: &str) -> Option<Vec<At<String>>> {
        let items = self.list(map, field)?;
        Some(items.into_iter().filter_map(|item| Some(At { value: self.text(item, field)?.to_owned(), spot: item.spot() })).collect())
    }

    /// An optional list of names.
    pub fn names<T: FromStr<Err = NameError>>(&mut self, map: Node<'_, '_>, field: &str) -> Option<Vec<At<T>>> {
        let items = self.list(map, field)?;
        Some(items.into_iter().filter_map(|item| self.parse(item, field, "bad-name")).collect())
    }

    /// An optional mapping of texts to texts.
    pub fn labels(&mut self, map: Node<'_, '_>, field: &str) -> BTreeMap<String, String> {
        let Some(node) = map.get(field) else { return BTreeMap::new() };
        if !node.is_mapping() {
            self.wrong_type(node, field, "a mapping");
            return BTreeMap::new();
        }
        node.entries()
            .filter_map(|entry| match entry.value.scalar() {
                Some((text, _)) => Some((entry.key.to_owned(), if entry.value.is_null() { String::new() } else { text.to_owned() })),
                None => {
                    self.wrong_type(entry.value, entry.key, "a text");
                    None
                }
            })
            .collect()
    }

    /// A required reference.
    pub fn reference(&mut self, map: Node<'_, '_>, field: &str) -> Option<Ref> {
        let node = self.required(map, field)?;
        self.reference_at(node, field)
    }

    /// A reference: a mapping with `$ref`.
    pub fn reference_at(&mut self, node: Node<'_, '_>, field: &str) -> Option<Ref> {
        let Some(target) = node.get("$ref") else {
            self.error(
                "bad-ref",
                node.spot(),
                format!("`{field}` is {}, not a reference", node.describe()),
                "Write `$ref: /path/of/the/file.yml` below it.",
            );
            return None;
        };
        let path = self.text(target, "$ref")?;
        let sound = path.starts_with('/') && !path.split('/').any(|part| matches!(part, "." | "..")) && !path.chars().any(char::is_control);
        if !sound {
            let message = format!("the reference `{}` is no path below data/", path.escape_debug());
            self.error("bad-ref", target.spot(), message, "Begin it with `/`, and go without `.` and `..`.");
            return None;
        }
        Some(Ref { path: path.into(), spot: target.spot() })
    }

    /// An optional mapping of parameters. `None` when it is absent. app-interface restricts the names of targets' only.
    pub fn parameters(&mut self, map: Node<'_, '_>, restrict: bool) -> Option<Vec<Param>> {
        let node = map.get("parameters")?;
        if !node.is_mapping() {
            self.wrong_type(node, "parameters", "a mapping");
            return None;
        }
        let mut all = Vec::new();
        for entry in node.entries() {
            if restrict && !is_parameter_name(entry.key) {
                let message = format!("`{}` is no name for a parameter", entry.key.escape_debug());
                self.error("bad-name", entry.key_spot, message, "Use letters, digits and underscores, beginning with a letter.");
                continue;
            }
            let value = to_json(entry.value, &mut |scalar: yaml::Node<'_, '_>| {
                let text = scalar.scalar().map_or("", |(text, _)| text);
                let message = format!("`{}` without quotes means different things to different YAML readers", text.escape_debug());
                let mend = format!("Write \"{text}\" for the text, or the value in a plain form (true, false, a decimal number).");
                self.warn("ambiguous-scalar", scalar.spot(), message, mend);
            });
            all.push(Param { name: entry.key.into(), value, spot: entry.value.spot() });
        }
        Some(all)
    }

    /// An optional list of secret parameters. `None` when it is absent.
    pub fn secrets(&mut self, map: Node<'_, '_>) -> Option<Vec<Secret>> {
        let items = self.list(map, "secretParameters")?;
        Some(items.into_iter().filter_map(|item| self.secret(item)).collect())
    }

    fn secret(&mut self, item: Node<'_, '_>) -> Option<Secret> {
        let name_node = self.required(item, "name")?;
        let name = self.text(name_node, "name")?;
        if !is_parameter_name(name) {
            let message = format!("`{}` is no name for a parameter", name.escape_debug());
            self.error("bad-name", name_node.spot(), message, "Use letters, digits and underscores, beginning with a letter.");
            return None;
        }
        let secret = self.required(item, "secret")?;
        let (path, field) = (self.required(secret, "path"), self.required(secret, "field"));
        let path_node = path?;
        let path = self.text(path_node, "path")?.to_owned();
        let field = self.text(field?, "field")?.to_owned();
        let version = self.number(secret, "version", 0..=u64::MAX);
        let format = self.text_of(secret, "format").map(str::to_owned);
        if let (Some(text), Some(node)) = (format.as_deref(), secret.get("format"))
            && !matches!(text, "plain" | "base64")
        {
            self.error("wrong-type", node.spot(), "`format` is neither `plain` nor `base64`", "Write one of the two.");
        }
        Some(Secret { name: name.into(), path, field, version, format, spot: path_node.spot() })
    }

    /// In types of Towpath's own, a field that is not known is a slip of the pen.
    pub fn only(&mut self, map: Node<'_, '_>, known: &[&'static str]) {
        if !map.is_mapping() {
            let message = format!("here is {}, it should be a mapping", map.describe());
            self.error("wrong-type", map.spot(), message, format!("Write some of {}.", known.join(", ")));
            return;
        }
        for entry in map.entries() {
            if !known.contains(&entry.key) {
                let mend = suggest::mend(entry.key, known.iter().copied(), &format!("Known here: {}.", known.join(", ")));
                self.error("unknown-field", entry.key_spot, format!("there is no field `{}` here", entry.key.escape_debug()), mend);
            }
        }
    }
}

/// Where a mapping begins: its first key, and not the whole of it.
fn head(map: Node<'_, '_>) -> Spot {
    map.entries().next().map_or_else(|| map.spot(), |entry| entry.key_spot)
}

/// app-interface's rule for names of parameters.
fn is_parameter_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

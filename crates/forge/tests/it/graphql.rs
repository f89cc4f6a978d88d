//! GitHub's published schema of GraphQL, as far as queries are held against it: which fields there are, what they take, and of which types they
//! are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use towpath_forge::fake::Rules;
use towpath_forge::{MergeOutcome, Number};
use towpath_testbed::npm_package;

use crate::stage::{GitHub, Stage};
use crate::support::{id, open, order, proposal};

/// A field, or one of an input: its type, whether it must be given, and what it takes.
#[derive(Debug, Clone, Default)]
struct Field {
    kind: String,
    needed: bool,
    takes: BTreeMap<String, Field>,
}

/// The types of a schema by name: fields of objects and inputs, values of enums.
struct Schema(BTreeMap<String, BTreeMap<String, Field>>);

/// `[PullRequestTimelineItem]!` is of the type `PullRequestTimelineItem`.
fn bare(kind: &str) -> String {
    kind.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn tokens(text: &str) -> Vec<String> {
    let (mut found, mut word) = (Vec::new(), String::new());
    for c in text.replace("...", " \u{2026} ").chars() {
        if c.is_ascii_alphanumeric() || c == '_' || c == '$' || c == '\u{2026}' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            found.push(std::mem::take(&mut word));
        }
        if !c.is_whitespace() && c != ',' {
            found.push(c.to_string());
        }
    }
    found
}

impl Schema {
    /// Reads what is published: one field, argument or value a line, descriptions in lines of their own.
    fn read(text: &str) -> Self {
        let (mut types, mut current, mut field, mut quoted) = (BTreeMap::new(), String::new(), String::new(), false);
        for line in text.lines() {
            let line_text = line.trim();
            if line_text.matches("\"\"\"").count() % 2 == 1 {
                quoted = !quoted;
                continue;
            }
            if quoted || line_text.is_empty() || line_text.starts_with(['"', '#', '@']) {
                continue;
            }
            let words: Vec<&str> = line_text.split_whitespace().collect();
            let indent = line.len() - line.trim_start().len();
            if let (0, ["type" | "input" | "enum" | "interface", name, ..]) = (indent, words.as_slice()) {
                (*name).clone_into(&mut current);
                types.insert(current.clone(), BTreeMap::new());
                continue;
            }
            let Some(fields) = types.get_mut(&current) else { continue };
            // A default, and why it is no longer to be used, are none of the type.
            let plain = line_text.split(" = ").next().unwrap().split(" @").next().unwrap();
            let (name, kind) = plain.split_once(": ").unwrap_or((plain, ""));
            let made = |needed| Field { kind: bare(kind), needed, takes: BTreeMap::new() };
            let needed = kind.ends_with('!') && !line_text.contains(" = ");
            match (indent, name) {
                (2, _) if name.starts_with(')') => {
                    let of: &mut Field = fields.get_mut(&field).unwrap();
                    of.kind = bare(kind);
                }
                (2, _) => {
                    name.trim_end_matches('(').clone_into(&mut field);
                    fields.insert(field.clone(), made(needed));
                }
                (4, _) => {
                    fields.get_mut(&field).unwrap().takes.insert(name.to_owned(), made(needed));
                }
                _ => {}
            }
        }
        Self(types)
    }

    /// Why a request cannot be one of this schema's.
    fn misfit(&self, query: &str, variables: &Value) -> Option<String> {
        let all = tokens(query);
        let body = all.iter().position(|token| token == "{")?;
        let root = if all[0] == "mutation" { "Mutation" } else { "Query" };
        // `$name: Type!`, each, in the head.
        for (at, name) in all[..body].iter().enumerate().filter(|(_, token)| token.starts_with('$')) {
            let (kind, needed) = (&all[at + 2], all[at + 3] == "!");
            let value = &variables[&name[1..]];
            if needed && value.is_null() {
                return Some(format!("{name} is not given"));
            }
            if let Some(input) = self.0.get(kind) {
                for given in value.as_object()?.keys() {
                    if !input.contains_key(given) {
                        return Some(format!("{kind} has no {given}"));
                    }
                }
                if let Some((lacks, _)) = input.iter().find(|(name, field)| field.needed && value.get(*name).is_none()) {
                    return Some(format!("{kind} lacks {lacks}"));
                }
            }
        }
        let mut at = body + 1;
        self.selection(&all, &mut at, root)
    }

    /// Reads what is selected of a type, up to its closing brace.
    fn selection(&self, all: &[String], at: &mut usize, kind: &str) -> Option<String> {
        while all[*at] != "}" {
            let name = all[*at].clone();
            *at += 1;
            let of = if name == "\u{2026}" {
                // `on Type`.
                *at += 2;
                all[*at - 1].clone()
            } else if name == "__typename" {
                continue;
            } else {
                let Some(field) = self.0.get(kind).and_then(|fields| fields.get(&name)) else {
                    return Some(format!("{kind} has no field {name}"));
                };
                if all[*at] == "(" {
                    let mut given = BTreeSet::new();
                    while all[*at] != ")" {
                        match (all[*at].as_str(), all[*at + 1].as_str()) {
                            (argument, ":") => match field.takes.get(argument) {
                                Some(_) => drop(given.insert(argument.to_owned())),
                                None => return Some(format!("{name} takes no {argument}")),
                            },
                            // A value of an enum.
                            (value, _) if value.chars().all(|c| c.is_ascii_uppercase() || c == '_') => {
                                let last = &field.takes[given.last()?].kind;
                                let any =
                                    field.takes.values().any(|takes| self.0.get(&takes.kind).is_some_and(|all| all.contains_key(value)));
                                if !any {
                                    return Some(format!("{last} has no {value}"));
                                }
                            }
                            _ => {}
                        }
                        *at += 1;
                    }
                    *at += 1;
                    if let Some((lacks, _)) = field.takes.iter().find(|(name, takes)| takes.needed && !given.contains(*name)) {
                        return Some(format!("{name} needs {lacks}"));
                    }
                }
                field.kind.clone()
            };
            if all[*at] == "{" {
                *at += 1;
                if let Some(why) = self.selection(all, at, &of) {
                    return Some(why);
                }
            } else if self.0.get(&of).is_some_and(|fields| fields.values().any(|field| !field.kind.is_empty())) {
                return Some(format!("nothing is selected of {name}, which is of type {of}"));
            }
        }
        *at += 1;
        None
    }
}

fn schema() -> Option<Schema> {
    let file = npm_package("@octokit/graphql-schema", "15.26.1")?.join("schema.graphql");
    Some(Schema::read(&std::fs::read_to_string(file).unwrap()))
}

#[tokio::test]
async fn what_is_asked_by_graphql_is_in_githubs_schema() {
    let Some(schema) = schema() else { return };
    let stage = GitHub::start().await;
    let base = stage.lab().people_push("main", "ref", "1\n");
    // A queue of branch protection, which GraphQL alone shows.
    stage.0.fake.world().github.protection = Some(serde_json::json!({}));
    stage.rule(Rules { queue: true, no_push: true, ..Rules::default() });
    let forge = stage.forge("m").await;
    let head = open(&*forge, &proposal("web-1", base, "ref", "2\n")).await;
    let checked = order(&*forge, "web-1", head).await;
    assert!(matches!(forge.merge(&checked).await.unwrap(), MergeOutcome::Waits { .. }));
    forge.close(&id("web-1"), head, "x").await.map(drop).unwrap();
    assert!(forge.pull(Number(1)).await.unwrap().is_some());
    stage.rule(Rules { no_push: true, up_to_date: true, required_statuses: vec!["towpath/plan".to_owned()], ..Rules::default() });
    stage.0.fake.world().github.protection = None;
    let forge = stage.forge("m2").await;
    let head = open(&*forge, &proposal("web-2", base, "ref", "3\n")).await;
    let checked = order(&*forge, "web-2", head).await;
    assert!(matches!(forge.merge(&checked).await.unwrap(), MergeOutcome::Waits { .. }));

    let mut seen = BTreeSet::new();
    for (asked, _) in stage.0.fake.take_asked().iter().filter(|(asked, _)| asked.path.last().is_some_and(|last| last == "graphql")) {
        let query = asked.text("query").unwrap();
        assert_eq!(schema.misfit(query, &asked.body["variables"]), None, "{query}");
        seen.insert(query.to_owned());
    }
    assert_eq!(seen.len(), 4, "{seen:#?}");
}

#[test]
fn what_the_schema_does_not_have_is_found() {
    let Some(schema) = schema() else { return };
    let variables = serde_json::json!({"input": {"pullRequestId": "x"}, "n": "y"});
    let head = "query($n: String!) { repository(owner: $n, name: $n) ";
    assert_eq!(schema.misfit(&format!("{head} {{ id mergeQueue(branch: $n) {{ id }} }} }}"), &variables), None);
    for (query, word) in [
        (format!("{head} {{ queue {{ id }} }} }}"), "no field queue"),
        (format!("{head} {{ mergeQueue(of: $n) {{ id }} }} }}"), "takes no of"),
        (format!("{head} {{ mergeQueue(branch: $n) }} }}"), "nothing is selected"),
        ("query($n: String!) { repository(owner: $n) { id } }".to_owned(), "needs name"),
        ("query($m: String!) { repository(owner: $m, name: $m) { id } }".to_owned(), "not given"),
        (format!("{head} {{ pullRequest(number: 1) {{ timelineItems(itemTypes: [NEVER]) {{ nodes {{ __typename }} }} }} }} }}"), "NEVER"),
        ("mutation($input: EnqueueInput!) { enqueue(input: $input) { id } }".to_owned(), "no field enqueue"),
        (
            "mutation($input: DequeuePullRequestInput!) { dequeuePullRequest(input: $input) { mergeQueueEntry { id } } }".to_owned(),
            "DequeuePullRequestInput",
        ),
    ] {
        let why = schema.misfit(&query, &variables);
        assert!(why.as_ref().is_some_and(|why| why.contains(word)), "{query}: {why:?}");
    }
}

//! The keys that `towpath.toml` may hold, and what to say of others.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// What may stand at a key.
pub enum Shape {
    /// A table with these keys.
    Table(&'static [(&'static str, Shape)]),
    /// A table whose keys are names, each with this.
    Each(&'static Shape),
    /// Tables with this, one after another.
    List(&'static Shape),
    /// A value; its type is checked elsewhere.
    Value,
}

/// The whole file.
pub static FILE: Shape = Shape::Table(&[
    ("config", Shape::Table(&[("url", Shape::Value), ("branch", Shape::Value)])),
    ("state", Shape::Table(&[("directory", Shape::Value)])),
    ("server", Shape::Table(&[("listen", Shape::Value), ("base_url", Shape::Value)])),
    ("auth", super::auth::SHAPE),
    ("identity", Shape::Table(&[("name", Shape::Value), ("email", Shape::Value)])),
    ("poll", Shape::Table(&[("local", Shape::Value), ("remote", Shape::Value)])),
    ("notify", super::notify::SHAPE),
    ("telemetry", super::telemetry::SHAPE),
    ("ibutsu", super::ibutsu::SHAPE),
    ("registry", Shape::Table(&[("directory", Shape::Value)])),
    ("runs", Shape::Table(&[("memory_max", Shape::Value)])),
    ("changes", Shape::Table(&[("together", Shape::Value)])),
    ("forge", super::forge::SHAPE),
    ("forges", Shape::List(&super::forge::SHAPE_OF_OTHERS)),
    (
        "builds",
        Shape::Table(&[
            ("kubernetes", JOBS),
            (
                "tekton",
                Shape::Table(&[
                    ("cluster", Shape::Value),
                    ("namespace", Shape::Value),
                    ("pipeline", Shape::Value),
                    ("service_account", Shape::Value),
                    ("workspace_size", Shape::Value),
                ]),
            ),
        ]),
    ),
    ("clusters", Shape::Each(&CLUSTER)),
    ("registries", Shape::Each(&REGISTRY)),
    ("webhooks", super::webhooks::SHAPE),
    ("signatures", Shape::Table(&[("trusted_root", Shape::Value)])),
    (
        "secrets",
        Shape::Table(&[
            (
                "vault",
                Shape::Table(&[
                    ("address", Shape::Value),
                    ("namespace", Shape::Value),
                    ("ca", Shape::Value),
                    ("plain_http", Shape::Value),
                    ("token_file", Shape::Value),
                    ("role_id", Shape::Value),
                    ("secret_id_file", Shape::Value),
                    ("kubernetes_role", Shape::Value),
                ]),
            ),
            ("files", Shape::Table(&[("directory", Shape::Value)])),
            ("kubernetes", Shape::Table(&[("cluster", Shape::Value)])),
        ]),
    ),
]);

const AMOUNTS: Shape = Shape::Table(&[("cpu", Shape::Value), ("memory", Shape::Value)]);

const JOBS: Shape = Shape::Table(&[
    ("cluster", Shape::Value),
    ("namespace", Shape::Value),
    ("image", Shape::Value),
    ("git_image", Shape::Value),
    ("service_account", Shape::Value),
    ("mount_token", Shape::Value),
    ("pull_secret", Shape::Value),
    ("push_secret", Shape::Value),
    ("git_secret", Shape::Value),
    ("requests", AMOUNTS),
    ("limits", AMOUNTS),
    (
        "security",
        Shape::Table(&[
            ("read_only_root", Shape::Value),
            ("capabilities", Shape::Value),
            ("privilege_escalation", Shape::Value),
            ("privileged", Shape::Value),
            ("run_as_user", Shape::Value),
            ("seccomp", Shape::Value),
        ]),
    ),
    ("node_selector", Shape::Each(&Shape::Value)),
    ("workspace_size", Shape::Value),
    ("kept_for", Shape::Value),
]);

static CLUSTER: Shape = Shape::Table(&[
    ("embedded", Shape::Value),
    ("kubeconfig", Shape::Value),
    ("context", Shape::Value),
    ("in_cluster", Shape::Value),
    ("server", Shape::Value),
    ("ca", Shape::Value),
    ("token_file", Shape::Value),
    ("token", SECRET),
    ("requests_at_once", Shape::Value),
    ("artifacts", super::artifacts::SHAPE),
]);

static REGISTRY: Shape = Shape::Table(&[
    ("username", Shape::Value),
    ("password_file", Shape::Value),
    ("password", SECRET),
    ("plain_http", Shape::Value),
    ("ca", Shape::Value),
]);

/// A credential in the secret store.
pub const SECRET: Shape = Shape::Table(&[("secret", Shape::Value), ("field", Shape::Value), ("version", Shape::Value)]);

/// A key that may not be there.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Where it is in the text.
    pub span: Range<usize>,
    /// The key with those above it, such as `poll.lokal`.
    pub key: String,
    /// What to write instead.
    pub help: String,
}

/// The first key that `shape` does not have.
pub fn unknown(table: &DeTable<'_>, shape: &Shape) -> Option<Unknown> {
    let mut found = Vec::new();
    look(table, shape, "", &mut found);
    found.into_iter().min_by_key(|unknown| unknown.span.start)
}

fn look(table: &DeTable<'_>, shape: &Shape, above: &str, found: &mut Vec<Unknown>) {
    for (key, value) in table {
        let name: &str = key.get_ref();
        let path = if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
        let inner = match shape {
            Shape::Value | Shape::List(_) => continue,
            Shape::Each(inner) => Some(*inner),
            Shape::Table(known) => known.iter().find(|(known, _)| *known == name).map(|(_, inner)| inner),
        };
        match (inner, value.get_ref()) {
            (Some(inner), DeValue::Table(table)) => look(table, inner, &path, found),
            (Some(Shape::List(inner)), DeValue::Array(tables)) => {
                for one in tables {
                    if let DeValue::Table(table) = one.get_ref() {
                        look(table, inner, &path, found);
                    }
                }
            }
            (Some(_), _) => {}
            (None, _) => found.push(Unknown { span: key.span(), key: path, help: help(name, shape) }),
        }
    }
}

fn help(name: &str, shape: &Shape) -> String {
    let Shape::Table(known) = shape else { return String::new() };
    let names: Vec<&str> = known.iter().map(|(known, _)| *known).collect();
    match nearest(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", names.join(", ")),
    }
}

/// The known word that `word` is a slip of: at most a third of its letters away.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let best = known.iter().map(|known| (distance(word, known), *known)).min_by_key(|(distance, _)| *distance);
    best.filter(|(distance, known)| *distance <= known.chars().count().div_ceil(3)).map(|(_, known)| known)
}

/// Letters to insert, remove or replace until one word is the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(200).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, to) in row.iter_mut().skip(1).zip(&b) {
            let above = *slot;
            left = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            diagonal = above;
            *slot = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_word_and_other_words_find_none() {
        let known = ["config", "state", "server", "identity", "poll"];
        for (slip, meant) in [("confg", "config"), ("sever", "server"), ("stat", "state"), ("identiy", "identity"), ("pol", "poll")] {
            assert_eq!(nearest(slip, &known), Some(meant), "{slip}");
        }
        assert_eq!(nearest("database", &known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }
}

//! Permissions: Towpath's own `/towpath/permission-1.yml`.

use std::collections::BTreeSet;

use towpath_domain::Verb;

use super::Ref;
use super::access::{references, required_text};
use super::fields::{At, Reader};
use crate::suggest;
use crate::yaml::Node;

/// A permission as it is written.
#[derive(Debug)]
pub(crate) struct RawPermission {
    pub name: At<String>,
    pub may: BTreeSet<Verb>,
    /// None stands for all; a list of which nothing could be read stands for none.
    pub apps: Option<Vec<Ref>>,
    pub environments: Option<Vec<Ref>>,
}

/// What is wrong in it never makes it allow more: a list that cannot be read is not taken for one that is absent.
pub(super) fn read(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawPermission> {
    reader.only(root, &["$schema", "name", "description", "may", "apps", "environments"]);
    let name = required_text(reader, root, "name");
    reader.text_of(root, "description");
    let may = read_may(reader, root);
    let apps = selected(reader, root, "apps", "app");
    let environments = selected(reader, root, "environments", "environment");
    if let (true, Some(node)) = (apps.is_some() || environments.is_some(), may_node(root, Verb::Administer)) {
        reader.error(
            "nonsense",
            node.spot(),
            "`administer` is about the installation as a whole, and this permission is for some of it only",
            "Give it in a permission of its own, without `apps` and `environments`.",
        );
    }
    Some(RawPermission { name: name?, may, apps, environments })
}

fn may_node<'a, 't>(root: Node<'a, 't>, verb: Verb) -> Option<Node<'a, 't>> {
    root.get("may")?.items().find(|item| item.scalar().is_some_and(|(text, _)| text == verb.name()))
}

fn read_may(reader: &mut Reader, root: Node<'_, '_>) -> BTreeSet<Verb> {
    let mut may = BTreeSet::new();
    let Some(node) = reader.required(root, "may") else { return may };
    let names = Verb::ALL.map(Verb::name);
    let known = format!("Known are {}.", names.join(", "));
    let items = reader.list(root, "may");
    if items.as_ref().is_some_and(Vec::is_empty) {
        reader.error("nonsense", node.spot(), "`may` is empty: this permission allows nothing", known.clone());
    }
    for item in items.unwrap_or_default() {
        let Some(text) = reader.text(item, "may") else { continue };
        match Verb::named(text) {
            Some(verb) if may.insert(verb) => {}
            Some(_) => reader.warn("nonsense", item.spot(), format!("`{text}` stands here twice"), "Remove one of the two."),
            None => {
                let mend = suggest::mend(text, names, &known);
                reader.error("unknown-verb", item.spot(), format!("nothing is called `{}` that can be allowed", text.escape_debug()), mend);
            }
        }
    }
    may
}

fn selected(reader: &mut Reader, root: Node<'_, '_>, field: &str, what: &str) -> Option<Vec<Ref>> {
    // A key with nothing behind it is not absent: what was meant to stand there is missing.
    let node = root.entries().find(|entry| entry.key == field)?.value;
    if !node.is_sequence() {
        reader.wrong_type(node, field, "a list of references");
        return Some(Vec::new());
    }
    if node.items().next().is_none() {
        let message = format!("`{field}` is empty: this permission is for no {what}");
        reader.error("nonsense", node.spot(), message, format!("Name some, or remove `{field}`, which stands for all of them."));
    }
    Some(references(reader, root, field))
}

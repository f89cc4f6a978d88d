//! Nodes as JSON values: what parameters hold.

use serde_json::Value;

use super::{Node, Style, read_plain};

/// The value of `node`. Calls `ambiguous` with every scalar that readers of YAML 1.1 and 1.2 take for different things.
pub(crate) fn to_json<'a, 't>(node: Node<'a, 't>, ambiguous: &mut dyn FnMut(Node<'a, 't>)) -> Value {
    if let Some((text, style)) = node.scalar() {
        if style != Style::Plain {
            return text.into();
        }
        let read = read_plain(text);
        if read.ambiguous {
            ambiguous(node);
        }
        return read.value;
    }
    if node.is_sequence() {
        return node.items().map(|item| to_json(item, ambiguous)).collect();
    }
    Value::Object(node.entries().map(|entry| (entry.key.to_owned(), to_json(entry.value, ambiguous))).collect())
}

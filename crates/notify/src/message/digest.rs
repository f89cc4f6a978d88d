//! Several messages as one.

use serde_json::json;

use super::{Kind, Message, Weight};
use crate::about::About;

/// Several messages as one: their titles, failures first. There is at least one.
#[must_use]
pub fn digest(messages: &[Message]) -> Message {
    let (first, last) = (messages.first(), messages.last());
    let key = |message: Option<&Message>| message.map(|message| message.key.clone()).unwrap_or_default();
    let at = |message: Option<&Message>| message.map(|message| message.at).unwrap_or_default();
    let mut sorted: Vec<&Message> = messages.iter().collect();
    sorted.sort_by_key(|message| std::cmp::Reverse(message.kind.weight()));
    let line = |message: &&Message| {
        let link = message.links.first().map(|link| format!(" {}", link.url)).unwrap_or_default();
        let mark = if message.kind.weight() == Weight::Failure { "FAILED: " } else { "" };
        format!("{mark}{}{link}", message.title)
    };
    let failed = messages.iter().filter(|message| message.kind.weight() == Weight::Failure).count();
    let failures = if failed > 0 { format!(", {failed} of them failures") } else { String::new() };
    Message {
        key: format!("digest-{}-{}", key(first), key(last)),
        kind: Kind::Digest,
        at: at(last),
        title: format!("{} messages since {}{failures}", messages.len(), at(first)),
        body: sorted.iter().map(line).collect::<Vec<_>>().join("\n"),
        last_lines: Vec::new(),
        links: Vec::new(),
        payload: json!({ "messages": messages.iter().map(|message| &message.payload).collect::<Vec<_>>() }),
        about: About::default(),
        stage: None,
    }
}

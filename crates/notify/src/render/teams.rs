//! An Adaptive Card, as a Teams workflow's webhook takes it ("Post to a channel when a webhook request is received").

use serde_json::{Value, json};

use crate::message::{Message, Weight, cut};

/// Characters of the text: a whole message may have 28 KB, and a character up to four bytes.
const TEXT: usize = 3_000;

/// The request's body.
#[must_use]
pub fn message(message: &Message) -> Value {
    let color = match message.kind.weight() {
        Weight::Failure => "attention",
        Weight::News => "good",
        Weight::Progress => "default",
    };
    let mut body = vec![json!({
        "type": "TextBlock", "text": cut(&escaped(&message.title), 500), "weight": "bolder", "size": "medium", "color": color, "wrap": true,
    })];
    let mut left = TEXT;
    for line in message.body.lines().filter(|line| !line.trim().is_empty() && !message.links.iter().any(|link| link.url == **line)) {
        let text = cut(&escaped(line), left);
        left = left.saturating_sub(text.chars().count());
        body.push(json!({ "type": "TextBlock", "text": text, "wrap": true, "spacing": "small" }));
        if left == 0 || body.len() > 60 {
            break;
        }
    }
    if !message.last_lines.is_empty() {
        let lines = cut(&escaped(&message.last_lines.join("\n\n")), 2_000);
        body.push(json!({ "type": "TextBlock", "text": lines, "fontType": "monospace", "wrap": true, "separator": true }));
    }
    let actions: Vec<Value> =
        message.links.iter().map(|link| json!({ "type": "Action.OpenUrl", "title": link.text, "url": link.url })).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
                "actions": actions,
            },
        }],
    })
}

/// What cards take for formatting, taken literally.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if matches!(c, '\\' | '*' | '_' | '[' | ']' | '<' | '>') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

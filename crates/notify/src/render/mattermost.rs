//! Mattermost's incoming webhooks: <https://developers.mattermost.com/integrate/webhooks/incoming/>.

use serde_json::{Value, json};

use crate::message::{Message, Weight, cut};

/// Characters of a post, before Mattermost splits or refuses it.
const POST: usize = 16_000;

/// What is posted; to the webhook's own channel when none is named.
#[must_use]
pub fn message(message: &Message, channel: Option<&str>) -> Value {
    let color = match message.kind.weight() {
        Weight::Failure => "#d24b4e",
        Weight::News => "#3db887",
        Weight::Progress => "#ffbc1f",
    };
    let body: Vec<String> = message.body.lines().filter(|line| !message.links.iter().any(|link| link.url == **line)).map(escaped).collect();
    let mut text = body.join("\n");
    if !message.last_lines.is_empty() {
        let lines = message.last_lines.join("\n").replace("```", "'''");
        text = format!("{text}\n```\n{lines}\n```");
    }
    let links: Vec<String> = message.links.iter().map(|link| format!("[{}]({})", link.text, link.url)).collect();
    if !links.is_empty() {
        text = format!("{text}\n{}", links.join(" · "));
    }
    let mut attachment = json!({ "fallback": cut(&message.title, 1_000), "color": color, "title": cut(&escaped(&message.title), 1_000), "text": cut(&text, POST - 2_000) });
    if let Some(link) = message.links.first() {
        attachment["title_link"] = json!(link.url);
    }
    let mut post = json!({ "username": "Towpath", "attachments": [attachment] });
    if let Some(channel) = channel {
        post["channel"] = json!(channel.trim_start_matches('#'));
    }
    post
}

/// Nobody is called by a commit's message: an `@` is shown, and calls nobody.
fn escaped(text: &str) -> String {
    text.replace('@', "@\u{200b}")
}

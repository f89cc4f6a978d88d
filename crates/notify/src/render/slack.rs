//! Slack's Block Kit, within the limits of <https://docs.slack.dev/reference/block-kit/blocks>: 50 blocks, 3,000 characters in a
//! section, 75 in a button, 3,000 in its address.

use serde_json::{Value, json};

use crate::message::{Message, Weight, cut};
use crate::release::{Release, Stage, StageState, Standing};

use super::{shown, stage_rest, stage_word, standing};

/// Characters in the text of a section, before Slack refuses it.
const SECTION: usize = 3_000;
/// Characters in the text that stands for the blocks in notifications.
const FALLBACK: usize = 3_000;
/// Characters in a button's text.
const BUTTON: usize = 75;
/// Characters in a button's address.
const ADDRESS: usize = 3_000;

/// The body of a message: `text` and `blocks`.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// What notifications show.
    pub text: String,
    /// The blocks.
    pub blocks: Vec<Value>,
}

/// The message of a release.
#[must_use]
pub fn release(release: &Release) -> Body {
    let id = &release.id;
    let commit = id.commit.short(7);
    let subject = id.subject.as_deref().map(|subject| format!(" {}", escaped(subject))).unwrap_or_default();
    let author = id.author.as_deref().map(|author| format!(" by {}", escaped(author))).unwrap_or_default();
    let mark = match release.standing() {
        Standing::Moving => ":large_yellow_circle:",
        Standing::Failed => ":x:",
        Standing::Live => ":white_check_mark:",
    };
    let head = format!("{mark} *{}* `{commit}`{subject}\n{}{author}", escaped(&id.name), standing(release));
    let mut blocks = vec![section(&head)];
    let (stages, more) = shown(release);
    let mut lines: Vec<String> = stages.map(stage_line).collect();
    if more {
        lines.push("… and more".to_owned());
    }
    blocks.extend(sections(&lines));
    blocks.push(context(&format!("{} at {}", escaped(&id.repository), id.commit)));
    Body { text: cut(&format!("{} {commit}: {}", escaped(&id.name), standing(release)), FALLBACK), blocks }
}

/// One thing that happened, as an answer below the release's message or by itself.
#[must_use]
pub fn message(message: &Message) -> Body {
    let mark = match message.kind.weight() {
        Weight::Failure => ":x: ",
        Weight::News => ":white_check_mark: ",
        Weight::Progress => ":large_yellow_circle: ",
    };
    let mut blocks = vec![section(&format!("{mark}*{}*", escaped(&message.title)))];
    // The links are buttons here.
    let body: Vec<&str> = message.body.lines().filter(|line| !message.links.iter().any(|link| link.url == **line)).collect();
    blocks.extend(sections(&body.into_iter().map(escaped).collect::<Vec<_>>()));
    if !message.last_lines.is_empty() {
        // A fence in a log must not end ours.
        let lines = message.last_lines.join("\n").replace("```", "'''");
        blocks.push(section(&format!("```{}```", cut(&escaped(&lines), SECTION - 10))));
    }
    let buttons: Vec<Value> = message
        .links
        .iter()
        .filter(|link| link.url.chars().count() <= ADDRESS)
        .enumerate()
        .map(|(at, link)| {
            let text = json!({ "type": "plain_text", "text": cut(&link.text, BUTTON - 1) });
            let mut button = json!({ "type": "button", "action_id": format!("link-{at}"), "text": text, "url": link.url });
            if link.text == "Roll back" {
                button["style"] = json!("danger");
            }
            button
        })
        .collect();
    if !buttons.is_empty() {
        blocks.push(json!({ "type": "actions", "elements": buttons }));
    }
    Body { text: cut(&escaped(&message.title), FALLBACK), blocks }
}

/// Puts a call of a user group at the head of a message; without its id it is only named.
pub fn called(body: &mut Body, handle: &str, id: Option<&str>) {
    let call = id.map_or_else(|| format!("@{}", escaped(handle)), |id| format!("<!subteam^{id}>"));
    body.text = cut(&format!("{call} {}", body.text), FALLBACK);
    body.blocks.insert(0, section(&call));
}

fn stage_line(stage: &Stage) -> String {
    let mark = match stage.state {
        StageState::Running => ":large_yellow_circle:",
        StageState::Done => ":white_check_mark:",
        StageState::Failed => ":x:",
        StageState::Stopped => ":black_square_for_stop:",
    };
    let title = escaped(&stage.title);
    let title = match &stage.link {
        Some(link) => format!("<{link}|{}>", title.replace('|', "¦")),
        None => title,
    };
    format!("{mark} {} {title}{}", stage_word(stage), stage_rest(stage))
}

/// Lines in as few sections as they fit in.
fn sections(lines: &[String]) -> Vec<Value> {
    let mut texts: Vec<String> = Vec::new();
    for line in lines {
        let line = cut(line, SECTION - 1);
        match texts.last_mut() {
            Some(text) if text.chars().count() + 1 + line.chars().count() <= SECTION => {
                text.push('\n');
                text.push_str(&line);
            }
            _ => texts.push(line),
        }
    }
    texts.iter().filter(|text| !text.trim().is_empty()).take(40).map(|text| section(text)).collect()
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(text, SECTION - 1) } })
}

fn context(text: &str) -> Value {
    json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": cut(text, SECTION - 1) }] })
}

/// Slack's three characters of control, taken literally: nobody is called by a commit's message.
fn escaped(text: impl AsRef<str>) -> String {
    text.as_ref().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

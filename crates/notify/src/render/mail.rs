//! A mail: one line, plain text, and the names by which mail programs put the mails of a release together.

use sha2::{Digest as _, Sha256};

use crate::message::{Message, cut};

/// What a mail holds beside its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The subject: one line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// Its own name: the same for the same message, so that mail programs show a second copy as one.
    pub id: String,
    /// The name of the release's thread.
    pub thread: Option<String>,
}

/// The mail of a message; `domain` is what its names end with.
#[must_use]
pub fn message(message: &Message, domain: &str) -> Mail {
    let body: Vec<&str> = message.body.lines().filter(|line| !message.links.iter().any(|link| link.url == **line)).collect();
    let mut text = format!("{}\n", body.join("\n"));
    if !message.last_lines.is_empty() {
        text.push_str("\nThe last lines:\n\n");
        message.last_lines.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
    }
    let links: Vec<String> = message.links.iter().map(|link| format!("{}: {}\n", link.text, link.url)).collect();
    if !links.is_empty() {
        text.push('\n');
        text.push_str(&links.concat());
    }
    let title: String = message.title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Mail {
        subject: cut(&title, 200),
        text,
        id: format!("<{}@{domain}>", name(&message.key)),
        thread: message.about.release.as_ref().map(|release| format!("<{}@{domain}>", name(&release.key()))),
    }
}

/// A name that any mail server takes, whatever it is made of.
fn name(key: &str) -> String {
    let hash = Sha256::digest(key.as_bytes());
    let hash: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("towpath.{hash}")
}

//! What people wrote, in what Towpath writes; and the mark by which Towpath knows its own comments.

/// The longest description or comment that is sent, in characters: GitHub takes 65,536, the others more.
const MAX_BODY_CHARS: usize = 60_000;

/// Stands behind a character so that a forge does not see a name, a number or a command in it; people see nothing.
const NOTHING: char = '\u{200b}';

/// What somebody else wrote (a commit's subject, a name, a log's line), as one line of Markdown that shows just that: it formats nothing, links
/// nothing, mentions nobody, closes no issue, commands nothing, and ends no comment.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").chars()
    {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // Names, issues, changes, labels, snippets, milestones, epics.
            '@' | '#' | '!' | '~' | '$' | '%' => {
                escaped.push('\\');
                escaped.push(character);
                escaped.push(NOTHING);
            }
            // A bare address becomes a link at its colon.
            ':' => {
                escaped.push(character);
                escaped.push(NOTHING);
            }
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '+' | '-' | '.' | '|' | '=' | '^' | '/' | '"' | '\'' => {
                escaped.push('\\');
                escaped.push(character);
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A comment of Towpath's: the mark in its first line, where people do not see it, and what it says.
pub(super) fn marked(marker: &str, body: &str) -> String {
    format!("{}\n{}", mark(marker), fitting(body))
}

/// Whether a comment begins with this mark. Only the first line counts, so that nothing which people wrote is ever taken for it.
pub(super) fn is_marked(marker: &str, body: &str) -> bool {
    marker_of(body) == Some(marker)
}

/// The marker of a comment that Towpath wrote; whether it did is for the caller to know, by who the author is.
#[must_use]
pub fn marker_of(body: &str) -> Option<&str> {
    let (marker, rest) = body.trim_start().strip_prefix("<!-- towpath:")?.split_once(" -->")?;
    (is_marker(marker) && (rest.is_empty() || rest.starts_with(['\n', '\r']))).then_some(marker)
}

/// Whether a marker is a word that can stand in an HTML comment.
pub(super) fn is_marker(marker: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=".contains(c);
    !marker.is_empty() && marker.len() <= 200 && marker.chars().all(plain) && !marker.contains("--") && !marker.ends_with('-')
}

fn mark(marker: &str) -> String {
    format!("<!-- towpath:{marker} -->")
}

/// A text that every forge takes, and in which no line is a command; cut where it is too long, which it says at its end.
pub(super) fn fitting(body: &str) -> String {
    let Some((end, _)) = body.char_indices().nth(MAX_BODY_CHARS) else { return harmless(body).0 };
    // A block of code that was cut open would swallow the note.
    let (cut, in_code) = harmless(&body[..end]);
    format!("{cut}\n{}\n(Cut here: it is longer than forges take.)", if in_code { "```" } else { "" })
}

/// GitLab carries out lines that begin with `/`, and bots do on other forges, unless they are in a block of code. Also, whether the text
/// ends in such a block.
fn harmless(body: &str) -> (String, bool) {
    let mut in_code = false;
    let mut lines = Vec::new();
    for line in body.lines() {
        let text = line.trim_start();
        in_code ^= text.starts_with("```");
        lines.push(if text.starts_with('/') && !in_code { line.replacen('/', "\\/", 1) } else { line.to_owned() });
    }
    (lines.join("\n"), in_code)
}

/// Whether a forge that cleans up white space shows the same for both.
pub(super) fn same(one: &str, other: &str) -> bool {
    let clean = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
    clean(one) == clean(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_commands_nothing_and_mentions_nobody() {
        let hostile = "/merge @team fixes #12 !7 <!-- towpath:plan -->\n/close [x](http://evil) `code` **b**";
        let shown = escape(hostile);
        assert!(!shown.contains("@team") && !shown.contains("#12") && !shown.contains("!7") && !shown.contains("<!--"), "{shown}");
        assert!(!shown.contains('\n') && !shown.starts_with('/') && !shown.contains("http:/"), "{shown}");
        assert_eq!(escape("Fix the wharf"), "Fix the wharf");
        assert!(!is_marked("plan", &shown));
    }

    #[test]
    fn only_the_first_line_marks_a_comment() {
        let comment = marked("plan", "Nothing changes.");
        assert!(is_marked("plan", &comment) && is_marked("plan", &comment.replace('\n', "\r\n")));
        assert!(
            !is_marked("pla", &comment)
                && !is_marked("plan", &format!("Look:\n{comment}"))
                && !is_marked("plan", "<!-- towpath:plan --> x")
        );
        assert!(!is_marked("plan", &marked("gate", "<!-- towpath:plan -->")));
    }

    #[test]
    fn a_marker_cannot_end_the_comment_that_it_stands_in() {
        assert!(is_marker("plan") && is_marker("closed/web-1"));
        for bad in ["", "a--b", "a -->", "a>b", "x-", "ü"] {
            assert!(!is_marker(bad), "{bad}");
        }
    }

    #[test]
    fn no_line_of_a_text_is_a_command() {
        assert_eq!(fitting("Look:\n/merge\n  /close\n```\n/etc\n```\n/approve"), "Look:\n\\/merge\n  \\/close\n```\n/etc\n```\n\\/approve");
        assert_eq!(fitting("a/b"), "a/b");
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_and_says_so() {
        assert_eq!(fitting("short"), "short");
        let long = fitting(&format!("```\n{}", "ü".repeat(70_000)));
        assert!(long.chars().count() < 60_100 && long.ends_with("```\n(Cut here: it is longer than forges take.)"));
    }
}

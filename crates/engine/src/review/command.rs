//! Which lines of a comment are commands.
//!
//! One command a line, at its beginning. What a reader does not see as the writer's own words is none: quotes, code blocks, HTML comments.
//! A quote's lines begin with `>`, so none of them is one; a reply right below it is the writer's.

/// A command in a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `/lgtm`: approves.
    Lgtm,
    /// `/lgtm cancel`: takes approvals back.
    LgtmCancel,
    /// `/hold`, with what was written behind it: a reason, or a slip of the pen, which holds as well.
    Hold(Option<String>),
    /// `/hold cancel`: lifts holds.
    HoldCancel,
    /// `/retest`: runs the checks again.
    Retest,
    /// `/rebase`: brings the branch up to date.
    Rebase,
    /// `/why`: tells what the change waits for.
    Why,
    /// Something else that looks like a command.
    Unknown(String),
}

impl Command {
    /// The command as it is written, without what is written behind it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Lgtm => "/lgtm",
            Self::LgtmCancel => "/lgtm cancel",
            Self::Hold(_) => "/hold",
            Self::HoldCancel => "/hold cancel",
            Self::Retest => "/retest",
            Self::Rebase => "/rebase",
            Self::Why => "/why",
            Self::Unknown(name) => name,
        }
    }

    /// Whether it only ever keeps a change from being merged.
    pub(super) fn restrains(&self) -> bool {
        matches!(self, Self::LgtmCancel | Self::Hold(_))
    }
}

/// The commands in a comment's text, in their order.
#[must_use]
pub fn commands(body: &str) -> Vec<Command> {
    let mut found = Vec::new();
    let mut block = Block::Open;
    for line in without_comments(body).split(['\n', '\r']) {
        block = block.after(line);
        if matches!(block, Block::Open) {
            found.extend(command(line));
        }
    }
    found
}

fn command(line: &str) -> Option<Command> {
    let text = line.trim_start_matches(' ');
    // Four blanks make a code block.
    if line.len() - text.len() > 3 || !text.starts_with('/') {
        return None;
    }
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let word = word.to_ascii_lowercase();
    let cancel = rest.eq_ignore_ascii_case("cancel");
    Some(match (word.as_str(), rest) {
        ("/lgtm", "") => Command::Lgtm,
        ("/lgtm", _) if cancel => Command::LgtmCancel,
        ("/hold", "") => Command::Hold(None),
        ("/hold", _) if cancel => Command::HoldCancel,
        ("/hold", reason) => Command::Hold(Some(reason.to_owned())),
        ("/retest", "") => Command::Retest,
        ("/rebase", "") => Command::Rebase,
        ("/why", "") => Command::Why,
        // `/etc/passwd` is a path, and no command.
        (word, _) if word.len() <= 40 && word.len() > 1 && word[1..].bytes().all(|b| b.is_ascii_lowercase() || b == b'-') => {
            Command::Unknown(text.trim_end().to_owned())
        }
        _ => return None,
    })
}

/// What kind of block of Markdown a line is in.
#[derive(Debug, Clone, Copy)]
enum Block {
    /// The writer's own words.
    Open,
    /// The first or last line of a block.
    Aside,
    /// Below a fence of `count` marks. It stands in a list's item that begins `indent` bytes into its line.
    Fenced { mark: u8, count: usize, indent: usize },
    /// HTML that ends with this tag.
    Html(&'static str),
}

const HTML: [(&str, &str); 4] = [("<pre", "</pre>"), ("<script", "</script>"), ("<style", "</style>"), ("<textarea", "</textarea>")];

impl Block {
    /// What `line` is, after a line that was this.
    fn after(self, line: &str) -> Self {
        match self {
            Self::Open | Self::Aside => Self::begun(line),
            Self::Fenced { mark, count, indent } => {
                let text = line.trim_start();
                if !text.is_empty() && line.len() - text.len() < indent {
                    // The item of the list is over, and so is the block in it.
                    return Self::begun(line);
                }
                let (_, closing, rest) = marks(text);
                if !text.is_empty() && text.as_bytes().first() == Some(&mark) && closing >= count && rest.trim().is_empty() {
                    return Self::Aside;
                }
                self
            }
            Self::Html(end) => {
                if line.to_ascii_lowercase().contains(end) {
                    Self::Aside
                } else {
                    self
                }
            }
        }
    }

    /// What begins with `line`.
    fn begun(line: &str) -> Self {
        let text = line.trim_start_matches(' ');
        if line.len() - text.len() > 3 {
            return Self::Open;
        }
        let lower = text.to_ascii_lowercase();
        if let Some((_, end)) = HTML.iter().find(|(begin, _)| lower.starts_with(begin)) {
            return if lower.contains(end) { Self::Aside } else { Self::Html(end) };
        }
        let item = without_bullets(text);
        let (mark, count, rest) = marks(item);
        if count >= 3 && !(mark == b'`' && rest.contains('`')) {
            let indent = if item.len() == text.len() { 0 } else { line.len() - item.len() };
            return Self::Fenced { mark, count, indent };
        }
        Self::Open
    }
}

/// How many backticks or tildes `text` begins with, and what follows them.
fn marks(text: &str) -> (u8, usize, &str) {
    match text.as_bytes().first() {
        Some(mark @ (b'`' | b'~')) => {
            let rest = text.trim_start_matches(char::from(*mark));
            (*mark, text.len() - rest.len(), rest)
        }
        _ => (0, 0, text),
    }
}

/// The text of a list's item, without the marks in front of it.
fn without_bullets(mut text: &str) -> &str {
    loop {
        let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let after = match digits.len() < text.len() {
            true => digits.strip_prefix(['.', ')']),
            false => text.strip_prefix(['-', '*', '+']),
        };
        match after.and_then(|after| after.strip_prefix(' ')) {
            Some(after) => text = after.trim_start_matches(' '),
            None => return text,
        }
    }
}

/// The text without HTML comments, which no reader sees. The lines that one spans are kept apart.
fn without_comments(body: &str) -> String {
    let mut shown = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((before, inside)) = rest.split_once("<!--") {
        shown.push_str(before);
        match inside.split_once("-->") {
            // What stood in front of a comment must not run into what stands behind it.
            Some((hidden, after)) => {
                shown.push_str(if hidden.contains(['\n', '\r']) { "<!-- -->\n<!-- -->" } else { "<!-- -->" });
                rest = after;
            }
            // One that begins a line and does not end hides all that follows it; within a line it is a text.
            None if before.rsplit(['\n', '\r']).next().is_some_and(|line| line.trim_start_matches(' ').is_empty()) => return shown,
            None => {
                shown.push_str("<!--");
                rest = inside;
            }
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests;

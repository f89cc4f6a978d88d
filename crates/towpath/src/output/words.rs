//! Small words: ages, spans, commits, and text from outside made harmless.

use std::borrow::Cow;

use towpath_control::view::{CommitView, VerdictView};
use towpath_domain::Timestamp;

/// Text from outside (a commit's subject, a log's line), safe for a terminal: control characters, which could move the cursor
/// or rename the window, and the marks that turn the direction of writing become `\u{fffd}`. Line breaks and tabs stay.
pub fn clean(text: &str) -> Cow<'_, str> {
    let bad = |c: char| (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.contains(bad) { Cow::Owned(text.replace(bad, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// The same on one line.
pub fn line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

/// How long ago `at` was, in its largest unit.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(at).as_millis() / 1000;
    match seconds {
        0 => "now".to_owned(),
        1..60 => format!("{seconds}s ago"),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..172_800 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

/// How long something took, in its two largest units.
pub fn took(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..10 => format!("{}.{} s", seconds, ms % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A commit's first seven digits, as Git shows them.
pub fn short(commit: &CommitView) -> String {
    commit.id.short(7)
}

/// A commit with its subject, where known.
pub fn commit(commit: &CommitView) -> String {
    match &commit.subject {
        Some(subject) => format!("{} {}", short(commit), line(subject)),
        None => short(commit),
    }
}

/// A verdict's state as people read it.
pub fn state(verdict: &VerdictView) -> String {
    verdict.state.replace('-', " ")
}

/// Where something stands, in a few words: what moves, what it waits for by the holds' names (what they say is told elsewhere), or
/// the commit that is there.
pub fn standing(verdict: &VerdictView, there: Option<&CommitView>) -> String {
    match (verdict.state.as_str(), there.and_then(|commit| commit.subject.as_deref())) {
        ("held", _) if !verdict.holds.is_empty() => {
            let mut reasons: Vec<&str> = verdict.holds.iter().map(|hold| hold.reason.as_str()).collect();
            reasons.dedup();
            let wanted = verdict.wanted.as_ref().map(|wanted| format!("{} waits: ", short(wanted))).unwrap_or_default();
            format!("{wanted}{}", reasons.join(", "))
        }
        ("up-to-date", Some(subject)) => line(subject),
        _ => verdict.summary.clone(),
    }
}

/// `text`, broken into lines of at most `width` columns, each after the first indented.
pub fn wrap(text: &str, width: Option<u16>, indent: usize) -> String {
    let room = width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(indent).max(20));
    let mut lines = Vec::new();
    for paragraph in clean(text).lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commits_subject_cannot_speak_to_the_terminal() {
        assert_eq!(clean("plain\ttext\nü"), "plain\ttext\nü");
        assert_eq!(clean("a\x1b]0;owned\x07b\u{202e}c\r\u{9b}31m"), "a\u{fffd}]0;owned\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}31m");
        assert_eq!(line("a\nb"), "a b");
    }

    #[test]
    fn ages_and_spans_read_as_people_say_them() {
        let at = Timestamp::from_millis(0);
        for (seconds, text) in [(0, "now"), (59, "59s ago"), (60, "1m ago"), (3599, "59m ago"), (7200, "2h ago"), (172_800, "2d ago")] {
            assert_eq!(ago(at, Timestamp::from_millis(seconds * 1000)), text);
        }
        assert_eq!(ago(Timestamp::from_millis(5000), at), "now", "a clock that runs ahead does no harm");
        for (ms, text) in [(850, "850 ms"), (1250, "1.2 s"), (59_999, "59 s"), (61_000, "1 min 1 s"), (3_660_000, "1 h 1 min")] {
            assert_eq!(took(ms), text);
        }
    }

    #[test]
    fn long_text_breaks_between_words_and_keeps_its_indent() {
        let text = "one two three four five six seven eight nine ten";
        assert_eq!(wrap(text, None, 2), text);
        assert_eq!(wrap(text, Some(34), 4), "one two three four five six\n    seven eight nine ten");
        assert_eq!(wrap("a\nb", None, 2), "a\n  b");
    }

    proptest::proptest! {
        #[test]
        fn no_text_from_outside_keeps_a_control_character_or_loses_a_word(text in "\\PC{0,40}|[\\x00-\\x7f\\u{80}-\\u{9f} ]{0,40}", width in 1u16..80) {
            proptest::prop_assert!(line(&text).chars().all(|c| !c.is_control()));
            proptest::prop_assert!(clean(&text).chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
            let (told, wrapped) = (clean(&text).into_owned(), wrap(&text, Some(width), 2));
            proptest::prop_assert_eq!(told.split_whitespace().collect::<Vec<_>>(), wrapped.split_whitespace().collect::<Vec<_>>());
        }
    }
}

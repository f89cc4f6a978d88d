//! How pages write times, commits, states and links.

use std::borrow::Borrow;
use std::fmt;

use askama::filters::HtmlSafe;
use towpath_control::view::{CommitView, RunView};
use towpath_domain::{CommitId, Timestamp};

/// HTML that was made here, from parts that were escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Markup(pub(crate) String);

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Markup {}

/// A text as HTML shows it.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A moment: exact for machines and in the title, as people tell it once the script runs.
pub(crate) fn ago(at: &Timestamp) -> Markup {
    let exact = at.to_string();
    Markup(format!("<time datetime=\"{exact}\" title=\"{exact}\" data-ago>{}</time>", plain(at)))
}

/// `2026-11-26 18:40`, in UTC; the title has the rest.
fn plain(at: &Timestamp) -> String {
    at.to_string().chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// The time of day, in UTC: `18:40:02`.
pub(crate) fn clock(at: &Timestamp) -> String {
    at.to_string().chars().skip(11).take(8).collect()
}

/// A span of time: `340 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
pub(crate) fn took(ms: &u64) -> String {
    let ms = *ms;
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {big_unit}"),
        small => format!("{big} {big_unit} {small} {small_unit}"),
    };
    let s = ms / 1000;
    match s {
        0 => format!("{ms} ms"),
        1..=9 => format!("{s}.{} s", ms % 1000 / 100),
        10..=59 => format!("{s} s"),
        60..=3599 => two(s / 60, "min", s % 60, "s"),
        3600..=86_399 => two(s / 3600, "h", s % 3600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3600, "h"),
    }
}

/// From one moment to another.
pub(crate) fn between(from: &Timestamp, to: &Timestamp) -> String {
    took(&to.since(*from).as_millis())
}

/// A state as a badge: a sign, a colour and the word.
pub(crate) fn state(word: &str) -> Markup {
    let class: String = word.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Markup(format!("<span class=\"state is-{class}\">{}</span>", escaped(&word.replace('-', " "))))
}

/// The first digits of a commit, leading to its page.
pub(crate) fn commit(id: &CommitId) -> Markup {
    Markup(format!("<a class=\"commit\" href=\"/commits/{id}\">{}</a>", id.short(7)))
}

/// A commit with its subject.
pub(crate) fn commit_line(view: &CommitView) -> Markup {
    let subject = view.subject.as_deref().map(|subject| format!(" <bdi class=\"wrap\">{}</bdi>", escaped(subject))).unwrap_or_default();
    Markup(format!("{}{subject}", commit(&view.id)))
}

/// The page of a target, source, change or pull request. What was tried by hand has none: the pull requests of its source are near it.
pub(crate) fn subject_page(kind: &str, id: &str) -> String {
    if let ("check", Some((source, _))) = (kind, id.rsplit_once('@').filter(|_| !id.contains('#'))) {
        return with_query("/checks", &[("source", source)]);
    }
    let folder = match kind {
        "source" => "sources",
        "change" => "changes",
        "check" => "checks",
        _ => "targets",
    };
    format!("/{folder}/{}", segment(id))
}

/// `1 commit`, `2 commits`.
pub(crate) fn counted(count: impl Borrow<u64>, one: &str) -> String {
    match *count.borrow() {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    }
}

/// What a run is called: its kind and what it is about, whose own kind is not said twice.
pub(crate) fn run_name(run: &RunView) -> String {
    let subject = ["source ", "change ", "target ", "pull request ", "try "]
        .iter()
        .find_map(|kind| run.subject.strip_prefix(kind))
        .unwrap_or(&run.subject);
    format!("{} {subject}", run.kind)
}

/// How long a run took.
pub(crate) fn run_took(run: &RunView) -> String {
    match (&run.started_at, &run.finished_at) {
        (Some(from), Some(to)) => between(from, to),
        (None, Some(_)) => "–".to_owned(),
        (Some(_), None) => "under way".to_owned(),
        (None, None) => String::new(),
    }
}

/// Whether doing it is asked about once more: it moves what people use.
pub(crate) fn is_confirmed(verb: &str) -> bool {
    matches!(verb, "promote" | "rollback" | "extend" | "give-back" | "ok-to-test")
}

/// Whether doing it takes something away.
pub(crate) fn is_grave(verb: &str) -> bool {
    matches!(verb, "cancel" | "rollback")
}

/// A page with what is set of its query.
pub(crate) fn with_query(path: &str, values: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    for (name, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
        address.push(if address.len() == path.len() { '?' } else { '&' });
        address.push_str(&format!("{name}={}", segment(value)));
    }
    address
}

/// The page of the pull request that a purpose names, such as `web#17`.
pub(crate) fn page_of_purpose(purpose: &str) -> Option<String> {
    let (source, number) = purpose.rsplit_once('#')?;
    let is_one = !source.is_empty() && number.parse::<u64>().is_ok() && !purpose.contains(char::is_whitespace);
    is_one.then(|| subject_page("check", purpose))
}

/// The first characters of a text, with a sign that there are more.
pub(crate) fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A name within a page for what is done to something.
pub(crate) fn anchor(verb: &str, what: &str) -> String {
    let plain: String = what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("{verb}-{plain}")
}

/// A part of a path.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// An address of somebody else's, if it is one that a page may lead to: `http` and `https` only.
pub(crate) fn outside(url: &str) -> Option<&str> {
    let known =
        ["https://", "http://"].iter().any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    (known && !url.chars().any(|c| c.is_control() || c.is_whitespace())).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_called_by_its_kind_once() {
        let run = |kind: &str, subject: &str| RunView {
            id: towpath_domain::RunId::new("r").unwrap(),
            kind: kind.into(),
            subject: subject.into(),
            commit: None,
            attempt: 1,
            state: "queued".into(),
            why: String::new(),
            queued_at: Timestamp::from_millis(0),
            started_at: None,
            finished_at: None,
            class: None,
            retried: false,
            message: None,
            steps: Vec::new(),
        };
        assert_eq!(run_name(&run("build", "source web")), "build web");
        assert_eq!(run_name(&run("change", "change promote-web-65bb500")), "change promote-web-65bb500");
        assert_eq!(run_name(&run("deploy", "web/stage")), "deploy web/stage");
    }

    #[test]
    fn a_pull_request_is_led_to_by_what_names_it() {
        assert_eq!(subject_page("check", "web#17"), "/checks/web%2317");
        assert_eq!(subject_page("check", "we@b#17"), "/checks/we%40b%2317");
        assert_eq!(subject_page("check", "web@ada-1f2e"), "/checks?source=web");
        assert_eq!(page_of_purpose("web#17").as_deref(), Some("/checks/web%2317"));
        for other in ["", "#17", "web#", "web#x", "see web#17", "web"] {
            assert_eq!(page_of_purpose(other), None, "{other:?}");
        }
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!((cut("äöü", 3).as_str(), cut("äöüß", 3).as_str(), cut("", 0).as_str()), ("äöü", "äöü…", ""));
    }

    #[test]
    fn spans_of_time_are_told_in_two_units_at_most() {
        for (ms, text) in [
            (0, "0 ms"),
            (340, "340 ms"),
            (4250, "4.2 s"),
            (59_999, "59 s"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(took(&ms), text);
        }
    }

    #[test]
    fn a_page_leads_to_web_addresses_only() {
        for good in ["https://forge.example/a/b", "HTTP://forge.example"] {
            assert_eq!(outside(good), Some(good));
        }
        for bad in ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", " https://x", "https://x\n", "//evil.example", ""] {
            assert_eq!(outside(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_others_wrote_stays_text() {
        let view = CommitView {
            id: "a".repeat(40).parse().unwrap(),
            subject: Some("<script>alert('x')</script>".to_owned()),
            author: None,
            at: None,
        };
        assert!(!commit_line(&view).0.contains("<script"));
        assert_eq!(state("a\"><b").0, "<span class=\"state is-a---b\">a&quot;&gt;&lt;b</span>");
        assert_eq!(segment("a/b c%ä"), "a%2Fb%20c%25%C3%A4");
    }
}

//! Lines of logs as HTML: colours become classes, and of all else that a terminal would obey nothing is left.

use anstyle_parse::{Params, Parser, Perform, Utf8Parser};

/// The longest line that is shown whole, in characters. What writes more on one line writes no log.
const LINE_MAX: usize = 8_000;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    fore: Option<u8>,
    back: Option<u8>,
    bold: bool,
    faint: bool,
    italic: bool,
    under: bool,
}

impl Look {
    fn classes(self) -> String {
        let mut all = Vec::new();
        all.extend(self.fore.map(|colour| format!("f{colour}")));
        all.extend(self.back.map(|colour| format!("k{colour}")));
        let words = [(self.bold, "bo"), (self.faint, "fa"), (self.italic, "it"), (self.under, "un")];
        all.extend(words.into_iter().filter(|(on, _)| *on).map(|(_, word)| word.to_owned()));
        all.join(" ")
    }

    /// One `ESC [ … m`.
    fn set(&mut self, params: &Params) {
        let mut all = params.iter().flat_map(|param| param.iter().copied());
        while let Some(code) = all.next() {
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.faint = true,
                3 => self.italic = true,
                4 => self.under = true,
                22 => (self.bold, self.faint) = (false, false),
                23 => self.italic = false,
                24 => self.under = false,
                30..=37 => self.fore = low(code - 30),
                38 => self.fore = wide(&mut all).or(self.fore),
                39 => self.fore = None,
                40..=47 => self.back = low(code - 40),
                48 => self.back = wide(&mut all).or(self.back),
                49 => self.back = None,
                90..=97 => self.fore = low(code - 82),
                100..=107 => self.back = low(code - 92),
                _ => {}
            }
        }
    }
}

fn low(code: u16) -> Option<u8> {
    u8::try_from(code).ok().filter(|code| *code < 16)
}

/// The rest of `38;5;N` or `38;2;R;G;B`: the nearest of the sixteen colours that light and dark have values for.
fn wide(rest: &mut impl Iterator<Item = u16>) -> Option<u8> {
    match rest.next()? {
        5 => match rest.next()? {
            code @ 0..=15 => low(code),
            code @ 16..=231 => {
                let level = |step: u16| [0, 95, 135, 175, 215, 255].get(usize::from(step)).copied().unwrap_or(0);
                let code = code - 16;
                Some(nearest(level(code / 36), level(code / 6 % 6), level(code % 6)))
            }
            code @ 232..=255 => {
                let grey = 8 + (code - 232) * 10;
                Some(nearest(grey, grey, grey))
            }
            _ => None,
        },
        2 => Some(nearest(rest.next()?, rest.next()?, rest.next()?)),
        _ => None,
    }
}

fn nearest(red: u16, green: u16, blue: u16) -> u8 {
    let (high, lowest) = (red.max(green).max(blue), red.min(green).min(blue));
    if high - lowest < 40 {
        return match high {
            0..=60 => 0,
            61..=140 => 8,
            141..=210 => 7,
            _ => 15,
        };
    }
    let half = lowest + (high - lowest) / 2;
    let bits = u8::from(red > half) | u8::from(green > half) << 1 | u8::from(blue > half) << 2;
    if high > 200 { bits + 8 } else { bits }
}

/// Collects the HTML of a line.
struct Line<'a> {
    out: String,
    /// Where the text begins in `out`, after which a carriage return begins anew.
    look: Look,
    open: bool,
    shown: usize,
    cut: usize,
    returned: bool,
    plain: String,
    find: Option<&'a str>,
}

impl Line<'_> {
    fn flush(&mut self) {
        if self.plain.is_empty() {
            return;
        }
        let classes = self.look.classes();
        self.open = !classes.is_empty();
        if self.open {
            self.out.push_str(&format!("<span class=\"{classes}\">"));
        }
        let text = std::mem::take(&mut self.plain);
        match self.find.filter(|find| !find.is_empty()) {
            None => push(&mut self.out, &text),
            Some(find) => {
                let mut rest = text.as_str();
                while let Some((before, after)) = rest.split_once(find) {
                    push(&mut self.out, before);
                    self.out.push_str("<mark>");
                    push(&mut self.out, find);
                    self.out.push_str("</mark>");
                    rest = after;
                }
                push(&mut self.out, rest);
            }
        }
        if self.open {
            self.out.push_str("</span>");
        }
    }
}

/// Escapes text; what would turn its direction, or cannot be seen, is named.
fn push(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                out.push_str(&format!("‹U+{:04X}›", u32::from(c)));
            }
            c => out.push(c),
        }
    }
}

impl Perform for Line<'_> {
    fn print(&mut self, c: char) {
        if std::mem::take(&mut self.returned) {
            // A terminal would write over the line; a progress bar's last word counts.
            self.out.clear();
            self.plain.clear();
            (self.shown, self.cut) = (0, 0);
        }
        if self.shown < LINE_MAX {
            self.shown += 1;
            self.plain.push(c);
        } else {
            self.cut += 1;
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\t' => self.print('\t'),
            b'\r' => self.returned = true,
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], _ignore: bool, action: u8) {
        if action == b'm' && intermediates.is_empty() {
            self.flush();
            self.look.set(params);
        }
    }
}

/// A line of a log as HTML, with `find` marked in it.
pub(crate) fn html(text: &str, find: Option<&str>) -> String {
    let mut line = Line {
        out: String::with_capacity(text.len()),
        look: Look::default(),
        open: false,
        shown: 0,
        cut: 0,
        returned: false,
        plain: String::new(),
        find,
    };
    // Most lines hold nothing that a terminal would obey.
    if text.len() <= LINE_MAX && !text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        line.plain.push_str(text);
    } else {
        let mut parser = Parser::<Utf8Parser>::new();
        for byte in text.bytes() {
            parser.advance(&mut line, byte);
        }
    }
    line.flush();
    if line.cut > 0 {
        line.out.push_str(&format!("<span class=\"cut\"> … {} more characters</span>", line.cut));
    }
    line.out
}

/// A text of several lines as HTML.
pub(crate) fn lines(text: &str) -> String {
    text.lines().map(|line| html(line, None)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_classes() {
        assert_eq!(html("\x1b[31;1merror\x1b[0m: no", None), "<span class=\"f1 bo\">error</span>: no");
        assert_eq!(html("\x1b[92mok\x1b[39m \x1b[44mx", None), "<span class=\"f10\">ok</span> <span class=\"k4\">x</span>");
        assert_eq!(html("\x1b[38;5;196mred\x1b[m", None), "<span class=\"f9\">red</span>");
        assert_eq!(html("\x1b[38;2;20;20;20mdark", None), "<span class=\"f0\">dark</span>");
        assert_eq!(html("\x1b[38:5:2mgreen", None), "<span class=\"f2\">green</span>");
    }

    #[test]
    fn nothing_that_a_terminal_would_obey_is_left() {
        for (text, shown) in [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("a\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07b", "aclickb"),
            ("a\x1b[2J\x1b[1;1Hb\x08\x07c", "abc"),
            ("\x1b]0;title\x1b\\x", "x"),
            ("\x1bPq#0;2;0;0;0\x1b\\y", "y"),
            ("10%\r50%\r100%\r", "100%"),
            ("tab\there", "tab\there"),
            ("\x1b[31", ""),
            ("user\u{202e}nimda", "user‹U+202E›nimda"),
            ("\x1b[31m<\x1b[0m", "<span class=\"f1\">&lt;</span>"),
            ("\x1b[31;\"><img src=x>m", "&quot;&gt;&lt;img src=x&gt;m"),
        ] {
            let html = html(text, None);
            assert!(html == shown || (shown.starts_with("&quot;") && !html.contains('<')), "{text:?}: {html:?}");
        }
    }

    #[test]
    fn what_is_looked_for_is_marked_as_text() {
        assert_eq!(html("a <b> a", Some("<b>")), "a <mark>&lt;b&gt;</mark> a");
        assert_eq!(html("aaa", Some("")), "aaa");
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let html = html(&"x".repeat(LINE_MAX + 5), None);
        assert!(html.ends_with("<span class=\"cut\"> … 5 more characters</span>"), "{}", &html[html.len() - 80..]);
    }
}

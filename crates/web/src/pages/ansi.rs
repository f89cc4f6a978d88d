//! Lines as terminals show them: colours become classes, and everything else that a terminal obeys is left out.

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};

use super::words::{Markup, escaped};

/// The longest line that is shown, in characters: a longer one is cut, its rest stands in the log.
const LONGEST: usize = 8000;

/// A line as HTML.
pub(crate) fn painted(line: &str) -> Markup {
    if !line.bytes().any(|byte| byte < 0x20 || byte == 0x7f) && line.len() <= LONGEST {
        return Markup(escaped(line));
    }
    let mut painter = Painter::default();
    let mut parser = Parser::<DefaultCharAccumulator>::new();
    for byte in line.bytes() {
        parser.advance(&mut painter, byte);
    }
    painter.finish()
}

#[derive(Default)]
struct Painter {
    out: String,
    text: String,
    shown: usize,
    bold: bool,
    colour: Option<u8>,
    is_cut: bool,
}

impl Painter {
    /// Writes what was said so far in the colours that held for it.
    fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let text = escaped(&std::mem::take(&mut self.text));
        if !self.bold && self.colour.is_none() {
            self.out.push_str(&text);
            return;
        }
        let colour = self.colour.map(|colour| format!("a{colour}")).unwrap_or_default();
        let bold = if self.bold { "ab" } else { "" };
        let class = [bold, colour.as_str()].join(" ");
        self.out.push_str(&format!("<span class=\"{}\">{text}</span>", class.trim()));
    }

    fn finish(mut self) -> Markup {
        self.flush();
        if self.is_cut {
            self.out.push('…');
        }
        Markup(self.out)
    }

    fn set(&mut self, code: u16) {
        match code {
            0 => (self.bold, self.colour) = (false, None),
            1 => self.bold = true,
            22 => self.bold = false,
            30..=37 => self.colour = u8::try_from(code - 30).ok(),
            90..=97 => self.colour = u8::try_from(code - 90 + 8).ok(),
            39 => self.colour = None,
            _ => {}
        }
    }
}

impl Perform for Painter {
    fn print(&mut self, c: char) {
        if self.shown >= LONGEST {
            self.is_cut = true;
            return;
        }
        self.shown += 1;
        self.text.push(c);
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\t' => self.text.push('\t'),
            // What was said before a return was written over.
            b'\r' => {
                self.text.clear();
                self.out.clear();
                self.shown = 0;
            }
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, _intermediates: &[u8], _ignore: bool, action: u8) {
        if action != b'm' {
            return;
        }
        self.flush();
        let codes: Vec<u16> = params.iter().flatten().copied().collect();
        let mut codes = codes.into_iter();
        if codes.len() == 0 {
            self.set(0);
        }
        while let Some(code) = codes.next() {
            // Colours of 256 and more are skipped with what belongs to them.
            match (code, if matches!(code, 38 | 48) { codes.next() } else { None }) {
                (_, Some(5)) => drop(codes.next()),
                (_, Some(2)) => drop(codes.nth(2)),
                (38 | 48, _) => {}
                (code, _) => self.set(code),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_classes_and_nothing_else_gets_through() {
        for (line, html) in [
            ("plain <b>", "plain &lt;b&gt;"),
            ("\x1b[31mred\x1b[0m and \x1b[1;32mgood\x1b[m.", "<span class=\"a1\">red</span> and <span class=\"ab a2\">good</span>."),
            ("\x1b[38;5;196mx\x1b[48;2;1;2;3my\x1b[91mz", "xy<span class=\"a9\">z</span>"),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1b[2J\x1b[1;1Hhome", "home"),
            ("10 %\r20 %\r30 %", "30 %"),
            ("\x1b[31m<script>", "<span class=\"a1\">&lt;script&gt;</span>"),
            ("a\u{0}b\u{8}c", "abc"),
        ] {
            assert_eq!(painted(line).0, html, "{line:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let shown = painted(&"x".repeat(100_000)).0;
        assert_eq!(shown.chars().count(), LONGEST + 1);
        assert!(shown.ends_with('…'));
    }
}

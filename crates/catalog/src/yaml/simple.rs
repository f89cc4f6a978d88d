//! The plain form that nearly all data files have, read in one pass over the lines.
//!
//! Block mappings and lists, plain and quoted scalars on one line, `{}`, `[]`, comments; ASCII, no tabs. Whatever goes
//! beyond that is not judged here: [`parse`] says no, and the full parser reads the file. Tests hold both to the same
//! outcome, node by node. This is what makes a catalog of many thousand files load in a fraction of a second.

use super::builder::Builder;
use super::tree::{Kind, NONE, Style, Tree};
use super::{Spot, narrow};

/// Deeper files are left to the full parser, which knows the limit.
const MAX_DEPTH: usize = 24;

/// Longer keys are left to the full parser, which knows the limit.
const MAX_KEY: usize = 128;

/// An open collection.
#[derive(Clone, Copy)]
struct Open {
    /// The column of its entries, from 0.
    column: usize,
    is_list: bool,
}

struct Reader<'t> {
    builder: Builder<'t>,
    open: Vec<Open>,
    /// The innermost mapping has a key without value yet.
    pending: bool,
}

/// One line.
#[derive(Clone, Copy)]
struct Line<'t> {
    text: &'t str,
    /// Its number, from 1.
    number: u32,
    /// Its first byte in the file.
    start: usize,
}

impl Line<'_> {
    fn spot(&self, from: usize, until: usize) -> Spot {
        Spot { line: self.number, column: narrow(from) + 1, start: narrow(self.start + from), end: narrow(self.start + until) }
    }
}

/// Reads `text`, if it has the plain form and nothing is wrong with it.
pub(super) fn parse(text: &str) -> Option<Tree<'_>> {
    let plain = |b: u8| matches!(b, b' '..=b'~' | b'\n');
    if !text.bytes().all(plain) {
        return None;
    }
    let mut reader = Reader { builder: Builder::for_text(text.len()), open: Vec::new(), pending: false };
    let mut start = 0;
    let mut seen_marker = false;
    for (number, text) in (1..).zip(text.split('\n')) {
        let line = Line { text, number, start };
        start += text.len() + 1;
        let column = text.len() - text.trim_start_matches(' ').len();
        match text.as_bytes().get(column) {
            None | Some(b'#') => {}
            Some(_) if text == "---" && !seen_marker && reader.open.is_empty() => seen_marker = true,
            Some(_) => reader.line(line, column)?,
        }
    }
    if reader.pending || reader.open.is_empty() {
        return None;
    }
    while reader.open.pop().is_some() {
        reader.builder.leave(Spot::default()).ok()?;
    }
    reader.builder.finish().ok()
}

impl<'t> Reader<'t> {
    /// Reads a line that holds something, from `column` on.
    fn line(&mut self, line: Line<'t>, column: usize) -> Option<()> {
        let is_item = line.text.get(column..)?.starts_with("- ");
        if column == 0 && (line.text.starts_with("---") || line.text.starts_with("...")) {
            return None;
        }
        match self.open.last().copied() {
            None if is_item || column > 0 => return None,
            None => self.enter(line, column, false)?,
            Some(outer) if self.pending => {
                // A list may stand at its key's own column; a mapping may not. Anything else here is no value of a key.
                if column < outer.column || (column == outer.column && !is_item) {
                    return None;
                }
                self.pending = false;
                self.enter(line, column, is_item)?;
                if column == outer.column {
                    // The full parser has such a list begin at its first item. A place is a place: follow it.
                    self.builder.begin_at(line.spot(item_start(line.text, column)?, 0));
                }
            }
            Some(_) => self.leave_until(column, is_item)?,
        }
        if is_item { self.item(line, column) } else { self.entry(line, column) }
    }

    /// Closes what ends before an entry at `column`; `None` if the entry then belongs to nothing.
    fn leave_until(&mut self, column: usize, is_item: bool) -> Option<()> {
        while let Some(open) = self.open.last() {
            if open.column < column {
                return None;
            }
            if open.column == column && open.is_list == is_item {
                return Some(());
            }
            self.open.pop();
            self.builder.leave(Spot::default()).ok()?;
        }
        None
    }

    fn enter(&mut self, line: Line<'t>, column: usize, is_list: bool) -> Option<()> {
        if self.open.len() >= MAX_DEPTH {
            return None;
        }
        let kind = if is_list { Kind::Sequence { first: NONE } } else { Kind::Mapping { first: NONE, merges: false } };
        self.open.push(Open { column, is_list });
        self.builder.enter(kind, line.spot(column, column), 0, !is_list).ok()
    }

    /// `- value`, or `- key: value`, which opens a mapping at the key.
    fn item(&mut self, line: Line<'t>, column: usize) -> Option<()> {
        let from = item_start(line.text, column)?;
        if key_end(line.text, from).is_some() {
            self.enter(line, from, false)?;
            return self.entry(line, from);
        }
        // An item without a value, and an item that is a list itself, are left to the full parser.
        self.value(line, from)?.then_some(())
    }

    /// `key: value`, or `key:` with the value below.
    fn entry(&mut self, line: Line<'t>, column: usize) -> Option<()> {
        let end = key_end(line.text, column)?;
        self.scalar(line, column, end, line.text.get(column..end)?, Style::Plain)?;
        let rest = line.text.get(end + 1..)?;
        let from = end + 1 + (rest.len() - rest.trim_start_matches(' ').len());
        self.pending = !self.value(line, from)?;
        Some(())
    }

    /// Reads the value that begins at `from`: true if there is one, false if the line holds none.
    fn value(&mut self, line: Line<'t>, from: usize) -> Option<bool> {
        let rest = line.text.get(from..)?;
        let bytes = rest.as_bytes();
        match bytes {
            [] | [b'#', ..] => return Some(false),
            [quote @ (b'"' | b'\''), inner @ ..] => {
                let length = inner.iter().position(|b| b == quote)?;
                let text = rest.get(1..=length)?;
                let after = rest.get(length + 2..)?;
                // A doubled quote or a backslash means something else than itself.
                if text.contains('\\') && *quote == b'"' || !is_blank(after) {
                    return None;
                }
                let style = if *quote == b'"' { Style::Double } else { Style::Single };
                self.scalar(line, from, from + length + 2, text, style)?;
            }
            [b'{', b'}', after @ ..] | [b'[', b']', after @ ..] => {
                if !is_blank(std::str::from_utf8(after).ok()?) {
                    return None;
                }
                let is_list = bytes.first() == Some(&b'[');
                let kind = if is_list { Kind::Sequence { first: NONE } } else { Kind::Mapping { first: NONE, merges: false } };
                self.builder.enter(kind, line.spot(from, from + 1), 0, !is_list).ok()?;
                self.builder.leave(line.spot(from + 1, from + 2)).ok()?;
            }
            [first, after @ ..] => {
                let begins = first.is_ascii_alphanumeric()
                    || matches!(first, b'/' | b'.' | b'_' | b'$' | b'(' | b'~' | b'^' | b'+')
                    || (*first == b'-' && after.first().is_some_and(u8::is_ascii_alphanumeric));
                let text = rest.split(" #").next()?.trim_end_matches(' ');
                if !begins || text.contains(": ") || text.ends_with(':') {
                    return None;
                }
                self.scalar(line, from, from + text.len(), text, Style::Plain)?;
            }
        }
        Some(true)
    }

    fn scalar(&mut self, line: Line<'t>, from: usize, until: usize, text: &'t str, style: Style) -> Option<()> {
        let weight = 16 + text.len() as u64;
        self.builder.add(Kind::Scalar(text.into(), style), line.spot(from, until), weight, 1).ok()?;
        Some(())
    }
}

/// Where the value of the item at `column` begins.
fn item_start(text: &str, column: usize) -> Option<usize> {
    let rest = text.get(column + 2..)?;
    Some(column + 2 + (rest.len() - rest.trim_start_matches(' ').len()))
}

/// Whether nothing but a comment follows. A comment needs a space before it.
fn is_blank(after: &str) -> bool {
    let trimmed = after.trim_start_matches(' ');
    trimmed.is_empty() || (trimmed.starts_with('#') && after.starts_with(' '))
}

/// Where the key that begins at `from` ends, if one does: at a colon with a space or nothing after it.
fn key_end(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes().get(from..)?;
    let letter = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'.' | b'/' | b'-');
    let length = bytes.iter().position(|b| !letter(b))?;
    let begins = bytes.first().is_some_and(|b| *b != b'-' && *b != b'.');
    let ends = bytes.get(length) == Some(&b':') && bytes.get(length + 1).is_none_or(|b| *b == b' ');
    (length > 0 && length <= MAX_KEY && begins && ends).then_some(from + length)
}

#[cfg(test)]
mod tests;

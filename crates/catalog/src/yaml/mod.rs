//! YAML with places: a compact tree of one file, every node with its line, column and bytes.
//!
//! The tree borrows from the text and is dropped as soon as a file's facts are read out of it. Aliases stay links, so an
//! alias bomb costs nothing here; what would be gained by following them is counted, and refused beyond a budget.

mod builder;
mod number;
mod parse;
mod simple;
mod tree;
mod value;

pub(crate) use builder::Problem;
pub(crate) use number::read_plain;
pub(crate) use parse::parse;
pub(crate) use tree::{Node, Style, Tree};
pub(crate) use value::to_json;

use std::sync::Arc;

use crate::diagnostic::Place;

/// Where something is in its file: a [`Place`] without the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spot {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
    /// First byte, from 0.
    pub start: u32,
    /// Byte after the last.
    pub end: u32,
}

impl Spot {
    /// The same spot, as a place in `file`.
    pub fn place(self, file: &Arc<str>) -> Place {
        Place { file: Arc::clone(file), line: self.line, column: self.column, start: self.start, end: self.end }
    }

    /// The beginning of a file.
    pub fn top() -> Self {
        Self { line: 1, column: 1, start: 0, end: 0 }
    }

    /// The spot of byte `at` in `text`, which may be no UTF-8 beyond it.
    pub fn of_byte(text: &[u8], at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        // Bytes that continue a character are none of their own.
        let column = before.get(line_start..).unwrap_or_default().iter().filter(|b| **b & 0xC0 != 0x80).count() + 1;
        let at = narrow(before.len());
        Self { line: narrow(line), column: narrow(column), start: at, end: at }
    }
}

/// Offsets fit into 32 bits, since files beyond [`parse::MAX_BYTES`] are refused.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

//! Text to tree, within limits.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, Tag};

use super::tree::{Kind, NONE, Slot, Style, Tree};
use super::{Spot, narrow};

/// The largest file in bytes. The largest saas files people write have a few hundred kilobytes.
pub(crate) const MAX_BYTES: usize = 8 << 20;

/// The deepest nesting. Saas files need about ten, nested parameters a few more.
const MAX_DEPTH: usize = 64;

/// How much following all aliases may add, in bytes of text and 16 for each node. Generous for people, tiny for bombs.
const MAX_ALIAS_GROWTH: u64 = 2 << 20;

/// Why a file is no tree.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The rule's name.
    pub rule: &'static str,
    /// Where.
    pub spot: Spot,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub mend: String,
    /// The other place it is about.
    pub related: Option<(Spot, String)>,
}

impl Problem {
    fn invalid(spot: Spot, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { rule: "invalid-yaml", spot, message: message.into(), mend: mend.into(), related: None }
    }
}

/// Reads one file. All duplicate keys are told at once; anything else ends at the first problem.
pub(crate) fn parse(bytes: &[u8]) -> Result<Tree<'_>, Vec<Problem>> {
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", bytes.len());
        return Err(vec![Problem::invalid(Spot::top(), message, "Split the file.")]);
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let spot = Spot::of_byte(bytes, error.valid_up_to());
            return Err(vec![Problem::invalid(spot, "the file is not UTF-8 from here on", "Save the file as UTF-8.")]);
        }
    };
    let mut builder = Builder {
        tree: Tree { slots: Vec::with_capacity(text.len() / 24 + 4), root: NONE, aliased: HashSet::new() },
        ..Builder::default()
    };
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.block_nesting_limit = MAX_DEPTH;
    options.flow_nesting_limit = MAX_DEPTH;
    let mut parser = Parser::new_from_str_with_options(text, options);
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => builder.take(event, spot_of(&span), span.tag_start.as_ref().map(spot_at)),
            Err(error) => Err(scan_problem(&error, text)),
        };
        if let Err(problem) = step {
            builder.problems.push(problem);
            return Err(builder.problems);
        }
    }
    builder.finish()
}

fn spot_of(span: &Span) -> Spot {
    let start = spot_at(&span.start);
    Spot { end: span.end.byte_offset().map_or(start.end, narrow), ..start }
}

fn spot_at(mark: &Marker) -> Spot {
    let at = narrow(mark.byte_offset().unwrap_or_default());
    Spot { line: narrow(mark.line()).max(1), column: narrow(mark.col()).saturating_add(1), start: at, end: at }
}

fn scan_problem(error: &ScanError, text: &str) -> Problem {
    let mut spot = spot_at(error.marker());
    spot.start = spot.start.min(narrow(text.len()));
    spot.end = spot.start;
    let mut message = error.kind().to_string();
    message.truncate(message.floor_char_boundary(300));
    let line = text.lines().nth(spot.line.saturating_sub(1) as usize).unwrap_or_default();
    let mend = if line.trim_start_matches(' ').starts_with('\t') {
        "Indent with spaces; YAML takes no tabs there."
    } else if line.contains(": ") {
        "Mend the YAML here. A text that holds \": \", \" #\" or begins with one of @ ` % & * ! | > [ { needs quotes."
    } else {
        "Mend the YAML here, or on the line before."
    };
    Problem::invalid(spot, format!("this is not YAML: {message}"), mend)
}

/// An open collection.
struct Frame {
    id: u32,
    last: u32,
    count: u32,
    mapping: bool,
    merges: bool,
    anchor: usize,
    weight: u64,
    height: usize,
}

/// A node that aliases may name, and what following them costs.
#[derive(Clone, Copy)]
struct Anchored {
    id: u32,
    weight: u64,
    height: usize,
}

#[derive(Default)]
struct Builder<'t> {
    tree: Tree<'t>,
    open: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    grown: u64,
    documents: u32,
    problems: Vec<Problem>,
}

impl Default for Tree<'_> {
    fn default() -> Self {
        Self { slots: Vec::new(), root: NONE, aliased: HashSet::new() }
    }
}

impl<'t> Builder<'t> {
    fn take(&mut self, event: Event<'t>, spot: Spot, tag_spot: Option<Spot>) -> Result<(), Problem> {
        let tag_spot = tag_spot.unwrap_or(spot);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Problem::invalid(spot, "the file holds a second document", "Put each document into a file of its own."));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let style = match (style, tag_name(tag.as_deref(), tag_spot)?) {
                    (ScalarStyle::Plain, TagName::None) => Style::Plain,
                    (ScalarStyle::SingleQuoted, TagName::None | TagName::Str) => Style::Single,
                    (ScalarStyle::Literal | ScalarStyle::Folded, TagName::None | TagName::Str) => Style::Block,
                    (_, TagName::None | TagName::Str) => Style::Double,
                    _ => return Err(refused_tag(tag_spot)),
                };
                let weight = 16 + text.len() as u64;
                let id = self.add(Kind::Scalar(text, style), spot, weight, 1)?;
                self.anchor(anchor, Anchored { id, weight, height: 1 });
                Ok(())
            }
            Event::SequenceStart(_, anchor, tag) => {
                if !matches!(tag_name(tag.as_deref(), tag_spot)?, TagName::None | TagName::Seq) {
                    return Err(refused_tag(tag_spot));
                }
                self.enter(Kind::Sequence { first: NONE }, spot, anchor, false)
            }
            Event::MappingStart(_, anchor, tag) => {
                if !matches!(tag_name(tag.as_deref(), tag_spot)?, TagName::None | TagName::Map) {
                    return Err(refused_tag(tag_spot));
                }
                self.enter(Kind::Mapping { first: NONE, merges: false }, spot, anchor, true)
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(spot),
            Event::Alias(anchor) => self.alias(anchor, spot),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, kind: Kind<'t>, spot: Spot, anchor: usize, mapping: bool) -> Result<(), Problem> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(spot));
        }
        let id = self.add(kind, spot, 16, 1)?;
        self.open.push(Frame { id, last: NONE, count: 0, mapping, merges: false, anchor, weight: 16, height: 1 });
        Ok(())
    }

    fn leave(&mut self, spot: Spot) -> Result<(), Problem> {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        if let Some(slot) = self.tree.slots.get_mut(frame.id as usize) {
            slot.spot.end = slot.spot.end.max(spot.start);
            if let Kind::Mapping { merges, .. } = &mut slot.kind {
                *merges = frame.merges;
            }
        }
        if frame.mapping {
            self.check_keys(frame.id);
        }
        self.anchor(frame.anchor, Anchored { id: frame.id, weight: frame.weight, height: frame.height });
        if let Some(parent) = self.open.last_mut() {
            parent.weight = parent.weight.saturating_add(frame.weight.saturating_sub(16));
            parent.height = parent.height.max(frame.height + 1);
            if parent.height > MAX_DEPTH {
                return Err(too_deep(spot));
            }
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, spot: Spot) -> Result<(), Problem> {
        let Some(named) = self.anchors.get(&anchor).copied() else {
            return Err(Problem::invalid(spot, "the alias names a node that holds the alias itself", "Write the value out."));
        };
        self.grown = self.grown.saturating_add(named.weight);
        if self.grown > MAX_ALIAS_GROWTH {
            let message = format!("following the aliases up to here would add more than {MAX_ALIAS_GROWTH} bytes");
            return Err(Problem::invalid(spot, message, "Write the values out, or use fewer aliases."));
        }
        self.tree.aliased.insert(named.id);
        self.add(Kind::Alias { to: named.id }, spot, named.weight, named.height)?;
        Ok(())
    }

    fn anchor(&mut self, anchor: usize, node: Anchored) {
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
    }

    /// Adds a node below the innermost open collection.
    fn add(&mut self, kind: Kind<'t>, spot: Spot, weight: u64, height: usize) -> Result<u32, Problem> {
        let id = narrow(self.tree.slots.len());
        self.tree.slots.push(Slot { spot, next: NONE, kind });
        let Some(parent) = self.open.last_mut() else {
            self.tree.root = id;
            return Ok(id);
        };
        parent.weight = parent.weight.saturating_add(weight);
        parent.height = parent.height.max(height + 1);
        if parent.height + self.open.len() > MAX_DEPTH + 1 {
            return Err(too_deep(spot));
        }
        let Some(parent) = self.open.last_mut() else { return Ok(id) };
        let is_key = parent.mapping && parent.count % 2 == 0;
        parent.count += 1;
        let (link_at, first) = if parent.last == NONE { (parent.id, true) } else { (parent.last, false) };
        parent.last = id;
        if let Some(slot) = self.tree.slots.get_mut(link_at as usize) {
            match (&mut slot.kind, first) {
                (Kind::Sequence { first } | Kind::Mapping { first, .. }, true) => *first = id,
                _ => slot.next = id,
            }
        }
        if is_key {
            let key = self.tree.node(id);
            match key.scalar() {
                Some(("<<", Style::Plain)) => parent.merges = true,
                Some(_) => {}
                None => return Err(Problem::invalid(spot, "a key is a list or a mapping", "Use plain texts as keys.")),
            }
        }
        Ok(id)
    }

    /// The same key twice: readers differ in which one they take, so neither is taken.
    fn check_keys(&mut self, id: u32) {
        let mut seen: HashMap<&str, Spot> = HashMap::new();
        let mut few: Vec<(&str, Spot)> = Vec::new();
        let node = self.tree.node(id);
        for entry in node.written() {
            if entry.is_merge() {
                if !entry.value.is_mapping() && !entry.value.is_sequence() {
                    self.problems.push(Problem::invalid(
                        entry.key_spot,
                        "the merge key `<<` needs a mapping",
                        "Name a mapping by an alias.",
                    ));
                }
                continue;
            }
            let before = if few.len() < 12 {
                let before = few.iter().find(|(key, _)| *key == entry.key).map(|(_, spot)| *spot);
                few.push((entry.key, entry.key_spot));
                before
            } else {
                if seen.is_empty() {
                    seen.extend(few.iter().copied());
                }
                seen.insert(entry.key, entry.key_spot)
            };
            if let Some(first) = before {
                self.problems.push(Problem {
                    rule: "duplicate-key",
                    spot: entry.key_spot,
                    message: format!("the key `{}` is given twice", entry.key.escape_debug()),
                    mend: "Keep one of the two.".to_owned(),
                    related: Some((first, "first given here".to_owned())),
                });
            }
        }
    }

    fn finish(self) -> Result<Tree<'t>, Vec<Problem>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        if self.tree.root == NONE {
            let problem = Problem {
                rule: "missing-schema",
                ..Problem::invalid(Spot::top(), "the file is empty", "Begin it with `$schema:`, or remove it.")
            };
            return Err(vec![problem]);
        }
        Ok(self.tree)
    }
}

enum TagName {
    None,
    Str,
    Seq,
    Map,
}

fn tag_name(tag: Option<&Tag>, spot: Spot) -> Result<TagName, Problem> {
    match tag.map(Tag::core_suffix) {
        None => Ok(TagName::None),
        Some(Some("str")) => Ok(TagName::Str),
        Some(Some("seq")) => Ok(TagName::Seq),
        Some(Some("map")) => Ok(TagName::Map),
        Some(_) => Err(refused_tag(spot)),
    }
}

fn refused_tag(spot: Spot) -> Problem {
    Problem::invalid(
        spot,
        "a tag stands before this value; only !!str, !!seq and !!map are taken, each before what it names",
        "Remove the tag.",
    )
}

fn too_deep(spot: Spot) -> Problem {
    Problem::invalid(spot, format!("the nesting is deeper than {MAX_DEPTH}"), "Flatten the value.")
}

#[cfg(test)]
mod tests;

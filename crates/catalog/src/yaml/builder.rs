//! Builds a tree, whoever reads the text, and keeps it within limits.

use std::collections::{HashMap, HashSet};

use super::tree::{Kind, NONE, Slot, Style, Tree};
use super::{Spot, narrow};

/// The deepest nesting. Saas files need about ten, nested parameters a few more.
pub(super) const MAX_DEPTH: usize = 64;

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
    pub(super) fn invalid(spot: Spot, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { rule: "invalid-yaml", spot, message: message.into(), mend: mend.into(), related: None }
    }
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
pub(super) struct Anchored {
    pub id: u32,
    pub weight: u64,
    pub height: usize,
}

/// A tree that is being built.
#[derive(Default)]
pub(super) struct Builder<'t> {
    tree: Tree<'t>,
    open: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    grown: u64,
    pub documents: u32,
    pub problems: Vec<Problem>,
}

impl Default for Tree<'_> {
    fn default() -> Self {
        Self { slots: Vec::new(), root: NONE, aliased: HashSet::new() }
    }
}

impl<'t> Builder<'t> {
    /// An empty tree with room for what a text of this many bytes usually holds.
    pub fn for_text(bytes: usize) -> Self {
        let tree = Tree { slots: Vec::with_capacity(bytes / 12 + 8), root: NONE, aliased: HashSet::new() };
        Self { tree, ..Self::default() }
    }

    /// Opens a collection.
    pub(super) fn enter(&mut self, kind: Kind<'t>, spot: Spot, anchor: usize, mapping: bool) -> Result<(), Problem> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(spot));
        }
        let id = self.add(kind, spot, 16, 1)?;
        self.open.push(Frame { id, last: NONE, count: 0, mapping, merges: false, anchor, weight: 16, height: 1 });
        Ok(())
    }

    /// Moves the beginning of the innermost collection, which is still empty.
    pub(super) fn begin_at(&mut self, spot: Spot) {
        if let Some(slot) = self.open.last().and_then(|frame| self.tree.slots.get_mut(frame.id as usize)) {
            slot.spot = Spot { end: spot.start, ..spot };
        }
    }

    /// Closes the innermost collection. `closing` is the spot of its closing bracket, or an empty one where it has none.
    pub(super) fn leave(&mut self, closing: Spot) -> Result<(), Problem> {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        // Without a bracket it ends where its last child does, and not where something else begins.
        let last_end = self.tree.slots.get(frame.last as usize).map_or(0, |slot| slot.spot.end);
        if let Some(slot) = self.tree.slots.get_mut(frame.id as usize) {
            slot.spot.end = if closing.end > closing.start { closing.end } else { slot.spot.end.max(last_end) };
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
                return Err(too_deep(closing));
            }
        }
        Ok(())
    }

    /// Adds an alias.
    pub(super) fn alias(&mut self, anchor: usize, spot: Spot) -> Result<(), Problem> {
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

    /// Remembers what aliases may name.
    pub(super) fn anchor(&mut self, anchor: usize, node: Anchored) {
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
    }

    /// Adds a node below the innermost open collection.
    pub(super) fn add(&mut self, kind: Kind<'t>, spot: Spot, weight: u64, height: usize) -> Result<u32, Problem> {
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

    /// The tree, if nothing is wrong with it.
    pub(super) fn finish(self) -> Result<Tree<'t>, Vec<Problem>> {
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

fn too_deep(spot: Spot) -> Problem {
    Problem::invalid(spot, format!("the nesting is deeper than {MAX_DEPTH}"), "Flatten the value.")
}

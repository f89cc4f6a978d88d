//! The node tree: one vector per file, children linked by index.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Spot;

/// No node: the end of a list of children.
pub(super) const NONE: u32 = u32::MAX;

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: its text decides its type.
    Plain,
    /// In single quotes: text.
    Single,
    /// In double quotes: text.
    Double,
    /// `|` or `>`: text.
    Block,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind<'t> {
    /// A scalar.
    Scalar(Cow<'t, str>, Style),
    /// A sequence; its items begin at `first`.
    Sequence { first: u32 },
    /// A mapping; keys and values alternate from `first` on.
    Mapping { first: u32, merges: bool },
    /// The same as another node.
    Alias { to: u32 },
}

/// One node as it is stored.
#[derive(Debug)]
pub(super) struct Slot<'t> {
    pub spot: Spot,
    pub next: u32,
    pub kind: Kind<'t>,
}

/// The nodes of one file.
#[derive(Debug)]
pub(crate) struct Tree<'t> {
    pub(super) slots: Vec<Slot<'t>>,
    pub(super) root: u32,
    /// Nodes that some alias names.
    pub(super) aliased: HashSet<u32>,
}

impl<'t> Tree<'t> {
    /// The topmost node.
    pub fn root(&self) -> Node<'_, 't> {
        Node::new(self, self.root)
    }

    /// One node.
    pub(super) fn node(&self, id: u32) -> Node<'_, 't> {
        Node::new(self, id)
    }

    fn next(&self, id: u32) -> u32 {
        self.slots.get(id as usize).map_or(NONE, |slot| slot.next)
    }

    /// Every scalar that is written in the file, in its order.
    pub fn scalars(&self) -> impl Iterator<Item = Scalar<'_>> {
        self.slots.iter().zip(0..).filter_map(|(slot, id)| match &slot.kind {
            Kind::Scalar(text, style) => {
                Some(Scalar { spot: slot.spot, text, is_block: *style == Style::Block, is_aliased: self.aliased.contains(&id) })
            }
            _ => None,
        })
    }

    /// Where aliases are written.
    pub fn aliases(&self) -> impl Iterator<Item = Spot> {
        self.slots.iter().filter(|slot| matches!(slot.kind, Kind::Alias { .. })).map(|slot| slot.spot)
    }

    /// Whether `after` says the same as this tree, but for the scalars that began here at the given bytes: those must now
    /// be the given texts, and texts only.
    pub fn differs_only(&self, after: &Self, changed: &[(u32, &str)]) -> bool {
        let same = |(before, after): (&Slot<'_>, &Slot<'_>)| {
            before.next == after.next
                && match (&before.kind, &after.kind) {
                    (Kind::Scalar(old, old_style), Kind::Scalar(new, new_style)) => {
                        match changed.iter().find(|(start, _)| *start == before.spot.start && before.spot.end > before.spot.start) {
                            Some((_, wanted)) => new == wanted && (*new_style != Style::Plain || super::read_plain(new).value.is_string()),
                            None => old == new && old_style == new_style,
                        }
                    }
                    (Kind::Sequence { first: old }, Kind::Sequence { first: new }) => old == new,
                    (Kind::Mapping { first: old, merges }, Kind::Mapping { first: new, merges: new_merges }) => {
                        old == new && merges == new_merges
                    }
                    (Kind::Alias { to: old }, Kind::Alias { to: new }) => old == new,
                    _ => false,
                }
        };
        self.root == after.root && self.slots.len() == after.slots.len() && self.slots.iter().zip(&after.slots).all(same)
    }
}

/// A scalar as an edit looks for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar<'a> {
    /// Where it is written, its quotes included.
    pub spot: Spot,
    /// What it says.
    pub text: &'a str,
    /// It is written as `|` or `>`.
    pub is_block: bool,
    /// Some alias names it.
    pub is_aliased: bool,
}

/// A node for reading. An alias is read as what it names, yet its place is its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a, 't> {
    tree: &'a Tree<'t>,
    id: u32,
    site: u32,
}

impl<'a, 't> Node<'a, 't> {
    fn new(tree: &'a Tree<'t>, site: u32) -> Self {
        let id = match tree.slots.get(site as usize).map(|slot| &slot.kind) {
            // An alias names a node that ended before it, and never another alias.
            Some(Kind::Alias { to }) => *to,
            _ => site,
        };
        Self { tree, id, site }
    }

    fn kind(&self) -> Option<&'a Kind<'t>> {
        self.tree.slots.get(self.id as usize).map(|slot| &slot.kind)
    }

    /// Where it is written; of an alias, where the alias is.
    pub fn spot(&self) -> Spot {
        self.tree.slots.get(self.site as usize).map(|slot| slot.spot).unwrap_or_default()
    }

    /// Its text and how that is written, if it is a scalar.
    pub fn scalar(&self) -> Option<(&'a str, Style)> {
        match self.kind()? {
            Kind::Scalar(text, style) => Some((text.as_ref(), *style)),
            _ => None,
        }
    }

    /// Whether it is an empty plain scalar, `~` or `null`: as good as not there.
    pub fn is_null(&self) -> bool {
        matches!(self.scalar(), Some(("" | "~" | "null" | "Null" | "NULL", Style::Plain)))
    }

    /// Whether it is a mapping.
    pub fn is_mapping(&self) -> bool {
        matches!(self.kind(), Some(Kind::Mapping { .. }))
    }

    /// Whether it is a sequence.
    pub fn is_sequence(&self) -> bool {
        matches!(self.kind(), Some(Kind::Sequence { .. }))
    }

    /// What it is, for messages.
    pub fn describe(&self) -> &'static str {
        match self.kind() {
            _ if self.is_null() => "nothing",
            Some(Kind::Scalar(..)) => "a scalar",
            Some(Kind::Sequence { .. }) => "a list",
            _ => "a mapping",
        }
    }

    /// Its items, if it is a sequence; else none.
    pub fn items(self) -> impl Iterator<Item = Node<'a, 't>> {
        let mut at = match self.kind() {
            Some(Kind::Sequence { first }) => *first,
            _ => NONE,
        };
        std::iter::from_fn(move || {
            if at == NONE {
                return None;
            }
            let item = Node::new(self.tree, at);
            at = self.tree.next(at);
            Some(item)
        })
    }

    /// Its keys and values, if it is a mapping; else none. Merge keys are followed; what is written beside one wins.
    pub fn entries(self) -> Entries<'a, 't> {
        match self.kind() {
            Some(Kind::Mapping { first, merges: false }) => Entries::Linked { tree: self.tree, at: *first },
            Some(Kind::Mapping { .. }) => {
                let mut all = Vec::new();
                self.flatten(&mut all, &mut HashSet::new());
                Entries::Merged(all.into_iter())
            }
            _ => Entries::Linked { tree: self.tree, at: NONE },
        }
    }

    /// Its keys and values as written, merge keys among them.
    pub(super) fn written(self) -> Entries<'a, 't> {
        match self.kind() {
            Some(Kind::Mapping { first, .. }) => Entries::Linked { tree: self.tree, at: *first },
            _ => Entries::Linked { tree: self.tree, at: NONE },
        }
    }

    fn flatten(self, all: &mut Vec<Entry<'a, 't>>, known: &mut HashSet<&'a str>) {
        let mut merged = Vec::new();
        for entry in self.written() {
            if entry.is_merge() {
                if entry.value.is_sequence() {
                    merged.extend(entry.value.items());
                } else {
                    merged.push(entry.value);
                }
            } else if known.insert(entry.key) {
                all.push(entry);
            }
        }
        for other in merged {
            other.flatten(all, known);
        }
    }

    /// The value of `key`, if this is a mapping that has it and it is not null.
    pub fn get(self, key: &str) -> Option<Node<'a, 't>> {
        self.entries().find(|entry| entry.key == key).map(|entry| entry.value).filter(|value| !value.is_null())
    }
}

/// One key and its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a, 't> {
    /// The key's text.
    pub key: &'a str,
    /// Where the key is written.
    pub key_spot: Spot,
    /// The value.
    pub value: Node<'a, 't>,
    plain: bool,
}

impl Entry<'_, '_> {
    pub(super) fn is_merge(&self) -> bool {
        self.plain && self.key == "<<"
    }
}

/// Iterates over a mapping.
pub(crate) enum Entries<'a, 't> {
    /// As written.
    Linked { tree: &'a Tree<'t>, at: u32 },
    /// With merge keys followed.
    Merged(std::vec::IntoIter<Entry<'a, 't>>),
}

impl<'a, 't> Iterator for Entries<'a, 't> {
    type Item = Entry<'a, 't>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Merged(all) => all.next(),
            Self::Linked { tree, at } => {
                if *at == NONE {
                    return None;
                }
                let key = Node::new(tree, *at);
                let value = tree.next(*at);
                *at = tree.next(value);
                let (text, style) = key.scalar().unwrap_or(("", Style::Plain));
                Some(Entry { key: text, key_spot: key.spot(), value: Node::new(tree, value), plain: style == Style::Plain })
            }
        }
    }
}

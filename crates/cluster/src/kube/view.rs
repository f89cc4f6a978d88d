//! What is seen of a namespace, put in order for questions: who owns what, and which events speak of whom. Pure, and made anew for each look.

use std::collections::HashMap;

use serde_json::Value;

use super::watching::{Seen, owners, text};

/// A look at what is seen.
pub(super) struct View<'s> {
    seen: &'s Seen,
    owned: HashMap<&'s str, Vec<(&'s str, &'s Value)>>,
    events: HashMap<&'s str, Vec<&'s Value>>,
    gone: HashMap<&'s str, Vec<&'s Value>>,
}

impl<'s> View<'s> {
    /// Puts it in order.
    pub(super) fn new(seen: &'s Seen) -> Self {
        let (mut owned, mut events): (HashMap<_, Vec<_>>, HashMap<_, Vec<_>>) = (HashMap::new(), HashMap::new());
        for (kind, object) in seen.everything() {
            if kind == "Event" {
                events.entry(text(object, "/involvedObject/uid")).or_default().push(object);
                continue;
            }
            for owner in owners(object) {
                owned.entry(owner).or_default().push((kind, object));
            }
        }
        let mut gone: HashMap<_, Vec<_>> = HashMap::new();
        for pod in seen.gone() {
            for owner in owners(pod) {
                gone.entry(owner).or_default().push(pod);
            }
        }
        Self { seen, owned, events, gone }
    }

    /// An object.
    pub(super) fn get(&self, kind: &str, name: &str) -> Option<&'s Value> {
        self.seen.get(kind, name)
    }

    /// All objects of a kind.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = &'s Value> {
        self.seen.all(kind)
    }

    /// Objects of a kind that the object with this id owns.
    pub(super) fn owned_by(&self, kind: &str, uid: &str) -> impl Iterator<Item = &'s Value> {
        let owned = self.owned.get(uid).map(Vec::as_slice).unwrap_or_default();
        owned.iter().filter(move |(of, _)| *of == kind).map(|(_, object)| *object)
    }

    /// Everything that the object with this id owns.
    pub(super) fn all_owned_by(&self, uid: &str) -> impl Iterator<Item = &'s Value> {
        self.owned.get(uid).map(Vec::as_slice).unwrap_or_default().iter().map(|(_, object)| *object)
    }

    /// Pods of the object with this id that are no longer there, as they were last.
    pub(super) fn gone_from(&self, uid: &str) -> impl Iterator<Item = &'s Value> {
        self.gone.get(uid).map(Vec::as_slice).unwrap_or_default().iter().copied()
    }

    /// Events about the object with this id.
    pub(super) fn events_of(&self, uid: &str) -> impl Iterator<Item = &'s Value> {
        self.events.get(uid).map(Vec::as_slice).unwrap_or_default().iter().copied()
    }
}

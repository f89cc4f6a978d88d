//! The image that another one is packed upon.

use std::collections::BTreeMap;

use towpath_domain::ImageRef;

use crate::image::{ConfigFile, Manifest};
use crate::layer::{Budget, EntryKind, Layer, read_layer};
use crate::layout::Layout;
use crate::{LayoutRegistry, RegistryError};

/// How many links one path may lead through: Linux's own limit.
const LINKS: usize = 40;

/// A base image, and what its files are.
pub(super) struct Base {
    pub(super) layout: Layout,
    pub(super) manifest: Manifest,
    pub(super) config: ConfigFile,
    /// What is at a path, without its leading `/`.
    nodes: BTreeMap<Vec<u8>, Node>,
}

enum Node {
    Folder,
    Link(Vec<u8>),
    File,
}

impl Base {
    /// The base image `name`, which must be in the registry; `None` stays `None`.
    pub(super) fn open(name: Option<&str>, registry: &LayoutRegistry) -> Result<Option<Self>, RegistryError> {
        let Some(name) = name else { return Ok(None) };
        let image: ImageRef =
            name.parse().map_err(|error| RegistryError::Name { what: "name", text: name.to_owned(), why: format!("{error}") })?;
        let (layout, manifest, config) = registry.open_ref(&image)?;
        let mut nodes = BTreeMap::new();
        let mut budget = Budget::new(registry.limits());
        for (descriptor, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
            let layer = Layer { layout: &layout, descriptor, diff_id: *diff_id, place: name };
            read_layer(layer, &mut budget, &mut |entry, _| {
                note(&mut nodes, &entry.path, &entry.kind);
                Ok(())
            })?;
        }
        Ok(Some(Self { layout, manifest, config, nodes }))
    }

    /// Whether the base has a folder at `path`.
    pub(super) fn has_folder(&self, path: &[u8]) -> bool {
        matches!(self.nodes.get(path), Some(Node::Folder))
    }

    /// Where the folder `path` really is, following the base's links. `None` when they lead nowhere.
    pub(super) fn resolve(&self, path: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
        let mut real: Vec<Vec<u8>> = Vec::new();
        let mut todo: Vec<Vec<u8>> = path.iter().rev().cloned().collect();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == b".." {
                real.pop();
                continue;
            }
            real.push(name);
            let Some(Node::Link(target)) = self.nodes.get(&real.join(&b'/')) else { continue };
            links += 1;
            if links > LINKS {
                return None;
            }
            real.pop();
            if target.starts_with(b"/") {
                real.clear();
            }
            let names = target.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
            todo.extend(names.rev().map(<[u8]>::to_vec));
        }
        Some(real)
    }
}

fn note(nodes: &mut BTreeMap<Vec<u8>, Node>, path: &[Vec<u8>], kind: &EntryKind) {
    let key = path.join(&b'/');
    let node = match kind {
        EntryKind::Folder => Node::Folder,
        EntryKind::Link(target) => Node::Link(target.clone()),
        EntryKind::File | EntryKind::HardLink(_) => Node::File,
        EntryKind::Whiteout => {
            nodes.remove(&key);
            remove_below(nodes, &key);
            return;
        }
        EntryKind::Opaque => return remove_below(nodes, &key),
        EntryKind::Nothing => return,
    };
    if key.is_empty() {
        return;
    }
    for end in 1..path.len() {
        let parent = path.iter().take(end).cloned().collect::<Vec<_>>().join(&b'/');
        nodes.entry(parent).or_insert(Node::Folder);
    }
    if !matches!(node, Node::Folder) {
        remove_below(nodes, &key);
    }
    nodes.insert(key, node);
}

fn remove_below(nodes: &mut BTreeMap<Vec<u8>, Node>, key: &[u8]) {
    let mut prefix = key.to_vec();
    if !prefix.is_empty() {
        prefix.push(b'/');
    }
    let below: Vec<Vec<u8>> =
        nodes.range(prefix.clone()..).map(|(path, _)| path).take_while(|path| path.starts_with(&prefix)).cloned().collect();
    for path in below {
        nodes.remove(&path);
    }
}

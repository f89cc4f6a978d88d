//! Sources: `/towpath/source-1.yml`.

use std::collections::BTreeMap;

use towpath_domain::{BranchName, GitRef, ImageRef, RepoUrl, SourceName, Span};

use super::Ref;
use super::check::{self, RawCheck};
use super::fields::{At, Reader};
use super::inventory::check_dns_label;
use super::saas::DEFAULT_HASH_LENGTH;
use crate::model::{Build, Pack, PackFile};
use crate::yaml::Node;

/// A source as it is written.
#[derive(Debug)]
pub(crate) struct RawSource {
    pub name: At<SourceName>,
    pub app: Ref,
    pub url: At<RepoUrl>,
    pub branch: BranchName,
    pub image: String,
    pub hash_length: usize,
    pub build: Build,
    pub check: Option<RawCheck>,
}

const FIELDS: &[&str] = &["$schema", "name", "description", "labels", "app", "url", "branch", "image", "hash_length", "build", "check"];
const BUILD_FIELDS: &[&str] = &["command", "env", "timeout", "pack", "push", "image", "resources"];
const PACK_FIELDS: &[&str] = &["base", "files", "entrypoint", "cmd", "env", "workdir"];
const FILE_FIELDS: &[&str] = &["from", "to", "mode"];

/// How long a build may take, unless the source says otherwise.
const DEFAULT_BUILD_TIMEOUT: Span = Span::from_secs(1800);

pub(super) fn read(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawSource> {
    let errors = reader.errors();
    reader.only(root, FIELDS);
    let name = reader.name::<SourceName>(root, "name");
    if let Some(name) = &name {
        check_dns_label(reader, name.value.as_str(), name.spot, "source");
    }
    reader.text_of(root, "description");
    reader.labels(root, "labels");
    let app = reader.reference(root, "app");
    let url = reader.required(root, "url").and_then(|node| reader.url(node, "url"));
    let branch = match root.get("branch") {
        None => BranchName::new("main").ok(),
        Some(node) => read_branch(reader, node),
    };
    let image = reader.required(root, "image").and_then(|node| read_image(reader, node));
    let hash_length = reader.number(root, "hash_length", 4..=40).and_then(|length| usize::try_from(length).ok());
    let build = reader.required(root, "build").and_then(|node| read_build(reader, node));
    let check = root.get("check").and_then(|node| check::read(reader, node));
    let good = reader.errors() == errors;
    let (name, app, url, branch, image, build) = (name?, app?, url?, branch?, image?, build?);
    let hash_length = hash_length.unwrap_or(DEFAULT_HASH_LENGTH);
    good.then_some(RawSource { name, app, url, branch, image, hash_length, build, check })
}

fn read_branch(reader: &mut Reader, node: Node<'_, '_>) -> Option<BranchName> {
    match reader.parse::<GitRef>(node, "branch", "bad-git-ref")?.value {
        GitRef::Branch(branch) => Some(branch),
        GitRef::Commit(_) => {
            reader.error(
                "bad-git-ref",
                node.spot(),
                "`branch` is a commit: a source releases a branch",
                "Name the branch, such as `main`.",
            );
            None
        }
    }
}

/// The image's name: with a registry, a port at most in front of the first slash, and neither tag nor digest.
fn read_image(reader: &mut Reader, node: Node<'_, '_>) -> Option<String> {
    let text = reader.text(node, "image")?;
    let tagged = text.rsplit('/').next().unwrap_or_default().contains(':') || text.contains('@');
    if tagged {
        reader.error("bad-image", node.spot(), "`image` carries a tag or a digest", "Write the name only; the commit makes the tag.");
        return None;
    }
    match ImageRef::tagged(text, "x") {
        Ok(_) => Some(text.to_owned()),
        Err(error) => {
            let message = error.to_string().replace(":x\"", "\"");
            reader.error("bad-image", node.spot(), message, "Write it as registry/organisation/name.");
            None
        }
    }
}

fn read_build(reader: &mut Reader, map: Node<'_, '_>) -> Option<Build> {
    let errors = reader.errors();
    reader.only(map, BUILD_FIELDS);
    let command = map.get("command").and_then(|node| read_command(reader, node));
    let env = read_env(reader, map);
    let timeout = map.get("timeout").and_then(|node| reader.parse::<Span>(node, "timeout", "wrong-type"));
    if let Some(timeout) = timeout.as_ref().filter(|timeout| timeout.value == Span::from_millis(0)) {
        reader.error("wrong-type", timeout.spot, "`timeout` is nothing: no build would ever end in time", "Write a span such as 30m.");
    }
    let pack = map.get("pack").and_then(|node| read_pack(reader, node));
    let push = reader.flag(map, "push").unwrap_or(false);
    if let (true, Some(node)) = (push, map.get("push")) {
        if map.get("pack").is_some() {
            let message = "`push` and `pack` exclude each other: either the command pushes the image, or Towpath packs and pushes it";
            reader.error("push-and-pack", node.spot(), message, "Remove one of the two.");
        }
        if map.get("command").is_none() {
            reader.error(
                "missing-field",
                node.spot(),
                "`push` needs a `command` that pushes the image",
                "Add `command:`, or remove `push`.",
            );
        }
    }
    let image = map.get("image").and_then(|node| reader.parse::<ImageRef>(node, "image", "bad-image")).map(|at| at.value);
    let resources = map.get("resources").map(|node| {
        reader.only(node, &["requests", "limits"]);
        for part in ["requests", "limits"].into_iter().filter_map(|part| node.get(part)) {
            reader.only(part, &["cpu", "memory"]);
        }
        super::resources::read(reader, node, "resources")
    });
    if map.get("command").is_none() && map.get("pack").is_none() {
        reader.error("missing-field", map.spot(), "`build` has neither `command` nor `pack`", "Say what to run, what to pack, or both.");
    }
    let timeout = timeout.map_or(DEFAULT_BUILD_TIMEOUT, |at| at.value);
    (reader.errors() == errors).then_some(Build { command, env, pack, timeout, image, resources, push })
}

/// One text is a shell's line; a list is program and arguments.
pub(super) fn read_command(reader: &mut Reader, node: Node<'_, '_>) -> Option<Vec<String>> {
    if !node.is_sequence() {
        let line = reader.text(node, "command")?;
        return Some(vec!["sh".to_owned(), "-c".to_owned(), line.to_owned()]);
    }
    let words: Vec<_> = node.items().filter_map(|item| reader.text(item, "command").map(str::to_owned)).collect();
    if words.is_empty() {
        reader.error("wrong-type", node.spot(), "`command` is an empty list", "Write the program and its arguments.");
        return None;
    }
    Some(words)
}

pub(super) fn read_env(reader: &mut Reader, map: Node<'_, '_>) -> BTreeMap<String, String> {
    for entry in map.get("env").into_iter().flat_map(|env| env.entries()) {
        let letters = entry.key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !letters || !entry.key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            let message = format!("`{}` is no name for an environment variable", entry.key.escape_debug());
            reader.error("bad-name", entry.key_spot, message, "Use letters, digits and underscores, not beginning with a digit.");
        }
    }
    reader.labels(map, "env")
}

fn read_pack(reader: &mut Reader, map: Node<'_, '_>) -> Option<Pack> {
    let errors = reader.errors();
    reader.only(map, PACK_FIELDS);
    let base = reader.text_of(map, "base").filter(|base| *base != "scratch").map(str::to_owned);
    if let (Some(text), Some(node)) = (&base, map.get("base"))
        && let Err(error) = text.parse::<ImageRef>()
    {
        reader.error("bad-image", node.spot(), error.to_string(), "Name an image that is in the registry, or `scratch`.");
    }
    let items = reader.required(map, "files").and_then(|_| reader.list(map, "files")).unwrap_or_default();
    let files = items.into_iter().filter_map(|item| read_file(reader, item)).collect();
    let mut words = |field| reader.texts(map, field).unwrap_or_default().into_iter().map(|at| at.value).collect();
    let (entrypoint, cmd) = (words("entrypoint"), words("cmd"));
    let env = read_env(reader, map);
    let workdir = map.get("workdir").and_then(|node| absolute(reader, node, "workdir")).unwrap_or_else(|| "/".to_owned());
    (reader.errors() == errors).then_some(Pack { base, files, entrypoint, cmd, env, workdir })
}

fn read_file(reader: &mut Reader, map: Node<'_, '_>) -> Option<PackFile> {
    reader.only(map, FILE_FIELDS);
    let from = reader.required(map, "from").and_then(|node| relative(reader, node));
    let to = reader.required(map, "to").and_then(|node| absolute(reader, node, "to"));
    let mode = match map.get("mode") {
        None => None,
        Some(node) => Some(read_mode(reader, node)?),
    };
    Some(PackFile { from: from?, to: to?, mode })
}

/// A path within the checkout: a path that leaves it is refused, not cleaned.
pub(super) fn relative(reader: &mut Reader, node: Node<'_, '_>) -> Option<String> {
    let path = reader.text(node, "from")?;
    let leaves = path.starts_with(['/', '\\']) || path.split(['/', '\\']).any(|part| part == "..") || path.chars().any(char::is_control);
    if path.is_empty() || leaves {
        let message = format!("`{}` is no path within the checkout", path.escape_debug());
        reader.error("bad-path", node.spot(), message, "Write a path relative to the repository's root, without `..`.");
        return None;
    }
    Some(path.to_owned())
}

fn absolute(reader: &mut Reader, node: Node<'_, '_>, field: &str) -> Option<String> {
    let path = reader.text(node, field)?;
    if !path.starts_with('/') || path.split('/').any(|part| part == "..") || path.chars().any(char::is_control) {
        let message = format!("`{field}`: `{}` is no absolute path", path.escape_debug());
        reader.error("bad-path", node.spot(), message, "Begin it with `/`, and go without `..`.");
        return None;
    }
    Some(path.to_owned())
}

/// Permission bits are octal, however they are written: `0755`, `755`, `"0o755"`.
fn read_mode(reader: &mut Reader, node: Node<'_, '_>) -> Option<u32> {
    let text = reader.text(node, "mode")?;
    let octal = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(octal, 8).ok().filter(|mode| *mode <= 0o7777 && !octal.starts_with('+')) {
        Some(mode) => Some(mode),
        None => {
            reader.error("wrong-type", node.spot(), "`mode` is not octal permission bits", "Write something like \"0755\".");
            None
        }
    }
}

//! Finds and reads one secret's files.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use crate::contents::{AnyFields, Field};
use crate::error::{SecretError, SecretErrorKind};

/// The largest file that is read, in bytes.
const LARGEST_FILE: u64 = 1 << 20;
/// The most fields that a folder may hold.
const MOST_FIELDS: usize = 1000;
/// How many files [`look_around`] looks at, so that a wrong folder does not take the time of a whole disk.
const MOST_LOOKED_AT: usize = 10_000;

/// A secret's fields, and those of its files that more than their owner may read.
pub(super) struct Found {
    pub fields: BTreeMap<String, Field>,
    pub readable_by_others: Vec<PathBuf>,
}

/// Reads the secret at `path`, which was checked, below `folder`.
pub(super) fn secret(folder: &Path, path: &str) -> Result<Found, SecretError> {
    let root = root(folder)?;
    let wanted = root.join(path);
    let mut there = Vec::new();
    for ending in ["", ".yaml", ".yml", ".json"] {
        let candidate = if ending.is_empty() { wanted.clone() } else { PathBuf::from(format!("{}{ending}", wanted.display())) };
        match fs::canonicalize(&candidate) {
            Ok(real) if real.starts_with(&root) => there.push((candidate, real)),
            Ok(_) => {
                let why = format!("{} is a link that leads out of the folder", shown(folder, &root, &candidate));
                return Err(SecretError::new(SecretErrorKind::Refused, why, "put the file itself there"));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(failed(&shown(folder, &root, &candidate), &error)),
        }
    }
    let (candidate, real) = match &there[..] {
        [] => {
            let why = format!("there is neither a folder {0} nor a file {0}, {0}.yaml, {0}.yml or {0}.json", folder.join(path).display());
            return Err(SecretError::new(SecretErrorKind::Missing, why, "write one of them, or correct the path"));
        }
        [one] => one,
        several => {
            let names: Vec<_> = several.iter().map(|(candidate, _)| shown(folder, &root, candidate)).collect();
            let why = format!("{} are all there", names.join(" and "));
            return Err(SecretError::new(SecretErrorKind::Refused, why, "keep one of them"));
        }
    };
    let name = shown(folder, &root, candidate);
    if real.is_dir() {
        return fields_of_folder(&root, real, &name);
    }
    let (bytes, open_to_others) = read_file(real, &name)?;
    let is_json = candidate.extension().is_some_and(|ending| ending == "json");
    let fields = if is_json { from_json(&bytes, &name)? } else { from_yaml(&bytes, &name)? };
    Ok(Found { fields, readable_by_others: if open_to_others { vec![real.clone()] } else { Vec::new() } })
}

/// Looks for files that more than their owner may read.
pub(super) fn look_around(folder: &Path) -> Result<Vec<String>, SecretError> {
    let root = root(folder)?;
    let (mut open, mut waiting, mut looked_at) = (Vec::new(), vec![root.clone()], 0_usize);
    while let Some(next) = waiting.pop() {
        let entries = fs::read_dir(&next).map_err(|error| failed(&shown(folder, &root, &next), &error))?;
        for entry in entries.flatten() {
            looked_at += 1;
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else if metadata.is_file() && is_open_to_others(&metadata) {
                open.push(shown(folder, &root, &entry.path()));
            }
        }
        if looked_at >= MOST_LOOKED_AT {
            break;
        }
    }
    open.sort_unstable();
    Ok(match &open[..] {
        [] => Vec::new(),
        [one] => vec![format!("{one} can be read by other users; `chmod 600` it")],
        [first, rest @ ..] => vec![format!("{first} and {} more can be read by other users; `chmod 600` them", rest.len())],
    })
}

fn root(folder: &Path) -> Result<PathBuf, SecretError> {
    let setup = |why: String| SecretError::new(SecretErrorKind::Setup, why, "correct the store's folder in towpath.toml, or create it");
    let root = fs::canonicalize(folder).map_err(|error| setup(format!("the folder {} cannot be used: {error}", folder.display())))?;
    if root.is_dir() { Ok(root) } else { Err(setup(format!("{} is no folder", folder.display()))) }
}

/// The file's name as people wrote the folder's.
fn shown(folder: &Path, root: &Path, path: &Path) -> String {
    path.strip_prefix(root).map_or_else(|_| path.to_path_buf(), |inner| folder.join(inner)).display().to_string()
}

fn fields_of_folder(root: &Path, folder: &Path, name: &str) -> Result<Found, SecretError> {
    let mut found = Found { fields: BTreeMap::new(), readable_by_others: Vec::new() };
    let entries = fs::read_dir(folder).map_err(|error| failed(name, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| failed(name, &error))?;
        let Ok(field) = entry.file_name().into_string() else { continue };
        // Kubernetes keeps what its links lead to beside them.
        if field.starts_with("..") {
            continue;
        }
        let file_name = format!("{name}/{field}");
        let real = fs::canonicalize(entry.path()).map_err(|error| failed(&file_name, &error))?;
        if !real.starts_with(root) {
            let why = format!("{file_name} is a link that leads out of the folder");
            return Err(SecretError::new(SecretErrorKind::Refused, why, "put the file itself there"));
        }
        if real.is_dir() {
            continue;
        }
        if found.fields.len() >= MOST_FIELDS {
            let why = format!("{name} has more than {MOST_FIELDS} files");
            return Err(SecretError::new(SecretErrorKind::Refused, why, "name a folder that holds the fields of one secret"));
        }
        let (mut bytes, open_to_others) = read_file(&real, &file_name)?;
        // Editors and `echo` end a file with a line break that is no part of the value.
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        found.fields.insert(field, Field::new(std::mem::take(&mut *bytes)));
        if open_to_others {
            found.readable_by_others.push(real);
        }
    }
    Ok(found)
}

fn read_file(file: &Path, name: &str) -> Result<(Zeroizing<Vec<u8>>, bool), SecretError> {
    let refused = |why: String, mend: &str| Err(SecretError::new(SecretErrorKind::Refused, why, mend));
    // Opening a pipe would wait for a writer, so the kind is looked at before.
    if !fs::metadata(file).map_err(|error| failed(name, &error))?.is_file() {
        return refused(format!("{name} is no ordinary file"), "put an ordinary file there");
    }
    let opened = File::open(file).map_err(|error| failed(name, &error))?;
    let metadata = opened.metadata().map_err(|error| failed(name, &error))?;
    let capacity = usize::try_from(metadata.len().min(LARGEST_FILE)).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    opened.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| failed(name, &error))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return refused(format!("{name} is larger than 1 MiB"), "keep secrets small");
    }
    Ok((bytes, is_open_to_others(&metadata)))
}

#[cfg(unix)]
fn is_open_to_others(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Metadata) -> bool {
    false
}

fn failed(name: &str, error: &io::Error) -> SecretError {
    let (kind, mend) = match error.kind() {
        io::ErrorKind::PermissionDenied => (SecretErrorKind::Denied, "let the user that Towpath runs as read it"),
        _ => (SecretErrorKind::Unreachable, "repair the disk or the file, then try again"),
    };
    SecretError::new(kind, format!("{name} cannot be read: {error}"), mend)
}

// The parsers' own messages quote the text they stumble over, so only the place is taken from them.

fn from_json(bytes: &[u8], name: &str) -> Result<BTreeMap<String, Field>, SecretError> {
    let parsed = serde_json::from_slice::<AnyFields>(bytes).map_err(|error| unusable(name, error.line(), error.column()))?;
    Ok(parsed.into_fields())
}

fn from_yaml(bytes: &[u8], name: &str) -> Result<BTreeMap<String, Field>, SecretError> {
    let options = serde_saphyr::options! {
        with_snippet: false,
    };
    // Texts, not values: `0123` and `yes` are passwords here.
    let parsed = serde_saphyr::from_slice_with_options::<BTreeMap<String, Option<String>>>(bytes, options).map_err(|error| {
        let location = error.location();
        let place = |get: fn(&serde_saphyr::Location) -> u64| location.as_ref().map_or(0, get);
        let (line, column) = (place(serde_saphyr::Location::line), place(serde_saphyr::Location::column));
        unusable(name, usize::try_from(line).unwrap_or_default(), usize::try_from(column).unwrap_or_default())
    })?;
    Ok(parsed.into_iter().filter_map(|(field, text)| Some((field, Field::new(text?.into_bytes())))).collect())
}

fn unusable(name: &str, line: usize, column: usize) -> SecretError {
    let place = if line == 0 { String::new() } else { format!(" (line {line}, column {column})") };
    SecretError::new(
        SecretErrorKind::Unusable,
        format!("{name} is no mapping of field names to texts{place}"),
        "write one `field: \"text\"` per line, or one file per field in a folder of that name",
    )
}

//! What can go wrong with images, and whose fault it is.

use std::io;
use std::path::{Path, PathBuf};

use towpath_domain::{Digest, FailureClass, ImageRef};

use crate::Platform;

/// Why an image could not be read, written, packed, imported or unpacked.
///
/// Each message says what is wrong, where, and what to do next. [`RegistryError::class`] says whether trying again can help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A name or tag is not what the OCI distribution specification allows.
    #[error("{text:?} is not the {what} of an image: {why}. Correct it where it is configured")]
    Name {
        /// `name` or `tag`.
        what: &'static str,
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// An image was named without tag and digest.
    #[error("{image} names neither a tag nor a digest, and `latest` is never guessed. Write {image}:TAG or {image}@sha256:DIGEST")]
    Unpinned {
        /// The image as named.
        image: ImageRef,
    },
    /// The registry does not hold the image.
    #[error("the registry has no {image} (looked in {}). Build or import it first, or correct the name", folder.display())]
    NoImage {
        /// The image, as name and tag or name and digest.
        image: String,
        /// The layout folder where it would be.
        folder: PathBuf,
    },
    /// A registry over the network does not have the image.
    #[error("{registry} has no {image}. Build or push it first, or correct the name")]
    NotThere {
        /// The image.
        image: String,
        /// The registry's host.
        registry: String,
    },
    /// A registry over the network does not let us.
    #[error(
        "{registry} refuses access: {why}. Set `username` and `password_file` under [registries.\"{registry}\"] in towpath.toml, or give that user the right"
    )]
    Refused {
        /// The registry's host.
        registry: String,
        /// What it says.
        why: String,
    },
    /// A registry over the network does not answer, or has no time.
    #[error("{registry} does not answer as it should: {why}. It is asked again")]
    Unreachable {
        /// The registry's host.
        registry: String,
        /// What went wrong.
        why: String,
    },
    /// A registry over the network does not take what it was sent.
    #[error("{registry} does not take it: {why}")]
    Rejected {
        /// The registry's host.
        registry: String,
        /// What it says.
        why: String,
    },
    /// A registry's settings cannot be used.
    #[error("registry {registry}: {why}. Correct [registries.\"{registry}\"] in towpath.toml")]
    Settings {
        /// The registry's host.
        registry: String,
        /// What is wrong.
        why: String,
    },
    /// The authorities whose certificates count cannot be read or used.
    #[error("the trusted root {}: {why}. Correct `trusted_root` under [signatures] in towpath.toml, or get the file anew", path.display())]
    TrustedRoot {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The tag points to another image already, and moving it was not asked for.
    #[error(
        "tag {tag} of {name} already points to {from} and would move to {to}. \
             What was tested under a tag is what is released under it: use a new tag, or move this one explicitly"
    )]
    TagMoved {
        /// The image's name.
        name: String,
        /// The tag.
        tag: String,
        /// Where it points now.
        from: Digest,
        /// Where it was to point.
        to: Digest,
    },
    /// Content from outside (an imported layout, a layer) is not a valid image.
    #[error("{what} in {place} is not valid: {why}. Correct what makes the image and build it again")]
    Malformed {
        /// The document or blob.
        what: String,
        /// The folder, or the image.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// Content of the registry itself is not what it was when it was written.
    #[error("{} in the registry is damaged: {why}. Delete that file, then build or import the image again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Something is larger than the limits allow.
    #[error("{what} in {place} exceeds the limit of {limit} {unit}. Make it smaller, or raise the limit")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The folder, or the image.
        place: String,
        /// The limit.
        limit: u64,
        /// What is counted, such as `bytes`.
        unit: &'static str,
    },
    /// The image uses something that Towpath does not carry out.
    #[error("{place} uses {what}, which is not supported. {mend}")]
    Unsupported {
        /// The feature.
        what: String,
        /// The folder, or the image.
        place: String,
        /// What to do instead.
        mend: &'static str,
    },
    /// An imported layout has no image for the platform.
    #[error("{place} holds no image for {wanted}, only for {found}. Build it for {wanted}")]
    WrongPlatform {
        /// The layout's folder.
        place: String,
        /// The platform that was looked for.
        wanted: Platform,
        /// The platforms that are there, comma-separated.
        found: String,
    },
    /// A layer holds an entry that would reach outside the image, or make something that no image needs.
    #[error("a layer of {place} holds the entry {entry:?}, which is refused: {why}. Do not use this image; have its maker correct it")]
    UnsafeEntry {
        /// The image.
        place: String,
        /// The entry's path, lossily as text.
        entry: String,
        /// Why it is refused.
        why: &'static str,
    },
    /// An instruction of a `pack` block cannot be carried out.
    #[error("pack: {path:?} {why}. {mend}")]
    Pack {
        /// The path in the checkout or in the image.
        path: String,
        /// What is wrong with it.
        why: String,
        /// What to do next.
        mend: &'static str,
    },
    /// The operating system refused: disk full, no permission, a device error.
    #[error("cannot {doing} {}: {source}. {}", path.display(), mend_io(source))]
    Io {
        /// What was tried, such as `write`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The thread that did the work ended without an answer.
    #[error("the work on {image} was cut short: {why}. It is safe to do it again")]
    CutShort {
        /// The image.
        image: String,
        /// What the runtime says.
        why: String,
    },
}

fn mend_io(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Free some space on that disk; then it is tried again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "Let the user that Towpath runs as write there",
        io::ErrorKind::NotADirectory => "A file stands where a folder is needed: move it away",
        _ => "Check the disk and the folder's permissions",
    }
}

impl RegistryError {
    /// Whose fault it is, and with that whether Towpath tries again by itself.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Io { .. } | Self::CutShort { .. } | Self::Unreachable { .. } => FailureClass::Environment,
            // A retry reads the same bad bytes; only people can say where they came from.
            Self::Damaged { .. } | Self::Refused { .. } | Self::Settings { .. } | Self::TrustedRoot { .. } => FailureClass::Unknown,
            Self::Name { .. }
            | Self::Unpinned { .. }
            | Self::NoImage { .. }
            | Self::NotThere { .. }
            | Self::Rejected { .. }
            | Self::TagMoved { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Unsupported { .. }
            | Self::WrongPlatform { .. }
            | Self::UnsafeEntry { .. }
            | Self::Pack { .. } => FailureClass::Own,
        }
    }

    /// A closure for `map_err` that says what was being done to which path.
    pub(crate) fn io<E: Into<io::Error>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> Self + use<E> {
        let path = path.to_owned();
        move |error| Self::Io { doing, path, source: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_the_environments_fault_and_the_message_says_what_helps() {
        let error = RegistryError::io("write", Path::new("/images/app"))(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(error.class(), FailureClass::Environment);
        let text = error.to_string();
        assert!(text.contains("/images/app") && text.contains("Free some space"), "{text}");
    }

    #[test]
    fn a_moved_tag_names_both_digests() {
        let (from, to) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let error = RegistryError::TagMoved { name: "app".into(), tag: "1".into(), from, to };
        assert!(error.to_string().contains(&from.to_string()) && error.to_string().contains(&to.to_string()));
        assert_eq!(error.class(), FailureClass::Own);
    }
}

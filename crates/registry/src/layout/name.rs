//! Which folder an image name has.
//!
//! Each part of a name is a folder below the registry's root, but for four kinds of names, which could be mistaken for
//! something else. They get a `+`, which no image name holds, so that two names never share a folder.

use std::path::{Path, PathBuf};

use towpath_domain::ImageRef;

use crate::RegistryError;

/// Files and folders of an image layout. A part of an image name may be called so, since layouts lie inside one another.
const TAKEN: [&str; 3] = ["blobs", "index.json", "oci-layout"];

/// Takes `text` as an image's name: registry and repository, without tag and digest.
pub(crate) fn check_name(text: &str) -> Result<(), RegistryError> {
    let refused = |why: String| RegistryError::Name { what: "name", text: text.to_owned(), why };
    let image: ImageRef = text.parse().map_err(|error: towpath_domain::ImageRefError| refused(error.to_string()))?;
    if image.tag().is_some() || image.digest().is_some() {
        return Err(refused("a name stands alone here, without tag and digest".to_owned()));
    }
    Ok(())
}

/// Takes `name` and `tag` as a tagged image.
pub(crate) fn tagged(name: &str, tag: &str) -> Result<ImageRef, RegistryError> {
    check_name(name)?;
    ImageRef::tagged(name, tag).map_err(|error| RegistryError::Name { what: "tag", text: tag.to_owned(), why: error.to_string() })
}

/// The folder of `name`, which [`check_name`] has let pass, below the registry's root.
pub(super) fn folder_of(root: &Path, name: &str) -> PathBuf {
    let mut folder = root.to_owned();
    for part in name.split('/') {
        // A colon (`localhost:5000`) would end the path in `oci:FOLDER:TAG`, as skopeo and others write it.
        let part = part.replace(':', "+");
        if part.starts_with('.') {
            folder.push(format!("+{part}"));
        } else if TAKEN.contains(&part.as_str()) {
            folder.push(format!("{part}+"));
        } else {
            folder.push(part);
        }
    }
    folder
}

/// The part of an image's name that a folder stands for: [`folder_of`] turned back.
pub(super) fn part_of(folder: &str) -> String {
    let part = folder.strip_prefix('+').unwrap_or(folder);
    let part = part.strip_suffix('+').unwrap_or(part);
    part.replace('+', ":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_folder_of_its_own_and_tools_can_write_its_path() {
        let folder = |name| folder_of(Path::new("/r"), name).display().to_string();
        assert_eq!(folder("quay.io/org/app"), "/r/quay.io/org/app");
        assert_eq!(folder("localhost:5000/app"), "/r/localhost+5000/app");
        assert_eq!(folder("app/blobs/.git/index.json"), "/r/app/blobs+/+.git/index.json+");
        for part in ["quay.io", "localhost:5000", "blobs", ".hidden", "a_b"] {
            let folder = folder_of(Path::new(""), part);
            assert_eq!(part_of(folder.to_str().unwrap()), part);
        }
    }

    #[test]
    fn a_name_with_a_tag_or_a_way_out_is_refused() {
        for bad in ["app:1", "a/../b", "/abs", "", &format!("app@sha256:{}", "0".repeat(64))] {
            assert!(matches!(check_name(bad), Err(RegistryError::Name { .. })), "{bad:?}");
        }
        assert!(matches!(tagged("app", "no tag"), Err(RegistryError::Name { what: "tag", .. })));
    }
}

//! Paths in an image, as lists of names.

use crate::limits::{DEPTH, NAME_BYTES, PATH_BYTES};

/// The names on the way to `path` from the image's root. A leading `/` means that root, as in every image tool.
///
/// # Errors
/// Why the path is refused: `..`, a NUL byte, or longer or deeper than Linux and the limits allow.
pub(crate) fn components(path: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    if path.len() > PATH_BYTES {
        return Err("its path is too long");
    }
    if path.contains(&0) {
        return Err("its path holds a NUL byte");
    }
    let names: Vec<Vec<u8>> =
        path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".").map(<[u8]>::to_vec).collect();
    if names.iter().any(|name| name == b"..") {
        return Err("its path leads upwards (..)");
    }
    if names.iter().any(|name| name.len() > NAME_BYTES) {
        return Err("a name in its path is longer than 255 bytes");
    }
    if names.len() > DEPTH {
        return Err("its path is too deep");
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_below_the_root_and_never_leads_upwards() {
        assert_eq!(components(b"/a//./b/").unwrap(), [b"a".to_vec(), b"b".to_vec()]);
        assert!(components(b"./").unwrap().is_empty());
        for bad in [&b"../a"[..], b"a/..", b"a/../../b", b"a\0b", &[b'a'; 256], &[b'a'; 4000], "a/".repeat(200).as_bytes()] {
            assert!(components(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        assert!(components(b"a/..b/...").is_ok());
    }
}

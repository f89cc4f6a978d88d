//! The folder with facts and seeds that lie beside the workspace.

use std::path::PathBuf;

/// A file or folder of the shared folder: `TOWPATH_SHARED`, or `shared` beside the workspace. `None`, loudly, when it is
/// not there; in CI that is a failure, so that no check is skipped unseen.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root =
        std::env::var_os("TOWPATH_SHARED").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", path.display());
    eprintln!("SKIPPED: {} is missing; set TOWPATH_SHARED", path.display());
    None
}

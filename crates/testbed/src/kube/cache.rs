//! The programs of a Kubernetes, unpacked once for all tests of a checkout.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::missing::shared;

/// Written last, so that a half unpacked folder is never taken for a whole one.
const MARKER: &str = "unpacked";

/// The folder that tests of this checkout keep things in: `TOWPATH_TEST_CACHE`, or `target/testbed`.
pub fn folder() -> PathBuf {
    let folder = std::env::var_os("TOWPATH_TEST_CACHE")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/testbed"), PathBuf::from);
    fs::create_dir_all(&folder).expect("the tests' cache folder can be made");
    folder.canonicalize().expect("the tests' cache folder can be read")
}

/// Waits for the lock `name` of that folder; it is held until the file and all its copies are closed.
pub fn lock(name: &str) -> File {
    let path = folder().join(name);
    let file = File::options().create(true).append(true).open(&path).expect("a lock file can be made");
    file.lock().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file
}

/// The folder with `up.sh`, `down.sh` and the programs they start.
///
/// # Errors
/// What is missing, when there are no archives to unpack.
///
/// # Panics
/// When an archive cannot be unpacked.
pub fn unpacked() -> Result<PathBuf, String> {
    let archives = shared().join("kube");
    let mut contents: Vec<(String, u64)> = fs::read_dir(&archives)
        .map_err(|error| format!("{}: {error}; set TOWPATH_SHARED to have a Kubernetes to test with", archives.display()))?
        .filter_map(|entry| entry.ok().and_then(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.len()))))
        .filter(|(name, _)| name.ends_with(".tar.xz") || name.ends_with(".sh"))
        .collect();
    contents.sort();
    if !contents.iter().any(|(name, _)| name == "up.sh") {
        return Err(format!("{}: no up.sh, so there is no Kubernetes to test with", archives.display()));
    }
    let described: String = contents.iter().map(|(name, size)| format!("{name} {size}\n")).collect();

    let _guard = lock("kube.lock");
    let folder = folder().join("kube");
    let marker = folder.join(MARKER);
    if fs::read_to_string(&marker).is_ok_and(|marked| marked == described) {
        return Ok(folder);
    }
    let _ = fs::remove_file(&marker);
    fs::create_dir_all(&folder).expect("the cache folder can be made");
    for (name, _) in &contents {
        bring(&archives.join(name), &folder);
    }
    fs::write(&marker, described).expect("the cache folder can be written");
    Ok(folder)
}

/// Copies a script, unpacks an archive. Files are replaced, not written over: a cluster may still run from the old ones.
fn bring(file: &Path, folder: &Path) {
    let mut command = if file.extension().is_some_and(|end| end == "xz") {
        let mut tar = Command::new("tar");
        tar.arg("xJf").arg(file).arg("-C").arg(folder);
        tar
    } else {
        let mut copy = Command::new("cp");
        copy.args(["-p", "--remove-destination"]).arg(file).arg(folder);
        copy
    };
    let out = command.output().expect("tar and cp can be started");
    assert!(out.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&out.stderr));
}

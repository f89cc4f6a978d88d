//! Published descriptions of APIs, as packages carry them: fetched once by their registry's own client.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha512};

use crate::kube::{cache_folder, lock};
use crate::missing::{missing_program, skipped};

/// The unpacked folder of a package of npm's, at this version. It is fetched into the tests' cache; where that cannot be, the tests that
/// need it are skipped. With `TOWPATH_OFFLINE` set they are skipped in CI, too.
///
/// # Panics
/// In CI, when it cannot be fetched.
#[must_use]
pub fn npm_package(name: &str, version: &str) -> Option<PathBuf> {
    npm_package_of(name, version, None)
}

/// As [`npm_package`], of a package whose hash is known: what is run here is what was looked at once, whatever its registry says today.
///
/// # Panics
/// As [`npm_package`], and when the hash is another one.
#[must_use]
pub fn npm_package_of(name: &str, version: &str, integrity: Option<&str>) -> Option<PathBuf> {
    let _guard = lock("npm.lock");
    let folder = cache_folder().join("npm").join(format!("{}-{version}", name.replace(['@', '/'], "_")));
    let unpacked = folder.join("package");
    // Moved there whole, so that a half unpacked one is never taken for it.
    if unpacked.is_dir() {
        return Some(unpacked);
    }
    let lacks = |why: &str| {
        let why = format!("{name} {version}: {why}");
        if std::env::var_os("TOWPATH_OFFLINE").is_some() {
            eprintln!("SKIPPED: {why}");
            return None;
        }
        skipped(&why)
    };
    if let Some(program) = missing_program(&["npm", "tar"]) {
        return lacks(&format!("{program} is missing, which would fetch it"));
    }
    let fresh = folder.with_extension("fresh");
    let _absent = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).expect("the cache folder can be written");
    fs::create_dir_all(&folder).expect("the cache folder can be written");
    // A registry that is busy for a moment is no reason to fail.
    let fetch = || Command::new("npm").args(["pack", "--silent", &format!("{name}@{version}")]).current_dir(&fresh).output();
    let mut fetched = fetch().expect("npm can be started");
    for _ in 0..2 {
        if fetched.status.success() {
            break;
        }
        fetched = fetch().expect("npm can be started");
    }
    if !fetched.status.success() {
        return lacks(String::from_utf8_lossy(&fetched.stderr).trim().lines().next().unwrap_or("npm cannot fetch it"));
    }
    let archive = String::from_utf8_lossy(&fetched.stdout).trim().lines().last().unwrap_or_default().to_owned();
    if let Some(wanted) = integrity {
        let bytes = fs::read(fresh.join(&archive)).expect("what was fetched can be read");
        let found = format!("sha512-{}", STANDARD.encode(Sha512::digest(bytes)));
        assert_eq!(found, wanted, "{name} {version} is not the package that it was");
    }
    let out = Command::new("tar").arg("xzf").arg(fresh.join(archive)).arg("-C").arg(&fresh).output().expect("tar can be started");
    assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
    fs::rename(fresh.join("package"), &unpacked).expect("the cache folder can be written");
    let _left = fs::remove_dir_all(&fresh);
    Some(unpacked)
}

//! Programs of Python's package index, installed once into the tests' cache by Python's own installer.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::kube::{cache_folder, lock};
use crate::missing::{missing_program, skipped};

/// The folder of programs of an environment that holds these packages, one `name==version` in each line. Where they cannot be had, the tests
/// that need them are skipped; with `TOWPATH_OFFLINE` set they are skipped in CI, too.
///
/// # Panics
/// In CI, when they cannot be installed.
#[must_use]
pub fn python_programs(name: &str, packages: &str) -> Option<PathBuf> {
    let _guard = lock("python.lock");
    let hash: String = Sha256::digest(packages).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let folder = cache_folder().join("python").join(format!("{name}-{hash}"));
    let marker = folder.join("installed");
    if marker.is_file() {
        return Some(folder.join("bin"));
    }
    let lacks = |why: &str| {
        let why = format!("{name}: {why}");
        if std::env::var_os("TOWPATH_OFFLINE").is_some() {
            eprintln!("SKIPPED: {why}");
            return None;
        }
        skipped(&why)
    };
    if missing_program(&["python3"]).is_some() {
        return lacks("python3 is missing, which would run it (Debian: apt-get install python3-venv)");
    }
    let _absent = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the tests' cache folder can be written");
    let list = folder.join("packages.txt");
    fs::write(&list, packages).expect("the tests' cache folder can be written");
    let tell = |mut command: Command| {
        let output = command.output().expect("python3 can be started");
        let said = [output.stdout, output.stderr].concat();
        let last = String::from_utf8_lossy(&said).trim().lines().last().unwrap_or_default().to_owned();
        if output.status.success() { Ok(()) } else { Err(last) }
    };
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&folder);
    if let Err(why) = tell(make) {
        return lacks(&format!("no environment can be made: {why} (Debian: apt-get install python3-venv)"));
    }
    let install = || {
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--requirement"]).arg(&list);
        tell(pip)
    };
    // An index that is busy for a moment is no reason to fail.
    if let Err(why) = install().or_else(|_| install()) {
        return lacks(&why);
    }
    // Written last, so that a half made environment is never taken for a whole one.
    fs::write(&marker, "").expect("the tests' cache folder can be written");
    Some(folder.join("bin"))
}

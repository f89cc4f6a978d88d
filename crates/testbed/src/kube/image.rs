//! Images that a node is given without a registry.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Kube;
use crate::missing::{missing_program, skipped};

/// An image that builds run in: a shell with the usual programs, git and curl.
const BUILDER: &str = "registry.local/builder:1.0";

/// An image with a shell and the usual programs, and nothing else.
const SHELL: &str = "registry.local/busybox:1.0";

const BUSYBOX: &str = "/bin/busybox";

impl Kube {
    /// An image with `sh` and the usual programs, on the node already. `None` where busybox is missing; told loudly.
    ///
    /// # Panics
    /// When the node does not take it, or in CI when busybox is missing.
    pub fn busybox(&self) -> Option<&'static str> {
        static THERE: OnceLock<Option<()>> = OnceLock::new();
        let made = THERE.get_or_init(|| {
            if !Path::new(BUSYBOX).exists() {
                return skipped(&format!("{BUSYBOX} is not there (Debian: busybox-static)"));
            }
            let root = tempfile::tempdir().expect("a temporary folder can be made");
            shell(root.path());
            self.import(SHELL, root.path());
            Some(())
        });
        made.map(|()| SHELL)
    }

    /// An image that builds run in, on the node already: `sh` with the usual programs, `git` and `curl`.
    ///
    /// # Panics
    /// When the node does not take it, or in CI when a program is missing that it is made of.
    pub fn builder_image(&self) -> Option<&'static str> {
        static THERE: OnceLock<Result<(), String>> = OnceLock::new();
        let made = THERE.get_or_init(|| {
            let Some(why) = lacking() else {
                let root = tempfile::tempdir().expect("a temporary folder can be made");
                fill(root.path());
                self.import(BUILDER, root.path());
                return Ok(());
            };
            Err(why)
        });
        match made {
            Ok(()) => Some(BUILDER),
            Err(why) => skipped(why),
        }
    }

    /// Gives the node an image of this name whose only layer is what `root` holds.
    fn import(&self, name: &str, root: &Path) {
        let archive = self.started.folder.join(format!("{}.tar", name.replace(['/', ':'], "-")));
        write_archive(&archive, name, root).expect("an image can be written");
        let socket = self.started.folder.join("run/containerd.sock");
        let mut ctr = Command::new(self.started.programs.join("node/ctr"));
        ctr.arg("-a").arg(socket).args(["-n", "k8s.io", "images", "import"]).arg(&archive);
        let out = ctr.output().expect("ctr can be started");
        assert!(out.status.success(), "ctr images import: {}", told(&out));
        let _ = fs::remove_file(&archive);
    }
}

fn told(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stderr), String::from_utf8_lossy(&out.stdout))
}

/// What of the builder's programs this machine does not have.
fn lacking() -> Option<String> {
    if !Path::new(BUSYBOX).exists() {
        return Some(format!("{BUSYBOX} is not there (Debian: busybox-static)"));
    }
    missing_program(&["git", "curl", "ldd"]).map(|program| format!("{program} is not installed, which the image for builds needs"))
}

/// Lays the programs out as they are on this machine, with the libraries that they load.
fn fill(root: &Path) {
    shell(root);
    let bin = root.join("bin");
    for program in ["git", "curl"] {
        let found = Command::new("sh").args(["-c", "command -v \"$1\"", "sh", program]).output().expect("sh can be started");
        let path = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim());
        copy(&path, &bin.join(program));
        let loaded = Command::new("ldd").arg(&path).output().expect("ldd can be started");
        // `libz.so.1 => /lib/libz.so.1 (0x…)`, and `/lib64/ld-linux-x86-64.so.2 (0x…)`.
        for library in String::from_utf8_lossy(&loaded.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
            copy(Path::new(library), &root.join(library.trim_start_matches('/')));
        }
    }
}

/// Lays busybox out.
fn shell(root: &Path) {
    let bin = root.join("bin");
    fs::create_dir_all(&bin).expect("a folder can be made");
    fs::create_dir_all(root.join("tmp")).expect("a folder can be made");
    copy(Path::new(BUSYBOX), &bin.join("busybox"));
    let applets = Command::new(BUSYBOX).arg("--list").output().expect("busybox can be started");
    for applet in String::from_utf8_lossy(&applets.stdout).lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", bin.join(applet)).expect("a link can be made");
    }
}

fn copy(from: &Path, to: &Path) {
    // A program of the same name is in busybox, too.
    let _ = fs::remove_file(to);
    fs::create_dir_all(to.parent().expect("a file has a folder")).expect("a folder can be made");
    fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).expect("permissions can be set");
}

/// Writes an OCI layout with one image, in one file. <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>
fn write_archive(archive: &Path, name: &str, root: &Path) -> std::io::Result<()> {
    let mut layer = tar::Builder::new(Vec::new());
    layer.follow_symlinks(false);
    layer.append_dir_all(".", root)?;
    let layer = layer.into_inner()?;

    let mut blobs: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut put = |kind: &str, content: Vec<u8>| {
        let digest = hex(&content);
        let descriptor = json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": content.len()});
        blobs.insert(digest, content);
        descriptor
    };
    let diff = format!("sha256:{}", hex(&layer));
    let layer = put("application/vnd.oci.image.layer.v1.tar", layer);
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Env": ["PATH=/bin:/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [diff]},
    });
    let config = put("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
    let manifest =
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer]});
    let mut manifest: Value = put("application/vnd.oci.image.manifest.v1+json", manifest.to_string().into_bytes());
    manifest["annotations"] = json!({"io.containerd.image.name": name});

    let mut out = tar::Builder::new(File::create(archive)?);
    let mut add = |path: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        out.append_data(&mut header, path, content)
    };
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    add("index.json", json!({"schemaVersion": 2, "manifests": [manifest]}).to_string().as_bytes())?;
    for (digest, content) in &blobs {
        add(&format!("blobs/sha256/{digest}"), content)?;
    }
    out.into_inner()?.sync_all()
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

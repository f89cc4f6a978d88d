//! Images that a node has without a registry.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::Kube;
use crate::missing::skipped;

/// The program that everything in the image is a link to.
const BUSYBOX: &str = "/bin/busybox";

/// What the image can be told to run.
const COMMANDS: [&str; 8] = ["sh", "cat", "echo", "false", "sleep", "tail", "true", "seq"];

impl Kube {
    /// The name of an image with a shell and a few commands, brought to the node; for clusters with a node. `None` where busybox is missing; told loudly.
    ///
    /// # Panics
    /// When the node does not take it.
    pub fn busybox(&self) -> Option<&'static str> {
        const NAME: &str = "registry.local/busybox:1.0";
        if !Path::new(BUSYBOX).exists() {
            return skipped(&format!("{BUSYBOX} is not there (Debian: busybox-static)"));
        }
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = self.started.folder.join("busybox");
        if folder.join("imported").exists() {
            return Some(NAME);
        }
        let bin = folder.join("root/bin");
        fs::create_dir_all(&bin).expect("a folder can be made");
        fs::copy(BUSYBOX, bin.join("busybox")).expect("busybox can be copied");
        for command in COMMANDS {
            symlink("busybox", bin.join(command)).expect("a link can be made");
        }
        run(Command::new("tar").arg("cf").arg(folder.join("layer.tar")).arg("-C").arg(folder.join("root")).arg("bin"));
        let sum = run(Command::new("sha256sum").arg(folder.join("layer.tar")));
        let diff_id = sum.split_whitespace().next().expect("sha256sum prints a sum");
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"Env":["PATH=/bin"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{diff_id}"]}}}}"#
        );
        fs::write(folder.join("config.json"), config).expect("a file can be written");
        let manifest = format!(r#"[{{"Config":"config.json","RepoTags":["{NAME}"],"Layers":["layer.tar"]}}]"#);
        fs::write(folder.join("manifest.json"), manifest).expect("a file can be written");
        let image = folder.join("image.tar");
        run(Command::new("tar").arg("cf").arg(&image).arg("-C").arg(&folder).args(["manifest.json", "config.json", "layer.tar"]));
        run(Command::new(self.started.programs.join("node/ctr"))
            .arg("-a")
            .arg(self.started.folder.join("run/containerd.sock"))
            .args(["-n", "k8s.io", "images", "import"])
            .arg(&image));
        fs::write(folder.join("imported"), "").expect("a file can be written");
        Some(NAME)
    }
}

fn run(command: &mut Command) -> String {
    let out = command.output().expect("the program can be started");
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

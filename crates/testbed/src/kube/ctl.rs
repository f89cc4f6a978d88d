//! What tests do with a cluster, in `kubectl`'s words.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::{Kube, Level};
use crate::missing::shared;

impl Kube {
    /// A `kubectl` of this cluster's administrator, to be given arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.env("KUBECONFIG", &self.kubeconfig).env_remove("KUBERNETES_MASTER").stdin(Stdio::null());
        command.arg("--cache-dir").arg(self.started.folder.join("kubectl-cache"));
        command
    }

    /// Runs `kubectl` and returns what came of it.
    pub fn try_kubectl<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Output {
        self.command().args(arguments).output().expect("kubectl can be started")
    }

    /// Runs `kubectl`, which has to succeed, and returns what it printed.
    #[track_caller]
    pub fn kubectl<A: AsRef<OsStr>>(&self, arguments: &[A]) -> String {
        let told: Vec<_> = arguments.iter().map(|argument| argument.as_ref().to_string_lossy().into_owned()).collect();
        succeeded(&told.join(" "), self.try_kubectl(arguments))
    }

    /// Creates or changes these objects, with the administrator's rights.
    #[track_caller]
    pub fn apply(&self, yaml: &str) -> String {
        let mut command = self.command();
        command.args(["apply", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl can be started");
        let mut stdin = child.stdin.take().expect("kubectl has a standard input");
        stdin.write_all(yaml.as_bytes()).expect("kubectl reads what it is given");
        drop(stdin);
        succeeded("apply", child.wait_with_output().expect("kubectl can be waited for"))
    }

    /// `kubectl get … -o json`.
    #[track_caller]
    pub fn get(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["get", "-o", "json"];
        all.extend(arguments);
        serde_json::from_str(&self.kubectl(&all)).expect("kubectl prints JSON")
    }

    /// Says what a controller would say of the object at `path`: its status becomes `status`.
    #[track_caller]
    pub fn set_status(&self, path: &str, status: &Value) {
        let mut object: Value = serde_json::from_str(&self.kubectl(&["get", "--raw", path])).expect("the API server answers JSON");
        object["status"] = status.clone();
        let file = self.started.folder.join(self.new_name("status"));
        std::fs::write(&file, object.to_string()).expect("a status can be written");
        self.kubectl(&["replace", "--raw", &format!("{path}/status"), "-f", &file.display().to_string()]);
    }

    /// `kubectl wait …`, for at most two minutes unless the arguments say otherwise.
    #[track_caller]
    pub fn wait(&self, arguments: &[&str]) {
        let mut all = vec!["wait"];
        all.extend(arguments);
        if !arguments.iter().any(|argument| argument.starts_with("--timeout")) {
            all.push("--timeout=120s");
        }
        self.kubectl(&all);
    }

    /// Creates a namespace with a name of its own. Where controllers run it can take pods when this returns: its default
    /// service account is there.
    #[track_caller]
    pub fn namespace(&self, prefix: &str) -> String {
        let name = self.new_name(prefix);
        self.kubectl(&["create", "namespace", &name]);
        if self.level != Level::Api {
            self.until("a default service account", || {
                let out = self.try_kubectl(&["get", "-n", &name, "serviceaccount", "default", "-o", "jsonpath={.secrets[0].name}"]);
                (out.status.success() && !out.stdout.is_empty()).then_some(())
            });
        }
        name
    }

    /// Sees to it that [`NODE_ADDRESS`](crate::NODE_ADDRESS) is there, which a node has from its first pod on.
    #[track_caller]
    pub fn bridge(&self) {
        static THERE: std::sync::Once = std::sync::Once::new();
        THERE.call_once(|| {
            let namespace = self.namespace("bridge");
            self.kubectl(&["run", "first", "-n", &namespace, "--image=registry.local/pause:1.0", "--restart=Never", "--", "echo", "first"]);
            self.until("first pod", || {
                let out = self.try_kubectl(&["get", "pod", "first", "-n", &namespace, "-o", "jsonpath={.status.phase}"]);
                (out.stdout == b"Succeeded").then_some(())
            });
        });
    }

    /// `prefix` with a number that nothing else in this cluster has.
    pub fn new_name(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Teaches the cluster Clowder's resources, as the shared folder has them; again is fine.
    #[track_caller]
    pub fn install_crds(&self) {
        // Two at once would be in each other's way.
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = shared().join("crds");
        let applied = self.kubectl(&[OsStr::new("apply"), OsStr::new("-o"), OsStr::new("name"), OsStr::new("-f"), folder.as_os_str()]);
        applied.lines().for_each(|definition| self.established(definition));
    }

    /// Waits until objects of a defined kind can be made. `kubectl wait` stumbles over a definition that has no conditions yet.
    #[track_caller]
    pub(super) fn established(&self, definition: &str) {
        self.until(&format!("word that {definition} is established"), || {
            let conditions = self.get(&[definition])["status"]["conditions"].take();
            let is = |condition: &Value| condition["type"] == "Established" && condition["status"] == "True";
            conditions.as_array().is_some_and(|conditions| conditions.iter().any(is)).then_some(())
        });
    }

    /// Asks again and again until there is an answer, for at most a minute: for what `kubectl` cannot wait for.
    #[track_caller]
    pub(super) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let start = std::time::Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(start.elapsed() < std::time::Duration::from_secs(60), "no {what} after a minute");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

#[track_caller]
fn succeeded(what: &str, out: Output) -> String {
    assert!(
        out.status.success(),
        "kubectl {what}: {}\n{}{}",
        out.status,
        String::from_utf8_lossy(&out.stderr),
        String::from_utf8_lossy(&out.stdout)
    );
    String::from_utf8(out.stdout).expect("kubectl prints UTF-8")
}

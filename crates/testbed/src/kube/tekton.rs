//! Tekton's part, as far as tests play it.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::Kube;

/// Tekton's kinds, as much as the API server must know of them.
const KINDS: [(&str, &str); 2] = [("pipelines", "Pipeline"), ("pipelineruns", "PipelineRun")];

impl Kube {
    /// Teaches the cluster Tekton's resources; again is fine. Nothing acts on them.
    #[track_caller]
    pub fn install_tekton(&self) {
        // Two at once would be in each other's way.
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (plural, kind) in KINDS {
            let name = format!("{plural}.tekton.dev");
            let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
            let version = json!({"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": schema});
            let spec = json!({
                "group": "tekton.dev", "scope": "Namespaced", "names": {"plural": plural, "kind": kind}, "versions": [version],
            });
            let version = "apiextensions.k8s.io/v1";
            let definition = json!({"apiVersion": version, "kind": "CustomResourceDefinition", "metadata": {"name": name}, "spec": spec});
            self.apply(&definition.to_string());
            self.established(&format!("customresourcedefinition/{name}"));
        }
    }

    /// Says how a run does, as Tekton would: the condition `Succeeded`, and what the run found.
    #[track_caller]
    pub fn tekton_says(&self, namespace: &str, run: &str, condition: (&str, &str, &str), results: &Value) {
        let path = format!("/apis/tekton.dev/v1/namespaces/{namespace}/pipelineruns/{run}/status");
        let mut object = self.get(&["-n", namespace, "pipelinerun", run]);
        let (status, reason, message) = condition;
        let condition = json!({"type": "Succeeded", "status": status, "reason": reason, "message": message});
        object["status"] = json!({"conditions": [condition], "results": results});
        let mut command = self.command();
        command.args(["replace", "--raw", &path, "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("kubectl can be started");
        let mut stdin = child.stdin.take().expect("kubectl has a standard input");
        stdin.write_all(object.to_string().as_bytes()).expect("kubectl reads what it is given");
        drop(stdin);
        assert!(child.wait().expect("kubectl can be waited for").success(), "the status of {run} cannot be written");
    }
}

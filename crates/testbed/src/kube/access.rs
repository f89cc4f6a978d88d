//! Kubeconfigs for others than the administrator.

use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use std::fs::File;
use std::io::Write;

use serde_json::{Value, json};

use super::Kube;

impl Kube {
    /// The administrator's kubeconfig with `namespace` as the one that is meant when none is said.
    #[track_caller]
    pub fn kubeconfig_of(&self, namespace: &str) -> PathBuf {
        let mut config = self.config();
        config["contexts"][0]["context"]["namespace"] = json!(namespace);
        self.write_config(&format!("admin-{namespace}"), &config)
    }

    /// The kubeconfig of a new service account of `namespace` that may do there what `rules` allow, and nothing else: the
    /// YAML list below `rules:` of a Role.
    #[track_caller]
    pub fn limited_kubeconfig(&self, namespace: &str, rules: &str) -> PathBuf {
        let name = self.new_name("limited");
        let indented: String = rules.lines().map(|line| format!("  {line}\n")).collect();
        let meta = format!("metadata: {{name: {name}, namespace: {namespace}}}");
        self.apply(&format!(
            "apiVersion: v1\nkind: ServiceAccount\n{meta}\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n{meta}\nrules:\n{indented}---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n{meta}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\n\
             subjects: [{{kind: ServiceAccount, name: {name}, namespace: {namespace}}}]\n"
        ));
        let token = self.token(namespace, &name);
        let mut config = self.config();
        config["users"] = json!([{"name": name, "user": {"token": token}}]);
        config["contexts"][0]["context"]["user"] = json!(name);
        config["contexts"][0]["context"]["namespace"] = json!(namespace);
        self.write_config(&format!("{namespace}-{name}"), &config)
    }

    /// A token of a service account, from the API server itself: no controller needs to make one.
    #[track_caller]
    fn token(&self, namespace: &str, account: &str) -> String {
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}});
        let file = self.started.folder.join(format!("{namespace}-{account}.json"));
        std::fs::write(&file, request.to_string()).expect("a request can be written");
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let answer = self.kubectl(&["create", "--raw", &path, "-f", &file.display().to_string()]);
        let answer: Value = serde_json::from_str(&answer).expect("the API server answers JSON");
        answer["status"]["token"].as_str().expect("it makes a token").to_owned()
    }

    fn config(&self) -> Value {
        let text = self.kubectl(&["config", "view", "--raw", "-o", "json"]);
        serde_json::from_str(&text).expect("kubectl prints JSON")
    }

    /// Kubeconfigs are YAML, and JSON is YAML.
    fn write_config(&self, name: &str, config: &Value) -> PathBuf {
        let path = self.started.folder.join("kubeconfig").join(format!("{name}.conf"));
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&path).expect("a kubeconfig can be made");
        file.write_all(config.to_string().as_bytes()).expect("a kubeconfig can be written");
        path
    }
}

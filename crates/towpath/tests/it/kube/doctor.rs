//! `towpath doctor` and clusters of every condition.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use towpath_testbed::{Kube, REGISTRY_PASSWORD, REGISTRY_USER, Registry};

use crate::installation::Installation;

/// What the limited account may do: some of what is needed, in each way in which rules can be written.
const RULES: &str = "\
- {apiGroups: [apps], resources: ['*'], verbs: [get, list, watch, create, patch]}
- {apiGroups: [''], resources: [pods], verbs: ['*']}
- {apiGroups: ['*'], resources: [jobs], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [''], resources: [events], verbs: [list]}
- {apiGroups: [''], resources: [secrets], resourceNames: [one], verbs: ['*']}
";

/// The server's address, its certificate authority (PEM) and the token of a kubeconfig.
fn parts(kube: &Kube, kubeconfig: &std::path::Path) -> (String, Vec<u8>, String) {
    let text = kube.command().env("KUBECONFIG", kubeconfig).args(["config", "view", "--raw", "--flatten", "-o", "json"]).output().unwrap();
    let config: Value = serde_json::from_slice(&text.stdout).unwrap();
    let cluster = &config["clusters"][0]["cluster"];
    let packed = cluster["certificate-authority-data"].as_str().unwrap().to_owned();
    let ca = Command::new("sh").args(["-c", "printf %s \"$0\" | base64 -d", &packed]).output().unwrap().stdout;
    let token = config["users"][0]["user"]["token"].as_str().unwrap_or_default().to_owned();
    (cluster["server"].as_str().unwrap().to_owned(), ca, token)
}

/// What doctor says, and how long it took.
fn doctor(it: &Installation) -> (Vec<Value>, String, Duration) {
    let begun = Instant::now();
    let found = it.run(&["doctor", "--output", "json"]);
    let took = begun.elapsed();
    assert_eq!(found.status.code(), Some(5), "{}", String::from_utf8_lossy(&found.stderr));
    let text = String::from_utf8(it.run(&["doctor"]).stdout).unwrap();
    (serde_json::from_slice(&found.stdout).unwrap(), text, took)
}

fn about<'f>(findings: &'f [Value], what: &str) -> Vec<&'f Value> {
    findings.iter().filter(|finding| finding["what"] == what).collect()
}

#[test]
fn each_cluster_is_reached_or_it_is_said_why_not_and_exactly_the_missing_permissions_are_named() {
    let Some(kube) = Kube::control_plane() else { return };
    let mut it = Installation::new();
    let (stage, production) = (kube.namespace("doctor"), kube.namespace("doctor"));
    let limited = kube.limited_kubeconfig(&stage, RULES);
    let (server, ca, token) = parts(kube, &limited);
    std::fs::write(it.path("ca.pem"), ca).unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=another", "-days", "1"])
        .args(["-keyout", "/dev/null", "-out", "other-ca.pem"])
        .current_dir(it.path("."))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    it.write("bad-token", "not-a-token-that-anybody-gave\n");
    it.write("vault/ci/cluster.yaml", &format!("token: {token}\n"));
    // Somebody had this port, and is gone. Another one accepts and never answers.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute_at = mute.local_addr().unwrap();

    it.replace("web/stage.yml", "name: web-stage", &format!("name: {stage}"));
    it.replace("web/production.yml", "name: web-production", &format!("name: {production}"));
    it.replace("web/deploy.yml", "[Deployment]", "[Deployment, Secret]");
    it.commit("config", "On a real cluster");
    let config = it.read("towpath.toml");
    it.write(
        "towpath.toml",
        &format!(
            "{config}[clusters.laptop]\nkubeconfig = \"{}\"\n[clusters.well]\nkubeconfig = \"{}\"\n\
             [clusters.wrong-ca]\nserver = \"{server}\"\nca = \"other-ca.pem\"\ntoken_file = \"bad-token\"\n\
             [clusters.wrong-token]\nserver = \"{server}\"\nca = \"ca.pem\"\ntoken_file = \"bad-token\"\n\
             [clusters.from-store]\nserver = \"{server}\"\nca = \"ca.pem\"\ntoken = {{secret = \"ci/cluster\", field = \"token\"}}\n\
             [clusters.away]\nserver = \"https://{gone}\"\ntoken_file = \"bad-token\"\n\
             [clusters.mute]\nserver = \"https://{mute_at}\"\ntoken_file = \"bad-token\"\n\
             [clusters.nowhere]\nserver = \"https://no-such-host.invalid:6443\"\ntoken_file = \"bad-token\"\n\
             [secrets.files]\ndirectory = \"vault\"\n",
            limited.display(),
            kube.kubeconfig.display()
        ),
    );
    // Also before a server runs.
    let (before, _, _) = doctor(&it);
    assert_eq!(about(&before, "cluster well")[0]["level"], "ok", "{before:?}");
    assert_eq!(about(&before, "cluster away")[0]["level"], "error", "{before:?}");
    let read = it.git("config", &["rev-parse", "HEAD"]);
    it.start(None);
    it.until_read(&read);

    let (findings, text, took) = doctor(&it);
    assert!(took < Duration::from_secs(28), "clusters are asked side by side, and none for long: {took:?}");
    for (cluster, level, said, mend) in [
        ("well", "ok", "Kubernetes v1.", ""),
        ("from-store", "ok", "Kubernetes v1.", ""),
        ("wrong-ca", "error", "UnknownIssuer", "name the cluster's own, by `ca`"),
        ("wrong-token", "error", "does not take the credentials: Unauthorized", "has expired"),
        ("away", "error", "refused", "nothing listens"),
        ("mute", "error", "", "firewalls"),
        ("nowhere", "error", "dns error", "no such host"),
    ] {
        let found = about(&findings, &format!("cluster {cluster}"));
        let [found] = found.as_slice() else { panic!("{cluster}: {found:?}") };
        assert_eq!(found["level"], level, "{cluster}: {found}");
        let text = |field: &str| found[field].as_str().unwrap().to_owned();
        assert!(text("text").contains(said) && text("mend").contains(mend), "{cluster}: {found}");
    }

    let mut missing: Vec<String> = about(&findings, "cluster laptop")
        .iter()
        .filter(|found| found["level"] == "error")
        .map(|found| found["text"].as_str().unwrap().to_owned())
        .collect();
    missing.sort();
    let here: Vec<&String> = missing.iter().filter(|text| text.ends_with(&format!(" in namespace {stage}"))).collect();
    let wanted = [
        "deployments.apps: delete is not allowed",
        "events: watch is not allowed",
        "pods/log: get is not allowed",
        "secrets: get, list, watch, create, patch, delete is not allowed",
    ];
    assert_eq!(here, wanted.map(|text| format!("{text} in namespace {stage}")).iter().collect::<Vec<_>>());
    assert_eq!(
        missing.iter().filter(|text| text.ends_with(&format!(" in namespace {production}"))).count(),
        7,
        "nothing is allowed there: {missing:?}"
    );
    assert!(!text.contains("not-a-token") && !text.contains(&token), "{text}");

    // The token in the store is another one now: no restart is needed to notice.
    it.write("vault/ci/cluster.yaml", "token: somebody-elses\n");
    let (findings, text, _) = doctor(&it);
    assert!(about(&findings, "cluster from-store")[0]["text"].as_str().unwrap().contains("Unauthorized"), "{text}");
    assert!(!text.contains("somebody-elses"), "{text}");
    drop(mute);
}

#[test]
fn a_registrys_password_may_stand_in_the_secret_store_and_another_one_is_noticed() {
    let Some(registry) = Registry::basic() else { return };
    let mut it = Installation::new();
    let host = &registry.host;
    let config = it.read("towpath.toml");
    let credentials = format!("username = {REGISTRY_USER:?}\npassword = {{secret = \"ci/registry\", field = \"password\"}}\n");
    it.write(
        "towpath.toml",
        &format!("{config}[registries.\"{host}\"]\nplain_http = true\n{credentials}[secrets.files]\ndirectory = \"vault\"\n"),
    );
    it.write("vault/ci/registry.yaml", "password: wrong-towpath\n");
    it.release("first", true);
    it.start(None);
    let of_registry = |it: &mut Installation| {
        it.until("an answer", |it| {
            let found: Vec<Value> = serde_json::from_slice(&it.run(&["doctor", "--output", "json"]).stdout).unwrap();
            found.into_iter().find(|finding| finding["what"] == format!("registry {host}"))
        })
    };
    let refused = of_registry(&mut it);
    assert!(refused["level"] == "error" && !refused.to_string().contains("wrong-towpath"), "{refused}");
    std::fs::remove_file(it.path("vault/ci/registry.yaml")).unwrap();
    let gone = of_registry(&mut it);
    assert!(gone["text"].as_str().unwrap().contains("its password cannot be had: secret `ci/registry`"), "{gone}");
    it.write("vault/ci/registry.yaml", &format!("password: {REGISTRY_PASSWORD}\n"));
    let good = it.until("the registry to take the password", |it| Some(of_registry(it)).filter(|found| found["level"] == "ok"));
    assert_eq!(good["text"], "answers");
}

//! `plan --diff` against the live objects of a real cluster.

use std::net::TcpListener;

use towpath_testbed::Kube;

use crate::installation::Installation;

const OLD: &str = "correct-horse-battery";
const NEW: &str = "staple-of-tomorrow";

/// [`OLD`] and [`NEW`] in base64, without the bytes that depend on what follows.
const PACKED: [&str; 2] = ["Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5", "c3RhcGxlLW9mLXRvbW9ycm93"];

const OBJECTS: &str = "\
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: web}
parameters:
  - {name: TOKEN, value: none}
  - {name: GREETING, value: hello}
  - {name: IMAGE_TAG, required: true}
objects:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: 0
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec:
          containers:
            - {name: web, image: 'localhost/web:${IMAGE_TAG}', env: [{name: TOKEN, value: '${TOKEN}'}, {name: MODE, value: fast}]}
  - apiVersion: v1
    kind: Service
    metadata: {name: web}
    spec: {selector: {app: web}, ports: [{port: 80}]}
  - apiVersion: v1
    kind: Secret
    metadata: {name: own}
    stringData: {token: '${TOKEN}'}
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: careless}
    data: {url: 'https://user:${TOKEN}@db.example.com', greeting: '${GREETING}'}
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: plain}
    data: {greeting: '${GREETING}', more: stays}
";

/// An installation with one target on a real cluster, at its first commit; its title and namespace.
struct Given {
    it: Installation,
    kube: &'static Kube,
    first: String,
    title: String,
    namespace: String,
}

const SECRET: &str = "    secretParameters:\n      - {name: TOKEN, secret: {path: web/token, field: token}}\n";

fn given() -> Option<Given> {
    let kube = Kube::control_plane()?;
    let mut it = Installation::new();
    let namespace = kube.namespace("diff");
    it.write("web/deploy/web.yaml", OBJECTS);
    let first = it.release("first", true);
    it.replace("web/production.yml", "name: web-production", &format!("name: {namespace}"));
    it.replace("web/deploy.yml", "[Deployment]", "[Deployment, Service, Secret, ConfigMap]\nallowedSecretParameterPaths: [web]");
    it.replace("web/deploy.yml", "    parameters: {IMAGE: localhost/web}\n", SECRET);
    it.replace(
        "web/deploy.yml",
        "        ref: main\n        promotion: {publish: [deployed]}\n",
        "        ref: main\n        disable: true\n",
    );
    let promoted = "        ref: '0000000000000000000000000000000000000000' # moved by Towpath\n        promotion: {auto: true, subscribe: [tested]}\n";
    it.replace("web/deploy.yml", promoted, &format!("        ref: '{first}'\n"));
    std::fs::remove_file(it.path("config/data/web/test.yml")).unwrap();
    it.commit("config", "One target");
    it.write("secrets/web/token.yaml", &format!("token: {OLD}\n"));
    let config = it.read("towpath.toml");
    let cluster = format!("[clusters.laptop]\nkubeconfig = \"{}\"\n[secrets.files]\ndirectory = \"secrets\"\n", kube.kubeconfig.display());
    it.write("towpath.toml", &format!("{config}{cluster}"));
    it.start(None);
    let title = format!("web/web/production/{namespace}");
    it.until_at(&title, &first);
    Some(Given { it, kube, first, title, namespace })
}

impl Given {
    fn diff(&self, more: &[&str]) -> String {
        let text = self.it.ok(&[&["plan", "--diff", &self.title], more].concat());
        assert_no_value(&text);
        text
    }

    fn live(&self, arguments: &[&str]) -> String {
        self.kube.kubectl(&[&["-n", &self.namespace], arguments].concat())
    }

    /// A branch of the config repository.
    fn branch(&self, name: &str, change: impl Fn(&Installation)) {
        let it = &self.it;
        it.git("config", &["fetch", "--quiet", "origin"]);
        it.git("config", &["checkout", "--quiet", "-B", name, "origin/main"]);
        change(it);
        it.git("config", &["commit", "--quiet", "--all", "--message", name]);
        it.git("config", &["push", "--quiet", "origin", name]);
        it.git("config", &["checkout", "--quiet", "main"]);
    }
}

fn assert_no_value(text: &str) {
    for value in [OLD, NEW].into_iter().chain(PACKED) {
        assert!(!text.contains(value), "{value} in:\n{text}");
    }
}

#[test]
fn a_plan_shows_what_is_created_changed_and_deleted_and_no_value_of_now_or_of_old() {
    let Some(given) = given() else { return };
    let Given { it, first, .. } = &given;
    let same = given.diff(&[]);
    assert!(same.contains("Nothing would change in the cluster of 1 target."), "{same}");

    // The next version moves the token to other places, drops an object and brings another.
    let next = OBJECTS
        .replace("url: 'https://user:${TOKEN}@db.example.com'", "other: 'token=${TOKEN}'")
        .replace("stringData: {token: '${TOKEN}'}", "data: {key: '${TOKEN}', plain: aGVsbG8=}")
        .replace("value: fast", "value: slow")
        .replace("metadata: {name: plain}", "metadata: {name: extra}");
    it.write("web/deploy/web.yaml", &next);
    let second = it.release("second", true);
    let to_second = |it: &Installation| it.replace("web/deploy.yml", &format!("ref: '{first}'"), &format!("ref: '{second}'"));
    given.branch("next", to_second);
    let text = given.diff(&["--branch", "next"]);
    for told in [
        "ConfigMap/extra created",
        "+  more: stays",
        "ConfigMap/careless changed",
        "-  url: \"(hidden)\"",
        "+  other: \"(hidden)\"",
        "ConfigMap/plain deleted",
        "Secret/own changed",
        "+  key: \"(hidden)\"",
        "Deployment.apps/web changed",
        "+          value: slow",
    ] {
        assert!(text.contains(told), "{told}:\n{text}");
    }
    for noise in
        ["uid", "resourceVersion", "managedFields", "creationTimestamp", "status:", "towpath.dev", "clusterIP", "Service/web", "<secret:"]
    {
        assert!(!text.contains(noise), "{noise}:\n{text}");
    }

    // Whoever can push a branch is not told whether a guess is right.
    given.branch("guess", |it| it.replace("web/deploy.yml", SECRET, &format!("    parameters: {{TOKEN: {OLD}}}\n")));
    let guess = given.diff(&["--branch", "guess"]);
    for told in ["          value: \"(hidden, changed)\"", "  url: \"(hidden, changed)\"", "  token: \"(hidden, changed)\""] {
        assert!(guess.contains(told), "{told}:\n{guess}");
    }

    // What is not served is told in one line, and nothing is touched by looking.
    it.write(
        "web/deploy/web.yaml",
        &format!("{OBJECTS}  - {{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {{name: web}}}}\n"),
    );
    let third = it.release("third", true);
    given.branch("monitored", |it| {
        it.replace("web/deploy.yml", &format!("ref: '{first}'"), &format!("ref: '{third}'"));
        it.replace("web/deploy.yml", "[Deployment, ", "[ServiceMonitor.monitoring.coreos.com, Deployment, ");
    });
    let text = given.diff(&["--branch", "monitored"]);
    assert!(
        text.contains("cannot be compared") && text.contains("ServiceMonitor is not served by cluster laptop, in no version"),
        "{text}"
    );
    assert_eq!(it.deployed(&given.title), [first.as_str()]);
    assert!(given.live(&["get", "configmaps", "-o", "name"]).contains("configmap/plain"));
}

#[test]
fn what_others_changed_is_told_with_who_did_and_old_values_stay_hidden_wherever_they_are() {
    let Some(mut given) = given() else { return };
    let copy = format!("{{\"kind\":\"Secret\",\"data\":{{\"token\":\"{}\"}}}}", PACKED[0]);
    given.live(&[
        "annotate",
        "secret",
        "own",
        &format!("kubectl.kubernetes.io/last-applied-configuration={copy}"),
        &format!("another.tool/copy={}", PACKED[0]),
    ]);
    given.live(&["patch", "configmap", "plain", "--type=merge", "-p", r#"{"data": {"greeting": "tampered", "theirs": "kept"}}"#]);
    given.live(&["patch", "configmap", "careless", "--type=merge", "-p", &format!(r#"{{"data": {{"copy": "{OLD} and {}"}}}}"#, PACKED[0])]);
    given.live(&["patch", "service", "web", "--type=json", "-p", r#"[{"op": "replace", "path": "/spec/selector/app", "value": "other"}]"#]);
    let text = given.diff(&[]);
    for told in [
        "! the deploy will be refused: .data.greeting",
        "kubectl-patch",
        "-  greeting: tampered",
        "+  greeting: hello",
        "Service/web changed",
        "+    app: web",
    ] {
        assert!(text.contains(told), "{told}:\n{text}");
    }
    assert!(!text.contains("-  theirs"), "what is theirs alone stays: {text}");

    // The parameter goes: nobody knows its value any more, but it stands in live objects.
    given.it.asks(&["hold", "environment/production", "--reason", "to look first"]);
    let gone = given.it.configure("No token", |it| {
        it.replace("web/deploy.yml", SECRET, "");
    });
    given.it.until_read(&gone);
    std::fs::remove_file(given.it.path("secrets/web/token.yaml")).unwrap();
    let text = given.diff(&[]);
    assert!(
        text.contains("url: \"(hidden)\"") && text.contains("ConfigMap/careless changed") && text.contains("Deployment.apps/web changed"),
        "{text}"
    );
}

#[test]
fn a_cluster_that_is_away_says_so_and_hides_no_other() {
    let Some(mut given) = given() else { return };
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    given.it.stop();
    given.it.write("token", "of-no-use-to-anybody\n");
    let config = given.it.read("towpath.toml");
    given.it.write("towpath.toml", &format!("{config}[clusters.away]\nserver = \"https://{gone}\"\ntoken_file = \"token\"\n"));
    given.it.start(None);
    let read = given.it.configure("Two clusters", |it| {
        it.write("config/data/clusters/away.yml", "$schema: /openshift/cluster-1.yml\nname: away\nserverUrl: away\n");
        it.replace("web/stage.yml", "/clusters/laptop.yml", "/clusters/away.yml");
        it.replace("web/deploy.yml", "        disable: true\n", "");
        it.replace("web/deploy.yml", SECRET, &format!("{SECRET}    parameters: {{GREETING: good day}}\n"));
    });
    given.it.until_read(&read);
    let (it, title) = (&given.it, &given.title);
    let all = it.ok(&["plan", "--diff", "web/web/stage/web-stage"]);
    assert!(all.contains("cannot be compared") && all.contains("cluster away does not answer"), "{all}");
    let begun = std::time::Instant::now();
    let text = it.ok(&["plan", "--diff", title]);
    assert!(text.contains(" would change") || text.contains("Nothing would change"), "{text}");
    assert!(begun.elapsed().as_secs() < 30, "nobody waits for the other cluster");
}

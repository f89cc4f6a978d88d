//! What a plan would change in the clusters, and what of it nobody may see.

use std::net::TcpListener;

use crate::installation::{Installation, PRODUCTION, STAGE};

const OLD: &str = "correct-horse-battery";
const NEW: &str = "staple-of-tomorrow";

/// Objects with a secret parameter in the places where people put them, and a plain one.
const MORE: &str = "
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
    data: {greeting: '${GREETING}'}
";

/// An installation whose stage takes a secret from a file. Nothing runs yet.
fn with_a_secret() -> Installation {
    let it = Installation::new();
    let text = it.read("web/deploy/web.yaml").replace("objects:", "  - {name: TOKEN}\n  - {name: GREETING, value: hello}\nobjects:");
    it.write("web/deploy/web.yaml", &format!("{}{MORE}", text.trim_end()));
    it.replace("web/deploy.yml", "[Deployment]", "[Deployment, Secret, ConfigMap]\nallowedSecretParameterPaths: [web]");
    let secret =
        "parameters: {IMAGE: localhost/web}\n    secretParameters:\n      - {name: TOKEN, secret: {path: web/token, field: token}}";
    it.replace("web/deploy.yml", "parameters: {IMAGE: localhost/web}", secret);
    it.commit("config", "A secret");
    it.write("secrets/web/token.yaml", &format!("token: {OLD}\n"));
    let config = it.read("towpath.toml");
    it.write("towpath.toml", &format!("{config}[secrets.files]\ndirectory = \"secrets\"\n"));
    it
}

#[test]
fn a_branchs_plan_shows_what_would_change_and_no_value_of_a_secret() {
    let mut it = with_a_secret();
    let first = it.release("first", true);
    it.start(None);
    it.until_at(PRODUCTION, &first);
    let same = it.ok(&["plan", "--diff", STAGE]);
    assert!(same.contains("Nothing would change in the cluster of 1 target"), "{same}");

    it.git("config", &["fetch", "--quiet", "origin"]);
    it.git("config", &["checkout", "--quiet", "-B", "polite", "origin/main"]);
    it.replace("web/deploy.yml", "parameters: {IMAGE: localhost/web}", "parameters: {IMAGE: localhost/web, GREETING: good day}");
    it.git("config", &["commit", "--quiet", "--all", "--message", "Polite"]);
    it.git("config", &["push", "--quiet", "origin", "polite"]);
    it.write("secrets/web/token.yaml", &format!("token: {NEW}\n"));

    let both = it.ok(&["plan", "--branch", "polite", "--diff"]);
    assert_eq!(both.matches(" would change:\n").count(), 2, "stage and production: {both}");
    let stage = it.ok(&["plan", "--branch", "polite", "--diff", STAGE]);
    assert_eq!(stage.matches(" would change:\n").count(), 1, "{stage}");
    for told in
        ["ConfigMap/plain changed", "ConfigMap/careless changed", "-  greeting: hello", "+  greeting: \"good day\"", "url: \"(hidden)\""]
    {
        assert!(stage.contains(told), "{told}: {stage}");
    }
    // A branch gets no values; what is merged is compared with them.
    let merged = it.ok(&["plan", "--diff", STAGE]);
    for told in ["Secret/own changed", "  token: \"(hidden, changed)\"", "ConfigMap/careless changed", "  url: \"(hidden, changed)\""] {
        assert!(merged.contains(told), "{told}: {merged}");
    }
    assert!(!merged.contains("ConfigMap/plain"), "{merged}");
    assert!(!stage.contains("Deployment.apps/web changed"), "what stays as it is is left out: {stage}");
    let json = it.ask(&["plan", "--branch", "polite", "--diff", STAGE]).unwrap().to_string();
    for text in [&both, &stage, &merged, &json] {
        assert!(!text.contains(OLD) && !text.contains(NEW), "{text}");
    }

    // Nothing was touched by looking.
    assert_eq!(it.deployed(STAGE), [first]);
    let unknown = it.refused(&["plan", "--diff", "nobody"]);
    assert!(unknown.contains("no target is called \"nobody\""), "{unknown}");
}

#[test]
fn a_cluster_that_is_away_hides_no_other_and_doctor_names_both() {
    let mut it = Installation::new();
    // Somebody had this port, and is gone.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    it.write("config/data/clusters/away.yml", "$schema: /openshift/cluster-1.yml\nname: away\nserverUrl: away\n");
    it.replace("web/production.yml", "/clusters/laptop.yml", "/clusters/away.yml");
    let waits = "        ref: '0000000000000000000000000000000000000000' # moved by Towpath\n        promotion: {auto: true, subscribe: [tested]}\n";
    it.replace("web/deploy.yml", waits, "        ref: main\n");
    it.commit("config", "Two clusters");
    it.write("token", "of-no-use-to-anybody\n");
    let config = it.read("towpath.toml");
    let clusters = format!("[clusters.laptop]\nembedded = true\n[clusters.away]\nserver = \"https://{gone}\"\ntoken_file = \"token\"\n");
    it.write("towpath.toml", &format!("{config}{clusters}"));
    let first = it.release("first", true);
    it.start(None);
    it.until_at(STAGE, &first);

    let plan = it.ok(&["plan", "--diff", PRODUCTION]);
    assert!(plan.contains("cannot be compared") && plan.contains("cluster away does not answer"), "{plan}");
    let plan = it.ok(&["plan", "--diff", STAGE]);
    assert!(plan.contains("Nothing would change"), "{plan}");

    let doctor = it.run(&["doctor"]);
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert_eq!(doctor.status.code(), Some(5), "{said}");
    assert!(said.contains("cluster away does not answer") && said.contains("the embedded runtime"), "{said}");
    assert!(!said.contains("of-no-use-to-anybody"), "{said}");
}

#[test]
fn a_cluster_that_nobody_named_is_never_the_embedded_runtime() {
    let mut it = Installation::new();
    let config = it.read("towpath.toml");
    it.write("towpath.toml", &format!("{config}[clusters.labtop]\nembedded = true\n"));
    it.release("first", true);
    it.start(None);
    let held = it.until_held(STAGE, "failed");
    assert!(held.contains("add [clusters.laptop]"), "{held}");
    let plan = it.ok(&["plan", "--diff", STAGE]);
    assert!(plan.contains("cannot be compared") && plan.contains("add [clusters.laptop]"), "{plan}");
    let doctor = String::from_utf8(it.run(&["doctor"]).stdout).unwrap();
    assert!(doctor.contains("cluster laptop is not named in towpath.toml"), "{doctor}");
}

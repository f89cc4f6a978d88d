//! Images in a registry over the network: signed or not, and tags that are pushed anew.

use std::process::Command;

use towpath_testbed::{REGISTRY_PASSWORD, REGISTRY_USER, Registry, SigningKey};

use crate::installation::{Installation, PRODUCTION, STAGE, TESTS};

/// An installation whose images are in a registry that wants a password. Nothing runs yet.
fn given(registry: &Registry) -> Installation {
    let it = Installation::new();
    let (host, image) = (&registry.host, format!("{}/team/web", registry.host));
    it.replace("web/source.yml", "image: localhost/web", &format!("image: {image}"));
    for file in ["web/deploy.yml", "web/test.yml"] {
        it.replace(file, "imagePatterns: [localhost/web]", &format!("imagePatterns: [{image}]"));
        it.replace(file, "IMAGE: localhost/web", &format!("IMAGE: {image}"));
    }
    it.commit("config", "Images in a registry");
    it.write("password", &format!("{REGISTRY_PASSWORD}\n"));
    let before = it.read("towpath.toml");
    let registry = format!("[registries.\"{host}\"]\nplain_http = true\nusername = \"{REGISTRY_USER}\"\npassword_file = \"password\"\n");
    it.write("towpath.toml", &format!("{before}{registry}"));
    it
}

/// A policy for production, by its rules.
fn policy(it: &mut Installation, rules: &str) {
    let text = format!("$schema: /towpath/policy-1.yml\nname: signed\nselect: {{environments: [production]}}\n{rules}");
    let commit = it.configure("A policy", |it| it.write("config/data/policies/signed.yml", &text));
    it.until_read(&commit);
}

fn require(key: &SigningKey) -> String {
    let pem: String = key.public_pem().lines().map(|line| format!("    {line}\n")).collect();
    format!("requireSigned:\n  key: |\n{pem}")
}

/// The hold of this reason on production, or on what it passed over.
fn told(it: &mut Installation, reason: &str) -> Option<String> {
    let verdict = it.target(PRODUCTION)?["verdict"].clone();
    let over = verdict["passedOver"].as_array()?.iter().flat_map(|over| over["holds"].as_array().unwrap());
    let hold = verdict["holds"].as_array()?.iter().chain(over).find(|hold| hold["reason"] == reason)?;
    hold["text"].as_str().map(str::to_owned)
}

/// The tag that the build of this commit pushed, and its digest.
fn pushed(registry: &Registry, commit: &str) -> (String, String) {
    let tags = registry.tags("team/web");
    let tag = tags.into_iter().find(|tag| commit.starts_with(tag.as_str())).unwrap();
    let digest = registry.digest("team/web", &tag);
    (tag, digest)
}

/// Tells the server that an image may be new, as Debian's registry would.
fn announce(it: &Installation) {
    let server: serde_json::Value = serde_json::from_str(&it.read(".towpath/server.json")).unwrap();
    let body = r#"{"events":[{"action":"push","target":{"repository":"team/web"}}]}"#;
    let url = format!("http://{}/hooks/registry", server["address"].as_str().unwrap());
    let kind = "content-type: application/vnd.docker.distribution.events.v1+json";
    let out = Command::new("curl").args(["-sS", "--fail-with-body", "-H", kind, "-d", body, &url]).output().unwrap();
    assert!(out.status.success(), "{out:?}");
}

#[test]
fn an_image_goes_to_production_once_the_key_that_the_policy_names_signed_it() {
    let Some(registry) = Registry::basic() else { return };
    let (key, other) = (SigningKey::new("P-256"), SigningKey::new("P-256"));
    let mut it = given(&registry);
    let first = it.release("first", true);
    it.start(None);
    policy(&mut it, &require(&key));
    it.until_at(TESTS, &first);
    let text = it.until("that it is not signed to be told", |it| told(it, "unsigned"));
    assert!(text.contains("is not signed as policy signed requires: no signature by the key "), "{text}");

    let (_, digest) = pushed(&registry, &first);
    registry.sign("team/web", &digest, &other);
    announce(&it);
    it.until("that another key signed it to be told", |it| told(it, "unsigned").filter(|text| text.contains("signed by another key")));
    assert_eq!(it.current(PRODUCTION), None);

    registry.sign("team/web", &digest, &key);
    announce(&it);
    it.until_at(PRODUCTION, &first);
}

#[test]
fn a_tag_that_is_pushed_anew_between_test_and_production_never_gets_there() {
    let Some(registry) = Registry::basic() else { return };
    let mut it = given(&registry);
    let first = it.release("first", true);
    it.start(None);
    policy(&mut it, "freezes: [{reason: not yet}]\n");
    it.until_at(TESTS, &first);
    it.until("the freeze to be told", |it| told(it, "frozen"));

    let (tag, tested) = pushed(&registry, &first);
    let mut manifest: serde_json::Value = serde_json::from_str(&registry.manifest("team/web", &tag)).unwrap();
    manifest["annotations"]["tampered"] = "yes".into();
    let kind = manifest["mediaType"].as_str().unwrap().to_owned();
    let other = registry.put_manifest("team/web", Some(&tag), &kind, &manifest.to_string());
    assert_ne!(tested, other);

    policy(&mut it, "queue: latest\n");
    let told = it.until("production to be refused or to run what was tested", |it| {
        if it.current(PRODUCTION).is_some() {
            return Some("it runs".to_owned());
        }
        let failed = it.runs(PRODUCTION).into_iter().find(|run| run["state"] == "failed")?;
        failed["message"].as_str().map(str::to_owned)
    });
    assert!(told.contains(&tested) && told.contains(&other), "the refusal names both digests: {told}");
    assert_eq!((it.current(STAGE), it.current(PRODUCTION)), (Some(first), None));
}

#[test]
fn the_doctor_signs_in_to_each_registry_and_says_who_is_not_let_in() {
    let (Some(basic), Some(token)) = (Registry::basic(), Registry::token(60)) else { return };
    for (password, is_right) in [(REGISTRY_PASSWORD, true), ("a wrong guess", false)] {
        let mut it = given(&basic);
        let before = it.read("towpath.toml");
        let other =
            format!("[registries.\"{}\"]\nplain_http = true\nusername = \"{REGISTRY_USER}\"\npassword_file = \"password\"\n", token.host);
        it.write("towpath.toml", &format!("{before}{other}"));
        it.write("password", password);
        it.start(None);
        it.until("the server to answer", |it| it.ask(&["status"]));
        let said = String::from_utf8(it.run(&["doctor"]).stdout).unwrap();
        for host in [&basic.host, &token.host] {
            let line = said.lines().find(|line| line.contains(host.as_str())).unwrap_or_else(|| panic!("{host} is not told: {said}"));
            assert_eq!(line.contains("answers"), is_right, "{said}");
        }
        assert_eq!(said.contains("does not take this user and password"), !is_right, "{said}");
        assert!(!said.contains("guess"), "{said}");
    }
}

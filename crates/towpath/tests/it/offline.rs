//! What works, and how it is refused, without a server.

use crate::harness::Place;

#[test]
fn help_and_version_go_to_standard_output_and_a_slip_to_standard_error() {
    let place = Place::new();
    let version = place.towpath(&["--version"]).ok();
    assert_eq!(version.stdout, format!("towpath {}\n", env!("CARGO_PKG_VERSION")));
    assert!(place.towpath(&["status", "--help"]).ok().stdout.contains("Examples:"));
    let slip = place.towpath(&["statsu"]).exits(2);
    assert!(slip.stdout.is_empty() && slip.stderr.contains("status"), "{slip:?}");
    let nothing = place.towpath(&[]).exits(2);
    assert!(nothing.stderr.contains("Usage: towpath"), "{nothing:?}");
}

#[test]
fn without_a_configuration_or_a_server_each_command_says_what_to_do() {
    let place = Place::new();
    let said = place.towpath(&["status"]).exits(2);
    assert!(said.refusal().1.contains("towpath init"), "{said:?}");
    let elsewhere = place.towpath(&["status", "--config", "nowhere.toml"]).exits(2);
    assert!(elsewhere.refusal().0.contains("nowhere.toml"), "{elsewhere:?}");

    place.write("towpath.toml", "[config]\nurl = \"config\"\n");
    for args in [
        &["status"][..],
        &["plan"],
        &["explain", "web"],
        &["runs"],
        &["logs", "x"],
        &["history"],
        &["promote", "web", "--reason", "x", "--by", "Ada"],
        &["release", "web", "--reason", "x", "--by", "Ada"],
    ] {
        let said = place.towpath(args).exits(4);
        assert_eq!(said.refusal().1, "start one with `towpath serve`", "{args:?}");
        assert!(said.stdout.is_empty(), "{said:?}");
    }
}

#[test]
fn a_broken_configuration_is_told_with_its_place() {
    let place = Place::new();
    place.write("towpath.toml", "[config]\nurl = \"config\"\nbrnch = \"main\"\n");
    let said = place.towpath(&["status"]).exits(5);
    let (error, help) = said.refusal();
    assert!(error.ends_with("towpath.toml:3:1: the key `config.brnch` is not known"), "{error}");
    assert_eq!(help, "did you mean `branch`?");
}

#[test]
fn the_configuration_is_found_by_flag_by_environment_and_from_below() {
    let place = Place::new();
    place.write("a/towpath.toml", "[config]\nurl = \"config\"\n");
    let below = place.path("a/b");
    std::fs::create_dir(&below).unwrap();
    place.towpath(&["status", "--config", "a/towpath.toml"]).exits(4).refusal();
    place.towpath(&["--config", "a", "status"]).exits(4).refusal();
    place.towpath_with(&["status"], &[("TOWPATH_CONFIG", "a/towpath.toml")], "").exits(4).refusal();
    let mut command = place.program(env!("CARGO_BIN_EXE_towpath"), &["status"]);
    assert_eq!(command.current_dir(below).output().unwrap().status.code(), Some(4));
}

#[test]
fn the_doctor_works_without_a_server_and_tells_what_is_wrong() {
    let place = Place::new();
    let said = place.towpath(&["doctor", "--output", "json"]).exits(5);
    let levels = |said: &crate::harness::Said| -> Vec<(String, String)> {
        let text = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap().to_owned();
        said.json().as_array().unwrap().iter().map(|finding| (text(finding, "what"), text(finding, "level"))).collect()
    };
    assert_eq!(levels(&said), [("towpath.toml".into(), "error".into()), ("git".into(), "ok".into())]);

    place.repository("config");
    place.write("towpath.toml", "[config]\nurl = \"config\"\n");
    let said = place.towpath(&["doctor", "--output", "json"]);
    let levels = levels(&said);
    for expected in [("towpath.toml", "ok"), ("config repository", "ok"), ("state directory", "ok"), ("server", "warning")] {
        assert!(levels.contains(&(expected.0.into(), expected.1.into())), "{expected:?}: {levels:?}");
    }

    place.write("towpath.toml", "[config]\nurl = \"config\"\nbranch = \"other\"\n");
    let said = place.towpath(&["doctor"]).exits(5);
    assert!(said.stdout.contains("has no branch other"), "{said:?}");
    place.write("towpath.toml", "[config]\nurl = \"nowhere\"\n");
    assert!(place.towpath(&["doctor"]).exits(5).stdout.contains("cannot be reached"));
}

#[test]
fn completions_and_manual_pages_are_written() {
    let place = Place::new();
    assert!(place.towpath(&["completions", "bash"]).ok().stdout.contains("_towpath"));
    assert!(place.towpath(&["man"]).ok().stdout.contains(".TH towpath 1"));
    let said = place.towpath(&["man", "--dir", "man1"]).ok();
    assert!(said.stdout.is_empty());
    assert!(place.read("man1/towpath-status.1").contains("what is where"));
}

#[test]
fn whoever_asks_must_be_known_and_say_why() {
    let place = Place::new();
    place.write("towpath.toml", "[config]\nurl = \"config\"\n");
    let said = place.towpath(&["hold", "web", "--reason", "  "]).exits(2);
    assert_eq!(said.refusal().0, "the reason is empty");
    let said = place.towpath(&["hold", "web", "--reason", "x"]).exits(2);
    assert_eq!(said.refusal().0, "nothing says who asks");
    place.towpath_with(&["hold", "web", "--reason", "x"], &[("USER", "ada")], "").exits(4).refusal();
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let script = format!("'{}' completions zsh | head -c 10 >/dev/null; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_towpath"));
    let output = place.program("bash", &["-c", &script]).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_plan_of_a_folder_needs_no_secret_and_refuses_one_that_is_not_allowed() {
    let place = Place::new();
    place.repository("web");
    place.towpath(&["init", "--source", "web", "--start", "./server.sh", "--yes"]).ok().stdout.clear();
    place.git("web", &["add", "deploy"]);
    place.git("web", &["commit", "--quiet", "--message", "Deploy"]);
    // Without a source nothing is built first.
    std::fs::remove_file(place.path("config/data/apps/web/source.yml")).unwrap();
    assert!(place.towpath(&["plan", "config"]).ok().stdout.contains("deploy web/web/stage/web-stage at"));

    let secrets =
        "allowedSecretParameterPaths: [web]\nsecretParameters:\n  - name: PASSWORD\n    secret: {path: web/db, field: password}\n";
    let saas = place.read("config/data/apps/web/deploy.yml").replace("resourceTemplates:", &format!("{secrets}resourceTemplates:"));
    place.write("config/data/apps/web/deploy.yml", &saas);
    let said = place.towpath(&["plan", "config"]).ok();
    assert!(said.stdout.contains("deploy web/web/stage"), "{said:?}");

    place.write("config/data/apps/web/deploy.yml", &saas.replace("Paths: [web]", "Paths: [shop]"));
    let said = place.towpath(&["plan", "config"]);
    assert!(said.stdout.contains("allowedSecretParameterPaths"), "{said:?}");
    assert!(!said.stdout.contains("deploy web/web/stage"), "{said:?}");

    let nothing = place.towpath(&["plan", "web"]).exits(1);
    assert!(nothing.refusal().1.contains("the one that holds data/"), "{nothing:?}");
}

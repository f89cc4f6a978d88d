//! `towpath validate` on small trees.

use crate::harness::Place;

const APP: &str = "---\n$schema: /app-sre/app-1.yml\nname: web\ndescription: web\n";

/// A tree with one app and a namespace in a cluster that is not there.
fn broken() -> Place {
    let place = Place::new();
    place.write("config/data/app.yml", APP);
    place.write("config/data/environment.yml", "---\n$schema: /app-sre/environment-1.yml\nname: stage\nparameters: {}\n");
    let namespace = "---\n$schema: /openshift/namespace-1.yml\nname: web\ncluster:\n  $ref: /clusterr.yml\napp:\n  $ref: /app.yml\n\
                     environment:\n  $ref: /environment.yml\n";
    place.write("config/data/namespace.yml", namespace);
    place.write("config/data/cluster.yml", "---\n$schema: /openshift/cluster-1.yml\nname: local\n");
    place
}

#[test]
fn a_good_tree_is_clean_in_every_format() {
    let place = Place::new();
    place.write("config/data/app.yml", APP);
    for (format, stdout) in [("terminal", ""), ("lines", ""), ("json", "[]\n")] {
        let said = place.towpath(&["validate", "config", "--format", format]).ok();
        assert_eq!(said.stdout, stdout, "{format}");
    }
    let said = place.towpath(&["validate", "config"]).ok();
    assert_eq!(said.stderr, "1 file, no targets: no errors, no warnings\n");
    assert_eq!(place.towpath(&["validate", "config", "--format", "sarif"]).ok().json()["version"], "2.1.0");
}

#[test]
fn a_dangling_reference_is_refused_with_file_line_and_mend() {
    let place = broken();
    let said = place.towpath(&["validate", "config"]).exits(5);
    assert!(said.stdout.starts_with("data/namespace.yml:5:9: error[unknown-reference]: "), "{said:?}");
    assert!(said.stdout.contains("/cluster.yml"), "the mend names the file that was meant: {said:?}");
    assert_eq!(said.stdout.lines().count(), 1, "{said:?}");
    assert_eq!(said.stderr, "4 files, no targets: 1 error, no warnings\n");
}

#[test]
fn each_format_tells_the_same_finding() {
    let place = broken();
    let json = place.towpath(&["validate", "config", "--format", "json"]).exits(5);
    assert_eq!(json.json()[0]["rule"], "unknown-reference");
    assert_eq!(json.stderr, "");
    let sarif = place.towpath(&["validate", "config", "--format", "sarif"]).exits(5).json();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "unknown-reference");
    let plain = place.towpath(&["validate", "config", "--format", "terminal"]).exits(5);
    assert!(plain.stdout.contains("unknown-reference") && plain.stdout.contains("$ref: /clusterr.yml"), "{plain:?}");
    assert!(!plain.stdout.contains('\x1b'), "no colours in a pipe: {plain:?}");
    let coloured = place.towpath(&["validate", "config", "--format", "terminal", "--color", "always"]).exits(5);
    assert!(coloured.stdout.contains('\x1b'), "{coloured:?}");
}

#[test]
fn the_tree_is_the_named_one_or_this_one_or_that_of_the_configuration() {
    let place = broken();
    place.towpath(&["validate"]).exits(2).refusal();
    place.towpath(&["validate", "nowhere"]).exits(1).refusal();
    place.write("towpath.toml", "[config]\nurl = \"config\"\n");
    assert!(place.towpath(&["validate"]).exits(5).stdout.contains("unknown-reference"));
    let mut here = place.program(env!("CARGO_BIN_EXE_towpath"), &["validate"]);
    assert_eq!(here.current_dir(place.path("config")).output().unwrap().status.code(), Some(5));
}

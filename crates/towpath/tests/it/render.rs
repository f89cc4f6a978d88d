//! `towpath render` with the flags of `oc process --local`.

use serde_json::json;

use crate::harness::{Place, Said};

const TEMPLATE: &str = r#"
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: web}
labels: {from: template, team: none}
message: deployed ${NAME}
parameters:
  - {name: NAME, description: What it is called, value: web}
  - {name: COUNT, value: "2"}
  - {name: SECRET, generate: expression, from: "[a-z]{8}"}
  - {name: NEEDED, required: true}
objects:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: "${NAME}", namespace: somewhere}
    spec: {replicas: "${{COUNT}}", big: 9223372036854775807, other: "${NOPE}"}
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: config}
    data: {needed: "${NEEDED}", secret: "${SECRET}"}
"#;

fn render(args: &[&str]) -> Said {
    render_in(&Place::new(), args)
}

fn render_in(place: &Place, args: &[&str]) -> Said {
    place.write("t.yml", TEMPLATE);
    place.towpath(&[&["render", "-f", "t.yml"], args].concat())
}

#[test]
fn a_template_becomes_a_list_as_with_oc() {
    let said = render(&["-p", "NEEDED=a=b,c", "--local"]).ok();
    let list = said.json();
    assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("v1"), &json!("List")));
    assert_eq!(list["items"][0]["spec"], json!({"replicas": 2, "big": 9223372036854775807_i64, "other": "${NOPE}"}));
    assert_eq!(list["items"][0]["metadata"], json!({"name": "web", "labels": {"from": "template", "team": "none"}}));
    assert_eq!(list["items"][1]["data"]["needed"], "a=b,c");
    assert_eq!(list["items"][1]["data"]["secret"].as_str().unwrap().len(), 8);
}

#[test]
fn parameters_come_from_flags_positions_files_and_standard_input() {
    let place = Place::new();
    place.write("stage.env", "# stage\nNEEDED=\"first\nsecond\"\nCOUNT=7\n");
    let said = render_in(&place, &["--param-file", "stage.env", "NAME=other", "-p", "COUNT=5"]).ok();
    let list = said.json();
    assert_eq!(list["items"][0]["metadata"]["name"], "other");
    assert_eq!(list["items"][0]["spec"]["replicas"], 5, "the flag wins over the file");
    assert_eq!(list["items"][1]["data"]["needed"], "first\nsecond");
    assert!(said.stderr.contains("warning:") && said.stderr.contains("COUNT"), "{said:?}");

    let piped = place.towpath_with(&["render", "-f", "-", "NEEDED=x", "-o", "name"], &[], TEMPLATE).ok();
    assert_eq!(piped.stdout, "deployment.apps/web\nconfigmap/config\n");
    let file = place.towpath_with(&["render", "-f", "t.yml", "--param-file", "-", "-o", "name"], &[], "NEEDED=x\nNAME=y\n").ok();
    assert_eq!(file.stdout, "deployment.apps/y\nconfigmap/config\n");
}

#[test]
fn an_empty_value_switches_a_generator_off_and_labels_win_over_the_templates() {
    let said = render(&["-p", "NEEDED=x", "-p", "SECRET=", "-l", "team=web,tier=front"]).ok().json();
    assert_eq!(said["items"][1]["data"]["secret"], "");
    assert_eq!(said["items"][1]["metadata"]["labels"], json!({"from": "template", "team": "web", "tier": "front"}));
}

#[test]
fn yaml_says_the_same_as_json() {
    let place = Place::new();
    let args = ["-p", "NEEDED=yes", "-p", "SECRET=007"];
    let yaml = render_in(&place, &[&args[..], &["-o", "yaml"]].concat()).ok();
    assert!(yaml.stdout.contains("kind: List"), "{yaml:?}");
    place.write(
        "wrapped.yml",
        &format!("apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n- {}", yaml.stdout.replace('\n', "\n  ")),
    );
    let again = place.towpath(&["render", "-f", "wrapped.yml"]).ok().json();
    assert_eq!(again["items"][0]["items"], render_in(&place, &args).ok().json()["items"]);
}

#[test]
fn what_oc_refuses_is_refused_naming_what_is_meant() {
    for (args, code, told) in [
        (&[][..], 1, &["NEEDED", "required"][..]),
        (&["-p", "NEEDED=x", "-p", "NOPE=1", "-p", "NADA=2"], 1, &["NOPE", "NADA", "unknown parameter"]),
        (&["-p", "NEEDED=x", "NEEDED=y"], 2, &["more than once", "NEEDED"]),
        (&["-p", "NEEDED"], 2, &["NEEDED", "assignment"]),
        (&["-p", "S P A C E=x"], 2, &["S P A C E"]),
        (&["stored", "-p", "NEEDED=x"], 2, &["stored", "cluster"]),
        (&["-p", "NEEDED=x", "-l", "=x"], 2, &["label"]),
        (&["-p", "NEEDED=x", "--param-file", "nowhere.env"], 1, &["nowhere.env"]),
        (&["-p", "NEEDED=x", "--param-file", "."], 1, &["directory"]),
        (&["--parameters", "-p", "NEEDED=x"], 2, &["cannot be used with"]),
    ] {
        let said = render(args).exits(code);
        for word in told {
            assert!(said.stderr.to_lowercase().contains(&word.to_lowercase()), "{args:?}: {word}: {said:?}");
        }
        assert_eq!(said.stdout, "", "{args:?}");
    }
    render(&["-p", "NEEDED=x", "-p", "NOPE=1", "--ignore-unknown-parameters"]).ok().stdout.clear();
    let place = Place::new();
    place.write("pod.yml", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n");
    let said = place.towpath(&["render", "-f", "pod.yml"]).exits(1);
    assert!(said.refusal().1.contains("pod.yml"), "{said:?}");
    assert_eq!(place.towpath(&["render"]).exits(2).refusal().0, "no template is given");
    assert!(place.towpath(&["render", "-f", "/dev/null"]).exits(1).stdout.is_empty());
}

#[test]
fn parameters_are_listed_with_their_generators() {
    let said = render(&["--parameters"]).ok();
    let lines: Vec<Vec<&str>> = said.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "DESCRIPTION", "GENERATOR", "VALUE"]);
    assert_eq!(lines[1], ["NAME", "What", "it", "is", "called", "web"]);
    assert_eq!(lines[3], ["SECRET", "expression", "[a-z]{8}"]);
}

#[test]
fn a_value_with_quotes_and_flags_in_it_stays_a_value() {
    let said = render(&["-p", "NEEDED=it's -p COUNT='9' ${NAME} $(reboot)"]).ok().json();
    assert_eq!(said["items"][1]["data"]["needed"], "it's -p COUNT='9' ${NAME} $(reboot)");
    assert_eq!(said["items"][0]["spec"]["replicas"], 2);
}

use std::sync::Arc;

use super::*;
use crate::diagnostic::{Diagnostic, Place};

const TEXT: &str = "# ü\nname: web\nref: mian # kůň\n";

fn found() -> Vec<Diagnostic> {
    let file: Arc<str> = Arc::from("data/services/web stage/deploy.yml");
    let place = Place { file: Arc::clone(&file), line: 3, column: 6, start: 20, end: 24 };
    let other = Place { file, line: 2, column: 7, start: 11, end: 14 };
    vec![
        Diagnostic {
            rule: "bad-git-ref",
            severity: Severity::Error,
            place: place.clone(),
            message: "there is no branch `mian`".to_owned(),
            mend: "Did you mean `main`?".to_owned(),
            related: vec![(other, "of this".to_owned())],
        },
        Diagnostic {
            rule: "no-effect",
            severity: Severity::Warning,
            place,
            message: "a \u{1b}[31mred herring".to_owned(),
            mend: "Look away.".to_owned(),
            related: Vec::new(),
        },
    ]
}

#[test]
fn a_terminal_shows_the_line_the_place_and_the_mend() {
    let text = terminal(&found(), |_| Some(TEXT.as_bytes()), false);
    insta::assert_snapshot!(text);
    let coloured = terminal(&found(), |_| Some(TEXT.as_bytes()), true);
    assert!(coloured.contains("\u{1b}[") && !coloured.contains("\u{1b}[31mred"));
}

#[test]
fn without_the_source_the_place_is_told() {
    let text = terminal(&found(), |_| None, false);
    assert!(text.contains("data/services/web stage/deploy.yml:3:6"), "{text}");
    assert!(terminal(&found(), |_| Some(b"\xff"), false).contains(":3:6"));
}

#[test]
fn lines_are_one_for_each_and_obey_no_escapes() {
    let wanted = "data/services/web stage/deploy.yml:3:6: error[bad-git-ref]: there is no branch `mian`; Did you mean `main`?\n\
                  data/services/web stage/deploy.yml:3:6: warning[no-effect]: a \\u{1b}[31mred herring; Look away.\n";
    assert_eq!(lines(&found()), wanted);
}

#[test]
fn tools_get_json_and_sarif() {
    let value = json(&found());
    assert_eq!(value[0]["place"]["line"], 3);
    assert_eq!(value[0]["related"][0]["remark"], "of this");
    let log = sarif(&found());
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "bad-git-ref");
    assert_eq!(result["level"], "error");
    assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "data/services/web%20stage/deploy.yml");
    assert_eq!(log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().len(), 2);
    assert_eq!(log["version"], "2.1.0");
}

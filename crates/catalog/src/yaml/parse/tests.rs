use serde_json::{Value, json};

use super::*;
use crate::yaml::to_json;

fn value(text: &str) -> Value {
    to_json(parse(text.as_bytes()).unwrap().root(), &mut |_| {})
}

#[track_caller]
fn refused(text: &[u8], rule: &str, line: u32, column: u32, words: &str) {
    let problems = parse(text).err().unwrap_or_else(|| panic!("{:?} was taken", String::from_utf8_lossy(text)));
    let problem = &problems[0];
    assert_eq!((problem.rule, problem.spot.line, problem.spot.column), (rule, line, column), "{problem:?}");
    assert!(problem.message.contains(words), "{}", problem.message);
    assert!(!problem.mend.is_empty());
}

#[test]
fn every_scalar_knows_its_bytes_line_and_column() {
    let text = "é: 'a''b' # ü\r\nflow: {x: \"q\", y: plain}\r\nnext:\r\n  value\r\nlist:\r\n- one\r\n";
    let tree = parse(text.as_bytes()).unwrap();
    let seen: Vec<_> = tree
        .scalars()
        .map(|scalar| (&text[scalar.spot.start as usize..scalar.spot.end as usize], scalar.spot.line, scalar.spot.column))
        .collect();
    let wanted = [
        ("é", 1, 1),
        ("'a''b'", 1, 4),
        ("flow", 2, 1),
        ("x", 2, 8),
        ("\"q\"", 2, 11),
        ("y", 2, 16),
        ("plain", 2, 19),
        ("next", 3, 1),
        ("value", 4, 3),
        ("list", 5, 1),
        ("one", 6, 3),
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn a_byte_order_mark_and_a_missing_last_line_break_do_no_harm() {
    assert_eq!(value("\u{feff}---\na: 1"), json!({"a": 1}));
    let tree = parse("\u{feff}a: b".as_bytes()).unwrap();
    let spot = tree.root().get("a").unwrap().spot();
    assert_eq!((spot.start, spot.end), (6, 7));
}

#[test]
fn aliases_and_merge_keys_are_followed() {
    let text = "base: &b {x: 1, y: 2}\nlist: &l [*b]\nover:\n  <<: *b\n  y: 3\nmany:\n  <<: [*b, {z: 4}]\nagain: *l\n";
    let wanted = json!({"base": {"x": 1, "y": 2}, "list": [{"x": 1, "y": 2}], "over": {"x": 1, "y": 3}, "many": {"x": 1, "y": 2, "z": 4}, "again": [{"x": 1, "y": 2}]});
    assert_eq!(value(text), wanted);
}

#[test]
fn nulls_and_empty_values_are_as_good_as_absent() {
    let tree = parse(b"a:\nb: ~\nc: null\nd: 'null'\n").unwrap();
    assert_eq!(["a", "b", "c", "d", "e"].map(|key| tree.root().get(key).is_some()), [false, false, false, true, false]);
}

#[test]
fn what_is_no_single_plain_document_is_refused_where_it_goes_wrong() {
    refused(b"a: b\xff", "invalid-yaml", 1, 5, "not UTF-8");
    refused(b"a: [1, 2\n", "invalid-yaml", 1, 4, "unclosed bracket");
    refused(b"a: 1\n---\nb: 2\n", "invalid-yaml", 2, 1, "second document");
    refused(b"a: !!python/object:os.system x\n", "invalid-yaml", 1, 4, "tag");
    refused(b"a: !custom x\n", "invalid-yaml", 1, 4, "tag");
    refused(b"a: *nobody\n", "invalid-yaml", 1, 4, "not YAML");
    refused(b"a: &a [*a]\n", "invalid-yaml", 1, 8, "holds the alias itself");
    refused(b"? [a]\n: b\n", "invalid-yaml", 1, 3, "key");
    refused(b"a: 1\nb: 2\na: 3\n", "duplicate-key", 3, 1, "`a` is given twice");
    refused(b"", "missing-schema", 1, 1, "empty");
    refused(b"# only a comment\n", "missing-schema", 1, 1, "empty");
    refused(b"a:\n\t- b\n", "invalid-yaml", 2, 2, "tabs");
}

#[test]
fn duplicate_keys_are_found_in_large_mappings_too_and_all_are_told() {
    use std::fmt::Write;
    let mut text = String::new();
    for n in 0..40 {
        writeln!(text, "key{}: 1", n % 38).unwrap();
    }
    let problems = parse(text.as_bytes()).unwrap_err();
    assert_eq!(problems.iter().map(|p| p.spot.line).collect::<Vec<_>>(), [39, 40]);
}

#[test]
fn bombs_do_not_go_off() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..30 {
        text.push_str(&format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", ")));
    }
    assert!(parse(text.as_bytes()).unwrap_err()[0].message.contains("aliases"));

    let flow = parse("[".repeat(500).as_bytes()).unwrap_err();
    assert!(flow[0].message.contains("recursion") || flow[0].message.contains("nest"), "{flow:?}");
    let block: String = (0..200).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    assert!(parse(block.as_bytes()).is_err());
    // Deep by way of aliases, each step shallow.
    let mut chain = String::from("a0: &a0 [x]\n");
    for n in 1..80 {
        chain.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
    }
    assert!(parse(chain.as_bytes()).unwrap_err()[0].message.contains("deep"));
    assert!(parse(&vec![b'a'; MAX_BYTES + 1]).unwrap_err()[0].message.contains("bytes"));
}

#[test]
fn a_long_comment_block_is_no_problem() {
    assert_eq!(value(&format!("{}a: 1\n{}", "# x\n".repeat(500), "# y\n".repeat(500))), json!({"a": 1}));
}

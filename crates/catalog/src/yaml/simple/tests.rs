use proptest::prelude::*;

use super::*;
use crate::yaml::parse::parse_any;

/// Whatever this reader takes, the full parser takes, too, and makes the same of it. Tells whether it took it.
#[track_caller]
fn agrees(text: &str) -> bool {
    let Some(simple) = parse(text) else { return false };
    let full = parse_any(text).unwrap_or_else(|problems| panic!("only the simple reader takes this: {problems:?}\n{text}"));
    assert_eq!(simple.root, full.root, "{text}");
    let seen = |tree: &Tree<'_>| tree.slots.iter().map(|slot| format!("{slot:?}")).collect::<Vec<_>>();
    assert_eq!(seen(&simple), seen(&full), "{text}");
    true
}

#[test]
fn the_usual_form_is_taken() {
    let text = "---\n$schema: /app-sre/saas-file-2.yml # what it is\n\nlabels: {}\nlist:\n- a\n- b: 1\n  c:\n    - 'x # y'\n    -  z\n# end\n  d: \"\"\nempty: []   # none\nurl: http://x.y/z?a=b#c\n  \nlast:\n  deep:\n      er: -1\n  up: a b, [c] {d}";
    assert!(agrees(text));
    assert!(agrees("a: 1\n"));
    assert!(agrees("a: ~\nb: null\n"));
    for file in crate::generate::tree(3) {
        assert!(agrees(std::str::from_utf8(&file.bytes).unwrap()), "{}", file.path);
    }
}

#[test]
fn whatever_goes_beyond_is_left_to_the_full_parser() {
    for text in [
        "",
        "a",
        "- a\n",
        " a: 1\n",
        "a:\n",
        "a: 1\nb:\n",
        "a: 1\n  b\n",
        "a: b: c\n",
        "a: [1]\n",
        "a: {b: 1}\n",
        "a: |\n  x\n",
        "a: \"\\n\"\n",
        "a: 'it''s'\n",
        "a: &x 1\n",
        "a: *x\n",
        "a: !!str 1\n",
        "<<: 1\n",
        "? a\n",
        "a:\t1\n",
        "a: \u{e9}\n",
        "a: 1\r\n",
        "---\n---\na: 1\n",
        "a: 1\n---\nb: 1\n",
        "a: 1\n...\n",
        "%YAML 1.2\n---\na: 1\n",
        "a: 1\na: 2\n",
        "a:\n  b: 1\n c: 2\n",
        "a:\n- b\n  - c\n",
        "a: - b\n",
        "- - a\n",
        "\"a\": 1\n",
        "a: \"b\" c\n",
        "a: {}#\n",
        "a:\n  text\n",
        "a: 1\n- b\n",
        "a:\n-\n",
        "a: 'x\n  y'\n",
        "a: 1 # c\n   d\n",
        "a: @x\n",
        "a: `x\n",
        "a:\n  - b:\n",
        "a: b:\n",
        "---x: 1\n",
    ] {
        assert!(!agrees(text), "{text:?} was taken");
    }
}

/// Lines that together make all kinds of files, most of them odd.
fn lines() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a: 1"),
        Just("b:"),
        Just("c: x y"),
        Just("- a"),
        Just("- k: v"),
        Just("- "),
        Just("-"),
        Just("- m:"),
        Just("# c"),
        Just("d: 'q'"),
        Just("e: \"q\" # c"),
        Just("f: {}"),
        Just("g: [ ]"),
        Just("h: x: y"),
        Just("i: -1"),
        Just("- - z"),
        Just("j: 'a''b'"),
        Just("text"),
        Just("k:v"),
        Just("---"),
        Just("..."),
        Just("l: a#b"),
        Just("m: []#"),
        Just("n: 1 #"),
        Just("-x"),
        Just("o: ~"),
        Just("-  p: q"),
        Just("r : s"),
        Just("t: - u"),
        Just("- # c"),
        Just("/v: $w"),
        Just("x: a:"),
        Just("")
    ];
    prop::collection::vec((0_usize..5, piece, 0_usize..2), 0..9).prop_map(|lines| {
        lines.into_iter().map(|(indent, piece, space)| format!("{}{piece}{}\n", " ".repeat(indent), " ".repeat(space))).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn both_readers_agree_on_odd_lines(text in lines()) {
        agrees(&text);
    }

    #[test]
    fn both_readers_agree_on_any_text(text in "[ab:\\-# '\"{}\\[\\],&*!|>%@~$/.\n]{0,24}") {
        agrees(&text);
    }
}

#[test]
fn both_readers_agree_on_files_with_a_slip() {
    let files = crate::generate::tree_of(crate::generate::Shape { services: 2, sources: true, seed: 5 });
    let marks = [" ", "\n", "-", ":", "#", "'", "\"", "  ", ": ", " #", "- ", "\n  ", "{", "x", ""];
    let mut taken = 0;
    for file in &files {
        let text = std::str::from_utf8(&file.bytes).unwrap();
        for at in 0..text.len() {
            let mark = marks[at % marks.len()];
            taken += usize::from(agrees(&format!("{}{mark}{}", &text[..at], &text[at + usize::from(at % 2 == 0)..])));
        }
    }
    assert!(taken > 1000, "only {taken} were taken");
}

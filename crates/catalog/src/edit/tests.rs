use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const SHA: &str = "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7";
const DIGITS: &str = "1234567890123456789012345678901234567890";
const FLOAT: &str = "12345678901234567890123456789012345678e9";

/// Ways to write `ref: old`, each with the column of the scalar's line.
fn ways(old: &str) -> Vec<(&'static str, String)> {
    let file =
        |line: &str| format!("# ü\n---\ntargets:\n  - namespace: {{$ref: /n.yml}}\n{line}    parameters: {{A: b}} # end\n  - ref: other\n");
    vec![
        ("plain", file(&format!("    ref: {old}\n"))),
        ("trailing comment after non-ASCII", file(&format!("    note: žluťoučký\n    ref: {old}  # kůň\n"))),
        ("flow mapping", format!("targets:\n  - {{namespace: {{$ref: /n.yml}}, ref: {old}, parameters: {{A: b}}}}\n  - ref: other\n")),
        ("double-quoted", file(&format!("    ref: \"{old}\"\n"))),
        ("single-quoted", file(&format!("    ref: '{old}' # x\n"))),
        ("value on the next line", file(&format!("    ref:\n      {old}\n"))),
        ("anchored", file(&format!("    ref: &sha {old}\n"))),
        ("last line", format!("targets:\n  - parameters: {{A: b}}\n    ref: {old}\n")),
    ]
}

fn place_of(text: &str, old: &str) -> Place {
    let tree = parse(text.as_bytes()).unwrap();
    let found = tree.scalars().find(|scalar| scalar.text == old).unwrap();
    found.spot.place(&Arc::from("data/x.yml"))
}

/// What is left of both when what they begin and end with is taken off.
fn difference<'a>(before: &'a str, after: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let (before, after): (Vec<_>, Vec<_>) = (before.split('\n').collect(), after.split('\n').collect());
    assert_eq!(before.len(), after.len(), "the number of lines changed");
    before.into_iter().zip(after).filter(|(one, two)| one != two).unzip()
}

#[test]
fn exactly_one_line_changes_however_it_is_written() {
    for old in [SHA, DIGITS, "main"] {
        for (name, text) in ways(old) {
            for ending in ["LF", "CRLF", "none"] {
                let text = match ending {
                    "CRLF" => text.replace('\n', "\r\n"),
                    "none" => text.trim_end().to_owned(),
                    _ => text.clone(),
                };
                for new in ["0123456789abcdef0123456789abcdef01234567", DIGITS, FLOAT] {
                    if old == new {
                        continue;
                    }
                    let edited = set_scalar(text.as_bytes(), &place_of(&text, old), old, new)
                        .unwrap_or_else(|error| panic!("{name} {ending}: {error}"));
                    let edited = String::from_utf8(edited).unwrap();
                    let (before, after) = difference(&text, &edited);
                    assert_eq!((before.len(), after.len()), (1, 1), "{name} {ending}");
                    let quoted = format!("\"{new}\"");
                    let wanted = before[0].replace(old, new);
                    assert!(after[0] == wanted || after[0] == before[0].replace(old, &quoted), "{name} {ending}: {}", after[0]);
                    let root = parse(edited.as_bytes()).unwrap();
                    let scalar = root.scalars().find(|scalar| scalar.text == new).unwrap();
                    let written = &edited[scalar.spot.start as usize..scalar.spot.end as usize];
                    assert!(written.starts_with(['"', '\'']) || is_plain(written), "{name}: {written} would be read as a number");
                }
            }
        }
    }
}

#[test]
fn several_scalars_of_a_file_change_at_once_or_none_does() {
    let text = "a: one\nb: 'two'\nc: [three]\n";
    let (one, two, three) = (place_of(text, "one"), place_of(text, "two"), place_of(text, "three"));
    let edits = [
        Edit { place: &three, old: "three", new: "3" },
        Edit { place: &one, old: "one", new: "eins" },
        Edit { place: &two, old: "two", new: "z'wei" },
    ];
    assert_eq!(String::from_utf8(set_scalars(text.as_bytes(), &edits).unwrap()).unwrap(), "a: eins\nb: 'z''wei'\nc: [\"3\"]\n");
    let wrong = [edits[1], Edit { place: &two, old: "zwei", new: "x" }];
    assert!(matches!(set_scalars(text.as_bytes(), &wrong), Err(EditError::Changed { .. })));
    assert!(matches!(set_scalars(text.as_bytes(), &[edits[0], edits[0]]), Err(EditError::Twice { .. })));
    assert_eq!(set_scalars(b"anything", &[]).unwrap(), b"anything");
}

#[test]
fn what_would_change_more_than_one_place_is_refused_with_the_reason() {
    let text = "a: &x main\nb: *x\nc: |\n  block\nd: free\n";
    let named = place_of(text, "main");
    assert!(matches!(set_scalar(text.as_bytes(), &named, "main", "dev"), Err(EditError::Shared { .. })));
    let alias = Place { start: 14, end: 16, line: 2, column: 4, ..named.clone() };
    assert!(matches!(set_scalar(text.as_bytes(), &alias, "main", "dev"), Err(EditError::Shared { .. })));
    assert!(matches!(set_scalar(text.as_bytes(), &place_of(text, "block\n"), "block\n", "dev"), Err(EditError::Block { .. })));
    let free = place_of(text, "free");
    assert!(matches!(set_scalar(text.as_bytes(), &free, "free", "a\nb"), Err(EditError::BadText { .. })));
    assert!(matches!(set_scalar(text.as_bytes(), &free, "taken", "b"), Err(EditError::Changed { .. })));
    let moved = Place { start: free.start + 1, ..free.clone() };
    assert!(matches!(set_scalar(text.as_bytes(), &moved, "free", "b"), Err(EditError::Moved { .. })));
    let far = Place { start: 900, end: 904, ..free };
    assert!(matches!(set_scalar(text.as_bytes(), &far, "free", "b"), Err(EditError::Moved { .. })));
    assert!(matches!(set_scalar(b"a: [", &far, "free", "b"), Err(EditError::Unreadable { .. })));
    let said = set_scalar(text.as_bytes(), &named, "main", "dev").unwrap_err().to_string();
    assert!(said.contains("data/x.yml:1:7") && said.contains("alias"), "{said}");
}

#[test]
fn a_key_that_a_new_text_would_double_is_refused() {
    let text = "a: 1\nb: 2\n";
    assert!(matches!(set_scalar(text.as_bytes(), &place_of(text, "b"), "b", "a"), Err(EditError::SideEffect { .. })));
}

proptest! {
    /// Whatever is edited to whatever: the file says the new text there, and else what it said before.
    #[test]
    fn any_text_can_be_written_and_nothing_else_changes(new in "[ -~äö✓]{1,30}", way in 0_usize..8, crlf: bool) {
        let mut text = ways(SHA).swap_remove(way).1;
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        let edited = set_scalar(text.as_bytes(), &place_of(&text, SHA), SHA, &new).unwrap();
        let (before, after) = (parse(text.as_bytes()).unwrap(), parse(&edited).unwrap());
        let texts = |tree: &Tree<'_>| tree.scalars().map(|scalar| scalar.text.to_owned()).collect::<Vec<_>>();
        let wanted: Vec<_> = texts(&before).into_iter().map(|text| if text == SHA { new.clone() } else { text }).collect();
        prop_assert_eq!(texts(&after), wanted);
    }
}

//! What is remembered, and that no value shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::diff::unified;

/// The object as it is applied: with a note of where it differs from the one with markers.
fn applied(marked: &Value, object: &Value) -> Value {
    let mut object = object.clone();
    SecretFields::between(marked, &object).write(&mut object);
    object
}

fn places(marked: &Value, object: &Value) -> Vec<String> {
    SecretFields::between(marked, object).fields.keys().map(ToString::to_string).collect()
}

fn shown(before: &Value, after: &Value) -> String {
    unified(Some(before), Some(after)).join("\n")
}

#[test]
fn a_place_goes_by_names_and_a_list_without_names_counts_as_a_whole() {
    let env = |value: &str| json!({"spec": {"containers": [{"name": "web", "env": [{"name": "A/B", "value": value}, {"name": "C", "value": "c"}]}]}});
    assert_eq!(places(&env("M"), &env("hunter2")), ["/spec/containers/name=web/env/name=A~1B/value"]);
    let command = |value: &str| json!({"spec": {"command": ["run", "--token", value]}});
    assert_eq!(places(&command("M"), &command("hunter2")), ["/spec/command"]);
    let twice = |value: &str| json!({"list": [{"name": "a", "value": value}, {"name": "a", "value": "x"}]});
    assert_eq!(places(&twice("M"), &twice("hunter2")), ["/list"]);
    let named = |value: &str| json!({"list": [{"name": value}]});
    assert_eq!(places(&named("M"), &named("hunter2")), ["/list"], "a name that is a value is in no place");
    let key = |value: &str| json!({"data": {value: "x"}});
    assert_eq!(places(&key("M"), &key("hunter2")), ["/data"], "nor is a key");
    assert_eq!(places(&Value::Null, &json!({"a": 1})), [""], "all of it, where there is nothing to compare with");
    assert!(SecretFields::between(&env("x"), &env("x")).is_empty());
}

#[test]
fn the_note_holds_no_value_and_a_template_cannot_write_it() {
    let map = |value: &str| json!({"metadata": {"name": "m"}, "data": {"url": value}});
    let noted = applied(&map("<secret:web/db#p@3>"), &map("hunter2"));
    let note = noted["metadata"]["annotations"][ANNOTATION].as_str().unwrap();
    assert!(note.contains("/data/url") && !note.contains("hunter2"), "{note}");
    assert_eq!(
        applied(&map("<secret:web/db#p@3>"), &map("another")),
        {
            let mut other = noted.clone();
            other["data"]["url"] = json!("another");
            other
        },
        "it depends on what is meant alone"
    );
    let forged = json!({"metadata": {"name": "m", "annotations": {ANNOTATION: "{\"fields\":{}}"}}});
    assert_eq!(applied(&forged, &forged)["metadata"]["annotations"], json!({}));
}

#[test]
fn a_value_of_old_that_nobody_knows_any_more_stays_hidden_and_the_rest_shows() {
    let object = |value: &str, image: &str| {
        json!({"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"containers": [
        {"name": "web", "image": image, "env": [{"name": "TOKEN", "value": value}, {"name": "MODE", "value": "fast"}]}]}})
    };
    let live = applied(&object("M", "web:1"), &object("hunter2-of-old", "web:1"));
    let plain = object("nothing", "web:2");
    let text = shown(&live, &applied(&plain, &plain));
    assert!(!text.contains("hunter2") && text.contains("web:2") && text.contains("(hidden, changed)"), "{text}");
    // Removed altogether.
    let mut without = plain.clone();
    without["spec"]["containers"][0]["env"].as_array_mut().unwrap().remove(0);
    let text = shown(&live, &without);
    assert!(!text.contains("hunter2") && text.contains("web:2") && text.contains("value: \"(hidden)\""), "{text}");
}

#[test]
fn what_others_moved_hides_everything_and_what_they_copied_is_found() {
    let map = |fields: Value| json!({"kind": "ConfigMap", "metadata": {"name": "m"}, "data": fields});
    let noted = applied(&map(json!({"url": "M"})), &map(json!({"url": "hunter2-of-old", })));
    let mut moved = noted.clone();
    moved["data"] = json!({"elsewhere": "hunter2-of-old"});
    let text = shown(&moved, &map(json!({"url": "x"})));
    assert!(!text.contains("hunter2") && text.contains("nobody can tell where"), "{text}");
    let mut copied = noted.clone();
    copied["data"]["copy"] = json!(format!("see hunter2-of-old and {}", BASE64.encode("hunter2-of-old")));
    copied["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = json!(noted.to_string());
    let text = shown(&copied, &map(json!({"url": "x", "more": "y"})));
    assert!(!text.contains("hunter2") && !text.contains("aHVudGVy") && text.contains("more: "), "{text}");
}

#[test]
fn a_value_that_stood_within_a_text_is_found_alone_and_as_part_of_another() {
    let map = |value: &str| json!({"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"url": format!("https://user:{value}@db.example.com")}});
    let mut live = applied(&map("<secret:a#b@1>"), &map("hunter2-of-old"));
    live["data"]["copy"] = json!("hunter2-of-old");
    live["data"]["other"] = json!(format!("x {}", BASE64.encode("hunter2-of-old")));
    let text = shown(&live, &json!({"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"new": "y"}}));
    assert!(!text.contains("hunter2") && !text.contains("aHVudGVy") && text.contains("copy: "), "{text}");
}

#[test]
fn without_the_values_it_is_told_by_what_is_meant_whether_one_changes() {
    let map = |value: &str, plain: &str| json!({"kind": "Secret", "metadata": {"name": "m"}, "stringData": {"p": value, "q": plain}});
    let live = applied(&map("<secret:a#b@1>", "same"), &map("hunter2-of-old", "same"));
    let planned = |marker: &str, plain: &str| {
        let mut object = map(marker, plain);
        SecretFields::between(&object.clone(), &map("(withheld)", plain)).withheld().write(&mut object);
        object
    };
    assert_eq!(shown(&live, &planned("<secret:a#b@1>", "same")), "", "the same version of the same secret");
    let text = shown(&live, &planned("<secret:a#b@2>", "same"));
    assert!(text.contains("+  p: \"(hidden, changed)\"") && !text.contains("hunter2"), "{text}");
    let text = shown(&live, &planned("<secret:a#b@1>", "other"));
    assert!(text.contains("+  q: \"(hidden, changed)\"") && text.contains("   p: \"(hidden)\""), "{text}");
}

#[test]
fn a_plan_without_values_does_not_tell_whether_a_guess_is_right() {
    let map = |value: &str| json!({"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"url": value}});
    let live = applied(&map("<secret:a#b@1>"), &map("hunter2"));
    let guessed = |value: &str| {
        let mut object = map(value);
        SecretFields::between(&object.clone(), &object).withheld().write(&mut object);
        shown(&live, &object)
    };
    assert_eq!(guessed("hunter2"), guessed("hunter3"));
    assert!(guessed("hunter2").contains("(hidden, changed)"));
}

#[test]
fn towpaths_own_marks_show_only_when_they_change() {
    let map = |title: &str, data: &str| json!({"kind": "ConfigMap", "metadata": {"name": "m", "labels": {"towpath.dev/target": "t"}, "annotations": {"towpath.dev/title": title, "towpath.dev/wave": "1"}}, "data": {"a": data}});
    let text = shown(&map("a/b", "1"), &map("a/b", "2"));
    assert!(!text.contains("towpath.dev/t") && text.contains("+  a: "), "{text}");
    assert!(shown(&map("a/b", "1"), &map("a/c", "1")).contains("+    towpath.dev/title: a/c"));
    let created = unified(None, Some(&map("a/b", "1"))).join("\n");
    assert!(!created.contains("towpath.dev/t") && created.contains("towpath.dev/wave"), "{created}");
}

/// An object into which values go at the places that `at` says, and into its lists in the order that `order` says.
fn object(kind: &str, values: &[String], at: &[usize], order: bool, extra: &str) -> Value {
    let value = |slot: usize| at.iter().position(|place| *place == slot).and_then(|which| values.get(which)).cloned();
    let text = |slot: usize, plain: &str| value(slot).unwrap_or_else(|| plain.to_owned());
    let mut env = vec![json!({"name": "A", "value": text(0, "a")}), json!({"name": "B", "value": format!("https://u:{}@h", text(1, "b"))})];
    let mut command = vec![json!("run"), json!(text(2, "c"))];
    if order {
        env.reverse();
        command.reverse();
    }
    let mut data = serde_json::Map::from_iter([
        ("plain".to_owned(), json!(extra)),
        ("config".to_owned(), json!(format!("x: 1\ny: {}\n", text(3, "d")))),
    ]);
    if kind == "Secret" {
        data = data.into_iter().map(|(key, value)| (key, json!(BASE64.encode(value.as_str().unwrap_or_default())))).collect();
        data.insert("packed".to_owned(), json!(BASE64.encode(text(4, "e"))));
    }
    if let Some(key) = value(5) {
        data.insert(key, json!("under a name"));
    }
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "n", "annotations": {"note": text(6, "f"), "extra": extra}},
        "data": data, "spec": {"containers": [{"name": "web", "env": env, "command": command, "hash": BASE64.encode(text(7, "g"))}]}})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever stood where, and wherever it goes: no line holds a value of now or of old, nor one in base64.
    #[test]
    fn no_line_of_a_diff_holds_a_value(
        secret in any::<bool>(),
        (old_at, new_at) in (prop::collection::vec(0..8usize, 0..4), prop::collection::vec(0..8usize, 0..4)),
        (old_order, new_order) in any::<(bool, bool)>(),
        (old_extra, new_extra) in ("[a-z]{0,6}", "[a-z]{0,6}"),
        withheld in any::<bool>(),
        drift in 0..3usize,
    ) {
        let kind = if secret { "Secret" } else { "ConfigMap" };
        let values = |which: &str| -> Vec<String> { (0..4).map(|n| format!("{which}-Pa55word-{n}{}", "x".repeat(n))).collect() };
        let (old, new, marks, others) = (values("old"), values("new"), values("<mark"), values("<other"));
        let mut live = applied(&object(kind, &marks, &old_at, old_order, &old_extra), &object(kind, &old, &old_at, old_order, &old_extra));
        // Others changed it meanwhile.
        match drift {
            1 => live["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = json!(live.to_string()),
            2 => live["spec"]["containers"].as_array_mut().unwrap().insert(0, json!({"name": "injected", "env": []})),
            _ => {}
        }
        let marked = object(kind, &marks, &new_at, new_order, &new_extra);
        let wanted = if withheld {
            let mut wanted = marked.clone();
            SecretFields::between(&marked, &object(kind, &others, &new_at, new_order, &new_extra)).withheld().write(&mut wanted);
            wanted
        } else {
            applied(&marked, &object(kind, &new, &new_at, new_order, &new_extra))
        };
        for (before, after) in [(Some(&live), Some(&wanted)), (None, Some(&wanted)), (Some(&live), None), (Some(&wanted), Some(&live))] {
            let text = unified(before, after).join("\n");
            for value in old.iter().chain(&new) {
                prop_assert!(!text.contains(value.as_str()), "{value} in\n{text}");
                let packed = BASE64.encode(value);
                prop_assert!(!text.contains(&packed[..packed.len() - 4]), "{value} packed in\n{text}");
            }
        }
        // What does not hide anything is still told.
        if old_extra != new_extra && old_at.is_empty() && new_at.is_empty() && !secret {
            let text = shown(&live, &wanted);
            prop_assert!(text.contains("+  plain: "), "{text}");
        }
    }
}

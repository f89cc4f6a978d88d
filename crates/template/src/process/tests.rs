//! The rules of the reference, row by row.

use super::*;
use crate::{OsRandom, Placeholder, Recorded};
use serde_json::json;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn template(body: Value) -> Template {
    let mut value = json!({"apiVersion": "template.openshift.io/v1", "kind": "Template", "metadata": {"name": "t"}});
    value.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    Template::from_value(&value).unwrap()
}

fn run(body: Value, params: &[(&str, &str)], labels: &[(&str, &str)]) -> Result<Processed, ProcessErrors> {
    process(&template(body), &Request { params: &map(params), labels: &map(labels), ignore_unknown: false }, &mut OsRandom)
}

/// `value` processed inside one object, with these parameters declared.
fn within(value: Value, params: &[(&str, &str)]) -> Result<Value, ProcessErrors> {
    let declared: Vec<Value> = params.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let object = json!({"kind": "K", "apiVersion": "v1", "v": value});
    run(json!({"parameters": declared, "objects": [object]}), &[], &[]).map(|processed| processed.objects[0]["v"].clone())
}

fn object(body: Value) -> Value {
    run(json!({"parameters": [{"name": "NS", "value": "prod"}], "objects": [body]}), &[], &[("a", "b")]).unwrap().objects.remove(0)
}

fn faults(body: Value, params: &[(&str, &str)]) -> Vec<String> {
    run(body, params, &[]).unwrap_err().faults.iter().map(ToString::to_string).collect()
}

#[test]
fn references_in_strings_are_replaced_and_everything_else_stays() {
    let params = [("A", "1"), ("S1", "x"), ("S2", "y"), ("B", "${A}")];
    for (text, want) in [
        ("${A}", "1"),
        ("v${A}-w", "v1-w"),
        ("${S1}_${S2}${S1}", "x_yx"),
        ("$${A}", "$1"),
        ("\\${A}", "\\1"),
        ("${${A}", "${1"),
        ("${NOPE}${a}", "${NOPE}${a}"),
        ("${}${ A }${A-B}${A.B}$A${A", "${}${ A }${A-B}${A.B}$A${A"),
        ("${{A}", "${{A}"),
        ("a${{A}}", "a${{A}}"),
        ("${{A}}a", "${{A}}a"),
        ("${{A}}${{S1}}", "${{A}}${{S1}}"),
        ("${{NOPE}}${{NO PE}}", "${{NOPE}}${{NO PE}}"),
        ("${{NOPE}}", "${{NOPE}}"),
        ("${A}\n", "1\n"),
        ("${{A}}\n", "${{A}}\n"),
        ("é${A}ü", "é1ü"),
        // One pass: what comes out of a value is not looked at again.
        ("${B}${A}", "${A}1"),
    ] {
        assert_eq!(within(json!(text), &params).unwrap(), json!(want), "{text}");
    }
}

#[test]
fn a_whole_string_reference_is_read_as_json() {
    for (value, want) in [
        ("42", json!(42)),
        ("-1", json!(-1)),
        ("1.50", json!(1.5)),
        ("1e3", json!(1000)),
        (" true ", json!(true)),
        ("true", json!(true)),
        ("", json!("")),
        ("007", json!("007")),
        ("yes", json!("yes")),
        ("abc", json!("abc")),
        ("\"quoted\"", json!("quoted")),
        ("1 2", json!("1 2")),
        ("{\"a\"", json!("{\"a\"")),
        ("[1,\"a\",null]", json!([1, "a", null])),
        ("{\"a\":{}}", json!({"a": {}})),
        ("[1.0,{\"b\":2e0}]", json!([1, {"b": 2}])),
        ("9223372036854775807", json!(i64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("18446744073709551615", json!(u64::MAX)),
        ("1e400", json!("1e400")),
    ] {
        assert_eq!(within(json!({ "k": "${{P}}" }), &[("P", value)]).unwrap(), json!({ "k": want }), "{value}");
        assert_eq!(within(json!(["a", "${{P}}"]), &[("P", value)]).unwrap(), json!(["a", want]), "{value}");
    }
}

#[test]
fn null_removes_a_key_and_stays_null_in_a_list() {
    assert_eq!(within(json!({"k": "${{P}}", "l": null}), &[("P", "null")]).unwrap(), json!({"l": null}));
    assert_eq!(within(json!(["${{P}}"]), &[("P", "null")]).unwrap(), json!([null]));
}

#[test]
fn an_integer_that_would_lose_digits_is_refused() {
    for value in ["18446744073709551616", "[1, -9223372036854775809]", "{\"a\":99999999999999999999}"] {
        let error = within(json!({"k": ["${{P}}"]}), &[("P", value)]).unwrap_err().to_string();
        assert!(error.contains("parameter P used as ${{P}} at \"/v/k/0\""), "{error}");
    }
    let text = json!("12345678901234567890123");
    assert_eq!(within(json!("${P}"), &[("P", "12345678901234567890123")]).unwrap(), text);
    assert_eq!(
        within(json!("${{P}}"), &[("P", "[\"\\\"99999999999999999999\", 1.5e30]")]).unwrap(),
        json!(["\"99999999999999999999", 1.5e30])
    );
}

#[test]
fn keys_are_substituted_and_must_stay_texts_and_apart() {
    assert_eq!(within(json!({"${A}-k": 1, "x": {"${{A}}": 2}}), &[("A", "a")]).unwrap(), json!({"a-k": 1, "x": {"a": 2}}));
    assert_eq!(within(json!({"${{A}}": 1}), &[("A", "\"q\"")]).unwrap(), json!({"q": 1}));
    let refused = |value, param| within(value, &[("A", param)]).unwrap_err().to_string();
    for (value, found) in [("1", "a number"), ("true", "a boolean"), ("null", "null"), ("[]", "a list")] {
        let error = refused(json!({"${{A}}": 1}), value);
        assert!(error.contains(&format!("becomes {found}; a key must be a text, write ${{A}}")), "{error}");
    }
    let error = refused(json!({"in": [{"${A}": 1, "b": 2}]}), "b");
    assert!(error.contains("objects[0] (K): two keys of the map at \"/v/in/0\" become \"b\""), "{error}");
}

#[test]
fn literal_numbers_keep_their_precision() {
    let numbers = json!([0, 1_000_030_003_u64, 2_147_483_647, i64::MAX, -5, 1.5, true, null]);
    assert_eq!(within(numbers.clone(), &[]).unwrap(), numbers);
    assert_eq!(within(json!([1.0, 2.5e3]), &[]).unwrap(), json!([1, 2500]));
}

#[test]
fn api_version_kind_and_nested_templates_are_substituted() {
    let body = json!({"parameters": [{"name": "V", "value": "v1"}, {"name": "K", "value": "Route"}, {"name": "N"}], "objects": [
        {"apiVersion": "${V}", "kind": "${K}", "metadata": {"name": "r${N}"}},
        {"apiVersion": "v1", "kind": "Template", "parameters": [{"name": "N"}], "objects": [{"kind": "${K}"}]}]});
    let objects = run(body, &[("N", "1")], &[]).unwrap().objects;
    assert_eq!(objects[0], json!({"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": {"name": "r1"}}));
    assert_eq!((&objects[1]["apiVersion"], &objects[1]["objects"][0]["kind"]), (&json!("template.openshift.io/v1"), &json!("Route")));
}

#[test]
fn namespaces_are_dropped_unless_they_refer_to_a_parameter() {
    let labels = json!({"a": "b"});
    for (namespace, want) in [
        (json!("hard"), None),
        (json!("${NS}"), Some("prod")),
        (json!("x-${NS}"), Some("x-prod")),
        (json!("${UNDEF}"), Some("${UNDEF}")),
        (json!("${{NS}}"), None),
        (json!(""), Some("")),
        (json!(null), Some("")),
        (json!(1), Some("")),
    ] {
        let got = object(json!({"kind": "K", "apiVersion": "v1", "metadata": {"namespace": namespace}}));
        let mut metadata = json!({ "labels": labels });
        if let Some(want) = want {
            metadata["namespace"] = json!(want);
        }
        assert_eq!(got["metadata"], metadata, "{namespace}");
    }
    assert_eq!(object(json!({"kind": "K", "namespace": "hard"}))["namespace"], "");
    assert_eq!(object(json!({"kind": "K", "namespace": "${NS}"}))["namespace"], "prod");
    assert_eq!(object(json!({"kind": "K", "namespace": "hard", "metadata": {}}))["namespace"], "hard");
    let inner = json!({"kind": "ConfigMap", "metadata": {"namespace": "hard"}});
    assert_eq!(object(json!({"kind": "List", "items": [inner]}))["items"][0], inner);
    let subjects = json!([{"kind": "ServiceAccount", "name": "s", "namespace": "hard"}]);
    assert_eq!(object(json!({"kind": "RoleBinding", "subjects": subjects}))["subjects"], subjects);
}

#[test]
fn labels_are_written_over_the_objects_own() {
    for (metadata, want) in [
        (json!({}), json!({"labels": {"a": "b"}})),
        (json!(null), json!({"labels": {"a": "b"}})),
        (json!({"labels": {"a": "own", "z": "own"}}), json!({"labels": {"a": "b", "z": "own"}})),
        (json!({"labels": {"n": 1, "z": "own"}}), json!({"labels": {"a": "b"}})),
        (json!({"labels": "text"}), json!({"labels": {"a": "b"}})),
        (json!("text"), json!("text")),
    ] {
        assert_eq!(object(json!({"kind": "K", "metadata": metadata}))["metadata"], want, "{metadata}");
    }
    let root = object(json!({"kind": "K", "labels": {"own": "x"}}));
    assert_eq!((&root["labels"], &root["metadata"]), (&json!({"own": "x"}), &json!({"labels": {"a": "b"}})));
    let pod = json!({"template": {"metadata": {"labels": {"own": "x"}}}});
    assert_eq!(object(json!({"kind": "Deployment", "spec": pod}))["spec"], pod);
}

#[test]
fn labels_that_cannot_be_written_are_told() {
    let processed = run(json!({"objects": [{"kind": "K", "metadata": "text"}]}), &[], &[("a", "b")]).unwrap();
    assert_eq!(processed.warnings, ["objects[0] (K): its metadata is no map, so it gets no labels"]);
}

#[test]
fn without_labels_an_object_gets_no_metadata() {
    let body = json!({"objects": [{"kind": "K", "metadata": {"labels": {"n": 1}}}, {"kind": "K"}]});
    let objects = run(body, &[], &[]).unwrap().objects;
    assert_eq!(objects, [json!({"kind": "K", "apiVersion": "", "metadata": {"labels": {"n": 1}}}), json!({"kind": "K", "apiVersion": ""})]);
}

#[test]
fn labels_are_substituted_as_texts_and_the_requests_win() {
    let body = json!({"parameters": [{"name": "K", "value": "app"}, {"name": "N", "value": "1"}],
        "labels": {"${K}": "${K}-x", "n": "${{N}}", "over": "template"}, "objects": [{"kind": "K"}]});
    let objects = run(body, &[], &[("over", "${N}")]).unwrap().objects;
    assert_eq!(objects[0]["metadata"]["labels"], json!({"app": "app-x", "n": "1", "over": "1"}));
    let clash = json!({"parameters": [{"name": "K", "value": "app"}], "labels": {"${K}": "a", "app": "b"}});
    assert!(faults(clash, &[])[0].contains("become \"app\""));
}

#[test]
fn the_message_is_substituted_as_text() {
    let message =
        |text: &str| run(json!({"message": text, "parameters": [{"name": "P", "value": "\"1\""}]}), &[], &[]).unwrap().message.unwrap();
    assert_eq!(message("is ${P}, not ${NOPE}"), "is \"1\", not ${NOPE}");
    assert_eq!(message("${{P}}"), "\"1\"");
}

#[test]
fn a_value_from_outside_switches_the_generator_off() {
    let body =
        json!({"parameters": [{"name": "A", "generate": "expression", "from": "[a-z]{6}"}], "objects": [{"kind": "K", "v": "${A}"}]});
    let drawn = run(body.clone(), &[], &[]).unwrap();
    assert_eq!(drawn.generated["A"], drawn.objects[0]["v"].as_str().unwrap());
    assert_eq!(drawn.generated["A"].len(), 6);
    let emptied = run(body.clone(), &[("A", "")], &[]).unwrap();
    assert_eq!((&emptied.objects[0]["v"], emptied.generated.len()), (&json!(""), 0));
    let given = run(body, &[("A", "mine")], &[]).unwrap();
    assert_eq!((&given.objects[0]["v"], given.generated.len()), (&json!("mine"), 0));
}

#[test]
fn a_default_wins_over_the_generator_and_an_empty_one_does_not() {
    let body = |value: &str| json!({"parameters": [{"name": "A", "value": value, "generate": "expression", "from": "const"}], "objects": [{"kind": "K", "v": "${A}"}]});
    assert_eq!(run(body("0"), &[], &[]).unwrap().objects[0]["v"], "0");
    assert_eq!(run(body(""), &[], &[]).unwrap().objects[0]["v"], "const");
}

#[test]
fn recorded_values_and_placeholders_make_the_outcome_repeatable() {
    let template = template(json!({"parameters": [{"name": "UID", "generate": "expression", "from": "[a-z0-9]{6}"}],
        "objects": [{"kind": "Job", "metadata": {"name": "smoke-${UID}"}}]}));
    let (params, labels) = (BTreeMap::new(), BTreeMap::new());
    let request = Request { params: &params, labels: &labels, ignore_unknown: false };
    let first = process(&template, &request, &mut OsRandom).unwrap();
    let again = process(&template, &request, &mut Recorded::new(&first.generated)).unwrap();
    assert_eq!(first, again);
    let plan = process(&template, &request, &mut Placeholder).unwrap();
    assert_eq!(plan.objects[0]["metadata"]["name"], "smoke-<generated:UID>");
}

#[test]
fn values_do_not_show_in_debug_prints() {
    let body = json!({"parameters": [{"name": "A", "value": "hunter2"}, {"name": "B", "generate": "expression", "from": "hunter3"}],
        "objects": [{"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "${A}", "b": "${B}"}}]});
    let shown = format!("{:?}", run(body, &[], &[]).unwrap());
    assert!(shown.contains("Secret/s") && shown.contains("\"B\"") && !shown.contains("hunter"), "{shown}");
}

#[test]
fn all_faults_of_parameters_are_told_and_nothing_is_substituted() {
    let body = json!({"parameters": [{"name": "A", "required": true}, {"name": "B", "required": true, "value": "d"},
        {"name": "C", "generate": "roll", "from": "x"}, {"name": "D", "generate": "expression", "from": "[ABC]{3}"},
        {"name": "E", "required": true, "generate": "expression", "from": ""}], "objects": [{"no": "kind"}, null]});
    let told = faults(body, &[("B", ""), ("X", "1"), ("Y", "2")]);
    let want = [
        "unknown parameter name \"X\"",
        "unknown parameter name \"Y\"",
        "template.parameters[0]: Required value: parameter A is required and must be specified",
        "template.parameters[1]: Required value: parameter B is required and must be specified",
        "template.parameters[2]: Invalid value: \"roll\": Unknown generator name 'roll' for parameter C",
        "template.parameters[3]: Invalid value: parameter D, from \"[ABC]{3}\": malformed expression syntax: [ABC]",
        "template.parameters[4]: Required value: parameter E is required and must be specified",
        "objects[0]: Invalid value: unable to handle object: Object 'Kind' is missing",
        "objects[1]: expected an object with a kind, found null",
    ];
    assert_eq!(told.len(), want.len(), "{told:#?}");
    for (told, want) in told.iter().zip(want) {
        assert!(told.starts_with(want), "{told}");
    }
}

#[test]
fn all_faults_of_objects_are_told_with_index_kind_and_name() {
    let body = json!({"parameters": [{"name": "A", "value": "b"}], "objects": [{"kind": ""}, 5, {"kind": "Fine"},
        {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"${A}": 1, "b": 2}}]});
    let told = faults(body.clone(), &[]);
    assert_eq!(told.len(), 3);
    assert!(told[2].starts_with("objects[3] (ConfigMap/c): two keys of the map at \"/data\" become \"b\""), "{}", told[2]);
    let shown = run(body, &[], &[]).unwrap_err().to_string();
    assert!(shown.starts_with("the template \"t\" is invalid:\n* objects[0]"), "{shown}");
}

#[test]
fn unknown_parameters_can_be_ignored() {
    let template = template(json!({"objects": [{"kind": "K", "v": "${X}"}]}));
    let (params, labels) = (map(&[("X", "1")]), BTreeMap::new());
    let processed = process(&template, &Request { params: &params, labels: &labels, ignore_unknown: true }, &mut OsRandom).unwrap();
    assert_eq!(processed.objects[0]["v"], "${X}", "what is not declared is not substituted");
}

#[test]
fn a_small_template_cannot_become_a_huge_one() {
    let big = "x".repeat(1 << 20);
    let body =
        |reference: &str| json!({"parameters": [{"name": "A", "value": big}], "objects": [{"kind": "K", "v": vec![reference; 1000]}]});
    for reference in ["${A}", "${{A}}"] {
        assert_eq!(run(body(reference), &[], &[]).unwrap_err().faults, [Fault::TooLarge], "{reference}");
    }
    let labels = json!({"parameters": [{"name": "A", "value": big}], "message": "${A}".repeat(100)});
    assert_eq!(run(labels, &[], &[]).unwrap_err().faults, [Fault::TooLarge]);
}

#[test]
fn the_deepest_outcome_fits_the_stack_of_a_thread() {
    let deep = (0..120).fold(json!("${{A}}"), |inner, _| json!([inner]));
    let value = format!("{}{}", "[".repeat(120), "]".repeat(120));
    let object = json!({"kind": "K", "v": within(deep, &[("A", &value)]).unwrap()});
    assert_eq!(crate::objects::fingerprint(std::slice::from_ref(&object)).len(), 64);
    assert!(crate::yaml::to_yaml(&object).ends_with("- []\n"));
}

#[test]
fn a_list_looks_as_oc_prints_it() {
    let text = list(vec![json!({"kind": "K"})]).to_string();
    assert_eq!(text, r#"{"apiVersion":"v1","items":[{"kind":"K"}],"kind":"List","metadata":{}}"#);
}

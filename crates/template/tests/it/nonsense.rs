//! Whatever comes in: an outcome or a typed refusal, within bounds, never a panic.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use towpath_template::objects::{check, fingerprint, flatten, images, only_jobs};
use towpath_template::{OsRandom, Placeholder, Request, Template, process, yaml};

const SEED_TEMPLATE: &str = r#"apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: web}
message: "deployed ${NAME}"
labels: {app: "${NAME}"}
objects:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: "${NAME}", namespace: "${NS}", labels: {a: b}}
  spec:
    replicas: ${{REPLICAS}}
    template: {spec: {containers: [{name: web, image: "${IMAGE}:${TAG}"}], initContainers: []}}
- apiVersion: v1
  kind: ConfigMap
  metadata: &m {name: "c-${UID}"}
  data: {"${NAME}-key": "${{JSON}}", text: "a\nb"}
- {apiVersion: v1, kind: List, items: [{kind: Job, metadata: *m}]}
parameters:
- {name: NAME, value: web, required: true}
- {name: NS}
- {name: REPLICAS, value: "3"}
- {name: IMAGE, value: quay.io/org/web}
- {name: TAG, value: latest}
- {name: UID, generate: expression, from: "x-[a-z0-9]{6}"}
- {name: JSON, value: '{"a": [1, null, "x"]}'}
"#;

/// Carries `text` through everything a user of the crate would do with it. Whether it went through.
fn carry(text: &str, params: &BTreeMap<String, String>) -> bool {
    let Ok(template) = Template::parse(text) else { return false };
    let request = Request { params, labels: params, ignore_unknown: true };
    let Ok(processed) = process(&template, &request, &mut OsRandom) else { return false };
    let planned = process(&template, &request, &mut Placeholder).unwrap();
    assert_eq!(planned.objects.len(), processed.objects.len());
    assert_eq!(fingerprint(&planned.objects).len(), 64);
    let _ = (images(&processed.objects), only_jobs(&processed.objects), check(&processed.objects));
    let list = towpath_template::list(flatten(processed.objects));
    let printed = yaml::to_yaml(&list);
    // Beyond the reader's depth a printed list may be refused; else it reads back the same.
    if let Ok(back) = yaml::documents(&printed) {
        assert_eq!(back, [list]);
    }
    true
}

/// One change to a text: a piece cut out, copied elsewhere, or replaced by something that means something.
fn mutation() -> impl Strategy<Value = (prop::sample::Index, prop::sample::Index, String)> {
    let pieces = [
        "${",
        "${{",
        "}}",
        "${NAME}",
        "${{JSON}}",
        "${{REPLICAS}}",
        "\n",
        "  ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        ":",
        ": ",
        "null",
        "&m ",
        "*m",
        "1e999",
        "[a-z]{300}",
        "[Z-A]{3}",
        "true",
        "---\n",
        "!!str ",
        "|\n",
        "<<: ",
        "",
        "\u{0}",
        "\u{feff}",
        "é",
        "99999999999999999999",
    ];
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::sample::select(pieces.map(str::to_owned).to_vec()))
}

#[test]
fn a_thousand_mutated_templates_are_carried_out_or_refused() {
    let seed = [7; 32];
    println!("seed: {seed:?}");
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 1000, failure_persistence: None, ..Config::default() },
        TestRng::from_seed(RngAlgorithm::ChaCha, &seed),
    );
    let through = std::cell::Cell::new(0);
    runner
        .run(&prop::collection::vec(mutation(), 1..4), |mutations| {
            let mut chars: Vec<char> = SEED_TEMPLATE.chars().collect();
            for (start, end, piece) in &mutations {
                let (start, length) = (start.index(chars.len()), end.index(8));
                let end = (start + length).min(chars.len());
                chars.splice(start..end, piece.chars());
            }
            let text: String = chars.into_iter().collect();
            through.set(through.get() + usize::from(carry(&text, &BTreeMap::new())));
            Ok(())
        })
        .unwrap();
    assert!((50..1000).contains(&through.get()), "the mutations are too wild or too tame: {} went through", through.get());
}

#[test]
fn the_template_that_is_mutated_is_a_good_one() {
    assert!(carry(SEED_TEMPLATE, &BTreeMap::new()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_no_template_or_one(text in "[ \n:\\-\\[\\]{}a-d$&*'\"|>!#%@1-3]{0,80}") {
        let _ = Template::parse(&text);
        let _ = carry(&format!("kind: Template\nobjects:\n- kind: K\n  v: {text}\n"), &BTreeMap::new());
    }

    #[test]
    fn any_parameters_are_put_in(name in ".{0,12}", replicas in ".{0,12}", json in "[\\[\\]{}\":,0-9a-z. \\\\-]{0,24}") {
        let params = BTreeMap::from([("NAME".to_owned(), name), ("REPLICAS".to_owned(), replicas), ("JSON".to_owned(), json)]);
        carry(SEED_TEMPLATE, &params);
    }
}

//! Real templates: cloudigrade's application and its smoke test.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use towpath_template::objects::{check, fingerprint, image_allowed, images, kind, only_jobs, title};
use towpath_template::parameters::{Inputs, resolve};
use towpath_template::{OsRandom, Placeholder, Processed, Recorded, Request, Template, process, yaml};

use crate::shared::shared;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn template(name: &str) -> Option<Template> {
    let path = shared(&format!("seed-config/upstream/cloudigrade/deployment/{name}"))?;
    Some(Template::parse(&std::fs::read_to_string(path).unwrap()).unwrap())
}

fn run(template: &Template, parameters: &Value, draw: &mut dyn towpath_template::Draw) -> Processed {
    let parameters: BTreeMap<String, Value> = serde_json::from_value(parameters.clone()).unwrap();
    let (commit, automatic) = (COMMIT.parse().unwrap(), BTreeMap::new());
    let inputs =
        Inputs { parameters: &parameters, commit: &commit, hash_length: 7, use_channel_in_image_tag: false, automatic: &automatic };
    let params = resolve(&inputs).unwrap();
    process(template, &Request { params: &params, labels: &BTreeMap::new(), ignore_unknown: true }, draw).unwrap()
}

#[test]
fn the_application_is_processed_and_every_image_is_known() {
    let Some(template) = template("clowdapp.yaml") else { return };
    let parameters = json!({"API_REPLICA_COUNT": 3, "ENV_NAME": "stage", "UNKNOWN": true});
    let processed = run(&template, &parameters, &mut OsRandom);
    assert_eq!(processed.objects.len(), template.objects().len());
    assert!(processed.warnings.is_empty() && processed.generated.is_empty());
    assert_eq!(check(&processed.objects), []);

    let app = processed.objects.iter().find(|object| kind(object) == "ClowdApp").unwrap();
    assert_eq!(app["spec"]["deployments"][0]["minReplicas"], 3);
    assert_eq!(app["spec"]["envName"], "stage");
    let used = images(&processed.objects);
    assert!(used.iter().all(|at| at.image.ends_with(":0123456") || !at.image.contains("cloudigrade:")), "{used:#?}");
    assert!(used.iter().any(|at| image_allowed(&at.image, &["quay.io/cloudservices/".to_owned()])));

    let text = Value::Array(processed.objects.clone()).to_string();
    let open: Vec<&str> =
        template.parameters().iter().map(|p| p.name.as_str()).filter(|name| text.contains(&format!("${{{name}}}"))).collect();
    assert!(open.is_empty(), "not substituted: {open:?}");
    let list = towpath_template::list(processed.objects);
    assert_eq!(yaml::documents(&yaml::to_yaml(&list)).unwrap(), [list]);
}

#[test]
fn a_parameter_that_reaches_an_object_changes_the_fingerprint_and_others_do_not() {
    let Some(template) = template("clowdapp.yaml") else { return };
    let print = |mut parameters: Value| {
        parameters["ENV_NAME"] = json!("stage");
        fingerprint(&run(&template, &parameters, &mut Placeholder).objects)
    };
    let base = print(json!({}));
    assert_eq!(base, print(json!({"NOT_DECLARED": "x"})));
    assert_ne!(base, print(json!({"API_REPLICA_COUNT": 7})));
    assert_ne!(base, print(json!({"IMAGE_TAG": "other"})));
}

#[test]
fn the_smoke_test_gets_a_fresh_name_per_run_and_the_same_when_taken_up_again() {
    let Some(template) = template("stage-smoke.yaml") else { return };
    let first = run(&template, &json!({}), &mut OsRandom);
    assert!(only_jobs(&first.objects));
    assert_eq!(check(&first.objects), []);
    let name = title(&first.objects[0]);
    assert!(name.starts_with("ClowdJobInvocation/cloudigrade-smoke-0123456-"), "{name}");
    assert_eq!(run(&template, &json!({}), &mut Recorded::new(&first.generated)), first);
    let prints: Vec<String> = (0..2).map(|_| fingerprint(&run(&template, &json!({}), &mut Placeholder).objects)).collect();
    assert_eq!(prints[0], prints[1]);
    assert_eq!(check(&run(&template, &json!({}), &mut Placeholder).objects), []);
}

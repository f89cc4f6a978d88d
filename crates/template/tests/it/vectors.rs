//! Inputs and the outputs that `oc process --local` gave for them.

use std::collections::BTreeMap;

use serde_json::Value;
use towpath_template::{Fault, OsRandom, ProcessErrors, Processed, Request, Template, list, process};

use crate::shared::shared;

#[test]
fn every_vector_comes_out_as_the_reference_had_it() {
    let Some(path) = shared("spec/vectors/templates.json") else { return };
    let vectors: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(vectors.len() >= 72, "vectors are missing: {}", vectors.len());
    let mut wrong = Vec::new();
    for vector in &vectors {
        let name = vector["name"].as_str().unwrap();
        let error = vector["expect"].get("error").and_then(Value::as_str);
        let problem = match (run(vector), error) {
            (Ok(processed), None) => {
                let got = list(processed.objects);
                (got != vector["expect"]).then(|| format!("got {got}, want {}", vector["expect"]))
            }
            (Err(errors), Some(text)) => misses(&errors, text),
            (got, want) => Some(format!("got {got:?}, want {want:?}")),
        };
        wrong.extend(problem.map(|problem| format!("{name}: {problem}")));
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), vectors.len(), wrong.join("\n"));
}

fn run(vector: &Value) -> Result<Processed, ProcessErrors> {
    let map = |key: &str| -> BTreeMap<String, String> { serde_json::from_value(vector[key].clone()).unwrap() };
    let (params, labels) = (map("params"), map("labels"));
    let request = Request { params: &params, labels: &labels, ignore_unknown: vector["ignoreUnknown"] == true };
    // Through text, as a file would come.
    let template = Template::parse(&vector["template"].to_string()).unwrap();
    process(&template, &request, &mut OsRandom)
}

/// What the reference's error says and ours do not: each fact must be in one of our faults, and there must be as many.
fn misses(errors: &ProcessErrors, reference: &str) -> Option<String> {
    let count =
        ["Required value", "Invalid value", "unknown parameter name"].iter().map(|mark| reference.matches(mark).count()).sum::<usize>();
    if errors.faults.len() != count {
        return Some(format!("{} faults instead of {count}: {errors}", errors.faults.len()));
    }
    errors.faults.iter().find_map(|fault| {
        // The reference misspells "syntax error in expression" in its own way; the class and the place count.
        let facts: Vec<String> = match fault {
            Fault::UnknownParameter { name } => vec![format!("unknown parameter name {name:?}")],
            Fault::RequiredParameter { index, name } => {
                vec![format!("template.parameters[{index}]: Required value"), format!("parameter {name} is required and must be specified")]
            }
            Fault::UnknownGenerator { index, name, generator } => {
                vec![format!("template.parameters[{index}]"), format!("Unknown generator name '{generator}' for parameter {name}")]
            }
            Fault::Generate { index, name, from, error } => {
                let class = error.to_string().replace("expression syntax", "expresion syntax");
                let class = class.split(';').next().unwrap_or_default().to_owned();
                vec![format!("template.parameters[{index}]"), format!("\"name\":\"{name}\""), from.clone(), class]
            }
            Fault::KindMissing { object } => vec![format!("item[{}].objects", object.index), "Object 'Kind' is missing".to_owned()],
            other => vec![format!("a fault like {other}")],
        };
        facts.into_iter().find(|fact| !reference.contains(fact.as_str())).map(|fact| format!("the reference says no {fact:?}: {reference}"))
    })
}

//! A task as a `PipelineRun`. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::executor::job::marks;
use crate::executor::names::is_label;
use crate::executor::{Task, TaskFailure, TektonSettings, checkout};
use crate::kube::watching::text;

/// The run. `pipeline` says which parameters and workspaces are wanted; without it, all parameters are told, and Tekton says what is wrong.
///
/// # Errors
/// A refusal: an address that would tell a secret or no pod can clone, or a parameter that the pipeline needs and Towpath does not know.
pub(super) fn pipeline_run(
    task: &Task,
    settings: &TektonSettings,
    api_version: &str,
    pipeline: Option<&Value>,
) -> Result<Value, Box<TaskFailure>> {
    if !is_label(&task.name) {
        return Err(TaskFailure::refused(format!("{:?} cannot be the name of a PipelineRun", task.name)));
    }
    if let Some(wanted) = &task.checkout {
        checkout::check(&wanted.url)?;
        if wanted.merge.is_some() {
            return Err(TaskFailure::refused(format!(
                "a pipeline clones commits by itself, and {} is a merge that {} does not have",
                wanted.commit.short(12),
                wanted.url
            )));
        }
    }
    let (labels, annotations) = marks(task);
    let mut spec = Map::new();
    spec.insert("pipelineRef".to_owned(), json!({"name": settings.pipeline}));
    spec.insert("params".to_owned(), params(task, settings, pipeline)?);
    spec.insert("timeouts".to_owned(), json!({"pipeline": format!("{}s", task.timeout.as_secs().max(1))}));
    let workspaces = workspaces(settings, pipeline);
    if !workspaces.is_empty() {
        spec.insert("workspaces".to_owned(), Value::Array(workspaces));
    }
    if let Some(account) = &settings.service_account {
        if api_version.ends_with("/v1beta1") {
            spec.insert("serviceAccountName".to_owned(), json!(account));
        } else {
            spec.insert("taskRunTemplate".to_owned(), json!({"serviceAccountName": account}));
        }
    }
    Ok(json!({
        "apiVersion": api_version,
        "kind": "PipelineRun",
        "metadata": {"name": task.name, "namespace": settings.namespace.as_str(), "labels": labels, "annotations": annotations},
        "spec": spec,
    }))
}

/// What the pipeline is told, in the types that it declares.
fn params(task: &Task, settings: &TektonSettings, pipeline: Option<&Value>) -> Result<Value, Box<TaskFailure>> {
    let known = known(task);
    let Some(pipeline) = pipeline else {
        return Ok(known.iter().map(|(name, value)| json!({"name": name, "value": value.as_text()})).collect());
    };
    let declared = pipeline.pointer("/spec/params").and_then(Value::as_array);
    let (mut given, mut missing) = (Vec::new(), Vec::new());
    for param in declared.into_iter().flatten() {
        let name = text(param, "/name");
        match known.get(name) {
            Some(value) if text(param, "/type") == "array" => given.push(json!({"name": name, "value": value.as_list()})),
            Some(value) => given.push(json!({"name": name, "value": value.as_text()})),
            None if param.get("default").is_none() => missing.push(name.to_owned()),
            None => {}
        }
    }
    if missing.is_empty() {
        return Ok(Value::Array(given));
    }
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    Err(TaskFailure::refused(format!(
        "Pipeline/{} needs the parameters {}, which Towpath does not know; give them defaults (it knows {})",
        settings.pipeline,
        missing.join(", "),
        names.join(", ")
    )))
}

/// The value of a parameter: a text, or words.
enum Told {
    Text(String),
    Words(Vec<String>),
}

impl Told {
    fn as_list(&self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text.clone()],
            Self::Words(words) => words.clone(),
        }
    }

    /// Words as a shell reads them again.
    fn as_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Words(words) => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        }
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn known(task: &Task) -> BTreeMap<String, Told> {
    let mut known: BTreeMap<String, Told> = task.parameters.iter().map(|(name, value)| (name.clone(), Told::Text(value.clone()))).collect();
    if let Some(wanted) = &task.checkout {
        known.insert("url".to_owned(), Told::Text(wanted.url.expose().to_owned()));
        known.insert("revision".to_owned(), Told::Text(wanted.commit.to_string()));
    }
    if let Some(image) = &task.image {
        known.insert("builder".to_owned(), Told::Text(image.to_string()));
    }
    if !task.command.is_empty() {
        known.insert("command".to_owned(), Told::Words(task.command.clone()));
    }
    known
}

/// A volume of its own for each workspace that the pipeline needs: what is cloned in one task is there in the next.
fn workspaces(settings: &TektonSettings, pipeline: Option<&Value>) -> Vec<Value> {
    let declared = pipeline.and_then(|pipeline| pipeline.pointer("/spec/workspaces")).and_then(Value::as_array);
    let needed = declared.into_iter().flatten().filter(|workspace| workspace.get("optional") != Some(&Value::Bool(true)));
    needed
        .map(|workspace| {
            let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": settings.workspace_size}}});
            json!({"name": text(workspace, "/name"), "volumeClaimTemplate": {"spec": claim}})
        })
        .collect()
}

/// The reason of the condition that tells a run's end.
pub(super) fn reason(run: &Value) -> String {
    let conditions = run.pointer("/status/conditions").and_then(Value::as_array);
    let found = conditions.into_iter().flatten().find(|condition| text(condition, "/type") == "Succeeded");
    found.map(|condition| text(condition, "/reason").to_owned()).unwrap_or_default()
}

/// What a run found, by name: `results` since `v1`, `pipelineResults` before. Those that are no texts are left out.
pub(super) fn results(run: &Value) -> BTreeMap<String, String> {
    let lists = ["/status/results", "/status/pipelineResults"];
    let found = lists.into_iter().filter_map(|list| run.pointer(list)?.as_array()).flatten();
    // What `echo` writes ends in a line break.
    found
        .filter_map(|result| Some((result.get("name")?.as_str()?.to_owned(), result.get("value")?.as_str()?.trim_end().to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use towpath_domain::NamespaceName;

    use super::*;
    use crate::executor::job::tests::task;

    fn settings() -> TektonSettings {
        TektonSettings { service_account: Some("builder".to_owned()), ..TektonSettings::new(NamespaceName::new("ci").unwrap(), "build") }
    }

    #[test]
    fn a_pipeline_is_told_what_it_declares_in_the_types_it_declares() {
        let pipeline = json!({"spec": {
            "params": [
                {"name": "url", "type": "string"}, {"name": "revision"}, {"name": "image"}, {"name": "command", "type": "array"},
                {"name": "verbose", "default": "no"},
            ],
            "workspaces": [{"name": "source"}, {"name": "cache", "optional": true}],
        }});
        let run = pipeline_run(&task(), &settings(), "tekton.dev/v1", Some(&pipeline)).unwrap();
        let params = run["spec"]["params"].as_array().unwrap();
        let told = |name: &str| params.iter().find(|param| param["name"] == name).map(|param| param["value"].clone());
        assert_eq!(told("url").unwrap(), "https://git.example.com/web");
        assert_eq!(told("revision").unwrap(), "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7");
        assert_eq!(told("image").unwrap(), "quay.io/shop/web");
        assert_eq!(told("command").unwrap(), json!(["sh", "-c", "make it's"]));
        assert_eq!((told("tag"), told("verbose")), (None, None));
        let workspaces = run["spec"]["workspaces"].as_array().unwrap();
        assert_eq!((workspaces.len(), &workspaces[0]["name"]), (1, &json!("source")));
        assert_eq!(run["spec"]["taskRunTemplate"]["serviceAccountName"], "builder");
        assert_eq!(run["spec"]["timeouts"]["pipeline"], "1800s");
        assert_eq!(run["metadata"]["annotations"]["towpath.dev/run"], task().run.as_str());
    }

    #[test]
    fn a_command_that_is_declared_as_a_text_is_one_that_a_shell_reads_again() {
        let pipeline = json!({"spec": {"params": [{"name": "command", "type": "string"}]}});
        let run = pipeline_run(&task(), &settings(), "tekton.dev/v1beta1", Some(&pipeline)).unwrap();
        assert_eq!(run["spec"]["params"][0]["value"], r"sh -c 'make it'\''s'");
        assert_eq!(run["spec"]["serviceAccountName"], "builder");
    }

    #[test]
    fn a_parameter_that_nobody_knows_is_a_refusal_that_names_it() {
        let pipeline = json!({"spec": {"params": [{"name": "url"}, {"name": "colour"}]}});
        let refused = pipeline_run(&task(), &settings(), "tekton.dev/v1", Some(&pipeline)).unwrap_err();
        assert!(refused.message.contains("needs the parameters colour") && refused.message.contains("revision"), "{refused}");
    }

    #[test]
    fn results_are_read_as_either_version_tells_them() {
        let digest = [("IMAGE_DIGEST".to_owned(), "sha256:1".to_owned())].into();
        let list = json!([{"name": "IMAGE_DIGEST", "value": "sha256:1\n"}, {"name": "list", "value": ["a"]}]);
        assert_eq!(results(&json!({"status": {"results": list}})), digest);
        assert_eq!(results(&json!({"status": {"pipelineResults": list}})), digest);
    }
}

//! Templates that programs of their own turn into objects: `helm` and `kustomize`, where they are installed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};
use towpath_catalog::Target;
use towpath_domain::{CommitId, FailureClass};
use towpath_git::{Mirror, OutsideLinks};
use towpath_template::Template;

use super::tool::Tool;
use super::{RenderError, Surroundings, bases, parameters};

/// The objects of a Helm chart: `helm template` with the target's parameters as values, nested as they are written.
///
/// The values go in by standard input: a secret one is on no disk and in no list of processes.
pub(super) async fn helm(around: Surroundings<'_>, mirror: &Mirror, target: &Target, commit: CommitId) -> Result<Vec<Value>, RenderError> {
    let checkout = Checkout::of(mirror, target, commit).await?;
    let values = Value::Object(values(target, &parameters::of(around, target, commit)?)).to_string();
    let namespace = format!("--namespace={}", target.namespace);
    let arguments = ["template", &namespace, "--include-crds", "--values=-", "--", target.resource_template.as_str(), "."];
    let helm = Tool { name: "helm", arguments: &arguments, dir: &checkout.folder, home: &checkout.home(), input: &values };
    let text = helm.run(around, target).await.map_err(|error| match error.message.contains("missing in charts/ directory") {
        true => RenderError {
            message: format!(
                "{}; commit the folder charts/ (`helm dependency build`): Towpath fetches nothing while it renders",
                error.message
            ),
            ..error
        },
        false => error,
    })?;
    let mut objects = towpath_template::yaml::documents(&text)
        .map_err(|e| RenderError::own(format!("what `helm template` made of {} at {}: {e}", target.path, commit.short(12))))?;
    objects.retain(|object| !is_test(object));
    Ok(objects)
}

/// Whether `helm test` would make the object. Nothing that is deployed.
fn is_test(object: &Value) -> bool {
    let hooks = object.pointer("/metadata/annotations/helm.sh~1hook").and_then(Value::as_str).unwrap_or_default();
    hooks.split(',').any(|hook| hook.trim().starts_with("test"))
}

/// A chart's values: the parameters as they are written, and nothing else, since charts may refuse values that they do not know. In texts, also in
/// nested ones, `${NAME}` becomes the value of a parameter or of an automatic one, such as `IMAGE_TAG`.
fn values(target: &Target, resolved: &BTreeMap<String, String>) -> Map<String, Value> {
    let mut values: Map<String, Value> = target.parameters.clone().into_iter().collect();
    for (name, value) in &mut values {
        fill_in(value, &|asked| {
            resolved.get(asked).filter(|_| asked != name && !target.secret_parameters.contains_key(asked)).map(String::as_str)
        });
    }
    let secrets = target.secret_parameters.keys().filter_map(|name| Some((name.clone(), Value::from(resolved.get(name)?.as_str()))));
    values.extend(secrets);
    values
}

/// Replaces `${NAME}` in every text below `value`, once: what is put in is not looked at again.
fn fill_in<'v>(value: &mut Value, of: &dyn Fn(&str) -> Option<&'v str>) {
    match value {
        Value::String(text) => *text = filled(text, of),
        Value::Array(items) => items.iter_mut().for_each(|item| fill_in(item, of)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill_in(field, of)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn filled<'v>(text: &str, of: &dyn Fn(&str) -> Option<&'v str>) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        done.push_str(before);
        let found = from.find('}').and_then(|end| Some((end, of(from.get(2..end)?)?)));
        let (kept, next) = found.map_or((from.get(..2).unwrap_or_default(), 2), |(end, value)| (value, end + 1));
        done.push_str(kept);
        rest = from.get(next..).unwrap_or_default();
    }
    done + rest
}

/// The objects of a kustomization as an OpenShift template that declares the target's parameters, with its place for messages: `${NAME}` is
/// replaced wherever the kustomization leaves it standing, such as in an image's tag.
pub(super) async fn kustomize(
    around: Surroundings<'_>,
    mirror: &Mirror,
    target: &Target,
    commit: CommitId,
) -> Result<(Template, String), RenderError> {
    let checkout = Checkout::of(mirror, target, commit).await?;
    bases::check(&checkout.root(), &checkout.folder)
        .map_err(|why| RenderError::own(format!("{}: {} at {}: {why}", target.title(), target.url, commit.short(12))))?;
    let build = Tool { name: "kustomize", arguments: &["build", "."], dir: &checkout.folder, home: &checkout.home(), input: "" };
    let text = match build.run(around, target).await {
        Err(error) if error.class == FailureClass::Unknown => {
            // kubectl carries the same program.
            let by_kubectl = Tool { name: "kubectl", arguments: &["kustomize", "."], ..build };
            by_kubectl.run(around, target).await.map_err(|other| if other.class == FailureClass::Unknown { error } else { other })?
        }
        other => other?,
    };
    let place = format!("what `kustomize build` made of {} of {} at {}", target.path, target.url, commit.short(12));
    let objects = towpath_template::yaml::documents(&text).map_err(|e| RenderError::own(format!("{place}: {e}")))?;
    let declared: Vec<Value> = parameters::of(around, target, commit)?.into_keys().map(|name| json!({ "name": name })).collect();
    let template = json!({
        "apiVersion": "template.openshift.io/v1",
        "kind": "Template",
        "metadata": { "name": target.resource_template },
        "objects": objects,
        "parameters": declared,
    });
    let template = Template::parse(&template.to_string()).map_err(|e| RenderError::own(format!("{place}: {e}")))?;
    Ok((template, place))
}

/// All files of the commit: a chart or kustomization may refer to folders beside its own.
struct Checkout {
    dir: tempfile::TempDir,
    /// The target's folder in it.
    folder: PathBuf,
}

impl Checkout {
    async fn of(mirror: &Mirror, target: &Target, commit: CommitId) -> Result<Self, RenderError> {
        let place = |why: &str| {
            RenderError::own(format!(
                "{} {why} {} at {}; add it, or correct the `path` of resource template {} in {}",
                target.url,
                target.path,
                commit.short(12),
                target.resource_template,
                target.saas_file.place.file
            ))
        };
        let path = Path::new(target.path.trim_start_matches('/'));
        if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(place("does not hold what leaves it:"));
        }
        let disk =
            |e: io::Error| RenderError { class: FailureClass::Environment, message: format!("a folder for {}: {e}", target.title()) };
        let dir = tempfile::Builder::new().prefix("towpath-render-").tempdir().map_err(disk)?;
        std::fs::create_dir(dir.path().join("home")).map_err(disk)?;
        let failed =
            |e: towpath_git::GitError| RenderError { class: e.class(), message: format!("{} at {}: {e}", target.url, commit.short(12)) };
        let root = dir.path().join("commit");
        mirror.export(commit, &root, OutsideLinks::Refuse).await.map_err(failed)?;
        let folder = root.join(path);
        if !folder.is_dir() {
            return Err(place("has no folder"));
        }
        Ok(Self { dir, folder })
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("commit")
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helm_test_would_make_is_told_apart_from_what_is_deployed() {
        let hook = |text: &str| json!({"metadata": {"annotations": {"helm.sh/hook": text}}});
        assert!(is_test(&hook("test")) && is_test(&hook("post-install, test-success")));
        assert!(!is_test(&hook("pre-upgrade")) && !is_test(&json!({"kind": "Pod"})));
    }

    #[test]
    fn texts_are_filled_in_once_and_what_nobody_knows_stays() {
        let of = |name: &str| [("TAG", "abc"), ("LOOP", "${TAG}")].into_iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        for (text, expected) in [
            ("web:${TAG}", "web:abc"),
            ("${LOOP}", "${TAG}"),
            ("${OTHER}${TAG}", "${OTHER}abc"),
            ("${TAG", "${TAG"),
            ("${${TAG}}", "${abc}"),
            ("", ""),
        ] {
            assert_eq!(filled(text, &of), expected, "{text}");
        }
        let mut nested = json!({"image": {"tag": "${TAG}"}, "list": ["${TAG}", 3]});
        fill_in(&mut nested, &of);
        assert_eq!(nested, json!({"image": {"tag": "abc"}, "list": ["abc", 3]}));
    }
}

//! Templates that programs of their own turn into objects: `helm` and `kustomize`, where they are installed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use towpath_catalog::Target;
use towpath_domain::{CommitId, FailureClass};
use towpath_git::{Mirror, OutsideLinks};
use towpath_template::Template;

use super::{RenderError, Surroundings, parameters};

/// How long a program may take. It only computes; what takes longer waits for a network that it should not need.
const WITHIN: Duration = Duration::from_secs(60);

/// The most that a program may print, in bytes.
const OUTPUT_BYTES_MAX: usize = 32 << 20;

/// The objects of a Helm chart: `helm template` with the target's parameters as values, nested as they are written.
///
/// The values go in by standard input: a secret one is on no disk and in no list of processes.
pub(super) async fn helm(around: Surroundings<'_>, mirror: &Mirror, target: &Target, commit: CommitId) -> Result<Vec<Value>, RenderError> {
    let checkout = checkout(mirror, target, commit).await?;
    let values = values(target, &parameters::of(around, target, commit)?);
    let chart = checkout.path().join(target.path.trim_start_matches('/'));
    let arguments =
        ["template", target.resource_template.as_str(), ".", "--namespace", target.namespace.as_str(), "--include-crds", "--values", "-"];
    let program = Program { name: "helm", arguments: &arguments, dir: &chart, input: Value::Object(values).to_string() };
    let text = program.run(around, target).await?;
    towpath_template::yaml::documents(&text)
        .map_err(|e| RenderError::own(format!("what `helm template` made of {} at {}: {e}", target.path, commit.short(12))))
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
    let checkout = checkout(mirror, target, commit).await?;
    let folder = checkout.path().join(target.path.trim_start_matches('/'));
    let build = Program { name: "kustomize", arguments: &["build", "."], dir: &folder, input: String::new() };
    let text = match build.run(around, target).await {
        Err(error) if error.class == FailureClass::Unknown => {
            // kubectl carries the same program.
            let by_kubectl = Program { name: "kubectl", arguments: &["kustomize", "."], ..build };
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
async fn checkout(mirror: &Mirror, target: &Target, commit: CommitId) -> Result<tempfile::TempDir, RenderError> {
    let disk = |e: io::Error| RenderError { class: FailureClass::Environment, message: format!("a folder for {}: {e}", target.title()) };
    let dir = tempfile::Builder::new().prefix("towpath-render-").tempdir().map_err(disk)?;
    let failed =
        |e: towpath_git::GitError| RenderError { class: e.class(), message: format!("{} at {}: {e}", target.url, commit.short(12)) };
    mirror.export(commit, dir.path(), OutsideLinks::Refuse).await.map_err(failed)?;
    if !dir.path().join(target.path.trim_start_matches('/')).is_dir() {
        return Err(RenderError::own(format!(
            "{} has no folder {} at {}; add it, or correct the `path` of resource template {} in {}",
            target.url,
            target.path,
            commit.short(12),
            target.resource_template,
            target.saas_file.place.file
        )));
    }
    Ok(dir)
}

/// A program that prints objects.
struct Program<'a> {
    name: &'a str,
    arguments: &'a [&'a str],
    dir: &'a Path,
    input: String,
}

impl Program<'_> {
    /// What it prints. One that is not installed is of the class unknown: people have to install it, trying again does not.
    async fn run(&self, around: Surroundings<'_>, target: &Target) -> Result<String, RenderError> {
        let shown = format!("`{} {}`", self.name, self.arguments.join(" "));
        let environment = |message: String| RenderError { class: FailureClass::Environment, message };
        let output = match tokio::time::timeout(WITHIN, self.start(around)).await {
            Err(_) => {
                return Err(RenderError::own(format!("{}: {shown} took longer than {} s and was ended", target.title(), WITHIN.as_secs())));
            }
            Ok(Err(e)) if e.kind() == io::ErrorKind::NotFound => {
                let message = format!(
                    "{}: the program `{}` is not installed where Towpath runs, and its provider needs it; install it (it is looked for in PATH), \
                     or use the provider openshift-template or directory",
                    target.title(),
                    self.name
                );
                return Err(RenderError { class: FailureClass::Unknown, message });
            }
            Ok(Err(e)) => return Err(environment(format!("{}: {shown} cannot be run: {e}", target.title()))),
            Ok(Ok(output)) => output,
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).rev().take(5).collect();
            let last = last.into_iter().rev().collect::<Vec<_>>().join(" | ");
            return Err(RenderError::own(format!("{}: {shown} ended with {}: {last}", target.title(), output.status)));
        }
        if output.stdout.len() > OUTPUT_BYTES_MAX {
            return Err(RenderError::own(format!("{}: {shown} printed more than {} MiB", target.title(), OUTPUT_BYTES_MAX >> 20)));
        }
        String::from_utf8(output.stdout).map_err(|_| RenderError::own(format!("{}: {shown} printed what is not UTF-8", target.title())))
    }

    async fn start(&self, around: Surroundings<'_>) -> io::Result<Output> {
        let mut child = Command::new(self.name)
            .args(self.arguments)
            .current_dir(self.dir)
            .env_clear()
            .envs(around.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take();
        let feed = async {
            if let Some(mut pipe) = input {
                // A program that does not read to the end says itself what is wrong.
                let _unread = pipe.write_all(self.input.as_bytes()).await;
            }
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

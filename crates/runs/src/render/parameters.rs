//! The values for a target's template.

use std::collections::BTreeMap;

use towpath_catalog::{SecretRef, Target};
use towpath_domain::{CommitId, FailureClass, ImageRef};
use towpath_template::parameters::{self, Inputs};
use towpath_template::{Template, objects};

use super::{RenderError, Secrets, Surroundings};

/// Parameters that hold the digest of `{REGISTRY_IMG}:{IMAGE_TAG}` where a template declares them: the digest alone, and the image with it.
/// The names are app-interface's.
const DIGESTS: [&str; 2] = ["IMAGE_DIGEST", "REPO_DIGEST"];

/// The values by parameter, secret ones and automatic ones included.
///
/// A secret parameter wins over a plain one of the same name, and is never put into others: what it holds stays in the one place that asks for it.
pub(super) fn of(around: Surroundings<'_>, target: &Target, commit: CommitId) -> Result<BTreeMap<String, String>, RenderError> {
    let inputs = Inputs {
        parameters: &target.parameters,
        commit: &commit,
        hash_length: target.hash_length,
        use_channel_in_image_tag: target.saas_file.use_channel_in_image_tag,
        automatic: &BTreeMap::new(),
    };
    let mut values = parameters::resolve(&inputs).map_err(|e| RenderError::own(format!("{}: {e}", target.saas_file.place)))?;
    for (name, secret) in &target.secret_parameters {
        values.insert(name.clone(), value(around.secrets, target, name, secret)?);
    }
    Ok(values)
}

/// As [`of`], with the digests that the template asks for.
pub(super) async fn of_template(
    around: Surroundings<'_>,
    target: &Target,
    commit: CommitId,
    template: &Template,
) -> Result<BTreeMap<String, String>, RenderError> {
    let mut values = of(around, target, commit)?;
    let declares = |name: &str| template.parameters().iter().any(|parameter| parameter.name == name);
    let asked: Vec<&str> = DIGESTS.into_iter().filter(|name| declares(name) && !values.contains_key(*name)).collect();
    if asked.is_empty() {
        return Ok(values);
    }
    let digest = digest(around, target, &values).await?;
    for name in asked {
        let value = if name == "IMAGE_DIGEST" { digest.clone() } else { format!("{}@{digest}", values["REGISTRY_IMG"]) };
        values.insert(name.to_owned(), value);
    }
    Ok(values)
}

/// The digest of `{REGISTRY_IMG}:{IMAGE_TAG}`.
async fn digest(around: Surroundings<'_>, target: &Target, values: &BTreeMap<String, String>) -> Result<String, RenderError> {
    let (Some(name), Some(tag)) = (values.get("REGISTRY_IMG"), values.get("IMAGE_TAG")) else {
        return Err(RenderError::own(format!(
            "{}: the template declares {}, which needs the parameter REGISTRY_IMG: the image's name without tag; set it",
            target.title(),
            DIGESTS.join(" or ")
        )));
    };
    let image: ImageRef =
        format!("{name}:{tag}").parse().map_err(|e| RenderError::own(format!("{}: {name}:{tag}: {e}", target.title())))?;
    let patterns = &target.saas_file.image_patterns;
    if !patterns.is_empty() && !objects::image_allowed(&image.to_string(), patterns) {
        return Err(RenderError::own(format!(
            "{}: the image {image} begins with none of the imagePatterns of {}; add a pattern there or use another image",
            target.title(),
            target.saas_file.place
        )));
    }
    let Some(registry) = around.registry else {
        // A digest that no registry has: for plans that ask none.
        return Ok(format!("sha256:{}", "0".repeat(64)));
    };
    let found =
        registry.resolve(&image).await.map_err(|e| RenderError { class: e.class(), message: format!("{}: {e}", target.title()) })?;
    found.map(|digest| digest.to_string()).ok_or_else(|| RenderError {
        class: FailureClass::Environment,
        message: format!("{}: the image {image} is not in the registry; it is looked for again, or build it", target.title()),
    })
}

fn value(secrets: Secrets<'_>, target: &Target, name: &str, secret: &SecretRef) -> Result<String, RenderError> {
    let marked = |version: &str| format!("<secret:{}#{}@{version}>", secret.path, secret.field);
    let pinned = secret.version.map(|version| version.to_string());
    match secrets {
        Secrets::Unknown => Ok(marked(pinned.as_deref().unwrap_or("latest"))),
        Secrets::Marked(versions) => {
            let known = versions.get(&secret.path).map(String::as_str);
            Ok(marked(pinned.as_deref().or(known).unwrap_or("latest")))
        }
        Secrets::Values(values) => values
            .get(name)
            .map(|value| value.expose().to_owned())
            .ok_or_else(|| RenderError::own(format!("{}: the secret parameter {name} was not fetched", target.title()))),
    }
}

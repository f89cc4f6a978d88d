//! The values for a target's template.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use towpath_catalog::{SecretRef, Target};
use towpath_domain::CommitId;
use towpath_template::parameters::{self, Inputs};

use super::{RenderError, Secrets, Surroundings};

/// The values by parameter, secret ones and automatic ones included.
///
/// A secret parameter wins over a plain one of the same name, and is never put into others: what it holds stays in the one place that asks for it.
pub(super) fn of(around: Surroundings<'_>, target: &Target, commit: CommitId) -> Result<BTreeMap<String, String>, RenderError> {
    let automatic = around.image_digest.map(|digest| ("IMAGE_DIGEST".to_owned(), digest.to_string())).into_iter().collect();
    let inputs = Inputs {
        parameters: &target.parameters,
        commit: &commit,
        hash_length: target.hash_length,
        use_channel_in_image_tag: target.saas_file.use_channel_in_image_tag,
        automatic: &automatic,
    };
    let mut values = parameters::resolve(&inputs).map_err(|e| RenderError::own(format!("{}: {e}", target.saas_file.place)))?;
    for (name, secret) in &target.secret_parameters {
        values.insert(name.clone(), value(around.secrets, target, name, secret)?);
    }
    Ok(values)
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
            .map(|value| value.expose_secret().to_owned())
            .ok_or_else(|| RenderError::own(format!("{}: the secret parameter {name} was not fetched", target.title()))),
    }
}

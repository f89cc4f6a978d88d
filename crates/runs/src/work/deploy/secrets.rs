//! Values of secret parameters: fetched for the moment of deploying, masked before anything can show them, written down nowhere.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use towpath_catalog::Target;
use towpath_cluster::SecretFields;
use towpath_domain::CommitId;
use towpath_engine::secret_versions;
use towpath_secrets::{Request, SecretValue};
use towpath_template::{Placeholder, objects};

use crate::journal::{Journal, Stop};
use crate::render::{self, RenderError, Secrets};
use crate::world::World;

/// The values of the target's secret parameters, by parameter. From here on none of them shows in the run's log.
pub(super) async fn fetch(world: &World, journal: &Journal, target: &Target) -> Result<BTreeMap<String, SecretValue>, Stop> {
    let values = read(world, target).await?;
    mask(journal, &[], &values);
    Ok(values)
}

/// The values of the target's secret parameters, by parameter. Whoever asks sees to it that none of them shows.
pub(in crate::work) async fn read(world: &World, target: &Target) -> Result<BTreeMap<String, SecretValue>, Stop> {
    let mut values = BTreeMap::new();
    for (name, secret) in &target.secret_parameters {
        let request = Request::new(&secret.path, &secret.field).at_version(secret.version).decoded(secret.base64);
        let fetched = world
            .secrets
            .read(&request)
            .await
            .map_err(|e| Stop::failed(e.class(), format!("{}: secret parameter {name}: {e}", target.title())))?;
        values.insert(name.clone(), fetched.value);
    }
    Ok(values)
}

/// The target's objects with markers in the place of secret and generated values.
pub(super) async fn marked(world: &World, target: &Target, commit: CommitId) -> Result<Vec<Value>, RenderError> {
    let versions = secret_versions(target, &world.ledger.facts());
    Ok(render::render(world.rendering(Secrets::Marked(&versions)), target, commit, &mut Placeholder).await?.objects)
}

/// Where secret and generated values stand, by object: where it differs from itself with markers. Without a counterpart nobody knows where they
/// are, and all of it counts.
pub(super) fn places(marked: &[Value], objects: &[Value]) -> Vec<SecretFields> {
    let one = |(at, object)| SecretFields::between(marked.get(at).unwrap_or(&Value::Null), object);
    objects.iter().enumerate().map(one).collect()
}

/// Notes on the objects that are to be applied where secret and generated values stand in them.
pub(super) async fn remember(world: &World, target: &Target, commit: CommitId, mut objects: Vec<Value>) -> Result<Vec<Value>, Stop> {
    let marked = marked(world, target, commit).await.map_err(|e| Stop::failed(e.class, e))?;
    for (places, object) in places(&marked, &objects).into_iter().zip(&mut objects) {
        places.write(object);
    }
    Ok(objects)
}

/// Hides every value of every `Secret` among the objects, as written and decoded, beside those of secret parameters.
pub(super) fn mask(journal: &Journal, objects: &[Value], parameters: &BTreeMap<String, SecretValue>) {
    journal.sink().mask(hidden(objects, parameters));
}

/// What is to be hidden of these objects and secret parameters, in every form in which it may show.
pub(in crate::work) fn hidden(objects: &[Value], parameters: &BTreeMap<String, SecretValue>) -> Vec<String> {
    let mut values: Vec<String> =
        parameters.values().flat_map(|value| [value.expose().to_owned(), BASE64.encode(value.expose())]).collect();
    for secret in objects.iter().filter(|object| objects::kind(object) == "Secret") {
        for field in ["data", "stringData"] {
            for value in secret.get(field).and_then(Value::as_object).into_iter().flatten().filter_map(|(_, v)| v.as_str()) {
                values.push(value.to_owned());
                values.extend(BASE64.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok()));
            }
        }
    }
    values
}

//! Values of secret parameters: fetched for the moment of deploying, masked before anything can show them, written down nowhere.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use towpath_catalog::Target;
use towpath_secrets::{Request, SecretValue};
use towpath_template::objects;

use crate::journal::{Journal, Stop};
use crate::world::World;

/// The values of the target's secret parameters, by parameter. From here on none of them shows in the run's log.
pub(super) async fn fetch(world: &World, journal: &Journal, target: &Target) -> Result<BTreeMap<String, SecretValue>, Stop> {
    let values = read(world, target).await?;
    let shown = values.values().flat_map(|value| [value.expose().to_owned(), BASE64.encode(value.expose())]);
    journal.sink().mask(shown);
    Ok(values)
}

/// The values of the target's secret parameters, by parameter. Whoever asks sees to it that none of them shows.
pub(super) async fn read(world: &World, target: &Target) -> Result<BTreeMap<String, SecretValue>, Stop> {
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

/// Hides every value of every `Secret` among the objects, as written and decoded, beside those of secret parameters.
pub(super) fn mask(journal: &Journal, objects: &[Value], parameters: &BTreeMap<String, SecretValue>) {
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
    journal.sink().mask(values);
}

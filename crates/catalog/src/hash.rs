//! The identities of targets: app-interface's uid and `target_config_hash`, and Towpath's own hash of a target's inputs.

use std::collections::BTreeMap;
use std::fmt::Write;

use blake2::Blake2s;
use blake2::digest::consts::U20;
use serde_json::Value;
use sha2::{Digest, Sha256};
use towpath_domain::{NameError, TargetId};

use crate::canon::{self, Form};
use crate::model::{Provider, SaasFile, SecretRef, Target};
use crate::read::{Param, RawChannelData, RawPromotion, RawSaas, RawTarget, RawTemplate, Secret};

/// app-interface's uid of a target: BLAKE2s with 20 bytes over its names, in hex.
pub(crate) fn target_id(saas: &str, template: &str, target: Option<&str>, cluster: &str, namespace: &str) -> Result<TargetId, NameError> {
    let mut hash = Blake2s::<U20>::new();
    for (at, part) in [saas, template, target.unwrap_or("default"), cluster, namespace].into_iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    TargetId::new(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Parameters as the original keeps them in a configuration: JSON in a string, or null.
pub(crate) fn parameters_text(parameters: Option<&[Param]>) -> String {
    let Some(parameters) = parameters else { return "null".to_owned() };
    let mut sorted: Vec<_> = parameters.iter().map(|param| (&*param.name, &param.value)).collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    let (mut plain, mut quoted) = (String::new(), String::new());
    canon::object(sorted.into_iter(), Form::Compact, &mut plain);
    canon::text(&plain, &mut quoted);
    quoted
}

/// What goes into a target's configuration beside the target itself, prepared once per file and template.
pub(crate) struct ConfigParts {
    pub saas_parameters: String,
    pub template_parameters: String,
}

/// The names that a target's configuration holds of its namespace.
pub(crate) struct ConfigNamespace<'a> {
    pub name: &'a str,
    pub app: &'a str,
    pub cluster: &'a str,
    pub server_url: Option<&'a str>,
}

/// app-interface's `target_config_hash`: the first 16 hex digits of SHA-256 over the target's configuration, written as
/// Python writes it. `parameters` and `secrets` are the target's own, templates filled in.
///
/// The shape of `upstream`, `images` and `slos` in it is not known to the bit; such targets are held anyway.
pub(crate) fn target_config_hash(
    saas: &RawSaas,
    template: &RawTemplate,
    target: &RawTarget,
    namespace: &ConfigNamespace<'_>,
    parts: &ConfigParts,
    parameters: Option<&[Param]>,
    secrets: Option<&[Secret]>,
) -> String {
    let mut out = Object::new();
    out.flag("delete", target.delete);
    out.flag("disable", target.disable);
    let foreign = |field: &str| target.foreign.iter().find(|found| found.field == field).map(|found| &found.value);
    out.value("images", foreign("images"));
    out.text("name", target.name.as_ref().map(|name| name.value.as_str()));
    out.key("namespace");
    out.out.push_str("{\"app\": {\"name\": ");
    canon::text(namespace.app, &mut out.out);
    out.out.push_str("}, \"cluster\": {\"name\": ");
    canon::text(namespace.cluster, &mut out.out);
    out.out.push_str(", \"serverUrl\": ");
    optional_text(namespace.server_url, &mut out.out);
    out.out.push_str("}, \"name\": ");
    canon::text(namespace.name, &mut out.out);
    out.out.push('}');
    out.raw("parameters", &parameters_text(parameters));
    out.text("path", Some(&template.path));
    out.key("promotion");
    promotion(target.promotion.as_ref(), &mut out.out);
    let git_ref = target.git_ref.value.to_string();
    out.text("ref", Some(&git_ref));
    out.raw("rt_parameters", &parts.template_parameters);
    if let Some(secrets) = template.secrets.as_deref().filter(|secrets| !secrets.is_empty()) {
        out.secrets("rt_secretparameters", Some(secrets));
    }
    if !saas.managed_names.is_empty() {
        let names: Value =
            saas.managed_names.iter().map(|(kind, names)| serde_json::json!({"resource": kind, "resourceNames": names})).collect();
        out.value("saas_file_managed_resource_names", Some(&names));
    }
    out.key("saas_file_managed_resource_types");
    texts(saas.managed_types.iter().map(String::as_str), &mut out.out);
    out.raw("saas_file_parameters", &parts.saas_parameters);
    if let Some(secrets) = saas.secrets.as_deref().filter(|secrets| !secrets.is_empty()) {
        out.secrets("saas_file_secretparameters", Some(secrets));
    }
    out.secrets("secretParameters", secrets);
    out.value("slos", foreign("slos"));
    out.value("upstream", foreign("upstream"));
    out.text("url", Some(template.url.value.expose()));
    out.out.push('}');
    let mut hash = hex(&Sha256::digest(out.out.as_bytes()));
    hash.truncate(16);
    hash
}

/// Writes one object in Python's form, its keys in the order they are given.
struct Object {
    out: String,
}

impl Object {
    fn new() -> Self {
        Self { out: String::with_capacity(1024) }
    }

    fn key(&mut self, key: &str) {
        self.out.push_str(if self.out.is_empty() { "{\"" } else { ", \"" });
        self.out.push_str(key);
        self.out.push_str("\": ");
    }

    fn raw(&mut self, key: &str, json: &str) {
        self.key(key);
        self.out.push_str(json);
    }

    fn flag(&mut self, key: &str, value: Option<bool>) {
        self.raw(key, flag(value));
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        self.key(key);
        optional_text(value, &mut self.out);
    }

    fn value(&mut self, key: &str, value: Option<&Value>) {
        self.key(key);
        canon::json(value.unwrap_or(&Value::Null), Form::Python, &mut self.out);
    }

    fn secrets(&mut self, key: &str, secrets: Option<&[Secret]>) {
        let value: Option<Value> = secrets.map(|secrets| {
            let one = |secret: &Secret| {
                let inner =
                    serde_json::json!({"path": secret.path, "field": secret.field, "version": secret.version, "format": secret.format});
                serde_json::json!({"name": *secret.name, "secret": inner})
            };
            secrets.iter().map(one).collect()
        });
        self.value(key, value.as_ref());
    }
}

fn flag(value: Option<bool>) -> &'static str {
    match value {
        None => "null",
        Some(true) => "true",
        Some(false) => "false",
    }
}

fn optional_text(value: Option<&str>, out: &mut String) {
    match value {
        None => out.push_str("null"),
        Some(value) => canon::text(value, out),
    }
}

fn texts<'a>(items: impl Iterator<Item = &'a str>, out: &mut String) {
    out.push('[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        canon::text(item, out);
    }
    out.push(']');
}

fn promotion(promotion: Option<&RawPromotion>, out: &mut String) {
    let Some(promotion) = promotion else { return out.push_str("null") };
    out.push_str("{\"auto\": ");
    out.push_str(flag(promotion.auto));
    out.push_str(", \"promotion_data\": ");
    match &promotion.data {
        None => out.push_str("null"),
        Some(data) => {
            let one = |entry: &RawChannelData| {
                let hash = entry.hash.as_ref().map(|hash| &hash.value);
                let parent = entry.parent_saas.as_ref().map(|name| name.as_str());
                serde_json::json!({"type": entry.kind, "parent_saas": parent, "target_config_hash": hash})
            };
            let channels: Value = data
                .iter()
                .map(|channel| {
                    let entries: Option<Vec<Value>> = channel.data.as_ref().map(|entries| entries.iter().map(one).collect());
                    serde_json::json!({"channel": channel.channel.value.as_str(), "data": entries})
                })
                .collect();
            canon::json(&channels, Form::Python, out);
        }
    }
    let channels = |channels: Option<&Vec<crate::read::At<towpath_domain::Channel>>>, out: &mut String| match channels {
        None => out.push_str("null"),
        Some(channels) => texts(channels.iter().map(|channel| channel.value.as_str()), out),
    };
    out.push_str(", \"publish\": ");
    channels(promotion.publish.as_ref(), out);
    out.push_str(", \"redeployOnPublisherConfigChange\": ");
    out.push_str(flag(promotion.redeploy));
    out.push_str(", \"schedule\": ");
    optional_text(promotion.schedule.as_ref().map(|schedule| schedule.value.as_str()), out);
    out.push_str(", \"soakDays\": ");
    match promotion.soak_days {
        None => out.push_str("null"),
        Some(days) => {
            let _ = write!(out, "{days}");
        }
    }
    out.push_str(", \"subscribe\": ");
    channels(promotion.subscribe.as_ref(), out);
    out.push('}');
}

/// The hash over everything but the ref that goes into rendering a target: neither its promotion block nor `disable`.
///
/// The first word is the form's version: whoever changes the form changes it, and knows that every target redeploys.
pub(crate) fn input_hash(target: &Target, saas: &SaasFile) -> String {
    let mut out = String::with_capacity(1024);
    out.push_str("towpath-input-1");
    let mut line = |text: &str| {
        out.push('\n');
        canon::text(text, &mut out);
    };
    line(target.url.expose());
    line(&target.path);
    line(match target.provider {
        Provider::OpenshiftTemplate => "openshift-template",
        Provider::Directory => "directory",
        Provider::Helm => "helm",
        Provider::Kustomize => "kustomize",
    });
    line(target.cluster.as_str());
    line(target.namespace.as_str());
    let _ = write!(out, "\n{} {} {}\n", target.hash_length, saas.use_channel_in_image_tag, target.delete);
    canon::object(target.parameters.iter().map(|(name, value)| (name.as_str(), value)), Form::Compact, &mut out);
    for (name, secret) in &target.secret_parameters {
        secret_line(name, secret, &mut out);
    }
    for list in [&saas.managed_resource_types, &saas.image_patterns] {
        out.push('\n');
        texts(list.iter().map(String::as_str), &mut out);
    }
    for (kind, names) in &saas.managed_resource_names {
        out.push('\n');
        canon::text(kind, &mut out);
        texts(names.iter().map(String::as_str), &mut out);
    }
    hex(&Sha256::digest(out.as_bytes()))
}

fn secret_line(name: &str, secret: &SecretRef, out: &mut String) {
    out.push('\n');
    texts([name, &secret.path, &secret.field].into_iter(), out);
    let _ = write!(out, " {:?} {}", secret.version, secret.base64);
}

/// Managed names by kind, as the model keeps them.
pub(crate) fn by_kind(names: &[(String, Vec<String>)]) -> BTreeMap<String, Vec<String>> {
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (kind, names) in names {
        kinds.entry(kind.clone()).or_default().extend(names.iter().cloned());
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uid_is_the_one_that_app_interface_gives() {
        let id = target_id("saas-svc-0", "svc", None, "stage-cluster-0", "svc-0-stage").unwrap();
        assert_eq!(id.as_str(), "fa1b50e2d7bd84a3bd987e8c9db7ac24021f6e44");
        assert_ne!(target_id("saas-svc-0", "svc", Some("x"), "stage-cluster-0", "svc-0-stage").unwrap(), id);
    }
}

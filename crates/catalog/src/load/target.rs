//! One target with everything that it inherits, and the rules that look at one target only.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use towpath_domain::{AppName, GitRef};

use super::findings::Findings;
use super::index::Index;
use super::linked::{Inventory, Namespace};
use super::parse_schedule;
use crate::diagnostic::{Place, clip};
use crate::hash::{self, ConfigNamespace, ConfigParts};
use crate::jinja::{self, Refused};
use crate::model::{Promotion, PromotionData, SaasFile, SecretRef, Target};
use crate::read::{Param, RawNamespace, RawPromotion, RawSaas, RawTarget, RawTemplate, Secret};

/// What surrounds a target.
pub(super) struct Context<'a> {
    pub index: &'a Index<'a>,
    pub inventory: &'a Inventory<'a>,
    pub file: &'a Arc<str>,
    pub raw: &'a RawSaas,
    pub template: &'a RawTemplate,
    pub saas_file: &'a Arc<SaasFile>,
    /// The parent of the saas file's app.
    pub parent: Option<&'a AppName>,
    pub parts: &'a ConfigParts,
}

/// Findings about one target: each error holds it.
struct Rules<'a> {
    file: &'a Arc<str>,
    findings: &'a mut Findings,
    holds: Vec<String>,
}

impl Rules<'_> {
    fn hold(&mut self, rule: &'static str, place: Place, message: String, mend: impl Into<String>) {
        self.holds.push(clip(format!("{rule}: {message}")));
        self.findings.error(rule, place, message, mend);
    }
}

/// Links one target; `None` if there is nothing that it could deploy to.
pub(super) fn link(context: &Context<'_>, raw: &RawTarget, file: &Arc<str>, findings: &mut Findings) -> Option<Target> {
    let (at, _) = context.index.find::<RawNamespace>(file, &raw.namespace, findings)?;
    let Some(namespace) = context.inventory.namespaces.get(&at) else {
        let message = format!("the namespace `data{}` cannot be used because of its own references", raw.namespace.path);
        findings.error("broken-reference", raw.namespace.spot.place(file), message, "Mend that file first.");
        return None;
    };
    let (saas, template) = (context.raw, context.template);
    let (cluster_name, namespace_name) = (&namespace.cluster.name.value, &namespace.raw.name.value);
    let own_name = raw.name.as_ref().map(|name| name.value.as_str());
    let id =
        hash::target_id(saas.name.value.as_str(), &template.name.value, own_name, cluster_name.as_str(), namespace_name.as_str()).ok()?;

    let mut rules = Rules { file, findings, holds: Vec::new() };
    let (parameters, secrets) = fill_in(raw, namespace, &mut rules);
    let parameters = parameters.as_deref().or(raw.parameters.as_deref());
    let secrets = secrets.as_deref().or(raw.secrets.as_deref());
    check_secret_paths(context, namespace, raw, secrets, &mut rules);
    check_parameters(raw, parameters, namespace, &mut rules);
    check_refs(raw, &mut rules);
    check_app(context, namespace, raw, &mut rules);
    let promotion = promotion(raw, &mut rules);

    let config_namespace = ConfigNamespace {
        name: namespace_name.as_str(),
        app: namespace.app.name.value.as_str(),
        cluster: cluster_name.as_str(),
        server_url: namespace.cluster.server_url.as_deref(),
    };
    let config_hash = hash::target_config_hash(saas, template, raw, &config_namespace, context.parts, parameters, secrets);
    let levels = [
        (Some(namespace.environment.parameters.as_slice()), Some(namespace.environment.secrets.as_slice())),
        (saas.parameters.as_deref(), saas.secrets.as_deref()),
        (template.parameters.as_deref(), template.secrets.as_deref()),
        (parameters, secrets),
    ];
    let (parameters, secret_parameters) = merge(levels);
    let mut unsupported: Vec<String> = raw.foreign.iter().map(|found| format!("unsupported: `{}`", found.field)).collect();
    unsupported.append(&mut rules.holds);
    let mut target = Target {
        id,
        saas_file: Arc::clone(context.saas_file),
        resource_template: template.name.value.clone(),
        name: own_name.map(str::to_owned),
        namespace: namespace_name.clone(),
        cluster: cluster_name.clone(),
        environment: namespace.environment.name.value.clone(),
        namespace_labels: namespace.raw.labels.clone(),
        url: template.url.value.clone(),
        path: template.path.clone(),
        provider: template.provider,
        git_ref: raw.git_ref.value.clone(),
        ref_place: raw.git_ref.spot.place(file),
        branch: raw.git_ref.value.branch().cloned(),
        source: None,
        promotion,
        parameters,
        secret_parameters,
        hash_length: template.hash_length,
        disable: raw.disable.unwrap_or(false),
        delete: raw.delete.unwrap_or(false),
        input_hash: Arc::from(""),
        target_config_hash: config_hash.into(),
        unsupported,
    };
    target.input_hash = hash::input_hash(&target, context.saas_file).into();
    Some(target)
}

/// Fills templates in the target's own parameters and secrets in; `None` where there are none to fill in.
fn fill_in(raw: &RawTarget, namespace: &Namespace<'_>, rules: &mut Rules<'_>) -> (Option<Vec<Param>>, Option<Vec<Secret>>) {
    let is_template = |param: &Param| param.value.as_str().is_some_and(jinja::is_template);
    let in_parameters = raw.parameters.iter().flatten().any(is_template);
    let in_secrets = raw.secrets.iter().flatten().any(|secret| jinja::is_template(&secret.path) || jinja::is_template(&secret.field));
    if !in_parameters && !in_secrets {
        return (None, None);
    }
    let resource = namespace.resource();
    let mut fill = |text: &str, spot: crate::yaml::Spot| match jinja::fill(text, &resource) {
        Ok(filled) => filled,
        Err(Refused::Unsupported(what)) => {
            let message = format!("{what}: not supported, the target is held");
            rules.hold(
                "unsupported",
                spot.place(rules.file),
                message,
                "Write plain lookups only, such as `{{{ resource.namespace.cluster.name }}}`, or the value.",
            );
            text.to_owned()
        }
        Err(Refused::Unknown(what)) => {
            let message = format!("`{what}` is not there");
            rules.hold("unknown-variable", spot.place(rules.file), message, "Look it up in the namespace's file and what that refers to.");
            text.to_owned()
        }
    };
    let parameters = raw.parameters.as_ref().filter(|_| in_parameters).map(|parameters| {
        let one = |param: &Param| match param.value.as_str() {
            Some(text) if jinja::is_template(text) => Param { value: Value::String(fill(text, param.spot)), ..param.clone() },
            _ => param.clone(),
        };
        parameters.iter().map(one).collect()
    });
    let secrets = raw.secrets.as_ref().filter(|_| in_secrets).map(|secrets| {
        let one =
            |secret: &Secret| Secret { path: fill(&secret.path, secret.spot), field: fill(&secret.field, secret.spot), ..secret.clone() };
        secrets.iter().map(one).collect()
    });
    (parameters, secrets)
}

type Level<'a> = (Option<&'a [Param]>, Option<&'a [Secret]>);

/// Later ones win, a secret over a parameter of the same level.
fn merge(levels: [Level<'_>; 4]) -> (BTreeMap<String, Value>, BTreeMap<String, SecretRef>) {
    let (mut parameters, mut secrets) = (BTreeMap::new(), BTreeMap::new());
    for (own_parameters, own_secrets) in levels {
        for param in own_parameters.unwrap_or_default() {
            if !secrets.is_empty() {
                secrets.remove(&*param.name);
            }
            parameters.insert(param.name.to_string(), param.value.clone());
        }
        for secret in own_secrets.unwrap_or_default() {
            parameters.remove(&*secret.name);
            let base64 = secret.format.as_deref() == Some("base64");
            let value = SecretRef { path: secret.path.clone(), field: secret.field.clone(), version: secret.version, base64 };
            secrets.insert(secret.name.to_string(), value);
        }
    }
    (parameters, secrets)
}

/// B5: every secret lies below an allowed path, compared by whole components.
fn check_secret_paths(context: &Context<'_>, namespace: &Namespace<'_>, raw: &RawTarget, own: Option<&[Secret]>, rules: &mut Rules<'_>) {
    let allowed = &context.raw.allowed_secret_paths;
    let levels = [
        (namespace.environment_file, Some(namespace.environment.secrets.as_slice())),
        (context.file, context.raw.secrets.as_deref()),
        (context.file, context.template.secrets.as_deref()),
        (rules.file, own),
    ];
    for (file, secrets) in levels {
        for secret in secrets.unwrap_or_default() {
            // Stores read paths as URLs or files: such a one leads out of the folder that it seems to lie in.
            if secret.path.split('/').any(|part| matches!(part, "" | "." | "..")) || secret.path.chars().any(char::is_control) {
                let message = format!("the secret path `{}` has an empty part, `.` or `..` in it", secret.path.escape_debug());
                let place = if file == namespace.environment_file { raw.namespace.spot.place(rules.file) } else { secret.spot.place(file) };
                rules.hold("secret-path", place, message, "Write the path out, with single slashes between its parts.");
                continue;
            }
            // An allowed path with a slash at its end never matches, in the original as well.
            let is_below =
                |prefix: &String| secret.path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if allowed.iter().any(is_below) {
                continue;
            }
            let inherited = if file == namespace.environment_file { format!(" (from {file})") } else { String::new() };
            let message =
                format!("the secret path `{}`{inherited} is below none of `allowedSecretParameterPaths`", secret.path.escape_debug());
            // What is inherited is told at the target that inherits it: whoever owns the environment has done nothing wrong.
            let place = if inherited.is_empty() { secret.spot.place(file) } else { raw.namespace.spot.place(rules.file) };
            rules.hold("secret-path", place, message, "Add the path, or its folder, to the saas file's `allowedSecretParameterPaths`.");
        }
    }
}

/// B11 to B13.
fn check_parameters(raw: &RawTarget, own: Option<&[Param]>, namespace: &Namespace<'_>, rules: &mut Rules<'_>) {
    let file = rules.file;
    let env_parameters = &namespace.environment.parameters;
    for param in own.unwrap_or_default() {
        let text = match &param.value {
            Value::String(text) => text.as_str(),
            Value::Number(number) if &*param.name == "IMAGE_TAG" => &number.to_string(),
            _ => continue,
        };
        if &*param.name == "IMAGE_TAG" && !text.is_empty() && raw.git_ref.value.to_string().starts_with(text) {
            let message =
                format!("`IMAGE_TAG: {}` only repeats the ref, and would stay behind when the ref is promoted", text.escape_debug());
            rules.hold("redundant-image-tag", param.spot.place(file), message, "Remove `IMAGE_TAG`: it follows from `ref`.");
        }
        if !param.value.is_string() {
            continue;
        }
        if text.contains(&format!("${{{}}}", param.name)) {
            let message = format!("the parameter `{}` refers to itself", param.name);
            let mend = "Write the value out, or give the inner parameter another name.";
            // The original looks only where the environment has parameters; elsewhere its files pass, so here they do too.
            if env_parameters.is_empty() {
                rules.findings.warn("self-referencing-parameter", param.spot.place(file), message, mend);
            } else {
                rules.hold("self-referencing-parameter", param.spot.place(file), message, mend);
            }
        }
        for env in env_parameters {
            let Some(value) = env.value.as_str().filter(|value| value.contains('.')) else { continue };
            if text.contains(value) {
                let message = format!("`{}` repeats the value of the environment's parameter `{}`", param.name, env.name);
                rules.hold(
                    "repeated-environment-parameter",
                    param.spot.place(file),
                    message,
                    format!("Write `${{{}}}` in its place.", env.name),
                );
            }
        }
    }
}

/// B6 to B10.
fn check_refs(raw: &RawTarget, rules: &mut Rules<'_>) {
    let file = rules.file;
    let ref_place = raw.git_ref.spot.place(file);
    let is_commit = matches!(raw.git_ref.value, GitRef::Commit(_));
    let foreign = |field: &str| raw.foreign.iter().find(|found| found.field == field);
    for field in ["upstream", "images"] {
        if let Some(found) = foreign(field).filter(|_| is_commit) {
            let message = format!("`{field}` waits for a branch to move, but `ref` is a commit");
            rules.hold("ref-is-a-commit", found.spot.place(file), message, format!("Remove `{field}`, or let `ref` follow a branch."));
        }
    }
    if let (Some(_), Some(images)) = (foreign("upstream"), foreign("images")) {
        rules.hold(
            "upstream-and-images",
            images.spot.place(file),
            "`upstream` and `images` exclude each other".to_owned(),
            "Remove one of the two.",
        );
    }
    let Some(promotion) = raw.promotion.as_ref().filter(|promotion| promotion.auto == Some(true)) else { return };
    if !is_commit {
        let message = format!("`auto` promotes commits, but `ref` follows the branch `{}`", raw.git_ref.value);
        rules.hold("auto-needs-a-commit", ref_place, message, "Pin `ref` to a full commit id, or remove `auto`.");
    }
    let subscribed = promotion.subscribe.as_deref().unwrap_or_default();
    for data in promotion.data.iter().flatten() {
        if !subscribed.iter().any(|channel| channel.value == data.channel.value) {
            let message = format!("`promotion_data` names the channel `{}`, which the target does not subscribe to", data.channel.value);
            rules.hold(
                "dangling-promotion-data",
                data.channel.spot.place(file),
                message,
                "Remove this entry, or subscribe to the channel.",
            );
        }
    }
}

/// B17: where the saas file asks for it, the namespace belongs to the app or its parent.
fn check_app(context: &Context<'_>, namespace: &Namespace<'_>, raw: &RawTarget, rules: &mut Rules<'_>) {
    let app = &namespace.app.name.value;
    if context.raw.validate_targets_in_app && *app != context.saas_file.app && Some(app) != context.parent {
        let message =
            format!("the namespace `{}` belongs to the app `{app}`, not to `{}`", namespace.raw.name.value, context.saas_file.app);
        rules.hold(
            "target-outside-app",
            raw.namespace.spot.place(rules.file),
            message,
            "Choose a namespace of the app, or remove `validateTargetsInApp`.",
        );
    }
}

fn promotion(raw: &RawTarget, rules: &mut Rules<'_>) -> Promotion {
    let Some(raw) = &raw.promotion else { return Promotion::default() };
    let file = rules.file;
    let schedule = raw.schedule.as_ref().and_then(|schedule| match parse_schedule(&schedule.value) {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            // Without its schedule the target would move at any time: it is held instead.
            let message = format!("`{}` is no schedule: {error}", schedule.value.escape_debug());
            rules.hold("bad-schedule", schedule.spot.place(file), message, "Write five cron fields in UTC, such as `0 9 * * 1-5`.");
            None
        }
    });
    let names = |channels: &Option<Vec<crate::read::At<towpath_domain::Channel>>>| {
        let mut names: Vec<_> = channels.iter().flatten().map(|channel| channel.value.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    Promotion {
        publish: names(&raw.publish),
        subscribe: names(&raw.subscribe),
        auto: raw.auto.unwrap_or(false),
        soak_days: raw.soak_days.unwrap_or(0),
        schedule,
        redeploy_on_publisher_config_change: raw.redeploy.unwrap_or(false),
        promotion_data: promotion_data(raw, file),
    }
}

fn promotion_data(raw: &RawPromotion, file: &Arc<str>) -> Vec<PromotionData> {
    let mut all = Vec::new();
    for channel in raw.data.iter().flatten() {
        for entry in channel.data.iter().flatten().filter(|entry| entry.kind == "parent_saas_config") {
            if let (Some(parent_saas), Some(hash)) = (&entry.parent_saas, &entry.hash) {
                all.push(PromotionData {
                    channel: channel.channel.value.clone(),
                    parent_saas: parent_saas.clone(),
                    target_config_hash: hash.value.clone(),
                    place: hash.spot.place(file),
                });
            }
        }
    }
    all
}

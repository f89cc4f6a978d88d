//! From a target and a commit to Kubernetes objects: used to plan, to check changes and to deploy, so that all three see the same.

mod bases;
mod parameters;
mod program;
mod tool;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use towpath_catalog::{Provider, Target};
use towpath_domain::{CommitId, FailureClass, ImageRef};
use towpath_engine::{Render, RenderOutcome, secret_versions};
use towpath_git::Mirror;
use towpath_registry::Registry;
use towpath_secrets::SecretValue;
use towpath_template::{Draw, Placeholder, Request, Template, objects};

use crate::world::{Mirrors, World};

/// What a target's template comes to.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The objects that the saas file manages, in template order.
    pub objects: Vec<Value>,
    /// Objects that are left out, with why.
    pub left_out: Vec<String>,
    /// Values that were drawn.
    pub generated: BTreeMap<String, String>,
    /// Images that the objects name.
    pub images: Vec<ImageRef>,
}

/// Why it does not come to objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RenderError {
    /// Whose fault.
    pub class: FailureClass,
    /// What, where, why and how to mend it.
    pub message: String,
}

impl RenderError {
    fn own(message: impl std::fmt::Display) -> Self {
        Self { class: FailureClass::Own, message: message.to_string() }
    }
}

/// What rendering reaches for.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Copies of repositories.
    pub mirrors: &'a Mirrors,
    /// The environment of programs that render (`helm`, `kustomize`): `PATH`, `HOME` and their like.
    pub environment: &'a [(String, String)],
    /// What stands for secret parameters.
    pub secrets: Secrets<'a>,
    /// Who knows the digests that templates ask for (`IMAGE_DIGEST`, `REPO_DIGEST`); without one, a marker stands for them.
    pub registry: Option<&'a dyn Registry>,
}

/// What stands for secret parameters.
#[derive(Clone, Copy)]
pub enum Secrets<'a> {
    /// A marker that names path, field and version: for fingerprints, plans and diffs. Versions by path, as far as they are known.
    Marked(&'a BTreeMap<String, String>),
    /// The values, by parameter: for what is applied.
    Values(&'a BTreeMap<String, SecretValue>),
    /// A marker without a version.
    Unknown,
}

impl<'a> From<&'a Mirrors> for Surroundings<'a> {
    fn from(mirrors: &'a Mirrors) -> Self {
        Self { mirrors, environment: &[], secrets: Secrets::Unknown, registry: None }
    }
}

/// What a target at a commit comes to, as a fact: generated values are left out of the fingerprint, secret ones stand in it by their version.
///
/// # Errors
/// When the repository cannot be reached: that is no fact about the target, and is asked again.
pub async fn fact<'a>(around: impl Into<Surroundings<'a>>, target: &Target, commit: CommitId) -> Result<Render, RenderError> {
    let around = around.into();
    let secrets = match around.secrets {
        Secrets::Marked(versions) => versions.clone(),
        Secrets::Values(_) | Secrets::Unknown => BTreeMap::new(),
    };
    let outcome = match render(around, target, commit, &mut Placeholder).await {
        Ok(rendered) => RenderOutcome::Rendered {
            fingerprint: objects::fingerprint(&rendered.objects),
            only_jobs: objects::only_jobs(&rendered.objects),
            objects: u32::try_from(rendered.objects.len()).unwrap_or(u32::MAX),
            images: rendered.images,
        },
        Err(error) if error.class == FailureClass::Environment => return Err(error),
        Err(error) => RenderOutcome::Failed { class: error.class, message: error.message },
    };
    Ok(Render { target: target.id.clone(), commit, input_hash: target.input_hash.to_string(), secrets, outcome })
}

/// [`fact()`] with what the ledger knows: versions of secrets, digests of images.
///
/// # Errors
/// As [`fact()`].
pub async fn known(world: &World, target: &Target, commit: CommitId) -> Result<Render, RenderError> {
    let versions = secret_versions(target, &world.ledger.facts());
    fact(world.rendering(Secrets::Marked(&versions)), target, commit).await
}

/// The objects of `target` at `commit`.
///
/// # Errors
/// [`RenderError`] that names the template, the parameter or the object at fault.
pub async fn render<'a>(
    around: impl Into<Surroundings<'a>>,
    target: &Target,
    commit: CommitId,
    draw: &mut (dyn Draw + Send),
) -> Result<Rendered, RenderError> {
    let around = around.into();
    let mirror = mirror(around.mirrors, target, commit).await?;
    let (all, generated) = match target.provider {
        Provider::OpenshiftTemplate => {
            let (template, place) = template(&mirror, target, commit).await?;
            processed(&template, &place, &parameters::of_template(around, target, commit, &template).await?, draw)?
        }
        Provider::Directory => (from_directory(&mirror, target, commit).await?, BTreeMap::new()),
        Provider::Helm => (program::helm(around, &mirror, target, commit).await?, BTreeMap::new()),
        Provider::Kustomize => {
            let (template, place) = program::kustomize(around, &mirror, target, commit).await?;
            processed(&template, &place, &parameters::of(around, target, commit)?, draw)?
        }
    };
    sort_out(target, all, generated)
}

/// The parameters that the target's template declares; none where it is of another kind.
///
/// # Errors
/// As [`render`], of the template itself.
pub(crate) async fn declared(mirrors: &Mirrors, target: &Target, commit: CommitId) -> Result<Option<BTreeSet<String>>, RenderError> {
    if target.provider != Provider::OpenshiftTemplate {
        return Ok(None);
    }
    let (template, _) = template(&*mirror(mirrors, target, commit).await?, target, commit).await?;
    Ok(Some(template.parameters().iter().map(|parameter| parameter.name.clone()).collect()))
}

async fn mirror(mirrors: &Mirrors, target: &Target, commit: CommitId) -> Result<Arc<Mirror>, RenderError> {
    let found = mirrors.with_commit(&target.url, commit).await;
    found.map_err(|e| RenderError { class: e.class(), message: format!("{} at {}: {e}", target.url, commit.short(12)) })
}

/// The target's template, and where it stands.
async fn template(mirror: &Mirror, target: &Target, commit: CommitId) -> Result<(Template, String), RenderError> {
    let text = read(mirror, target, commit, &target.path).await?;
    let place = format!("{} of {} at {}", target.path, target.url, commit.short(12));
    let template = Template::parse(&text).map_err(|e| RenderError::own(format!("{place}: {e}")))?;
    Ok((template, place))
}

/// Processes a template.
fn processed(
    template: &Template,
    place: &str,
    values: &BTreeMap<String, String>,
    draw: &mut (dyn Draw + Send),
) -> Result<(Vec<Value>, BTreeMap<String, String>), RenderError> {
    let labels = BTreeMap::new();
    let request = Request { params: values, labels: &labels, ignore_unknown: true };
    let done = towpath_template::process(template, &request, draw).map_err(|e| RenderError::own(format!("{place}: {e}")))?;
    Ok((done.objects, done.generated))
}

/// Every file of the folder, not of folders below it, in the order of their names.
async fn from_directory(mirror: &Mirror, target: &Target, commit: CommitId) -> Result<Vec<Value>, RenderError> {
    let folder = target.path.trim_matches('/');
    let place = format!("{} of {} at {}", target.path, target.url, commit.short(12));
    let entries = mirror.list_tree(commit, folder).await.map_err(|e| RenderError { class: e.class(), message: format!("{place}: {e}") })?;
    if entries.is_empty() {
        return Err(RenderError::own(format!(
            "{} has no folder {} at {}; add it, or correct the `path` of resource template {} in {}",
            target.url,
            target.path,
            commit.short(12),
            target.resource_template,
            target.saas_file.place.file
        )));
    }
    let mut found = Vec::new();
    for entry in entries {
        let inside = entry.path.strip_prefix(folder).unwrap_or(&entry.path).trim_start_matches('/');
        let is_manifest = [".yml", ".yaml", ".json"].iter().any(|end| inside.ends_with(end));
        if inside.contains('/') || !is_manifest {
            continue;
        }
        // A link is refused by name: what it leads to is never read, and leaving it out would prune what it once gave.
        let text = read(mirror, target, commit, &entry.path).await?;
        let documents = towpath_template::yaml::documents(&text)
            .map_err(|e| RenderError::own(format!("{} at {}: {e}", entry.path, commit.short(12))))?;
        found.extend(documents);
    }
    Ok(found)
}

async fn read(mirror: &Mirror, target: &Target, commit: CommitId, path: &str) -> Result<String, RenderError> {
    let bytes = mirror
        .read_file(commit, path.trim_start_matches('/'))
        .await
        .map_err(|e| RenderError { class: e.class(), message: format!("{path} of {} at {}: {e}", target.url, commit.short(12)) })?;
    let Some(bytes) = bytes else {
        return Err(RenderError::own(format!(
            "{} has no {path} at {}; add the file, or correct the `path` of resource template {} in {}",
            target.url,
            commit.short(12),
            target.resource_template,
            target.saas_file.place.file
        )));
    };
    String::from_utf8(bytes).map_err(|_| RenderError::own(format!("{path} of {} at {} is not UTF-8", target.url, commit.short(12))))
}

/// Keeps what the saas file manages, and refuses what may not be.
fn sort_out(target: &Target, all: Vec<Value>, generated: BTreeMap<String, String>) -> Result<Rendered, RenderError> {
    let saas = &target.saas_file;
    let mut kept = Vec::new();
    let mut left_out = Vec::new();
    for object in objects::flatten(all) {
        if objects::is_managed(&object, &saas.managed_resource_types, &saas.managed_resource_names) {
            kept.push(object);
        } else {
            left_out.push(format!("{} is left out: {} does not manage it", objects::title(&object), saas.name));
        }
    }
    let mut wrong: Vec<String> = objects::check(&kept).iter().map(ToString::to_string).collect();
    wrong.extend(objects::duplicates(&kept).iter().map(|twice| format!("{twice} is there twice; keep one of them")));
    if !wrong.is_empty() {
        return Err(RenderError::own(format!("{}: {}", target.title(), wrong.join("; "))));
    }
    let forbidden =
        |named: &objects::ImageUse| !saas.image_patterns.is_empty() && !objects::image_allowed(&named.image, &saas.image_patterns);
    let refuse = |named: &objects::ImageUse| {
        RenderError::own(format!(
            "{}: {}: the image {} begins with none of the imagePatterns of {}; add a pattern there or use another image",
            named.object, named.path, named.image, saas.place
        ))
    };
    // What cannot be the name of an image is pulled by nobody, such as the address of a logo.
    let elsewhere = objects::images_elsewhere(&kept).into_iter().filter(|named| named.image.parse::<ImageRef>().is_ok());
    if let Some(named) = elsewhere.into_iter().find(|named| forbidden(named)) {
        return Err(refuse(&named));
    }
    let mut images = Vec::new();
    for named in objects::images(&kept) {
        if forbidden(&named) {
            return Err(refuse(&named));
        }
        let image: ImageRef = named.image.parse().map_err(|e| RenderError::own(format!("{}: {}: {e}", named.object, named.path)))?;
        if !images.contains(&image) {
            images.push(image);
        }
    }
    Ok(Rendered { objects: kept, left_out, generated, images })
}

//! The parts of a check as they are applied: rendered in its namespace, with the image of what is checked, pinned by digests.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use towpath_catalog::Target;
use towpath_cluster::{ObjectKey, Owner};
use towpath_domain::{Digest, FailureClass, ImageRef, Timestamp};
use towpath_engine::Subject;
use towpath_engine::check::Blame;
use towpath_template::{Recorded, objects};

use super::image::Made;
use super::inputs::{Inputs, Part, Role, fault};
use super::objects::{Settings, derived, moved, retagged, stand_in};
use super::place::Place;
use super::{Check, blame};
use crate::journal::Stop;
use crate::render::{self, Secrets};
use crate::work::deploy::{self, bits, memory, secrets};
use crate::work::heard::artifacts::{Expected, expected};
use crate::work::keys::{key, keys};

/// The step that finds out what is applied: all that may be wrong with it is told before anything is touched.
const STEP: &str = "deploy render";

/// One target, as it is applied.
pub(super) struct Component {
    pub(super) role: Role,
    /// Whose fault it is when it fails.
    pub(super) fault: Blame,
    /// As it is in the check's namespace.
    pub(super) target: Target,
    pub(super) owner: Owner,
    pub(super) objects: Vec<Value>,
    pub(super) keys: Vec<ObjectKey>,
    /// What it leaves as a test.
    pub(super) expected: Expected,
}

/// All parts of a check, as they are applied.
pub(super) struct Prepared {
    /// When applying began, or was about to: the time that the check may take counts from here.
    pub(super) began: Timestamp,
    /// What is deployed, dependencies first, and then the tests.
    pub(super) components: Vec<Component>,
    /// The images of all of it.
    pub(super) digests: BTreeMap<ImageRef, Digest>,
}

/// What the step finds.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    began: Timestamp,
    /// Values that were drawn, by target.
    generated: BTreeMap<String, BTreeMap<String, String>>,
    digests: BTreeMap<ImageRef, Digest>,
}

/// A part that was rendered.
struct Rendered<'a> {
    part: &'a Part,
    fault: Blame,
    target: Target,
    objects: Vec<Value>,
    generated: BTreeMap<String, String>,
    notes: Vec<String>,
}

/// Renders all parts.
pub(super) async fn prepare(check: &Check<'_>, inputs: &Inputs, place: &Place, made: &Made) -> Result<Prepared, Stop> {
    let Check { world, journal, .. } = check;
    let found: Found = journal
        .step(STEP, || async {
            let rendered = render_all(check, inputs, place, made, &BTreeMap::new()).await?;
            let mut digests = BTreeMap::from([(made.image.clone(), made.digest)]);
            for one in &rendered {
                one.notes.iter().for_each(|note| journal.note(note));
                images(check, one, &mut digests).await?;
            }
            let generated = rendered.into_iter().map(|one| (one.part.target.to_string(), one.generated)).collect();
            Ok(Found { began: world.clock.now(), generated, digests })
        })
        .await?;
    let mut components = Vec::with_capacity(inputs.parts.len());
    for one in render_all(check, inputs, place, made, &found.generated).await? {
        components.push(component(check, one, &found.digests)?);
    }
    Ok(Prepared { began: found.began, components, digests: found.digests })
}

/// Adds the digests of the images that a part names.
async fn images(check: &Check<'_>, one: &Rendered<'_>, digests: &mut BTreeMap<ImageRef, Digest>) -> Result<(), Stop> {
    for named in objects::images(&one.objects) {
        if named.image.parse().is_ok_and(|image: ImageRef| digests.contains_key(&image)) {
            continue;
        }
        let (image, digest) = bits::found(check.world, &named).await.map_err(|stop| blame::on(&one.fault, stop))?;
        check.journal.note(format!("{image} is {digest}"));
        digests.insert(image, digest);
    }
    Ok(())
}

async fn render_all<'a>(
    check: &Check<'_>,
    inputs: &'a Inputs,
    place: &Place,
    made: &Made,
    generated: &BTreeMap<String, BTreeMap<String, String>>,
) -> Result<Vec<Rendered<'a>>, Stop> {
    let none = BTreeMap::new();
    let mut all = Vec::with_capacity(inputs.parts.len());
    let mut tags_met: BTreeSet<&str> = BTreeSet::new();
    for part in &inputs.parts {
        let drawn = generated.get(part.target.as_str()).unwrap_or(&none);
        let mut one = render_one(check, part, place, made, drawn).await?;
        for (name, tag) in &check.work.overrides.image_tags {
            if !retagged(&mut one.objects, name, tag).is_empty() {
                tags_met.insert(name);
            }
        }
        match (&part.role, objects::only_jobs(&one.objects)) {
            (Role::Test(_), true) | (Role::Own | Role::Dependency, false) => all.push(one),
            (Role::Test(name), false) => {
                return Err(blame::said(format!(
                    "{} is named as the test {name}, and its objects are not jobs alone; correct `check.tests` in {}",
                    one.target.title(),
                    check.source.place
                )));
            }
            // What only runs to an end tests something, and is run where it is asked for.
            (Role::Own | Role::Dependency, true) => {}
        }
    }
    if let Some(name) = check.work.overrides.image_tags.keys().find(|name| !tags_met.contains(name.as_str())) {
        let mut there: Vec<String> = all.iter().flat_map(|one| objects::images(&one.objects)).map(|named| named.image).collect();
        there.sort();
        there.dedup();
        return Err(blame::said(format!("a tag is set for the image {name}, which nothing names; there are {}", there.join(", "))));
    }
    once_each(&mut all)?;
    Ok(all)
}

async fn render_one<'a>(
    check: &Check<'_>,
    part: &'a Part,
    place: &Place,
    made: &Made,
    drawn: &BTreeMap<String, String>,
) -> Result<Rendered<'a>, Stop> {
    let Check { world, work, source, said, catalog, .. } = check;
    let target = deploy::known_target(catalog, &part.target)?;
    let fault = fault(&target, &part.role);
    let stop = |stop: Stop| blame::on(&fault, stop);
    let failed = |error: render::RenderError| Stop::failed(error.class, error);
    let declared = render::declared(&world.mirrors, &target, part.commit).await.map_err(|error| stop(failed(error)))?;
    let set = work.overrides.parameters.get(&target.resource_template);
    if let (Some(set), Some(declared)) = (set, &declared)
        && let Some(name) = set.keys().find(|name| !declared.contains(*name))
    {
        let there = declared.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let template = &target.resource_template;
        return Err(blame::said(format!("the template of {template} has no parameter {name}; it has {there}")));
    }
    let is_own = target.source.as_ref() == Some(&source.name);
    let settings =
        Settings { place, said, own_tag: is_own.then(|| made.tag()), declared: declared.as_ref(), set, without_secrets: work.from_fork };
    let (derived, left_out) = derived(&target, &settings);
    let values = secrets::read(world, &derived).await.map_err(stop)?;
    check.hide(secrets::hidden(&[], &values));
    let mut draw = Recorded::new(drawn);
    let around = world.rendering(Secrets::Values(&values));
    let rendered = render::render(around, &derived, part.commit, &mut draw).await;
    let rendered = rendered.map_err(|mut error| {
        if !left_out.is_empty() {
            error.message.push_str("; ");
            error.message.push_str(&without(&left_out));
        }
        stop(failed(error))
    })?;
    let mut objects = rendered.objects;
    check.hide(secrets::hidden(&objects, &values));
    let mut notes = vec![format!("{}: {} objects at {}", derived.title(), objects.len(), part.commit.short(12))];
    if !left_out.is_empty() {
        notes.push(format!("{}: {}", derived.title(), without(&left_out)));
    }
    notes.extend(rendered.left_out);
    moved(&mut objects, &place.namespace);
    if is_own {
        for image in retagged(&mut objects, &source.image, made.tag()).into_iter().filter(|image| *image != made.image) {
            notes.push(format!("{}: {} in the place of {image}", derived.title(), made.image));
        }
    }
    if matches!(part.role, Role::Own | Role::Dependency) && objects::only_jobs(&objects) {
        notes.push(format!("{} is jobs alone, and is not deployed: name it in `check.tests` to have it run", derived.title()));
    }
    Ok(Rendered { part, fault, target: derived, objects, generated: rendered.generated, notes })
}

fn without<T>(left_out: &BTreeMap<String, T>) -> String {
    let names = left_out.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    format!("the secret parameters {names} are left out, since a pull request from a fork gets no secrets: the template's defaults count")
}

/// One namespace holds each object once. What several parts have alike is the first one's.
fn once_each(all: &mut [Rendered<'_>]) -> Result<(), Stop> {
    let mut seen: BTreeMap<ObjectKey, (Value, String)> = BTreeMap::new();
    for one in all {
        let mut kept = Vec::with_capacity(one.objects.len());
        for object in std::mem::take(&mut one.objects) {
            let key = key(&object)?;
            match seen.get(&key) {
                None => {
                    seen.insert(key, (object.clone(), one.target.title()));
                    kept.push(object);
                }
                Some((other, _)) if *other == object => {}
                Some((_, title)) => {
                    return Err(blame::said(format!(
                        "{} of {} is in {title} too, and is otherwise there; in one namespace there can be only one of them",
                        key.title(),
                        one.target.title()
                    )));
                }
            }
        }
        one.objects = kept;
    }
    Ok(())
}

/// A part as it is applied.
fn component(check: &Check<'_>, one: Rendered<'_>, digests: &BTreeMap<ImageRef, Digest>) -> Result<Component, Stop> {
    let Check { world, journal, .. } = check;
    let Rendered { part, fault, target, objects, .. } = one;
    let is_test = matches!(part.role, Role::Test(_));
    let mut objects = bits::pin(objects, digests);
    if is_test {
        let memory = world.ledger.facts().memory.get(&Subject::Target(part.target.clone())).copied();
        memory::provide(&mut objects, target.saas_file.deploy_resources.as_ref(), memory);
    }
    let unnamed = || Stop::failed(FailureClass::Unknown, format!("{} cannot be named in {}", target.title(), target.namespace));
    let stand_in = stand_in(&part.target, &target.namespace).ok_or_else(unnamed)?;
    let owner = Owner { target: stand_in, ..deploy::owner(&target, journal.run(), part.commit) };
    let keys = keys(&objects)?;
    let expected = match is_test {
        true => expected(world, &target, true, &objects).map_err(|stop| blame::on(&fault, stop))?,
        false => Expected::default(),
    };
    Ok(Component { role: part.role.clone(), fault, target, owner, objects, keys, expected })
}

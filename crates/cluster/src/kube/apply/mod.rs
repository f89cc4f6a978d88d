//! What is wanted becomes what is there, by server-side apply.

mod compare;
pub(super) mod order;
mod prepare;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use http::Method;
use kube::core::Status;
use serde_json::{Value, json};
use tokio::time::Instant;
use towpath_domain::NamespaceName;

use super::request::{APPLY, Body, Fault, JSON, is_refusal};
use super::{Core, labels, prune};
use crate::api::{Applied, AppliedObject, BoxFuture, Change, ClusterError, ObjectDiff, Owner, Refusal};
use crate::diff::unified;
pub(super) use prepare::plain;
use prepare::{Item, prepare};

/// Who Towpath is among those who hold fields.
pub(super) const MANAGER: &str = "towpath";

/// Answers of which only the metadata is wanted. <https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches>
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// How many objects are sent at the same time; how many requests then are under way is limited once more, for the whole cluster.
const AT_ONCE: usize = 32;

/// How long an object that is made anew may take to go, and a definition to be established.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// How often it is tried again when somebody else wrote the object at the same moment.
const RACES: u32 = 5;

/// How many objects a message names.
const TITLES: usize = 5;

/// How often it is looked whether an object is gone.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(150);

/// Whether the objects could be applied, asked of the server itself: a dry run of all that would change.
pub(super) async fn check(core: &Core, namespace: &NamespaceName, owner: &Owner, objects: &[Value]) -> Result<Vec<String>, ClusterError> {
    let items = prepare(core, namespace, owner, objects).await?;
    let makes_namespace = items.iter().any(|item| item.is(("", "Namespace")) && item.key.name == namespace.as_str() && item.live.is_none());
    let (untried, tried): (Vec<&Item>, Vec<&Item>) =
        items.iter().partition(|item| item.is_awaited || (makes_namespace && item.kind.namespaced));
    let mut trials: Vec<BoxFuture<'_, _>> = Vec::new();
    for item in tried.into_iter().filter(|item| !item.is_unchanged() && !item.is_done_once()) {
        trials.push(Box::pin(send(core, namespace, owner, item, Sent::Tried)));
    }
    collect(core, all(trials).await)?;
    if untried.is_empty() {
        return Ok(Vec::new());
    }
    let titles: Vec<String> = untried.iter().take(TITLES).map(|item| item.key.title()).collect();
    let more = if untried.len() > TITLES { format!(" and {} more", untried.len() - TITLES) } else { String::new() };
    Ok(vec![format!(
        "{}{more} could not be tried beforehand: the namespace or the kind is made by what is applied with it",
        titles.join(", ")
    )])
}

/// Applies the objects: wave by wave, rank by rank, and what has the same place at the same time.
pub(super) async fn apply(core: &Core, namespace: &NamespaceName, owner: &Owner, objects: &[Value]) -> Result<Applied, ClusterError> {
    let items = prepare(core, namespace, owner, objects).await?;
    let mut places: Vec<(i64, usize)> = items.iter().map(|item| order::place(&item.wanted)).collect();
    places.sort_unstable();
    places.dedup();
    let mut changes: Vec<Option<Change>> = vec![None; items.len()];
    for place in places {
        let mut here: Vec<BoxFuture<'_, _>> = Vec::new();
        for (index, item) in items.iter().enumerate().filter(|(_, item)| order::place(&item.wanted) == place) {
            here.push(Box::pin(async move { bring(core, namespace, owner, item).await.map(|change| (index, change)) }));
        }
        for (index, change) in collect(core, all(here).await)? {
            if let Some(slot) = changes.get_mut(index) {
                *slot = Some(change);
            }
        }
    }
    let objects = items
        .into_iter()
        .zip(changes)
        .map(|(item, change)| AppliedObject { key: item.key, change: change.unwrap_or(Change::Unchanged) })
        .collect();
    Ok(Applied { objects, notes: Vec::new() })
}

/// What applying and the pruning after it would change, as the server itself would have it.
pub(super) async fn diff(
    core: &Core,
    namespace: &NamespaceName,
    owner: &Owner,
    objects: &[Value],
) -> Result<Vec<ObjectDiff>, ClusterError> {
    let items = prepare(core, namespace, owner, objects).await?;
    let mut looks: Vec<BoxFuture<'_, _>> = Vec::new();
    for item in items.iter().filter(|item| !item.is_unchanged()) {
        looks.push(Box::pin(differs(core, namespace, owner, item)));
    }
    let found = all(looks).await;
    let mut diffs: Vec<ObjectDiff> = collect(core, found)?.into_iter().flatten().collect();
    if !items.is_empty() {
        let keep: Vec<_> = items.iter().map(|item| item.key.clone()).collect();
        for (key, object) in prune::surplus(core, namespace, owner, &keep).await? {
            diffs.push(ObjectDiff { key, change: None, lines: unified(Some(&compare::readable(&object)), None) });
        }
    }
    Ok(diffs)
}

/// What applying would change in one object.
async fn differs(core: &Core, namespace: &NamespaceName, owner: &Owner, item: &Item) -> Result<Option<ObjectDiff>, Outcome> {
    let wanted = compare::readable(&item.wanted);
    let shown = |change, before: Option<&Value>, after: &Value| {
        let lines = unified(before, Some(after));
        (!lines.is_empty()).then(|| ObjectDiff { key: item.key.clone(), change: Some(change), lines })
    };
    if item.is_done_once() || item.is_awaited {
        // Another run makes it anew, or makes its kind first; a dry run would only say that it cannot be.
        return Ok(shown(Change::Created, None, &wanted));
    }
    let (after, refused) = match send(core, namespace, owner, item, Sent::Shown).await {
        Ok(after) => (after, None),
        // Most likely others hold fields: what it would come to without them is worth knowing, too.
        Err(Outcome::Refused(refusal)) if item.live.is_some() && !owner.scope.takeover => {
            let mut taking_over = owner.clone();
            taking_over.scope.takeover = true;
            match send(core, namespace, &taking_over, item, Sent::Shown).await {
                Ok(after) => (after, Some(refusal)),
                Err(Outcome::Refused(_)) => return Err(Outcome::Refused(refusal)),
                Err(stop) => return Err(stop),
            }
        }
        Err(other) => return Err(other),
    };
    let before = match &item.live {
        // Only its labels were listed when it is somebody else's.
        Some(_) => core.read::<Value>(&item.path(namespace)).await.map_err(Outcome::Stop)?,
        None => None,
    };
    let mut found = match before.map(|live| compare::readable(&live)) {
        // The server took it; what it would fill in is of no interest to anybody.
        None => shown(Change::Created, None, &wanted),
        Some(before) => shown(Change::Changed, Some(&before), &compare::asked_for(&compare::readable(&after), &before, &wanted)),
    };
    if let Some(refusal) = refused {
        let found = found.get_or_insert_with(|| ObjectDiff { key: item.key.clone(), change: Some(Change::Changed), lines: Vec::new() });
        found.lines.insert(0, format!("! the deploy will be refused: {} {}", refusal.field, refusal.why));
    }
    Ok(found)
}

/// Carries futures out, several at a time; answers in their order.
async fn all<T>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    stream::iter(futures).buffered(AT_ONCE).collect().await
}

/// What one object came to: refusals are gathered with those of the others, anything else stops.
enum Outcome {
    /// The object is refused.
    Refused(Refusal),
    /// A permission is missing: the object, and what the server says of it.
    Forbidden(String, String),
    Stop(ClusterError),
}

fn collect<T>(core: &Core, outcomes: Vec<Result<T, Outcome>>) -> Result<Vec<T>, ClusterError> {
    let (mut good, mut refusals) = (Vec::new(), Vec::new());
    let mut forbidden: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for outcome in outcomes {
        match outcome {
            Ok(value) => good.push(value),
            Err(Outcome::Refused(refusal)) => refusals.push(refusal),
            Err(Outcome::Forbidden(object, why)) => forbidden.entry(why).or_default().push(object),
            Err(Outcome::Stop(error)) => return Err(error),
        }
    }
    if !refusals.is_empty() {
        let missing = forbidden.into_iter().flat_map(|(why, objects)| {
            objects.into_iter().map(move |object| Refusal { object, field: String::new(), why: format!("{why}; grant the permission") })
        });
        refusals.extend(missing);
        refusals.sort_by(|a, b| a.object.cmp(&b.object));
        return Err(ClusterError::Refused { refusals });
    }
    if forbidden.is_empty() {
        return Ok(good);
    }
    let told: Vec<String> = forbidden
        .iter()
        .map(|(why, objects)| {
            let more = if objects.len() > TITLES { format!(" and {} more", objects.len() - TITLES) } else { String::new() };
            let named: Vec<&str> = objects.iter().take(TITLES).map(String::as_str).collect();
            format!("{why} (for {}{more})", named.join(", "))
        })
        .collect();
    Err(ClusterError::Forbidden { cluster: core.name.clone(), why: told.join("; ") })
}

/// Brings one object to what is wanted.
async fn bring(core: &Core, namespace: &NamespaceName, owner: &Owner, item: &Item) -> Result<Change, Outcome> {
    if item.is_done_once() {
        return make_anew(core, namespace, owner, item).await;
    }
    if item.is_unchanged() {
        return Ok(Change::Unchanged);
    }
    // Servers keep some values in another form than they are written in, such as `1000m` as `1`. Whether that is all, only the server knows;
    // and older ones write an object anew that is applied as it is.
    if let Some(live) = item.live.as_ref().filter(|live| item.was_applied(live)) {
        let after = send(core, namespace, owner, item, Sent::Shown).await?;
        if compare::is_same(live, &after) {
            return Ok(Change::Unchanged);
        }
    }
    let before = item.live.as_ref().and_then(|live| live.pointer("/metadata/resourceVersion").cloned());
    let after = send(core, namespace, owner, item, Sent::Applied).await?;
    if item.key.kind == "CustomResourceDefinition" {
        established(core, namespace, item).await?;
    }
    Ok(match before {
        None => Change::Created,
        Some(before) if after.pointer("/metadata/resourceVersion") == Some(&before) => Change::Unchanged,
        Some(_) => Change::Changed,
    })
}

/// A job that this run made is left as it is, so that a worker that takes the run over makes no second one. One of an earlier run goes first.
async fn make_anew(core: &Core, namespace: &NamespaceName, owner: &Owner, item: &Item) -> Result<Change, Outcome> {
    let Some(live) = &item.live else {
        return send(core, namespace, owner, item, Sent::Applied).await.map(|_| Change::Created);
    };
    let going = live.pointer("/metadata/deletionTimestamp").is_some();
    if labels::annotation(live, labels::RUN) == owner.run.as_str() && !going {
        return Ok(Change::Unchanged);
    }
    prune::delete(core, &item.path(namespace), live).await.map_err(Outcome::Stop)?;
    let end = Instant::now() + GONE_WITHIN;
    while core.read::<Value>(&item.path(namespace)).await.map_err(Outcome::Stop)?.is_some() {
        if Instant::now() > end {
            return Err(Outcome::Stop(core.away(format!(
                "{} of an earlier run does not go within {} s; see which finalizer holds it",
                item.key,
                GONE_WITHIN.as_secs()
            ))));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    send(core, namespace, owner, item, Sent::Applied).await.map(|_| Change::Changed)
}

/// Waits until objects of a new kind can be made.
async fn established(core: &Core, namespace: &NamespaceName, item: &Item) -> Result<(), Outcome> {
    let end = Instant::now() + GONE_WITHIN;
    loop {
        let live = core.read::<Value>(&item.path(namespace)).await.map_err(Outcome::Stop)?.unwrap_or_default();
        let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
        let is = |condition: &Value| condition["type"] == "Established" && condition["status"] == "True";
        if conditions.is_some_and(|conditions| conditions.iter().any(is)) || Instant::now() > end {
            core.kinds.forget();
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What is to become of an object that is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// It is applied; the answer holds its metadata only, which spares the server much.
    Applied,
    /// It is tried; the answer holds its metadata only.
    Tried,
    /// It is tried, and the answer holds all of it.
    Shown,
}

/// Sends one object by server-side apply; answers with what it became.
async fn send(core: &Core, namespace: &NamespaceName, owner: &Owner, item: &Item, sent: Sent) -> Result<Value, Outcome> {
    let mut path = format!("{}?fieldManager={MANAGER}", item.path(namespace));
    if owner.scope.takeover {
        path.push_str("&force=true");
    }
    if sent != Sent::Applied {
        path.push_str("&dryRun=All");
    }
    let accept = (sent != Sent::Shown).then_some(METADATA_ONLY);
    let body = item.body(owner);
    let (known, mut races) = (Instant::now() + GONE_WITHIN, 0);
    loop {
        match core.send(Method::PATCH, &path, accept, Some(Body { kind: APPLY, value: &body })).await {
            Ok(after) => return Ok(after),
            // Its kind was defined a moment ago, and not every server of the cluster has heard of it.
            Err(Fault::Refused(status)) if status.code == 404 && item.is_awaited && Instant::now() < known => {}
            Err(Fault::Refused(status)) if is_race(&status) && races < RACES => races += 1,
            Err(fault) => return Err(outcome(core, namespace, item, fault)),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether somebody else only wrote the object at the same moment; a conflict about fields names them.
fn is_race(status: &Status) -> bool {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    status.code == 409 && !causes.iter().any(|cause| cause.reason == "FieldManagerConflict")
}

fn outcome(core: &Core, namespace: &NamespaceName, item: &Item, fault: Fault) -> Outcome {
    let Fault::Refused(status) = fault else {
        return Outcome::Stop(core.error(&format!("applying {}", item.key), fault));
    };
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    let fields: Vec<&str> = causes.iter().map(|cause| cause.field.as_str()).filter(|field| !field.is_empty()).collect();
    // What a server says of a secret may quote what it holds.
    let hidden = item.key.kind == "Secret";
    let said = if hidden { "its content is refused by the server".to_owned() } else { status.message.clone() };
    let why = match status.code {
        409 => {
            let owners: Vec<String> = causes.iter().map(|cause| cause.message.clone()).collect();
            format!(
                "others hold what it sets ({}); agree with them who sets it, or set `takeover: true` in the saas file",
                if owners.is_empty() { said } else { owners.join("; ") }
            )
        }
        422 if status.message.contains("immutable") => {
            format!("{said}; what cannot be changed needs another name, or the object deleted first")
        }
        400 | 415 | 422 => said,
        _ if is_refusal(&status) => said,
        403 if is_missing_permission(&status) => {
            // Without the object's name, which differs, what is missing is one thing.
            let why = said.split_once(" is forbidden: ").map_or(said.as_str(), |(_, why)| why).to_owned();
            return Outcome::Forbidden(item.key.title(), why);
        }
        403 if status.message.contains("exceeded quota") => format!("{said}; make room in the namespace, or have its quota raised"),
        403 => format!("{said}; correct what the cluster does not admit"),
        404 => format!("{said}; create namespace {namespace} on cluster {}, or correct the target's namespace", core.name),
        _ => return Outcome::Stop(core.error(&format!("applying {}", item.key), Fault::Refused(status))),
    };
    Outcome::Refused(Refusal { object: item.key.title(), field: fields.join(", "), why })
}

/// Whether a permission is what is missing. Quotas, policies and webhooks refuse with the same code.
pub(super) fn is_missing_permission(status: &Status) -> bool {
    status.message.contains(" cannot ") && status.message.contains(" resource ")
}

/// How an object is deleted: what it made goes after it.
pub(super) fn deletion(live: &Value) -> Value {
    let mut options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background" });
    // Not one of the same name that somebody made meanwhile.
    if let Some(uid) = live.pointer("/metadata/uid") {
        options["preconditions"] = json!({ "uid": uid });
    }
    options
}

/// How options are sent.
pub(super) const OPTIONS: &str = JSON;

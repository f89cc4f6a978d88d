//! Namespaces leased from a cluster that runs the ephemeral-namespace-operator.
//!
//! Its habits, as they were observed: a reservation without a duration stops the operator; one of a pool that is not there waits for ever; its time
//! counts from when it is made, waiting included; a duration of `0s` gives it back, and the operator deletes it some seconds later; it never sets
//! the state `expired`, which its command line looks for.

use http::Method;
use serde_json::{Value, json};
use towpath_domain::{FailureClass, NamespaceName, Span, Timestamp};

use super::labels::annotation;
use super::namespaces::mark::{self, INSTALLATION_NAME as INSTALLATION};
use super::request::{Body, Fault, JSON};
use super::single::MERGE;
use super::{Core, KubeCluster, discover};
use crate::api::{BoxFuture, ClusterError, Refusal, ReservationStanding, ReservationWanted, Reservations, is_dns_name};

const GROUP: &str = "cloud.redhat.com";

impl Reservations for KubeCluster {
    fn reserve<'a>(&'a self, wanted: &'a ReservationWanted) -> BoxFuture<'a, Result<(), ClusterError>> {
        Box::pin(reserve(&self.core, wanted))
    }

    fn look<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<ReservationStanding, ClusterError>> {
        Box::pin(look(&self.core, name))
    }

    fn extend<'a>(&'a self, name: &'a str, installation: &'a str, lasting: Span) -> BoxFuture<'a, Result<(), ClusterError>> {
        Box::pin(extend(&self.core, name, installation, lasting))
    }

    fn release<'a>(&'a self, name: &'a str, installation: &'a str) -> BoxFuture<'a, Result<bool, ClusterError>> {
        Box::pin(release(&self.core, name, installation))
    }
}

async fn reserve(core: &Core, wanted: &ReservationWanted) -> Result<(), ClusterError> {
    let title = format!("NamespaceReservation/{}", wanted.name);
    let refuse = |field: &str, why: String| refused(&title, field, why);
    if !is_dns_name(&wanted.name) || wanted.name.contains(['.', ':']) || wanted.name.len() > 63 {
        return Err(refuse("metadata.name", "is no DNS label (at most 63 lower-case letters, digits and dashes)".to_owned()));
    }
    if wanted.lasting.as_millis() < 1000 {
        return Err(refuse("spec.duration", format!("is {}, less than a second; reserve it for longer", written(wanted.lasting))));
    }
    let Some(kinds) = kinds(core).await? else { return Err(refuse("", no_operator(core))) };
    let pool = pool(core, &kinds, &wanted.pool).await?;
    if pool.is_none() {
        let there = pools(core, &kinds).await?;
        let offered = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        let why = format!(
            "is {:?}, a NamespacePool that cluster {} does not have, so that it would wait for ever; it has {offered}",
            wanted.pool, core.name
        );
        return Err(refuse("spec.pool", why));
    }
    let object = object(wanted, &kinds.version);
    match core.send(Method::POST, &kinds.reservation(None), None, Some(Body { kind: JSON, value: &object })).await {
        Ok(_) => return Ok(()),
        Err(Fault::Refused(status)) if status.reason == "AlreadyExists" => {}
        Err(Fault::Refused(status)) if matches!(status.code, 400 | 422) => {
            return Err(refuse("", format!("{}; correct what is reserved", status.message)));
        }
        Err(fault) => return Err(core.error(&format!("making {title}"), fault)),
    }
    match core.read::<Value>(&kinds.reservation(Some(&wanted.name))).await? {
        // It ended in this moment: whoever wants it asks again.
        None => {
            let why = "there was one of that name that ended in this moment; ask again".to_owned();
            Err(ClusterError::Api { cluster: core.name.clone(), what: format!("making {title}"), why, class: FailureClass::Environment })
        }
        Some(live) => other(&live, wanted).map_or(Ok(()), |why| Err(refuse("", why))),
    }
}

async fn look(core: &Core, name: &str) -> Result<ReservationStanding, ClusterError> {
    let Some(kinds) = kinds(core).await? else { return Ok(ReservationStanding::Absent) };
    let Some(live) = core.read::<Value>(&kinds.reservation(Some(name))).await? else { return Ok(ReservationStanding::Absent) };
    let waits = matches!(text(&live, "/status/state"), "" | "waiting");
    let pool = if waits { pool(core, &kinds, text(&live, "/spec/pool")).await? } else { None };
    Ok(standing(&live, pool.as_ref()))
}

async fn extend(core: &Core, name: &str, installation: &str, lasting: Span) -> Result<(), ClusterError> {
    let gone = |what: &str| ClusterError::NotFound {
        namespace: "(none)".to_owned(),
        what: format!("{what} {name} of installation {installation}"),
    };
    let Some(kinds) = kinds(core).await? else { return Err(gone("reservation")) };
    let live = core.read::<Value>(&kinds.reservation(Some(name))).await?;
    let Some(live) = live.filter(|live| annotation(live, INSTALLATION) == installation) else { return Err(gone("reservation")) };
    if standing(&live, None) == ReservationStanding::Ending {
        return Err(gone("reservation that has not ended"));
    }
    if duration(&live).is_some_and(|now| now >= lasting) {
        return Ok(());
    }
    patch(core, &kinds.reservation(Some(name)), &live, lasting).await.map(drop)
}

async fn release(core: &Core, name: &str, installation: &str) -> Result<bool, ClusterError> {
    let Some(kinds) = kinds(core).await? else { return Ok(true) };
    let live = core.read::<Value>(&kinds.reservation(Some(name))).await?;
    let Some(live) = live.filter(|live| annotation(live, INSTALLATION) == installation) else { return Ok(true) };
    if duration(&live) == Some(Span::from_millis(0)) || mark::is_going(&live) {
        return Ok(false);
    }
    patch(core, &kinds.reservation(Some(name)), &live, Span::from_millis(0)).await.map(|there| !there)
}

/// Sets the duration of that very reservation. Whether it was there.
async fn patch(core: &Core, path: &str, live: &Value, lasting: Span) -> Result<bool, ClusterError> {
    let patch = json!({"metadata": {"uid": live["metadata"]["uid"]}, "spec": {"duration": written(lasting)}});
    match core.send(Method::PATCH, path, None, Some(Body { kind: MERGE, value: &patch })).await {
        Ok(_) => Ok(true),
        // Gone, or another one by now.
        Err(Fault::Refused(status)) if matches!(status.code, 404 | 409) => Ok(false),
        Err(fault) => Err(core.error("changing a reservation's duration", fault)),
    }
}

/// The operator's kinds, in the version that the cluster serves.
struct Kinds {
    version: String,
    reservations: String,
    pools: String,
}

impl Kinds {
    fn reservation(&self, name: Option<&str>) -> String {
        format!("/apis/{}/{}{}", self.version, self.reservations, name.map(|name| format!("/{name}")).unwrap_or_default())
    }
}

/// None when the cluster does not have them.
async fn kinds(core: &Core) -> Result<Option<Kinds>, ClusterError> {
    for again in [true, false] {
        let reservation = discover::meant(core, &format!("NamespaceReservation.{GROUP}")).await?.into_iter().next();
        let pool = discover::meant(core, &format!("NamespacePool.{GROUP}")).await?.into_iter().next();
        if let (Some(reservation), Some(pool)) = (reservation, pool) {
            return Ok(Some(Kinds { version: reservation.api_version(), reservations: reservation.plural, pools: pool.plural }));
        }
        if again {
            // They may have been installed since.
            core.kinds.forget();
        }
    }
    Ok(None)
}

async fn pool(core: &Core, kinds: &Kinds, name: &str) -> Result<Option<Value>, ClusterError> {
    if !is_dns_name(name) {
        return Ok(None);
    }
    core.read(&format!("/apis/{}/{}/{name}", kinds.version, kinds.pools)).await
}

/// The names of all pools; none where they may not be listed.
async fn pools(core: &Core, kinds: &Kinds) -> Result<Vec<String>, ClusterError> {
    let list = match core.read::<Value>(&format!("/apis/{}/{}", kinds.version, kinds.pools)).await {
        Ok(list) => list.unwrap_or_default(),
        Err(ClusterError::Forbidden { .. }) => Value::Null,
        Err(error) => return Err(error),
    };
    let items = list.get("items").and_then(Value::as_array);
    Ok(items.into_iter().flatten().map(|pool| text(pool, "/metadata/name").to_owned()).collect())
}

fn no_operator(core: &Core) -> String {
    format!(
        "cannot be made: cluster {} has no NamespaceReservation and NamespacePool of {GROUP}; install the ephemeral-namespace-operator, or let \
         Towpath keep a pool of its own there",
        core.name
    )
}

fn refused(object: &str, field: &str, why: String) -> ClusterError {
    ClusterError::Refused { refusals: vec![Refusal { object: object.to_owned(), field: field.to_owned(), why }] }
}

fn text<'o>(object: &'o Value, pointer: &str) -> &'o str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The reservation, always with a duration.
fn object(wanted: &ReservationWanted, version: &str) -> Value {
    let mut spec = json!({"requester": wanted.requester, "pool": wanted.pool, "duration": written(wanted.lasting)});
    if let Some(team) = &wanted.team {
        spec["team"] = Value::from(team.as_str());
    }
    let metadata = json!({"name": wanted.name, "annotations": { INSTALLATION: wanted.installation }});
    json!({"apiVersion": version, "kind": "NamespaceReservation", "metadata": metadata, "spec": spec})
}

/// Why a reservation that is there is not the one that is wanted; none when it is. Its duration may have been extended since.
fn other(live: &Value, wanted: &ReservationWanted) -> Option<String> {
    let installation = annotation(live, INSTALLATION);
    if installation != wanted.installation {
        let whose = if installation.is_empty() { "was not made by Towpath" } else { "belongs to another Towpath" };
        return Some(format!("is there already and {whose} (requester {}); give it another name", text(live, "/spec/requester")));
    }
    if text(live, "/spec/requester") != wanted.requester || text(live, "/spec/pool") != wanted.pool {
        return Some(format!(
            "is there already for {} of pool {}; give it another name, or release that one first",
            text(live, "/spec/requester"),
            text(live, "/spec/pool")
        ));
    }
    (standing(live, None) == ReservationStanding::Ending).then(|| "is there and has ended; reserve again under another name".to_owned())
}

/// How a reservation stands. `pool` is its pool, where it is known.
fn standing(live: &Value, pool: Option<&Value>) -> ReservationStanding {
    let expires = mark::time(live, "/status/expiration").or_else(|| expiry(live));
    let waits = |why: String| ReservationStanding::Waiting { why, expires };
    if mark::is_going(live) || duration(live) == Some(Span::from_millis(0)) {
        return ReservationStanding::Ending;
    }
    match text(live, "/status/state") {
        "deleting" | "expired" => ReservationStanding::Ending,
        "active" => match NamespaceName::new(text(live, "/status/namespace")) {
            Ok(namespace) => ReservationStanding::Active { namespace, expires },
            Err(_) => waits("the operator says that it is active and names no namespace yet".to_owned()),
        },
        "" => waits("the operator has not looked at it yet; if that lasts, see whether it runs".to_owned()),
        "waiting" => waits(full(text(live, "/spec/pool"), pool)),
        state => waits(format!("the operator says {state:?}, a state that is not known here")),
    }
}

/// Why a pool has nothing to give, as far as it tells.
fn full(name: &str, pool: Option<&Value>) -> String {
    let Some(pool) = pool else { return format!("pool {name} is not there, so that it waits in vain; release it") };
    let count = |pointer: &str| pool.pointer(pointer).and_then(Value::as_i64);
    let (ready, creating, reserved) = (count("/status/ready"), count("/status/creating"), count("/status/reserved"));
    let of = |count: Option<i64>| count.unwrap_or_default();
    let limit = count("/spec/sizeLimit").map(|limit| format!(" of at most {limit}")).unwrap_or_default();
    format!(
        "pool {name} has no namespace free: {} ready, {} being made, {} reserved{limit}; the operator gives them to whoever asks first when one is",
        of(ready),
        of(creating),
        of(reserved)
    )
}

/// When it ends by what was asked for: its time counts from when it was made.
fn expiry(live: &Value) -> Option<Timestamp> {
    Some(mark::time(live, "/metadata/creationTimestamp")?.plus(duration(live)?))
}

/// A span as Go writes it: the operator knows no days.
fn written(span: Span) -> String {
    format!("{}s", span.as_millis() / 1000)
}

/// The reservation's duration. Go writes `1h0m0s`, and fractions, which are cut to whole units here.
fn duration(live: &Value) -> Option<Span> {
    let written = live.pointer("/spec/duration")?.as_str()?;
    // An empty one is an hour, to the operator.
    if written.is_empty() {
        return Some(Span::from_secs(3600));
    }
    if written == "0" {
        return Some(Span::from_millis(0));
    }
    written.parse().ok()
}

#[cfg(test)]
#[path = "reservation_tests.rs"]
mod tests;

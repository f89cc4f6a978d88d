//! `/namespaces`: ephemeral namespaces of pools, who has them, and who waits for one.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use towpath_control::view::{NamespaceFilter, NamespaceView, PoolView, ReservationView};
use towpath_control::{Scope, Verb};

use super::ask::Query;
use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;
use crate::problem::Refusal;

/// Which namespaces are shown.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    pool: String,
    #[serde(default)]
    requester: String,
}

/// A pool, with whether the caller may reserve of it.
struct Pool {
    view: PoolView,
    reserve: bool,
}

/// A namespace, with whether the caller may do something about its lease.
struct Namespace {
    view: NamespaceView,
    theirs: bool,
}

#[derive(Template)]
#[template(path = "namespaces.html")]
struct NamespacesPage<'a> {
    frame: &'a Frame,
    asked: &'a Asked,
    pools: Vec<Pool>,
    namespaces: Vec<Namespace>,
    waiting: Vec<(ReservationView, bool)>,
}

impl NamespacesPage<'_> {
    /// Whether the caller may reserve anywhere.
    fn reserves(&self) -> bool {
        self.pools.iter().any(|pool| pool.reserve)
    }

    fn filtered(&self) -> bool {
        !self.asked.pool.is_empty() || !self.asked.requester.is_empty()
    }
}

/// The page.
pub(super) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Namespaces, "Namespaces").known_to(&shared).await;
    let failed = |problem: Refusal| Failed::new(frame.clone(), problem);
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let filter = NamespaceFilter { pool: some(&asked.pool), requester: some(&asked.requester), apps: false };
    let pools = shared.brain.pools(caller.sight()).await.map_err(|problem| failed(problem.into()))?;
    let namespaces = shared.brain.namespaces(caller.sight(), filter.clone()).await.map_err(|problem| failed(problem.into()))?;
    let leases = shared.brain.reservations(caller.sight()).await.map_err(|problem| failed(problem.into()))?;
    let may = |app: &Option<String>, environment: &Option<String>| {
        let scope = Scope { app: app.as_deref().map(Into::into), environment: environment.as_deref().map(Into::into) };
        caller.grants.may(Verb::Reserve, &scope)
    };
    let all = caller.grants.may(Verb::Administer, &Scope::INSTALLATION);
    let theirs = |requester: Option<&str>, run: bool| !run && (all || caller.name.as_deref().is_none_or(|name| requester == Some(name)));
    let pools: Vec<Pool> =
        pools.into_iter().map(|view| Pool { reserve: may(&view.app, &view.environment) && !view.lease.is_empty(), view }).collect();
    let namespaces = namespaces
        .into_iter()
        .map(|view| {
            let theirs = view.state == "reserved" && theirs(view.requester.as_deref(), view.run.is_some());
            Namespace { theirs, view }
        })
        .collect();
    let waits = |lease: &ReservationView| {
        lease.position > 0
            && filter.pool.as_ref().is_none_or(|pool| lease.pool == *pool)
            && filter.requester.as_ref().is_none_or(|who| lease.requester == *who)
    };
    let waiting = leases.into_iter().filter(waits);
    let waiting =
        waiting.map(|lease| (theirs(Some(&lease.requester), lease.run.is_some()), lease)).map(|(own, lease)| (lease, own)).collect();
    Ok(show(&NamespacesPage { frame: &frame, asked: &asked, pools, namespaces, waiting }))
}

//! How a request is asked for, and by whom it is answered. Routers are made from lists of these and from nothing else, so that the tests of who may
//! what know every request that there is.

use axum::Router;
use axum::http::Method;
use axum::routing::MethodRouter;

use crate::api::Shared;

/// Method, path with its variable parts in braces, and handler.
pub(crate) type Route = (Method, &'static str, MethodRouter<Shared>);

/// A router of what is listed.
pub(crate) fn routed(list: Vec<Route>) -> Router<Shared> {
    list.into_iter().fold(Router::new(), |router, (_, path, handler)| router.route(path, handler))
}

//! `/auth/…`: signing in and out.

use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::Extension;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use serde::Deserialize;

use super::act::{local, own_form};
use super::ask::{Form, Query};
use super::{Failed, Frame, Nav, sent, show};
use crate::api::Shared;
use crate::auth::oidc::{Answered, Oidc, SignInError};
use crate::auth::{Auth, Cookie, Peer, Who};
use crate::caller::Caller;
use crate::draw::encode;
use crate::problem::Refusal;
use crate::route::{Route, routed};

/// The requests of signing in and out.
pub(crate) fn list() -> Vec<Route> {
    vec![
        (Method::GET, "/auth/login", get(login)),
        (Method::GET, "/auth/start", get(start)),
        (Method::GET, "/auth/callback", get(callback)),
        (Method::POST, "/auth/logout", post(logout)),
    ]
}

/// The pages, where people sign in.
pub(crate) fn router(auth: &Arc<Auth>) -> Router<Shared> {
    routed(list()).layer(middleware::from_fn(sent::sent)).layer(Extension(Arc::clone(auth)))
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    back: String,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: &'a Frame,
    provider: Option<&'a str>,
    start: String,
}

async fn login(Extension(auth): Extension<Arc<Auth>>, frame: Frame, Query(asked): Query<Asked>) -> Response {
    let start = format!("/auth/start?back={}", encode(local(&asked.back)));
    let mut response =
        show(&LoginPage { frame: &frame.on(Nav::Elsewhere, "Sign in"), provider: auth.oidc.as_ref().map(Oidc::name), start });
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The provider, or why there is none to ask. Each step is counted before anything of it is looked at.
fn provider<'a>(auth: &'a Auth, peer: Option<Extension<Peer>>, headers: &HeaderMap) -> Result<&'a Oidc, Refusal> {
    let peer = peer.map_or(Peer(None), |Extension(peer)| peer);
    auth.sign_ins.attempt(auth.counted_as(peer, headers), Instant::now())?;
    auth.oidc.as_ref().ok_or_else(|| {
        let mend = "set [auth.oidc] in towpath.toml, or use a token";
        Refusal::new(StatusCode::NOT_FOUND, "no-provider", "There is no sign-in", "no identity provider is set up here", mend)
    })
}

fn told(error: SignInError) -> Refusal {
    if let SignInError::Away(why) | SignInError::Here(why) | SignInError::Token(why) = &error {
        tracing::warn!(why, "a sign-in came to nothing");
    }
    error.into()
}

async fn start(
    Extension(auth): Extension<Arc<Auth>>,
    peer: Option<Extension<Peer>>,
    frame: Frame,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let failed = |refusal: Refusal| Failed::new(frame.clone(), refusal);
    let oidc = provider(&auth, peer, &headers).map_err(failed)?;
    let base = &auth.settings.base_url;
    let begun = oidc.begin(Cookie::SignIn.read(&headers, base), &asked.back, auth.keeper.now()).await;
    let (to, browser) = begun.map_err(|error| failed(told(error)))?;
    let seconds = crate::limits::SIGN_IN_TIME.as_secs();
    Ok(leads(&to, &[Cookie::SignIn.set(&browser, seconds, base)]))
}

async fn callback(
    Extension(auth): Extension<Arc<Auth>>,
    peer: Option<Extension<Peer>>,
    frame: Frame,
    headers: HeaderMap,
    Query(answered): Query<Answered>,
) -> Result<Response, Failed> {
    // This address has a code in it, and others may have written the rest: no page repeats it.
    let frame = Frame { path: "/auth/login".to_owned(), ..frame };
    let failed = |refusal: Refusal| Failed::new(frame.clone(), refusal);
    let oidc = provider(&auth, peer, &headers).map_err(failed)?;
    let base = &auth.settings.base_url;
    let ended = oidc.end(Cookie::SignIn.read(&headers, base), answered, auth.keeper.now()).await;
    let (identity, back) = ended.map_err(|error| failed(told(error)))?;
    // A new session, whatever this browser had before: one that somebody else gave it counts for nothing.
    if let Some(before) = Cookie::Session.read(&headers, base).and_then(|text| crate::auth::Secret::parse(&text)) {
        auth.sessions.end(&before.hash()).await.map_err(|error| failed(error.into()))?;
    }
    let (subject, username) = (identity.subject.clone(), identity.username.clone());
    let begun = auth.sessions.begin(identity).await;
    let secret = begun.map_err(|error| failed(told(SignInError::Here(error.to_string()))))?;
    tracing::info!(subject, username, "somebody signed in");
    let seconds = auth.settings.session_max.as_millis() / 1000;
    Ok(leads(&back, &[Cookie::Session.set(secret.text(), seconds, base)]))
}

#[derive(Debug, Deserialize)]
struct Leaving {
    #[serde(default)]
    csrf: String,
    /// `yes` for all browsers.
    #[serde(default)]
    everywhere: String,
}

async fn logout(
    Extension(auth): Extension<Arc<Auth>>,
    who: Option<Extension<Who>>,
    _caller: Caller,
    frame: Frame,
    Form(form): Form<Leaving>,
) -> Result<Response, Failed> {
    own_form(&frame, &form.csrf)?;
    if let Some(Extension(Who::Session { hash, identity })) = who {
        let over = if form.everywhere == "yes" { auth.sessions.end_of(&identity).await } else { auth.sessions.end(&hash).await };
        over.map_err(|error| Failed::new(frame, Refusal::from(error)))?;
    }
    Ok(leads("/auth/login", &[Cookie::Session.set("", 0, &auth.settings.base_url)]))
}

/// Leads a browser on with cookies, of which nothing is kept on the way.
fn leads(to: &str, cookies: &[HeaderValue]) -> Response {
    let mut response = Redirect::to(to).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The address that led here has a code in it.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie.clone());
    }
    response
}

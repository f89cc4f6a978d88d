//! Who sends a request: asked before anything else looks at it.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use towpath_ledger::Identity;

use super::cookies::Cookie;
use super::peer::{Peer, seems_unknown_proxy};
use super::token::{Secret, hex};
use super::{Auth, Who};
use crate::caller::{Caller, not_signed_in};
use crate::draw::encode;
use crate::pages::Csrf;
use crate::problem::Refusal;

/// The header in which programs that have a session's cookie send its token with what they write.
pub const CSRF_HEADER: &str = "x-towpath-csrf";

/// What is shown to anybody: that the server runs, how its pages look, and where to sign in. Everything else needs a caller, whatever it is, and
/// whether it is there or not.
pub(crate) fn is_public(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/auth/login" | "/auth/start" | "/auth/callback" | "/theme") || path.starts_with("/assets/")
}

/// Puts the caller into the request, or refuses it.
pub(crate) async fn identify(State(auth): State<Arc<Auth>>, mut request: Request, next: Next) -> Response {
    let public = is_public(request.uri().path());
    let found = match find(&auth, &request) {
        Ok(found) => found,
        // What is shown to anybody is shown to those as well whose session or token is over.
        Err(_) if public => None,
        Err(refusal) => return refusal.into_response(),
    };
    let Some(found) = found else {
        return if public { next.run(request).await } else { turned_away(&request) };
    };
    let signed = Signed { name: found.caller.name.clone(), csrf: found.csrf.clone() };
    if !public && let Err(refusal) = allowed(&request, &found) {
        return signed.on(refusal.into_response());
    }
    let extensions = request.extensions_mut();
    extensions.insert(found.caller);
    extensions.insert(found.who);
    if let Some(csrf) = found.csrf {
        extensions.insert(csrf);
    }
    signed.on(next.run(request).await)
}

/// Who a request comes from.
struct Found {
    caller: Caller,
    who: Who,
    csrf: Option<Csrf>,
}

/// Who is signed in, for pages that are made of refusals.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) csrf: Option<Csrf>,
}

impl Signed {
    fn on(self, mut response: Response) -> Response {
        response.extensions_mut().insert(self);
        response
    }
}

fn find(auth: &Arc<Auth>, request: &Request) -> Result<Option<Found>, Refusal> {
    let headers = request.headers();
    if headers.contains_key(header::AUTHORIZATION) {
        return bearer(auth, headers).map(Some).ok_or_else(|| wrong_token(auth, request));
    }
    let Some(secret) = Cookie::Session.read(headers, &auth.settings.base_url).and_then(|text| Secret::parse(&text)) else {
        return Ok(None);
    };
    let hash = secret.hash();
    let Some(identity) = auth.sessions.used(&hash) else { return Ok(None) };
    let who = Who::Session { hash, identity };
    let csrf = Some(csrf(&secret));
    Ok(auth.caller(&who).map(|caller| Found { caller, who, csrf }))
}

/// The caller of the one bearer token; none when it is not one, or does not count.
fn bearer(auth: &Arc<Auth>, headers: &HeaderMap) -> Option<Found> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, text) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let text = text.trim();
    if auth.settings.local_key.is(text) {
        return Some(Found { caller: Caller::local(), who: Who::Local, csrf: None });
    }
    let line = auth.tokens.used(text)?;
    let token = line.first()?;
    let who = Who::Token { id: token.id.clone(), owner: token.owner.clone() };
    let caller = auth.caller(&who)?;
    Some(Found { caller, who, csrf: None })
}

/// One answer for all that is wrong with a token, and none at all for those who try too often.
fn wrong_token(auth: &Auth, request: &Request) -> Refusal {
    if let Err(refusal) = auth.wrong_tokens.attempt(auth.counted_with(request), Instant::now()) {
        return refusal;
    }
    let mend = "make a new one with `towpath token create`, or on the page of your tokens, and send it as `Authorization: Bearer TOKEN`";
    let detail = "it is none, or it has ended or was taken back";
    Refusal::new(StatusCode::UNAUTHORIZED, "bad-token", "The token does not count", detail, mend)
}

/// What a caller may not do, whatever they ask for.
fn allowed(request: &Request, found: &Found) -> Result<(), Refusal> {
    let path = request.uri().path();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // A page of another site can have a browser send the cookie, and cannot know this.
    if path.starts_with("/api/")
        && !reads
        && let Some(Csrf(own)) = &found.csrf
        && request.headers().get(CSRF_HEADER).is_none_or(|sent| !same(sent.as_bytes(), own.as_bytes()))
    {
        let detail = format!("a write with a session's cookie needs its token in {CSRF_HEADER}");
        let mend = "use the page's buttons; programs send a token of their own instead of a cookie";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "foreign-form", "The request is not taken", detail, mend));
    }
    if found.caller.grants.is_empty() && path != "/auth/logout" {
        let name = found.caller.name.as_deref().unwrap_or("this token");
        let detail = format!("{name} is signed in, and has no role here that allows anything");
        let mend = "ask those who look after the config repository for a role with a permission; it counts as soon as it is merged";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "no-role", "You have no role here", detail, mend));
    }
    Ok(())
}

/// To the sign-in for people, and a plain no for programs and for what pages fetch behind their readers' backs.
fn turned_away(request: &Request) -> Response {
    let headers = request.headers();
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|there| there.as_bytes() == value.as_bytes());
    let wants_page = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"));
    let navigates = !headers.contains_key("x-fragment") && (!headers.contains_key("sec-fetch-mode") || is("sec-fetch-mode", "navigate"));
    let path = request.uri().path();
    if request.method() != Method::GET || !wants_page || !navigates || path.starts_with("/api/") {
        return not_signed_in().into_response();
    }
    let back = request.uri().path_and_query().map_or("/", |back| back.as_str());
    let to = if back == "/" { "/auth/login".to_owned() } else { format!("/auth/login?back={}", encode(back)) };
    let mut response = Redirect::to(&to).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The token of a session's forms: it derives from the session's secret, so that a restart changes nothing, and tells nothing of it.
fn csrf(secret: &Secret) -> Csrf {
    let mac = Hmac::<Sha256>::new_from_slice(secret.text().as_bytes()).map(|mac| mac.chain_update(b"csrf").finalize().into_bytes());
    Csrf(mac.map(|mac| hex(&mac)).unwrap_or_default().into())
}

/// Whether both are the same; it takes as long wherever they differ.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

impl Auth {
    /// Whose attempts a request's are counted with.
    pub(crate) fn counted_with(&self, request: &Request) -> Option<std::net::IpAddr> {
        let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer(None));
        self.counted_as(peer, request.headers())
    }

    pub(crate) fn counted_as(&self, peer: Peer, headers: &HeaderMap) -> Option<std::net::IpAddr> {
        if seems_unknown_proxy(peer, headers, &self.settings.trusted_proxies)
            && !self.told_of_proxy.swap(true, std::sync::atomic::Ordering::Relaxed)
        {
            tracing::warn!(
                "requests come through a proxy that [auth] trusted_proxies in towpath.toml does not name: all who come through it are counted as one when sign-ins are limited"
            );
        }
        super::peer::counted_as(peer, headers, &self.settings.trusted_proxies)
    }

    /// Whom and what a session or token stands for now; none when it no longer counts.
    fn caller(self: &Arc<Self>, who: &Who) -> Option<Caller> {
        let (name, grants) = self.standing(who)?;
        let until = self.until(who.clone(), grants.clone());
        Some(Caller { name: Some(name), grants, until: Some(until) })
    }
}

/// Whose tokens and sessions a caller may see as their own.
pub(crate) fn own_identity(who: &Who) -> Option<&Identity> {
    match who {
        Who::Local => None,
        Who::Session { identity, .. } => Some(identity),
        Who::Token { owner, .. } => owner.as_ref(),
    }
}

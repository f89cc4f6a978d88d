//! What the pages' forms send: each goes the one way of every write, and comes back to its page with what came of it.

use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use towpath_control::request::{Asked, HoldRequest, PromoteRequest, RetryRequest, RollbackRequest};

use super::frame::encoded;
use super::{Failed, Frame};
use crate::act;
use crate::api::Shared;
use crate::caller::Caller;
use crate::problem::Refusal;

/// A filled-in form.
#[derive(Debug, Deserialize)]
pub(crate) struct Filled {
    what: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    why: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    back: String,
}

/// `POST /act/{verb}`.
pub(crate) async fn act(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Path(verb): Path<String>,
    Form(form): Form<Filled>,
) -> Result<Response, Failed> {
    let brain = &*shared.brain;
    // The single user of a machine need not say who they are each time.
    let by = match (&caller.name, form.by.trim()) {
        (None, "") => "me".to_owned(),
        (_, by) => by.to_owned(),
    };
    let asked = Asked { by, why: form.why.clone() };
    let (what, to) = (form.what.clone(), Some(form.to.trim().to_owned()).filter(|to| !to.is_empty()));
    let done = match verb.as_str() {
        "retry" => act::retry(brain, &caller, RetryRequest { what, asked }).await,
        "ack" => act::ack(brain, &caller, RetryRequest { what, asked }).await,
        "cancel" => act::cancel(brain, &caller, RetryRequest { what, asked }).await,
        "promote" => act::promote(brain, &caller, PromoteRequest { target: what, to, asked }).await,
        "rollback" => act::rollback(brain, &caller, RollbackRequest { target: what, to, asked }).await,
        "hold" => act::hold(brain, &caller, HoldRequest { what, asked }).await,
        "release" => act::release(brain, &caller, HoldRequest { what, asked }).await,
        _ => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "unknown-path",
            "Not found",
            format!("nothing is done by {verb:?}"),
            "use the page's buttons",
        )),
    };
    match done {
        Ok(accepted) => Ok(back(&form.back, &accepted.text)),
        Err(refusal) => Err(Failed::new(frame, refusal)),
    }
}

/// Back to a page of this server's, with what came of it.
fn back(to: &str, flash: &str) -> Response {
    let mut response = Redirect::to(local(to)).into_response();
    let cookie = format!("flash={}; Path=/; Max-Age=30; SameSite=Lax; HttpOnly", encoded(flash));
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// An address on this server; the board for every other one.
pub(crate) fn local(to: &str) -> &str {
    let sound = to.starts_with('/') && !to.starts_with("//") && !to.contains('\\') && to.bytes().all(|b| b.is_ascii_graphic());
    if sound { to } else { "/" }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Theme {
    theme: String,
    #[serde(default)]
    back: String,
}

/// `POST /theme`: light, dark, or as the system has it.
pub(crate) async fn theme(_headers: HeaderMap, Form(form): Form<Theme>) -> Response {
    let theme = match form.theme.as_str() {
        "dark" => "dark",
        "light" => "light",
        _ => "auto",
    };
    let mut response = Redirect::to(local(&form.back)).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&format!("theme={theme}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly")) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_back_to_this_server_only() {
        for good in ["/", "/targets/a?b=c", "/runs/x#L3"] {
            assert_eq!(local(good), good);
        }
        for bad in ["", "https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "/a b", "/a\r\nx"] {
            assert_eq!(local(bad), "/", "{bad:?}");
        }
    }
}

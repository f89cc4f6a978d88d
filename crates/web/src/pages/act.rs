//! What the pages' forms send: each goes the one way of every write, and comes back to its page with what came of it.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use towpath_control::request::{
    Asked, CheckRequest, ExtendRequest, FreeRequest, HoldRequest, PromoteRequest, ReserveRequest, RetryRequest, RollbackRequest,
};
use towpath_control::view::{Accepted, Problem};

use super::ask::Form;
use super::frame::encoded;
use super::{Failed, Frame, show, words};
use crate::act;
use crate::api::Shared;
use crate::auth::same;
use crate::caller::Caller;
use crate::problem::Refusal;

/// What is done by forms: the verb, and its words.
const VERBS: [(&str, &str); 13] = [
    ("retry", "Try again"),
    ("ack", "See to it"),
    ("cancel", "Stop"),
    ("promote", "Promote"),
    ("rollback", "Roll back"),
    ("hold", "Hold"),
    ("release", "Release the hold on"),
    ("reserve", "Reserve one of"),
    ("extend", "Extend"),
    ("give-back", "Give back"),
    ("retest", "Check again"),
    ("cancel-check", "Do not check"),
    ("ok-to-test", "Allow the check of"),
];

/// A filled-in form.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Filled {
    #[serde(default)]
    what: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    why: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    back: String,
    #[serde(default)]
    csrf: String,
    /// `yes` once what is asked about once more was answered.
    #[serde(default)]
    sure: String,
}

/// The form once more: to be sure, or with what was refused about it.
#[derive(Template)]
#[template(path = "act.html")]
struct ActPage<'a> {
    frame: &'a Frame,
    verb: &'a str,
    words: &'static str,
    form: &'a Filled,
    back: &'a str,
    problem: Option<&'a Problem>,
}

impl ActPage<'_> {
    /// What will happen, for what is asked about once more.
    fn text(&self) -> &'static str {
        match self.verb {
            "promote" => {
                "A commit in the config repository moves it. It goes out when its checks pass, and what runs there now is replaced."
            }
            "rollback" => {
                "A commit in the config repository takes it back, and blocks the commit that it leaves until somebody lifts that."
            }
            "extend" => "It ends so long from now, whenever that is; its pool says how long one may have it at most.",
            "ok-to-test" => {
                "What this commit does is what a stranger wrote: it is built, deployed and tested, without any secret. Have you looked at it? A further commit needs it again."
            }
            "give-back" => "It is deleted with all that is in it, and who waits for one gets another.",
            _ => "",
        }
    }

    /// What stands before that to which it goes.
    fn before(&self) -> &'static str {
        if self.verb == "ok-to-test" { "at" } else { "to" }
    }

    /// What else is asked for, with what it is called.
    fn asks(&self) -> Option<&'static str> {
        (self.verb == "extend").then_some("How long from now, such as 90m or 2h")
    }
}

/// `POST /act/{verb}`.
pub(crate) async fn act(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Path(verb): Path<String>,
    Form(form): Form<Filled>,
) -> Result<Response, Failed> {
    let Some((verb, words)) = VERBS.iter().find(|(known, _)| *known == verb) else {
        let detail = format!("nothing is done by {verb:?}");
        let refusal = Refusal::new(StatusCode::NOT_FOUND, "unknown-path", "Not found", detail, "use the page's buttons");
        return Err(Failed::new(frame, refusal));
    };
    own_form(&frame, &form.csrf)?;
    let again =
        |frame: &Frame, problem: Option<&Problem>| show(&ActPage { frame, verb, words, form: &form, back: local(&form.back), problem });
    if words::is_confirmed(verb) && form.sure != "yes" {
        return Ok(again(&frame.titled(words), None));
    }
    match done(&shared, &caller, verb, &form).await {
        Ok(accepted) => Ok(back(&form.back, &accepted)),
        Err(Refusal(problem)) => {
            let status = StatusCode::from_u16(problem.status).ok().filter(|status| status.as_u16() >= 400);
            let page = again(&frame.titled(&problem.title), Some(&problem));
            Ok((status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), page).into_response())
        }
    }
}

async fn done(shared: &Shared, caller: &Caller, verb: &str, form: &Filled) -> act::Done {
    let brain = &*shared.brain;
    let asked = Asked { by: form.by.trim().to_owned(), why: form.why.trim().to_owned() };
    let (what, to) = (form.what.clone(), Some(form.to.trim().to_owned()).filter(|to| !to.is_empty()));
    match verb {
        "retry" => act::retry(brain, caller, RetryRequest { what, asked }).await,
        "ack" => act::ack(brain, caller, RetryRequest { what, asked }).await,
        "cancel" => act::cancel(brain, caller, RetryRequest { what, asked }).await,
        "promote" => act::promote(brain, caller, PromoteRequest { target: what, to, asked }).await,
        "rollback" => act::rollback(brain, caller, RollbackRequest { target: what, to, asked }).await,
        "hold" => act::hold(brain, caller, HoldRequest { what, asked }).await,
        "reserve" => act::reserve(brain, caller, ReserveRequest { pool: what, lease: to, asked }).await,
        "extend" => act::extend(brain, caller, ExtendRequest { what, lease: to.unwrap_or_default(), asked }).await,
        "retest" => {
            let tests = to.into_iter().collect();
            act::check_again(brain, caller, CheckRequest { check: what, tests, commit: None, asked }).await
        }
        "cancel-check" => act::check_cancel(brain, caller, CheckRequest { check: what, tests: Vec::new(), commit: None, asked }).await,
        "ok-to-test" => act::check_ok(brain, caller, CheckRequest { check: what, tests: Vec::new(), commit: to, asked }).await,
        "give-back" => act::free(brain, caller, FreeRequest { what, asked }).await,
        _ => act::release(brain, caller, HoldRequest { what, asked }).await,
    }
}

/// Refuses a form that no page of this session made.
pub(super) fn own_form(frame: &Frame, token: &str) -> Result<(), Failed> {
    if same(token.as_bytes(), frame.csrf.as_bytes()) {
        return Ok(());
    }
    let mend = "go back to the page, load it again and send the form from there";
    let detail = "the form was not made by a page of this session";
    Err(Failed::new(frame.clone(), Refusal::new(StatusCode::FORBIDDEN, "foreign-form", "The form is not taken", detail, mend)))
}

/// Back to a page of this server's, with what came of it.
fn back(to: &str, accepted: &Accepted) -> Response {
    let mut response = Redirect::to(local(to)).into_response();
    let cookie = format!("flash={}; Path=/; Max-Age=30; SameSite=Lax; HttpOnly", encoded(&accepted.text));
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

/// `POST /theme`: light, dark, or as the system has it. It changes nothing but this browser's own cookie.
pub(crate) async fn theme(Form(form): Form<Theme>) -> Response {
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

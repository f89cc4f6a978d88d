//! Every rule that a request can break, with what it means. A refusal's `type` leads here: `/problems/{rule}`.

use askama::Template;
use axum::extract::Path;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, routing::get};
use serde::Serialize;

use crate::pages::{Frame, Nav, show};
use crate::problem::Refusal;
use crate::route::Route;

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Rule {
    /// Its stable name.
    pub name: &'static str,
    /// The HTTP status of a refusal by it.
    pub status: u16,
    /// What it says, and what usually helps.
    pub meaning: &'static str,
}

const fn rule(name: &'static str, status: u16, meaning: &'static str) -> Rule {
    Rule { name, status, meaning }
}

/// All of them, by name. Names are never given another meaning; one that is no longer used stays away.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    rule("ambiguous-commit", 409, "The digits begin several commits that are known here. Give more of them."),
    rule("ambiguous-run", 409, "The text begins the ids of several runs. Give more of it."),
    rule("ambiguous-target", 409, "The text is a part of several targets' titles. Say more of the title, or give the target's id."),
    rule("bad-body", 400, "The body is not what this request takes: not JSON, larger than 64 KiB, or a field is missing or of another kind. A body that is \
        JSON and does not fit is answered with 422, a content type other than application/json with 415, one that is too large with 413."),
    rule("bad-cursor", 422, "The cursor is no page's `next`. Begin without one, and go on with `next` as it came; what is in it may change with every version."),
    rule("bad-destination", 422, "The ledger cannot be copied there: the path is not absolute, or the server may not write to it."),
    rule("bad-header", 400, "A header cannot be read. The detail names it."),
    rule("bad-lease", 422, "The lease is no span of time. Write something like 90m or 2h."),
    rule("bad-path", 400, "The path is no percent-encoded UTF-8."),
    rule("bad-query", 400, "The query has a parameter that is not known here, a second one of the same name, or a value that cannot be one."),
    rule("bad-sign-in", 400, "The sign-in was not begun in this browser, was done already, or was begun too long ago. Begin again."),
    rule("bad-signature", 401, "The webhook's signature was made with none of the secrets that are set for its receiver."),
    rule("bad-token", 401, "The token is none, has ended, or was taken back: which of them is not said. Make a new one."),
    rule("bad-token-request", 422, "No such token can be made: its name, its end or what it may do is out of bounds. The detail says which."),
    rule("body-too-large", 413, "The webhook is larger than any that forges send."),
    rule("broken-off", 400, "The webhook's body did not come to its end. Send it again."),
    rule("broken-pool", 409, "The pool's file in the config repository has an error, so nothing is reserved from it. The detail says which."),
    rule("busy", 503, "More requests are being answered than the server takes at once. Come again after the seconds in Retry-After."),
    rule("conflict", 409, "The branch and the config repository's main branch changed the same lines. Rebase it."),
    rule("destination-taken", 409, "There is a file at the path already; it was left as it is."),
    rule("follows-a-branch", 422, "The target deploys every commit of its branch by itself, so nothing can be promoted to it."),
    rule("foreign-form", 403, "The form, or the write with a session's cookie, does not come from a page of this session. Load the page again and send it from there."),
    rule("foreign-site", 403, "The request comes from a web page of another site, or names this server by a name that it does not have."),
    rule("gate", 409, "The promotion gate is closed for this commit and target. The detail has every hold."),
    rule("git", 502, "The config repository cannot be read from where it is."),
    rule("key-unended", 409, "A request with this Idempotency-Key was begun, and how it ended is not known: it still goes on, or the server stopped in the \
        middle of it. Ask again in a moment. If it stays so, look in the history whether it was done; nothing is ever done twice for one key."),
    rule("key-used", 422, "Another request had this Idempotency-Key. Make a new key for each thing that is to be done."),
    rule("lease-too-long", 422, "The pool gives no lease as long as that, extended or not. Ask for less."),
    rule("ledger", 500, "The ledger cannot be read or written. `towpath doctor` looks at disk and database."),
    rule("namespace-and-reserve", 422, "A namespace is named, and another one is to be reserved. Leave one of them out."),
    rule("no-candidate", 409, "No commit that is newer than what runs there passes the target's promotion gate."),
    rule("no-fork", 409, "The pull request does not come from a fork: it is checked without anybody's word."),
    rule("no-pool", 409, "The source's `check` names no pool, so no namespace can be reserved by it. Name a pool there, or do not ask for one to keep."),
    rule("no-provider", 404, "No identity provider is set up here, so nobody can sign in with a browser."),
    rule("no-receiver", 404, "This kind of webhook is not received here: no secret is set for it."),
    rule("no-role", 403, "Whoever asks is signed in, and no role of theirs allows anything here. Roles in the config repository say who may what."),
    rule("no-secret", 503, "The secret that the webhook is checked with cannot be read now."),
    rule("no-sign-in", 409, "Nobody signs in here: whoever can connect may do everything, and tokens would keep nobody out."),
    rule("no-subject", 422, "What is named is no source, target or change, and runs are about nothing else."),
    rule("no-such-hold", 404, "What is named has no hold of its own that was set by this API."),
    rule("no-way-back", 409, "The target has run no other commit that it could go back to. Name one."),
    rule("not-a-check", 500, "What was to be tried came to be something else than a check. That is a fault of Towpath's own: report it."),
    rule("not-acceptable", 406, "None of the media types in Accept can be answered with."),
    rule("not-allowed", 403, "The caller may see it, and may not do this to it. Roles in the config repository say who may what."),
    rule("not-checked", 409, "The source's file has no `check`, so nothing says what is to be deployed and tested."),
    rule("not-extendable", 409, "The lease has not begun, is over, or lasts as long as a run does."),
    rule("not-read", 503, "The config repository has not been read since the server started, so that nobody knows whether there is what was named. Try again in a moment; the status says why, if it stays so."),
    rule("not-reserved", 409, "The reservation is over already."),
    rule("not-retryable", 422, "Only targets, sources, changes and runs can be tried again."),
    rule("not-signed-in", 401, "The request does not say who asks, or what it says does not count (any more). Sign in, or send a token."),
    rule("not-yours", 403, "The namespace is reserved by somebody else. They give it back, or those who administer the installation do."),
    rule("not-yourself", 403, "The request names somebody else as the one who asks. Leave `by` out: the caller's own name is used."),
    rule("nothing-deployed", 409, "The target has not deployed anything yet, so there is nothing to leave."),
    rule("nothing-failed", 409, "What is named has no failure that holds it."),
    rule("nothing-to-compare", 422, "One of the two refs is not known: nothing runs there yet, or no branch is known. Name both."),
    rule("nothing-under-way", 409, "No run of what is named is queued or under way."),
    rule("other-commit", 409, "The commit that is named is not the pull request's newest one, or is named by fewer than 7 digits. Look at the newest one, and name that."),
    rule("provider-away", 502, "The identity provider cannot be asked now, or answers with what makes no sense. The server's log says why."),
    rule("repository-away", 503, "The source's repository cannot be reached, or not be read. Try again; `towpath doctor` looks at repositories."),
    rule("runs-own", 409, "A run works with the namespace, and it lasts as long as the run. Cancel the run to end it."),
    rule("same-commit", 422, "The target is at this commit already."),
    rule("sign-in-refused", 403, "The identity provider refused, or what it sent does not count for this server and this sign-in. The detail says why."),
    rule("timeout", 504, "The request took longer than a minute. What was asked for may still happen."),
    rule("too-many-attempts", 429, "There were more wrong tokens, or more steps of signing in, than are taken from one address or from all together. Come again after the seconds in Retry-After; who is signed in is not kept out."),
    rule("too-many-hooks", 429, "Webhooks come faster than they are taken. Nothing is lost: those before look at everything, and so does polling."),
    rule("too-many-streams", 503, "As many streams are open as the server keeps. Come again after the seconds in Retry-After."),
    rule("too-slow", 408, "The webhook's body came too slowly."),
    rule("unknown-branch", 404, "The config repository has no such branch."),
    rule("unknown-check", 404, "No open pull request of this id is known that the caller may see. It is written SOURCE#NUMBER; `towpath check list` lists them."),
    rule("unknown-commit", 404, "The text begins no commit that is known here."),
    rule("unknown-name", 404, "Nothing that the caller may see is called so."),
    rule("unknown-path", 404, "There is nothing at this path."),
    rule("unknown-pool", 404, "No pool of ephemeral namespaces is called so. The detail lists those there are."),
    rule("unknown-ref", 404, "The source's repository has no such branch or commit. Push it first, and name it as it is there."),
    rule("unknown-report", 404, "The run has no report of this hash, or its file is no longer kept: reports go with the run's log, and the oldest make room for new ones."),
    rule("unknown-reservation", 404, "No reservation has that id, and nobody has reserved a namespace of that name."),
    rule("unknown-rule", 404, "There is no such rule."),
    rule("unknown-run", 404, "There is no such run that the caller may see."),
    rule("unknown-source", 404, "No source that the caller may see is called so."),
    rule("unknown-standing", 422, "Pull requests do not stand so. The detail's help lists the words there are."),
    rule("unknown-state", 422, "Runs have no such state."),
    rule("unknown-target", 404, "There is no such target that the caller may see."),
    rule("unknown-test", 404, "No test has this id, or its history is forgotten: the last 50 runs of a target are remembered. Of a pull request's check: no test of it is called so."),
    rule("unknown-token", 404, "No token of the caller's has this id."),
    rule("unsigned", 401, "The webhook has no signature or token."),
    rule("who-and-why", 422, "A write says who asks and why, each on one line of 1 to 500 characters: both go into the ledger and into the commit that is made."),
    rule("wrong-method", 405, "The path does not take this method. Allow says which it takes."),
];

/// The rule of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage<'a> {
    frame: &'a Frame,
    rules: &'a [Rule],
}

/// The pages that explain the rules, for people and for programs.
pub(crate) fn list() -> Vec<Route> {
    vec![(Method::GET, "/problems", get(all)), (Method::GET, "/problems/{rule}", get(one))]
}

async fn all(frame: Frame, headers: HeaderMap) -> Response {
    if wants_html(&headers) { page(frame, "Problems", RULES) } else { Json(RULES).into_response() }
}

async fn one(Path(name): Path<String>, frame: Frame, headers: HeaderMap) -> Response {
    match find(&name) {
        Some(rule) if wants_html(&headers) => page(frame, rule.name, std::slice::from_ref(rule)),
        Some(rule) => Json(rule).into_response(),
        None => {
            Refusal::new(StatusCode::NOT_FOUND, "unknown-rule", "There is no such rule", "no problem is called so", "/problems lists them")
                .into_response()
        }
    }
}

fn wants_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

fn page(frame: Frame, title: &str, rules: &[Rule]) -> Response {
    show(&RulesPage { frame: &frame.on(Nav::Elsewhere, title), rules })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The first quoted text behind `from`.
    fn quoted(text: &str) -> Option<&str> {
        text.split('"').nth(1)
    }

    /// Rules that the source text below `folder` refuses by, found by how refusals are written.
    fn used(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                used(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for (called, argument) in [("problem(", 0), ("Refusal::new(", 1), ("Self::new(", 1), ("r#type: ", 0)] {
                for after in text.split(called).skip(1) {
                    let argument = after.splitn(3, ',').nth(argument).unwrap_or_default().trim_start();
                    let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
                    if argument.starts_with('"')
                        && let Some(name) = quoted(argument).filter(is_name)
                    {
                        found.insert(name.to_owned());
                    }
                }
            }
        }
    }

    #[test]
    fn every_rule_that_a_refusal_names_is_explained() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut found = BTreeSet::new();
        for part in ["web/src", "control/src", "towpath/src/wiring"] {
            used(&crates.join(part), &mut found);
        }
        assert!(found.len() > 30 && found.contains("gate") && found.contains("not-allowed") && found.contains("bad-query"), "{found:?}");
        let missing: Vec<&String> = found.iter().filter(|name| find(name).is_none()).collect();
        assert!(missing.is_empty(), "add them to RULES in crates/web/src/rules.rs: {missing:?}");
        let unused: Vec<&str> = RULES.iter().map(|rule| rule.name).filter(|name| !found.contains(*name)).collect();
        assert!(unused.is_empty(), "no refusal names these any more: {unused:?}");
    }

    #[test]
    fn rules_stand_in_order_and_once() {
        assert!(RULES.windows(2).all(|pair| matches!(pair, [one, next] if one.name < next.name)));
    }
}

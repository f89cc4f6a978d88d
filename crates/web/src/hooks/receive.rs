//! The receivers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::intake::{HookLimits, Intake, Lost};
use super::keys::Keys;
use super::seen::Seen;
use super::signature::{Checking, claim};
use super::{HookSettings, Receiver, payload, plain};
use crate::api::Shared;
use crate::brain::Wake;
use crate::bucket::Bucket;
use crate::limits;
use crate::problem::Refusal;

/// What the receivers share.
#[derive(Clone)]
pub(crate) struct Hooks(Arc<Inner>);

struct Inner {
    keys: Keys,
    intake: Intake,
    seen: Mutex<Seen>,
    /// How often anybody may wake, without a secret.
    anybody: Mutex<Bucket>,
    /// How often those may wake who know a secret.
    known: Mutex<Bucket>,
    /// Receivers of which the log says already that they have no secret: strangers must not fill it.
    told: Mutex<BTreeSet<Receiver>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hooks {
    pub(crate) fn new(HookSettings { keys, limits: bounds }: HookSettings) -> Self {
        let now = Instant::now();
        Self(Arc::new(Inner {
            keys,
            intake: Intake::new(bounds),
            seen: Mutex::default(),
            anybody: Mutex::new(Bucket::full(limits::HOOK_BURST, limits::HOOK_REFILL, now)),
            known: Mutex::new(Bucket::full(bounds.burst, bounds.refill, now)),
            told: Mutex::default(),
        }))
    }

    /// Takes a turn of those that anybody has.
    ///
    /// # Errors
    /// A refusal with status 429 when there is none.
    pub(super) fn anybodys_turn(&self) -> Result<(), Refusal> {
        turn(&self.0.anybody)
    }
}

fn turn(bucket: &Mutex<Bucket>) -> Result<(), Refusal> {
    if lock(bucket).take(Instant::now()) {
        return Ok(());
    }
    let mend = "nothing is lost: the wakes before this one look at everything, and so does polling";
    Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too-many-hooks", "Too many webhooks", "webhooks come too fast", mend))
}

pub(crate) async fn github(State(shared): State<Shared>, request: Request) -> Response {
    receive(Receiver::GitHub, shared, request).await
}

pub(crate) async fn gitlab(State(shared): State<Shared>, request: Request) -> Response {
    receive(Receiver::GitLab, shared, request).await
}

pub(crate) async fn forgejo(State(shared): State<Shared>, request: Request) -> Response {
    receive(Receiver::Forgejo, shared, request).await
}

/// An image may be new. Whatever registry it is that tells: the images that are waited for are looked at.
pub(crate) async fn registry(State(shared): State<Shared>, request: Request) -> Response {
    receive(Receiver::Registry, shared, request).await
}

async fn receive(receiver: Receiver, shared: Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let hooks = shared.hooks.clone();
    let taken = match hooks.0.keys.of(receiver).await {
        // Registries that can show nothing are many, and all that theirs can do is to have images looked at.
        None if receiver == Receiver::Registry => match plain::take(&hooks, body).await {
            Ok(()) => {
                shared.brain.wake_for(Wake::Images);
                Ok(None)
            }
            Err(refusal) => Err(refusal),
        },
        None => Err(hooks.unknown(receiver)),
        Some(Err(_)) => {
            let mend = "the server's log says why; polling goes on";
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no-secret", "The hook cannot be checked", "its secret cannot be read", mend))
        }
        Some(Ok(secrets)) => hooks.checked(receiver, &parts.headers, body, &secrets).await,
    };
    match taken {
        Ok(Some(wake)) => {
            shared.brain.wake_for(wake);
            StatusCode::ACCEPTED.into_response()
        }
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => {
            let busy = matches!(refusal.0.status, 429 | 503);
            let mut response = refusal.into_response();
            if busy {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
            }
            response
        }
    }
}

impl Hooks {
    /// There is no such receiver, as far as senders are told; the log says what is missing.
    fn unknown(&self, receiver: Receiver) -> Refusal {
        let name = receiver.name();
        if lock(&self.0.told).insert(receiver) {
            tracing::warn!(
                "a webhook came to /hooks/{name}, which has no secret to check it with: set one under [webhooks.{name}] in towpath.toml"
            );
        }
        let detail = format!("/hooks/{name} takes no webhooks here");
        Refusal::new(StatusCode::NOT_FOUND, "no-receiver", "Not found", detail, "the server's log says what is missing")
    }

    async fn checked(
        &self,
        receiver: Receiver,
        headers: &HeaderMap,
        body: Body,
        secrets: &[secrecy::SecretString],
    ) -> Result<Option<Wake>, Refusal> {
        let hooks = &self.0;
        let limits = hooks.intake.limits();
        let Some(claim) = claim(receiver, headers) else {
            let mend = "give the forge's webhook the secret that is set for this receiver";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "unsigned", "The hook is not signed", "it has no signature or token", mend));
        };
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limits.body as u64) {
            return Err(lost(Lost::TooLarge, limits));
        }
        let Some(place) = hooks.intake.place() else {
            let detail = format!("{} hooks are being taken in", limits.at_once);
            let mend = "nothing is lost: polling looks at everything";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-hooks", "Too many webhooks", detail, mend));
        };
        let taken = hooks.intake.take(&place, body, Checking::new(claim, secrets)).await.map_err(|why| lost(why, limits))?;
        if !taken.right {
            tracing::debug!(receiver = receiver.name(), "a webhook's signature is wrong");
            let mend = "give the forge's webhook the secret that is set for this receiver";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "bad-signature", "The signature is wrong", "no secret here made it", mend));
        }
        // Before it is remembered: one that finds no turn is sent again.
        turn(&hooks.known)?;
        let delivery =
            ["x-github-delivery", "x-forgejo-delivery", "x-gitea-delivery", "webhook-id", "idempotency-key", "x-gitlab-event-uuid"];
        let id = delivery.iter().find_map(|name| headers.get(*name));
        if id.is_some_and(|id| !lock(&hooks.seen).is_new(receiver, id.as_bytes())) {
            return Ok(None);
        }
        Ok(payload::wake(receiver, headers, taken.body.as_deref()))
    }
}

fn lost(why: Lost, limits: HookLimits) -> Refusal {
    match why {
        Lost::TooLarge => {
            let detail = format!("the body has more than {} bytes", limits.body);
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The webhook is too large", detail, "no forge sends larger ones")
        }
        Lost::TooSlow => {
            let detail = format!("the body did not come within {:?}", limits.time);
            Refusal::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "The webhook came too slowly", detail, "send it again")
        }
        Lost::BrokenOff => Refusal::new(
            StatusCode::BAD_REQUEST,
            "broken-off",
            "The webhook broke off",
            "the body did not come to its end",
            "send it again",
        ),
    }
}

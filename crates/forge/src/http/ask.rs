//! Asking until there is an answer: what passes is waited out, and nothing is done twice unseen.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout_at};
use towpath_domain::{FailureClass, Span};

use super::attempt::{Answer, Ask, Tried, now};
use super::wait::{Meaning, meaning, pause};
use super::{Client, words};
use crate::ForgeError;

/// How long one request may take, with its answer. GitHub itself gives up after ten seconds, GitLab after sixty.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// One call, from its first try to its last.
struct Call<'a> {
    client: &'a Client,
    ask: &'a Ask,
    begun: Instant,
    tries: u32,
    /// A try may have taken place though it seems to have failed.
    maybe_done: bool,
}

impl Client {
    /// Asks, again where that can help and does no harm, for as long as there is patience. What changes anything goes one after another, as
    /// GitHub asks for.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Answer, ForgeError> {
        let mut call = Call { client: self, ask, begun: Instant::now(), tries: 0, maybe_done: false };
        let _turn = match ask.changes() {
            true => match timeout_at(call.until(), self.inner.turn.lock()).await {
                Ok(turn) => Some(turn),
                Err(_) => return Err(call.given_up("other requests before this one are not answered yet")),
            },
            false => None,
        };
        let mut renewed = false;
        loop {
            call.wait_for_limits().await?;
            let value = match timeout_at(call.until(), self.inner.authorization.value()).await {
                Ok(value) => value?,
                Err(_) => return Err(call.given_up("its token is not there yet")),
            };
            let tried = self.attempt(ask, &value, ANSWER_WITHIN.min(self.inner.patience / 2)).await?;
            call.tries += 1;
            let (answer, said) = match tried {
                Tried::Answered(answer, said) => (answer, said),
                Tried::NotSent(why) => {
                    call.again(&why, None).await?;
                    continue;
                }
                Tried::Cut(why) => {
                    call.may_be_done();
                    call.again_if_harmless(&why, None).await?;
                    continue;
                }
                Tried::Hopeless { why, class, sent } => {
                    call.maybe_done |= sent && ask.changes();
                    return Err(call.error(&why, class));
                }
            };
            let means = meaning(answer.status.as_u16(), &said, &answer.text);
            let rest = if let Meaning::Limited { rest } = means { rest } else { None };
            self.inner.limits.heed(&ask.url, &said, rest, Instant::now());
            let why = || format!("it answered {}: {}", answer.status.as_u16(), words(&answer.text));
            match means {
                Meaning::Answer if answer.status == 401 && !renewed => {
                    // Nothing took place. A token may have been exchanged meanwhile.
                    renewed = true;
                    self.inner.authorization.refused(&value).await;
                    let fresh = match timeout_at(call.until(), self.inner.authorization.value()).await {
                        Ok(fresh) => fresh?,
                        Err(_) => return Err(call.given_up("its token is not there yet")),
                    };
                    if fresh.expose_secret() == value.expose_secret() {
                        return Ok(answer);
                    }
                }
                Meaning::Answer => return Ok(answer),
                Meaning::Limited { rest } => call.again(&why(), rest).await?,
                Meaning::Failing { rest, untouched: true } => call.again(&why(), rest).await?,
                Meaning::Failing { rest, untouched: false } => {
                    call.may_be_done();
                    call.again_if_harmless(&why(), rest).await?;
                }
            }
        }
    }
}

impl Call<'_> {
    fn until(&self) -> Instant {
        self.begun + self.client.inner.patience
    }

    fn may_be_done(&mut self) {
        self.maybe_done |= self.ask.changes();
    }

    /// Until the limits allow a request.
    async fn wait_for_limits(&self) -> Result<(), ForgeError> {
        // Another one may be told to rest while this one does.
        while let Some(rest) = self.client.inner.limits.rest(&self.ask.url, Instant::now()) {
            self.wait("it allows no more requests for now", rest, true).await?;
        }
        Ok(())
    }

    /// Waits before it is asked again, which does the same again.
    async fn again_if_harmless(&self, why: &str, rest: Option<Duration>) -> Result<(), ForgeError> {
        if self.ask.method == reqwest::Method::POST { Err(self.error(why, FailureClass::Environment)) } else { self.again(why, rest).await }
    }

    /// Waits before it is asked again.
    async fn again(&self, why: &str, rest: Option<Duration>) -> Result<(), ForgeError> {
        let own = pause(self.tries - 1, self.client.chance());
        self.wait(why, rest.map_or(own, |rest| rest.max(own)), rest.is_some()).await
    }

    async fn wait(&self, why: &str, span: Duration, told: bool) -> Result<(), ForgeError> {
        if Instant::now() + span > self.until() {
            if !told {
                return Err(self.given_up(why));
            }
            let goes_on = now().plus(Span::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)));
            return Err(self.error(&format!("{why}; it goes on at {goes_on}"), FailureClass::Environment));
        }
        let forge = self.client.inner.forge.as_str();
        tracing::debug!(forge, what = self.ask.what(), why, wait_ms = span.as_millis(), "waiting before asking again");
        (self.client.inner.sleep)(span).await;
        Ok(())
    }

    fn given_up(&self, why: &str) -> ForgeError {
        let tries = if self.tries == 1 { "once".to_owned() } else { format!("{} times", self.tries) };
        let within = Span::from_millis(u64::try_from(self.client.inner.patience.as_millis()).unwrap_or(u64::MAX));
        self.error(&format!("{why} (asked {tries}, for at most {within})"), FailureClass::Environment)
    }

    fn error(&self, why: &str, class: FailureClass) -> ForgeError {
        if self.maybe_done {
            let (forge, what) = (self.client.inner.forge.clone(), self.ask.what());
            return ForgeError::Lost { forge, what, why: why.to_owned() };
        }
        self.client.error(&self.ask.what(), why, class)
    }
}

//! One request, and what came of it.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, LINK, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;
use towpath_domain::{FailureClass, Timestamp, with_causes};

use super::etags::Kept;
use super::pages::{next_page, shows_all};
use super::wait::Said;
use super::{Client, words};
use crate::ForgeError;

/// How long an answer may be, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How often an answer may lead elsewhere.
const REDIRECTS_MAX: usize = 5;

/// A token that is shorter is no secret, and would be found in any text.
const SECRET_BYTES_MIN: usize = 4;

/// What is asked.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    /// JSON.
    pub(super) body: Option<Vec<u8>>,
}

impl Ask {
    /// Whether it changes anything.
    pub(super) fn changes(&self) -> bool {
        self.method != Method::GET
    }

    /// What was asked, for people. What follows `?` may be long, or a secret.
    pub(super) fn what(&self) -> String {
        format!("{} {}", self.method, self.url.path())
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) text: String,
    pub(super) next: Option<Url>,
}

/// What came of one request.
pub(super) enum Tried {
    /// An answer, and what it says of limits.
    Answered(Answer, Said),
    /// No connection came about: nothing took place.
    NotSent(String),
    /// It was sent, at least in part, and no whole answer came: it may have taken place.
    Cut(String),
    /// It will be the same however often it is asked.
    Hopeless {
        why: String,
        class: FailureClass,
        /// It may have taken place.
        sent: bool,
    },
}

impl Tried {
    fn refused(why: String) -> Self {
        Self::Hopeless { why, class: FailureClass::Own, sent: false }
    }
}

impl Client {
    /// Sends a request with this `Authorization`, once, and reads its answer; the whole within `limit`.
    pub(super) async fn attempt(&self, ask: &Ask, value: &SecretString, limit: Duration) -> Result<Tried, ForgeError> {
        let Ok(mut header) = HeaderValue::from_str(value.expose_secret()) else {
            return Err(self.error(&ask.what(), "the token cannot be sent: it is more than one line of plain letters", FailureClass::Own));
        };
        header.set_sensitive(true);
        let whole = timeout(limit, self.follow(ask, &header));
        let tried = whole.await.unwrap_or_else(|_| Tried::Cut(format!("no answer within {} ms", limit.as_millis())));
        Ok(match tried {
            Tried::Answered(mut answer, said) => {
                // A forge, or what stands before it, may say what it was sent.
                let secret = value.expose_secret().rsplit(' ').next().unwrap_or_default();
                if secret.len() >= SECRET_BYTES_MIN && answer.text.contains(secret) {
                    answer.text = answer.text.replace(secret, "***");
                }
                Tried::Answered(answer, said)
            }
            other => other,
        })
    }

    /// Goes where it is led, as long as that is the same place.
    async fn follow(&self, ask: &Ask, header: &HeaderValue) -> Tried {
        let mut url = ask.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let kept = if ask.changes() { None } else { self.inner.etags.get(&url) };
            let mut request = self.inner.http.request(ask.method.clone(), url.clone()).header(AUTHORIZATION, header.clone());
            if let Some(kept) = &kept {
                request = request.header(IF_NONE_MATCH, kept.tag.clone());
            }
            if let Some(body) = &ask.body {
                request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body.clone());
            }
            let mut answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) => return failed(error),
            };
            let status = answer.status();
            let said = Said::read(answer.headers(), now());
            if let Some(kept) = kept.filter(|_| status == StatusCode::NOT_MODIFIED) {
                // The same page may have another one behind it by now.
                let linked = answer.headers().contains_key(LINK);
                let next = if linked { next_page(answer.headers(), &url) } else { kept.next.clone() };
                return Tried::Answered(Answer { status: StatusCode::OK, text: kept.text.clone(), next }, said);
            }
            if status.is_redirection() {
                match self.led_to(ask, &answer, &url) {
                    Ok(there) => url = there,
                    Err(why) => return Tried::refused(why),
                }
                continue;
            }
            let (headers, next) = (answer.headers().clone(), next_page(answer.headers(), &url));
            let text = match whole(&mut answer).await {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(tried) => return tried,
            };
            self.keep(ask, &url, status, &headers, &text, next.as_ref());
            return Tried::Answered(Answer { status, text, next }, said);
        }
        Tried::refused("it leads from one address to the next without an end".to_owned())
    }

    /// Where an answer leads, if the token may go there.
    fn led_to(&self, ask: &Ask, answer: &Response, from: &Url) -> Result<Url, String> {
        let status = answer.status().as_u16();
        let place = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(there) = place.and_then(|place| from.join(place).ok()) else {
            return Err(format!("it answered {status}, which leads nowhere"));
        };
        if !self.is_own(&there) {
            let there = there.origin().ascii_serialization();
            return Err(format!("it leads to {there}, which is another place: no token is taken there; is the base_url right?"));
        }
        if ask.changes() {
            let there = there.path();
            return Err(format!("it leads to {there}: the repository may have been renamed or moved; call it what it is called now"));
        }
        Ok(there)
    }

    fn keep(&self, ask: &Ask, url: &Url, status: StatusCode, headers: &HeaderMap, text: &str, next: Option<&Url>) {
        let tag = headers.get(ETAG).filter(|_| status == StatusCode::OK && !ask.changes() && (next.is_some() || shows_all(url, text)));
        if let Some(tag) = tag {
            self.inner.etags.put(url, Kept { tag: tag.clone(), text: text.to_owned(), next: next.cloned() });
        }
    }
}

/// The content of an answer, if it is not too long.
async fn whole(answer: &mut Response) -> Result<Vec<u8>, Tried> {
    let long = || Tried::Hopeless {
        why: format!("its answer is longer than {} MiB", ANSWER_BYTES_MAX >> 20),
        class: FailureClass::Unknown,
        sent: true,
    };
    let told = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told > ANSWER_BYTES_MAX as u64) {
        return Err(long());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| Tried::Cut(shown(error)))? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(long());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn failed(error: reqwest::Error) -> Tried {
    if error.is_builder() {
        return Tried::refused(shown(error));
    }
    if !error.is_connect() {
        return Tried::Cut(shown(error));
    }
    if is_mistrusted(&error) {
        return Tried::refused(format!("{}; if it has a certificate of your own, name its authority's as ca_file", shown(error)));
    }
    Tried::NotSent(shown(error))
}

/// Whether it is the server's certificate that is wrong: it will be at the next try.
fn is_mistrusted(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // An I/O error does not show what it holds as its source, but what that comes from.
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = held.map(|held| held as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    false
}

/// An error without the address, whose query may be long, or a secret.
fn shown(error: reqwest::Error) -> String {
    words::one_line(&with_causes(&error.without_url()))
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

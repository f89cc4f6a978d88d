//! Requests to people's services: one client per sink, and what their answers mean for trying again.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, RequestBuilder, redirect};
use towpath_domain::{Span, with_causes};

use crate::message::cut;
use crate::sink::DeliveryError;

/// What takes longer to connect to is away.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Longer than any of these services takes to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The most that is read of an answer, in bytes.
const ANSWER_MAX: usize = 1 << 20;

/// What is told of an answer that refuses, in characters.
const TOLD_MAX: usize = 300;

/// A client for one trust domain: it follows no redirects, as a token must not go wherever an answer points.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
}

/// What the other end answered.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    retry_after: Option<Span>,
    pub body: String,
}

impl Http {
    /// A client that trusts the system's authorities, or only those in `ca`.
    ///
    /// # Errors
    /// Why the file cannot be used, or no client be made.
    pub fn new(ca: Option<&Path>) -> Result<Self, String> {
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("towpath/", env!("CARGO_PKG_VERSION")))
            .no_proxy();
        if let Some(file) = ca {
            let pem = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| format!("{} is no PEM", file.display()))?;
            if certificates.is_empty() {
                return Err(format!("{} contains no certificate", file.display()));
            }
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build().map_err(|error| format!("no TLS client can be made: {}", with_causes(&error)))?;
        Ok(Self { client })
    }

    pub(crate) fn post(&self, url: &str) -> RequestBuilder {
        self.client.post(url)
    }

    pub(crate) fn get(&self, url: &str) -> RequestBuilder {
        self.client.get(url)
    }

    /// Sends it; whatever is answered is an [`Answer`].
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer, DeliveryError> {
        // The address of a webhook is a secret: no error shows it.
        let failed = |error: reqwest::Error| {
            let builder = error.is_builder();
            let why = with_causes(&error.without_url());
            if builder { DeliveryError::permanent(format!("the request cannot be made: {why}")) } else { DeliveryError::passing(why) }
        };
        let mut response = request.send().await.map_err(failed)?;
        let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = header.and_then(|text| text.trim().parse::<u64>().ok()).map(Span::from_secs);
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_MAX {
                return Err(DeliveryError::permanent(format!("the answer is longer than {ANSWER_MAX} bytes")));
            }
        }
        Ok(Answer { status, retry_after, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Sends it, and takes only a success for an answer.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Answer, DeliveryError> {
        self.send(request).await?.accepted()
    }
}

impl Answer {
    /// This answer, if it is a success.
    pub(crate) fn accepted(self) -> Result<Self, DeliveryError> {
        let told = cut(self.body.trim(), TOLD_MAX);
        let said = if told.is_empty() { String::new() } else { format!(": {told}") };
        let status = self.status;
        match status {
            200..=299 => Ok(self),
            300..=399 => {
                Err(DeliveryError::permanent(format!("the answer was {status}, a redirect: correct the address, as none is followed")))
            }
            408 | 425 | 429 | 500..=599 => {
                let why = format!("the answer was {status}{said}");
                Err(DeliveryError { why, permanent: false, retry_after: self.retry_after })
            }
            _ => Err(DeliveryError::permanent(format!("the answer was {status}{said}"))),
        }
    }

    /// How long the other end asks to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Span> {
        self.retry_after
    }
}

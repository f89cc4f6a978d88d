//! Requests to the provider: bounded in time and size, and never led elsewhere.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, RequestBuilder, redirect};
use serde_json::Value;
use towpath_domain::with_causes;

/// What takes longer to connect to is away.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Longer than any provider takes to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The most that is read of an answer, in bytes. The keys of a large provider take some 30 KiB.
const ANSWER_MAX: usize = 512 * 1024;

/// Talks to the provider.
#[derive(Debug)]
pub(super) struct Wire(Client);

/// What came back: the status, and the JSON if it is some.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
}

impl Wire {
    /// One that trusts the system's authorities, or only those in `ca`.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, String> {
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
        builder.build().map(Self).map_err(|error| format!("no TLS client can be made: {}", with_causes(&error)))
    }

    pub(super) async fn get(&self, url: &str) -> Result<Answer, String> {
        send(self.0.get(url)).await
    }

    /// Posts a form; `authorization` is how this server shows who it is, where it does so in a header.
    pub(super) async fn post(&self, url: &str, form: String, authorization: Option<String>) -> Result<Answer, String> {
        let mut request = self.0.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
        if let Some(authorization) = authorization {
            let mut value =
                reqwest::header::HeaderValue::from_str(&authorization).map_err(|_| "its credentials are no header".to_owned())?;
            value.set_sensitive(true);
            request = request.header("authorization", value);
        }
        send(request).await
    }
}

async fn send(request: RequestBuilder) -> Result<Answer, String> {
    let failed = |error: reqwest::Error| with_causes(&error.without_url());
    let mut response = request.header("accept", "application/json").send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_MAX {
            return Err(format!("its answer has more than {ANSWER_MAX} bytes"));
        }
    }
    Ok(Answer { status, body: serde_json::from_slice(&body).ok() })
}

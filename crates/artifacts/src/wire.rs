//! Requests to an S3-compatible server: signed, bounded, tried again, and told without what must not be seen.

use std::time::Duration;

use reqwest::{Certificate, Client, Response, StatusCode, Url, redirect};
use rusty_s3::{Method, signing};
use towpath_domain::with_causes;

use crate::error::{BucketError, BucketErrorKind, shown};
use crate::keys::Pair;
use crate::limits::Limits;
use crate::listing;
use crate::settings::BucketSettings;

/// How long a signed address may be used: as long as clocks may differ, and no longer than needed.
const SIGNED_FOR: Duration = Duration::from_secs(300);

/// How long it may take until a server takes a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The longest pause between tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How much of an error is read: it holds a code.
const ERROR_BYTES: usize = 64 << 10;

/// A connection to one server.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    client: Client,
    region: String,
    limits: Limits,
}

/// What a server answered.
pub(crate) enum Answer {
    /// The content.
    Content(Vec<u8>),
    /// There is no such bucket or file.
    Missing,
}

impl Wire {
    /// # Errors
    /// When the certificates cannot be used, or this process has no cryptography.
    pub(crate) fn new(settings: &BucketSettings) -> Result<Self, BucketError> {
        let cannot = |why: String| {
            let mend = "correct `ca` of the cluster's [artifacts.s3] in towpath.toml: a file with PEM certificates";
            BucketError::new(BucketErrorKind::Name, why, mend)
        };
        // The client would panic.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let mend = "this is a fault of the program: report it";
            return Err(BucketError::new(BucketErrorKind::Name, "no TLS provider is installed in this process", mend));
        }
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(settings.limits.silence)
            // A signature must not follow wherever an answer points.
            .redirect(redirect::Policy::none())
            .no_proxy();
        if let Some(file) = &settings.ca_file {
            let pem = std::fs::read(file).map_err(|error| cannot(format!("cannot read {}: {error}", file.display())))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| cannot(format!("{} is no PEM", file.display())))?;
            if certificates.is_empty() {
                return Err(cannot(format!("{} contains no certificate", file.display())));
            }
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build().map_err(|error| cannot(format!("no TLS client can be made: {}", shown(&with_causes(&error)))))?;
        Ok(Self { client, region: settings.region.clone(), limits: settings.limits })
    }

    /// Gets what is at `url`, with a query sorted by its names, and at most `bytes` of it.
    pub(crate) async fn get(&self, url: &Url, query: &[(&str, &str)], keys: &Pair, bytes: usize) -> Result<Answer, BucketError> {
        let mut pause = self.limits.pause;
        for attempt in 1.. {
            let error = match self.once(url, query, keys, bytes).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.kind() != BucketErrorKind::Away || attempt >= self.limits.tries {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Err(away("it was tried too often"))
    }

    async fn once(&self, url: &Url, query: &[(&str, &str)], keys: &Pair, bytes: usize) -> Result<Answer, BucketError> {
        let signed = signing::sign(
            &jiff::Timestamp::now(),
            Method::Get,
            url.clone(),
            keys.access.expose(),
            keys.secret.expose(),
            None,
            &self.region,
            SIGNED_FOR.as_secs(),
            query.iter().copied(),
            std::iter::empty(),
        );
        let response = self.client.get(signed).send().await.map_err(unreached)?;
        let status = response.status();
        if status == StatusCode::OK {
            return body(response, bytes).await.map(Answer::Content);
        }
        let said = body(response, ERROR_BYTES).await.unwrap_or_default();
        refused(status, &listing::error_code(&String::from_utf8_lossy(&said)))
    }
}

/// What an answer that is none means. Nothing of its own words is repeated but the code.
fn refused(status: StatusCode, code: &str) -> Result<Answer, BucketError> {
    let code_told = if code.is_empty() { String::new() } else { format!(" {code}") };
    let why = format!("the server answers {}{code_told}", status.as_u16());
    if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) {
        return Err(away(why));
    }
    let mend = match (status, code) {
        (StatusCode::NOT_FOUND, "" | "NoSuchBucket" | "NoSuchKey" | "NotFound") => return Ok(Answer::Missing),
        (_, "SignatureDoesNotMatch" | "InvalidAccessKeyId") => "correct the access key and its secret",
        (_, "RequestTimeTooSkewed") => "set this machine's clock",
        (_, "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException") => {
            "correct `region` and `endpoint` in towpath.toml"
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => "let the access key list the bucket and read what is in it",
        _ if status.is_redirection() => "redirects are not followed; name the server itself as `endpoint` in towpath.toml",
        _ => "look whether `endpoint` in towpath.toml is that of an S3-compatible server",
    };
    Err(BucketError::new(BucketErrorKind::Refused, why, mend))
}

/// The body, if it is not more than that many bytes.
async fn body(mut response: Response, bytes: usize) -> Result<Vec<u8>, BucketError> {
    let too_large = || {
        let why = format!("the answer is larger than {bytes} bytes");
        BucketError::new(BucketErrorKind::TooMuch, why, "write less output into the report, or split it")
    };
    if response.content_length().is_some_and(|length| length > u64::try_from(bytes).unwrap_or(u64::MAX)) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreached)? {
        if body.len() + chunk.len() > bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The address is left out: it holds the access key and the signature.
fn unreached(error: reqwest::Error) -> BucketError {
    if error.is_timeout() {
        return away("the server does not answer in time");
    }
    away(format!("the server is not reached, or cut the answer short: {}", shown(&with_causes(&error.without_url()))))
}

fn away(why: impl Into<String>) -> BucketError {
    BucketError::new(BucketErrorKind::Away, why, "look whether it runs and is reached from here")
}

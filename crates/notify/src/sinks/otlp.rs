//! An OpenTelemetry collector: each run that ends as spans of its release's trace, by OTLP over HTTP with JSON
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::hidden::Secret;
use crate::message::Message;
use crate::sink::{DeliveryError, Recorder, Sink, Telling};
use crate::trace::TraceSpan;

use super::http::Http;

/// What sends traces.
#[derive(Debug, Clone)]
pub struct Otlp {
    url: String,
    header: Option<(String, Secret)>,
    http: Http,
}

impl Otlp {
    /// A sink that sends to the collector at `endpoint`, with this header: `/v1/traces` is put behind the address, as the protocol says.
    #[must_use]
    pub fn new(endpoint: &str, header: Option<(String, Secret)>, http: Http) -> Self {
        Self { url: format!("{}/v1/traces", endpoint.trim_end_matches('/')), header, http }
    }

    async fn post(&self, spans: &[TraceSpan]) -> Result<(), DeliveryError> {
        let body = serde_json::to_vec(&request(spans)).map_err(|error| DeliveryError::permanent(format!("spans are no JSON: {error}")))?;
        let mut post = self.http.post(&self.url).header("content-type", "application/json").body(body);
        if let Some((name, secret)) = &self.header {
            let value = secret.get().await.map_err(|why| DeliveryError::passing(format!("the header {name} cannot be had: {why}")))?;
            post = post.header(name, value.expose_secret());
        }
        let answer = self.http.ask(post).await?;
        // A collector that takes only some of them answers with success, too.
        let said: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let refused = &said["partialSuccess"]["rejectedSpans"];
        let refused = refused.as_i64().or_else(|| refused.as_str()?.parse().ok()).unwrap_or(0);
        if refused > 0 {
            let why = said["partialSuccess"]["errorMessage"].as_str().unwrap_or("no reason was given");
            return Err(DeliveryError::permanent(format!("the collector refused {refused} spans: {why}")));
        }
        Ok(())
    }
}

/// An `ExportTraceServiceRequest`: ids are hex digits, and 64-bit numbers stand in quotes.
fn request(spans: &[TraceSpan]) -> Value {
    let attribute = |name: &str, value: &str| json!({ "key": name, "value": { "stringValue": value } });
    let nanos = |at: towpath_domain::Timestamp| format!("{}000000", at.as_millis().max(0));
    let spans: Vec<Value> = spans
        .iter()
        .map(|span| {
            let attributes: Vec<Value> = span.attributes.iter().map(|(name, value)| attribute(name, value)).collect();
            let mut shown = json!({
                "traceId": hex(&span.trace),
                "spanId": hex(&span.id),
                "name": span.name,
                // SPAN_KIND_INTERNAL
                "kind": 1,
                "startTimeUnixNano": nanos(span.start),
                "endTimeUnixNano": nanos(span.end),
                "attributes": attributes,
                "status": {},
            });
            if let Some(parent) = &span.parent {
                shown["parentSpanId"] = json!(hex(parent));
            }
            if let Some(error) = &span.error {
                // STATUS_CODE_ERROR
                shown["status"] = json!({ "code": 2, "message": error });
            }
            shown
        })
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    let resource = [attribute("service.name", "towpath"), attribute("service.version", version)];
    let scope = json!({ "name": "towpath", "version": version });
    json!({ "resourceSpans": [{ "resource": { "attributes": resource }, "scopeSpans": [{ "scope": scope, "spans": spans }] }] })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Sink for Otlp {
    fn name(&self) -> &str {
        "otlp"
    }

    fn deliver<'a>(&'a self, _: &'a Message) -> Telling<'a> {
        // Spans are all that it takes.
        Box::pin(std::future::ready(Ok(())))
    }

    fn recorder(&self) -> Option<&dyn Recorder> {
        Some(self)
    }
}

impl Recorder for Otlp {
    fn record<'a>(&'a self, spans: &'a [TraceSpan]) -> Telling<'a> {
        Box::pin(self.post(spans))
    }
}

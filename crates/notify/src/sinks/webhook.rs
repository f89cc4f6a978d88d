//! A webhook of the installation's own, signed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use crate::deliver::Clock;
use crate::hidden::Secret;
use crate::message::Message;
use crate::sink::{DeliveryError, Sink, Telling};

use super::http::Http;

/// Posts each message as JSON. `X-Towpath-Signature` is `v1=` and the hex digits of an HMAC-SHA256 over `X-Towpath-Timestamp`, a dot and
/// the body; `X-Towpath-Delivery` is [`Message::key`]: who gets one twice can tell.
#[derive(Clone)]
pub struct Webhook {
    name: String,
    url: String,
    key: Secret,
    http: Http,
    clock: Clock,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Webhook {
    /// A sink of this name that posts to `url`, signing with `key`.
    #[must_use]
    pub fn new(name: impl Into<String>, url: impl Into<String>, key: Secret, http: Http, clock: Clock) -> Self {
        Self { name: name.into(), url: url.into(), key, http, clock }
    }

    async fn post(&self, message: &Message) -> Result<(), DeliveryError> {
        let body = serde_json::to_vec(message).map_err(|error| DeliveryError::permanent(format!("the message is no JSON: {error}")))?;
        let key = self.key.get().await.map_err(|why| DeliveryError::passing(format!("the webhook's key cannot be had: {why}")))?;
        let timestamp = (self.clock)().as_millis().div_euclid(1000).to_string();
        let signature = sign(key.expose_secret(), &timestamp, &body)?;
        let request = self
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .header("x-towpath-delivery", &message.key)
            .header("x-towpath-timestamp", &timestamp)
            .header("x-towpath-signature", signature)
            .body(body);
        self.http.ask(request).await?;
        Ok(())
    }
}

/// The signature of a body at a moment.
fn sign(key: &str, timestamp: &str, body: &[u8]) -> Result<String, DeliveryError> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|_| DeliveryError::permanent("the webhook's key cannot be used"))?;
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("v1={digits}"))
}

impl Sink for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn deliver<'a>(&'a self, message: &'a Message) -> Telling<'a> {
        Box::pin(self.post(message))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_signature_is_that_of_anybodys_hmac() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'key of the installation'
        let expected = "ee1227c101932554545d1cf55daa6bf226a66be8486b5adadfc76cc3439e4eef";
        assert_eq!(super::sign("key of the installation", "1700000000", br#"{"a":1}"#).unwrap(), format!("v1={expected}"));
    }
}

//! PagerDuty's Events API v2: <https://developer.pagerduty.com/docs/send-alert-event>.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use towpath_domain::Timestamp;

use super::{Action, Incident, Pager};
use crate::hidden::Secret;
use crate::message::cut;
use crate::sink::{DeliveryError, Telling};
use crate::sinks::Http;

/// The longest summary that is taken.
const SUMMARY: usize = 1_024;

/// A service of PagerDuty.
#[derive(Debug, Clone)]
pub struct PagerDuty {
    routing_key: Secret,
    /// The API's address, without a slash at the end.
    api: String,
    http: Http,
}

impl PagerDuty {
    /// The service of this routing key.
    #[must_use]
    pub fn new(routing_key: Secret, api: impl Into<String>, http: Http) -> Self {
        Self { routing_key, api: api.into(), http }
    }

    async fn send(&self, action: &Action, incident: &Incident, at: Timestamp) -> Result<(), DeliveryError> {
        let key = self.routing_key.get().await.map_err(|why| DeliveryError::passing(format!("the routing key cannot be had: {why}")))?;
        let mut event = json!({
            "routing_key": key.expose_secret(),
            "event_action": match action {
                Action::Trigger => "trigger",
                Action::Acknowledge { .. } => "acknowledge",
                Action::Resolve => "resolve",
            },
            "dedup_key": incident.key(),
        });
        if *action == Action::Trigger {
            event["payload"] = payload(incident, at);
            event["client"] = json!("Towpath");
            event["links"] = incident.links.iter().map(|link| json!({ "href": link.url, "text": link.text })).collect();
        }
        self.http.ask(self.http.post(&format!("{}/v2/enqueue", self.api)).json(&event)).await?;
        Ok(())
    }
}

fn payload(incident: &Incident, at: Timestamp) -> Value {
    let mut payload = json!({
        "summary": cut(&incident.title, SUMMARY - 1),
        "source": "towpath",
        "severity": "error",
        "timestamp": at.to_string(),
        "custom_details": { "detail": cut(&incident.detail, 4_000), "run": incident.run },
    });
    // What is not known is left out: null is no text.
    for (field, value) in [("component", &incident.app), ("group", &incident.environment)] {
        if let Some(value) = value {
            payload[field] = json!(value);
        }
    }
    payload
}

impl Pager for PagerDuty {
    fn page<'a>(&'a self, action: &'a Action, incident: &'a Incident, at: Timestamp) -> Telling<'a> {
        Box::pin(self.send(action, incident, at))
    }
}

//! Opsgenie's Alert API: <https://docs.opsgenie.com/docs/alert-api>. The alias is the incident's key.

use secrecy::ExposeSecret as _;
use serde_json::json;
use towpath_domain::Timestamp;

use super::{Action, Incident, Pager};
use crate::hidden::Secret;
use crate::message::cut;
use crate::sink::{DeliveryError, Telling};
use crate::sinks::Http;

/// The longest message that is taken.
const MESSAGE: usize = 130;

/// The longest description that is taken.
const DESCRIPTION: usize = 15_000;

/// An integration of Opsgenie.
#[derive(Debug, Clone)]
pub struct Opsgenie {
    key: Secret,
    /// The API's address, without a slash at the end.
    api: String,
    http: Http,
}

impl Opsgenie {
    /// The integration of this API key.
    #[must_use]
    pub fn new(key: Secret, api: impl Into<String>, http: Http) -> Self {
        Self { key, api: api.into(), http }
    }

    async fn send(&self, action: &Action, incident: &Incident) -> Result<(), DeliveryError> {
        let alias = incident.key();
        let (path, body) = match action {
            Action::Trigger => {
                let links: Vec<String> = incident.links.iter().map(|link| format!("{}: {}", link.text, link.url)).collect();
                let description = cut(&format!("{}\n{}", incident.detail, links.join("\n")), DESCRIPTION - 1);
                let body = json!({
                    "message": cut(&incident.title, MESSAGE - 1), "alias": alias, "description": description, "source": "Towpath",
                    "entity": incident.app.clone().unwrap_or_default(), "tags": incident.environment.iter().collect::<Vec<_>>(),
                    "details": { "run": incident.run },
                });
                (String::new(), body)
            }
            Action::Acknowledge { by } => (
                format!("/{alias}/acknowledge?identifierType=alias"),
                json!({ "source": "Towpath", "user": cut(by, 99), "note": format!("{by} sees to it") }),
            ),
            Action::Resolve => (format!("/{alias}/close?identifierType=alias"), json!({ "source": "Towpath", "note": "mended" })),
        };
        let key = self.key.get().await.map_err(|why| DeliveryError::passing(format!("the API key cannot be had: {why}")))?;
        let request = self.http.post(&format!("{}/v2/alerts{path}", self.api)).json(&body);
        self.http.ask(request.header("authorization", format!("GenieKey {}", key.expose_secret()))).await?;
        Ok(())
    }
}

impl Pager for Opsgenie {
    fn page<'a>(&'a self, action: &'a Action, incident: &'a Incident, _: Timestamp) -> Telling<'a> {
        Box::pin(self.send(action, incident))
    }
}

//! Nobody sees to it: who is called, when, and that all who were called hear of the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::sync::watch;
use towpath_domain::{Span, TargetId, Timestamp};
use towpath_engine::{Event, Subject};
use towpath_ledger::Ledger;
use towpath_notify::escalation::{Action, Climber, Incident, Opsgenie, Pager, PagerDuty, SINK, climb};
use towpath_notify::{Hidden, Link, Secret, Settings};

use crate::releases::*;
use crate::support::*;

const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";
const GENIE_KEY: &str = "the-genie-key";

/// Both services; what they took, and how alerts stand by their key.
#[derive(Clone, Default)]
struct Services {
    took: Arc<Mutex<Vec<(String, Value)>>>,
    alerts: Arc<Mutex<BTreeMap<String, String>>>,
    away: Arc<AtomicBool>,
}

fn text(value: &Value, max: usize) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty() && text.chars().count() <= max)
}

impl Services {
    /// PagerDuty's published schema of an event.
    fn pagerduty(&self, event: &Value) -> (StatusCode, Value) {
        let invalid = |why: &str| (StatusCode::BAD_REQUEST, json!({ "status": "invalid event", "message": why }));
        if event["routing_key"] != ROUTING_KEY {
            return invalid("'routing_key' is invalid");
        }
        if !text(&event["dedup_key"], 255) {
            return invalid("'dedup_key' is missing");
        }
        let state = match event["event_action"].as_str() {
            Some("trigger") => {
                let payload = &event["payload"];
                let severity = matches!(payload["severity"].as_str(), Some("critical" | "error" | "warning" | "info"));
                if ["component", "group"].iter().any(|field| payload.get(field).is_some_and(|value| !value.is_string())) {
                    return invalid("a field of 'payload' is no string");
                }
                if !(text(&payload["summary"], 1024) && text(&payload["source"], 1000) && severity) {
                    return invalid("'payload' is invalid");
                }
                if !event["links"].as_array().is_some_and(|links| links.iter().all(|link| link["href"].is_string())) {
                    return invalid("'links' is invalid");
                }
                "triggered"
            }
            Some("acknowledge") => "acknowledged",
            Some("resolve") => "resolved",
            _ => return invalid("'event_action' is invalid"),
        };
        let key = event["dedup_key"].as_str().unwrap_or_default().to_owned();
        self.alerts.lock().unwrap().insert(format!("pagerduty {key}"), state.to_owned());
        (StatusCode::ACCEPTED, json!({ "status": "success", "message": "Event processed", "dedup_key": key }))
    }

    /// Opsgenie's.
    fn opsgenie(&self, path: &str, query: Option<&str>, key: Option<&str>, body: &Value) -> (StatusCode, Value) {
        if key != Some(&format!("GenieKey {GENIE_KEY}")) {
            return (StatusCode::FORBIDDEN, json!({ "message": "Key format is not valid!" }));
        }
        let taken = (StatusCode::ACCEPTED, json!({ "result": "Request will be processed" }));
        let mut alerts = self.alerts.lock().unwrap();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts.as_slice() {
            ["v2", "alerts"] if text(&body["message"], 130) && text(&body["alias"], 512) && text(&body["description"], 15_000) => {
                alerts.insert(format!("opsgenie {}", body["alias"].as_str().unwrap()), "open".into());
                taken
            }
            ["v2", "alerts", alias, action @ ("acknowledge" | "close")] if query == Some("identifierType=alias") => {
                alerts.insert(format!("opsgenie {alias}"), format!("{action}d"));
                taken
            }
            _ => (StatusCode::UNPROCESSABLE_ENTITY, json!({ "message": "Request body is not processable" })),
        }
    }

    fn states(&self) -> Vec<(String, String)> {
        let named = |(key, state): (&String, &String)| (key.split(' ').next().unwrap().to_owned(), state.clone());
        self.alerts.lock().unwrap().iter().map(named).collect()
    }
}

async fn called(State(services): State<Services>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    if services.away.load(Ordering::SeqCst) {
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let key = headers.get("authorization").and_then(|value| value.to_str().ok());
    let (status, answer) =
        if uri.path() == "/v2/enqueue" { services.pagerduty(&body) } else { services.opsgenie(uri.path(), uri.query(), key, &body) };
    services.took.lock().unwrap().push((uri.to_string(), body));
    (status, answer.to_string())
}

/// A town where production may fail.
struct Town {
    failed: AtomicBool,
    rungs: Vec<(String, Arc<dyn Pager>)>,
}

fn incident() -> Incident {
    Incident {
        subject: Subject::Target(TargetId::new("production").unwrap()),
        run: "production-1".into(),
        title: "Deploy of api / production failed".into(),
        detail: "the probe answers 500".into(),
        app: Some("shop".into()),
        environment: Some("production".into()),
        links: vec![Link { text: "Run".into(), url: "https://towpath.example.com/runs/production-1".into() }],
    }
}

impl Climber for Town {
    fn open(&self) -> Vec<Incident> {
        if self.failed.load(Ordering::SeqCst) { vec![incident()] } else { Vec::new() }
    }

    fn mended(&self, _: &Subject) -> bool {
        !self.failed.load(Ordering::SeqCst)
    }

    fn under_way(&self, _: &Subject) -> bool {
        false
    }

    fn rungs(&self, _: &Incident) -> Vec<(String, Arc<dyn Pager>)> {
        self.rungs.clone()
    }
}

struct Story {
    directory: tempfile::TempDir,
    ledger: Ledger,
    services: Services,
    town: Arc<Town>,
    now: Arc<Mutex<Timestamp>>,
    hidden: Hidden,
}

const STEP: Span = Span::from_secs(600);

impl Story {
    async fn begin(routing_key: &'static str) -> Self {
        let (directory, ledger) = fresh().await;
        ledger.outbox_register(SINK).await.unwrap();
        let (services, hidden) = (Services::default(), Hidden::default());
        let url = serve_app(axum::Router::new().fallback(called).with_state(services.clone())).await;
        let secret = |value| Secret::new(Arc::new(Words(value)), hidden.clone());
        let rungs: Vec<(String, Arc<dyn Pager>)> = vec![
            ("pagerduty".into(), Arc::new(PagerDuty::new(secret(routing_key), url.clone(), http()))),
            ("opsgenie".into(), Arc::new(Opsgenie::new(secret(GENIE_KEY), url, http()))),
        ];
        let town = Arc::new(Town { failed: AtomicBool::new(true), rungs });
        Self { directory, ledger, services, town, now: Arc::new(Mutex::new(at(0))), hidden }
    }

    fn climb(&self) -> (tokio::task::JoinHandle<()>, watch::Sender<bool>) {
        let (stop, stopped) = watch::channel(false);
        let clock = self.now.clone();
        let settings = Settings { clock: Arc::new(move || *clock.lock().unwrap()), ..town(&self.hidden, &[]) };
        (tokio::spawn(climb(self.ledger.clone(), self.town.clone(), STEP, settings, stopped)), stop)
    }

    /// Time goes on, and something happens that has the climber look.
    async fn later(&self, seconds: i64) {
        let now = at(seconds * 1000);
        *self.now.lock().unwrap() = now;
        let commit = commit();
        self.ledger.append(None, "test", now, vec![Event::ConfigSeen { commit, errors: 0 }]).await.unwrap();
    }

    async fn until(&self, wanted: &[(&str, &str)]) {
        let reached = async {
            let same = || {
                let states = self.services.states();
                let states: Vec<(&str, &str)> = states.iter().map(|(of, state)| (of.as_str(), state.as_str())).collect();
                states == wanted
            };
            while !same() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(DEADLINE, reached).await.is_err() {
            panic!("{wanted:?} never came: {:?}", self.services.states());
        }
    }
}

#[tokio::test]
async fn it_climbs_until_a_person_sees_to_it_and_all_who_were_called_hear_of_both_ends() {
    let story = Story::begin(ROUTING_KEY).await;
    let (task, stop) = story.climb();
    story.until(&[("pagerduty", "triggered")]).await;
    let noted = async {
        while !story.ledger.threads(SINK, "").await.unwrap().iter().any(|(_, thread)| thread.state.contains("\"told\":[\"pagerduty\"]")) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, noted).await.unwrap();
    story.later(599).await;
    // A restart in between calls nobody twice, and forgets nothing.
    stop.send(true).unwrap();
    task.await.unwrap();
    let (task, stop) = story.climb();
    story.later(600).await;
    story.until(&[("opsgenie", "open"), ("pagerduty", "triggered")]).await;
    let subject = incident().subject;
    let seen = Event::Acknowledged { subject, by: "Ada".into(), why: "looking".into() };
    story.ledger.append(None, "Ada", at(700_000), vec![seen]).await.unwrap();
    story.until(&[("opsgenie", "acknowledged"), ("pagerduty", "acknowledged")]).await;
    story.town.failed.store(false, Ordering::SeqCst);
    story.later(800).await;
    story.until(&[("opsgenie", "closed"), ("pagerduty", "resolved")]).await;
    let over = async {
        while !story.ledger.threads(SINK, "").await.unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, over).await.unwrap();
    stop.send(true).unwrap();
    task.await.unwrap();
    let took = story.services.took.lock().unwrap().clone();
    assert_eq!(took.len(), 6, "nobody is told anything twice: {took:#?}");
    insta::assert_json_snapshot!("pages", took.iter().map(|(path, body)| json!([path, body])).collect::<Vec<_>>());
    drop(story.directory);
}

#[tokio::test]
async fn a_service_that_does_not_take_the_key_does_not_keep_the_next_waiting() {
    let story = Story::begin("wrong").await;
    let (task, stop) = story.climb();
    story.until(&[("opsgenie", "open")]).await;
    // That it was told is noted a moment after it was.
    let noted = async {
        let told = "\"told\":[\"pagerduty\",\"opsgenie\"]";
        while !story.ledger.threads(SINK, "").await.unwrap().iter().any(|(_, thread)| thread.state.contains(told)) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, noted).await.unwrap();
    stop.send(true).unwrap();
    task.await.unwrap();
}

#[tokio::test]
async fn a_service_that_is_away_is_called_again() {
    let story = Story::begin(ROUTING_KEY).await;
    story.services.away.store(true, Ordering::SeqCst);
    let (task, stop) = story.climb();
    let failed = async {
        while !story.ledger.threads(SINK, "").await.unwrap().iter().any(|(_, thread)| thread.error.is_some()) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, failed).await.unwrap();
    let kept = story.ledger.threads(SINK, "").await.unwrap();
    assert!(kept[0].1.error.as_ref().unwrap().contains("pagerduty: the answer was 503"), "{kept:?}");
    story.services.away.store(false, Ordering::SeqCst);
    story.later(60).await;
    story.until(&[("pagerduty", "triggered")]).await;
    stop.send(true).unwrap();
    task.await.unwrap();
}

#[tokio::test]
async fn what_is_not_known_of_an_incident_is_left_out() {
    let story = Story::begin(ROUTING_KEY).await;
    let incident = Incident { app: None, environment: None, links: Vec::new(), title: "long ".repeat(1_000), ..incident() };
    for (name, pager) in &story.town.rungs {
        pager.page(&Action::Trigger, &incident, at(0)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

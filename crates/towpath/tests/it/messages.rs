//! People are told of a release, and called for a failure, by the real binary: Slack and PagerDuty are a small server here.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::installation::{Installation, PRODUCTION, TESTS};

/// What was called, in order.
#[derive(Clone, Default)]
struct Called(Arc<Mutex<Vec<(String, Value)>>>);

impl Called {
    /// Serves for as long as the test runs; its port.
    fn listen(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, own) = (listener.local_addr().unwrap().port(), self.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = own.clone();
                std::thread::spawn(move || own.answer(stream));
            }
        });
        port
    }

    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let mut length = 0;
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).unwrap();
                if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if header.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let number = {
                let mut all = self.0.lock().unwrap();
                all.push((path.clone(), serde_json::from_slice(&body).unwrap_or(Value::Null)));
                all.len()
            };
            let (status, answer) = match path.as_str() {
                "/v2/enqueue" => ("202 Accepted", json!({ "status": "success" })),
                _ => ("200 OK", json!({ "ok": true, "channel": "C0123456789", "ts": format!("1700000000.{number:06}"), "messages": [] })),
            };
            let answer = answer.to_string();
            let length = answer.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
            if stream.write_all(format!("{head}{answer}").as_bytes()).is_err() {
                return;
            }
        }
    }

    fn of(&self, path: &str) -> Vec<Value> {
        self.0.lock().unwrap().iter().filter(|(called, _)| called == path).map(|(_, body)| body.clone()).collect()
    }

    fn actions(&self) -> Vec<String> {
        self.of("/v2/enqueue").iter().map(|event| event["event_action"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_release_is_one_message_and_a_failure_is_called_acknowledged_and_resolved() {
    let called = Called::default();
    let port = called.listen();
    let mut it = Installation::new();
    it.write("slack-token", "xoxb-the-token\n");
    it.write("pager-key", "the-routing-key\n");
    let toml = it.read("towpath.toml");
    it.write(
        "towpath.toml",
        &format!(
            "{toml}[server]\nbase_url = \"https://towpath.example.com\"\n\
             [notify.slack.example]\ntoken_file = \"slack-token\"\napi = \"http://127.0.0.1:{port}/api\"\n\
             [notify.pagerduty.hub]\nkey_file = \"pager-key\"\napi = \"http://127.0.0.1:{port}\"\n\
             [notify.escalation]\nstep = \"1s\"\n"
        ),
    );
    it.configure("Who is told", |it| {
        let slack = "app: {$ref: /web/app.yml}\nslack:\n  workspace: {$ref: /slack/example.yml}\n  channel: web-deploys";
        for file in ["web/deploy.yml", "web/test.yml"] {
            it.replace(file, "app: {$ref: /web/app.yml}", slack);
        }
        it.write("config/data/slack/example.yml", "$schema: /dependencies/slack-workspace-1.yml\nname: example\n");
        it.replace("web/app.yml", "name: web\n", "name: web\nescalationPolicy: {$ref: /teams/web.yml}\n");
        let policy = "$schema: /app-sre/escalation-policy-1.yml\nname: web\nchannels:\n  pagerduty: [{$ref: /teams/hub.yml}]\n";
        it.write("config/data/teams/web.yml", policy);
        it.write("config/data/teams/hub.yml", "$schema: /dependencies/pagerduty-target-1.yml\nname: hub\n");
    });
    let first = it.release("first", true);
    it.start(None);
    it.until_at(PRODUCTION, &first);
    it.until("the reaction of a release that is live", |_| (!called.of("/api/reactions.add").is_empty()).then_some(()));
    let posts = called.of("/api/chat.postMessage");
    let (roots, answers): (Vec<&Value>, Vec<&Value>) = posts.iter().partition(|post| post["thread_ts"].is_null());
    assert_eq!(roots.len(), 1, "{roots:#?}");
    assert_eq!(roots[0]["channel"], "web-deploys");
    assert!(roots[0]["blocks"][0]["text"]["text"].as_str().unwrap().contains("first"), "{:#}", roots[0]);
    assert!(answers.iter().any(|answer| answer["text"].as_str().unwrap().starts_with("Promotion reached production")), "{answers:#?}");
    let last = called.of("/api/chat.update").pop().unwrap();
    assert!(last["text"].as_str().unwrap().contains("live after"), "{last:#}");
    assert_eq!(called.of("/api/reactions.add")[0]["name"], "white_check_mark");

    let said = it.refused(&["ack", TESTS, "--reason", "looking", "--by", "Ada"]);
    assert!(said.contains("held by no failure"), "{said}");
    it.release("breaks the till", false);
    it.until_held(TESTS, "failed");
    it.until("the pager", |_| (called.actions() == ["trigger"]).then_some(()));
    let event = called.of("/v2/enqueue").remove(0);
    assert_eq!(
        (event["routing_key"].as_str(), event["payload"]["component"].as_str()),
        (Some("the-routing-key"), Some("web")),
        "{event:#}"
    );
    it.ok(&["ack", TESTS, "--reason", "looking", "--by", "Ada"]);
    it.until("that somebody sees to it", |_| (called.actions() == ["trigger", "acknowledge"]).then_some(()));
    assert!(it.ok(&["history", "--limit", "1000"]).contains("Ada sees to"));
    let good = it.release("mended", true);
    it.until_at(PRODUCTION, &good);
    it.until("that it is mended", |_| (called.actions() == ["trigger", "acknowledge", "resolve"]).then_some(()));
    assert!(it.ok(&["doctor"]).contains("all are told"));
    it.stop();
    let all = called.0.lock().unwrap().iter().map(|(_, body)| body.to_string()).collect::<String>();
    assert!(!all.contains("xoxb-the-token"));
    it.ok(&["ledger", "verify"]);
}

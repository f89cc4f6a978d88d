//! What operators look at: whether the server is ready, its figures, and its log.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use reqwest::Client;
use serde_json::Value;

use crate::harness::Place;
use crate::installation::{Installation, PRODUCTION, TESTS};

/// An answer's status and body.
pub fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    towpath_testbed::init();
    runtime.block_on(async {
        let answer = Client::builder().no_proxy().build().unwrap().get(format!("http://{address}{path}")).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    })
}

pub fn address(it: &Installation) -> Option<String> {
    let file: Value = serde_json::from_slice(&std::fs::read(it.path(".towpath/server.json")).ok()?).ok()?;
    Some(file["address"].as_str()?.to_owned())
}

/// The value of a figure with these labels, in any order.
fn figure(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let line = text.lines().find(|line| {
        let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']));
        rest.is_some_and(|rest| labels.iter().all(|label| rest.contains(label)))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn figures_readiness_and_log_tell_of_a_release_and_of_a_failure() {
    let mut it = Installation::new();
    let first = it.release("first", true);
    it.start_logging_json();
    it.until_at(PRODUCTION, &first);
    let at = address(&it).unwrap();
    assert_eq!(get(&at, "/readyz"), Some((200, "ready\n".to_owned())));
    let bad = it.release("second", false);
    it.until_held(TESTS, "failed");
    let text = it.until("the failure to be counted", |it| {
        let (status, text) = get(&address(it)?, "/metrics")?;
        assert_eq!(status, 200, "{text}");
        (figure(&text, "towpath_incidents", &["state=\"open\""])? >= 1.0).then_some(text)
    });
    assert_eq!(figure(&text, "towpath_runs_finished_total", &["kind=\"build\"", "outcome=\"built\""]), Some(2.0), "{text}");
    assert!(figure(&text, "towpath_runs_finished_total", &["kind=\"deploy\"", "outcome=\"failed\""]) >= Some(1.0), "{text}");
    assert!(figure(&text, "towpath_targets", &["standing=\"stuck\""]) >= Some(1.0), "{text}");
    assert!(figure(&text, "towpath_lead_time_seconds", &["quantile=\"0.5\""]) > Some(0.0), "{text}");
    assert!(figure(&text, "towpath_http_requests_total", &["route=\"/api/v1/status\"", "status=\"200\""]) >= Some(1.0), "{text}");
    assert!(figure(&text, "process_resident_memory_bytes", &[]) > Some(1e6), "{text}");
    // Nothing of it names what is delivered.
    for name in ["web", &first[..7], "production/web"] {
        let named = text.lines().filter(|line| !line.starts_with("towpath_http") && !line.starts_with("towpath_station"));
        assert!(named.clone().all(|line| !line.contains(&format!("\"{name}"))), "{name}: {text}");
    }
    it.stop();
    let log = it.read("server.log");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    let mut begun: BTreeMap<&str, u32> = BTreeMap::new();
    for line in &lines {
        if line["message"] == "a run begins" {
            *begun.entry(line["span"]["release"].as_str().unwrap_or_default()).or_default() += 1;
        }
    }
    // Build, two deploys, a test, and the changes that move test and production.
    assert!(begun.get(first.as_str()).is_some_and(|runs| *runs >= 6), "{begun:?}");
    let failed =
        lines.iter().find(|line| line["level"] == "WARN" && line["span"]["release"] == bad.as_str()).unwrap_or_else(|| panic!("{log}"));
    assert!(failed["message"].as_str().unwrap().starts_with("a run failed: ") && failed["span"]["run"].is_string(), "{failed}");
}

#[test]
fn a_configuration_that_is_read_again_counts_if_it_makes_sense_and_what_runs_goes_on() {
    let (mut it, first) = Installation::released();
    let log_says = |it: &mut Installation, what: &str| {
        it.until(what, |it| it.read("server.log").contains(what).then_some(()));
    };
    let good = it.read("towpath.toml");
    let before = address(&it).unwrap();
    it.write("towpath.toml", &format!("{good}[sever]\n"));
    it.reload();
    log_says(&mut it, "`sever` is not known");
    it.write("towpath.toml", &good);
    it.reload();
    log_says(&mut it, "nothing in it is new");
    assert_eq!(address(&it), Some(before.clone()), "what was served stays");

    // An address that another has: what was served is served on.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    it.write("towpath.toml", &format!("{good}[server]\nlisten = \"{}\"\n", taken.local_addr().unwrap()));
    it.reload();
    log_says(&mut it, "the one before is served on");
    it.until("the server to answer", |it| it.target(PRODUCTION));

    // A sound one: it listens elsewhere, by the same process, and the next release goes its way.
    it.write("towpath.toml", &format!("{good}[server]\nlisten = \"unix:here.sock\"\n"));
    it.reload();
    it.until("the socket", |it| address(it).filter(|at| at.ends_with("here.sock")));
    assert!(!it.has_ended());
    let second = it.release("second", true);
    it.until_at(PRODUCTION, &second);
    assert_eq!(it.deployed(PRODUCTION), [first, second]);
    it.stop();
    it.ok(&["ledger", "verify"]);
}

#[test]
fn a_format_of_logs_that_there_is_not_is_refused() {
    let place = Place::new();
    place.repository("config");
    place.write("towpath.toml", "[config]\nurl = \"config\"\n");
    let said = place.towpath_with(&["serve"], &[("TOWPATH_LOG_FORMAT", "xml")], "").exits(2);
    assert_eq!(said.refusal(), ("TOWPATH_LOG_FORMAT is \"xml\"", "set it to text, for people, or json, for programs"));
}

/// A stand-in of a collector: it takes whatever is posted, and keeps the spans.
fn collector() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let spans = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&spans);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, kept) = (stream.unwrap(), Arc::clone(&kept));
            // A connection may stay open for the next request.
            std::thread::spawn(move || while take(&stream, &kept).is_some() {});
        }
    });
    (address, spans)
}

fn take(stream: &TcpStream, kept: &Mutex<Vec<Value>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line).ok()? > 2 {
        head.push_str(&line.to_ascii_lowercase());
        line.clear();
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    assert!(head.starts_with("post /v1/traces ") && head.contains("\nx-key: the key\r"), "{head}");
    let body: Value = serde_json::from_slice(&body).unwrap();
    kept.lock().unwrap().extend(body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().iter().cloned());
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}").ok()
}

#[test]
fn a_release_is_one_trace_through_all_its_runs_across_a_kill() {
    let (address, spans) = collector();
    let mut it = Installation::new();
    it.write("key", "the key\n");
    let toml = it.read("towpath.toml");
    it.write("towpath.toml", &format!("{toml}[telemetry.otlp]\nendpoint = \"{address}\"\nheader = \"x-key\"\nvalue_file = \"key\"\n"));
    let commit = it.release("first", true);
    it.start(None);
    it.until("the build to be told of", |_| spans.lock().unwrap().iter().any(|span| span["name"] == "build").then_some(()));
    it.kill();
    it.start(None);
    it.until_at(PRODUCTION, &commit);
    let title = |span: &Value| {
        let found = span["attributes"].as_array().unwrap().iter().find(|attribute| attribute["key"] == "towpath.title");
        found.map(|found| found["value"]["stringValue"].as_str().unwrap().to_owned())
    };
    let all = it.until("the last deploy to be told of", |_| {
        let spans = spans.lock().unwrap().clone();
        spans.iter().any(|span| title(span).as_deref() == Some(PRODUCTION)).then_some(spans)
    });
    let release = all.iter().find(|span| span["name"] == "release").unwrap();
    let of_it: Vec<&Value> = all.iter().filter(|span| span["traceId"] == release["traceId"]).collect();
    let runs: Vec<&Value> = of_it.iter().copied().filter(|span| span["parentSpanId"] == release["spanId"]).collect();
    let count = |name: &str| runs.iter().filter(|span| span["name"] == name).count();
    // Build, stage, test, production, and the changes that move two of them.
    assert!(count("build") >= 1 && count("deploy") >= 3 && count("change") >= 1, "{runs:#?}");
    assert!(runs.iter().any(|run| title(run).as_deref() == Some(PRODUCTION)), "{runs:#?}");
    let build = runs.iter().find(|run| run["name"] == "build").unwrap();
    let steps = of_it.iter().filter(|span| span["parentSpanId"] == build["spanId"] && span["name"] != "queue").count();
    assert!(steps >= 1, "{of_it:#?}");
    it.stop();
}

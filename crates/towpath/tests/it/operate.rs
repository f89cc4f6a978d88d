//! What operators look at: whether the server is ready, its figures, and its log.

use std::collections::BTreeMap;

use reqwest::Client;
use serde_json::Value;

use crate::harness::Place;
use crate::installation::{Installation, PRODUCTION, TESTS};

/// An answer's status and body.
fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    towpath_testbed::init();
    runtime.block_on(async {
        let answer = Client::builder().no_proxy().build().unwrap().get(format!("http://{address}{path}")).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    })
}

fn address(it: &Installation) -> Option<String> {
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

//! A large installation with a past: every page of it.

use serde_json::Value;
use towpath_testbed::browser::Browser;
use towpath_testbed::generated::{Fate, Shape};

use super::look::{barriers, faults, overflow, pictures};
use super::server::{Server, weight};
use super::story::items;

#[test]
fn every_page_of_300_apps_and_100_000_runs_is_whole() {
    let Some(browser) = Browser::start() else { return };
    let (server, made) = Server::with(Shape::LARGE);
    let status = server.api("/api/v1/status");
    let target = |app: &str, environment: &str| {
        let is = |target: &&Value| target["app"] == app && target["environment"] == environment && target["isTest"] == false;
        let found = status["targets"].as_array().unwrap().iter().find(is);
        found.unwrap_or_else(|| panic!("no {app} in {environment}"))["id"].as_str().unwrap().to_owned()
    };
    let (rest, failed, frozen) = (made.app(Fate::Rest), made.app(Fate::ProductionFailed), made.app(Fate::Frozen));
    let run = items(&server.api("/api/v1/runs?state=failed&limit=1"))[0]["id"].as_str().unwrap().to_owned();
    let change = items(&server.api("/api/v1/changes?limit=1"))[0]["id"].as_str().unwrap().to_owned();
    let of_rest = target(rest, "production");
    let pages = [
        ("board", "/".to_owned()),
        ("board-stuck", "/?state=stuck".to_owned()),
        ("release", format!("/commits/{}", made.known().arrived)),
        ("target-failed", format!("/targets/{}", target(failed, "production"))),
        ("target-frozen", format!("/targets/{}", target(frozen, "production"))),
        ("source", format!("/sources/{}", made.app(Fate::BuildBroken))),
        ("source-building", format!("/sources/{}", made.app(Fate::Fresh))),
        ("graph", "/graph".to_owned()),
        ("runs", "/runs".to_owned()),
        ("tests", "/tests".to_owned()),
        ("run-failed", format!("/runs/{run}")),
        ("run-long", format!("/runs/{}", made.known().long_log)),
        ("changes", "/changes".to_owned()),
        ("change", format!("/changes/{change}")),
        ("checks", "/checks".to_owned()),
        ("incidents", "/incidents".to_owned()),
        ("history", "/history".to_owned()),
        ("compare", format!("/compare?target={of_rest}&to={}", made.known().arrived)),
        ("insight", "/insight".to_owned()),
        ("images", "/images".to_owned()),
        ("namespaces", "/namespaces".to_owned()),
        ("health", "/health".to_owned()),
    ];
    let mut wrong = Vec::new();
    for (name, address) in pages {
        // What a page may take on a bad line, compressed.
        let bytes = weight(&server.base, &address);
        println!("{name}: {bytes} bytes");
        if bytes >= 100_000 {
            wrong.push(format!("{name} takes {bytes} bytes"));
        }
        for (width, height, dark) in [(1280, 900, false), (390, 844, true)] {
            browser.size(width, height);
            browser.prefers(dark);
            browser.go(&format!("{}{address}", server.base));
            let at = format!("{name} at {width}");
            browser.picture(&pictures().join(format!("generated/{name}-{width}.png")));
            let words = browser.words();
            if browser.count("main h1") != 1 || words.contains("What to do") && words.len() < 600 {
                wrong.push(format!("{at}: {}", words.chars().take(400).collect::<String>()));
            }
            wrong.extend(overflow(&browser, &at));
            wrong.extend(faults(&browser, &server.base, &at));
            if width == 1280 {
                wrong.extend(barriers(&browser, &at));
            }
        }
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

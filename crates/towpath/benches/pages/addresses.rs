//! What is asked for: each page, of something that has much to show.

use serde_json::Value;
use towpath_testbed::generated::{Fate, Generated};

use crate::server::Server;

pub fn all(server: &Server, made: &Generated) -> Vec<(&'static str, String)> {
    let status = server.api("/api/v1/status");
    let of = |app: &str| {
        let is = |target: &&Value| target["app"] == app && target["environment"] == "production" && target["isTest"] == false;
        status["targets"].as_array().unwrap().iter().find(is).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let first = |path: &str| {
        let answer = server.api(path);
        let items = answer.as_array().or_else(|| answer["items"].as_array()).unwrap();
        items[0]["id"].as_str().unwrap().to_owned()
    };
    let target = of(made.app(Fate::Rest));
    vec![
        ("board", "/".to_owned()),
        ("board, what is stuck", "/?state=stuck".to_owned()),
        ("release", format!("/commits/{}", made.known().arrived)),
        ("target", format!("/targets/{}", of(made.app(Fate::ProductionFailed)))),
        ("source", format!("/sources/{}", made.app(Fate::BuildBroken))),
        ("graph", "/graph".to_owned()),
        ("runs", "/runs".to_owned()),
        ("run that failed", format!("/runs/{}", first("/api/v1/runs?state=failed&limit=1"))),
        ("run with 100,000 lines", format!("/runs/{}", made.known().long_log)),
        ("changes", "/changes".to_owned()),
        ("change", format!("/changes/{}", first("/api/v1/changes?limit=1"))),
        ("incidents", "/incidents".to_owned()),
        ("history", "/history".to_owned()),
        ("compare", format!("/compare?target={target}")),
        ("insight", "/insight".to_owned()),
        ("images", "/images".to_owned()),
        ("health", "/health".to_owned()),
    ]
}

/// What can be said to be seen to, again and again: an event that anybody may cause.
pub fn incident(server: &Server) -> String {
    let answer = server.api("/api/v1/incidents");
    let items = answer.as_array().or_else(|| answer["items"].as_array()).unwrap().clone();
    let open = items.iter().find(|incident| incident["mendedAt"].is_null()).expect("something fails");
    open["subject"].as_str().unwrap().to_owned()
}

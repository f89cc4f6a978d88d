//! The demo's story as its pages have it: played once for all tests that only look.

use std::sync::OnceLock;

use serde_json::Value;

use super::server::Server;

/// A page, and its address.
#[derive(Debug, Clone)]
pub struct Page {
    pub name: &'static str,
    pub address: String,
    /// What must stand on it.
    pub says: String,
}

/// The demo's server, which nobody writes to.
pub fn told() -> &'static Server {
    static TOLD: OnceLock<Server> = OnceLock::new();
    TOLD.get_or_init(Server::with_the_demo)
}

/// The commits of the story: the good one, the one whose test fails, the mended one.
pub fn commits(server: &Server) -> Vec<String> {
    let story: Value = serde_json::from_str(&std::fs::read_to_string(server.folder.join("story.json")).unwrap()).unwrap();
    story["commits"].as_array().unwrap().iter().map(|commit| commit["sha"].as_str().unwrap().to_owned()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}")).to_owned()
}

/// All items of a list that may come in pages.
pub fn items(answer: &Value) -> Vec<Value> {
    answer.as_array().or_else(|| answer["items"].as_array()).unwrap_or_else(|| panic!("a list: {answer}")).clone()
}

/// Every page there is.
pub fn pages(server: &Server) -> Vec<Page> {
    let commits = commits(server);
    let status = server.api("/api/v1/status");
    let production = status["targets"].as_array().unwrap().iter().find(|target| target["environment"] == "production").unwrap();
    let target = text(&production["id"]);
    let runs = items(&server.api("/api/v1/runs?limit=100"));
    let run = |kind: &str, state: &str| {
        let found = runs.iter().find(|run| run["kind"] == kind && run["state"] == state);
        text(&found.unwrap_or_else(|| panic!("no {kind} that {state}"))["id"])
    };
    let (failed, built) = (run("deploy", "failed"), run("build", "succeeded"));
    let change = text(&items(&server.api("/api/v1/changes"))[0]["id"]);
    let page = |name, address: &str, says: &str| Page { name, address: address.to_owned(), says: says.to_owned() };
    vec![
        page("board", "/", "web"),
        page("release", &format!("/commits/{}", commits[2]), "lower case"),
        page("release-held", &format!("/commits/{}", commits[1]), "Greet visitors by name"),
        page("target", &format!("/targets/{target}"), "production"),
        page("source", "/sources/web", "web"),
        page("graph", "/graph", "web"),
        page("runs", "/runs", "build"),
        page("tests", "/tests", "Tests"),
        page("run-failed", &format!("/runs/{failed}"), "the version page does not"),
        page("run-built", &format!("/runs/{built}"), "build"),
        page("changes", "/changes", "Promote"),
        page("change", &format!("/changes/{change}"), "Promote"),
        page("checks", "/checks", "Pull requests"),
        page("incidents", "/incidents", ""),
        page("history", "/history", "web"),
        page("compare", &format!("/compare?target={target}&from={}&to={}", commits[0], commits[2]), "lower case"),
        page("insight", "/insight", ""),
        page("images", "/images", "localhost/web"),
        page("namespaces", "/namespaces", "checks-"),
        page("health", "/health", ""),
        page("api", "/api", "/api/v1"),
    ]
}

//! A GitHub in this process, as Enterprise Server has it: as much of its REST API and of GraphQL as Towpath uses, with its words and refusals.

mod apps;
mod checks;
mod graph;
mod merging;
mod others;
mod protection;
mod pulls;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::others::Runs;
use super::server::{Asked, FakeForge, Manners, Told, moment};
use super::world::World;
pub use apps::FakeApp;
pub use checks::FakeCheck;

/// The repository: its owner and its name.
pub const REPOSITORY: &str = "org/config";

/// What only a GitHub knows.
#[derive(Debug, Default)]
pub struct State {
    /// The check runs, in the order of coming.
    pub checks: Vec<FakeCheck>,
    /// The changes that it merges once all is there, by number, each with the head that it was asked for.
    pub merges_later: BTreeMap<u64, String>,
    /// The colours of labels.
    pub colours: BTreeMap<String, String>,
    /// Branch protection of the older kind, as administrators see it.
    pub protection: Option<Value>,
    /// Towpath's account is no administrator: it does not see that.
    pub is_hidden: bool,
    /// Towpath's account is an administrator, whom what is not enforced for administrators does not bind.
    pub is_administrator: bool,
    /// How far rulesets bind Towpath's account; `never` when empty.
    pub bypass: String,
    /// The forks that people open changes from were deleted since.
    pub forks_are_gone: bool,
    /// It has not heard of new branches yet.
    pub lags: bool,
    /// Towpath is this App, and no account.
    pub app: Option<FakeApp>,
    /// Why the published description of GitHub refuses a request, asked before it is looked at.
    pub description: Option<fn(&Asked) -> Option<String>>,
    /// Why the published description of GitHub does not fit an answer.
    pub describes: Option<fn(&Asked, &Told) -> Option<String>>,
    /// What did not fit.
    pub misfits: Vec<String>,
}

/// Starts a GitHub over the bare repository in `folder`, which it calls [`REPOSITORY`]. Its API is at `/api/v3`, GraphQL at `/api/graphql`.
///
/// # Errors
/// There is no port to listen at.
pub async fn start(folder: &Path) -> io::Result<FakeForge> {
    start_as(folder, REPOSITORY).await
}

/// As [`start`], with another name for the repository.
///
/// # Errors
/// As [`start`].
pub async fn start_as(folder: &Path, name: &str) -> io::Result<FakeForge> {
    let refusal = "GH013: Repository rule violations found for refs/heads/main.";
    FakeForge::start(folder, name, Manners { language: answer, page_size: "per_page", refusal, refs: "pull" }).await
}

fn answer(world: &mut World, asked: &Asked) -> Told {
    if let Some(why) = world.github.description.and_then(|refuses| refuses(asked)) {
        world.github.misfits.push(format!("{} /{}: {why}", asked.method, asked.path.join("/")));
        return invalid(&[json!({"message": why})]);
    }
    merging::merge_what_is_ready(world);
    let told = told(world, asked);
    if let Some(why) = world.github.describes.and_then(|misfit| misfit(asked, &told)) {
        world.github.misfits.push(format!("{} /{}, answered {}: {why}", asked.method, asked.path.join("/"), told.status));
    }
    told
}

fn told(world: &mut World, asked: &Asked) -> Told {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    match (asked.method.as_str(), path.as_slice()) {
        ("POST", ["api", "graphql"]) => graph::answer(world, asked),
        // An installation has no user.
        ("GET", ["api", "v3", "user"]) if world.github.app.is_some() => Told::no(403, "Resource not accessible by integration"),
        ("GET", ["api", "v3", "user"]) => Told::json(200, user(&world.account)),
        (method, ["api", "v3", "app", rest @ ..]) => apps::app(world, method, rest),
        (method, ["api", "v3", "repos", owner, name, rest @ ..]) if world.name == format!("{owner}/{name}") => match rest {
            ["installation"] if method == "GET" => apps::installation(world),
            rest => in_repository(world, asked, method, rest),
        },
        _ => not_found(),
    }
}

fn in_repository(world: &mut World, asked: &Asked, method: &str, path: &[&str]) -> Told {
    match (method, path) {
        ("GET", []) => {
            let permissions = json!({"admin": world.github.is_administrator, "push": true, "pull": true});
            Told::json(
                200,
                json!({"id": 1, "name": name(world), "full_name": world.name, "default_branch": world.into, "permissions": permissions}),
            )
        }
        ("GET", ["branches", name]) => protection::branch(world, name),
        ("GET", ["branches", name, "protection"]) if *name == world.into => protection::classic(world),
        ("GET", ["rules", "branches", name]) if *name == world.into => protection::rules(world),
        ("GET", ["rulesets", "77"]) => protection::ruleset(world),
        ("GET", ["pulls"]) => pulls::list(world, asked),
        ("POST", ["pulls"]) => pulls::create(world, asked),
        ("GET", ["labels", name]) => match world.labels.iter().find(|(_, known)| known == name) {
            Some((id, name)) => Told::json(200, label(world, *id, name)),
            None => not_found(),
        },
        ("POST", ["labels"]) => make_label(world, asked),
        ("PATCH", ["issues", "comments", id]) => pulls::edit_comment(world, asked, id),
        ("POST", ["statuses", sha]) => checks::status(world, asked, sha),
        ("GET", ["commits", sha, "status"]) => checks::combined(world, sha),
        ("GET", ["commits", sha, "check-runs"]) => checks::list(world, asked, sha),
        ("GET", ["actions", "runs"]) => others::runs(world, asked),
        ("POST", ["actions", "runs", id, "rerun-failed-jobs" | "rerun"]) => others::again(world, id, Runs::Itself),
        ("GET", ["commits", sha, "check-suites"]) => others::suites(world, sha),
        ("POST", ["check-suites", id, "rerequest"]) => others::again(world, id, Runs::App),
        ("POST", ["check-runs"]) => checks::create(world, asked),
        ("PATCH", ["check-runs", id]) => checks::update(world, asked, id),
        (_, ["pulls" | "issues", number, rest @ ..]) => match number.parse().ok().and_then(|number| world.index(number)) {
            Some(index) => pulls::one(world, asked, method, index, rest),
            None => not_found(),
        },
        _ => not_found(),
    }
}

fn make_label(world: &mut World, asked: &Asked) -> Told {
    let (Some(name), Some(colour)) = (asked.text("name"), asked.text("color")) else {
        return invalid(&[json!({"resource": "Label", "field": "name", "code": "missing_field"})]);
    };
    if colour.len() != 6 || !colour.chars().all(|c| c.is_ascii_hexdigit()) {
        return invalid(&[json!({"resource": "Label", "field": "color", "code": "invalid"})]);
    }
    if world.labels.iter().any(|(_, known)| known == name) {
        return invalid(&[json!({"resource": "Label", "field": "name", "code": "already_exists"})]);
    }
    let id = world.label(name);
    world.github.colours.insert(name.to_owned(), colour.to_owned());
    Told::json(201, label(world, id, name))
}

fn label(world: &World, id: u64, name: &str) -> Value {
    let colour = world.github.colours.get(name).map_or("ededed", String::as_str);
    json!({
        "id": id, "node_id": format!("LA_{id}"), "url": format!("https://github.example.com/api/v3/repos/{REPOSITORY}/labels/{name}"),
        "name": name, "color": colour, "default": false, "description": "",
    })
}

fn user(name: &str) -> Value {
    json!({"login": name, "id": name.len(), "node_id": format!("U_{name}"), "type": if name.ends_with("[bot]") { "Bot" } else { "User" }})
}

/// Whose the repository is.
fn owner(world: &World) -> &str {
    world.name.split_once('/').map_or("", |(owner, _)| owner)
}

/// What the repository is called, without its owner.
fn name(world: &World) -> &str {
    world.name.split_once('/').map_or("", |(_, name)| name)
}

fn not_found() -> Told {
    Told::json(404, json!({"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}))
}

/// What is refused for what it says.
fn invalid(errors: &[Value]) -> Told {
    Told::json(422, json!({"message": "Validation Failed", "errors": errors, "documentation_url": "https://docs.github.com/rest"}))
}

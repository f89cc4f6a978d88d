//! A GitLab in this process: as much of its API v4 as Towpath uses, with its words and refusals.

mod merging;

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::others::{Ends, OtherCheck, Runs, rerun};
use super::server::{Asked, FakeForge, Manners, Told, moment};
use super::world::{FakeComment, Fate, OpenError, World};

/// The project: a group, a group in it, and its name.
pub const PROJECT: &str = "group/sub/config";

/// Starts a GitLab over the bare repository in `folder`, which it calls [`PROJECT`].
///
/// # Errors
/// There is no port to listen at.
pub async fn start(folder: &Path) -> io::Result<FakeForge> {
    start_as(folder, PROJECT).await
}

/// As [`start`], with another name for the repository.
///
/// # Errors
/// As [`start`].
pub async fn start_as(folder: &Path, name: &str) -> io::Result<FakeForge> {
    let refusal = "GitLab: You are not allowed to push code to protected branches on this project.";
    FakeForge::start(folder, name, Manners { language: answer, page_size: "per_page", refusal, refs: "merge-requests" }).await
}

fn answer(world: &mut World, asked: &Asked) -> Told {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    match (asked.method.as_str(), path.as_slice()) {
        ("GET", ["api", "v4", "user"]) => Told::json(200, user(&world.account)),
        // The whole path of the project is one part: its slashes are encoded.
        (method, ["api", "v4", "projects", project, rest @ ..]) if *project == world.name => in_project(world, asked, method, rest),
        _ => Told::json(404, json!({"error": "404 Not Found"})),
    }
}

fn in_project(world: &mut World, asked: &Asked, method: &str, path: &[&str]) -> Told {
    match (method, path) {
        ("GET", []) => Told::json(
            200,
            json!({
                "id": 7, "path_with_namespace": world.name, "default_branch": world.into,
                "merge_method": if world.rules.up_to_date { "rebase_merge" } else { "merge" },
                "merge_pipelines_enabled": world.rules.queue, "merge_trains_enabled": world.rules.queue,
                "only_allow_merge_if_pipeline_succeeds": !world.rules.required_statuses.is_empty(),
            }),
        ),
        ("GET", ["repository", "branches", name]) => match world.repository.head(name) {
            None => Told::no(404, "404 Branch Not Found"),
            Some(head) => Told::json(
                200,
                json!({
                    "name": name, "commit": {"id": head}, "protected": world.rules.no_push, "default": *name == world.into,
                    "can_push": !world.rules.no_push || world.rules.hides_that,
                }),
            ),
        },
        ("GET", ["approval_rules"]) => {
            let approvals = world.rules.required_approvals;
            let rule = json!({"id": 1, "name": "All", "rule_type": "any_approver", "approvals_required": approvals, "protected_branches": [], "applies_to_all_protected_branches": false});
            Told::json(200, if approvals > 0 { json!([rule]) } else { json!([]) })
        }
        ("GET", ["merge_requests"]) => list(world, asked),
        ("POST", ["merge_requests"]) => create(world, asked),
        ("GET", ["repository", "commits", sha, "statuses"]) => statuses(world, sha),
        ("GET", ["repository", "commits", sha, "merge_requests"]) => {
            // The newest first, as all of its lists.
            let with = |index: &usize| world.pulls[*index].head == *sha;
            Told::json(200, (0..world.pulls.len()).rev().filter(with).map(|index| shown(world, index)).collect())
        }
        ("POST", ["statuses", sha]) => status(world, asked, sha),
        ("POST", ["pipelines", id, "retry"]) => match rerun(&mut world.others, id, Runs::Itself) {
            None => Told::no(404, "404 Pipeline Not Found"),
            Some(Err(why)) => Told::no(403, &why),
            Some(Ok(())) => {
                let found = world.others.iter().find(|check| check.id.to_string() == *id).map(pipeline);
                Told::json(201, found.unwrap_or_default())
            }
        },
        (_, ["merge_trains", "merge_requests", number]) => match number.parse().ok().and_then(|number| world.index(number)) {
            Some(index) => merging::train(world, asked, method, index),
            None => Told::no(404, "404 Not found"),
        },
        (_, ["merge_requests", number, rest @ ..]) => match number.parse().ok().and_then(|number| world.index(number)) {
            Some(index) => one(world, asked, method, index, rest),
            None => Told::no(404, "404 Not found"),
        },
        _ => Told::json(404, json!({"error": "404 Not Found"})),
    }
}

fn one(world: &mut World, asked: &Asked, method: &str, index: usize, path: &[&str]) -> Told {
    match (method, path) {
        ("GET", []) => Told::json(200, shown(world, index)),
        ("PUT", []) => edit(world, asked, index),
        ("GET", ["pipelines"]) => {
            let head = world.pulls[index].head.clone();
            let of = |check: &&OtherCheck| check.runs == Runs::Itself && check.commit == head;
            Told::json(200, world.others.iter().rev().filter(of).map(pipeline).collect())
        }
        ("PUT", ["merge"]) => merging::merge(world, asked, index),
        ("GET", ["notes"]) => {
            let mut notes: Vec<Value> = world.pulls[index].comments.iter().map(note).collect();
            if asked.query.get("sort").is_none_or(|sort| sort == "desc") {
                notes.reverse();
            }
            Told::json(200, notes.into())
        }
        ("POST", ["notes"]) => match asked.text("body") {
            None | Some("") => Told::json(400, json!({"error": "body is missing"})),
            // What begins a line with a slash is a command, and no comment.
            Some(body) if body.starts_with('/') => Told::json(202, json!({"commands_changes": {}, "summary": ["Applied a command."]})),
            Some(body) => {
                let account = world.account.clone();
                world.comment(index, &account, body);
                Told::json(201, world.pulls[index].comments.last().map(note).unwrap_or_default())
            }
        },
        ("PUT", ["notes", id]) => {
            let (now, account) = (world.now(), world.account.clone());
            match world.pulls[index].comments.iter_mut().find(|comment| comment.id.to_string() == *id) {
                None => Told::no(404, "404 Note Not Found"),
                Some(found) if found.author != account || found.system => Told::no(403, "403 Forbidden"),
                Some(found) => {
                    asked.text("body").unwrap_or_default().clone_into(&mut found.body);
                    found.changed_at = now;
                    Told::json(200, note(found))
                }
            }
        }
        ("GET", ["approvals"]) => {
            let approved: Vec<Value> = world.pulls[index]
                .reviews
                .iter()
                .filter(|review| review.approves)
                .map(|review| json!({"user": user(&review.author), "approved_at": moment(review.at)}))
                .collect();
            Told::json(
                200,
                json!({"iid": world.pulls[index].number, "approvals_required": world.rules.required_approvals, "approved_by": approved}),
            )
        }
        ("GET", ["reviewers"]) => {
            let review = |review: &crate::fake::FakeReview| json!({"user": user(&review.author), "state": if review.approves { "approved" } else { "requested_changes" }, "created_at": moment(review.at)});
            Told::json(200, world.pulls[index].reviews.iter().map(review).collect())
        }
        _ => Told::json(404, json!({"error": "404 Not Found"})),
    }
}

fn list(world: &World, asked: &Asked) -> Told {
    let wanted = |name: &str, value: &str| asked.query.get(name).is_none_or(|wanted| wanted == value || wanted == "all");
    let fits = |index: &usize| {
        let pull = &world.pulls[*index];
        wanted("state", state(&pull.fate)) && wanted("source_branch", &pull.branch) && wanted("target_branch", &pull.into)
    };
    let mut found: Vec<Value> = (0..world.pulls.len()).filter(fits).map(|index| shown(world, index)).collect();
    if asked.query.get("sort").is_none_or(|sort| sort == "desc") {
        found.reverse();
    }
    Told::json(200, found.into())
}

fn create(world: &mut World, asked: &Asked) -> Told {
    let (Some(branch), Some(into), Some(title)) = (asked.text("source_branch"), asked.text("target_branch"), asked.text("title")) else {
        return Told::json(400, json!({"error": "source_branch is missing, target_branch is missing, title is missing"}));
    };
    match world.open(branch, into, title, asked.text("description").unwrap_or_default()) {
        Ok(_) => Told::json(201, shown(world, world.pulls.len() - 1)),
        Err(OpenError::Exists(number)) => {
            Told::json(409, json!({"message": [format!("Another open merge request already exists for this source branch: !{number}")]}))
        }
        Err(OpenError::NoBranch) => Told::json(400, json!({"message": {"source_branch": ["does not exist"]}})),
    }
}

fn edit(world: &mut World, asked: &Asked, index: usize) -> Told {
    if let Some(title) = asked.text("title") {
        title.clone_into(&mut world.pulls[index].title);
    }
    if let Some(body) = asked.text("description") {
        body.clone_into(&mut world.pulls[index].body);
    }
    for name in asked.text("add_labels").unwrap_or_default().split(',').filter(|name| !name.is_empty()) {
        world.pulls[index].labels.insert(name.to_owned());
    }
    for name in asked.text("remove_labels").unwrap_or_default().split(',') {
        world.pulls[index].labels.remove(name);
    }
    match (asked.text("state_event"), world.pulls[index].fate.clone()) {
        (Some("close"), Fate::Open) => world.pulls[index].fate = Fate::Closed,
        (Some("reopen"), Fate::Closed) if !world.reopen(index) => {
            return Told::json(409, json!({"message": ["Cannot reopen: another open merge request exists, or the source branch is gone"]}));
        }
        _ => {}
    }
    Told::json(200, shown(world, index))
}

fn statuses(world: &World, sha: &str) -> Told {
    if !world.repository.has(sha) {
        return Told::no(404, "404 Commit Not Found");
    }
    Told::json(200, world.statuses.iter().filter(|status| status.commit == sha).map(one_status).collect())
}

fn status(world: &mut World, asked: &Asked, sha: &str) -> Told {
    if !world.repository.has(sha) {
        return Told::no(404, "404 Commit Not Found");
    }
    let Some(state @ ("pending" | "running" | "success" | "failed" | "canceled" | "skipped")) = asked.text("state") else {
        return Told::json(400, json!({"error": "state does not have a valid value"}));
    };
    let name = asked.text("name").or(asked.text("context")).unwrap_or("default");
    // It wants to know which ref a status is for, unless it has one of the commit already or finds a branch.
    let known = world.statuses.iter().any(|there| there.commit == sha);
    if asked.text("ref").is_none() && !known && !world.repository.is_on_a_branch(sha) {
        return Told::no(404, "404 References for commit Not Found");
    }
    // It lets a status go neither from pending to pending, nor from running to either.
    let there = world.statuses.iter().find(|there| there.commit == sha && there.context == name).map(|there| there.state.as_str());
    let event = match (there, state) {
        (Some("pending" | "running"), "pending") => Some("enqueue"),
        (Some("running"), "running") => Some("run"),
        _ => None,
    };
    if let (Some(event), Some(from)) = (event, there) {
        let words = format!("Cannot transition status via :{event} from :{from} (Reason(s): Status cannot transition via \"{event}\")");
        return Told::json(400, json!({"message": {"state": words}}));
    }
    world.status(sha, name, state, asked.text("description").unwrap_or_default(), asked.text("target_url"));
    Told::json(201, world.statuses.last().map(one_status).unwrap_or_default())
}

fn one_status(status: &crate::fake::FakeStatus) -> Value {
    json!({
        "id": status.id, "sha": status.commit, "status": status.state, "name": status.context, "description": status.summary,
        "target_url": status.url, "allow_failure": false,
    })
}

fn pipeline(check: &OtherCheck) -> Value {
    let status = match check.ends {
        Ends::NotYet => "running",
        Ends::Well => "success",
        Ends::Badly => "failed",
    };
    json!({
        "id": check.id, "iid": check.id, "project_id": 7, "sha": check.commit, "ref": "refs/merge-requests/1/head", "status": status,
        "source": "merge_request_event", "web_url": format!("https://gitlab.example.com/{PROJECT}/-/pipelines/{}", check.id),
    })
}

fn user(name: &str) -> Value {
    json!({"id": name.len(), "username": name, "name": name, "state": "active"})
}

fn note(comment: &FakeComment) -> Value {
    json!({
        "id": comment.id, "body": comment.body, "author": user(&comment.author), "system": comment.system,
        "created_at": moment(comment.at), "updated_at": moment(comment.changed_at), "noteable_type": "MergeRequest",
    })
}

fn state(fate: &Fate) -> &'static str {
    match fate {
        Fate::Open => "opened",
        Fate::Closed => "closed",
        Fate::Merged(_) => "merged",
    }
}

fn shown(world: &World, index: usize) -> Value {
    let pull = &world.pulls[index];
    let merged = if let Fate::Merged(commit) = &pull.fate { Some(commit) } else { None };
    json!({
        "id": pull.number + 1000, "iid": pull.number, "project_id": 7, "source_project_id": if pull.fork { 8 } else { 7 }, "target_project_id": 7, "title": pull.title,
        "description": pull.body, "state": state(&pull.fate), "author": user(&pull.author), "labels": pull.labels, "draft": false,
        "source_branch": pull.branch, "target_branch": pull.into, "sha": pull.head, "merge_commit_sha": merged, "squash_commit_sha": null,
        "created_at": moment(pull.at), "updated_at": moment(pull.at), "merge_when_pipeline_succeeds": false,
        "web_url": format!("https://gitlab.example.com/{}/-/merge_requests/{}", world.name, pull.number),
        "detailed_merge_status": merging::mergeable(world, index),
    })
}

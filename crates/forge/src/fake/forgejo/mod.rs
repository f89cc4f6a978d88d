//! A Forgejo, or Gitea, in this process: as much of its API v1 as Towpath uses, with its words and refusals.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::server::{Asked, FakeForge, Manners, Told, moment};
use super::world::{Fate, Hindrance, OpenError, World};

/// Starts a Forgejo over the bare repository in `folder`, which it calls `org/config`.
///
/// # Errors
/// There is no port to listen at.
pub async fn start(folder: &Path) -> io::Result<FakeForge> {
    start_as(folder, "org/config").await
}

/// As [`start`], with another name for the repository.
///
/// # Errors
/// As [`start`].
pub async fn start_as(folder: &Path, name: &str) -> io::Result<FakeForge> {
    let refusal = "Forgejo: Not allowed to push to protected branch";
    FakeForge::start(folder, name, Manners { language: answer, page_size: "limit", refusal, refs: "pull" }).await
}

fn answer(world: &mut World, asked: &Asked) -> Told {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    let ["api", "v1", rest @ ..] = path.as_slice() else { return Told::empty(404) };
    match (asked.method.as_str(), rest) {
        ("GET", ["user"]) => Told::json(200, user(&world.account)),
        (method, ["repos", owner, name, rest @ ..]) if world.name == format!("{owner}/{name}") => repository(world, asked, method, rest),
        ("GET", ["orgs", _, "labels"]) => Told::no(404, "GetOrgByName"),
        _ => Told::empty(404),
    }
}

fn repository(world: &mut World, asked: &Asked, method: &str, path: &[&str]) -> Told {
    match (method, path) {
        ("GET", ["pulls"]) => list(world, asked),
        ("POST", ["pulls"]) => create(world, asked),
        ("GET", ["pulls", base, head @ ..]) if base.parse::<u64>().is_err() => by_branches(world, base, &head.join("/")),
        ("GET", ["labels"]) => Told::json(200, world.labels.iter().map(|(id, name)| label(*id, name)).collect()),
        ("POST", ["labels"]) => match (asked.text("name"), asked.text("color")) {
            (Some(name), Some(color)) if color.starts_with('#') => {
                let id = world.label(name);
                Told::json(201, label(id, name))
            }
            _ => Told::no(422, "[]: Required"),
        },
        ("PATCH", ["issues", "comments", id]) => edit_comment(world, asked, id),
        ("GET", ["branches", name]) => branch(world, name),
        ("GET", ["branch_protections", name]) => protection(world, name),
        ("POST", ["statuses", sha]) => status(world, asked, sha),
        ("GET", ["commits", sha, "status"]) => combined(world, sha),
        (_, ["pulls" | "issues", number, rest @ ..]) => match number.parse().ok().and_then(|number| world.index(number)) {
            Some(index) => change(world, asked, method, index, rest),
            None => Told::no(404, "The target couldn't be found."),
        },
        _ => Told::empty(404),
    }
}

fn change(world: &mut World, asked: &Asked, method: &str, index: usize, path: &[&str]) -> Told {
    match (method, path) {
        ("GET", []) => Told::json(200, shown(world, index)),
        ("PATCH", []) => edit(world, asked, index),
        ("GET", ["comments"]) => {
            let people = world.pulls[index].comments.iter().filter(|comment| !comment.system);
            Told::json(200, people.map(comment).collect())
        }
        ("POST", ["comments"]) => match asked.text("body") {
            Some(body) if !body.is_empty() => {
                let account = world.account.clone();
                world.comment(index, &account, body);
                Told::json(201, world.pulls[index].comments.last().map(comment).unwrap_or_default())
            }
            _ => Told::no(422, "[Body]: Required"),
        },
        ("POST", ["labels"]) => {
            let ids: Option<Vec<u64>> =
                asked.body.get("labels").and_then(Value::as_array).map(|ids| ids.iter().filter_map(Value::as_u64).collect());
            let Some(ids) = ids else { return Told::no(422, "json: cannot unmarshal") };
            let names: Vec<String> = world.labels.iter().filter(|(id, _)| ids.contains(id)).map(|(_, name)| name.clone()).collect();
            world.pulls[index].labels.extend(names);
            Told::json(200, labels(world, index))
        }
        ("DELETE", ["labels", id]) => match world.labels.iter().find(|(known, _)| known.to_string() == *id) {
            Some((_, name)) => {
                world.pulls[index].labels.remove(&name.clone());
                Told::empty(204)
            }
            None => Told::no(422, "label does not exist"),
        },
        ("GET", ["reviews"]) => {
            let review = |(number, review): (usize, &crate::fake::FakeReview)| {
                json!({
                    "id": number + 1, "user": user(&review.author), "state": if review.approves { "APPROVED" } else { "REQUEST_CHANGES" },
                    "body": "", "commit_id": review.commit, "stale": review.commit != world.pulls[index].head, "official": true,
                    "dismissed": false, "submitted_at": moment(review.at), "updated_at": moment(review.at),
                })
            };
            Told::json(200, world.pulls[index].reviews.iter().enumerate().map(review).collect())
        }
        ("POST", ["merge"]) => merge(world, asked, index),
        _ => Told::empty(404),
    }
}

fn list(world: &World, asked: &Asked) -> Told {
    let state = asked.query.get("state").map_or("open", String::as_str);
    let fits = |index: &usize| match state {
        "all" => true,
        "closed" => world.pulls[*index].fate != Fate::Open,
        _ => world.pulls[*index].fate == Fate::Open,
    };
    // The newest first.
    Told::json(200, (0..world.pulls.len()).rev().filter(fits).map(|index| shown(world, index)).collect())
}

fn by_branches(world: &World, base: &str, head: &str) -> Told {
    // Whichever the database finds first: the oldest.
    let found = world.pulls.iter().position(|pull| !pull.fork && pull.into == base && pull.branch == head);
    found.map_or_else(|| Told::no(404, "The target couldn't be found."), |index| Told::json(200, shown(world, index)))
}

fn create(world: &mut World, asked: &Asked) -> Told {
    let (Some(head), Some(base), Some(title)) = (asked.text("head"), asked.text("base"), asked.text("title")) else {
        return Told::no(422, "[]: Required");
    };
    if title.is_empty() {
        return Told::no(422, "[Title]: Required");
    }
    match world.open(head, base, title, asked.text("body").unwrap_or_default()) {
        Ok(_) => Told::json(201, shown(world, world.pulls.len() - 1)),
        Err(OpenError::Exists(number)) => {
            let words = format!(
                "pull request already exists for these targets [id: {number}, issue_id: {number}, head_repo_id: 1, base_repo_id: 1, head_branch: {head}, base_branch: {base}]"
            );
            Told::no(409, &words)
        }
        Err(OpenError::NoBranch) => Told::no(404, "The target couldn't be found."),
    }
}

fn edit(world: &mut World, asked: &Asked, index: usize) -> Told {
    if let Some(title) = asked.text("title").filter(|title| !title.is_empty()) {
        title.clone_into(&mut world.pulls[index].title);
    }
    if let Some(body) = asked.text("body") {
        body.clone_into(&mut world.pulls[index].body);
    }
    match (asked.text("state"), world.pulls[index].fate.clone()) {
        (Some(_), Fate::Merged(_)) => return Told::no(412, "cannot change state of this pull request, it was already merged"),
        (Some("closed"), _) => world.pulls[index].fate = Fate::Closed,
        (Some("open"), _) if !world.reopen(index) => return Told::no(422, "pull request cannot be reopened"),
        _ => {}
    }
    Told::json(201, shown(world, index))
}

fn edit_comment(world: &mut World, asked: &Asked, id: &str) -> Told {
    let now = world.now();
    let account = world.account.clone();
    let found = world.pulls.iter_mut().flat_map(|pull| &mut pull.comments).find(|comment| comment.id.to_string() == id);
    match (found, asked.text("body")) {
        (None, _) => Told::no(404, "The target couldn't be found."),
        (Some(comment), _) if comment.author != account => Told::no(403, "user should be the poster"),
        (Some(_), None) => Told::no(422, "[Body]: Required"),
        (Some(found), Some(body)) => {
            body.clone_into(&mut found.body);
            found.changed_at = now;
            Told::json(200, comment(found))
        }
    }
}

fn merge(world: &mut World, asked: &Asked, index: usize) -> Told {
    let pull = world.pulls[index].clone();
    match (&pull.fate, asked.text("Do")) {
        (Fate::Merged(_), _) => Told::no(405, ""),
        (Fate::Closed, _) => Told::no(404, "The target couldn't be found."),
        (Fate::Open, Some("manually-merged")) => {
            let Some(commit) = asked.text("MergeCommitID") else { return Told::no(409, "Wrong commit ID") };
            if !world.rules.can_be_told {
                return Told::no(405, "manually-merged is not allowed an allowed merge style for this repository");
            }
            let there = world.repository.head(&world.into).is_some_and(|config| world.repository.holds(&config, commit));
            if !there {
                return Told::json(409, json!({}));
            }
            world.pulls[index].fate = Fate::Merged(commit.to_owned());
            Told::empty(200)
        }
        (Fate::Open, Some("merge")) => {
            match world.hindrance(index) {
                Some(Hindrance::Statuses) => return Told::no(405, "Not all required status checks successful"),
                Some(Hindrance::Approvals) => return Told::no(405, "Does not have enough approvals"),
                Some(Hindrance::Outdated) => return Told::no(405, "The head branch is behind the base branch"),
                None => {}
            }
            if asked.text("head_commit_id").is_some_and(|head| head != pull.head) {
                return Told::no(409, "head out of date");
            }
            let title = asked.text("MergeTitleField").unwrap_or("Merge");
            let message = format!("{title}\n\n{}", asked.text("MergeMessageField").unwrap_or_default());
            match world.merge(index, &message) {
                Ok(_) => Told::empty(200),
                Err(words) => Told::no(409, &words),
            }
        }
        _ => Told::no(405, "is not allowed an allowed merge style for this repository"),
    }
}

fn branch(world: &World, name: &str) -> Told {
    let Some(commit) = world.repository.head(name) else { return Told::no(404, "branch does not exist") };
    let protected = name == world.into && is_protected(world);
    Told::json(
        200,
        json!({
            "name": name, "commit": {"id": commit}, "protected": protected,
            "required_approvals": world.rules.required_approvals,
            "enable_status_check": !world.rules.required_statuses.is_empty(),
            "status_check_contexts": world.rules.required_statuses,
            "user_can_push": !world.rules.no_push || world.rules.hides_that,
            "user_can_merge": true,
            "effective_branch_protection_name": if protected { name } else { "" },
        }),
    )
}

fn is_protected(world: &World) -> bool {
    let rules = &world.rules;
    rules.no_push || rules.up_to_date || rules.required_approvals > 0 || !rules.required_statuses.is_empty()
}

fn protection(world: &World, name: &str) -> Told {
    if name != world.into || !is_protected(world) {
        return Told::no(404, "The target couldn't be found.");
    }
    let rules = &world.rules;
    Told::json(
        200,
        json!({
            "branch_name": name, "rule_name": name, "enable_push": !rules.no_push, "required_approvals": rules.required_approvals,
            "enable_status_check": !rules.required_statuses.is_empty(), "status_check_contexts": rules.required_statuses,
            "block_on_outdated_branch": rules.up_to_date,
        }),
    )
}

fn status(world: &mut World, asked: &Asked, sha: &str) -> Told {
    if !world.repository.has(sha) {
        return Told::no(404, "The target couldn't be found.");
    }
    let Some(state @ ("pending" | "success" | "error" | "failure" | "warning")) = asked.text("state") else {
        return Told::no(422, "State");
    };
    let (context, summary) = (asked.text("context").unwrap_or("default"), asked.text("description").unwrap_or_default());
    world.status(sha, context, state, summary, asked.text("target_url"));
    Told::json(201, world.statuses.last().map(one_status).unwrap_or_default())
}

fn combined(world: &World, sha: &str) -> Told {
    if !world.repository.has(sha) {
        return Told::no(404, "The target couldn't be found.");
    }
    let statuses: Vec<Value> = world.statuses.iter().filter(|status| status.commit == sha).map(one_status).collect();
    Told::json(200, json!({"state": "pending", "sha": sha, "total_count": statuses.len(), "statuses": statuses}))
}

fn one_status(status: &crate::fake::FakeStatus) -> Value {
    json!({
        "id": status.id, "status": status.state, "context": status.context, "description": status.summary,
        "target_url": status.url.clone().unwrap_or_default(),
    })
}

fn user(name: &str) -> Value {
    json!({"id": name.len(), "login": name, "full_name": "", "email": format!("{name}@example.com")})
}

fn label(id: u64, name: &str) -> Value {
    json!({"id": id, "name": name, "color": "ededed", "description": ""})
}

fn labels(world: &World, index: usize) -> Value {
    let has = &world.pulls[index].labels;
    world.labels.iter().filter(|(_, name)| has.contains(name)).map(|(id, name)| label(*id, name)).collect()
}

fn comment(comment: &crate::fake::FakeComment) -> Value {
    json!({
        "id": comment.id, "user": user(&comment.author), "body": comment.body,
        "created_at": moment(comment.at), "updated_at": moment(comment.changed_at),
    })
}

fn shown(world: &World, index: usize) -> Value {
    let pull = &world.pulls[index];
    // As the real one does it: where the branch is there, it is what the branch is now, whatever became of the change.
    let now = if pull.fork { Some(pull.head.clone()) } else { world.repository.head(&pull.branch) };
    let place = if now.is_some() { pull.branch.clone() } else { format!("refs/pull/{}/head", pull.number) };
    let merged = if let Fate::Merged(commit) = &pull.fate { Some(commit) } else { None };
    json!({
        "id": pull.number, "number": pull.number, "user": user(&pull.author), "title": pull.title, "body": pull.body,
        "labels": labels(world, index), "state": if pull.fate == Fate::Open { "open" } else { "closed" }, "draft": false,
        "html_url": format!("https://forge.example.com/{}/pulls/{}", world.name, pull.number),
        "merged": merged.is_some(), "merge_commit_sha": merged, "created_at": moment(pull.at), "updated_at": moment(pull.at),
        "base": {"label": pull.into, "ref": pull.into, "sha": world.repository.head(&pull.into), "repo_id": 1},
        "head": {"label": pull.branch, "ref": place, "sha": now.unwrap_or_else(|| pull.head.clone()), "repo_id": if pull.fork { 2 } else { 1 }},
    })
}

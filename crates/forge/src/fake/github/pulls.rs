//! Changes, and what people and Towpath say on them.

use serde_json::{Value, json};

use super::{Asked, REPOSITORY, Told, World, invalid, label, merging, moment, not_found, user};
use crate::fake::world::{FakeComment, FakePull, Fate, OpenError};

pub(super) fn one(world: &mut World, asked: &Asked, method: &str, index: usize, path: &[&str]) -> Told {
    match (method, path) {
        ("GET", []) => Told::json(200, shown(world, index)),
        ("PATCH", []) => edit(world, asked, index),
        ("PUT", ["merge"]) => merging::merge(world, asked, index),
        ("GET", ["comments"]) => {
            let number = world.pulls[index].number;
            Told::json(200, world.pulls[index].comments.iter().filter(|c| !c.system).map(|c| comment(number, c)).collect())
        }
        ("POST", ["comments"]) => match asked.text("body") {
            Some(body) if !body.is_empty() => {
                let (account, number) = (world.account.clone(), world.pulls[index].number);
                world.comment(index, &account, body);
                Told::json(201, world.pulls[index].comments.last().map(|c| comment(number, c)).unwrap_or_default())
            }
            _ => invalid(&[json!({"resource": "IssueComment", "field": "body", "code": "missing_field"})]),
        },
        ("POST", ["labels"]) => {
            let names: Vec<String> =
                asked.body["labels"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            for name in &names {
                world.label(name);
            }
            world.pulls[index].labels.extend(names);
            Told::json(200, labels(world, index))
        }
        ("DELETE", ["labels", name]) => {
            if world.pulls[index].labels.remove(*name) {
                Told::json(200, labels(world, index))
            } else {
                Told::no(404, "Label does not exist")
            }
        }
        ("GET", ["reviews"]) => {
            let review = |(number, review): (usize, &crate::fake::FakeReview)| {
                json!({
                    "id": number + 1, "node_id": format!("PRR_{number}"), "user": user(&review.author), "body": "",
                    "state": if review.approves { "APPROVED" } else { "CHANGES_REQUESTED" }, "commit_id": review.commit,
                    "submitted_at": moment(review.at), "author_association": "MEMBER",
                })
            };
            Told::json(200, world.pulls[index].reviews.iter().enumerate().map(review).collect())
        }
        _ => not_found(),
    }
}

pub(super) fn list(world: &World, asked: &Asked) -> Told {
    let query = |name: &str| asked.query.get(name).map(String::as_str);
    let fits = |index: &usize| {
        let pull = &world.pulls[*index];
        let state = match query("state").unwrap_or("open") {
            "all" => true,
            state => (state == "open") == (pull.fate == Fate::Open),
        };
        // A filter without an owner is taken no notice of.
        let head = query("head").and_then(|head| head.split_once(':'));
        let owner = owner(world, pull);
        state && head.is_none_or(|(of, branch)| of == owner && branch == pull.branch) && query("base").is_none_or(|base| base == pull.into)
    };
    let mut found: Vec<Value> = (0..world.pulls.len()).filter(fits).map(|index| in_list(world, index)).collect();
    if query("direction") != Some("asc") {
        found.reverse();
    }
    Told::json(200, found.into())
}

pub(super) fn create(world: &mut World, asked: &Asked) -> Told {
    let (Some(head), Some(base), Some(title)) = (asked.text("head"), asked.text("base"), asked.text("title")) else {
        return invalid(&[json!({"resource": "PullRequest", "field": "head", "code": "missing_field"})]);
    };
    if world.repository.head(base).is_none() {
        return invalid(&[json!({"resource": "PullRequest", "field": "base", "code": "invalid"})]);
    }
    if let (Some(from), Some(into)) = (world.repository.head(head), world.repository.head(base))
        && world.repository.holds(&into, &from)
    {
        return invalid(&[
            json!({"resource": "PullRequest", "code": "custom", "message": format!("No commits between {base} and {head}")}),
        ]);
    }
    if world.github.lags {
        return invalid(&[json!({"resource": "PullRequest", "field": "head", "code": "invalid"})]);
    }
    match world.open(head, base, title, asked.text("body").unwrap_or_default()) {
        Ok(_) => Told::json(201, shown(world, world.pulls.len() - 1)),
        Err(OpenError::Exists(_)) => {
            let message = format!("A pull request already exists for {}:{head}.", super::owner(world));
            invalid(&[json!({"resource": "PullRequest", "code": "custom", "message": message})])
        }
        Err(OpenError::NoBranch) => invalid(&[json!({"resource": "PullRequest", "field": "head", "code": "invalid"})]),
    }
}

fn edit(world: &mut World, asked: &Asked, index: usize) -> Told {
    if let Some(title) = asked.text("title") {
        title.clone_into(&mut world.pulls[index].title);
    }
    if let Some(body) = asked.text("body") {
        body.clone_into(&mut world.pulls[index].body);
    }
    let cannot = |why: &str| invalid(&[json!({"resource": "PullRequest", "code": "custom", "field": "state", "message": why})]);
    match (asked.text("state"), world.pulls[index].fate.clone()) {
        (Some("closed"), Fate::Open) => world.pulls[index].fate = Fate::Closed,
        (Some("open"), Fate::Merged(_)) => return cannot("state cannot be changed. The pull request cannot be reopened."),
        (Some("open"), Fate::Closed) if !world.reopen(index) => {
            let branch = &world.pulls[index].branch;
            return cannot(&format!("state cannot be changed. The {branch} branch was force-pushed or recreated."));
        }
        _ => {}
    }
    Told::json(200, shown(world, index))
}

pub(super) fn edit_comment(world: &mut World, asked: &Asked, id: &str) -> Told {
    let (now, account) = (world.now(), world.account.clone());
    let found = world.pulls.iter_mut().flat_map(|pull| {
        let number = pull.number;
        pull.comments.iter_mut().map(move |comment| (number, comment))
    });
    match (found.into_iter().find(|(_, comment)| comment.id.to_string() == id && !comment.system), asked.text("body")) {
        (None, _) => not_found(),
        (Some((_, comment)), _) if comment.author != account => Told::no(403, "Resource not accessible by integration"),
        (Some(_), None) => invalid(&[json!({"resource": "IssueComment", "field": "body", "code": "missing_field"})]),
        (Some((number, found)), Some(body)) => {
            body.clone_into(&mut found.body);
            found.changed_at = now;
            Told::json(200, comment(number, found))
        }
    }
}

fn labels(world: &World, index: usize) -> Value {
    let id = |name: &String| world.labels.iter().find(|(_, known)| known == name).map_or(0, |(id, _)| *id);
    world.pulls[index].labels.iter().map(|name| label(world, id(name), name)).collect()
}

fn comment(number: u64, comment: &FakeComment) -> Value {
    let page = format!("https://github.example.com/{REPOSITORY}/pull/{number}#issuecomment-{}", comment.id);
    json!({
        "id": comment.id, "node_id": format!("IC_{}", comment.id), "url": page, "html_url": page, "body": comment.body,
        "user": user(&comment.author), "created_at": moment(comment.at), "updated_at": moment(comment.changed_at),
        "author_association": "MEMBER",
    })
}

/// Whose repository its branch is in.
fn owner<'a>(world: &'a World, pull: &'a FakePull) -> &'a str {
    if pull.fork { &pull.author } else { super::owner(world) }
}

/// As lists show it.
fn in_list(world: &World, index: usize) -> Value {
    let pull = &world.pulls[index];
    let (merged, at) = match &pull.fate {
        Fate::Merged(commit) => (Some(commit), Some(moment(pull.at))),
        _ => (None, None),
    };
    let (base, name) = (super::owner(world), super::name(world));
    let end = |owner: &str, branch: &str, sha: Option<String>| {
        let repository = json!({"id": if owner == base { 1 } else { 2 }, "name": name, "full_name": format!("{owner}/{name}")});
        json!({
            "label": format!("{owner}:{branch}"), "ref": branch, "sha": sha.unwrap_or_default(), "user": user(owner),
            // A fork may be gone.
            "repo": if owner != base && world.github.forks_are_gone { Value::Null } else { repository },
        })
    };
    json!({
        "id": pull.number + 1000, "node_id": format!("PR_{}", pull.number), "number": pull.number, "title": pull.title, "body": pull.body,
        "state": if pull.fate == Fate::Open { "open" } else { "closed" }, "locked": false, "draft": false, "user": user(&pull.author),
        "labels": labels(world, index), "html_url": format!("https://github.example.com/{}/pull/{}", world.name, pull.number),
        "head": end(owner(world, pull), &pull.branch, Some(pull.head.clone())), "base": end(base, &pull.into, world.repository.head(&pull.into)),
        "merge_commit_sha": merged, "merged_at": at, "closed_at": at, "created_at": moment(pull.at), "updated_at": moment(pull.at),
    })
}

/// As one is shown.
pub(super) fn shown(world: &World, index: usize) -> Value {
    let mut shown = in_list(world, index);
    let merged = matches!(world.pulls[index].fate, Fate::Merged(_));
    shown["merged"] = merged.into();
    shown["mergeable"] = if merged { Value::Null } else { merging::hindrance(world, index).is_none().into() };
    shown["mergeable_state"] = if merged { "unknown".into() } else { merging::state(world, index).into() };
    shown["comments"] = world.pulls[index].comments.iter().filter(|comment| !comment.system).count().into();
    shown
}

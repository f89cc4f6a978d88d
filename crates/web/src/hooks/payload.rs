//! What a hook is about: which kind of thing is new, and in which repository. Nothing else is read of it.

use axum::http::HeaderMap;
use serde::Deserialize;

use super::Receiver;
use crate::brain::{RepositoryName, Wake};

/// The kind of thing that is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Commits,
    Changes,
    Images,
    /// Something that is of no interest here.
    Other,
}

/// As much of a body as is read, of whichever forge.
#[derive(Debug, Default, Deserialize)]
struct Said {
    /// GitHub, Forgejo, Gitea.
    #[serde(default)]
    repository: Option<Repository>,
    /// GitLab.
    #[serde(default)]
    project: Option<Project>,
    #[serde(default)]
    object_kind: Option<String>,
    #[serde(default)]
    event_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    #[serde(default)]
    full_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Project {
    #[serde(default)]
    path_with_namespace: Option<String>,
}

impl Said {
    fn name(self) -> Option<String> {
        let project = self.project.and_then(|project| project.path_with_namespace);
        self.repository.and_then(|repository| repository.full_name).or(project)
    }
}

/// What is to be looked at; nothing, where it is of no interest. `body` is `None` when it was too long to be kept: whoever knows the secret may
/// have everything looked at.
pub(super) fn wake(receiver: Receiver, headers: &HeaderMap, body: Option<&[u8]>) -> Option<Wake> {
    // What cannot be parsed may say things in a way of its own, such as a form.
    let said = body.and_then(|body| serde_json::from_slice::<Said>(body).ok());
    let event = match receiver {
        Receiver::Registry => return Some(Wake::Images),
        Receiver::GitHub => header(headers, "x-github-event"),
        Receiver::Forgejo => header(headers, "x-forgejo-event").or_else(|| header(headers, "x-gitea-event")),
        // A system hook says so in its header, and what it is about in its body.
        Receiver::GitLab => said.as_ref().and_then(|said| said.object_kind.as_deref().or(said.event_name.as_deref())),
    };
    let Some(kind) = event.map(|event| kind(receiver, event)) else { return Some(Wake::Everything) };
    let name = said.and_then(Said::name).and_then(|name| RepositoryName::new(&name));
    match (kind, name) {
        (Kind::Other, _) => None,
        (Kind::Images, _) => Some(Wake::Images),
        (Kind::Commits, Some(name)) => Some(Wake::Commits(name)),
        (Kind::Changes, Some(name)) => Some(Wake::Changes(name)),
        (_, None) => Some(Wake::Everything),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn kind(receiver: Receiver, event: &str) -> Kind {
    match receiver {
        Receiver::GitHub => match event {
            "push" | "create" | "delete" => Kind::Commits,
            "pull_request"
            | "pull_request_review"
            | "pull_request_review_comment"
            | "pull_request_review_thread"
            | "issue_comment"
            | "status"
            | "check_run"
            | "check_suite"
            | "workflow_run"
            | "merge_group"
            | "branch_protection_rule" => Kind::Changes,
            "package" | "registry_package" => Kind::Images,
            _ => Kind::Other,
        },
        Receiver::Forgejo => match event {
            "push" | "create" | "delete" => Kind::Commits,
            "issue_comment" | "status" | "workflow_run" => Kind::Changes,
            "package" => Kind::Images,
            event if event.starts_with("pull_request") || event.starts_with("action_run") => Kind::Changes,
            _ => Kind::Other,
        },
        Receiver::GitLab => match event {
            "push" | "tag_push" | "repository_update" => Kind::Commits,
            "merge_request" | "note" | "pipeline" | "build" | "emoji" => Kind::Changes,
            _ => Kind::Other,
        },
        Receiver::Registry => Kind::Images,
    }
}

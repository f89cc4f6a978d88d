//! GitLab, by its API v4, with a token: gitlab.com or self-managed.

mod answers;
mod merging;
mod pipelines;

use serde_json::{Value, json};
use towpath_domain::{CommitId, FailureClass};

use crate::hosted::api::{Api, ApiMerge, ApiMerged, NewPull};
use crate::http::{Client, Reply};
use crate::{
    Abilities, Budget, Comment, ForgeError, FoundStatus, Number, Opinion, Protection, Pull, Queued, Reruns, Review, Status, StatusState,
};
use answers::{Approvals, Branch, MergeRequest, Note, OneStatus, Project, Reviewer, Rule, User};

/// The most that a page holds.
const PAGE: usize = 100;

/// A project on GitLab.
pub(crate) struct GitLab {
    client: Client,
    name: String,
    /// `/projects/GROUP%2FSUBGROUP%2FNAME`.
    project: String,
}

impl GitLab {
    /// The project at `path`, with all its groups, of the server that `client` talks to; `host` is its name for people.
    pub(crate) fn new(client: Client, host: &str, path: &str) -> Self {
        Self { client, name: format!("GitLab at {host}"), project: format!("/projects/{}", encoded(path)) }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.project)
    }

    fn request_at(&self, number: Number, path: &str) -> String {
        format!("{}/merge_requests/{}{path}", self.project, number.0)
    }

    /// Sends, and expects one of these statuses.
    async fn send(&self, what: &str, method: &str, path: &str, body: &Value, expected: &[u16]) -> Result<(), ForgeError> {
        let reply = self.client.send::<_, Value>(method, path, body).await?;
        if expected.contains(&reply.status) { Ok(()) } else { Err(self.refused(what, &reply)) }
    }

    fn refused<T>(&self, what: &str, reply: &Reply<T>) -> ForgeError {
        let why = format!("it answered {}: {}", reply.status, words(&reply.text));
        self.client.error(what, &why, FailureClass::Own)
    }

    /// The ref of the merge request that this commit is the newest of; of several, of an open one.
    async fn head_of_change(&self, commit: CommitId) -> Result<Option<String>, ForgeError> {
        let path = self.at(&format!("/repository/commits/{commit}/merge_requests?per_page={PAGE}"));
        let mut all: Vec<MergeRequest> = self.client.get_all(&path).await?;
        all.retain(|one| one.sha.as_deref() == Some(&*commit.to_string()));
        all.sort_by_key(|one| one.state != "opened");
        Ok(all.first().map(|one| pull_ref(one.iid)))
    }

    /// A list that some editions and plans do not have: then it is empty.
    async fn optional<T: serde::de::DeserializeOwned>(&self, what: &str, path: &str) -> Result<Option<T>, ForgeError> {
        let reply = self.client.get::<T>(path).await?;
        match (reply.body, reply.status) {
            (Some(body), _) => Ok(Some(body)),
            (None, 401 | 403 | 404) => Ok(None),
            (None, status) => Err(self.client.error(what, &format!("it answered {status}: {}", words(&reply.text)), FailureClass::Own)),
        }
    }
}

/// Where the newest commit of a merge request is, for Git: also of one from a fork.
fn pull_ref(number: u64) -> String {
    format!("refs/merge-requests/{number}/head")
}

impl Api for GitLab {
    fn name(&self) -> &str {
        &self.name
    }

    fn pull_ref(&self, number: Number) -> String {
        pull_ref(number.0)
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            pulls: true,
            comments: true,
            labels: true,
            reviews: true,
            statuses: true,
            protection: true,
            queue: true,
            webhooks: true,
            reruns: true,
        }
    }

    async fn account(&self) -> Result<String, ForgeError> {
        let reply = self.client.get::<User>("/user").await?;
        match reply.body {
            Some(user) => Ok(user.username),
            None => Err(self.refused("asking whose the token is", &reply)),
        }
    }

    async fn create(&self, new: &NewPull) -> Result<Option<Pull>, ForgeError> {
        let body = json!({
            "source_branch": new.branch, "target_branch": new.into, "title": new.title, "description": new.body,
            // Whoever merges it, the branch is Towpath's to delete, and the commit stays what it is.
            "remove_source_branch": false, "squash": false,
        });
        let reply = self.client.send::<_, MergeRequest>("POST", &self.at("/merge_requests"), &body).await?;
        match reply.status {
            201 => reply.body.map(|request| request.shown(&self.client)).transpose(),
            409 => Ok(None),
            _ => Err(self.refused("opening a change", &reply)),
        }
    }

    async fn update(&self, number: Number, title: &str, body: &str) -> Result<(), ForgeError> {
        let ask = json!({"title": title, "description": body});
        self.send("changing a change's words", "PUT", &self.request_at(number, ""), &ask, &[200]).await
    }

    async fn close(&self, number: Number) -> Result<(), ForgeError> {
        // It takes no notice of this where the change is closed or merged.
        self.send("closing a change", "PUT", &self.request_at(number, ""), &json!({"state_event": "close"}), &[200]).await
    }

    async fn reopen(&self, number: Number) -> Result<(), ForgeError> {
        self.send("opening a change again", "PUT", &self.request_at(number, ""), &json!({"state_event": "reopen"}), &[200]).await
    }

    async fn open_pulls(&self, into: &str) -> Result<Vec<Pull>, ForgeError> {
        let path = self.at(&format!("/merge_requests?state=opened&target_branch={}&sort=asc&per_page={PAGE}", encoded(into)));
        let all: Vec<MergeRequest> = self.client.get_all(&path).await?;
        let mut pulls: Vec<Pull> = all.into_iter().map(|request| request.shown(&self.client)).collect::<Result<_, _>>()?;
        pulls.sort_by_key(|pull| pull.number);
        Ok(pulls)
    }

    async fn pull(&self, number: Number) -> Result<Option<Pull>, ForgeError> {
        let reply = self.client.get::<MergeRequest>(&self.request_at(number, "")).await?;
        match reply.body {
            Some(request) => request.shown(&self.client).map(Some),
            None if reply.status == 404 => Ok(None),
            None => Err(self.refused("looking at a change", &reply)),
        }
    }

    async fn pulls_from(&self, branch: &str, into: &str) -> Result<Vec<Pull>, ForgeError> {
        let (branch, into) = (encoded(branch), encoded(into));
        let path = self.at(&format!("/merge_requests?state=all&source_branch={branch}&target_branch={into}&per_page={PAGE}"));
        let all: Vec<MergeRequest> = self.client.get_all(&path).await?;
        let mut pulls: Vec<Pull> = all.into_iter().map(|request| request.shown(&self.client)).collect::<Result<_, _>>()?;
        pulls.sort_by_key(|pull| std::cmp::Reverse(pull.number));
        Ok(pulls)
    }

    async fn comments(&self, number: Number) -> Result<Vec<Comment>, ForgeError> {
        let notes = self.notes(number).await?;
        notes.into_iter().filter(|note| !note.system).map(|note| note.shown(&self.client)).collect()
    }

    async fn write_comment(&self, number: Number, body: &str) -> Result<(), ForgeError> {
        self.send("commenting", "POST", &self.request_at(number, "/notes"), &json!({"body": body}), &[201]).await
    }

    async fn edit_comment(&self, number: Number, comment: u64, body: &str) -> Result<(), ForgeError> {
        let path = self.request_at(number, &format!("/notes/{comment}"));
        self.send("changing a comment", "PUT", &path, &json!({"body": body}), &[200]).await
    }

    async fn label(&self, number: Number, add: &[String], remove: &[String]) -> Result<(), ForgeError> {
        // One call; labels that are not there are made by it.
        if let Some(label) = add.iter().chain(remove).find(|label| label.contains(',')) {
            return Err(self.client.error("labelling", &format!("no label of GitLab's has a comma, as {label:?} has"), FailureClass::Own));
        }
        let ask = json!({"add_labels": add.join(","), "remove_labels": remove.join(",")});
        self.send("labelling", "PUT", &self.request_at(number, ""), &ask, &[200]).await
    }

    async fn reviews(&self, number: Number) -> Result<Vec<Review>, ForgeError> {
        let what = "reading reviews";
        let approvals: Option<Approvals> = self.optional(what, &self.request_at(number, "/approvals")).await?;
        let reviewers: Option<Vec<Reviewer>> = self.optional(what, &self.request_at(number, "/reviewers")).await?;
        let mut reviews: Vec<Review> = approvals.unwrap_or_default().approved_by.into_iter().map(answers::Approval::shown).collect();
        // Whoever asked for changes approves no more, whatever is left of an earlier approval.
        for refusal in reviewers.unwrap_or_default().into_iter().filter_map(Reviewer::refuses) {
            reviews.retain(|review| review.author != refusal.author || review.opinion != Opinion::Approves);
            reviews.push(refusal);
        }
        reviews.sort_by(|a, b| (a.at, &a.author).cmp(&(b.at, &b.author)));
        Ok(reviews)
    }

    async fn set_status(&self, commit: CommitId, status: &Status) -> Result<(), ForgeError> {
        let mut body = json!({"name": status.context, "state": answers::word(status.state), "description": status.summary});
        if let Some(url) = &status.url {
            body["target_url"] = json!(url);
        }
        let path = self.at(&format!("/statuses/{commit}"));
        let mut reply = self.client.send::<_, Value>("POST", &path, &body).await?;
        // A commit of a fork is on no branch of this project: then it wants to be told what the status is for.
        if reply.status == 404
            && reply.text.contains("References for commit")
            && let Some(head) = self.head_of_change(commit).await?
        {
            body["ref"] = json!(head);
            reply = self.client.send("POST", &path, &body).await?;
        }
        let is_set_already = |reply: &Reply<Value>| reply.status == 400 && reply.text.contains("Cannot transition status");
        // What waits already takes new words only with the next word for the same: that it runs.
        if is_set_already(&reply) && status.state == StatusState::Pending {
            body["state"] = json!("running");
            reply = self.client.send("POST", &path, &body).await?;
        }
        match reply.status {
            200 | 201 => Ok(()),
            // It refuses to set what is set already, rather than to take the new words.
            _ if is_set_already(&reply) => Ok(()),
            _ => Err(self.refused("setting a status", &reply)),
        }
    }

    async fn statuses(&self, commit: CommitId) -> Result<Vec<FoundStatus>, ForgeError> {
        let path = self.at(&format!("/repository/commits/{commit}/statuses?per_page={PAGE}"));
        let mut all: Vec<OneStatus> = self.client.get_all(&path).await?;
        all.sort_by_key(|status| std::cmp::Reverse(status.id));
        let mut found: Vec<FoundStatus> = Vec::new();
        for status in all {
            if !found.iter().any(|known| known.context == status.name) {
                found.push(status.shown());
            }
        }
        Ok(found)
    }

    async fn protection(&self, branch: &str) -> Result<Protection, ForgeError> {
        let what = "reading what a branch demands";
        let reply = self.client.get::<Branch>(&self.at(&format!("/repository/branches/{}", encoded(branch)))).await?;
        let Some(found) = reply.body else { return Err(self.refused(what, &reply)) };
        let reply = self.client.get::<Project>(&self.project).await?;
        let Some(project) = reply.body else { return Err(self.refused(what, &reply)) };
        let rules: Option<Vec<Rule>> = self.optional(what, &self.at(&format!("/approval_rules?per_page={PAGE}"))).await?;
        let rules = rules.unwrap_or_default().into_iter().filter(|rule| rule.is_for(branch, found.protected));
        Ok(Protection {
            // A pipeline that must be well has no name that a status could have.
            required_statuses: Vec::new(),
            required_approvals: rules.map(|rule| rule.approvals_required).max().unwrap_or(0),
            up_to_date: project.merges_only_what_is_up_to_date(),
            queue: project.merge_trains_enabled,
            no_direct_push: !found.can_push,
        })
    }

    async fn merge(&self, order: &ApiMerge) -> Result<ApiMerged, ForgeError> {
        if order.queue { merging::by_train(self, order).await } else { merging::at_once(self, order).await }
    }

    async fn queued(&self, number: Number, _head: CommitId) -> Result<Queued, ForgeError> {
        merging::on_train(self, number).await
    }

    async fn queue_again(&self, number: Number, head: CommitId) -> Result<(), ForgeError> {
        merging::board_again(self, number, head).await
    }

    async fn rerun_failed(&self, number: Number, head: CommitId) -> Result<Reruns, ForgeError> {
        pipelines::retry(self, number, head).await
    }

    async fn mark_merged(&self, _number: Number, _commit: CommitId) -> Result<(), ForgeError> {
        // It sees by itself which changes a push merged.
        Ok(())
    }

    fn budget(&self) -> Option<Budget> {
        self.client.budget()
    }
}

impl GitLab {
    /// All notes, its own among them, the oldest first.
    async fn notes(&self, number: Number) -> Result<Vec<Note>, ForgeError> {
        self.client.get_all(&self.request_at(number, &format!("/notes?sort=asc&order_by=created_at&per_page={PAGE}"))).await
    }
}

/// A part of a path, or a value.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// What a refusal says, for people: `message` is a text, a list, or texts by field; or it is called `error`.
fn words(text: &str) -> String {
    let said = serde_json::from_str::<Value>(text).ok().and_then(|body| body.get("message").or_else(|| body.get("error")).cloned());
    let said = match said {
        Some(Value::String(said)) => said,
        Some(other) => other.to_string(),
        None => text.to_owned(),
    };
    said.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_named_with_all_its_groups_in_one_part_of_the_path() {
        assert_eq!(encoded("group/sub/config"), "group%2Fsub%2Fconfig");
    }

    #[test]
    fn a_refusal_is_read_whatever_shape_it_has() {
        assert_eq!(words(r#"{"message":"403 Forbidden"}"#), "403 Forbidden");
        assert_eq!(words(r#"{"message":["a","b"]}"#), r#"["a","b"]"#);
        assert_eq!(words(r#"{"error":"title is missing"}"#), "title is missing");
        assert_eq!(words("<html>"), "<html>");
    }
}

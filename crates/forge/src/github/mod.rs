//! GitHub, by its REST API of 2022-11-28 and, for its merge queue, by GraphQL: github.com or Enterprise Server, with a token or as an App.

mod answers;
mod app;
#[cfg(test)]
mod examples;
mod graphql;
mod merging;
mod protection;
mod reruns;
mod statuses;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};
use towpath_domain::{CommitId, FailureClass};

use crate::hosted::api::{Api, ApiMerge, ApiMerged, NewPull};
use crate::http::{Client, Reply};
use crate::{Abilities, Budget, Comment, ForgeError, FoundStatus, Number, Protection, Pull, Queued, Reruns, Review, Status};
use answers::User;
pub use app::{App, AppKey};

/// The most that a page holds.
const PAGE: usize = 100;

/// The colour of labels that Towpath makes; people may change it.
const LABEL_COLOUR: &str = "70a24e";

/// A repository on GitHub.
pub(crate) struct GitHub {
    client: Client,
    /// The same server by GraphQL.
    graph: Client,
    name: String,
    owner: String,
    repository: String,
    /// `/repos/OWNER/NAME`.
    path: String,
    /// That branch protection may not be read was said.
    unseen: AtomicBool,
    /// Who Towpath is, where it is no user.
    app: Option<Arc<App>>,
}

impl GitHub {
    /// The repository `owner/repository` of the server that `client` talks to, and `graph` by GraphQL; `host` is its name for people.
    pub(crate) fn new(client: Client, graph: Client, host: &str, owner: &str, repository: &str) -> Self {
        let path = format!("/repos/{}/{}", encoded(owner), encoded(repository));
        let name = format!("GitHub at {host}");
        let (owner, repository) = (owner.to_owned(), repository.to_owned());
        Self { client, graph, name, owner, repository, path, unseen: AtomicBool::new(false), app: None }
    }

    /// The same as an App, which is whom the clients speak for.
    pub(crate) fn by_app(mut self, app: Arc<App>) -> Self {
        self.app = Some(app);
        self
    }

    /// The App's number, where Towpath is one.
    async fn app_id(&self) -> Result<Option<u64>, ForgeError> {
        Ok(match &self.app {
            Some(app) => Some(app.info().await?.id),
            None => None,
        })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.path)
    }

    fn pull_at(&self, number: Number, path: &str) -> String {
        format!("{}/pulls/{}{path}", self.path, number.0)
    }

    fn issue_at(&self, number: Number, path: &str) -> String {
        format!("{}/issues/{}{path}", self.path, number.0)
    }

    /// Sends, and expects one of these statuses.
    async fn send(&self, what: &str, method: &str, path: &str, body: &Value, expected: &[u16]) -> Result<(), ForgeError> {
        let reply = self.client.send::<_, Value>(method, path, body).await?;
        if expected.contains(&reply.status) { Ok(()) } else { Err(self.refused(what, &reply)) }
    }

    fn refused<T>(&self, what: &str, reply: &Reply<T>) -> ForgeError {
        self.said_no(what, reply.status, &reply.text)
    }

    fn said_no(&self, what: &str, status: u16, text: &str) -> ForgeError {
        let class = if is_limit(status, text) { FailureClass::Environment } else { FailureClass::Own };
        self.client.error(what, &format!("it answered {status}: {}", words(text)), class)
    }

    /// A change as GitHub shows it.
    async fn look(&self, number: Number) -> Result<Option<answers::Pull>, ForgeError> {
        let reply = self.client.get::<answers::Pull>(&self.pull_at(number, "")).await?;
        match reply.body {
            Some(pull) => Ok(Some(pull)),
            None if reply.status == 404 => Ok(None),
            None => Err(self.refused("looking at a change", &reply)),
        }
    }

    /// All changes that a query finds.
    async fn list(&self, query: &str) -> Result<Vec<Pull>, ForgeError> {
        let all: Vec<answers::Pull> = self.client.get_all(&self.at(&format!("/pulls?{query}&per_page={PAGE}"))).await?;
        let mut pulls: Vec<Pull> = all.into_iter().map(|pull| pull.shown(&self.client)).collect::<Result<_, _>>()?;
        // A change that is opened while pages are read moves the others along: one may be seen twice.
        pulls.sort_by_key(|pull| pull.number);
        pulls.dedup_by_key(|pull| pull.number);
        Ok(pulls)
    }

    /// Makes a label, if it is not there. Labels that a change is given are made by GitHub itself, but grey.
    async fn make_label(&self, name: &str) -> Result<(), ForgeError> {
        let reply = self.client.get::<answers::Label>(&self.at(&format!("/labels/{}", encoded(name)))).await?;
        match reply.status {
            200 => return Ok(()),
            404 => {}
            _ => return Err(self.refused(&format!("looking for the label {name}"), &reply)),
        }
        let body = json!({"name": name, "color": LABEL_COLOUR, "description": "Towpath"});
        let reply = self.client.send::<_, Value>("POST", &self.at("/labels"), &body).await?;
        match reply.status {
            201 => Ok(()),
            // Somebody was faster.
            422 if reply.text.contains("already_exists") => Ok(()),
            _ => Err(self.refused(&format!("making the label {name}"), &reply)),
        }
    }
}

impl Api for GitHub {
    fn name(&self) -> &str {
        &self.name
    }

    fn pull_ref(&self, number: Number) -> String {
        format!("refs/pull/{}/head", number.0)
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
        if let Some(app) = &self.app {
            return Ok(format!("{}[bot]", app.info().await?.slug));
        }
        let reply = self.client.get::<User>("/user").await?;
        match reply.body {
            Some(user) => Ok(user.login),
            None => Err(self.refused("asking whose the token is", &reply)),
        }
    }

    async fn create(&self, new: &NewPull) -> Result<Option<Pull>, ForgeError> {
        let what = "opening a change";
        let body = json!({"head": new.branch, "base": new.into, "title": new.title, "body": new.body});
        let reply = self.client.send::<_, answers::Pull>("POST", &self.at("/pulls"), &body).await?;
        match (reply.status, reply.body) {
            (201, Some(pull)) => pull.shown(&self.client).map(Some),
            (422, _) if reply.text.contains("already exists") => Ok(None),
            // The branch was pushed a moment ago, and this part of GitHub has not heard of it.
            (422, _) if is_invalid(&reply.text, "head") => {
                let why = format!("it does not see the branch {} yet: {}", new.branch, words(&reply.text));
                Err(self.client.error(what, &why, FailureClass::Environment))
            }
            (status, _) => Err(self.said_no(what, status, &reply.text)),
        }
    }

    async fn update(&self, number: Number, title: &str, body: &str) -> Result<(), ForgeError> {
        let ask = json!({"title": title, "body": body});
        self.send("changing a change's words", "PATCH", &self.pull_at(number, ""), &ask, &[200]).await
    }

    async fn close(&self, number: Number) -> Result<(), ForgeError> {
        self.send("closing a change", "PATCH", &self.pull_at(number, ""), &json!({"state": "closed"}), &[200]).await
    }

    async fn reopen(&self, number: Number) -> Result<(), ForgeError> {
        // 422: its branch is gone, or was made anew from elsewhere.
        self.send("opening a change again", "PATCH", &self.pull_at(number, ""), &json!({"state": "open"}), &[200]).await
    }

    async fn open_pulls(&self, into: &str) -> Result<Vec<Pull>, ForgeError> {
        self.list(&format!("state=open&base={}&sort=created&direction=asc", encoded(into))).await
    }

    async fn pull(&self, number: Number) -> Result<Option<Pull>, ForgeError> {
        self.look(number).await?.map(|pull| pull.shown(&self.client)).transpose()
    }

    async fn pulls_from(&self, branch: &str, into: &str) -> Result<Vec<Pull>, ForgeError> {
        // Without the owner the filter is taken no notice of.
        let head = format!("{}:{branch}", self.owner);
        let mut pulls = self.list(&format!("state=all&head={}&base={}", encoded(&head), encoded(into))).await?;
        // The filter is as forgiving as GitHub's names are: forks of the owner's, and names in other letters, come along.
        pulls.retain(|pull| !pull.from_fork && pull.branch == branch);
        pulls.reverse();
        Ok(pulls)
    }

    async fn comments(&self, number: Number) -> Result<Vec<Comment>, ForgeError> {
        let all: Vec<answers::Comment> = self.client.get_all(&self.issue_at(number, &format!("/comments?per_page={PAGE}"))).await?;
        all.into_iter().map(|comment| comment.shown(&self.client)).collect()
    }

    async fn write_comment(&self, number: Number, body: &str) -> Result<(), ForgeError> {
        self.send("commenting", "POST", &self.issue_at(number, "/comments"), &json!({"body": body}), &[201]).await
    }

    async fn edit_comment(&self, _number: Number, comment: u64, body: &str) -> Result<(), ForgeError> {
        let path = self.at(&format!("/issues/comments/{comment}"));
        self.send("changing a comment", "PATCH", &path, &json!({"body": body}), &[200]).await
    }

    async fn label(&self, number: Number, add: &[String], remove: &[String]) -> Result<(), ForgeError> {
        for name in add {
            self.make_label(name).await?;
        }
        if !add.is_empty() {
            self.send("labelling", "POST", &self.issue_at(number, "/labels"), &json!({"labels": add}), &[200]).await?;
        }
        for name in remove {
            // 404: it is gone already.
            let path = self.issue_at(number, &format!("/labels/{}", encoded(name)));
            self.send("taking a label away", "DELETE", &path, &Value::Null, &[200, 204, 404]).await?;
        }
        Ok(())
    }

    async fn reviews(&self, number: Number) -> Result<Vec<Review>, ForgeError> {
        let all: Vec<answers::Review> = self.client.get_all(&self.pull_at(number, &format!("/reviews?per_page={PAGE}"))).await?;
        let mut reviews: Vec<Review> = all.into_iter().filter_map(answers::Review::shown).collect();
        reviews.sort_by_key(|review| review.at);
        Ok(reviews)
    }

    async fn set_status(&self, commit: CommitId, status: &Status) -> Result<(), ForgeError> {
        statuses::set(self, commit, status).await
    }

    async fn statuses(&self, commit: CommitId) -> Result<Vec<FoundStatus>, ForgeError> {
        statuses::read(self, commit).await
    }

    async fn protection(&self, branch: &str) -> Result<Protection, ForgeError> {
        protection::read(self, branch).await
    }

    async fn merge(&self, order: &ApiMerge) -> Result<ApiMerged, ForgeError> {
        if order.queue { merging::by_queue(self, order).await } else { merging::at_once(self, order).await }
    }

    async fn queued(&self, number: Number, head: CommitId) -> Result<Queued, ForgeError> {
        merging::in_queue(self, number, head).await
    }

    async fn queue_again(&self, number: Number, head: CommitId) -> Result<(), ForgeError> {
        merging::enqueue_again(self, number, head).await
    }

    async fn rerun_failed(&self, _number: Number, head: CommitId) -> Result<Reruns, ForgeError> {
        reruns::failed(self, head).await
    }

    async fn mark_merged(&self, _number: Number, _commit: CommitId) -> Result<(), ForgeError> {
        // It sees by itself which changes a push merged.
        Ok(())
    }

    fn budget(&self) -> Option<Budget> {
        self.client.budget()
    }
}

/// A part of a path, or a value.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Whether a refusal is none of what was asked, but of how much is asked: it comes with the status of what may not be seen.
fn is_limit(status: u16, text: &str) -> bool {
    matches!(status, 403 | 429) && text.to_lowercase().contains("rate limit")
}

/// Whether a refusal says that this field is invalid.
fn is_invalid(text: &str, field: &str) -> bool {
    let body = serde_json::from_str::<Value>(text).unwrap_or_default();
    let errors = body.get("errors").and_then(Value::as_array);
    errors.is_some_and(|errors| errors.iter().any(|error| error["field"] == field && error["code"] == "invalid"))
}

/// What a refusal says, for people: a message, and with it what is wrong with which field.
fn words(text: &str) -> String {
    let Ok(body) = serde_json::from_str::<Value>(text) else { return shortened(text) };
    let Some(message) = body.get("message").and_then(Value::as_str) else { return shortened(text) };
    let mut said = message.trim().to_owned();
    let errors = body.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for error in errors {
        let part = |name: &str| error.get(name).and_then(Value::as_str);
        let more = match (error.as_str().or_else(|| part("message")), part("field"), part("code")) {
            (Some(message), ..) => message.to_owned(),
            (None, Some(field), Some(code)) => format!("{field} is {}", code.replace('_', " ")),
            _ => continue,
        };
        said = format!("{said}; {more}");
    }
    shortened(&said)
}

fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_whatever_shape_it_has() {
        let text = r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom","message":"A pull request already exists for org:b."}]}"#;
        assert_eq!(words(text), "Validation Failed; A pull request already exists for org:b.");
        let text = r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","field":"head","code":"invalid"}]}"#;
        assert_eq!(words(text), "Validation Failed; head is invalid");
        assert!(is_invalid(text, "head") && !is_invalid(text, "base") && !is_invalid("", "head"));
        assert_eq!(words(r#"{"message":"Not Found","errors":["x"]}"#), "Not Found; x");
        assert!(is_limit(403, r#"{"message":"You have exceeded a secondary rate limit."}"#) && !is_limit(403, "Resource not accessible"));
        assert_eq!(words("<html>"), "<html>");
    }
}

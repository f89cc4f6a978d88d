//! Forgejo and Gitea, by their API v1, with a token.

mod answers;
mod merging;

use serde_json::{Value, json};
use towpath_domain::{CommitId, FailureClass};

use crate::hosted::api::{Api, ApiMerge, ApiMerged, NewPull};
use crate::http::{Client, Reply};
use crate::{Abilities, Budget, Comment, ForgeError, FoundStatus, Number, Protection, Pull, PullState, Queued, Reruns, Review, Status};
use answers::{Branch, Combined, Created, Label, Protected, User};

/// How much a page is asked to hold. A server may give less: then there is another one.
const PAGE: usize = 50;

/// How many pages of a commit's statuses are read.
const PAGES_MAX: usize = 100;

/// The colour of labels that Towpath makes; people may change it.
const LABEL_COLOUR: &str = "#70a24e";

/// A repository on Forgejo or Gitea.
pub(crate) struct Forgejo {
    client: Client,
    name: String,
    /// `/repos/OWNER/NAME`.
    repository: String,
    owner: String,
}

impl Forgejo {
    /// The repository `owner/name` of the server that `client` talks to; `host` is its name for people.
    pub(crate) fn new(client: Client, host: &str, owner: &str, name: &str) -> Self {
        let repository = format!("/repos/{}/{}", encoded(owner), encoded(name));
        Self { client, name: format!("Forgejo at {host}"), repository, owner: owner.to_owned() }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.repository)
    }

    fn pull_at(&self, number: Number) -> String {
        format!("{}/pulls/{}", self.repository, number.0)
    }

    fn issue_at(&self, number: Number, path: &str) -> String {
        format!("{}/issues/{}{path}", self.repository, number.0)
    }

    /// Sends, and expects one of these statuses.
    async fn send(&self, what: &str, method: &str, path: &str, body: &Value, expected: &[u16]) -> Result<Reply<Value>, ForgeError> {
        let reply = self.client.send(method, path, body).await?;
        if expected.contains(&reply.status) { Ok(reply) } else { Err(self.refused(what, &reply)) }
    }

    fn refused<T>(&self, what: &str, reply: &Reply<T>) -> ForgeError {
        let why = format!("it answered {}: {}", reply.status, words(&reply.text));
        self.client.error(what, &why, FailureClass::Own)
    }

    fn unable(&self, what: &'static str) -> ForgeError {
        ForgeError::Unable { forge: self.name.clone(), what }
    }

    /// The ids of labels by name; those that are not there are made.
    async fn label_ids(&self, names: &[String], make: bool) -> Result<Vec<u64>, ForgeError> {
        let mut known: Vec<Label> = self.client.get_all(&self.at(&format!("/labels?limit={PAGE}"))).await?;
        let mut ids = Vec::with_capacity(names.len());
        if names.iter().any(|name| !known.iter().any(|label| label.name == *name)) {
            // An organisation's labels are its repositories', too. A person has none.
            let of_owner = self.client.get::<Vec<Label>>(&format!("/orgs/{}/labels?limit={PAGE}", encoded(&self.owner))).await?;
            known.extend(of_owner.body.unwrap_or_default());
        }
        for name in names {
            if let Some(label) = known.iter().find(|label| label.name == *name) {
                ids.push(label.id);
            } else if make {
                let body = json!({"name": name, "color": LABEL_COLOUR, "description": "Towpath"});
                let made = self.client.send::<_, Created>("POST", &self.at("/labels"), &body).await?;
                match made.body {
                    Some(label) if made.status == 201 => ids.push(label.id),
                    _ => return Err(self.refused(&format!("making the label {name}"), &made)),
                }
            }
        }
        Ok(ids)
    }
}

impl Api for Forgejo {
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
            queue: false,
            webhooks: true,
            reruns: false,
        }
    }

    async fn account(&self) -> Result<String, ForgeError> {
        let reply = self.client.get::<User>("/user").await?;
        match reply.body {
            Some(user) => Ok(user.login),
            None => Err(self.refused("asking whose the token is", &reply)),
        }
    }

    async fn create(&self, new: &NewPull) -> Result<Option<Pull>, ForgeError> {
        let body = json!({"head": new.branch, "base": new.into, "title": new.title, "body": new.body});
        let reply = self.client.send::<_, answers::Pull>("POST", &self.at("/pulls"), &body).await?;
        match reply.status {
            201 => reply.body.map(|pull| pull.shown(&self.client)).transpose(),
            409 => Ok(None),
            _ => Err(self.refused("opening a change", &reply)),
        }
    }

    async fn update(&self, number: Number, title: &str, body: &str) -> Result<(), ForgeError> {
        let ask = json!({"title": title, "body": body});
        self.send("changing a change's words", "PATCH", &self.pull_at(number), &ask, &[200, 201]).await.map(drop)
    }

    async fn close(&self, number: Number) -> Result<(), ForgeError> {
        // 412: it is merged.
        self.send("closing a change", "PATCH", &self.pull_at(number), &json!({"state": "closed"}), &[200, 201, 412]).await.map(drop)
    }

    async fn reopen(&self, number: Number) -> Result<(), ForgeError> {
        self.send("opening a change again", "PATCH", &self.pull_at(number), &json!({"state": "open"}), &[200, 201]).await.map(drop)
    }

    async fn open_pulls(&self, into: &str) -> Result<Vec<Pull>, ForgeError> {
        let all: Vec<answers::Pull> = self.client.get_all(&self.at(&format!("/pulls?state=open&limit={PAGE}"))).await?;
        let mut pulls: Vec<Pull> =
            all.into_iter().filter(|pull| pull.base.name == into).map(|pull| pull.shown(&self.client)).collect::<Result<_, _>>()?;
        pulls.sort_by_key(|pull| pull.number);
        Ok(pulls)
    }

    async fn pull(&self, number: Number) -> Result<Option<Pull>, ForgeError> {
        let reply = self.client.get::<answers::Pull>(&self.pull_at(number)).await?;
        match reply.body {
            Some(pull) => pull.shown(&self.client).map(Some),
            None if reply.status == 404 => Ok(None),
            None => Err(self.refused("looking at a change", &reply)),
        }
    }

    async fn pulls_from(&self, branch: &str, into: &str) -> Result<Vec<Pull>, ForgeError> {
        let mut pulls = self.open_pulls(into).await?;
        pulls.retain(|pull| pull.branch == branch && !pull.from_fork);
        if !pulls.is_empty() {
            return Ok(pulls);
        }
        // It has no list by branch. It finds one by both branches, though not always the newest, which is among those that changed last.
        let path = self.at(&format!("/pulls/{}/{}", encoded(into), branch.split('/').map(encoded).collect::<Vec<_>>().join("/")));
        let reply = self.client.get::<answers::Pull>(&path).await?;
        let any = match reply.body {
            Some(pull) => pull.shown(&self.client)?,
            None if reply.status == 404 => return Ok(Vec::new()),
            None => return Err(self.refused("looking for a change by its branch", &reply)),
        };
        let path = self.at(&format!("/pulls?state=closed&sort=recentupdate&limit={PAGE}"));
        let reply = self.client.get::<Vec<answers::Pull>>(&path).await?;
        let Some(recent) = reply.body else { return Err(self.refused("listing changes", &reply)) };
        for pull in recent {
            if pull.base.name == into && pull.head.name == branch {
                pulls.push(pull.shown(&self.client)?);
            }
        }
        if !pulls.iter().any(|pull| pull.number == any.number) {
            pulls.push(any);
        }
        pulls.sort_by_key(|pull| std::cmp::Reverse(pull.number));
        Ok(pulls)
    }

    async fn comments(&self, number: Number) -> Result<Vec<Comment>, ForgeError> {
        let all: Vec<answers::Comment> = self.client.get_all(&self.issue_at(number, "/comments")).await?;
        all.into_iter().map(|comment| comment.shown(&self.client)).collect()
    }

    async fn write_comment(&self, number: Number, body: &str) -> Result<(), ForgeError> {
        self.send("commenting", "POST", &self.issue_at(number, "/comments"), &json!({"body": body}), &[201]).await.map(drop)
    }

    async fn edit_comment(&self, _number: Number, comment: u64, body: &str) -> Result<(), ForgeError> {
        let path = self.at(&format!("/issues/comments/{comment}"));
        self.send("changing a comment", "PATCH", &path, &json!({"body": body}), &[200, 204]).await.map(drop)
    }

    async fn label(&self, number: Number, add: &[String], remove: &[String]) -> Result<(), ForgeError> {
        if !add.is_empty() {
            let ids = self.label_ids(add, true).await?;
            self.send("labelling", "POST", &self.issue_at(number, "/labels"), &json!({"labels": ids}), &[200]).await?;
        }
        for id in self.label_ids(remove, false).await? {
            // 404 and 422: it is gone.
            let path = self.issue_at(number, &format!("/labels/{id}"));
            self.send("taking a label away", "DELETE", &path, &Value::Null, &[200, 204, 404, 422]).await?;
        }
        Ok(())
    }

    async fn reviews(&self, number: Number) -> Result<Vec<Review>, ForgeError> {
        let path = format!("{}/reviews?limit={PAGE}", self.pull_at(number));
        let all: Vec<answers::Review> = self.client.get_all(&path).await?;
        let mut reviews: Vec<Review> = all.into_iter().filter_map(answers::Review::shown).collect();
        reviews.sort_by_key(|review| review.at);
        Ok(reviews)
    }

    async fn set_status(&self, commit: CommitId, status: &Status) -> Result<(), ForgeError> {
        let body = json!({
            "context": status.context, "state": answers::word(status.state), "description": status.summary,
            "target_url": status.url.as_deref().unwrap_or_default(),
        });
        self.send("setting a status", "POST", &self.at(&format!("/statuses/{commit}")), &body, &[200, 201]).await.map(drop)
    }

    async fn statuses(&self, commit: CommitId) -> Result<Vec<FoundStatus>, ForgeError> {
        let mut found: Vec<FoundStatus> = Vec::new();
        for page in 1.. {
            let path = self.at(&format!("/commits/{commit}/status?limit={PAGE}&page={page}"));
            let reply = self.client.get::<Combined>(&path).await?;
            let Some(Combined { statuses }) = reply.body else { return Err(self.refused("reading statuses", &reply)) };
            let all = statuses.unwrap_or_default();
            let before = found.len();
            for status in all {
                if !found.iter().any(|known| known.context == status.context) {
                    found.push(status.shown());
                }
            }
            // It does not say how many there are, and a page may be as short as its administrator likes. The end is where nothing new comes;
            // a server without pages here answers with the same again.
            if found.len() == before {
                break;
            }
            if page == PAGES_MAX {
                let why = format!("{commit} has statuses on more than {PAGES_MAX} pages");
                return Err(self.client.error("reading statuses", &why, FailureClass::Unknown));
            }
        }
        Ok(found)
    }

    async fn protection(&self, branch: &str) -> Result<Protection, ForgeError> {
        let reply = self.client.get::<Branch>(&self.at(&format!("/branches/{}", encoded(branch)))).await?;
        let Some(branch) = reply.body else { return Err(self.refused("reading what a branch demands", &reply)) };
        if !branch.protected {
            return Ok(Protection { no_direct_push: !branch.user_can_push, ..Protection::default() });
        }
        // Only administrators see the whole rule. Without it a branch is taken to let in what is not up to date: the careful side.
        let rule = match branch.effective_branch_protection_name.as_deref() {
            None | Some("") => None,
            Some(name) => {
                let reply = self.client.get::<Protected>(&self.at(&format!("/branch_protections/{}", encoded(name)))).await?;
                match (reply.body, reply.status) {
                    (Some(rule), _) => Some(rule),
                    (None, 401 | 403 | 404) => None,
                    (None, _) => return Err(self.client.error("reading what a branch demands", &words(&reply.text), FailureClass::Own)),
                }
            }
        };
        let mut required_statuses = if branch.enable_status_check { branch.status_check_contexts.unwrap_or_default() } else { Vec::new() };
        required_statuses.sort();
        Ok(Protection {
            required_statuses,
            required_approvals: branch.required_approvals,
            up_to_date: rule.is_some_and(|rule| rule.block_on_outdated_branch),
            queue: false,
            no_direct_push: !branch.user_can_push,
        })
    }

    async fn merge(&self, order: &ApiMerge) -> Result<ApiMerged, ForgeError> {
        merging::merge(self, order).await
    }

    async fn queued(&self, _number: Number, _head: CommitId) -> Result<Queued, ForgeError> {
        Err(self.unable("a queue of its own"))
    }

    async fn queue_again(&self, _number: Number, _head: CommitId) -> Result<(), ForgeError> {
        Err(self.unable("a queue of its own"))
    }

    async fn rerun_failed(&self, _number: Number, _head: CommitId) -> Result<Reruns, ForgeError> {
        // Its description has runs of Actions to be listed, and none to be started again.
        Err(self.unable("to run checks of others again"))
    }

    async fn mark_merged(&self, number: Number, commit: CommitId) -> Result<(), ForgeError> {
        let path = format!("{}/merge", self.pull_at(number));
        let reply =
            self.client.send::<_, Value>("POST", &path, &json!({"Do": "manually-merged", "MergeCommitID": commit.to_string()})).await?;
        // It may have seen the push by itself meanwhile.
        if reply.status == 200 || self.pull(number).await?.is_some_and(|pull| matches!(pull.state, PullState::Merged { .. })) {
            return Ok(());
        }
        Err(self.refused("telling that a change is merged", &reply))
    }

    fn budget(&self) -> Option<Budget> {
        self.client.budget()
    }
}

/// A part of a path.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// What a refusal says, for people.
fn words(text: &str) -> String {
    let message = serde_json::from_str::<Value>(text).ok().and_then(|body| body.get("message").and_then(Value::as_str).map(str::to_owned));
    message.unwrap_or_else(|| text.to_owned()).chars().take(300).collect()
}

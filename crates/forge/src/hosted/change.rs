//! Opening and closing changes.

use towpath_domain::{ChangeId, CommitId};
use towpath_git::PushOutcome;

use super::api::{Api, NewPull};
use super::{Hosted, markdown};
use crate::plain::change_branch;
use crate::plain::message::one_line;
use crate::{CloseOutcome, ForgeError, Proposal, Proposed, Pull, PullState};

impl<A: Api> Hosted<A> {
    pub(super) async fn propose(&self, proposal: &Proposal) -> Result<Proposed, ForgeError> {
        let prepared = self.plain.prepare(proposal).await?;
        let head = prepared.head;
        if prepared.merged {
            return Ok(Proposed::Merged { head });
        }
        let known = self.pull_of(&proposal.id).await?;
        // A forge that squashes leaves no trace of the commit in the branch; it knows all the same.
        if let Some(pull) = &known
            && matches!(pull.state, PullState::Merged { .. })
            && pull.head == head
        {
            return Ok(Proposed::Merged { head });
        }
        match self.plain.offer(&proposal.id, &prepared).await? {
            Proposed::Open { .. } => {}
            other => return Ok(other),
        }
        let new = NewPull {
            branch: prepared.branch.as_str().to_owned(),
            into: self.plain.branch().as_str().to_owned(),
            title: one_line(&proposal.title),
            body: markdown::fitting(proposal.page.as_ref().unwrap_or(&proposal.description).trim()),
        };
        let pull = self.open(&proposal.id, known, &new).await?;
        if pull.title != new.title || !markdown::same(&pull.body, &new.body) {
            self.api.update(pull.number, &new.title, &new.body).await?;
        }
        let missing: Vec<String> = proposal.labels.iter().filter(|label| !pull.labels.contains(label)).cloned().collect();
        if !missing.is_empty() {
            self.api.label(pull.number, &missing, &[]).await?;
        }
        Ok(Proposed::Open { head })
    }

    /// The open pull request of a change whose branch is there: the one that is open, the one that was closed, or a new one.
    async fn open(&self, id: &ChangeId, known: Option<Pull>, new: &NewPull) -> Result<Pull, ForgeError> {
        if let Some(pull) = known {
            match pull.state {
                PullState::Open => return Ok(pull),
                PullState::Closed => {
                    if let Some(pull) = self.reopen(&pull).await? {
                        return Ok(pull);
                    }
                }
                PullState::Merged { .. } => {}
            }
        }
        let created = self.api.create(new).await;
        if let Ok(Some(pull)) = created {
            tracing::info!(change.id = %id, change.url = %pull.url, "opened");
            return Ok(pull);
        }
        // It was open already, or whether it is now, nobody can say: the answer was lost. Looking tells.
        match (self.pull_of(id).await?, created) {
            (Some(pull), _) if pull.state == PullState::Open => Ok(pull),
            (_, Err(error)) => Err(error),
            _ => {
                let why = format!("it says that one is open from {} and shows none; propose it again", new.branch);
                Err(self.error("opening a change", why, towpath_domain::FailureClass::Environment))
            }
        }
    }

    /// Opens a closed one again; `None` where the forge refuses that, as some do after its branch was made anew.
    async fn reopen(&self, pull: &Pull) -> Result<Option<Pull>, ForgeError> {
        match self.api.reopen(pull.number).await {
            Err(error) if error.class().is_retried() => return Err(error),
            Err(error) => tracing::info!(change.url = %pull.url, %error, "not opened again, a new one takes its place"),
            Ok(()) => {}
        }
        Ok(self.api.pull(pull.number).await?.filter(|pull| pull.state == PullState::Open))
    }

    pub(super) async fn close(&self, id: &ChangeId, head: CommitId, why: &str) -> Result<CloseOutcome, ForgeError> {
        // The branch decides: where people pushed to it, nothing is closed and nothing is said.
        match self.plain.delete(id, head).await? {
            PushOutcome::Done | PushOutcome::Stale { now: None, .. } => {}
            PushOutcome::Stale { now: Some(now), .. } => return Ok(CloseOutcome::HeadMoved { now }),
        }
        if let Some(pull) = self.pull_of(id).await?
            && !matches!(pull.state, PullState::Merged { .. })
        {
            // Forges that close a change when its branch goes have closed it by now; why is said all the same.
            self.comment(pull.number, "closed", &format!("Closed: {}", markdown::escape(why))).await?;
            if pull.state == PullState::Open {
                self.api.close(pull.number).await?;
            }
        }
        tracing::info!(change.id = %id, branch = %change_branch(id)?, why, "closed");
        Ok(CloseOutcome::Closed)
    }
}

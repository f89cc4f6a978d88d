//! Comments, labels and statuses: brought to what they shall be, and not sent where they are that already.

use std::collections::VecDeque;

use towpath_domain::{CommitId, FailureClass};

use super::api::Api;
use super::{Hosted, lock, markdown};
use crate::{Comment, ForgeError, Number, Status};

/// The longest line of a status, in characters: GitHub takes 140.
const MAX_SUMMARY_CHARS: usize = 140;

/// How many statuses are remembered.
const MAX_SAID: usize = 2000;

/// Statuses as they were sent by this process, the oldest first: forges do not give back all of what they are told.
#[derive(Debug, Default)]
pub(super) struct Said(VecDeque<(CommitId, Status)>);

impl Said {
    fn has(&self, commit: CommitId, status: &Status) -> bool {
        self.0.iter().any(|(known, said)| *known == commit && said == status)
    }

    fn note(&mut self, commit: CommitId, status: Status) {
        self.0.retain(|(known, said)| *known != commit || said.context != status.context);
        self.0.push_back((commit, status));
        if self.0.len() > MAX_SAID {
            self.0.pop_front();
        }
    }
}

impl<A: Api> Hosted<A> {
    pub(super) async fn comment(&self, number: Number, marker: &str, body: &str) -> Result<(), ForgeError> {
        if !markdown::is_marker(marker) {
            let why = format!("the marker {marker:?} cannot stand in a comment; use letters, digits and single dashes");
            return Err(self.error("commenting", why, FailureClass::Own));
        }
        let text = markdown::marked(marker, body);
        let mut ours = self.own_comments(number, marker).await?.into_iter();
        let Some(first) = ours.next() else {
            let Err(error) = self.api.write_comment(number, &text).await else { return Ok(()) };
            // The answer may have been lost, and not the comment.
            let there = self.own_comments(number, marker).await?;
            return if there.iter().any(|comment| markdown::same(&comment.body, &text)) { Ok(()) } else { Err(error) };
        };
        if !markdown::same(&first.body, &text) {
            self.api.edit_comment(number, first.id, &text).await?;
        }
        // Written twice after an answer that was lost: the oldest counts, whoever looks, and the others say so.
        let pointer = markdown::marked(marker, "See this comment's twin above.");
        for twin in ours {
            if !markdown::same(&twin.body, &pointer) {
                self.api.edit_comment(number, twin.id, &pointer).await?;
            }
        }
        Ok(())
    }

    /// Towpath's own comments with this mark, the oldest first. What others write with it is theirs.
    async fn own_comments(&self, number: Number, marker: &str) -> Result<Vec<Comment>, ForgeError> {
        let account = self.account().await?;
        let mut comments = self.api.comments(number).await?;
        comments.retain(|comment| comment.author == account && markdown::is_marked(marker, &comment.body));
        comments.sort_by_key(|comment| comment.id);
        Ok(comments)
    }

    pub(super) async fn label(&self, number: Number, add: &[String], remove: &[String]) -> Result<(), ForgeError> {
        let Some(pull) = self.api.pull(number).await? else {
            return Err(self.error("labelling", format!("there is no change {}", number.0), FailureClass::Own));
        };
        let add: Vec<String> = add.iter().filter(|label| !pull.labels.contains(label)).cloned().collect();
        let remove: Vec<String> = remove.iter().filter(|label| pull.labels.contains(label)).cloned().collect();
        if add.is_empty() && remove.is_empty() { Ok(()) } else { self.api.label(number, &add, &remove).await }
    }

    pub(super) async fn set_status(&self, commit: CommitId, status: &Status) -> Result<(), ForgeError> {
        let mut status = status.clone();
        if let Some((end, _)) = status.summary.char_indices().nth(MAX_SUMMARY_CHARS) {
            let keep = status.summary[..end].char_indices().next_back().map_or(0, |(last, _)| last);
            status.summary.truncate(keep);
            status.summary.push('…');
        }
        let found = self.api.statuses(commit).await?;
        let says_so = found.iter().any(|found| {
            found.context == status.context && found.state == status.state && found.summary == status.summary && found.url == status.url
        });
        // The details cannot be read back everywhere: they are known to be there only if this process sent them.
        if says_so && (status.details.is_empty() || lock(&self.said).has(commit, &status)) {
            return Ok(());
        }
        self.api.set_status(commit, &status).await?;
        lock(&self.said).note(commit, status);
        Ok(())
    }
}

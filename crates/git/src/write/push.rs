//! Pushes, each a compare-and-set.

use std::collections::BTreeMap;
use std::time::Duration;

use towpath_domain::{BranchName, CommitId};

use crate::command::{Limit, REMOTE};
use crate::error::scrub;
use crate::names::branch_ref;
use crate::{GitError, Mirror};

/// How long to wait between tries while another push holds the branch: such a push takes milliseconds.
const BUSY_WAITS: [Duration; 3] = [Duration::from_millis(20), Duration::from_millis(80), Duration::from_millis(320)];

/// One branch to set or delete, if it is what it is expected to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// The branch.
    pub branch: BranchName,
    /// What it shall be; `None` deletes it.
    pub new: Option<CommitId>,
    /// What it must be now; `None`: it must not exist.
    pub expected: Option<CommitId>,
}

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a stale push changed nothing"]
pub enum PushOutcome {
    /// All branches are as they shall be, by this push or by an earlier one.
    Done,
    /// A branch is not what it was expected to be. Nothing was changed.
    Stale {
        /// The first such branch.
        branch: BranchName,
        /// What it is now; `None`: it does not exist.
        now: Option<CommitId>,
    },
}

impl Mirror {
    /// Sets and deletes branches of the repository: all of them, or none. A branch that is not what it was expected to be is never
    /// overwritten.
    ///
    /// When the answer is lost on the way, pushing the same again finds it [`PushOutcome::Done`].
    ///
    /// # Errors
    /// [`GitError::Refused`] when the remote says no for another reason (rights, a hook, a protected branch), [`GitError::Busy`],
    /// [`GitError::Unreachable`], [`GitError::NotFound`], [`GitError::Timeout`]; [`GitError::BadInput`] for a name that is no branch's.
    pub async fn push(&self, updates: &[RefUpdate]) -> Result<PushOutcome, GitError> {
        let names: Vec<String> = updates.iter().map(|update| branch_ref(&update.branch)).collect::<Result<_, _>>()?;
        if updates.is_empty() {
            return Ok(PushOutcome::Done);
        }
        for commit in updates.iter().filter_map(|update| update.new) {
            self.require_commit(commit).await?;
        }
        for wait in BUSY_WAITS {
            match self.push_once(updates, &names).await {
                Err(GitError::Busy { .. }) => tokio::time::sleep(wait).await,
                ended => return ended,
            }
        }
        self.push_once(updates, &names).await
    }

    async fn push_once(&self, updates: &[RefUpdate], names: &[String]) -> Result<PushOutcome, GitError> {
        let call = self.call(format!("pushing to {}", self.url()), Limit::Transfer).remote(self.url());
        let mut call = call.args(["push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed", "--no-progress"]);
        call = call.arg("--recurse-submodules=no");
        if updates.len() > 1 {
            call = call.arg("--atomic");
        }
        for (update, name) in updates.iter().zip(names) {
            call = call.arg(format!("--force-with-lease={name}:{}", text(update.expected)));
        }
        call = call.args(["--end-of-options", REMOTE]);
        for (update, name) in updates.iter().zip(names) {
            call = call.arg(format!("{}:{name}", text(update.new)));
        }
        let finished = call.run().await?;
        if finished.code() == Some(0) {
            return Ok(PushOutcome::Done);
        }
        // Why a ref was rejected reads differently on every server and in every race. What is there now does not.
        let url = self.url().to_string();
        let error = match rejection(&String::from_utf8_lossy(finished.stdout())) {
            Some(why) if is_busy(&why) => GitError::Busy { url, why },
            Some(why) => GitError::Refused { what: format!("pushing to {url}"), place: url, why },
            None => finished.error(),
        };
        // Without an answer about refs there was no conversation, and a second one would end in the same way.
        let talked = finished.stdout().starts_with(b"To ");
        if !talked && matches!(error, GitError::Unreachable { .. } | GitError::NotFound { .. }) {
            return Err(error);
        }
        let there = self.git().ls_remote_refs(self.url(), names).await?;
        judge(updates, names, &there).ok_or(error)
    }
}

/// Whether a server's reason says that another push holds the branch, or held it while this one came.
fn is_busy(reason: &str) -> bool {
    ["failed to update ref", "cannot lock ref", "unable to create", "transaction failed"].iter().any(|text| reason.contains(text))
}

/// What the remote's refs say about a push that Git called failed; `None` when they don't explain it.
fn judge(updates: &[RefUpdate], names: &[String], there: &BTreeMap<String, CommitId>) -> Option<PushOutcome> {
    let now = |name: &String| there.get(name).copied();
    if updates.iter().zip(names).all(|(update, name)| now(name) == update.new) {
        return Some(PushOutcome::Done);
    }
    // Of several, one that is already as it shall be while others are not was changed by someone else: this push is all or nothing.
    let stale = updates.iter().zip(names).find(|(update, name)| now(name) != update.expected);
    stale.map(|(update, name)| PushOutcome::Stale { branch: update.branch.clone(), now: now(name) })
}

/// The reason of the first rejected ref that has one of its own, from lines such as `!<tab>a:b<tab>[remote rejected] (hook declined)`.
fn rejection(porcelain: &str) -> Option<String> {
    let mut reasons = porcelain.lines().filter_map(|line| line.strip_prefix("!\t")).filter_map(|line| line.split('\t').nth(1));
    let first = reasons.clone().next()?;
    Some(scrub(reasons.find(|reason| !reason.contains("atomic")).unwrap_or(first)))
}

fn text(commit: Option<CommitId>) -> String {
    commit.map(|commit| commit.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(digit: char) -> CommitId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn update(branch: &str, new: Option<char>, expected: Option<char>) -> (RefUpdate, String) {
        let update = RefUpdate { branch: BranchName::new(branch).unwrap(), new: new.map(commit), expected: expected.map(commit) };
        (update, format!("refs/heads/{branch}"))
    }

    #[test]
    fn what_is_there_tells_done_from_stale_from_refused() {
        let (updates, names): (Vec<_>, Vec<_>) = [update("main", Some('b'), Some('a')), update("x", None, Some('c'))].into_iter().unzip();
        let check = |main: Option<char>, x: Option<char>| {
            let pairs = [("refs/heads/main", main), ("refs/heads/x", x)];
            judge(&updates, &names, &pairs.iter().filter_map(|(name, c)| c.map(|c| ((*name).to_owned(), commit(c)))).collect())
        };
        let stale =
            |branch: &str, now: Option<char>| Some(PushOutcome::Stale { branch: BranchName::new(branch).unwrap(), now: now.map(commit) });
        assert_eq!(check(Some('b'), None), Some(PushOutcome::Done), "an earlier push did it");
        assert_eq!(check(Some('d'), Some('c')), stale("main", Some('d')));
        assert_eq!(check(Some('a'), None), stale("x", None), "someone else deleted the branch");
        assert_eq!(check(Some('a'), Some('c')), None, "all is as expected, so the remote refused");
    }

    #[test]
    fn the_reason_of_a_rejection_is_the_one_that_is_no_consequence() {
        let porcelain = "To /r\n!\tx:refs/heads/a\t[rejected] (atomic push failed)\n!\tx:refs/heads/b\t[remote rejected] (pre-receive hook declined)\nDone\n";
        assert_eq!(rejection(porcelain).as_deref(), Some("[remote rejected] (pre-receive hook declined)"));
        assert_eq!(rejection("To /r\nDone\n"), None);
    }
}

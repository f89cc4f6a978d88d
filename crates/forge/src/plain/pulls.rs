//! Changes that people open where there is nothing but Git: branches of theirs with a number in their name.

use std::collections::BTreeMap;

use towpath_domain::{BranchName, CommitId};
use towpath_git::CommitInfo;

use super::PlainGit;
use crate::{ForgeError, MergeResult, Number, Pull, PullState};

/// What such branches begin with; a number follows, and words behind a dash if people like: `pull/7-faster-start`.
const PREFIX: &str = "pull/";

/// How far back along the branch it is looked for what brought a change in.
const LOOK_BACK: usize = 100;

impl PlainGit {
    pub(super) async fn open_pulls(&self) -> Result<Vec<Pull>, ForgeError> {
        self.mirror.fetch().await?;
        let config = self.config_head().await?;
        let mut open: BTreeMap<Number, (BranchName, CommitId)> = BTreeMap::new();
        // By name: of two with one number the first counts.
        for (branch, head) in self.mirror.branches_outside(PREFIX, config).await? {
            if let Some(number) = self.number_of(&branch) {
                open.entry(number).or_insert((branch, head));
            }
        }
        let mut heads: Vec<CommitId> = open.values().map(|(_, head)| *head).collect();
        heads.sort_unstable();
        heads.dedup();
        let infos: BTreeMap<CommitId, CommitInfo> =
            self.mirror.commit_infos(&heads).await?.into_iter().map(|info| (info.id, info)).collect();
        let shown = |(number, (branch, head)): (Number, (BranchName, CommitId))| {
            let info = infos.get(&head)?;
            Some(self.shown(number, &branch, info, PullState::Open))
        };
        Ok(open.into_iter().filter_map(shown).collect())
    }

    pub(super) async fn pull(&self, number: Number) -> Result<Option<Pull>, ForgeError> {
        self.mirror.fetch().await?;
        self.pull_as_fetched(number).await
    }

    /// As [`merge_of`](Self::merge_of), if the change is still at `head`.
    pub(super) async fn merged_pull(&self, number: Number, head: CommitId, onto: Option<CommitId>) -> Result<MergeResult, ForgeError> {
        self.mirror.fetch().await?;
        let base = match onto {
            Some(base) => base,
            None => self.config_head().await?,
        };
        self.have(base).await?;
        // Asked first: a merged change's branch may be gone, which must not look as if people had closed it.
        if self.mirror.has_commit(head).await? && self.mirror.is_ancestor(head, base).await? {
            return Ok(MergeResult::Merged { base });
        }
        match self.pull_as_fetched(number).await? {
            Some(Pull { state: PullState::Open, head: now, .. }) if now == head => self.merge_of(&number.change_id()?, base, head).await,
            Some(Pull { state: PullState::Open, head: now, .. }) => Ok(MergeResult::HeadMoved { now: Some(now) }),
            _ => Ok(MergeResult::HeadMoved { now: None }),
        }
    }

    /// The branch of this number: the first one that is open, or else the first.
    async fn pull_as_fetched(&self, number: Number) -> Result<Option<Pull>, ForgeError> {
        let config = self.config_head().await?;
        let mut branches = self.mirror.branches_outside(PREFIX, config).await?;
        branches.retain(|(branch, _)| self.number_of(branch) == Some(number));
        if let Some((branch, head)) = branches.first() {
            return Ok(Some(self.shown(number, branch, &self.mirror.commit_info(*head).await?, PullState::Open)));
        }
        let mut branches = self.mirror.branches().await?;
        branches.retain(|(branch, _)| self.number_of(branch) == Some(number));
        let Some((branch, head)) = branches.first() else { return Ok(None) };
        let line = self.mirror.first_parent(config, LOOK_BACK).await?;
        let merge = line.iter().find(|commit| commit.id == *head || commit.parents.iter().skip(1).any(|parent| parent == head));
        let state = PullState::Merged { commit: merge.map(|merge| merge.id) };
        Ok(Some(self.shown(number, branch, &self.mirror.commit_info(*head).await?, state)))
    }

    /// The number that a branch's name holds, if it is a change into another branch.
    fn number_of(&self, branch: &BranchName) -> Option<Number> {
        if *branch == self.branch { None } else { number(branch.as_str()) }
    }

    /// A change as people see it, told by its newest commit.
    fn shown(&self, number: Number, branch: &BranchName, newest: &CommitInfo, state: PullState) -> Pull {
        Pull {
            number,
            url: String::new(),
            branch: branch.to_string(),
            from_fork: false,
            head: newest.id,
            into: self.branch.to_string(),
            author: newest.author_name.clone(),
            title: newest.subject.clone(),
            body: String::new(),
            labels: Vec::new(),
            draft: false,
            opened_at: newest.committed_at,
            state,
        }
    }
}

/// `pull/7` and `pull/7-words`; one way to write each number, so that none is two.
fn number(branch: &str) -> Option<Number> {
    let rest = branch.strip_prefix(PREFIX)?;
    let (digits, words) = rest.split_once('-').map_or((rest, None), |(digits, words)| (digits, Some(words)));
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if words == Some("") || !plain { None } else { digits.parse().ok().map(Number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_in_one_way_only() {
        for (branch, expected) in [
            ("pull/7", Some(7)),
            ("pull/7-faster-start", Some(7)),
            ("pull/12-fix/the-door", Some(12)),
            ("pull/18446744073709551615", Some(u64::MAX)),
            ("pull/18446744073709551616", None),
            ("pull/07", None),
            ("pull/0", None),
            ("pull/", None),
            ("pull/-7", None),
            ("pull/+7", None),
            ("pull/7-", None),
            ("pull/7/head", None),
            ("pull/7x", None),
            ("pulls/7", None),
            ("Pull/7", None),
        ] {
            assert_eq!(number(branch), expected.map(Number), "{branch}");
        }
    }
}

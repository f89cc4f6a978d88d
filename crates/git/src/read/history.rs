//! Branches and history.

use towpath_domain::{BranchName, CommitId, Timestamp};

use crate::command::{Call, Limit};
use crate::names::branch_ref;
use crate::{GitError, Mirror};

/// A commit as history shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its id.
    pub id: CommitId,
    /// The first line of its message.
    pub subject: String,
    /// Who wrote it.
    pub author_name: String,
    /// The author's address.
    pub author_email: String,
    /// Who made the commit.
    pub committer_name: String,
    /// The committer's address.
    pub committer_email: String,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// Its parents, the first one first.
    pub parents: Vec<CommitId>,
}

/// How many commits one call is told: an argument list has an end.
const NAMED_AT_ONCE: usize = 500;

/// One field a line, one commit a NUL: names, addresses and subjects hold neither.
const FORMAT: &str = "--format=%H%n%P%n%an%n%ae%n%cn%n%ce%n%ct%n%s";

/// The largest commit that is read whole.
const MAX_COMMIT_BYTES: u64 = 64 << 10;

impl Mirror {
    /// The head of a branch as last fetched.
    ///
    /// # Errors
    /// [`GitError::BadInput`] for a name that is no branch's, [`GitError::Corrupt`].
    pub async fn resolve(&self, branch: &BranchName) -> Result<Option<CommitId>, GitError> {
        let question = format!("{}^{{commit}}", branch_ref(branch)?);
        Ok(self.header(question).await?.and_then(|header| header.id.parse().ok()))
    }

    /// All branches with their heads as last fetched, by name. Branches whose name no [`BranchName`] can hold are left out.
    ///
    /// # Errors
    /// [`GitError::Corrupt`], [`GitError::Timeout`].
    pub async fn branches(&self) -> Result<Vec<(BranchName, CommitId)>, GitError> {
        let call = self.call("listing branches", Limit::Local);
        let text = call.args(["for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads/"]).run().await?.text()?;
        Ok(parse_branches(&text))
    }

    /// Those branches below `prefix`, such as `pull/`, whose heads `commit` does not hold, with their heads as last fetched, by name; as
    /// [`Mirror::branches`].
    ///
    /// # Errors
    /// [`GitError::NotFound`] when the mirror has no such commit, [`GitError::BadInput`] for a prefix that no branch can have.
    pub async fn branches_outside(&self, prefix: &str, commit: CommitId) -> Result<Vec<(BranchName, CommitId)>, GitError> {
        // A prefix is a branch's name cut short at a slash: with something behind it, it must be one.
        branch_ref(
            &BranchName::new(format!("{prefix}x")).map_err(|error| GitError::bad(format!("the prefix {prefix:?}"), error.to_string()))?,
        )?;
        self.require_commit(commit).await?;
        let call = self.call("listing branches", Limit::Local);
        let call = call.args(["for-each-ref", "--format=%(objectname) %(refname:lstrip=2)"]).arg(format!("--no-merged={commit}"));
        Ok(parse_branches(&call.arg(format!("refs/heads/{prefix}")).run().await?.text()?))
    }

    /// Whether the mirror has this commit.
    ///
    /// # Errors
    /// [`GitError::Corrupt`], [`GitError::Timeout`].
    pub async fn has_commit(&self, commit: CommitId) -> Result<bool, GitError> {
        Ok(self.header(commit.to_string()).await?.is_some_and(|header| header.kind == "commit"))
    }

    /// The id of a commit's tree: the same for the same files, whatever the commit's message, date and parents.
    ///
    /// # Errors
    /// [`GitError::NotFound`] when the mirror has no such commit.
    pub async fn tree_of(&self, commit: CommitId) -> Result<String, GitError> {
        let header = self.header(format!("{commit}^{{tree}}")).await?;
        header.map(|header| header.id).ok_or_else(|| self.no_commit(commit))
    }

    /// A commit as Git writes it: tree, parents, people, times and message.
    ///
    /// # Errors
    /// [`GitError::NotFound`] when the mirror has no such commit, [`GitError::TooBig`] above 64 KiB, [`GitError::BadInput`] when it is no UTF-8.
    pub async fn commit_object(&self, commit: CommitId) -> Result<String, GitError> {
        self.require_commit(commit).await?;
        let mut reader = self.reader()?;
        let content = reader.contents(&[commit.to_string()], MAX_COMMIT_BYTES).await?.pop().flatten();
        self.keep_reader(reader);
        let (_, bytes) = content.ok_or_else(|| self.no_commit(commit))?;
        String::from_utf8(bytes).map_err(|_| GitError::bad(format!("the commit {commit}"), "it is no UTF-8"))
    }

    async fn header(&self, question: String) -> Result<Option<super::reader::Header>, GitError> {
        let mut reader = self.reader()?;
        let header = reader.headers(&[question]).await?.pop().flatten();
        self.keep_reader(reader);
        Ok(header)
    }

    /// One commit.
    ///
    /// # Errors
    /// [`GitError::NotFound`] when the mirror has no such commit.
    pub async fn commit_info(&self, commit: CommitId) -> Result<CommitInfo, GitError> {
        self.first_parent(commit, 1).await?.pop().ok_or_else(|| self.no_commit(commit))
    }

    /// Several commits, in any order, each once.
    ///
    /// # Errors
    /// [`GitError::NotFound`] when the mirror lacks one of them.
    pub async fn commit_infos(&self, commits: &[CommitId]) -> Result<Vec<CommitInfo>, GitError> {
        let mut infos = Vec::with_capacity(commits.len());
        for some in commits.chunks(NAMED_AT_ONCE) {
            for commit in some {
                self.require_commit(*commit).await?;
            }
            let call = self.log("reading commits").args(["--no-walk=unsorted", "--end-of-options"]);
            infos.extend(parse_log(&call.args(some.iter().map(CommitId::to_string)).arg("--").run().await?.text()?)?);
        }
        Ok(infos)
    }

    /// The commits from `head` along first parents, `head` first, at most `limit`: what the branch itself went through, merge by merge.
    ///
    /// # Errors
    /// [`GitError::NotFound`] when the mirror has no such commit.
    pub async fn first_parent(&self, head: CommitId, limit: usize) -> Result<Vec<CommitInfo>, GitError> {
        self.require_commit(head).await?;
        let call = self.log("reading history").arg("--first-parent").arg(format!("--max-count={limit}"));
        parse_log(&call.args(["--end-of-options", &head.to_string(), "--"]).run().await?.text()?)
    }

    /// The commits that `to` has and `from` has not, newest first, children before parents, at most `limit`.
    ///
    /// # Errors
    /// [`GitError::NotFound`] when the mirror lacks either commit.
    pub async fn log_range(&self, from: CommitId, to: CommitId, limit: usize) -> Result<Vec<CommitInfo>, GitError> {
        self.require_commit(from).await?;
        self.require_commit(to).await?;
        let call = self.log("reading history").arg("--topo-order").arg(format!("--max-count={limit}"));
        parse_log(&call.args(["--end-of-options", &format!("{from}..{to}"), "--"]).run().await?.text()?)
    }

    fn log(&self, what: &str) -> Call<'_> {
        let args = ["log", "-z", "--no-show-signature", "--no-mailmap", "--no-color", "--no-decorate", "--no-patch", FORMAT];
        self.call(what, Limit::Local).args(args)
    }

    /// Whether `ancestor` is `descendant` or in its history.
    ///
    /// # Errors
    /// [`GitError::NotFound`] when the mirror lacks either commit.
    pub async fn is_ancestor(&self, ancestor: CommitId, descendant: CommitId) -> Result<bool, GitError> {
        self.require_commit(ancestor).await?;
        self.require_commit(descendant).await?;
        let args = ["merge-base", "--is-ancestor", "--end-of-options", &ancestor.to_string(), &descendant.to_string()];
        self.call("comparing histories", Limit::Local).args(args).run().await?.yes_or_no()
    }

    /// The newest commit that both have; `None` when they share no history.
    ///
    /// # Errors
    /// [`GitError::NotFound`] when the mirror lacks either commit.
    pub async fn merge_base(&self, a: CommitId, b: CommitId) -> Result<Option<CommitId>, GitError> {
        self.require_commit(a).await?;
        self.require_commit(b).await?;
        let args = ["merge-base", "--end-of-options", &a.to_string(), &b.to_string()];
        let finished = self.call("comparing histories", Limit::Local).args(args).run().await?;
        if finished.code() == Some(1) {
            return Ok(None);
        }
        Ok(finished.text()?.trim().parse().ok())
    }

    /// The paths that differ between two commits, sorted. A renamed file is two paths.
    ///
    /// # Errors
    /// [`GitError::NotFound`] when the mirror lacks either commit.
    pub async fn diff_names(&self, a: CommitId, b: CommitId) -> Result<Vec<String>, GitError> {
        self.require_commit(a).await?;
        self.require_commit(b).await?;
        let args = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--end-of-options", &a.to_string(), &b.to_string()];
        let output = self.call("comparing commits", Limit::Local).args(args).run().await?.bytes()?;
        Ok(paths(&output))
    }
}

/// Paths that each end with a NUL.
pub(crate) fn paths(output: &[u8]) -> Vec<String> {
    output.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(|path| String::from_utf8_lossy(path).into_owned()).collect()
}

fn parse_branches(text: &str) -> Vec<(BranchName, CommitId)> {
    let parse = |line: &str| {
        let (id, name) = line.split_once(' ')?;
        Some((BranchName::new(name).ok()?, id.parse().ok()?))
    };
    text.lines().filter_map(parse).collect()
}

fn parse_log(text: &str) -> Result<Vec<CommitInfo>, GitError> {
    text.split('\0').filter(|record| !record.is_empty()).map(parse_record).collect()
}

fn parse_record(record: &str) -> Result<CommitInfo, GitError> {
    let nonsense = || GitError::Failed {
        what: "reading history".to_owned(),
        why: format!("git printed {:?}", record.chars().take(200).collect::<String>()),
    };
    let mut lines = record.splitn(8, '\n');
    let mut line = || lines.next().ok_or_else(nonsense);
    let id = line()?.parse().map_err(|_| nonsense())?;
    let parents = line()?.split(' ').filter(|id| !id.is_empty()).map(str::parse).collect::<Result<_, _>>().map_err(|_| nonsense())?;
    let (author_name, author_email) = (line()?.to_owned(), line()?.to_owned());
    let (committer_name, committer_email) = (line()?.to_owned(), line()?.to_owned());
    let seconds: i64 = line()?.parse().map_err(|_| nonsense())?;
    let committed_at = Timestamp::from_millis(seconds.saturating_mul(1000));
    let subject = line()?.trim_end_matches('\n').to_owned();
    Ok(CommitInfo { id, subject, author_name, author_email, committer_name, committer_email, committed_at, parents })
}

//! What the planner says, and why: the one value that both the loop and `explain` read (law 1).

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use towpath_catalog::{Place, SignatureRequirement};
use towpath_domain::{BranchName, ChangeId, Channel, CommitId, Digest, FailureClass, ImageRef, RepoUrl, RunId, Span, TargetId, Timestamp};

use crate::event::{RunSpec, Subject};

/// What the planner says of one subject now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The commit that the subject should be at, as far as that is known.
    pub wanted: Option<CommitId>,
    /// What follows.
    pub state: State,
    /// Candidates that were passed over, newest first, with what held each; bounded.
    pub passed_over: Vec<(CommitId, Vec<Hold>)>,
    /// When time alone may change this verdict.
    pub valid_until: Option<Timestamp>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Nothing to do.
    UpToDate,
    /// Something is to be done now.
    Act {
        /// What.
        action: Action,
    },
    /// Something would be done, but for these; never empty.
    Held {
        /// Each reason, the weightiest first.
        holds: Vec<Hold>,
    },
}

/// Something to be done now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// A target's objects at a commit must be known before anything can be said. Touches nothing outside.
    Render {
        /// The target.
        target: TargetId,
        /// The commit.
        commit: CommitId,
    },
    /// An image must be looked at in its registry before anything can be said. Touches nothing outside.
    ///
    /// What comes of it is told as an [`Event::ImageLooked`](crate::Event::ImageLooked) of the very same image, with an answer to each of the requirements or an error.
    LookAtImage {
        /// The target that waits for it.
        target: TargetId,
        /// The image, with its digest where that must be the one. Boxed, since each verdict has room for it.
        image: Box<ImageRef>,
        /// What it must be signed by.
        requirements: Vec<Arc<SignatureRequirement>>,
    },
    /// A run is to be queued.
    Run {
        /// The run.
        spec: Box<RunSpec>,
    },
    /// A target is to move in one change together with all others of the same change.
    Promote {
        /// The target.
        target: TargetId,
        /// The commit.
        to: CommitId,
        /// What the others share: channels and commit.
        together: String,
    },
    /// A queued run that nobody has taken up yet makes room for a newer one.
    Supersede {
        /// The queued run.
        run: RunId,
        /// What takes its place, for people.
        by: String,
    },
}

/// One reason why something may not happen yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "hold", rename_all = "kebab-case")]
pub enum Hold {
    /// The target's ref is 40 zeros: nothing was promoted there yet.
    NothingYet {
        /// Where that is written.
        place: Place,
    },
    /// The target is disabled in its saas file.
    Disabled {
        /// Where its `ref` is written.
        place: Place,
    },
    /// The saas file uses features that Towpath cannot carry out.
    Unsupported {
        /// Which.
        features: Vec<String>,
    },
    /// The repository or branch could not be looked at.
    Unreachable {
        /// The repository.
        url: RepoUrl,
        /// The branch.
        branch: BranchName,
        /// Since when.
        since: Timestamp,
        /// Why.
        error: String,
    },
    /// The repository has not been looked at yet.
    NotSeen {
        /// The repository.
        url: RepoUrl,
        /// The branch, where one is followed.
        branch: Option<BranchName>,
    },
    /// Nothing says in which order this repository's commits are to be promoted.
    NoBranch {
        /// The repository.
        url: RepoUrl,
    },
    /// A channel does not vouch for the commit.
    Unvouched {
        /// The commit.
        commit: CommitId,
        /// The channel.
        channel: Channel,
        /// The publisher that does not vouch; none when the channel has no publisher that counts.
        publisher: Option<TargetId>,
        /// The publisher's title, for people.
        title: String,
        /// Why it does not.
        why: Unvouched,
    },
    /// The commit may not be promoted or deployed.
    Blocked {
        /// The commit.
        commit: CommitId,
        /// Why.
        reason: String,
        /// Where that is written.
        place: Place,
    },
    /// Two publishers vouch for the commit, but with different bits under one name: a tag moved between their tests.
    TagMoved {
        /// The commit.
        commit: CommitId,
        /// The image.
        image: ImageRef,
        /// What the one vouches for.
        one: Digest,
        /// What the other vouches for.
        other: Digest,
    },
    /// The commit has not stood well for long enough.
    Soaking {
        /// The commit.
        commit: CommitId,
        /// How long it must.
        days: u32,
        /// Until when.
        until: Timestamp,
    },
    /// The target's `schedule` is closed.
    OutsideSchedule {
        /// The cron expression.
        schedule: String,
        /// When it opens.
        opens: Option<Timestamp>,
    },
    /// A policy's freeze, or a person's hold.
    Frozen {
        /// The policy.
        policy: String,
        /// Why.
        why: String,
        /// Who.
        by: Option<String>,
        /// Until when; none means until somebody lifts it.
        until: Option<Timestamp>,
        /// Where it is written.
        place: Place,
    },
    /// A policy's windows are closed.
    OutsideWindow {
        /// The policy.
        policy: String,
        /// When the next one opens.
        opens: Option<Timestamp>,
        /// Where it is written.
        place: Place,
    },
    /// A commit could go, but promotion is not automatic here.
    NotAutomatic {
        /// The newest commit that could go.
        candidate: CommitId,
    },
    /// The image is not there yet: its build is queued or under way.
    Building {
        /// The commit.
        commit: CommitId,
        /// The run, once there is one.
        run: Option<RunId>,
    },
    /// The image was not made.
    BuildFailed {
        /// The commit.
        commit: CommitId,
        /// The run.
        run: RunId,
        /// Whose fault.
        class: FailureClass,
        /// What went wrong.
        message: String,
    },
    /// The template does not come to objects.
    RenderFailed {
        /// The commit.
        commit: CommitId,
        /// What is wrong.
        message: String,
    },
    /// An image that would be deployed is not in its registry, or nobody can tell.
    ImageMissing {
        /// The image, with its digest where that must be the one.
        image: ImageRef,
        /// Since when it is looked for in vain.
        since: Timestamp,
        /// When it is looked for again; earlier, if its registry tells of it.
        next: Timestamp,
        /// Why nobody can tell.
        error: Option<String>,
    },
    /// An image that would be deployed is not signed as a policy requires.
    Unsigned {
        /// The image.
        image: ImageRef,
        /// Its digest.
        digest: Digest,
        /// The policy.
        policy: String,
        /// What is missing.
        what: String,
        /// Where the requirement is written.
        place: Place,
        /// Since when it is looked for in vain.
        since: Timestamp,
        /// When it is looked at again; earlier, if its registry tells of it.
        next: Timestamp,
    },
    /// A run of the same subject is queued or under way: one at a time.
    InProgress {
        /// The run.
        run: RunId,
        /// Its commit.
        commit: Option<CommitId>,
        /// A worker has taken it up.
        started: bool,
    },
    /// What runs here is being tested; a newer one waits for the result.
    UnderTest {
        /// The testing target.
        target: TargetId,
        /// Its title, for people.
        title: String,
        /// The commit under test.
        commit: CommitId,
    },
    /// The tested target runs something else by now.
    NotRunning {
        /// The tested target.
        target: TargetId,
        /// Its title, for people.
        title: String,
        /// The commit that was to be tested.
        commit: CommitId,
        /// What it runs.
        runs: Option<CommitId>,
    },
    /// A change that moves this target is under way.
    ChangeOpen {
        /// The change.
        change: ChangeId,
        /// Its page, where people see it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// What it waits for, for people; empty while Towpath is at work on it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        waits: Vec<String>,
    },
    /// A change that would move this target did not pass.
    ChangeFailed {
        /// The change.
        change: ChangeId,
        /// Why.
        message: String,
    },
    /// It failed by the environment's fault and is tried again later.
    Backoff {
        /// The run that failed last.
        run: RunId,
        /// When it is tried again.
        until: Timestamp,
        /// Attempts so far.
        attempts: u32,
        /// Attempts in all.
        of: u32,
        /// What went wrong.
        message: String,
    },
    /// It failed, and trying again by itself would not help, or was tried often enough.
    Failed {
        /// The run that failed last.
        run: RunId,
        /// Whose fault.
        class: FailureClass,
        /// Attempts so far.
        attempts: u32,
        /// What went wrong.
        message: String,
    },
    /// It waits for others to join the same change.
    Batching {
        /// The commit that it would go to.
        commit: CommitId,
        /// When they go.
        until: Timestamp,
        /// So many go at once, without waiting any longer.
        limit: u32,
        /// The policy.
        policy: String,
        /// Where that is written.
        place: Place,
    },
    /// A version before this one goes first (queue policy `every`).
    Queued {
        /// The version that goes first.
        behind: CommitId,
    },
    /// An automatic rollback would undo a rollback, or there is nothing good to go back to.
    NoWayBack {
        /// The bad commit.
        bad: CommitId,
        /// Why not.
        why: String,
    },
}

/// Why a publisher does not vouch for a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Unvouched {
    /// No target publishes to the channel, or all that do are disabled.
    NoPublisher,
    /// It published to the channel before, and is missing from the catalog while a saas file is broken: it may well be in that file.
    FileBroken {
        /// The broken file.
        path: String,
    },
    /// It has not deployed that commit yet.
    NotYet,
    /// It is deploying that commit now.
    Running {
        /// The run.
        run: RunId,
    },
    /// It failed with that commit.
    Failed {
        /// The run.
        run: RunId,
        /// What went wrong, where known.
        message: String,
    },
}

/// The verdict that follows for a subject, named.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Named {
    /// The subject.
    pub subject: Subject,
    /// How people call it.
    pub title: String,
    /// The verdict.
    pub verdict: Verdict,
}

/// The shortest wait that makes sense to people, in messages: below it is "now".
pub const SOON: Span = Span::from_secs(1);

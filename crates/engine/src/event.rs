//! What can happen: the vocabulary of the ledger.
//!
//! An event is written before anything outside is touched (law 3) and never changed afterwards. Facts are what the
//! events add up to ([`crate::Facts::apply`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use towpath_domain::{
    BranchName, ChangeId, Channel, CheckId, CommitId, Digest, FailureClass, GitRef, ImageRef, RepoUrl, RunId, SourceName, TargetId,
    Timestamp,
};

use crate::check::{Blame, CheckEvent, CheckWork};
use crate::moved::Moved;
use crate::pool::PoolEvent;
use crate::review::MergeOrder;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A new head of the config repository was read and became the catalog. It happened when the look began that found the head.
    ConfigSeen {
        /// Its head.
        commit: CommitId,
        /// Errors among its diagnostics.
        errors: u32,
    },
    /// A branch was looked at and is at `commits[0]`. It happened when the look began: what was pushed while it lasted may be missing.
    BranchSeen {
        /// The repository.
        url: RepoUrl,
        /// The branch.
        branch: BranchName,
        /// First-parent commits, newest first, bounded.
        commits: Vec<CommitInfo>,
    },
    /// A branch could not be looked at. The facts known of it stay.
    BranchUnreachable {
        /// The repository.
        url: RepoUrl,
        /// The branch.
        branch: BranchName,
        /// Why, for people; without credentials.
        error: String,
    },
    /// A target's objects at a commit were rendered, or could not be.
    Rendered(Render),
    /// A run was decided on and put into the queue.
    RunQueued(RunSpec),
    /// A worker took a run up. Several of these for one run mean that a worker died.
    RunStarted {
        /// The run.
        run: RunId,
    },
    /// A step of a run begins.
    StepStarted {
        /// The run.
        run: RunId,
        /// The step's name, unique in the run.
        step: String,
    },
    /// A step of a run is done; what it found is kept, so that a resumed run need not do it again.
    StepDone {
        /// The run.
        run: RunId,
        /// The step's name.
        step: String,
        /// What it found.
        output: serde_json::Value,
    },
    /// A run ended.
    RunFinished {
        /// The run.
        run: RunId,
        /// How.
        outcome: Outcome,
    },
    /// An image was looked at in its registry, or could not be.
    ImageLooked {
        /// The image, as it was asked for.
        image: ImageRef,
        /// Its digest; none when it is not there, or nobody can tell.
        #[serde(default)]
        digest: Option<Digest>,
        /// What is missing of each requirement that was asked for, by its hash; none when it is met. A requirement that cannot be
        /// checked is told as `error`.
        #[serde(default)]
        signed: BTreeMap<String, Option<String>>,
        /// Why it could not be looked at, for people; without credentials.
        #[serde(default)]
        error: Option<String>,
    },
    /// A registry told that something of an image is new: it is looked at at once where somebody waits for it.
    ImageAnnounced {
        /// The image; without a tag, the whole repository.
        image: ImageRef,
    },
    /// A secret has a version that is not the one last seen.
    SecretSeen {
        /// Its path.
        path: String,
        /// The version, in the words of the store. Never anything of the value.
        version: String,
    },
    /// A run ran out of memory: the next one of the same subject is given more.
    MemoryRaised {
        /// Whose runs.
        subject: Subject,
        /// What they are given from now on, in bytes.
        bytes: u64,
        /// The run that ran out of it.
        run: RunId,
    },
    /// A change that people see on a forge was looked at, and stands otherwise than it did before.
    ChangeSeen {
        /// What it is.
        spec: ChangeSpec,
        /// How it stands.
        open: OpenChange,
    },
    /// A change is no longer open on its forge, and it was no run that ended it.
    ChangeEnded {
        /// The change.
        change: ChangeId,
        /// The commit that it came into the config repository by; none when it was closed unmerged.
        merged: Option<CommitId>,
    },
    /// A person asked that what failed be tried again.
    RetryRequested {
        /// What is to be tried again.
        subject: Subject,
        /// Who asked.
        by: String,
        /// Why.
        why: String,
    },
    /// A person has seen a failure and sees to it: nobody else need be called.
    Acknowledged {
        /// What failed.
        subject: Subject,
        /// Who sees to it.
        by: String,
        /// What they say of it.
        why: String,
    },
    /// A person asked that a run be stopped.
    CancelRequested {
        /// The run.
        run: RunId,
        /// Who asked.
        by: String,
        /// Why.
        why: String,
    },
    /// Something happened to a pool of ephemeral namespaces, or to a lease on one.
    Pool(PoolEvent),
    /// Something happened to a pull request of a source.
    Check(CheckEvent),
}

/// A commit as people know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitInfo {
    /// Its id.
    pub id: CommitId,
    /// The first line of its message.
    pub subject: String,
    /// Its author's name.
    pub author: String,
    /// When it was committed.
    pub at: Timestamp,
}

/// What a target's objects at a commit come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Render {
    /// The target.
    pub target: TargetId,
    /// The commit of the template.
    pub commit: CommitId,
    /// The target's `input_hash` it was rendered with.
    pub input_hash: String,
    /// The version of each secret that it was rendered with, by path, where the target takes the newest one and it was known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// What came of it.
    pub outcome: RenderOutcome,
}

impl Render {
    /// The images that its objects name; none where it did not come to objects.
    #[must_use]
    pub fn images(&self) -> &[ImageRef] {
        match &self.outcome {
            RenderOutcome::Rendered { images, .. } => images,
            RenderOutcome::Failed { .. } => &[],
        }
    }
}

/// What came of rendering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum RenderOutcome {
    /// Objects.
    Rendered {
        /// The fingerprint: a hash over the canonical objects, generated values left out.
        fingerprint: String,
        /// Images the objects name.
        images: Vec<ImageRef>,
        /// All that acts among them is jobs: the target is a post-deploy test.
        only_jobs: bool,
        /// How many objects.
        objects: u32,
    },
    /// Nothing, and why.
    Failed {
        /// Whose fault.
        class: FailureClass,
        /// What, where, why and how to mend it.
        message: String,
    },
}

/// A run as it was decided on: all that a worker needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// Derived from the work and the number of runs its subject had before: the same decision names the same run.
    pub id: RunId,
    /// Which attempt at the same this is, from 1.
    pub attempt: u32,
    /// What is to be done.
    pub work: Work,
    /// Why, in words for people.
    pub why: String,
    /// The class of the failure that it tries again after; none for a first attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<FailureClass>,
}

impl RunSpec {
    /// A success of it is a retried pass: the attempt before failed of nothing but tests known to be flaky.
    #[must_use]
    pub fn is_retried(&self) -> bool {
        self.after == Some(FailureClass::Flaky)
    }
}

/// What a run does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "kebab-case")]
pub enum Work {
    /// Turns one source commit into one image.
    Build {
        /// The source.
        source: SourceName,
        /// The commit.
        commit: CommitId,
        /// A hash of the source's build instructions: when they change, a failed build is tried anew.
        build_hash: String,
    },
    /// Deploys a target at a commit, or runs its jobs.
    Deploy(DeployWork),
    /// Deletes a target's objects.
    Delete {
        /// The target.
        target: TargetId,
    },
    /// Carries a change to the config repository's branch: propose, check, merge.
    Change(ChangeSpec),
    /// Checks a pull request of a source, or what somebody tries by hand.
    Check(Box<CheckWork>),
}

impl Work {
    /// What the run is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::Build { source, .. } => Subject::Source(source.clone()),
            Self::Deploy(work) => Subject::Target(work.target.clone()),
            Self::Delete { target } => Subject::Target(target.clone()),
            Self::Change(change) => Subject::Change(change.id.clone()),
            Self::Check(work) => Subject::Check(work.id.clone()),
        }
    }

    /// The commit that the run is about, where it has one: the release that it belongs to.
    #[must_use]
    pub fn commit(&self) -> Option<CommitId> {
        match self {
            Self::Build { commit, .. } => Some(*commit),
            Self::Deploy(deploy) => Some(deploy.commit),
            Self::Check(work) => Some(work.head),
            Self::Delete { .. } => None,
            Self::Change(change) => change.edits.iter().find_map(|edit| match edit {
                ConfigEdit::SetRef { to, .. } => Some(*to),
                ConfigEdit::WriteFile { .. } | ConfigEdit::RemoveFile { .. } => None,
            }),
        }
    }
}

/// One deploy, as it was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployWork {
    /// The target.
    pub target: TargetId,
    /// The commit.
    pub commit: CommitId,
    /// The fingerprint that was decided on: when it renders to something else, the run is void.
    pub fingerprint: String,
    /// The target's `input_hash` at that time.
    pub input_hash: String,
    /// Channels that a success is published to.
    pub publish: Vec<Channel>,
    /// app-interface's `target_config_hash` at that time.
    pub config_hash: String,
    /// Image digests that the channels vouch for; a tag that resolves to another one is refused (law 4).
    pub release: BTreeMap<ImageRef, Digest>,
    /// Who vouched, with the fingerprint that was vouched for.
    pub vouchers: Vec<Voucher>,
    /// All that acts is jobs: a post-deploy test of what the vouchers run.
    pub only_jobs: bool,
    /// The saas file took fields of others over at that time: what failed without that is tried anew with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takeover: bool,
}

/// A publisher whose success a deploy rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// The channel.
    pub channel: Channel,
    /// The publisher.
    pub target: TargetId,
    /// What it had deployed.
    pub fingerprint: String,
    /// How many runs it had had: when that moved before a test ended, the test says nothing.
    pub runs: u64,
}

/// A change to the config repository, as it was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSpec {
    /// Derived from what it changes.
    pub id: ChangeId,
    /// What it is for.
    pub kind: ChangeKind,
    /// The edits.
    pub edits: Vec<ConfigEdit>,
    /// One line for people; the commit's subject.
    pub title: String,
    /// The rest of the commit's message.
    pub description: String,
    /// Who wants it: a person's name, or `towpath`.
    pub by: String,
    /// Where a person's own change is on the forge; Towpath's own are found by their branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullRef>,
    /// Changes that this one takes the place of: they are closed when it is open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<ChangeId>,
    /// Of a batch, the targets that must move together, each list and all lists sorted: when the checks refuse it, it is split between them.
    /// Empty when there is nothing to split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Vec<TargetId>>,
    /// What a promotion tells people. Nothing is decided by it, and no name derives from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Moved>,
}

/// A change on a forge, as it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRef {
    /// Its number there.
    pub number: u64,
    /// Its newest commit: nothing else of it is merged.
    pub head: CommitId,
}

/// How a change stands on its forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenChange {
    /// Its number there.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// Its newest commit.
    pub head: CommitId,
    /// Everything that is demanded is there: it may be merged.
    pub ready: bool,
    /// What it waits for, for people; empty when it is ready.
    pub waits: Vec<String>,
    /// Since when `head` is its newest commit, as far as Towpath saw.
    pub head_since: Timestamp,
    /// Its branch is to be made anew from where the config repository is: somebody who may asked for that, or it conflicts. True until a run has
    /// seen to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rebase: bool,
    /// The forge's own queue threw it out, with this very commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub thrown_out: bool,
    /// It is to be put into that queue once more: somebody asked for that. True until a run has seen to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// Labels that Towpath gave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Required checks that failed at `head`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// Where it stands among changes that may be merged, as its review found; none before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<MergeOrder>,
    /// Differs when it stands differently: what was tried in vain is worth another try.
    pub stamp: String,
}

/// What a change is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Moves subscribers to a ref that their channels vouch for.
    Promotion,
    /// Sets an older ref and blocks the bad one.
    Rollback,
    /// Puts a freeze on something.
    Hold,
    /// Lifts a freeze.
    Release,
    /// A person's own edit of the config repository.
    Edit,
}

/// One edit of the config repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "kebab-case")]
pub enum ConfigEdit {
    /// Sets one target's `ref` (and its stale `promotion_data` hashes of subscribed channels).
    SetRef {
        /// The target.
        target: TargetId,
        /// What it must be now.
        from: GitRef,
        /// What it becomes.
        to: CommitId,
    },
    /// Writes a small file of Towpath's own, such as a hold or a block.
    WriteFile {
        /// Path in the repository.
        path: String,
        /// What it holds.
        content: String,
    },
    /// Removes a file of Towpath's own.
    RemoveFile {
        /// Path in the repository.
        path: String,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// A build made an image.
    Built {
        /// The image, tagged.
        image: ImageRef,
        /// Its digest.
        digest: Digest,
    },
    /// A deploy is healthy at its commit; a test passed.
    Deployed {
        /// The digests that really run.
        digests: BTreeMap<ImageRef, Digest>,
    },
    /// A target's objects are gone.
    Deleted,
    /// A check passed.
    Checked {
        /// Tree and inputs: the same for the same. None where nothing else may rest on it, such as when only some tests ran.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// The images that were made and deployed, with their digests.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        digests: BTreeMap<ImageRef, Digest>,
        /// The run whose result it is, where the same tree was tested before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reused: Option<RunId>,
        /// What was done, in a sentence for people.
        #[serde(default)]
        summary: String,
    },
    /// A change is merged.
    Merged {
        /// The config repository's new head.
        commit: CommitId,
    },
    /// A change is open where people see it, and waits for them, for checks or for the forge.
    Opened {
        /// Its number on the forge.
        number: u64,
        /// Its page.
        url: String,
        /// Its commit.
        head: CommitId,
        /// What it waits for, for people.
        waits: String,
    },
    /// It did not come to an end that counts.
    Failed {
        /// Whose fault.
        class: FailureClass,
        /// The step that failed.
        step: String,
        /// What, where, why and how to mend it.
        message: String,
        /// It is a change, and what it says is refused by its checks: no fault of the way there, no conflict, nothing that somebody else did.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        refused: bool,
        /// It is a check, and this is at fault.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blame: Option<Blame>,
    },
    /// A newer decision took its place before it did anything that counts.
    Superseded {
        /// What took its place, for people.
        by: String,
    },
    /// A person stopped it.
    Cancelled {
        /// Who.
        by: String,
    },
}

/// What a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "subject", content = "id", rename_all = "kebab-case")]
pub enum Subject {
    /// A source.
    Source(SourceName),
    /// A target.
    Target(TargetId),
    /// A change.
    Change(ChangeId),
    /// A pull request of a source, or a try by hand.
    Check(CheckId),
}

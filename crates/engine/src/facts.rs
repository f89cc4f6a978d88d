//! What is known: the sum of the events, in the shape that the planner asks for.

use std::collections::{BTreeMap, HashMap};

use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use towpath_domain::{
    BranchName, ChangeId, Channel, CheckId, CommitId, Digest, FailureClass, ImageRef, NamespaceName, PoolName, RepoUrl, ReservationId,
    RunId, SourceName, TargetId, Timestamp,
};

use crate::check::{CheckFact, CheckedTree};
use crate::event::{ChangeKind, ChangeSpec, CommitInfo, OpenChange, Render, Subject, Voucher};
use crate::pool::{NamespaceFact, PoolFact, ReservationFact};

/// A map of facts. Its keys come from the config repository and from Git, not from strangers, so that a fast hash will do.
pub type FactMap<K, V> = HashMap<K, V, FxBuildHasher>;

/// Everything known. Changed only by [`Facts::apply`](crate::Facts::apply).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The config repository's head.
    pub config: Option<CommitId>,
    /// When that head was read.
    pub config_at: Option<Timestamp>,
    /// Branches by repository and name.
    pub branches: FactMap<(RepoUrl, BranchName), BranchFact>,
    /// Builds by source, then by commit.
    pub builds: FactMap<SourceName, BTreeMap<CommitId, BuildFact>>,
    /// The last few renderings of each target, newest last.
    pub renders: FactMap<TargetId, Vec<Render>>,
    /// What is known of each target's deploys.
    pub targets: FactMap<TargetId, TargetFact>,
    /// Successes and failures by channel and publisher, then by commit.
    pub evidence: FactMap<(Channel, TargetId), BTreeMap<CommitId, Evidence>>,
    /// Changes.
    pub changes: FactMap<ChangeId, ChangeFact>,
    /// Runs that have not ended yet.
    pub open_runs: BTreeMap<RunId, OpenRun>,
    /// Images that were looked at in their registry, as they were asked for; bounded.
    pub images: FactMap<ImageRef, ImageFact>,
    /// Secrets by path; bounded.
    pub secrets: FactMap<String, SecretFact>,
    /// How much memory the next run of a subject is given, in bytes, since an earlier one ran out of it. One for each such
    /// subject. Nothing is planned from it.
    pub memory: FactMap<Subject, u64>,
    /// What this installation calls itself before clusters; none before it made its first namespace.
    pub installation: Option<String>,
    /// Pools of ephemeral namespaces.
    pub pools: BTreeMap<PoolName, PoolFact>,
    /// Their namespaces, gone ones left out.
    pub namespaces: BTreeMap<NamespaceName, NamespaceFact>,
    /// The leases on them; of those that are over, the last few hundred.
    pub reservations: BTreeMap<ReservationId, ReservationFact>,
    /// Open pull requests of sources.
    pub checks: BTreeMap<CheckId, CheckFact>,
    /// Trees that passed, by source, newest last; bounded.
    pub checked_trees: FactMap<SourceName, Vec<CheckedTree>>,
}

/// A branch as last seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BranchFact {
    /// First-parent commits, newest first, bounded. Empty when never seen.
    pub commits: Vec<CommitInfo>,
    /// When each head was first seen by Towpath, newest last, bounded: lead times count from here.
    pub seen: Vec<(CommitId, Timestamp)>,
    /// Since when it cannot be reached, and why.
    pub unreachable: Option<(Timestamp, String)>,
    /// When the look began that found it so: what was pushed later may be missing.
    #[serde(default)]
    pub looked_at: Timestamp,
}

/// An image as last looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageFact {
    /// Its digest; none when it was not there.
    pub digest: Option<Digest>,
    /// When it was last looked at.
    pub at: Timestamp,
    /// Looks in a row that did not find all that was asked for.
    pub looks: u32,
    /// The first of these looks; without any, the last look.
    #[serde(default)]
    pub since: Timestamp,
    /// What is missing of each signature requirement that was asked for, by its hash; none when it is met.
    #[serde(default)]
    pub signed: BTreeMap<String, Option<String>>,
    /// Why it could not be looked at.
    #[serde(default)]
    pub error: Option<String>,
    /// Its registry told of something new since.
    #[serde(default)]
    pub announced: bool,
}

/// A secret as last seen. Its value is nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFact {
    /// Its newest version.
    pub version: String,
    /// When that was first seen.
    pub at: Timestamp,
}

/// What is known of building one commit of a source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BuildFact {
    /// Runs so far.
    pub runs: u64,
    /// The run that is queued or under way.
    pub active: Option<RunId>,
    /// The image, once there.
    pub built: Option<Built>,
    /// The last failure since the last success or request to retry.
    pub failure: Option<Failure>,
}

/// An image that a build made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Built {
    /// The image, tagged.
    pub image: ImageRef,
    /// Its digest.
    pub digest: Digest,
    /// The run that made it.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
}

/// What is known of a target's deploys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetFact {
    /// Runs so far.
    pub runs: u64,
    /// What was last deployed with success.
    pub current: Option<Deployed>,
    /// Earlier successes, newest last, bounded; `current` is not among them.
    pub history: Vec<Deployed>,
    /// The run that is queued or under way.
    pub active: Option<ActiveDeploy>,
    /// The last failure since the last success or request to retry.
    pub failure: Option<Failure>,
    /// Its objects were deleted.
    pub deleted: bool,
    /// A deploy since `current` did not come to a good end: what runs may be neither the one nor the other.
    #[serde(default)]
    pub dirty: bool,
    /// Renderings that failed by the environment's fault, and are tried again.
    #[serde(default)]
    pub render_tries: Option<RenderTries>,
}

/// How often the same rendering failed by the environment's fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderTries {
    /// The commit.
    pub commit: CommitId,
    /// The target's `input_hash`.
    pub input_hash: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When the last one failed.
    pub at: Timestamp,
}

/// A successful deploy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployed {
    /// The commit.
    pub commit: CommitId,
    /// What was deployed.
    pub fingerprint: String,
    /// The digests that ran.
    pub digests: BTreeMap<ImageRef, Digest>,
    /// Who vouched.
    pub vouchers: Vec<Voucher>,
    /// The run.
    pub run: RunId,
    /// When it was found healthy.
    pub at: Timestamp,
}

/// A deploy that is queued or under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveDeploy {
    /// The run.
    pub run: RunId,
    /// Its commit; none for a deletion.
    pub commit: Option<CommitId>,
    /// A worker has taken it up.
    pub started: bool,
    /// Since when it is queued.
    pub queued_at: Timestamp,
}

/// A failure, and how often the same was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The run that failed last.
    pub run: RunId,
    /// The commit.
    pub commit: Option<CommitId>,
    /// What was tried: a fingerprint, a hash of build instructions, or a config commit. Something else is a new try.
    pub tried: String,
    /// Whose fault.
    pub class: FailureClass,
    /// What went wrong, for people.
    pub message: String,
    /// Attempts at the same so far.
    pub attempts: u32,
    /// When the last one failed.
    pub at: Timestamp,
    /// A person stopped it: it says nothing about the commit.
    #[serde(default)]
    pub cancelled: bool,
    /// How many of the attempts failed of nothing but tests known to be flaky.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flaky: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What a publisher's last deploy at a commit says to a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// It was a success.
    pub success: bool,
    /// Since when it is a success without a failure between.
    pub since: Timestamp,
    /// When it was last said.
    pub at: Timestamp,
    /// What was deployed.
    pub fingerprint: String,
    /// app-interface's `target_config_hash`.
    pub config_hash: String,
    /// The digests that ran here and at those who vouched for it: the release.
    pub release: BTreeMap<ImageRef, Digest>,
    /// The run.
    pub run: RunId,
    /// It is a retried pass: the attempt before failed of nothing but tests known to be flaky.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retried: bool,
}

/// What is known of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeFact {
    /// What it is.
    pub spec: ChangeSpec,
    /// Runs so far.
    pub runs: u64,
    /// The run that is queued or under way.
    pub active: Option<RunId>,
    /// The config repository's head that it was merged into.
    pub merged: Option<(CommitId, Timestamp)>,
    /// The last failure since the last request to retry.
    pub failure: Option<Failure>,
    /// Its last run gave way, and the config repository's head at that time: until that moves there is nothing to try.
    #[serde(default)]
    pub superseded: Option<String>,
    /// When it was first queued, or seen.
    pub opened_at: Timestamp,
    /// How it stands on a forge where people see it.
    #[serde(default)]
    pub open: Option<OpenChange>,
    /// It was closed there unmerged, and so it stays until somebody asks for a retry.
    #[serde(default)]
    pub closed: bool,
    /// A newer one took its place, and closes it: what its forge says of it until then counts for nothing.
    #[serde(default)]
    pub replaced: bool,
    /// Its checks refused what it says, and this is what they found. Of a batch, that is a reason to split it.
    #[serde(default)]
    pub refused: Option<String>,
}

impl ChangeFact {
    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> ChangeKind {
        self.spec.kind
    }

    /// Whether it is a batch that its checks refused: it is merged in parts, and never as a whole. What a person closed stays closed.
    #[must_use]
    pub fn is_split(&self) -> bool {
        self.refused.is_some() && self.spec.parts.len() > 1 && self.merged.is_none() && !self.closed
    }
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenRun {
    /// What it is about.
    pub subject: Subject,
    /// Everything about it.
    pub spec: crate::event::RunSpec,
    /// Who wants it stopped.
    pub cancel: Option<String>,
    /// A worker has taken it up.
    #[serde(default)]
    pub started: bool,
    /// Since when it is queued.
    #[serde(default)]
    pub queued_at: Timestamp,
}

/// The name of one fact: what an event touched, what a verdict depends on, and the key of the ledger's row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactKey {
    /// [`Facts::config`].
    Config,
    /// One of [`Facts::branches`].
    Branch(RepoUrl, BranchName),
    /// One of [`Facts::builds`].
    Build(SourceName, CommitId),
    /// One of [`Facts::renders`].
    Renders(TargetId),
    /// One of [`Facts::targets`].
    Target(TargetId),
    /// One of [`Facts::evidence`].
    Evidence(Channel, TargetId),
    /// One of [`Facts::changes`].
    Change(ChangeId),
    /// One of [`Facts::open_runs`].
    OpenRun(RunId),
    /// One of [`Facts::images`].
    Image(ImageRef),
    /// One of [`Facts::secrets`].
    Secret(String),
    /// One of [`Facts::memory`].
    Memory(Subject),
    /// [`Facts::installation`].
    Installation,
    /// One of [`Facts::pools`].
    Pool(PoolName),
    /// One of [`Facts::namespaces`].
    Namespace(NamespaceName),
    /// One of [`Facts::reservations`].
    Reservation(ReservationId),
    /// One of [`Facts::checks`].
    Check(CheckId),
    /// One of [`Facts::checked_trees`].
    CheckedTrees(SourceName),
}

//! The catalog: everything the config repository says, as plain data that other parts read.
//!
//! Built only by [`crate::load()`]. Cross-references are resolved; what was broken is absent here and present among
//! the diagnostics.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::tz::TimeZone;
use towpath_domain::{
    AppName, BranchName, Channel, ClusterName, CommitId, EnvironmentName, GitRef, ImageRef, NamespaceName, PoolName, RepoUrl, SaasFileName,
    SourceName, Span, TargetId, Timestamp,
};

use crate::access::{Access, Approvals};
use crate::diagnostic::Place;
use crate::quarantine::TestPolicy;
use crate::resources::DeployResources;
use crate::signature::SignatureRequirement;

/// Everything the config repository says, at one commit or in one folder.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Sources by name.
    pub sources: BTreeMap<SourceName, Arc<Source>>,
    /// Apps by name.
    pub apps: BTreeMap<AppName, Arc<App>>,
    /// Environments by name.
    pub environments: BTreeMap<EnvironmentName, Arc<Environment>>,
    /// Every target of every good saas file, by its stable id.
    pub targets: HashMap<TargetId, Arc<Target>>,
    /// Who publishes to and who subscribes to each channel.
    pub channels: BTreeMap<Channel, ChannelUse>,
    /// Policies in the order of their names.
    pub policies: Vec<Arc<Policy>>,
    /// People and roles: who may approve what.
    pub access: Access,
    /// Pools of ephemeral namespaces by name.
    pub pools: BTreeMap<PoolName, Arc<Pool>>,
    /// Pools that are there but could not be used: what they keep stays as it is.
    pub broken_pools: Vec<BrokenPool>,
    /// Saas files that are there but could not be used: their targets are unknown now, not removed.
    pub broken_saas_files: Vec<BrokenFile>,
}

/// A file that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenFile {
    /// Path in the config repository, such as `data/services/web/deploy.yml`.
    pub path: Arc<str>,
    /// The saas file's name, where that much could be read.
    pub name: Option<SaasFileName>,
    /// The first error in it, for people.
    pub error: String,
}

/// A pool's file that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenPool {
    /// Path in the config repository.
    pub path: Arc<str>,
    /// The pool's name, where that much could be read.
    pub name: Option<PoolName>,
    /// The first error in it, for people.
    pub error: String,
}

/// A pool of ephemeral namespaces (`/towpath/pool-1.yml`).
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Its name, unique in the catalog.
    pub name: PoolName,
    /// The cluster its namespaces are on.
    pub cluster: ClusterName,
    /// The app it is for, where it is for one.
    pub app: Option<AppName>,
    /// The environment that its namespaces belong to, where they belong to one.
    pub environment: Option<EnvironmentName>,
    /// How many namespaces are kept ready.
    pub size: u32,
    /// How many there are at most: ready, reserved, and on their way in or out.
    pub limit: u32,
    /// How long a reservation lasts that asks for nothing else. Default 1 hour.
    pub lease: Span,
    /// How long one may last at most, extended or not. Default 12 hours.
    pub longest: Span,
    /// How long before its end that is told. Default 10 minutes.
    pub warn: Span,
    /// How many namespaces one requester may hold at a time.
    pub each: Option<u32>,
    /// What a ResourceQuota of each namespace says: specs.
    pub quotas: Vec<serde_json::Value>,
    /// What a LimitRange of each namespace says: specs.
    pub limit_ranges: Vec<serde_json::Value>,
    /// Secrets that each namespace has a copy of.
    pub secrets: Option<SecretCopies>,
    /// More objects that are made with each namespace; `${NAMESPACE}` in their texts is its name.
    pub manifests: Vec<serde_json::Value>,
    /// Objects that the cluster's add-ons put into namespaces by themselves: no leftover of anybody. `Kind[.group]/name`, or how a name begins and `*`.
    pub expected: Vec<String>,
    /// The pool of the ephemeral-namespace-operator that namespaces are leased from instead of being made.
    pub operator: Option<String>,
    /// A hash over all that goes into making a namespace: one that was made by another is not handed out any more.
    pub made_hash: Arc<str>,
    /// Where it is written.
    pub place: Place,
}

/// Secrets that are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretCopies {
    /// The namespace they are copied from, on the pool's cluster.
    pub namespace: NamespaceName,
    /// Their names.
    pub names: Vec<String>,
}

/// Publishers and subscribers of one channel. Ids are sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelUse {
    /// Targets that publish a success to it; `delete`d ones are left out, `disable`d ones are in.
    pub publishers: Vec<TargetId>,
    /// Targets that subscribe to it.
    pub subscribers: Vec<TargetId>,
}

/// A source: a code repository and the branch that is released (`/towpath/source-1.yml`).
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its name, unique in the catalog.
    pub name: SourceName,
    /// The app it belongs to.
    pub app: AppName,
    /// The repository.
    pub url: RepoUrl,
    /// The branch that is released.
    pub branch: BranchName,
    /// What the image is called, without tag.
    pub image: String,
    /// How many hex digits of the commit make the tag.
    pub hash_length: usize,
    /// How the image is made.
    pub build: Build,
    /// What is done with its pull requests; none: nothing.
    pub check: Option<Arc<PullCheck>>,
    /// Where it is written.
    pub place: Place,
}

/// What is done with each pull request of a source.
///
/// The image is built; where there is a pool, a namespace is reserved; what the source deploys to the reference environment, and what it depends on
/// there, is deployed into it; the tests run; the source's own command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullCheck {
    /// The pool that its namespaces come from.
    pub pool: Option<PoolName>,
    /// The reference environment: the source's own targets in it are deployed with the pull request's template and image, dependencies as they are
    /// there.
    pub environment: Option<EnvironmentName>,
    /// Saas files whose targets in the reference environment are deployed beside the source's own.
    pub dependencies: Vec<SaasFileName>,
    /// Parameters that every template gets, whatever the environment says; `${NAMESPACE}` in them is the namespace's name.
    pub parameters: BTreeMap<String, String>,
    /// Tests that run once all is well, in this order.
    pub tests: Vec<CheckTest>,
    /// The source's own command: program and arguments, run in a checkout of what is checked.
    pub command: Option<Vec<String>>,
    /// Paths of the repository that say how it is checked: of a pull request from a fork, they are taken from the branch that it is for.
    pub definition: Vec<String>,
    /// Environment for the command, beside what Towpath sets.
    pub env: BTreeMap<String, String>,
    /// Where the command leaves its test reports in the checkout; the last part of a path may hold `*`.
    pub reports: Vec<String>,
    /// How long deploying, tests and command may take together. Default 1 hour.
    pub timeout: Span,
    /// How many of the source's pull requests are checked at a time. Default 1.
    pub concurrency: u32,
    /// Labels that put a pull request before all that have none of them. Default `urgent`.
    pub urgent: Vec<String>,
    /// What is checked is the pull request merged into its branch as it is when the check begins, and not its head alone. Default yes.
    pub merged: bool,
    /// How often a failure that is the environment's fault is tried again. Default 1.
    pub retries: u32,
    /// How pull requests from forks are checked, once somebody who may has said that they may; none: they are not.
    pub forks: Option<ForkCheck>,
    /// A hash over all of this: what was checked by other instructions is no answer any more.
    pub hash: Arc<str>,
}

/// A test of a pull request: a target of the reference environment whose objects are jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckTest {
    /// What people call it: `/test NAME`.
    pub name: String,
    /// Its saas file.
    pub saas_file: SaasFileName,
    /// Its resource template.
    pub resource_template: String,
}

/// How pull requests from forks are checked. They get no secrets: neither those of the reference environment's targets nor those of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkCheck {
    /// The pool that their namespaces come from: one that copies no secrets. None where the check needs no namespace.
    pub pool: Option<PoolName>,
}

/// How a source's image is made: an optional command of the repository's own, then the packer or an image that the command left.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// Program and arguments, run in a checkout of the commit. A single string runs by `sh -c`.
    pub command: Option<Vec<String>>,
    /// Environment for the command, beside what Towpath sets.
    pub env: BTreeMap<String, String>,
    /// What to pack. Without it, the command leaves an OCI image layout at `$TOWPATH_IMAGE_LAYOUT`.
    pub pack: Option<Pack>,
    /// How long the whole build may take. Default 30 minutes.
    pub timeout: Span,
    /// The image that the command runs in when builds run on a cluster.
    pub image: Option<ImageRef>,
    /// What the command asks for when builds run on a cluster.
    pub resources: Option<DeployResources>,
    /// The command pushes the image itself, to `$TOWPATH_IMAGE:$TOWPATH_IMAGE_TAG`; never together with `pack`.
    pub push: bool,
}

/// The packer's instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// `None` is `scratch`; else an image that is already in the registry.
    pub base: Option<String>,
    /// Files and folders to put into the image, in order.
    pub files: Vec<PackFile>,
    /// The image's entry point: program and arguments.
    pub entrypoint: Vec<String>,
    /// The image's default arguments.
    pub cmd: Vec<String>,
    /// Environment of the image.
    pub env: BTreeMap<String, String>,
    /// Working directory in the image. Default `/`.
    pub workdir: String,
}

/// One file or folder for the packer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackFile {
    /// Path in the checkout, relative, never outside it.
    pub from: String,
    /// Absolute path in the image.
    pub to: String,
    /// Permission bits; the file's own executable bit decides (0755 or 0644) when absent.
    pub mode: Option<u32>,
}

/// An app (`/app-sre/app-1.yml`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its name.
    pub name: AppName,
    /// Its parent, if any.
    pub parent: Option<AppName>,
    /// Code components by URL.
    pub code_components: Vec<CodeComponent>,
    /// Whom it calls when nobody sees to a failure, level by level.
    pub escalation: Vec<EscalationLevel>,
    /// Where it is written.
    pub place: Place,
}

/// One level of an escalation: a policy (`/app-sre/escalation-policy-1.yml`). The next one is that of its `nextEscalationPolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalationLevel {
    /// The policy's name.
    pub name: String,
    /// Slack user groups to call.
    pub user_groups: Vec<UserGroup>,
    /// Mail addresses.
    pub emails: Vec<String>,
    /// Names of PagerDuty targets.
    pub pagerduty: Vec<String>,
}

/// A Slack user group (`/access/permission-1.yml` with `service: slack-usergroup`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserGroup {
    /// The workspace's name.
    pub workspace: String,
    /// The handle, without `@`.
    pub handle: String,
    /// The channels that it is called in.
    pub channels: Vec<String>,
}

/// A repository that an app is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeComponent {
    /// The repository.
    pub url: RepoUrl,
    /// Commits that may not be promoted or deployed.
    pub blocked_versions: Vec<CommitId>,
    /// Commits that a person vouches for: they pass the gate without a success.
    pub hotfix_versions: Vec<CommitId>,
}

/// An environment (`/app-sre/environment-1.yml`).
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Parameters for every target in it.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// `dev`, `stage`, `prod`, where the file says so.
    pub service_phase: Option<String>,
    /// Where it is written.
    pub place: Place,
}

/// One target: deploys one template at one `ref` into one namespace. Everything it inherits is resolved into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// app-interface's uid; see [`TargetId`].
    pub id: TargetId,
    /// Shared facts of its saas file.
    pub saas_file: Arc<SaasFile>,
    /// The resource template's name.
    pub resource_template: String,
    /// Its own name, where it has one.
    pub name: Option<String>,
    /// The namespace's name.
    pub namespace: NamespaceName,
    /// The cluster's name.
    pub cluster: ClusterName,
    /// The environment's name.
    pub environment: EnvironmentName,
    /// The namespace's labels.
    pub namespace_labels: BTreeMap<String, String>,
    /// The repository that holds the template.
    pub url: RepoUrl,
    /// The template's path in it, beginning with `/`.
    pub path: String,
    /// How the template is read.
    pub provider: Provider,
    /// The wanted ref.
    pub git_ref: GitRef,
    /// Where `ref:` is written: the scalar that a promotion changes.
    pub ref_place: Place,
    /// The branch whose first-parent order ranks this target's candidates: its own, else that of a source of the same
    /// URL, else that of a publisher up its channels. `None` when nothing says.
    pub branch: Option<BranchName>,
    /// The source that builds this target's image, when there is one with the same URL.
    pub source: Option<SourceName>,
    /// Its promotion block.
    pub promotion: Promotion,
    /// Resolved parameters in app-interface's order (environment, saas file, resource template, target; later wins),
    /// before the automatic ones (`IMAGE_TAG`, `COMMIT_SHA`), which need a commit.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// Secret parameters by name, later ones winning; values are fetched when a run needs them.
    pub secret_parameters: BTreeMap<String, SecretRef>,
    /// How many hex digits of the commit make `IMAGE_TAG`. Default 7.
    pub hash_length: usize,
    /// Skipped everywhere.
    pub disable: bool,
    /// Its objects are to go.
    pub delete: bool,
    /// A hash over everything but the ref that goes into rendering. Equal hash and commit: equal outcome.
    pub input_hash: Arc<str>,
    /// app-interface's `target_config_hash`, for `promotion_data` only.
    pub target_config_hash: Arc<str>,
    /// Features of the file that Towpath cannot carry out yet: the target is held by them.
    pub unsupported: Vec<String>,
}

impl Target {
    /// `{saas file}/{resource template}/{environment}/{namespace}[/{name}]`: how people name a target.
    #[must_use]
    pub fn title(&self) -> String {
        let mut title = format!("{}/{}/{}/{}", self.saas_file.name, self.resource_template, self.environment, self.namespace);
        if let Some(name) = &self.name {
            title.push('/');
            title.push_str(name);
        }
        title
    }
}

/// What all targets of a saas file share (`/app-sre/saas-file-2.yml`).
#[derive(Debug, Clone, PartialEq)]
pub struct SaasFile {
    /// Its name.
    pub name: SaasFileName,
    /// Its app.
    pub app: AppName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Kinds that may be touched: `Kind` or `Kind.group`.
    pub managed_resource_types: Vec<String>,
    /// Names that a kind is restricted to.
    pub managed_resource_names: BTreeMap<String, Vec<String>>,
    /// Prefixes that every image must have one of. Empty allows none but the images of Towpath's own sources.
    pub image_patterns: Vec<String>,
    /// How long a deploy may take. Default 1 hour.
    pub timeout: Span,
    /// Whether logs of jobs are kept in the run.
    pub publish_job_logs: bool,
    /// `IMAGE_TAG` is `{CHANNEL}-{sha}`.
    pub use_channel_in_image_tag: bool,
    /// Fields that somebody else owns are taken over when objects are applied, and not refused.
    pub takeover: bool,
    /// What its deploys ask for where runs are carried out on a cluster.
    pub deploy_resources: Option<DeployResources>,
    /// Where it wants its deploys told.
    pub notices: Option<Notices>,
    /// Where it is written.
    pub place: Place,
}

/// Where a saas file wants its deploys told: its `slack`, and `skipSuccessfulDeployNotifications`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notices {
    /// The Slack workspace's name.
    pub workspace: String,
    /// The channel.
    pub channel: String,
    /// `notifications.start`: that a deploy begins is told, too.
    pub start: bool,
    /// Successes are told: not `skipSuccessfulDeployNotifications`.
    pub successes: bool,
    /// `output: events`: a message for each thing that happens.
    pub each: bool,
}

/// How a resource template is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// One OpenShift template.
    OpenshiftTemplate,
    /// Every file of a folder.
    Directory,
    /// A Helm chart.
    Helm,
    /// A kustomization; Towpath's own addition to app-interface's providers.
    Kustomize,
}

/// A target's promotion block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promotion {
    /// Channels it publishes its success to.
    pub publish: Vec<Channel>,
    /// Channels that must vouch for a ref before it goes here. Sorted.
    pub subscribe: Vec<Channel>,
    /// Towpath promotes by itself.
    pub auto: bool,
    /// Days that a ref must have stood well with every publisher.
    pub soak_days: u32,
    /// When promotions and deploys may happen.
    pub schedule: Option<Schedule>,
    /// A new configuration of a publisher runs this target again.
    pub redeploy_on_publisher_config_change: bool,
    /// `promotion_data`'s hashes, with the place of each scalar.
    pub promotion_data: Vec<PromotionData>,
}

/// One hash of `promotion_data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionData {
    /// The subscribed channel.
    pub channel: Channel,
    /// The publisher's saas file.
    pub parent_saas: SaasFileName,
    /// The publisher's `target_config_hash`, 16 hex digits.
    pub target_config_hash: String,
    /// Where the hash is written.
    pub place: Place,
}

/// A cron expression in UTC, read as a window.
///
/// app-interface opens it for the matching minutes only. Towpath keeps each opening whose minute field names single
/// minutes open for the rest of that hour, since `0 9 * * *` is meant as "at nine", not as "in that one minute".
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The expression as written.
    pub text: Arc<str>,
    /// The parsed expression, its minute field widened as told above.
    pub cron: Arc<croner::Cron>,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Schedule {}

/// A value that is fetched when needed, and never written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    /// Path in the secret store.
    pub path: String,
    /// Field of the secret.
    pub field: String,
    /// Version, if pinned.
    pub version: Option<u64>,
    /// The stored value is base64 and is decoded.
    pub base64: bool,
}

/// A policy (`/towpath/policy-1.yml`): rules for the targets it selects.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name, unique in the catalog.
    pub name: Arc<str>,
    /// Which targets it is for.
    pub select: Selector,
    /// Times when nothing moves.
    pub freezes: Vec<Freeze>,
    /// Times when things may move; none means always.
    pub windows: Vec<Window>,
    /// How a queue of candidates is treated; the last policy that says anything decides.
    pub queue: Option<QueuePolicy>,
    /// How environment failures are retried; the last policy that says anything decides.
    pub retries: Option<Retries>,
    /// How promotions wait for others to join their change; the last policy that says anything decides.
    pub batching: Option<Batching>,
    /// What is done about tests that are not to be trusted.
    pub tests: TestPolicy,
    /// Whether a target whose post-deploy tests fail goes back by itself; the last policy that says anything decides.
    pub automatic_rollback: Option<bool>,
    /// Commits that may not be promoted or deployed.
    pub blocks: Vec<Block>,
    /// What images must be signed by. Each policy that selects a target adds to what is required there.
    pub require_signed: Option<Arc<SignatureRequirement>>,
    /// How many approvals changes need. Each policy that selects a target adds to what is required there.
    pub approvals: Option<Approvals>,
    /// What is wrong with it, if anything: then it freezes what it selects, and nobody can tell which approvals it asks for.
    pub broken: Option<Arc<str>>,
    /// Where it is written.
    pub place: Place,
}

/// Which targets a policy is for: every given list must hold the target's value; no list at all selects every target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// Apps.
    pub apps: Vec<AppName>,
    /// Environments.
    pub environments: Vec<EnvironmentName>,
    /// Clusters.
    pub clusters: Vec<ClusterName>,
    /// Target ids.
    pub targets: Vec<TargetId>,
    /// Labels that the namespace or the saas file must carry.
    pub labels: BTreeMap<String, String>,
}

impl Selector {
    /// Whether `target` is selected.
    #[must_use]
    pub fn selects(&self, target: &Target) -> bool {
        fn allows<T: PartialEq>(list: &[T], value: &T) -> bool {
            list.is_empty() || list.contains(value)
        }
        allows(&self.apps, &target.saas_file.app)
            && allows(&self.environments, &target.environment)
            && allows(&self.clusters, &target.cluster)
            && allows(&self.targets, &target.id)
            && self
                .labels
                .iter()
                .all(|(key, value)| target.namespace_labels.get(key) == Some(value) || target.saas_file.labels.get(key) == Some(value))
    }
}

/// How promotions wait for others, to go together in one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batching {
    /// How long the first one waits.
    pub window: Span,
    /// So many targets go at once, without waiting any longer; no more than that go in one change.
    pub limit: u32,
    /// Where it is written.
    pub place: Place,
}

impl Batching {
    /// The limit, where none is written.
    pub const LIMIT: u32 = 20;
}

/// A time when nothing moves. Without an end it is a hold, until somebody lifts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// From when; always, if absent.
    pub from: Option<Timestamp>,
    /// Until when; without end, if absent.
    pub until: Option<Timestamp>,
    /// Why, for people.
    pub reason: Arc<str>,
    /// Who, for people.
    pub by: Option<Arc<str>>,
    /// Where it is written.
    pub place: Place,
}

/// A weekly time when things may move.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Days of the week, 1 is Monday. Empty means every day.
    pub days: Vec<i8>,
    /// Opens, in minutes after midnight.
    pub from_minute: u16,
    /// Closes, in minutes after midnight, up to 1440; not after `from_minute` means on the next day.
    pub until_minute: u16,
    /// In this zone.
    pub zone: TimeZone,
    /// Where it is written.
    pub place: Place,
}

/// What happens to candidates that arrive faster than they are deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueuePolicy {
    /// The newest goes; those between are passed over.
    #[default]
    Latest,
    /// Each goes, oldest first.
    Every,
}

/// How often and how fast environment failures are retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// Wait before the second attempt; doubles with each further one.
    pub backoff: Span,
    /// The longest wait.
    pub backoff_limit: Span,
    /// How often a run is tried again that failed of nothing but tests known to be flaky. Said by [`TestPolicy::flaky_retries`].
    pub flaky: u32,
}

impl Default for Retries {
    /// Five attempts over about half an hour: long enough for a restarting registry, short enough to be told the same morning.
    fn default() -> Self {
        Self { attempts: 5, backoff: Span::from_secs(10), backoff_limit: Span::from_secs(900), flaky: 0 }
    }
}

/// A commit that may not be promoted or deployed where the policy selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The repository.
    pub url: RepoUrl,
    /// The commit.
    pub commit: CommitId,
    /// Why, for people.
    pub reason: Arc<str>,
    /// It was blocked by a rollback, which an automatic rollback never undoes.
    pub rollback: bool,
    /// Where it is written.
    pub place: Place,
}

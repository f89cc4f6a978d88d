//! Forges that people look at changes on: one way of working for all of them, over what each one's API does.
//!
//! A change is what it is on plain Git, the branch `towpath/<id>` with a commit made from its cause alone, and beside it a pull request that
//! is found by its branch. Nothing is remembered: what was done is found done by looking at the repository and at the forge.

pub(crate) mod api;
mod change;
mod markdown;
mod merge;
mod talk;

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;
use towpath_domain::{ChangeId, CommitId, Span};

use crate::plain::change_branch;
use crate::{
    Abilities, Answer, Budget, Change, CloseOutcome, Comment, Forge, ForgeError, FoundStatus, MergeOrder, MergeOutcome, MergeResult,
    Number, PlainGit, Proposal, Proposed, Protection, Pull, PullState, Queued, Reruns, Review, Status,
};
use api::Api;
pub use markdown::{escape, marker_of};
use talk::Said;

/// For how long it is not asked again what the config branch demands. People change that a few times a year; a push that the branch
/// refuses asks at once.
const PROTECTION_IS_KNOWN_FOR: Duration = Duration::from_secs(60);

/// How long to wait before the second look for what a forge does a moment after a push or merge; each wait is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest that is waited for that in all: seconds on a busy forge. What it has not shown by then, the next call finds.
const SETTLES_WITHIN: Duration = Duration::from_secs(15);

/// A forge over the API of a hosted one.
pub(crate) struct Hosted<A> {
    plain: PlainGit,
    api: A,
    account: OnceCell<String>,
    protection: Mutex<Option<(Instant, Protection)>>,
    said: Mutex<Said>,
    settles_within: Duration,
}

impl<A: Api> Hosted<A> {
    /// Changes on the repository of `plain`, which `api` is asked about, with this patience for what passes.
    pub(crate) fn new(plain: PlainGit, api: A, patience: Span) -> Self {
        let settles_within = patience.to_std().min(SETTLES_WITHIN);
        Self { plain, api, account: OnceCell::new(), protection: Mutex::default(), said: Mutex::default(), settles_within }
    }

    /// The waits before each look for what a forge does in its own time.
    fn waits(&self) -> impl Iterator<Item = Duration> + use<A> {
        let most = self.settles_within;
        let doubled = std::iter::successors(Some(FIRST_WAIT), |wait| Some(*wait * 2));
        let mut waited = Duration::ZERO;
        std::iter::once(Duration::ZERO).chain(doubled.take_while(move |wait| {
            waited += *wait;
            waited <= most
        }))
    }

    async fn account(&self) -> Result<&str, ForgeError> {
        self.account.get_or_try_init(|| self.api.account()).await.map(String::as_str)
    }

    /// What the config branch demands, as asked for within the last minute.
    async fn protection(&self) -> Result<Protection, ForgeError> {
        let known = lock(&self.protection).clone();
        if let Some((at, protection)) = known
            && at.elapsed() < PROTECTION_IS_KNOWN_FOR
        {
            return Ok(protection);
        }
        let protection = self.api.protection(self.plain.branch().as_str()).await?;
        *lock(&self.protection) = Some((Instant::now(), protection.clone()));
        Ok(protection)
    }

    fn forget_protection(&self) {
        *lock(&self.protection) = None;
    }

    /// The change's pull request: the open one, or else the newest.
    async fn pull_of(&self, id: &ChangeId) -> Result<Option<Pull>, ForgeError> {
        let branch = change_branch(id)?;
        let mut pulls = self.api.pulls_from(branch.as_str(), self.plain.branch().as_str()).await?;
        // A fork may have a branch of the same name; whoever opened that, it is no change of Towpath's.
        pulls.retain(|pull| !pull.from_fork);
        let open = pulls.iter().position(|pull| pull.state == PullState::Open);
        Ok(if pulls.is_empty() { None } else { Some(pulls.swap_remove(open.unwrap_or(0))) })
    }

    /// Refuses what this forge does not declare.
    fn able(&self, declared: fn(&Abilities) -> bool, what: &'static str) -> Result<(), ForgeError> {
        if declared(&self.api.abilities()) { Ok(()) } else { Err(ForgeError::Unable { forge: self.api.name().to_owned(), what }) }
    }

    /// An error for people about this forge.
    fn error(&self, what: &str, why: impl Into<String>, class: towpath_domain::FailureClass) -> ForgeError {
        ForgeError::Api { forge: self.api.name().to_owned(), what: what.to_owned(), why: why.into(), class }
    }
}

impl<A: Api> Forge for Hosted<A> {
    fn name(&self) -> &str {
        self.api.name()
    }

    fn propose<'a>(&'a self, proposal: &'a Proposal) -> Answer<'a, Proposed> {
        Box::pin(self.propose(proposal))
    }

    fn find<'a>(&'a self, id: &'a ChangeId) -> Answer<'a, Option<Change>> {
        Forge::find(&self.plain, id)
    }

    fn merged_result<'a>(&'a self, id: &'a ChangeId, head: CommitId) -> Answer<'a, MergeResult> {
        Forge::merged_result(&self.plain, id, head)
    }

    fn merged_onto<'a>(&'a self, id: &'a ChangeId, head: CommitId, base: CommitId) -> Answer<'a, MergeResult> {
        Forge::merged_onto(&self.plain, id, head, base)
    }

    fn merge_all<'a>(&'a self, orders: &'a [MergeOrder]) -> Answer<'a, Vec<MergeOutcome>> {
        Box::pin(self.merge_all(orders))
    }

    fn merged_pull(&self, number: Number, head: CommitId, onto: Option<CommitId>) -> Answer<'_, MergeResult> {
        Box::pin(self.merged_pull(number, head, onto))
    }

    fn merge_pull<'a>(&'a self, number: Number, order: &'a MergeOrder) -> Answer<'a, MergeOutcome> {
        Box::pin(self.merge_pull(number, order))
    }

    fn merge<'a>(&'a self, order: &'a MergeOrder) -> Answer<'a, MergeOutcome> {
        Box::pin(self.merge(order))
    }

    fn close<'a>(&'a self, id: &'a ChangeId, head: CommitId, why: &'a str) -> Answer<'a, CloseOutcome> {
        Box::pin(self.close(id, head, why))
    }

    fn abilities(&self) -> Abilities {
        self.api.abilities()
    }

    fn account(&self) -> Answer<'_, String> {
        Box::pin(async { self.account().await.map(str::to_owned) })
    }

    fn open_pulls(&self) -> Answer<'_, Vec<Pull>> {
        Box::pin(self.api.open_pulls(self.plain.branch().as_str()))
    }

    fn pull(&self, number: Number) -> Answer<'_, Option<Pull>> {
        Box::pin(self.api.pull(number))
    }

    fn pull_of<'a>(&'a self, id: &'a ChangeId) -> Answer<'a, Option<Pull>> {
        Box::pin(self.pull_of(id))
    }

    fn comments(&self, number: Number) -> Answer<'_, Vec<Comment>> {
        Box::pin(self.api.comments(number))
    }

    fn comment<'a>(&'a self, number: Number, marker: &'a str, body: &'a str) -> Answer<'a, ()> {
        Box::pin(self.comment(number, marker, body))
    }

    fn label<'a>(&'a self, number: Number, add: &'a [String], remove: &'a [String]) -> Answer<'a, ()> {
        Box::pin(self.label(number, add, remove))
    }

    fn reviews(&self, number: Number) -> Answer<'_, Vec<Review>> {
        Box::pin(self.api.reviews(number))
    }

    fn set_status<'a>(&'a self, commit: CommitId, status: &'a Status) -> Answer<'a, ()> {
        Box::pin(self.set_status(commit, status))
    }

    fn statuses(&self, commit: CommitId) -> Answer<'_, Vec<FoundStatus>> {
        Box::pin(self.api.statuses(commit))
    }

    fn protection(&self) -> Answer<'_, Protection> {
        Box::pin(self.protection())
    }

    fn queued(&self, number: Number, head: CommitId) -> Answer<'_, Queued> {
        match self.able(|can| can.queue, "a queue of its own") {
            Ok(()) => Box::pin(self.api.queued(number, head)),
            Err(unable) => Box::pin(std::future::ready(Err(unable))),
        }
    }

    fn queue_again(&self, number: Number, head: CommitId) -> Answer<'_, ()> {
        match self.able(|can| can.queue, "a queue of its own") {
            Ok(()) => Box::pin(self.api.queue_again(number, head)),
            Err(unable) => Box::pin(std::future::ready(Err(unable))),
        }
    }

    fn rerun_failed(&self, number: Number, head: CommitId) -> Answer<'_, Reruns> {
        match self.able(|can| can.reruns, "to run checks of others again") {
            Ok(()) => Box::pin(self.api.rerun_failed(number, head)),
            Err(unable) => Box::pin(std::future::ready(Err(unable))),
        }
    }

    fn budget(&self) -> Option<Budget> {
        self.api.budget()
    }
}

/// What a lock holds is whole even after a panic elsewhere: it is only ever replaced.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

//! The gate: whether a commit may come to a target. One function, asked when planning, when checking a change, and
//! once more right before a deploy.

use std::collections::BTreeMap;
use std::sync::Arc;

use towpath_catalog::{Catalog, Policy, Target};
use towpath_domain::{CommitId, Digest, ImageRef, Span, Timestamp};

use crate::clock::Clock;
use crate::event::Voucher;
use crate::facts::{Evidence, Facts};
use crate::images::{self, Asks};
use crate::policy::{Times, Urgency};
use crate::rules::{Input, Publisher, Rules};
use crate::verdict::{Hold, Unvouched};

/// What a commit that passed the gate carries along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// The digests that its publishers vouch for.
    pub release: BTreeMap<ImageRef, Digest>,
    /// Who vouches.
    pub vouchers: Vec<Voucher>,
    /// A person vouches for it in Git (`hotfixVersions`): channels, soak, windows and schedule are passed.
    pub hotfix: bool,
}

/// Asks whether `commit` may come to `target`.
///
/// In order: a blocked version is refused; a hotfix passes the rest; every publisher of every subscribed channel must
/// have succeeded last at exactly this commit, disabled publishers left out; all must vouch for the same bits; and each
/// must have stood well for the target's `soakDays`. The original adds the publishers' days up, so that two publishers
/// soak twice as fast: here each one must.
///
/// Where policies require signatures, an image that is known not to carry them holds its commit; a hotfix passes none.
///
/// The hashes of `promotion_data` hold nothing: what a publisher's configuration was is part of its evidence.
///
/// # Errors
/// Every hold that stands against it; never empty.
pub fn gate(catalog: &Catalog, facts: &Facts, now: Timestamp, target: &Target, commit: CommitId) -> Result<Passed, Vec<Hold>> {
    let passed = check(&Rules::of(catalog, facts, target), facts, &Clock::new(now), commit)?;
    let holds = images::known(catalog, facts, target, commit, &passed.release, Asks::Change, now);
    if holds.is_empty() { Ok(passed) } else { Err(holds) }
}

/// Asks whether `commit` may be deployed to `target` at this moment: the gate, its images and their signatures as far as they
/// were looked at, and the freezes, windows and schedule that stop a deploy.
///
/// For a run that was queued a while ago, right before it touches anything: a hold that somebody set meanwhile counts.
///
/// # Errors
/// Every hold that stands against it; never empty.
pub fn may_deploy(catalog: &Catalog, facts: &Facts, now: Timestamp, target: &Target, commit: CommitId) -> Result<Passed, Vec<Hold>> {
    if target.disable {
        return Err(vec![Hold::Disabled { place: target.ref_place.clone() }]);
    }
    let (rules, clock) = (Rules::of(catalog, facts, target), Clock::new(now));
    let passed = check(&rules, facts, &clock, commit)?;
    let current = facts.targets.get(&target.id).and_then(|fact| fact.current.as_ref());
    let leaves_blocked = current.is_some_and(|current| current.commit != commit && rules.is_blocked(current.commit));
    let urgency = if passed.hotfix || leaves_blocked { Urgency::Urgent } else { Urgency::Ordinary };
    let policies: Vec<Arc<Policy>> = catalog.policies.iter().filter(|policy| policy.select.selects(target)).cloned().collect();
    let mut holds = images::known(catalog, facts, target, commit, &passed.release, Asks::Deploy, now);
    holds.extend(Times::default().holds(&clock, &policies, target.promotion.schedule.as_ref(), urgency));
    if holds.is_empty() { Ok(passed) } else { Err(holds) }
}

/// [`gate`], with the catalog's part gathered before.
pub(crate) fn check(rules: &Rules, facts: &Facts, clock: &Clock, commit: CommitId) -> Result<Passed, Vec<Hold>> {
    if let Some(blocked) = rules.blocked(commit) {
        return Err(vec![Hold::Blocked { commit, reason: blocked.reason, place: blocked.place }]);
    }
    let hotfix = rules.is_hotfix(commit);
    let mut passed = Passed { hotfix, ..Passed::default() };
    let mut holds = Vec::new();
    let mut well_since: Option<Timestamp> = None;
    for input in &rules.inputs {
        if input.publishers.is_empty() {
            holds.push(unvouched(commit, input, None, Unvouched::NoPublisher));
        }
        for lost in &input.lost {
            let why = Unvouched::FileBroken { path: rules.broken.as_deref().unwrap_or_default().to_owned() };
            let (channel, title) = (input.channel.clone(), lost.to_string());
            holds.push(Hold::Unvouched { commit, channel, publisher: Some(lost.clone()), title, why });
        }
        for publisher in &input.publishers {
            match facts.evidence.get(&publisher.key).and_then(|by_commit| by_commit.get(&commit)) {
                Some(evidence) if evidence.success => {
                    well_since = well_since.max(Some(evidence.since));
                    holds.extend(join(&mut passed.release, evidence, commit));
                    passed.vouchers.push(voucher(facts, publisher, evidence));
                }
                other => holds.push(unvouched(commit, input, Some(publisher), why(facts, publisher, commit, other))),
            }
        }
    }
    if hotfix {
        return Ok(passed);
    }
    if let Some(since) = well_since.filter(|_| holds.is_empty() && rules.soak_days > 0) {
        let until = since.plus(Span::from_days(rules.soak_days.into()));
        if !clock.reached(until) {
            holds.push(Hold::Soaking { commit, days: rules.soak_days, until });
        }
    }
    if holds.is_empty() { Ok(passed) } else { Err(holds) }
}

/// Since when `commit` has been eligible by what its publishers said: that of the newest voucher, and the soak after it. Asked of what passes.
pub(crate) fn eligible_since(rules: &Rules, facts: &Facts, commit: CommitId) -> Option<Timestamp> {
    let evidence = rules.publishers().filter_map(|publisher| facts.evidence.get(&publisher.key)?.get(&commit));
    let vouched = evidence.filter(|evidence| evidence.success).map(|evidence| evidence.since).max()?;
    Some(vouched.plus(Span::from_days(rules.soak_days.into())))
}

/// Whether it is worth asking [`check`] of one among many candidates: cheap, and true for each that would pass.
pub(crate) fn may_pass(rules: &Rules, facts: &Facts, commit: CommitId) -> bool {
    let Some(publisher) = rules.publishers().next() else { return true };
    rules.is_hotfix(commit)
        || facts.evidence.get(&publisher.key).and_then(|by_commit| by_commit.get(&commit)).is_some_and(|evidence| evidence.success)
}

fn voucher(facts: &Facts, publisher: &Publisher, evidence: &Evidence) -> Voucher {
    Voucher {
        channel: publisher.key.0.clone(),
        target: publisher.key.1.clone(),
        fingerprint: evidence.fingerprint.clone(),
        runs: facts.targets.get(&publisher.key.1).map_or(0, |fact| fact.runs),
    }
}

/// Adds the digests of `evidence` to the release. Returns the hold that follows when another digest is there already.
fn join(release: &mut BTreeMap<ImageRef, Digest>, evidence: &Evidence, commit: CommitId) -> Option<Hold> {
    for (image, digest) in &evidence.release {
        let one = *release.entry(image.clone()).or_insert(*digest);
        if one != *digest {
            return Some(Hold::TagMoved { commit, image: image.clone(), one, other: *digest });
        }
    }
    None
}

fn unvouched(commit: CommitId, input: &Input, publisher: Option<&Publisher>, why: Unvouched) -> Hold {
    Hold::Unvouched {
        commit,
        channel: input.channel.clone(),
        publisher: publisher.map(|publisher| publisher.target.id.clone()),
        title: publisher.map(|publisher| publisher.target.title()).unwrap_or_default(),
        why,
    }
}

fn why(facts: &Facts, publisher: &Publisher, commit: CommitId, evidence: Option<&Evidence>) -> Unvouched {
    let fact = facts.targets.get(&publisher.target.id);
    if let Some(active) = fact.and_then(|fact| fact.active.as_ref()).filter(|active| active.commit == Some(commit)) {
        return Unvouched::Running { run: active.run.clone() };
    }
    let Some(evidence) = evidence else { return Unvouched::NotYet };
    let failure = fact.and_then(|fact| fact.failure.as_ref()).filter(|failure| failure.run == evidence.run);
    Unvouched::Failed { run: evidence.run.clone(), message: failure.map(|failure| failure.message.clone()).unwrap_or_default() }
}

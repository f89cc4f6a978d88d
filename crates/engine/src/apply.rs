//! The one projection: what an event makes of the facts.
//!
//! Total: whatever comes, in whatever order, nothing panics, and events of unknown runs change nothing. Bounded: all
//! that would grow for ever is cut at the limits below, the oldest first.

mod changes;
mod outside;
mod retry;

use std::collections::BTreeMap;

use towpath_domain::{CommitId, FailureClass, RunId, SourceName, TargetId, Timestamp};

use crate::event::{ChangeSpec, ConfigEdit, DeployWork, Event, OpenChange, Outcome, Render, RenderOutcome, RunSpec, Work};
use crate::facts::{ActiveDeploy, Built, Deployed, Evidence, FactKey, Facts, Failure, OpenRun, RenderTries, TargetFact};
use crate::ids;

/// Earlier deploys kept per target: enough to find a good one to go back to.
const HISTORY_MAX: usize = 20;
/// Renderings kept per target: of what is there, and of a few newer ones whose images may still come.
const RENDERS_MAX: usize = 6;
/// Heads whose first sight is kept per branch.
const SEEN_MAX: usize = 50;
/// First-parent commits kept per branch.
const COMMITS_MAX: usize = 1000;
/// Builds kept per source.
const BUILDS_MAX: usize = 200;
/// Commits per channel and publisher of which a success or failure is remembered.
const EVIDENCE_MAX: usize = 200;

impl Facts {
    /// Adds `event`, which happened at `at`, to what is known. Returns the keys of the facts it touched, without repetition.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> Vec<FactKey> {
        let mut touched = match event {
            Event::ConfigSeen { commit, .. } => {
                self.config = Some(*commit);
                self.config_at = Some(at);
                vec![FactKey::Config]
            }
            Event::BranchSeen { url, branch, commits } => {
                let fact = self.branches.entry((url.clone(), branch.clone())).or_default();
                fact.unreachable = None;
                fact.looked_at = at;
                fact.commits = commits.iter().take(COMMITS_MAX).cloned().collect();
                if let Some(head) = commits.first().filter(|head| !fact.seen.iter().any(|(seen, _)| *seen == head.id)) {
                    fact.seen.push((head.id, at));
                    cut_front(&mut fact.seen, SEEN_MAX);
                }
                vec![FactKey::Branch(url.clone(), branch.clone())]
            }
            Event::BranchUnreachable { url, branch, error } => {
                let fact = self.branches.entry((url.clone(), branch.clone())).or_default();
                let since = fact.unreachable.as_ref().map_or(at, |(since, _)| *since);
                fact.unreachable = Some((since, error.clone()));
                vec![FactKey::Branch(url.clone(), branch.clone())]
            }
            Event::Rendered(render) => self.rendered(at, render),
            Event::RunQueued(spec) => self.queued(at, spec),
            Event::RunStarted { run } => self.started(run),
            // Who sees to a failure is of no weight for what may happen.
            Event::StepStarted { .. } | Event::StepDone { .. } | Event::Acknowledged { .. } => Vec::new(),
            Event::RunFinished { run, outcome } => self.finished(at, run, outcome),
            Event::ImageLooked { image, digest, signed, error } => self.image_looked(at, image, *digest, signed, error.as_ref()),
            Event::ImageAnnounced { image } => self.image_announced(image),
            Event::SecretSeen { path, version } => self.secret_seen(at, path, version),
            Event::MemoryRaised { subject, bytes, .. } => self.memory_raised(subject, *bytes),
            Event::ChangeSeen { spec, open } => self.change_seen(at, spec, open),
            Event::ChangeEnded { change, merged } => self.change_ended(at, change, *merged),
            Event::RetryRequested { subject, by, .. } => self.retry(at, subject, by),
            Event::CancelRequested { run, by, .. } => match self.open_runs.get_mut(run) {
                Some(open) => {
                    open.cancel = Some(by.clone());
                    vec![FactKey::OpenRun(run.clone())]
                }
                None => Vec::new(),
            },
            Event::Pool(event) => self.pool_event(at, event),
            Event::Check(event) => self.check_event(at, event),
        };
        touched.sort();
        touched.dedup();
        touched
    }

    fn rendered(&mut self, at: Timestamp, render: &Render) -> Vec<FactKey> {
        let renders = self.renders.entry(render.target.clone()).or_default();
        renders.retain(|old| (old.commit, &old.input_hash) != (render.commit, &render.input_hash));
        renders.push(render.clone());
        cut_front(renders, RENDERS_MAX);
        let mut touched = vec![FactKey::Renders(render.target.clone())];

        let retried = matches!(&render.outcome, RenderOutcome::Failed { class, .. } if class.is_retried());
        let known_tries = self.targets.get(&render.target).is_some_and(|fact| fact.render_tries.is_some());
        if retried || known_tries {
            let fact = self.targets.entry(render.target.clone()).or_default();
            let before = fact.render_tries.take().filter(|old| old.commit == render.commit && old.input_hash == render.input_hash);
            if retried {
                let attempts = before.map_or(0, |old| old.attempts) + 1;
                fact.render_tries = Some(RenderTries { commit: render.commit, input_hash: render.input_hash.clone(), attempts, at });
            }
            touched.push(FactKey::Target(render.target.clone()));
        }
        touched
    }

    fn queued(&mut self, at: Timestamp, spec: &RunSpec) -> Vec<FactKey> {
        if self.open_runs.contains_key(&spec.id) {
            return Vec::new();
        }
        let subject = spec.work.subject();
        let open = OpenRun { subject, spec: spec.clone(), cancel: None, started: false, queued_at: at };
        self.open_runs.insert(spec.id.clone(), open);
        let mut touched = vec![FactKey::OpenRun(spec.id.clone())];
        match &spec.work {
            Work::Build { source, commit, .. } => {
                let fact = self.builds.entry(source.clone()).or_default().entry(*commit).or_default();
                fact.runs += 1;
                fact.active = Some(spec.id.clone());
                touched.push(FactKey::Build(source.clone(), *commit));
                touched.extend(self.cut_builds(source));
            }
            Work::Deploy(DeployWork { target, .. }) | Work::Delete { target } => {
                let commit = match &spec.work {
                    Work::Deploy(work) => Some(work.commit),
                    _ => None,
                };
                let fact = self.targets.entry(target.clone()).or_default();
                fact.runs += 1;
                fact.active = Some(ActiveDeploy { run: spec.id.clone(), commit, started: false, queued_at: at });
                touched.push(FactKey::Target(target.clone()));
            }
            Work::Change(change) => {
                touched.push(FactKey::Change(change.id.clone()));
                touched.extend(change.replaces.iter().cloned().map(FactKey::Change));
                self.change_queued(at, &spec.id, change);
            }
            Work::Check(work) => touched.extend(self.check_queued(&spec.id, work)),
        }
        touched
    }

    fn started(&mut self, run: &RunId) -> Vec<FactKey> {
        let Some(open) = self.open_runs.get_mut(run).filter(|open| !open.started) else { return Vec::new() };
        open.started = true;
        let mut touched = vec![FactKey::OpenRun(run.clone())];
        match &open.spec.work {
            Work::Deploy(DeployWork { target, .. }) | Work::Delete { target } => {
                if let Some(fact) = self.targets.get_mut(target) {
                    if let Some(active) = fact.active.as_mut().filter(|active| active.run == *run) {
                        active.started = true;
                    }
                    // From now on there may be objects again.
                    fact.deleted &= matches!(open.spec.work, Work::Delete { .. });
                    touched.push(FactKey::Target(target.clone()));
                }
            }
            // The planner asks whether a build may still be superseded.
            Work::Build { source, commit, .. } => touched.push(FactKey::Build(source.clone(), *commit)),
            Work::Change(change) => touched.push(FactKey::Change(change.id.clone())),
            Work::Check(work) => touched.push(FactKey::Check(work.id.clone())),
        }
        touched
    }

    fn finished(&mut self, at: Timestamp, run: &RunId, outcome: &Outcome) -> Vec<FactKey> {
        let Some(open) = self.open_runs.remove(run) else { return Vec::new() };
        let mut touched = vec![FactKey::OpenRun(run.clone())];
        match &open.spec.work {
            Work::Build { source, commit, build_hash } => {
                if let Some(fact) = self.builds.get_mut(source).and_then(|builds| builds.get_mut(commit)) {
                    clear(&mut fact.active, run);
                    match outcome {
                        Outcome::Built { image, digest } => {
                            // Who waited for the image knows it now without looking.
                            touched.extend(fact.built.take().map(|before| FactKey::Image(before.image)));
                            touched.push(FactKey::Image(image.clone()));
                            fact.built = Some(Built { image: image.clone(), digest: *digest, run: run.clone(), at });
                            fact.failure = None;
                        }
                        other => settle(&mut fact.failure, failure(at, run, Some(*commit), build_hash, other)),
                    }
                    touched.push(FactKey::Build(source.clone(), *commit));
                }
            }
            Work::Deploy(work) => {
                touched.push(FactKey::Target(work.target.clone()));
                touched.extend(self.deploy_finished(at, &open, work, outcome));
            }
            Work::Delete { target } => {
                let fact = self.targets.entry(target.clone()).or_default();
                fact.active.take_if(|active| active.run == *run);
                match outcome {
                    Outcome::Deleted => {
                        fact.history.extend(fact.current.take());
                        cut_front(&mut fact.history, HISTORY_MAX);
                        (fact.deleted, fact.failure, fact.dirty) = (true, None, false);
                    }
                    other => settle(&mut fact.failure, failure(at, run, None, ids::DELETE_TRIED, other)),
                }
                touched.push(FactKey::Target(target.clone()));
            }
            Work::Check(work) => touched.extend(self.check_finished(at, run, work, outcome)),
            Work::Change(change) => {
                let config = self.config;
                if let Some(fact) = self.changes.get_mut(&change.id) {
                    clear(&mut fact.active, run);
                    let tried = ids::change_tried(config, fact.open.as_ref());
                    match outcome {
                        Outcome::Merged { commit } => {
                            fact.merged = Some((*commit, at));
                            (fact.failure, fact.open, fact.refused) = (None, None, None);
                        }
                        Outcome::Opened { number, url, head, waits } => {
                            // The same again only once something is otherwise.
                            fact.superseded = Some(tried);
                            fact.failure = None;
                            let (number, head, waits) = (*number, *head, vec![waits.clone()]);
                            match &mut fact.open {
                                Some(open) => {
                                    open.waits = waits;
                                    // What was asked for is done.
                                    (open.rebase, open.again) = (false, false);
                                }
                                none => {
                                    let (url, stamp) = (url.clone(), String::new());
                                    *none = Some(OpenChange {
                                        number,
                                        url,
                                        head,
                                        ready: false,
                                        waits,
                                        head_since: at,
                                        rebase: false,
                                        thrown_out: false,
                                        again: false,
                                        labels: Vec::new(),
                                        failed: Vec::new(),
                                        order: None,
                                        stamp,
                                    });
                                }
                            }
                        }
                        Outcome::Superseded { .. } => {
                            // What is not wanted any more was closed by the run; one that is open all the same is seen to be.
                            fact.open = None;
                            fact.superseded = Some(ids::change_tried(config, None));
                        }
                        other => {
                            if let Outcome::Failed { message, refused: true, .. } = other {
                                fact.refused = Some(message.clone());
                            }
                            settle(&mut fact.failure, failure(at, run, None, &tried, other));
                        }
                    }
                    touched.push(FactKey::Change(change.id.clone()));
                    touched.extend(self.cut_changes(change));
                }
            }
        }
        touched
    }

    fn deploy_finished(&mut self, at: Timestamp, open: &OpenRun, work: &DeployWork, outcome: &Outcome) -> Vec<FactKey> {
        let (run, started) = (&open.spec.id, open.started);
        let fact = self.targets.entry(work.target.clone()).or_default();
        fact.active.take_if(|active| active.run == *run);
        let (success, release) = match outcome {
            Outcome::Deployed { digests } => {
                deployed(fact, at, run, work, digests);
                let mut release = work.release.clone();
                release.extend(digests.iter().map(|(image, digest)| (image.clone(), *digest)));
                (true, release)
            }
            other => {
                let Some(failed) = failure(at, run, Some(work.commit), &ids::deploy_tried(work), other) else { return Vec::new() };
                // Stopped before it began: it touched nothing, so what stood still stands.
                let counts = started || !failed.cancelled;
                settle(&mut fact.failure, Some(failed));
                if !counts {
                    return Vec::new();
                }
                fact.dirty = true;
                (false, work.release.clone())
            }
        };
        let mut touched = Vec::new();
        let retried = success && open.spec.is_retried();
        for channel in &work.publish {
            let key = (channel.clone(), work.target.clone());
            let evidence = self.evidence.entry(key).or_default();
            let before = evidence.get(&work.commit).filter(|before| before.success && success);
            let since = before.map_or(at, |before| before.since);
            let (fingerprint, config_hash) = (work.fingerprint.clone(), work.config_hash.clone());
            let entry = Evidence { success, since, at, fingerprint, config_hash, release: release.clone(), run: run.clone(), retried };
            evidence.insert(work.commit, entry);
            cut_oldest(evidence, EVIDENCE_MAX, |evidence| Some(evidence.at));
            touched.push(FactKey::Evidence(channel.clone(), work.target.clone()));
        }
        touched
    }

    fn cut_builds(&mut self, source: &SourceName) -> Vec<FactKey> {
        let Some(builds) = self.builds.get_mut(source) else { return Vec::new() };
        if builds.len() <= BUILDS_MAX {
            return Vec::new();
        }
        let images: BTreeMap<_, _> =
            builds.iter().filter_map(|(commit, fact)| Some((*commit, fact.built.as_ref()?.image.clone()))).collect();
        let cut = cut_oldest(builds, BUILDS_MAX, |fact| match (&fact.active, &fact.built, &fact.failure) {
            (Some(_), _, _) => None,
            (None, Some(built), _) => Some(built.at),
            (None, None, Some(failure)) => Some(failure.at),
            (None, None, None) => None,
        });
        let image = |commit: &CommitId| images.get(commit).cloned().map(FactKey::Image);
        cut.into_iter().flat_map(|commit| [Some(FactKey::Build(source.clone(), commit)), image(&commit)]).flatten().collect()
    }
}

/// Whether `change` sets the ref of `target`.
pub(crate) fn moves(change: &ChangeSpec, target: &TargetId) -> bool {
    change.edits.iter().any(|edit| matches!(edit, ConfigEdit::SetRef { target: moved, .. } if moved == target))
}

fn deployed(
    fact: &mut TargetFact,
    at: Timestamp,
    run: &RunId,
    work: &DeployWork,
    digests: &BTreeMap<towpath_domain::ImageRef, towpath_domain::Digest>,
) {
    fact.history.extend(fact.current.take());
    cut_history(&mut fact.history, work.commit);
    fact.current = Some(Deployed {
        commit: work.commit,
        fingerprint: work.fingerprint.clone(),
        digests: digests.clone(),
        vouchers: work.vouchers.clone(),
        run: run.clone(),
        at,
    });
    (fact.failure, fact.deleted, fact.dirty) = (None, false, false);
}

/// The failure that `outcome` is, if it counts as one. An outcome of another kind of work counts as one of unknown cause.
fn failure(at: Timestamp, run: &RunId, commit: Option<CommitId>, tried: &str, outcome: &Outcome) -> Option<Failure> {
    let (class, message, cancelled) = match outcome {
        Outcome::Superseded { .. } => return None,
        Outcome::Failed { class, message, .. } => (*class, message.clone(), false),
        Outcome::Cancelled { by } => (FailureClass::Unknown, format!("cancelled by {by}"), true),
        Outcome::Built { .. }
        | Outcome::Deployed { .. }
        | Outcome::Deleted
        | Outcome::Merged { .. }
        | Outcome::Checked { .. }
        | Outcome::Opened { .. } => (FailureClass::Unknown, "the run ended as another kind of run does".to_owned(), false),
    };
    let flaky = u32::from(class == FailureClass::Flaky);
    Some(Failure { run: run.clone(), commit, tried: tried.to_owned(), class, message, attempts: 1, at, cancelled, flaky })
}

/// Puts `new` in the place of `old`, counting attempts at the same. No new failure leaves the old one.
fn settle(old: &mut Option<Failure>, new: Option<Failure>) {
    let Some(mut new) = new else { return };
    if let Some(old) = old.as_ref().filter(|old| old.tried == new.tried && old.commit == new.commit) {
        new.attempts = old.attempts.saturating_add(1);
        new.flaky = new.flaky.saturating_add(old.flaky);
    }
    *old = Some(new);
}

fn clear(active: &mut Option<RunId>, run: &RunId) {
    active.take_if(|active| active == run);
}

/// Cuts the history down, first by what was deployed again later: a way back must survive any number of redeploys.
fn cut_history(history: &mut Vec<Deployed>, current: CommitId) {
    while history.len() > HISTORY_MAX {
        let again =
            |(at, old): (usize, &Deployed)| old.commit == current || history.iter().skip(at + 1).any(|later| later.commit == old.commit);
        let at = history.iter().enumerate().position(again).unwrap_or(0);
        history.remove(at);
    }
}

pub(crate) fn cut_front<T>(list: &mut Vec<T>, max: usize) {
    let surplus = list.len().saturating_sub(max);
    list.drain(..surplus);
}

/// Removes the oldest entries above `max`; those without an age stay. Returns the removed keys.
fn cut_oldest<T>(map: &mut BTreeMap<CommitId, T>, max: usize, age: impl Fn(&T) -> Option<Timestamp>) -> Vec<CommitId> {
    let mut cut = Vec::new();
    while map.len() > max {
        let oldest = map.iter().filter_map(|(commit, entry)| Some((age(entry)?, *commit))).min();
        let Some((_, commit)) = oldest else { break };
        map.remove(&commit);
        cut.push(commit);
    }
    cut
}

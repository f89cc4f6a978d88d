//! A world in a box: it does what the planner says, with outcomes that tests choose, and checks what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use towpath_catalog::Catalog;
use towpath_domain::*;
use towpath_engine::*;

use crate::install::*;
use crate::registry::{Registry, is_of_source};

/// How something fails: by whose fault, and how often before it goes well.
#[derive(Clone, Copy, Debug)]
pub struct Fails {
    pub class: FailureClass,
    pub times: u32,
}

pub struct Sim {
    pub install: Install,
    pub catalog: Arc<Catalog>,
    pub facts: Facts,
    pub planner: Planner,
    pub now: Timestamp,
    /// Targets whose objects are all jobs.
    pub tests: BTreeSet<TargetId>,
    /// What goes wrong, by subject's name and commit.
    pub fails: BTreeMap<(String, Option<CommitId>), Fails>,
    /// Targets that the checks of a change refuse to move to a commit.
    pub culprits: BTreeSet<(TargetId, CommitId)>,
    /// Commits of the branch, newest first.
    pub commits: Vec<CommitInfo>,
    /// The registry that images come from which no source builds.
    pub registry: Registry,
    /// All that happened.
    pub log: Vec<(Timestamp, Event)>,
    /// Every deploy that came to a good end, in order.
    pub deployed: Vec<(TargetId, CommitId)>,
    /// What each target last said of each commit.
    said: BTreeMap<(TargetId, CommitId), bool>,
    run_ids: BTreeSet<RunId>,
    next_commit: u32,
    next_config: u32,
}

impl Sim {
    /// The chain of [`Install::chain`], its branch at commit 1, nothing planned yet.
    pub fn chain() -> Self {
        Self::of(Install::chain(), &["test"])
    }

    pub fn of(install: Install, tests: &[&str]) -> Self {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let catalog = Arc::new(install.catalog());
        let facts = Facts::default();
        let planner = Planner::new(catalog.clone(), &facts, now);
        let mut sim = Self {
            install,
            catalog,
            facts,
            planner,
            now,
            tests: tests.iter().map(|name| target_id(name)).collect(),
            fails: BTreeMap::new(),
            culprits: BTreeSet::new(),
            commits: Vec::new(),
            registry: Registry::default(),
            log: Vec::new(),
            deployed: Vec::new(),
            said: BTreeMap::new(),
            run_ids: BTreeSet::new(),
            next_commit: 1,
            next_config: 1,
        };
        sim.config_seen();
        sim.push();
        sim
    }

    /// Records an event a moment later, and checks that planning again where it touched gives what planning everything gives.
    pub fn event(&mut self, event: Event) {
        self.now = self.now.plus(Span::from_millis(1));
        let keys = self.facts.apply(self.now, &event);
        self.log.push((self.now, event));
        self.planner.touch(&self.facts, &keys, self.now);
        self.check();
    }

    /// Makes the installation's catalog the current one, as a new commit of the config repository.
    pub fn config_seen(&mut self) {
        let head = commit(0xc0_0000 + self.next_config);
        self.next_config += 1;
        self.config_seen_at(head);
    }

    /// The number of the next commit of the config repository.
    pub fn next_config(&self) -> u32 {
        self.next_config
    }

    fn config_seen_at(&mut self, head: CommitId) {
        self.now = self.now.plus(Span::from_millis(1));
        self.config_found(head, self.now);
    }

    /// Makes the installation's catalog the current one, as a commit that a look found which began at `looked_at`.
    pub fn config_found(&mut self, head: CommitId, looked_at: Timestamp) {
        let event = Event::ConfigSeen { commit: head, errors: 0 };
        let keys = self.facts.apply(looked_at, &event);
        self.log.push((looked_at, event));
        self.catalog = Arc::new(self.install.catalog());
        self.planner.touch(&self.facts, &keys, self.now);
        self.planner.set_catalog(self.catalog.clone(), &self.facts, self.now);
        self.check();
    }

    /// Lets time pass, with a tick at each deadline, as the loop does.
    pub fn wait(&mut self, span: Span) {
        let end = self.now.plus(span);
        while let Some(next) = self.planner.next_deadline().filter(|next| *next <= end) {
            self.now = next;
            self.planner.tick(&self.facts, self.now);
            self.check();
            self.settle();
        }
        self.now = self.now.max(end);
        self.planner.tick(&self.facts, self.now);
        self.check();
    }

    /// Plans what is due now.
    pub fn tick(&mut self) {
        self.planner.tick(&self.facts, self.now);
        self.check();
    }

    /// A new commit on the branch, seen.
    pub fn push(&mut self) -> CommitId {
        let id = commit(self.next_commit);
        self.next_commit += 1;
        let at = self.now;
        self.commits.insert(0, CommitInfo { id, subject: format!("Change {}", id.short(7)), author: "Ann".to_owned(), at });
        self.event(Event::BranchSeen { url: url(), branch: main_branch(), commits: self.commits.clone() });
        id
    }

    pub fn fail(&mut self, subject: &str, commit: CommitId, class: FailureClass, times: u32) {
        self.fails.insert((subject.to_owned(), Some(commit)), Fails { class, times });
    }

    pub fn verdict(&self, target: &str) -> &Verdict {
        self.planner.verdict(&Subject::Target(target_id(target))).unwrap()
    }

    pub fn source_verdict(&self) -> &Verdict {
        self.planner.verdict(&Subject::Source(SourceName::new("web").unwrap())).unwrap()
    }

    pub fn holds(&self, target: &str) -> Vec<Hold> {
        match &self.verdict(target).state {
            State::Held { holds } => holds.clone(),
            other => panic!("{target} is not held: {other:?}"),
        }
    }

    /// What a target runs now.
    pub fn runs(&self, target: &str) -> Option<CommitId> {
        self.facts.targets.get(target)?.current.as_ref().map(|current| current.commit)
    }

    /// What a target's ref says now.
    pub fn pinned(&self, target: &str) -> Option<CommitId> {
        self.install.targets[target].git_ref.commit()
    }

    pub fn retry(&mut self, target: &str) {
        let subject = Subject::Target(target_id(target));
        self.event(Event::RetryRequested { subject, by: "ann".to_owned(), why: "mended".to_owned() });
    }

    /// Does all that is to be done now, and queues what is to run. Returns how much that was.
    pub fn act(&mut self) -> usize {
        let actions = self.planner.actions();
        let count = actions.len();
        for action in actions {
            match action {
                Action::Render { target, commit } => self.render(&target, commit),
                Action::LookAtImage { image, requirements, .. } => {
                    let looked = self.registry.look(&image, &requirements);
                    self.event(looked);
                }
                Action::Run { spec } => {
                    self.check_decision(&spec);
                    self.event(Event::RunQueued(*spec));
                }
                Action::Supersede { run, by } => self.event(Event::RunFinished { run, outcome: Outcome::Superseded { by } }),
                Action::Promote { .. } => panic!("promotions come as changes"),
            }
        }
        count
    }

    fn render(&mut self, target: &TargetId, commit: CommitId) {
        let input_hash = self.install.targets[target].input_hash.to_string();
        let secrets = secret_versions(&self.install.targets[target], &self.facts);
        let versions: String = secrets.values().map(|version| format!(" {version}")).collect();
        let outcome = match self.failing(&format!("render {target}"), Some(commit)) {
            Some(class) => RenderOutcome::Failed { class, message: "no such parameter".to_owned() },
            None => RenderOutcome::Rendered {
                fingerprint: format!("{target} {} {input_hash}{versions}", commit.short(7)),
                images: self.registry.images(target, commit),
                only_jobs: self.tests.contains(target),
                objects: 3,
            },
        };
        self.event(Event::Rendered(Render { target: target.clone(), commit, input_hash, secrets, outcome }));
    }

    fn failing(&mut self, subject: &str, commit: Option<CommitId>) -> Option<FailureClass> {
        let fails = self.fails.get_mut(&(subject.to_owned(), commit)).filter(|fails| fails.times > 0)?;
        fails.times -= 1;
        Some(fails.class)
    }

    /// Starts and ends one queued run, the first by name.
    pub fn work_one(&mut self) -> bool {
        let Some(run) = self.facts.open_runs.keys().next().cloned() else { return false };
        self.start(&run);
        self.finish(&run);
        true
    }

    pub fn start(&mut self, run: &RunId) {
        self.event(Event::RunStarted { run: run.clone() });
    }

    /// Ends a run as the test chose.
    pub fn finish(&mut self, run: &RunId) {
        let work = self.facts.open_runs[run].spec.work.clone();
        let (subject, commit) = match &work {
            Work::Build { source, commit, .. } => (format!("build {source}"), Some(*commit)),
            Work::Deploy(work) => (work.target.to_string(), Some(work.commit)),
            Work::Delete { target } => (target.to_string(), None),
            Work::Change(_) => ("change".to_owned(), None),
            Work::Check(work) => (work.id.to_string(), Some(work.head)),
        };
        let failed = self.failing(&subject, commit);
        let outcome = match (failed, &work) {
            (Some(class), _) => {
                Outcome::Failed { class, step: "rollout".to_owned(), message: format!("{subject} broke"), refused: false, blame: None }
            }
            (None, Work::Build { source, commit, .. }) => {
                let image = format!("registry.example.com/{source}:{}", commit.short(7)).parse().unwrap();
                Outcome::Built { image, digest: Digest::from_bytes([7; 32]) }
            }
            (None, Work::Deploy(work)) => {
                self.deployed.push((work.target.clone(), work.commit));
                let run = |image: ImageRef| (image, self.registry.digest);
                let images = self.registry.images(&work.target, work.commit).into_iter().filter(|image| !is_of_source(image)).map(run);
                Outcome::Deployed { digests: work.release.clone().into_iter().chain(images).collect() }
            }
            (None, Work::Delete { .. }) => Outcome::Deleted,
            (None, Work::Check(work)) => Outcome::Superseded { by: format!("nothing is planned of {}", work.id) },
            (None, Work::Change(change)) => match self.refused(change) {
                Some(message) => {
                    Outcome::Failed { class: FailureClass::Own, step: "check".to_owned(), message, refused: true, blame: None }
                }
                None => self.merge(change),
            },
        };
        self.end(run, outcome);
    }

    /// Ends a run in this way.
    pub fn end(&mut self, run: &RunId, outcome: Outcome) {
        let open = self.facts.open_runs[run].clone();
        if let Work::Deploy(work) = &open.spec.work {
            let said = match &outcome {
                Outcome::Superseded { .. } => None,
                Outcome::Cancelled { .. } if !open.started => None,
                outcome => Some(matches!(outcome, Outcome::Deployed { .. })),
            };
            if let Some(said) = said {
                self.said.insert((work.target.clone(), work.commit), said);
            }
        }
        let merged = match &outcome {
            Outcome::Merged { commit } => Some(*commit),
            _ => None,
        };
        self.event(Event::RunFinished { run: run.clone(), outcome });
        if let Some(head) = merged {
            self.config_seen_at(head);
        }
    }

    /// What the checks find against a change.
    fn refused(&self, change: &ChangeSpec) -> Option<String> {
        let culprit = |edit: &ConfigEdit| match edit {
            ConfigEdit::SetRef { target, to, .. } => self.culprits.contains(&(target.clone(), *to)).then(|| format!("{target} is invalid")),
            _ => None,
        };
        change.edits.iter().find_map(culprit)
    }

    fn merge(&mut self, change: &ChangeSpec) -> Outcome {
        for edit in &change.edits {
            match edit {
                ConfigEdit::SetRef { target, from, to } => {
                    let Some(known) = self.install.targets.get_mut(target) else {
                        return Outcome::Superseded { by: "a person".to_owned() };
                    };
                    if known.git_ref != *from {
                        return Outcome::Superseded { by: "another change".to_owned() };
                    }
                    Arc::make_mut(known).git_ref = GitRef::Commit(*to);
                }
                ConfigEdit::WriteFile { path, content } => {
                    let loaded = towpath_catalog::load(vec![towpath_catalog::InputFile::new(path.as_str(), content.clone().into_bytes())]);
                    self.install.policies.extend(loaded.catalog.policies.iter().cloned());
                }
                ConfigEdit::RemoveFile { .. } => {}
            }
        }
        let head = commit(0xc0_0000 + self.next_config);
        self.next_config += 1;
        Outcome::Merged { commit: head }
    }

    /// Acts and works until nothing is to be done and nothing runs. What is not held makes progress, so that ends.
    pub fn settle(&mut self) {
        for _ in 0..500 {
            let acted = self.act();
            if !self.work_one() && acted == 0 {
                return;
            }
        }
        panic!("no rest after 500 rounds; last: {:#?}", self.planner.actions());
    }

    /// As [`Sim::settle`], but leaves queued changes where they are.
    pub fn settle_but_changes(&mut self) {
        loop {
            self.act_all();
            let other =
                self.facts.open_runs.iter().find(|(_, open)| !matches!(open.spec.work, Work::Change(_))).map(|(run, _)| run.clone());
            let Some(run) = other else { return };
            self.start(&run);
            self.finish(&run);
        }
    }

    /// Acts until the planner has nothing more to say, without finishing any run.
    pub fn act_all(&mut self) {
        for _ in 0..50 {
            if self.act() == 0 {
                return;
            }
        }
        panic!("acting does not end: {:#?}", self.planner.actions());
    }

    /// The open run of a target.
    pub fn open(&self, target: &str) -> RunId {
        self.facts.targets[target].active.clone().unwrap().run
    }

    /// What must hold at any moment.
    fn check(&mut self) {
        let scratch = plan(&self.catalog, &self.facts, self.now);
        let kept: BTreeMap<Subject, Verdict> = self.planner.verdicts().map(|(subject, verdict)| (subject, verdict.clone())).collect();
        for (subject, verdict) in &scratch.verdicts {
            assert_eq!(kept.get(subject), Some(verdict), "{subject:?} planned again (left) and from scratch (right)");
        }
        assert_eq!(kept.len(), scratch.verdicts.len());
        assert_eq!(self.planner.actions(), scratch.actions);
        let mut busy = BTreeSet::new();
        for open in self.facts.open_runs.values() {
            assert!(busy.insert(open.subject.clone()) || matches!(open.subject, Subject::Source(_)), "two runs of {:?}", open.subject);
        }
        for verdict in scratch.verdicts.values() {
            assert!(!matches!(&verdict.state, State::Held { holds } if holds.is_empty()), "held by nothing");
            assert!(verdict.valid_until.is_none_or(|until| until > self.now), "a verdict that is over already");
        }
    }

    /// What must hold of every decision: nothing unvouched moves, and no two runs share a name.
    fn check_decision(&mut self, spec: &RunSpec) {
        assert!(self.run_ids.insert(spec.id.clone()), "{} was named before", spec.id);
        match &spec.work {
            Work::Deploy(work) => {
                self.check_vouched(&work.target, work.commit);
                self.check_images(work);
                let asked = may_deploy(&self.catalog, &self.facts, self.now, &self.catalog.targets[&work.target], work.commit);
                assert!(asked.is_ok(), "{} was decided on and may not go: {asked:?}", spec.id);
            }
            Work::Change(change) => {
                let moves: Vec<_> = change
                    .edits
                    .iter()
                    .filter_map(|edit| if let ConfigEdit::SetRef { target, from, to } = edit { Some((target, from, *to)) } else { None })
                    .collect();
                let is_moot = |(target, from, _): &(&TargetId, &GitRef, CommitId)| {
                    self.install.targets.get(*target).is_none_or(|known| known.git_ref != **from)
                };
                // One that is moot, if only for one of its targets, is only closed.
                if !moves.iter().any(is_moot) {
                    moves.into_iter().for_each(|(target, _, to)| self.check_vouched(target, to));
                }
            }
            Work::Build { .. } | Work::Delete { .. } | Work::Check(_) => {}
        }
    }

    /// No deploy of what is not there, or not signed as required.
    fn check_images(&self, work: &DeployWork) {
        let signed = self
            .install
            .policies
            .iter()
            .any(|policy| policy.require_signed.is_some() && policy.select.selects(&self.install.targets[&work.target]));
        for image in self.registry.images(&work.target, work.commit) {
            assert!(is_of_source(&image) || self.registry.has(&image), "{image} is not there");
            assert!(!signed || self.registry.is_signed(&image), "{image} is not signed");
        }
    }

    fn check_vouched(&self, target: &TargetId, to: CommitId) {
        let hotfix = self.install.apps.values().flat_map(|app| &app.code_components).any(|c| c.hotfix_versions.contains(&to));
        for channel in self.install.targets[target].promotion.subscribe.iter().filter(|_| !hotfix) {
            let mut publishers = self.install.targets.values().filter(|p| p.promotion.publish.contains(channel) && !p.disable && !p.delete);
            assert!(publishers.clone().next().is_some(), "{target} goes to {to:?} with no publisher of {channel}");
            assert!(publishers.all(|publisher| self.said.get(&(publisher.id.clone(), to)) == Some(&true)), "{target} to unvouched {to:?}");
        }
        let blocks = self.install.policies.iter().filter(|policy| policy.select.selects(&self.install.targets[target]));
        assert!(!blocks.flat_map(|policy| &policy.blocks).any(|block| block.commit == to), "{target} to blocked {to:?}");
    }
}

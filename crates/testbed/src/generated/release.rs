//! The story of one app: its commits on their way, one after another.

use std::sync::Arc;

use towpath_catalog::{Catalog, Target};
use towpath_domain::{CommitId, Digest, FailureClass, GitRef, ImageRef, RunId, SourceName, Timestamp};
use towpath_engine::{ChangeKind, ConfigEdit, DeployWork, Event, Outcome, Render, RenderOutcome, Subject, Voucher, Work, change_spec};

use super::apps::{App, Fate};
use super::dice::Dice;
use super::history::Out;
use super::nothing;
use super::runs::{Done, Order, bits, later, run};
use super::words::{self, Trouble};

/// Commits that a look at a branch lists; at the end as many as the server keeps.
const LISTED: usize = 20;
const LISTED_LAST: usize = 200;

/// What a target runs, as the story goes on.
struct Place {
    target: Arc<Target>,
    at: Option<CommitId>,
    runs: u64,
}

/// An app on its way through time.
pub(super) struct Story<'a> {
    app: &'a App,
    source: SourceName,
    build_hash: String,
    dice: Dice,
    stage: Place,
    test: Place,
    production: Vec<Place>,
    next: usize,
    free: Timestamp,
    failed: Option<(RunId, Trouble)>,
    last_build: Option<RunId>,
}

/// How far a commit comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    Pushed,
    Build,
    Test,
    Tested,
    Production,
    Nowhere,
}

impl<'a> Story<'a> {
    pub(super) fn new(app: &'a App, catalog: &Catalog, build_hash: String) -> Self {
        let mut of_app: Vec<&Arc<Target>> = catalog.targets.values().filter(|target| target.saas_file.app.as_str() == app.name).collect();
        of_app.sort_by_key(|target| (target.saas_file.name.clone(), target.environment.clone()));
        let place = |target: &&Arc<Target>| Place { target: Arc::clone(target), at: None, runs: 0 };
        let is_test = |target: &&&Arc<Target>| target.saas_file.name.as_str().ends_with("-test");
        let one = |found: Option<&&Arc<Target>>| place(found.expect("each app has its targets"));
        let source = SourceName::new(&app.name).expect("names are sound");
        Self {
            build_hash,
            stage: one(of_app.iter().find(|target| !is_test(target) && target.environment.as_str() == "stage")),
            test: one(of_app.iter().find(is_test)),
            production: of_app.iter().filter(|target| target.environment.as_str().starts_with("production")).map(place).collect(),
            dice: app.dice.clone(),
            free: Timestamp::default(),
            next: 0,
            failed: None,
            last_build: None,
            source,
            app,
        }
    }

    /// The run that the app stands still for, and why.
    pub(super) fn failed(&self) -> Option<(&RunId, &Trouble)> {
        self.failed.as_ref().map(|(run, trouble)| (run, trouble))
    }

    pub(super) fn last_build(&self) -> Option<&RunId> {
        self.last_build.as_ref()
    }

    /// Tells what comes of the commits up to a moment.
    pub(super) fn go_on(&mut self, out: &mut Out, until: i64) {
        while let Some(commit) = self.app.commits.get(self.next)
            && commit.at.as_millis().max(self.free.as_millis()) < until
        {
            let last = self.next + 1 == self.app.commits.len();
            let stop = self.stop(last);
            let begins = later(commit.at, 2_000).max(self.free);
            self.free = self.release(out, self.next, begins, stop, last);
            self.next += 1;
        }
    }

    fn stop(&mut self, last: bool) -> Stop {
        let before_last = self.next + 2 == self.app.commits.len();
        match (last, self.app.fate) {
            (true, Fate::Rest) => Stop::Nowhere,
            (true, Fate::Fresh) => Stop::Pushed,
            (true, Fate::BuildBroken) => Stop::Build,
            (true, Fate::TestFailed) => Stop::Test,
            (true, Fate::Frozen | Fate::Manual) => Stop::Tested,
            (true, Fate::ProductionFailed) => Stop::Production,
            // What production stands at must have come there.
            (false, _) if before_last => Stop::Nowhere,
            (false, _) => match self.dice.below(100) {
                0..4 => Stop::Build,
                4..12 => Stop::Test,
                12..14 => Stop::Production,
                _ => Stop::Nowhere,
            },
        }
    }

    fn release(&mut self, out: &mut Out, number: usize, at: Timestamp, stop: Stop, last: bool) -> Timestamp {
        let commit = self.app.commits[number].id;
        let listed = if last { LISTED_LAST } else { LISTED };
        let commits = self.app.commits[..=number].iter().rev().take(listed).cloned().collect();
        let (url, branch) = (self.app.url.clone(), self.app.branch.clone());
        let seen = out.event(at, None, "observer", Event::BranchSeen { url, branch, commits });
        if stop == Stop::Pushed {
            return at;
        }
        let Some((built, image, digest)) = self.build(out, commit, at, seen, stop == Stop::Build, last) else {
            return later(at, 600_000);
        };
        let stage = self.deploy(out, commit, &image, digest, built.at, built.event, Kind::Stage, None, last);
        let moved = self.promote(out, commit, &stage, Kind::Test);
        let tested = self.deploy(out, commit, &image, digest, moved.at, moved.event, Kind::Test, (stop == Stop::Test).then_some(()), last);
        if matches!(stop, Stop::Test | Stop::Tested) {
            return tested.at;
        }
        let before = self.production.first().and_then(|place| place.at);
        let moved = self.promote(out, commit, &tested, Kind::Production(0));
        let mut end = moved.at;
        for which in 0..self.production.len() {
            let fails = (stop == Stop::Production && which == 0).then_some(());
            let done = self.deploy(out, commit, &image, digest, moved.at, moved.event, Kind::Production(which), fails, last);
            end = end.max(done.at);
        }
        // Somebody at night takes back what was not well in production after all.
        if !last
            && stop == Stop::Production
            && let Some(before) = before
        {
            end = self.roll_back(out, commit, before, end);
        }
        end
    }

    fn build(
        &mut self,
        out: &mut Out,
        commit: CommitId,
        at: Timestamp,
        cause: usize,
        fails: bool,
        last: bool,
    ) -> Option<(Done, ImageRef, Digest)> {
        let image = ImageRef::tagged(&format!("registry.example.com/org/{}", self.app.name), &commit.short(7)).expect("names are sound");
        let digest = self.digest();
        let passing = (!fails && self.dice.percent(3)).then(|| words::passing_trouble(&mut self.dice, "push"));
        let own = fails.then(|| words::build_trouble(&mut self.dice, &self.app.name));
        let (mut now, mut cause) = (at, cause);
        for (attempt, trouble) in passing.iter().map(Some).chain([own.as_ref()]).enumerate() {
            let attempt = u32::try_from(attempt + 1).unwrap_or(u32::MAX);
            let work = Work::Build { source: self.source.clone(), commit, build_hash: self.build_hash.clone() };
            let why = format!("{} has no image of {} yet", self.app.name, commit.short(7));
            let success = Outcome::Built { image: image.clone(), digest };
            let readable = format!("build-{}-{}", self.app.name, commit.short(7));
            let done = run(
                out,
                &mut self.dice,
                later(now, 40),
                Some(cause),
                Order { readable: &readable, work, why, attempt, trouble, success, reports: None },
            );
            self.last_build = Some(done.run.clone());
            match trouble {
                None => return Some((done, image, digest)),
                Some(trouble) if trouble.class == FailureClass::Own => self.fail(out, &done, own_subject(&self.source), trouble, last),
                Some(_) => (),
            }
            (now, cause) = (later(done.at, 10_000), done.event);
        }
        None
    }

    /// What stands still is remembered, and now and then somebody says that they see to it.
    fn fail(&mut self, out: &mut Out, done: &Done, subject: Subject, trouble: &Trouble, last: bool) {
        let (class, step, message) = (trouble.class, trouble.step, trouble.message.clone());
        if last {
            self.failed = Some((done.run.clone(), Trouble { class, step, message }));
        }
        if self.dice.percent(50) {
            let by = words::author(&mut self.dice);
            let why = "looking into it".to_owned();
            out.event(later(done.at, 240_000), Some(done.event), by, Event::Acknowledged { subject, by: by.to_owned(), why });
        }
    }

    fn digest(&mut self) -> Digest {
        format!("sha256:{}", self.dice.hex(64)).parse().expect("64 hex digits are a digest")
    }

    fn place(&mut self, kind: Kind) -> &mut Place {
        match kind {
            Kind::Stage => &mut self.stage,
            Kind::Test => &mut self.test,
            Kind::Production(which) => &mut self.production[which],
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one deploy, and each is a different thing of it")]
    fn deploy(
        &mut self,
        out: &mut Out,
        commit: CommitId,
        image: &ImageRef,
        digest: Digest,
        at: Timestamp,
        cause: usize,
        kind: Kind,
        fails: Option<()>,
        last: bool,
    ) -> Done {
        let target = Arc::clone(&self.place(kind).target);
        let only_jobs = kind == Kind::Test;
        let fingerprint = fingerprint(&target, commit);
        let outcome = RenderOutcome::Rendered {
            fingerprint: fingerprint.clone(),
            images: vec![image.clone()],
            only_jobs,
            objects: if only_jobs { 1 } else { 3 },
        };
        let input_hash = target.input_hash.to_string();
        let render = Render { target: target.id.clone(), commit, input_hash: input_hash.clone(), secrets: Default::default(), outcome };
        let rendered = out.event(later(at, 30), Some(cause), "planner", Event::Rendered(render));
        let vouchers = self.vouchers(&target, commit);
        let was = self.place(kind).at;
        let wait = if only_jobs { "wait" } else { "apply" };
        let passing = (fails.is_none() && self.dice.percent(4)).then(|| match only_jobs && self.dice.percent(60) {
            true => words::test_trouble(&mut self.dice, true),
            false => words::passing_trouble(&mut self.dice, wait),
        });
        let own = fails.map(|()| match kind {
            Kind::Test => words::test_trouble(&mut self.dice, false),
            _ => words::deploy_trouble(&mut self.dice, &self.app.name),
        });
        let (mut now, mut cause) = (at, rendered);
        let mut attempts = passing.iter().map(Some).chain([own.as_ref()]).enumerate().peekable();
        loop {
            let Some((attempt, trouble)) = attempts.next() else { unreachable!("the last attempt ends the loop") };
            let work = DeployWork {
                target: target.id.clone(),
                commit,
                fingerprint: fingerprint.clone(),
                input_hash: input_hash.clone(),
                publish: target.promotion.publish.clone(),
                config_hash: target.target_config_hash.to_string(),
                release: bits(image, digest),
                vouchers: vouchers.clone(),
                only_jobs,
                takeover: false,
            };
            let title = target.title();
            let why = match was {
                None => format!("{title} has nothing deployed yet; {} is wanted", commit.short(7)),
                Some(was) => format!("{title} is to go from {} to {}", was.short(7), commit.short(7)),
            };
            let readable = format!("deploy-{}-{}", target.saas_file.name, target.environment);
            let success = Outcome::Deployed { digests: bits(image, digest) };
            let attempt = u32::try_from(attempt + 1).unwrap_or(u32::MAX);
            let reports = only_jobs.then(|| words::reports(&mut self.dice, trouble));
            let order = Order { readable: &readable, work: Work::Deploy(work), why, attempt, trouble, success, reports };
            let done = run(out, &mut self.dice, later(now, 50), Some(cause), order);
            self.place(kind).runs += 1;
            if trouble.is_none() {
                self.place(kind).at = Some(commit);
            }
            if let Some(trouble) = trouble.filter(|trouble| trouble.class == FailureClass::Own) {
                self.fail(out, &done, Subject::Target(target.id.clone()), trouble, last);
            }
            if attempts.peek().is_none() {
                return done;
            }
            (now, cause) = (later(done.at, 10_000), done.event);
        }
    }

    /// Who a deploy rests on: what the target subscribes to.
    fn vouchers(&self, target: &Target, commit: CommitId) -> Vec<Voucher> {
        let publishers = [&self.stage, &self.test];
        let of = |channel| {
            publishers.iter().find(move |place| place.target.promotion.publish.contains(channel)).map(move |place| (channel, place))
        };
        let vouched = target.promotion.subscribe.iter().filter_map(of);
        vouched
            .map(|(channel, place)| Voucher {
                channel: channel.clone(),
                target: place.target.id.clone(),
                fingerprint: fingerprint(&place.target, commit),
                runs: place.runs,
            })
            .collect()
    }

    /// A change that moves the test or all productions, merged; the config repository's next head.
    fn promote(&mut self, out: &mut Out, commit: CommitId, after: &Done, kind: Kind) -> Done {
        let moved: Vec<&Place> = if kind == Kind::Test { vec![&self.test] } else { self.production.iter().collect() };
        let from = moved.first().and_then(|place| place.at).unwrap_or_else(nothing);
        let edits =
            moved.iter().map(|place| ConfigEdit::SetRef { target: place.target.id.clone(), from: GitRef::Commit(from), to: commit });
        let edits: Vec<ConfigEdit> = edits.collect();
        let files = moved.iter().map(|place| place.target.saas_file.name.as_str()).collect::<Vec<_>>().join(" and ");
        let places = moved.iter().map(|place| place.target.environment.as_str()).collect::<Vec<_>>().join(" and ");
        let title = format!("Promote {files} to {} in {places}", commit.short(7));
        let readable = format!("{}-{}", moved.first().map_or("", |place| place.target.saas_file.name.as_str()), commit.short(7));
        let why = format!("all channels vouch for it: {title}");
        let spec = change_spec(ChangeKind::Promotion, &readable, edits, title, String::new(), "towpath".to_owned());
        self.change(out, spec, why, later(after.at, 60), after.event)
    }

    fn change(&mut self, out: &mut Out, spec: towpath_engine::ChangeSpec, why: String, at: Timestamp, cause: usize) -> Done {
        let commit: CommitId = self.dice.hex(40).parse().expect("40 hex digits are a commit");
        let readable = format!("change-{}", spec.id.as_str());
        let readable = readable.rsplit_once('-').map_or(readable.as_str(), |(stem, _)| stem).to_owned();
        let order = Order {
            readable: &readable,
            work: Work::Change(spec),
            why,
            attempt: 1,
            trouble: None,
            success: Outcome::Merged { commit },
            reports: None,
        };
        let done = run(out, &mut self.dice, at, Some(cause), order);
        let event = out.event(later(done.at, 15), Some(done.event), "observer", Event::ConfigSeen { commit, errors: 0 });
        Done { event, ..done }
    }

    /// A person sets the older ref and blocks the bad one.
    fn roll_back(&mut self, out: &mut Out, bad: CommitId, good: CommitId, at: Timestamp) -> Timestamp {
        let by = words::author(&mut self.dice);
        let targets: Vec<_> = self.production.iter().map(|place| place.target.id.clone()).collect();
        let edits = targets.iter().map(|target| ConfigEdit::SetRef { target: target.clone(), from: GitRef::Commit(bad), to: good });
        let title = format!("Take {} back to {} in production", self.app.name, good.short(7));
        let spec = change_spec(
            ChangeKind::Rollback,
            &format!("{}-{}", self.app.name, good.short(7)),
            edits.collect(),
            title,
            String::new(),
            by.to_owned(),
        );
        let asked = later(at, 420_000);
        let root = out.event(
            asked,
            None,
            by,
            Event::Acknowledged { subject: Subject::Target(targets[0].clone()), by: by.to_owned(), why: "rolling back".to_owned() },
        );
        let moved = self.change(out, spec, format!("asked for by {by}: errors in production"), later(asked, 200), root);
        let image = ImageRef::tagged(&format!("registry.example.com/org/{}", self.app.name), &good.short(7)).expect("names are sound");
        let digest = self.digest();
        let mut end = moved.at;
        for which in 0..self.production.len() {
            let done = self.deploy(out, good, &image, digest, moved.at, moved.event, Kind::Production(which), None, false);
            end = end.max(done.at);
        }
        end
    }
}

/// Which of an app's targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stage,
    Test,
    Production(usize),
}

fn own_subject(source: &SourceName) -> Subject {
    Subject::Source(source.clone())
}

/// What would be deployed: a name for it.
fn fingerprint(target: &Target, commit: CommitId) -> String {
    Dice::new(0, &format!("{} {commit}", target.id)).hex(64)
}

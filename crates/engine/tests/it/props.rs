//! What holds in every world, whatever happens in it.
//!
//! The simulated world checks after each event that planning again where it touched gives what planning everything
//! gives, that each target has one run at a time, that nothing unvouched or blocked moves, and that no two runs share
//! a name. Here it is driven at random.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use towpath_catalog::{BrokenFile, QueuePolicy, Retries, Schedule, Window};
use towpath_domain::*;
use towpath_engine::*;

use crate::install::*;
use crate::sim::Sim;

const NAMES: [&str; 7] = ["stage", "stage-b", "test", "prod", "prod-b", "smoke", "manual"];

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Push,
    Act,
    Start(Index),
    Finish(Index, End),
    Wait(u64),
    /// The clock is put back.
    Back(u32),
    Retry(Index),
    Cancel(Index),
    Unreachable,
    Freeze(Index, Option<u16>),
    Thaw(Index),
    Block(Index, Index),
    Hotfix(Index),
    Toggle(Index),
    Delete(Index),
    Reconfigure(Index),
    Pin(Index, Index),
    Break(Index),
    Publish(Index),
    Subscribe(Index),
    Branch(Index),
    PushImage(Index, Index),
    SignImage(Index, Index),
    Announce(Index, Option<Index>),
    RegistryDown(bool),
    Secret(Index, u8),
    Memory(Index, u32),
    Require(Index, bool),
    Secrets(Index, u8),
    /// A change is looked at on its forge.
    Seen(Index, bool, u8),
    /// A change is over there.
    Ended(Index, bool),
}

#[derive(Debug, Clone, Copy)]
enum End {
    Well,
    /// A change is open where people see it.
    Opened,
    Failed(FailureClass),
    /// The checks of a change refuse it.
    Refused,
    Cancelled,
    Superseded,
}

fn step() -> impl Strategy<Value = Step> {
    let class =
        prop_oneof![Just(FailureClass::Own), Just(FailureClass::Environment), Just(FailureClass::Flaky), Just(FailureClass::Unknown)];
    let end = prop_oneof![6 => Just(End::Well), 2 => Just(End::Opened), 3 => class.prop_map(End::Failed), 2 => Just(End::Refused), 1 => Just(End::Cancelled), 1 => Just(End::Superseded)];
    prop_oneof![
        6 => Just(Step::Push),
        20 => Just(Step::Act),
        8 => any::<Index>().prop_map(Step::Start),
        16 => (any::<Index>(), end).prop_map(|(run, end)| Step::Finish(run, end)),
        4 => (1..200_000_000_u64).prop_map(Step::Wait),
        1 => (1..20_000_000_u32).prop_map(Step::Back),
        2 => any::<Index>().prop_map(Step::Retry),
        1 => any::<Index>().prop_map(Step::Cancel),
        1 => Just(Step::Unreachable),
        1 => (any::<Index>(), any::<Option<u16>>()).prop_map(|(target, minutes)| Step::Freeze(target, minutes)),
        1 => any::<Index>().prop_map(Step::Thaw),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(target, commit)| Step::Block(target, commit)),
        1 => any::<Index>().prop_map(Step::Hotfix),
        1 => any::<Index>().prop_map(Step::Toggle),
        1 => any::<Index>().prop_map(Step::Delete),
        2 => any::<Index>().prop_map(Step::Reconfigure),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(target, commit)| Step::Pin(target, commit)),
        1 => any::<Index>().prop_map(Step::Break),
        1 => any::<Index>().prop_map(Step::Publish),
        1 => any::<Index>().prop_map(Step::Subscribe),
        1 => any::<Index>().prop_map(Step::Branch),
        3 => (any::<Index>(), any::<Index>()).prop_map(|(image, commit)| Step::PushImage(image, commit)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(image, commit)| Step::SignImage(image, commit)),
        1 => (any::<Index>(), any::<Option<Index>>()).prop_map(|(image, commit)| Step::Announce(image, commit)),
        1 => any::<bool>().prop_map(Step::RegistryDown),
        2 => (any::<Index>(), 0..3_u8).prop_map(|(path, version)| Step::Secret(path, version)),
        1 => (any::<Index>(), any::<u32>()).prop_map(|(target, bytes)| Step::Memory(target, bytes)),
        1 => (any::<Index>(), any::<bool>()).prop_map(|(target, required)| Step::Require(target, required)),
        1 => (any::<Index>(), 0..4_u8).prop_map(|(target, which)| Step::Secrets(target, which)),
        4 => (any::<Index>(), any::<bool>(), 0..3_u8).prop_map(|(change, ready, stamp)| Step::Seen(change, ready, stamp)),
        1 => (any::<Index>(), any::<bool>()).prop_map(|(change, merged)| Step::Ended(change, merged)),
    ]
}

/// What an installation is made of.
#[derive(Debug, Clone)]
struct Shape {
    every: [bool; 4],
    rollback: bool,
    soak: u32,
    window: bool,
    schedule: bool,
    source: bool,
    /// Whose images come from elsewhere.
    foreign: [bool; 4],
    signed: bool,
    /// Promotions to production wait for each other, at most so many.
    batch: Option<u32>,
}

/// Images that no source builds, and the paths of secrets.
const IMAGES: [&str; 2] = ["registry.example.com/api", "registry.example.com/tests"];
const PATHS: [&str; 2] = ["web/db", "web/token"];

fn shape() -> impl Strategy<Value = Shape> {
    (
        any::<[bool; 4]>(),
        any::<bool>(),
        0..2_u32,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<[bool; 4]>(),
        any::<bool>(),
        prop::option::of(2..4_u32),
    )
        .prop_map(|(every, rollback, soak, window, schedule, source, foreign, signed, batch)| Shape {
            every,
            rollback,
            soak,
            window,
            schedule,
            source,
            foreign,
            signed,
            batch,
        })
}

/// A world of that shape, its images named.
fn world(shape: &Shape) -> Sim {
    let mut sim = Sim::of(build(shape), &["test", "smoke"]);
    let names: [(&str, &[&'static str]); 4] = [
        ("stage", &["registry.example.com/web", IMAGES[0]]),
        ("prod", &["registry.example.com/web", IMAGES[0]]),
        ("test", &[IMAGES[1]]),
        ("stage-b", &[IMAGES[0], "registry.example.com/sidecar:1"]),
    ];
    for ((name, images), foreign) in names.into_iter().zip(shape.foreign) {
        if foreign {
            sim.registry.name(name, images);
        }
    }
    sim
}

fn image(name: &Index, commit: CommitId) -> String {
    format!("{}:{}", IMAGES[name.index(IMAGES.len())], commit.short(7))
}

fn build(shape: &Shape) -> Install {
    let mut install = Install::chain();
    if !shape.source {
        install.sources.clear();
        for name in ["stage", "test", "prod"] {
            install.edit(name, |target| target.source = None);
        }
    }
    install.target("stage-b", |target| {
        target.git_ref = GitRef::Branch(main_branch());
        target.promotion.publish = vec![channel("stage-ok")];
    });
    install.target("prod-b", |target| {
        target.promotion.subscribe = vec![channel("test-ok")];
        target.promotion.auto = true;
        target.promotion.publish = vec![channel("prod-ok")];
    });
    install.target("smoke", |target| {
        target.promotion.subscribe = vec![channel("prod-ok")];
        target.promotion.auto = true;
    });
    install.target("manual", |target| target.promotion.subscribe = vec![channel("prod-ok"), channel("test-ok")]);
    for (name, every) in ["stage", "test", "prod", "prod-b"].into_iter().zip(shape.every) {
        install.policy(&format!("queue-{name}"), |policy| {
            policy.select.targets = vec![target_id(name)];
            policy.queue = Some(if every { QueuePolicy::Every } else { QueuePolicy::Latest });
        });
    }
    install.policy("all", |policy| {
        policy.automatic_rollback = Some(shape.rollback);
        policy.retries = Some(Retries { attempts: 3, backoff: Span::from_secs(10), backoff_limit: Span::from_secs(15), flaky: 1 });
    });
    install.edit("prod", |target| target.promotion.soak_days = shape.soak);
    if shape.window {
        install.policy("hours", |policy| {
            policy.select.targets = vec![target_id("prod"), target_id("smoke")];
            let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
            let window = |from_minute, until_minute| Window {
                days: vec![1, 2, 3, 4],
                from_minute,
                until_minute,
                zone: zone.clone(),
                place: place(60),
            };
            policy.windows = vec![window(9 * 60, 17 * 60), window(22 * 60, 2 * 60)];
        });
    }
    if shape.signed {
        install.require_signed("prod", "release");
    }
    install.secrets("prod", &[(PATHS[0], None)]);
    if let Some(limit) = shape.batch {
        for name in ["prod", "prod-b", "smoke"] {
            install.edit(name, |target| target.environment = EnvironmentName::new("production").unwrap());
        }
        install.batching("production", Span::from_secs(600), limit);
    }
    if shape.schedule {
        install.edit("prod-b", |target| target.promotion.schedule = Some(schedule("0-59 */3 * * *")));
    }
    install
}

pub fn schedule(text: &str) -> Schedule {
    Schedule { text: Arc::from(text), cron: Arc::new(text.parse().unwrap()) }
}

fn do_step(sim: &mut Sim, step: Step) {
    let name = |index: &Index| NAMES[index.index(NAMES.len())];
    match step {
        Step::Push => {
            sim.push();
        }
        Step::Act => {
            sim.act();
        }
        Step::Start(index) => {
            if let Some(run) = pick(sim, &index) {
                sim.start(&run);
            }
        }
        Step::Finish(index, end) => {
            let Some(run) = pick(sim, &index) else { return };
            match end {
                End::Opened if matches!(sim.facts.open_runs[&run].spec.work, Work::Change(_)) => {
                    let (number, url, waits) = (1, "https://forge.example.com/1".to_owned(), "somebody".to_owned());
                    sim.end(&run, Outcome::Opened { number, url, head: commit(0xaa), waits });
                }
                End::Well | End::Opened => sim.finish(&run),
                End::Refused if matches!(sim.facts.open_runs[&run].spec.work, Work::Change(_)) => {
                    let (step, message) = ("check".to_owned(), "it is invalid".to_owned());
                    sim.end(&run, Outcome::Failed { class: FailureClass::Own, step, message, refused: true, blame: None });
                }
                End::Refused => sim.finish(&run),
                End::Failed(class) => sim.end(
                    &run,
                    Outcome::Failed { class, step: "rollout".to_owned(), message: "it broke".to_owned(), refused: false, blame: None },
                ),
                End::Cancelled => sim.end(&run, Outcome::Cancelled { by: "ann".to_owned() }),
                End::Superseded => sim.end(&run, Outcome::Superseded { by: "another".to_owned() }),
            }
        }
        Step::Wait(ms) => {
            sim.now = sim.now.plus(Span::from_millis(ms));
            sim.tick();
        }
        Step::Back(ms) => {
            sim.now = Timestamp::from_millis(sim.now.as_millis() - i64::from(ms));
            sim.tick();
        }
        Step::Retry(index) => sim.retry(name(&index)),
        Step::Cancel(index) => {
            if let Some(run) = pick(sim, &index) {
                sim.event(Event::CancelRequested { run, by: "ann".to_owned(), why: "wrong".to_owned() });
            }
        }
        Step::PushImage(name, at) => {
            let commit = sim.commits[at.index(sim.commits.len())].id;
            sim.registry.there.insert(image(&name, commit));
        }
        Step::SignImage(name, at) => {
            let commit = sim.commits[at.index(sim.commits.len())].id;
            sim.registry.signed.insert(image(&name, commit));
            sim.registry.signed.insert(format!("registry.example.com/web:{}", commit.short(7)));
        }
        Step::Announce(name, at) => {
            let commit = at.map(|at| sim.commits[at.index(sim.commits.len())].id);
            let image = commit.map_or_else(|| IMAGES[name.index(IMAGES.len())].to_owned(), |commit| image(&name, commit));
            sim.event(Event::ImageAnnounced { image: image.parse().unwrap() });
        }
        Step::RegistryDown(down) => sim.registry.down = down.then_some("connection refused"),
        Step::Secret(path, version) => {
            let path = PATHS[path.index(PATHS.len())].to_owned();
            sim.event(Event::SecretSeen { path, version: version.to_string() });
        }
        Step::Memory(target, bytes) => {
            let (subject, run) = (Subject::Target(target_id(name(&target))), RunId::new("r").unwrap());
            sim.event(Event::MemoryRaised { subject, bytes: bytes.into(), run });
        }
        Step::Seen(index, ready, stamp) => {
            let Some(spec) = pick_change(sim, &index) else { return };
            sim.event(seen(spec, ready, stamp));
        }
        Step::Ended(index, merged) => {
            let Some(spec) = pick_change(sim, &index) else { return };
            sim.event(Event::ChangeEnded { change: spec.id, merged: merged.then(|| commit(0xbb)) });
        }
        Step::Unreachable => sim.event(Event::BranchUnreachable { url: url(), branch: main_branch(), error: "timeout".to_owned() }),
        config => {
            let commits: Vec<CommitId> = sim.commits.iter().map(|info| info.id).collect();
            let now = sim.now;
            reconfigure(&mut sim.install, config, &commits, now);
            sim.config_seen();
        }
    }
}

/// A change as its forge has it.
fn seen(spec: ChangeSpec, ready: bool, stamp: u8) -> Event {
    let waits = if ready { Vec::new() } else { vec!["somebody".to_owned()] };
    let (url, stamp) = ("https://forge.example.com/1".to_owned(), format!("{ready} {stamp}"));
    let head_since = Timestamp::from_millis(0);
    let failed = if ready || stamp.starts_with("false 2") { Vec::new() } else { vec!["ci".to_owned()] };
    let open = OpenChange {
        number: 1,
        url,
        head: commit(0xaa),
        ready,
        waits,
        head_since,
        rebase: false,
        thrown_out: false,
        again: false,
        labels: Vec::new(),
        failed,
        order: None,
        stamp,
    };
    Event::ChangeSeen { spec, open }
}

/// One of the changes that nobody is at work on and that are not merged.
fn pick_change(sim: &Sim, index: &Index) -> Option<ChangeSpec> {
    let mut open: Vec<&ChangeFact> = sim.facts.changes.values().filter(|fact| fact.active.is_none() && fact.merged.is_none()).collect();
    open.sort_by(|a, b| a.spec.id.cmp(&b.spec.id));
    (!open.is_empty()).then(|| open[index.index(open.len())].spec.clone())
}

/// All that waits for people is approved and passes.
fn all_ready(sim: &mut Sim) {
    loop {
        let waits =
            |fact: &&ChangeFact| fact.active.is_none() && fact.merged.is_none() && fact.open.as_ref().is_some_and(|open| !open.ready);
        let mut open: Vec<ChangeSpec> = sim.facts.changes.values().filter(waits).map(|fact| fact.spec.clone()).collect();
        open.sort_by(|a, b| a.id.cmp(&b.id));
        let Some(spec) = open.into_iter().next() else { return };
        sim.event(seen(spec, true, 9));
        sim.settle();
    }
}

fn pick(sim: &Sim, index: &Index) -> Option<RunId> {
    let runs: Vec<&RunId> = sim.facts.open_runs.keys().collect();
    (!runs.is_empty()).then(|| runs[index.index(runs.len())].clone())
}

fn reconfigure(install: &mut Install, step: Step, commits: &[CommitId], now: Timestamp) {
    let name = |index: &Index| NAMES[index.index(NAMES.len())];
    let edit = |install: &mut Install, index: &Index, change: fn(&mut towpath_catalog::Target)| {
        if install.targets.contains_key(name(index)) {
            install.edit(name(index), change);
        }
    };
    match step {
        Step::Freeze(index, minutes) => {
            let until = minutes.map(|minutes| now.plus(Span::from_secs(u64::from(minutes) * 60)));
            install.freeze(name(&index), Some(now.plus(Span::from_secs(60))), until);
        }
        Step::Thaw(index) => install.thaw(name(&index)),
        Step::Block(index, commit) => install.block(name(&index), commits[commit.index(commits.len())], false),
        Step::Hotfix(commit) => install.versions(Vec::new(), vec![commits[commit.index(commits.len())]]),
        Step::Toggle(index) => edit(install, &index, |target| target.disable = !target.disable),
        Step::Delete(index) => edit(install, &index, |target| target.delete = !target.delete),
        Step::Reconfigure(index) => edit(install, &index, |target| target.input_hash = Arc::from(format!("{}+", target.input_hash))),
        Step::Publish(index) => edit(install, &index, |target| {
            if target.promotion.publish.is_empty() {
                target.promotion.publish.push(channel("extra"));
            }
        }),
        Step::Subscribe(index) => edit(install, &index, |target| {
            let stage = channel("stage-ok");
            match target.promotion.subscribe.iter().position(|known| *known == stage) {
                Some(at) => drop(target.promotion.subscribe.remove(at)),
                None if target.git_ref.commit().is_some() => target.promotion.subscribe.push(stage),
                None => {}
            }
        }),
        Step::Branch(index) => edit(install, &index, |target| {
            target.branch = if target.branch.is_some() { None } else { Some(main_branch()) };
        }),
        Step::Require(index, true) => install.require_signed(name(&index), "release"),
        Step::Require(index, false) => {
            let policy = format!("signed-{}-release", name(&index));
            install.policies.retain(|known| *known.name != policy);
        }
        Step::Secrets(index, which) if install.targets.contains_key(name(&index)) => {
            let all = [(PATHS[0], None), (PATHS[1], Some(2)), (PATHS[1], None)];
            let some: Vec<_> = all.into_iter().take(which.into()).collect();
            install.secrets(name(&index), &some);
            install.edit(name(&index), |target| target.input_hash = Arc::from(format!("{}~", target.input_hash)));
        }
        Step::Secrets(..) => {}
        Step::Pin(index, commit) => {
            let to = commits[commit.index(commits.len())];
            if let Some(target) = install.targets.get_mut(name(&index)) {
                let target = Arc::make_mut(target);
                if target.git_ref.commit().is_some() {
                    target.git_ref = GitRef::Commit(to);
                }
            }
        }
        Step::Break(index) => {
            // A broken saas file takes its target out of the catalog; mending puts it back.
            if install.broken.is_empty() {
                if let Some(target) = install.targets.remove(name(&index)) {
                    install.broken.push(BrokenFile { path: Arc::from("data/broken.yml"), name: None, error: "bad".to_owned() });
                    install.away = Some(target);
                }
            } else {
                install.broken.clear();
                let target = install.away.take().unwrap();
                install.targets.insert(target.id.clone(), target);
            }
        }
        _ => unreachable!(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(48), max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn planning_again_where_something_changed_is_planning_everything(shape in shape(), steps in prop::collection::vec(step(), 1..90)) {
        let mut sim = world(&shape);
        for step in steps {
            do_step(&mut sim, step);
        }
    }

    #[test]
    fn what_nobody_holds_reaches_production(shape in shape(), order in prop::collection::vec((any::<Index>(), 0..4_u8), 1..60)) {
        let mut sim = world(&shape);
        for (index, what) in order {
            match what {
                0 => { sim.push(); }
                1 => { sim.act(); }
                _ => if let Some(run) = pick(&sim, &index) { sim.finish(&run) },
            }
        }
        sim.settle();
        // Long enough for the longest wait between two looks at an image.
        sim.registry.complete = true;
        sim.wait(Span::from_secs(301));
        sim.settle();
        // Long enough for the soak and for every window.
        sim.wait(Span::from_days(10));
        sim.settle();
        let head = sim.commits[0].id;
        for name in NAMES {
            // What a person pinned to a version that may never have been tested stays theirs.
            if name != "manual" {
                prop_assert_eq!(&sim.verdict(name).state, &State::UpToDate, "{}", name);
                prop_assert_eq!(sim.runs(name), Some(head), "{}", name);
            }
        }
    }

    #[test]
    fn after_trouble_has_ended_the_world_comes_to_rest(shape in shape(), steps in prop::collection::vec(step(), 1..60)) {
        let mut sim = world(&shape);
        for step in steps {
            do_step(&mut sim, step);
        }
        (sim.registry.complete, sim.registry.down) = (true, None);
        sim.settle();
        all_ready(&mut sim);
        sim.wait(Span::from_days(10));
        sim.settle();
        all_ready(&mut sim);
        for (subject, verdict) in sim.planner.verdicts() {
            prop_assert!(!matches!(verdict.state, State::Act { .. }), "{:?}: {:?}", subject, verdict);
        }
    }

    #[test]
    fn what_a_plan_says_of_a_change_of_the_config_repository_is_what_then_happens(
        shape in shape(), steps in prop::collection::vec(step(), 1..60), edits in prop::collection::vec(step(), 1..8),
    ) {
        let mut sim = world(&shape);
        for step in steps {
            do_step(&mut sim, step);
        }
        let commits: Vec<CommitId> = sim.commits.iter().map(|info| info.id).collect();
        for edit in edits {
            if is_edit(&edit) {
                let now = sim.now;
                reconfigure(&mut sim.install, edit, &commits, now);
            }
        }
        // As it is shown on the change: the catalog that would count, the facts as they are, the commit that would be merged.
        let (catalog, mut facts, now) = (Arc::new(sim.install.catalog()), sim.facts.clone(), sim.now.plus(Span::from_millis(1)));
        facts.apply(now, &Event::ConfigSeen { commit: commit(0xc0_0000 + sim.next_config()), errors: 0 });
        let shown = plan(&catalog, &facts, now);

        sim.config_seen();
        for (subject, verdict) in sim.planner.verdicts() {
            prop_assert_eq!(shown.verdicts.get(&subject), Some(verdict), "{:?}", subject);
        }
        let queued: std::collections::BTreeSet<RunId> = sim.facts.open_runs.keys().cloned().collect();
        let promised: std::collections::BTreeSet<RunId> = shown.actions.iter().filter_map(|action| match action {
            Action::Run { spec } => Some(spec.id.clone()),
            _ => None,
        }).collect();
        sim.act();
        let begun: std::collections::BTreeSet<RunId> = sim.facts.open_runs.keys().filter(|run| !queued.contains(*run)).cloned().collect();
        prop_assert_eq!(begun, promised);
    }

    #[test]
    fn facts_survive_being_stored_row_by_row(shape in shape(), steps in prop::collection::vec(step(), 1..60)) {
        let mut sim = world(&shape);
        for step in steps {
            do_step(&mut sim, step);
        }
        let mut loaded = Facts::default();
        for key in sim.facts.keys() {
            loaded.put(&key, sim.facts.get(&key).unwrap()).unwrap();
        }
        prop_assert_eq!(&loaded, &sim.facts.without_empty());
        // And replaying the log gives the same, with each row kept up to date by the keys that apply names.
        let (mut replayed, mut rows) = (Facts::default(), std::collections::BTreeMap::new());
        for (at, event) in &sim.log {
            for key in replayed.apply(*at, event) {
                match replayed.get(&key) {
                    Some(value) => { rows.insert(key, value); }
                    None => { rows.remove(&key); }
                }
            }
        }
        prop_assert_eq!(&replayed, &sim.facts);
        let kept: std::collections::BTreeMap<_, _> = replayed.keys().into_iter().map(|key| { let value = replayed.get(&key).unwrap(); (key, value) }).collect();
        prop_assert_eq!(rows, kept);
    }
}

/// Whether a step changes the config repository.
fn is_edit(step: &Step) -> bool {
    matches!(
        step,
        Step::Freeze(..)
            | Step::Thaw(_)
            | Step::Block(..)
            | Step::Hotfix(_)
            | Step::Toggle(_)
            | Step::Delete(_)
            | Step::Reconfigure(_)
            | Step::Pin(..)
            | Step::Break(_)
            | Step::Publish(_)
            | Step::Subscribe(_)
            | Step::Branch(_)
            | Step::Require(..)
            | Step::Secrets(..)
    )
}

/// More cases where there is time: `PROPTEST_CASES`.
pub fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

/// Facts without containers that hold nothing, which rows cannot tell from none.
trait WithoutEmpty {
    fn without_empty(&self) -> Facts;
}

impl WithoutEmpty for Facts {
    fn without_empty(&self) -> Facts {
        let mut facts = self.clone();
        facts.builds.retain(|_, builds| !builds.is_empty());
        facts
    }
}

//! How long planning takes: `cargo bench -p towpath-engine`.
//!
//! Each service has a source, a stage target that follows its branch, a test of it and a production target, all at rest.
//! Prints one row for each size. Goals: planning 10,000 targets takes 20 ms, and after one event 1 ms; ten times as many
//! take at most ten times as long, and no longer after one event.
//!
//! The columns, all by the wall, the shortest of several (on a busy machine, repeat it and take the least):
//! `scratch` is [`plan`], all in all; `planning` says all verdicts anew with the catalog prepared; `index` is what
//! preparing the catalog adds, once per catalog, and dropping the one before; `result` is what naming and handing out
//! all verdicts in one map adds. The others are one event each, or one commit of the config repository.

#![allow(clippy::expect_used, reason = "a measurement that cannot be set up has nothing to say")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use towpath_catalog::generate::{Shape, tree_of};
use towpath_catalog::{Catalog, Target, load};
use towpath_domain::{CommitId, Digest, GitRef, RunId, Timestamp};
use towpath_engine::*;

/// Commits that each branch is known by.
const COMMITS: u64 = 50;

fn main() {
    println!(
        "{:>8} {:>10} {:>10} {:>10} {:>10} {:>11} {:>11} {:>11} {:>11} {:>11}",
        "targets", "scratch", "index", "planning", "result", "one branch", "one deploy", "one build", "one config", "idle tick"
    );
    // A size in the arguments stands for these.
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if given.is_empty() { vec![334, 3_334, 33_334] } else { given };
    for services in sizes {
        measure(services);
    }
}

fn measure(services: usize) {
    let catalog = Arc::new(load(tree_of(Shape { services, sources: true, seed: 3 })).catalog);
    let now = Timestamp::from_millis(1_700_000_000_000);
    let mut facts = settled(&catalog, now);
    let rest = plan(&catalog, &facts, now);
    assert!(
        rest.verdicts.values().all(|verdict| verdict.state == State::UpToDate),
        "the installation is not at rest: {:?}",
        rest.actions.first()
    );
    drop(rest);

    let scratch = best(15, || drop(black_box(plan(&catalog, &facts, now))));
    let mut planner = Planner::new(catalog.clone(), &facts, now);
    let fresh = best(15, || planner = Planner::new(catalog.clone(), &facts, now));
    let planning = best(15, || planner.plan_again(&facts, now));
    let (index, result) = (fresh.saturating_sub(planning), scratch.saturating_sub(fresh));
    let services: Vec<&Arc<Target>> = catalog.targets.values().filter(|target| target.git_ref.branch().is_some()).take(100).collect();
    let mut number = 0;
    let branch = events(&mut planner, &mut facts, now, &services, |facts, target| {
        let branch = target.git_ref.branch().cloned().expect("a branch");
        let mut commits = facts.branches[&(target.url.clone(), branch.clone())].commits.clone();
        number += 1;
        commits.insert(0, info(commit(number), now));
        Event::BranchSeen { url: target.url.clone(), branch, commits }
    });
    let build = events(&mut planner, &mut facts, now, &services, |facts, target| {
        let head = facts.branches[&(target.url.clone(), target.branch.clone().expect("a branch"))].commits[0].id;
        let source = target.source.clone().expect("a source");
        let work = Work::Build { source, commit: head, build_hash: String::new() };
        Event::RunQueued(RunSpec { id: run("build", target, head), attempt: 1, work, why: String::new(), after: None })
    });
    let deploy = events(&mut planner, &mut facts, now, &services, |_, target| {
        Event::RunQueued(RunSpec {
            id: run("again", target, commit(1)),
            attempt: 1,
            work: Work::Deploy(work(target, commit(1), &[])),
            why: String::new(),
            after: None,
        })
    });

    let mut changed = Catalog::clone(&catalog);
    let some = changed.targets.values_mut().next().expect("a target");
    Arc::make_mut(some).input_hash = Arc::from("another");
    let catalogs = [Arc::new(changed), catalog.clone()];
    let mut turn = 0;
    let config = best(8, || {
        planner.set_catalog(catalogs[turn % 2].clone(), &facts, now);
        turn += 1;
    });
    let tick = best(15, || drop(black_box(planner.tick(&facts, now))));
    println!(
        "{:>8} {scratch:>10.1?} {index:>10.1?} {planning:>10.1?} {result:>10.1?} {branch:>11.1?} {deploy:>11.1?} {build:>11.1?} {config:>11.1?} {tick:>11.1?}",
        catalog.targets.len()
    );
}

/// The median of a hundred: applying one event, and planning again.
fn events(
    planner: &mut Planner,
    facts: &mut Facts,
    now: Timestamp,
    targets: &[&Arc<Target>],
    mut event: impl FnMut(&Facts, &Target) -> Event,
) -> Duration {
    let mut times = Vec::with_capacity(targets.len());
    for target in targets {
        let event = event(facts, target);
        let begin = Instant::now();
        let keys = facts.apply(now, &event);
        black_box(planner.touch(facts, &keys, now));
        times.push(begin.elapsed());
    }
    // What the machine did meanwhile for others says nothing about planning.
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The shortest time by the wall of several.
fn best(times: u32, mut act: impl FnMut()) -> Duration {
    let mut shortest = Duration::MAX;
    for _ in 0..times {
        let begin = Instant::now();
        act();
        shortest = shortest.min(begin.elapsed());
    }
    shortest
}

fn commit(number: u64) -> CommitId {
    format!("{number:040x}").parse().expect("a commit")
}

fn info(id: CommitId, at: Timestamp) -> CommitInfo {
    CommitInfo { id, subject: "Mend the lock gate".to_owned(), author: "Ann".to_owned(), at }
}

fn run(kind: &str, target: &Target, commit: CommitId) -> RunId {
    RunId::new(format!("{kind}-{}-{}", target.id, commit.short(7))).expect("a run")
}

/// Facts of an installation where everything is at the commit that production is pinned to.
fn settled(catalog: &Catalog, now: Timestamp) -> Facts {
    let mut facts = Facts::default();
    let mut pinned: BTreeMap<_, CommitId> = BTreeMap::new();
    for target in catalog.targets.values() {
        if let GitRef::Commit(commit) = target.git_ref {
            pinned.insert(target.url.clone(), commit);
        }
    }
    facts.apply(now, &Event::ConfigSeen { commit: commit(1), errors: 0 });
    for source in catalog.sources.values() {
        let head = pinned[&source.url];
        let older = (1..COMMITS).map(|number| info(commit(1_000_000 + number), now));
        let commits = std::iter::once(info(head, now)).chain(older).collect();
        facts.apply(now, &Event::BranchSeen { url: source.url.clone(), branch: source.branch.clone(), commits });
        let id = RunId::new(format!("build-{}-{}", source.name, head.short(7))).expect("a run");
        let work = Work::Build { source: source.name.clone(), commit: head, build_hash: String::new() };
        let image = format!("{}:{}", source.image, head.short(7)).parse().expect("an image");
        finish(
            &mut facts,
            now,
            RunSpec { id, attempt: 1, work, why: String::new(), after: None },
            Outcome::Built { image, digest: Digest::from_bytes([1; 32]) },
        );
    }
    for target in catalog.targets.values() {
        let head = pinned[&target.url];
        let vouchers: Vec<Voucher> = target
            .promotion
            .subscribe
            .iter()
            .flat_map(|channel| catalog.channels[channel].publishers.iter().map(move |publisher| (channel, publisher)))
            .map(|(channel, publisher)| Voucher {
                channel: channel.clone(),
                target: publisher.clone(),
                fingerprint: fingerprint(publisher.as_str(), head),
                runs: 1,
            })
            .collect();
        let outcome = RenderOutcome::Rendered {
            fingerprint: fingerprint(target.id.as_str(), head),
            images: Vec::new(),
            only_jobs: target.saas_file.publish_job_logs,
            objects: 3,
        };
        facts.apply(
            now,
            &Event::Rendered(Render {
                target: target.id.clone(),
                commit: head,
                input_hash: target.input_hash.to_string(),
                secrets: BTreeMap::new(),
                outcome,
            }),
        );
        let spec = RunSpec {
            id: run("deploy", target, head),
            attempt: 1,
            work: Work::Deploy(work(target, head, &vouchers)),
            why: String::new(),
            after: None,
        };
        finish(&mut facts, now, spec, Outcome::Deployed { digests: BTreeMap::new() });
    }
    facts
}

fn fingerprint(target: &str, commit: CommitId) -> String {
    format!("{target}@{commit}")
}

fn work(target: &Target, commit: CommitId, vouchers: &[Voucher]) -> DeployWork {
    DeployWork {
        target: target.id.clone(),
        commit,
        fingerprint: fingerprint(target.id.as_str(), commit),
        input_hash: target.input_hash.to_string(),
        publish: target.promotion.publish.clone(),
        config_hash: target.target_config_hash.to_string(),
        release: BTreeMap::new(),
        vouchers: vouchers.to_vec(),
        only_jobs: target.saas_file.publish_job_logs,
        takeover: target.saas_file.takeover,
    }
}

fn finish(facts: &mut Facts, now: Timestamp, spec: RunSpec, outcome: Outcome) {
    let run = spec.id.clone();
    for event in [Event::RunQueued(spec), Event::RunStarted { run: run.clone() }, Event::RunFinished { run, outcome }] {
        facts.apply(now, &event);
    }
}

//! Secrets at their newest version, and memory.

use towpath_domain::RunId;
use towpath_engine::*;

use crate::install::*;
use crate::sim::Sim;

fn seen(sim: &mut Sim, path: &str, version: &str) {
    sim.event(Event::SecretSeen { path: path.to_owned(), version: version.to_owned() });
}

fn deploys(sim: &Sim, name: &str) -> usize {
    sim.deployed.iter().filter(|(target, _)| target.as_str() == name).count()
}

/// The chain at rest: stage takes one secret as it is and one at a version.
fn with_secrets() -> Sim {
    let mut install = Install::chain();
    install.secrets("stage", &[("web/db", None), ("web/old", Some(3))]);
    let mut sim = Sim::of(install, &["test"]);
    seen(&mut sim, "web/db", "1");
    sim.settle();
    sim
}

#[test]
fn a_new_version_of_a_secret_deploys_what_uses_it_again_and_nothing_else() {
    let mut sim = with_secrets();
    let render = sim.facts.renders["stage"].last().unwrap();
    assert_eq!(render.secrets, [("web/db".to_owned(), "1".to_owned())].into());
    assert_eq!(secret_paths(&sim.catalog), ["web/db".to_owned()].into(), "nobody asks about what is pinned");
    assert_eq!((deploys(&sim, "stage"), deploys(&sim, "prod")), (1, 1));

    seen(&mut sim, "web/db", "2");
    assert!(matches!(sim.verdict("stage").state, State::Act { action: Action::Render { .. } }));
    sim.settle();
    assert_eq!((deploys(&sim, "stage"), deploys(&sim, "prod")), (2, 1));
    assert_eq!(deploys(&sim, "test"), 2, "what is tested has another configuration");

    let before = sim.facts.clone();
    for (path, version) in [("web/db", "2"), ("web/old", "4"), ("nobody/uses/it", "1")] {
        seen(&mut sim, path, version);
        assert_eq!(sim.act(), 0, "{path}");
    }
    assert_eq!(sim.facts.secrets["web/db"], before.secrets["web/db"], "the same version again is no news");
}

#[test]
fn a_secret_that_was_never_seen_holds_nothing_up_and_its_first_version_renders_again() {
    let mut install = Install::chain();
    install.secrets("stage", &[("web/db", None)]);
    let mut sim = Sim::of(install, &["test"]);
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(commit(1)));
    seen(&mut sim, "web/db", "7");
    sim.settle();
    assert_eq!(sim.facts.renders["stage"].last().unwrap().secrets["web/db"], "7");
}

#[test]
fn what_failed_to_render_is_rendered_again_with_another_version_of_its_secret() {
    let mut sim = with_secrets();
    sim.fail("render stage", commit(1), towpath_domain::FailureClass::Own, 1);
    seen(&mut sim, "web/db", "2");
    sim.settle();
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::RenderFailed { .. }]));
    seen(&mut sim, "web/db", "3");
    sim.settle();
    assert_eq!(sim.verdict("stage").state, State::UpToDate);
}

#[test]
fn a_target_that_begins_to_take_a_secret_is_planned_by_its_version_from_then_on() {
    let mut sim = Sim::chain();
    seen(&mut sim, "web/db", "1");
    sim.settle();
    sim.install.secrets("prod", &[("web/db", None)]);
    sim.install.edit("prod", |target| target.input_hash = "input-2".into());
    sim.config_seen();
    sim.settle();
    assert_eq!(deploys(&sim, "prod"), 2);
    seen(&mut sim, "web/db", "2");
    sim.settle();
    assert_eq!(deploys(&sim, "prod"), 3);
}

#[test]
fn memory_is_raised_and_never_lowered_and_nothing_is_planned_from_it() {
    let mut sim = Sim::chain();
    sim.settle();
    let stage = Subject::Target(target_id("stage"));
    let raised = |bytes| Event::MemoryRaised { subject: Subject::Target(target_id("stage")), bytes, run: RunId::new("r").unwrap() };
    for (bytes, known) in [(512, 512), (1024, 1024), (256, 1024)] {
        sim.event(raised(bytes));
        assert_eq!(sim.facts.memory[&stage], known);
        assert_eq!(sim.act(), 0);
    }
    assert_eq!(sim.facts.apply(sim.now, &raised(1024)), [], "nothing new");
}

#[test]
fn what_failed_for_want_of_a_takeover_is_tried_again_with_it() {
    let mut sim = Sim::chain();
    sim.settle();
    let second = sim.push();
    sim.fail("stage", second, towpath_domain::FailureClass::Own, 1);
    sim.settle();
    assert!(matches!(sim.holds("stage").as_slice(), [Hold::Failed { .. }]));
    sim.install.edit("stage", |target| std::sync::Arc::make_mut(&mut target.saas_file).takeover = true);
    sim.config_seen();
    sim.settle();
    assert_eq!(sim.runs("stage"), Some(second));
}

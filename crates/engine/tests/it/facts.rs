//! What events add up to.

use std::collections::BTreeMap;

use towpath_domain::{CommitId, FailureClass, RunId, SourceName, Timestamp};
use towpath_engine::*;

use crate::install::*;

/// Facts, and a clock that goes on by one with each event.
#[derive(Default)]
struct Book {
    facts: Facts,
    now: i64,
}

impl Book {
    fn add(&mut self, event: Event) -> Vec<FactKey> {
        self.now += 1;
        self.facts.apply(Timestamp::from_millis(self.now), &event)
    }

    fn deploy(&mut self, number: u32, outcome: Outcome) {
        let work = DeployWork {
            target: target_id("stage"),
            commit: commit(number),
            fingerprint: "f".to_owned(),
            input_hash: "i".to_owned(),
            publish: vec![channel("ok")],
            config_hash: "c".to_owned(),
            release: BTreeMap::new(),
            vouchers: Vec::new(),
            only_jobs: false,
            takeover: false,
        };
        let run = RunId::new(format!("deploy-{}", self.now)).unwrap();
        self.run(run, Work::Deploy(work), outcome);
    }

    fn run(&mut self, run: RunId, work: Work, outcome: Outcome) {
        self.add(Event::RunQueued(RunSpec { id: run.clone(), attempt: 1, work, why: String::new(), after: None }));
        self.add(Event::RunStarted { run: run.clone() });
        self.add(Event::RunFinished { run, outcome });
    }
}

fn well() -> Outcome {
    Outcome::Deployed { digests: BTreeMap::new() }
}

fn failed(class: FailureClass) -> Outcome {
    Outcome::Failed { class, step: "rollout".to_owned(), message: "it broke".to_owned(), refused: false, blame: None }
}

#[test]
fn what_would_grow_for_ever_is_cut_the_oldest_first() {
    let mut book = Book::default();
    for number in 1..=300 {
        book.deploy(number, well());
        let info = CommitInfo { id: commit(number), subject: String::new(), author: String::new(), at: Timestamp::default() };
        book.add(Event::BranchSeen { url: url(), branch: main_branch(), commits: vec![info] });
        let outcome = RenderOutcome::Failed { class: FailureClass::Own, message: String::new() };
        let (target, input_hash, secrets) = (target_id("stage"), "i".to_owned(), BTreeMap::new());
        book.add(Event::Rendered(Render { target, commit: commit(number), input_hash, secrets, outcome }));
        let work = Work::Build { source: SourceName::new("web").unwrap(), commit: commit(number), build_hash: String::new() };
        book.run(RunId::new(format!("build-{number}")).unwrap(), work, failed(FailureClass::Own));
    }
    let facts = &book.facts;
    let target = &facts.targets["stage"];
    let history: Vec<CommitId> = target.history.iter().map(|deployed| deployed.commit).collect();
    assert_eq!((history.len(), history[0], history[19]), (20, commit(280), commit(299)));
    assert_eq!((target.runs, target.current.as_ref().unwrap().commit), (300, commit(300)));
    let evidence = &facts.evidence[&(channel("ok"), target_id("stage"))];
    assert_eq!((evidence.len(), evidence.contains_key(&commit(100)), evidence.contains_key(&commit(101))), (200, false, true));
    assert_eq!(facts.renders["stage"].iter().map(|render| render.commit).collect::<Vec<_>>(), [295, 296, 297, 298, 299, 300].map(commit));
    assert_eq!(facts.branches[&(url(), main_branch())].seen.len(), 50);
    assert_eq!(facts.builds["web"].len(), 200);
    assert!(facts.builds["web"].contains_key(&commit(300)) && facts.open_runs.is_empty());
}

#[test]
fn a_way_back_survives_any_number_of_redeploys() {
    let mut book = Book::default();
    book.deploy(1, well());
    (0..50).for_each(|_| book.deploy(2, well()));
    let history = &book.facts.targets["stage"].history;
    assert_eq!((history.len(), history[0].commit), (20, commit(1)));
}

#[test]
fn events_of_unknown_runs_and_the_same_event_twice_change_nothing() {
    let mut book = Book::default();
    book.deploy(1, well());
    let before = book.facts.clone();
    let run = RunId::new("nobody-knows-it").unwrap();
    for event in [
        Event::RunStarted { run: run.clone() },
        Event::StepStarted { run: run.clone(), step: "apply".to_owned() },
        Event::RunFinished { run: run.clone(), outcome: well() },
        Event::CancelRequested { run, by: "ann".to_owned(), why: String::new() },
        Event::RetryRequested { subject: Subject::Target(target_id("nowhere")), by: "ann".to_owned(), why: String::new() },
    ] {
        assert_eq!(book.add(event), []);
    }
    assert_eq!(book.facts, before);
    let spec = RunSpec {
        id: RunId::new("r").unwrap(),
        attempt: 1,
        work: Work::Delete { target: target_id("stage") },
        why: String::new(),
        after: None,
    };
    assert!(!book.add(Event::RunQueued(spec.clone())).is_empty());
    assert_eq!(book.add(Event::RunQueued(spec)), []);
    assert_eq!(book.facts.targets["stage"].runs, 2);
}

#[test]
fn a_success_stands_since_it_was_first_said_without_a_failure_between() {
    let mut book = Book::default();
    let evidence = |book: &Book| book.facts.evidence[&(channel("ok"), target_id("stage"))][&commit(1)].clone();
    book.deploy(1, well());
    let since = evidence(&book).since;
    book.deploy(1, well());
    assert_eq!(evidence(&book).since, since);
    assert!(evidence(&book).at > since);
    book.deploy(1, failed(FailureClass::Environment));
    assert!(!evidence(&book).success);
    assert!(book.facts.targets["stage"].dirty, "what was current is still known, but may not be what runs");
    assert_eq!(book.facts.targets["stage"].current.as_ref().unwrap().commit, commit(1));
    book.deploy(1, well());
    assert!(evidence(&book).since > since);
    assert!(!book.facts.targets["stage"].dirty);
}

#[test]
fn attempts_at_the_same_are_counted_and_another_thing_begins_anew() {
    let mut book = Book::default();
    let attempts = |book: &Book| book.facts.targets["stage"].failure.as_ref().unwrap().attempts;
    book.deploy(1, failed(FailureClass::Environment));
    book.deploy(1, failed(FailureClass::Environment));
    assert_eq!(attempts(&book), 2);
    book.deploy(1, Outcome::Superseded { by: "a newer one".to_owned() });
    assert_eq!(attempts(&book), 2, "what gave way is no attempt");
    book.deploy(2, failed(FailureClass::Environment));
    assert_eq!(attempts(&book), 1);
}

#[test]
fn a_stored_fact_of_another_kind_is_refused_and_changes_nothing() {
    let mut book = Book::default();
    book.deploy(1, well());
    let before = book.facts.clone();
    let error = book.facts.put(&FactKey::Target(target_id("stage")), serde_json::json!({"runs": "many"})).unwrap_err();
    assert!(error.to_string().contains("stage"), "{error}");
    assert_eq!(book.facts, before);
    assert_eq!(book.facts.get(&FactKey::Target(target_id("prod"))), None);
}

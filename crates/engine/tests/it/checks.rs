//! Pull requests of sources: who is checked next, what a newer push, a command and a fork do, and what no order of events breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use towpath_catalog::{Build, Catalog, ForkCheck, Place, PullCheck, Source};
use towpath_domain::*;
use towpath_engine::check::*;
use towpath_engine::*;

fn commit(number: u64) -> CommitId {
    format!("{number:040x}").parse().unwrap()
}

fn source(name: &str, concurrency: u32) -> Source {
    let place = Place { file: Arc::from("data/source.yml"), line: 1, column: 1, start: 0, end: 1 };
    Source {
        name: SourceName::new(name).unwrap(),
        app: AppName::new("shop").unwrap(),
        url: RepoUrl::new(format!("https://git.example.com/{name}")).unwrap(),
        branch: BranchName::new("main").unwrap(),
        image: format!("registry.example.com/{name}"),
        hash_length: 7,
        build: Build {
            command: None,
            env: BTreeMap::new(),
            pack: None,
            timeout: "30m".parse().unwrap(),
            image: None,
            resources: None,
            push: false,
        },
        check: Some(Arc::new(PullCheck {
            pool: None,
            environment: None,
            dependencies: Vec::new(),
            parameters: BTreeMap::new(),
            tests: Vec::new(),
            command: None,
            definition: Vec::new(),
            env: BTreeMap::new(),
            reports: Vec::new(),
            timeout: "1h".parse().unwrap(),
            concurrency,
            urgent: vec!["urgent".to_owned()],
            merged: true,
            retries: 1,
            forks: None,
            hash: Arc::from("h"),
        })),
        place,
    }
}

/// Sources whose pull requests are checked, and a clock.
struct Desk {
    catalog: Catalog,
    facts: Facts,
    now: Timestamp,
}

impl Desk {
    fn of(sources: Vec<Source>) -> Self {
        let mut catalog = Catalog::default();
        catalog.sources.extend(sources.into_iter().map(|source| (source.name.clone(), Arc::new(source))));
        Self { catalog, facts: Facts::default(), now: Timestamp::from_millis(1_000_000) }
    }

    fn new(concurrency: u32) -> Self {
        Self::of(vec![source("web", concurrency)])
    }

    fn with(mut self, change: impl FnOnce(&mut Source)) -> Self {
        change(Arc::make_mut(self.catalog.sources.values_mut().next().unwrap()));
        self
    }

    fn tell(&mut self, event: Event) {
        self.now = self.now.plus(Span::from_millis(1));
        self.facts.apply(self.now, &event);
    }

    fn push(&mut self, number: u64, head: u64) {
        self.seen("web", number, head, |_| {});
    }

    fn seen(&mut self, source: &str, number: u64, head: u64, change: impl FnOnce(&mut PullRequest)) {
        let mut pull = PullRequest {
            source: SourceName::new(source).unwrap(),
            number,
            url: String::new(),
            title: format!("Change {number}"),
            author: "ann".into(),
            branch: format!("pull/{number}"),
            from_fork: false,
            head: commit(head),
            urgent: false,
            opened_at: Timestamp::from_millis(0),
        };
        change(&mut pull);
        self.tell(Event::Check(CheckEvent::Seen { pull }));
    }

    fn ask(&mut self, number: u64, what: Asked, comment: Option<u64>) {
        let ask = Ask { what, by: "ben".into(), why: String::new(), comment };
        self.tell(Event::Check(CheckEvent::Asked { check: id(number), ask }));
    }

    fn plan(&self) -> ChecksPlan {
        plan_checks(&self.catalog, &self.facts, self.now)
    }

    /// Queues what follows. Answers with what was queued.
    fn settle(&mut self) -> Vec<RunSpec> {
        let mut all = Vec::new();
        for _ in 0..200 {
            let runs = self.plan().runs;
            if runs.is_empty() {
                return all;
            }
            for spec in runs {
                self.tell(Event::RunQueued(spec.clone()));
                all.push(spec);
            }
        }
        panic!("deciding does not come to an end");
    }

    fn standing(&self, number: u64) -> CheckStanding {
        self.plan().standings[&id(number)].clone()
    }

    fn word(&self, number: u64) -> &'static str {
        self.standing(number).word()
    }

    fn end(&mut self, run: &RunId, outcome: Outcome) {
        self.tell(Event::RunFinished { run: run.clone(), outcome });
    }
}

fn id(number: u64) -> CheckId {
    check_of(&SourceName::new("web").unwrap(), number)
}

fn passed(key: &str) -> Outcome {
    Outcome::Checked { key: Some(key.to_owned()), digests: BTreeMap::new(), reused: None, summary: String::new() }
}

fn failed(class: FailureClass) -> Outcome {
    Outcome::Failed { class, step: "deploy".into(), message: "it broke".into(), refused: false, blame: Some(Blame::Source) }
}

fn work(spec: &RunSpec) -> &CheckWork {
    match &spec.work {
        Work::Check(work) => work,
        other => panic!("no check: {other:?}"),
    }
}

#[test]
fn one_at_a_time_goes_the_oldest_first_and_the_others_know_their_place() {
    let mut desk = Desk::new(1);
    for number in 1..=4 {
        desk.push(number, number);
    }
    let runs = desk.settle();
    assert_eq!(runs.len(), 1);
    assert_eq!(work(&runs[0]).id, id(1));
    assert!(runs[0].id.as_str().starts_with("check-web-1-"), "{}", runs[0].id);
    let place = |desk: &Desk, number| match desk.standing(number) {
        CheckStanding::Waiting { position, of, behind, .. } => (position, of, behind.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!([place(&desk, 2), place(&desk, 3), place(&desk, 4)], [(1, 3, 1), (2, 3, 1), (3, 3, 1)]);
    assert_eq!(desk.standing(2).text(), "1 of 3 in the queue, 1 at a time; under way: web#1");
    desk.end(&runs[0].id, passed("a"));
    assert_eq!(desk.word(1), "passed");
    assert_eq!(work(&desk.settle()[0]).id, id(2));
}

#[test]
fn as_many_go_on_as_the_source_says_and_urgent_ones_first() {
    let mut desk = Desk::new(2);
    for number in 1..=4 {
        desk.push(number, number);
    }
    desk.seen("web", 5, 5, |pull| pull.urgent = true);
    let runs = desk.settle();
    assert_eq!(runs.iter().map(|run| work(run).id.clone()).collect::<Vec<_>>(), [id(5), id(1)]);
    assert!(work(&runs[0]).urgent);
}

#[test]
fn a_newer_push_ends_the_older_run_and_takes_its_turn() {
    let mut desk = Desk::new(1);
    desk.push(1, 1);
    let old = desk.settle().remove(0);
    assert_eq!(is_wanted(&desk.catalog, &desk.facts, work(&old)), Ok(()));
    desk.push(1, 2);
    let by = "a newer push, 0000000".to_owned();
    assert_eq!(is_wanted(&desk.catalog, &desk.facts, work(&old)), Err(Unwanted::Superseded(by)), "which is what people are told");
    assert!(desk.settle().is_empty(), "while the old one gives back what it holds");
    desk.end(&old.id, Outcome::Superseded { by: "a newer push".into() });
    let new = desk.settle().remove(0);
    assert_eq!(work(&new).head, commit(2));
    assert_ne!(new.id, old.id);
    // The verdict of the old commit says nothing, however late it comes.
    desk.end(&new.id, passed("a"));
    assert_eq!(desk.word(1), "passed");
    assert!(desk.settle().is_empty());
}

#[test]
fn one_that_waits_keeps_its_place_when_it_is_pushed_to() {
    let mut desk = Desk::new(1);
    for number in 1..=3 {
        desk.push(number, number);
    }
    let first = desk.settle().remove(0);
    desk.push(2, 20);
    desk.push(2, 21);
    desk.end(&first.id, passed("a"));
    let next = desk.settle().remove(0);
    assert_eq!((&work(&next).id, work(&next).head), (&id(2), commit(21)));
}

#[test]
fn a_closed_one_wants_nothing_any_more() {
    let mut desk = Desk::new(1);
    desk.push(1, 1);
    let run = desk.settle().remove(0);
    desk.tell(Event::Check(CheckEvent::Ended { check: id(1), merged: true }));
    assert!(matches!(is_wanted(&desk.catalog, &desk.facts, work(&run)), Err(Unwanted::Superseded(_))));
    desk.end(&run.id, Outcome::Superseded { by: "closed".into() });
    assert!(desk.facts.checks.is_empty() && desk.settle().is_empty());
}

#[test]
fn one_that_is_closed_and_opened_again_waits_until_its_old_run_has_given_back_what_it_holds() {
    let mut desk = Desk::new(3);
    desk.push(1, 1);
    let old = desk.settle().remove(0);
    desk.tell(Event::Check(CheckEvent::Ended { check: id(1), merged: false }));
    desk.push(1, 1);
    assert_eq!(desk.word(1), "waiting");
    assert!(desk.settle().is_empty());
    desk.end(&old.id, Outcome::Superseded { by: "closed".into() });
    // A run of its own, although it is at the same commit: the ledger takes no id twice.
    assert_ne!(desk.settle().remove(0).id, old.id);
}

#[test]
fn only_the_environments_faults_are_tried_again_and_within_a_bound() {
    let mut desk = Desk::new(1);
    desk.push(1, 1);
    let run = desk.settle().remove(0);
    desk.end(&run.id, failed(FailureClass::Environment));
    assert_eq!(desk.word(1), "backoff");
    assert!(desk.settle().is_empty());
    desk.now = desk.plan().valid_until.unwrap();
    let again = desk.settle().remove(0);
    assert_eq!((again.attempt, again.after), (2, Some(FailureClass::Environment)));
    desk.end(&again.id, failed(FailureClass::Environment));
    assert_eq!(desk.word(1), "failed");
    desk.now = desk.now.plus("1d".parse().unwrap());
    assert!(desk.settle().is_empty());
    // Somebody may ask all the same, and counts from the beginning.
    desk.ask(1, Asked::Retest { tests: Vec::new() }, Some(7));
    let asked = desk.settle().remove(0);
    assert!(work(&asked).anew && asked.attempt == 1);
    desk.end(&asked.id, failed(FailureClass::Own));
    assert_eq!(desk.word(1), "failed");
    assert!(desk.settle().is_empty());
}

#[test]
fn flaky_tests_are_tried_again_and_a_pass_after_that_is_told_as_one() {
    let mut desk = Desk::new(1);
    desk.push(1, 1);
    let run = desk.settle().remove(0);
    desk.end(&run.id, failed(FailureClass::Flaky));
    assert_eq!((desk.word(1), desk.facts.flaky_checks(&id(1), commit(1))), ("backoff", 1));
    desk.now = desk.plan().valid_until.unwrap();
    let again = desk.settle().remove(0);
    assert!(again.is_retried());
    desk.end(&again.id, failed(FailureClass::Environment));
    // That was no fault of the tests, and has a bound of its own.
    desk.now = desk.plan().valid_until.unwrap();
    let third = desk.settle().remove(0);
    assert_eq!((third.attempt, desk.facts.flaky_checks(&id(1), commit(1))), (3, 1));
    desk.end(&third.id, failed(FailureClass::Own));
    assert_eq!(desk.word(1), "failed");
    desk.push(1, 2);
    assert_eq!(desk.facts.flaky_checks(&id(1), commit(2)), 0);
}

#[test]
fn a_comment_is_heard_once() {
    let mut desk = Desk::new(1);
    desk.push(1, 1);
    let run = desk.settle().remove(0);
    desk.end(&run.id, passed("a"));
    desk.ask(1, Asked::Retest { tests: vec!["smoke".into()] }, Some(7));
    let again = desk.settle().remove(0);
    assert_eq!(work(&again).tests, ["smoke"]);
    desk.ask(1, Asked::Retest { tests: vec!["smoke".into()] }, Some(7));
    desk.end(&again.id, passed("b"));
    desk.ask(1, Asked::Retest { tests: vec!["smoke".into()] }, Some(7));
    assert!(desk.settle().is_empty());
    desk.ask(1, Asked::Retest { tests: Vec::new() }, Some(8));
    assert_eq!(desk.settle().len(), 1);
}

#[test]
fn of_however_many_comments_none_is_heard_again() {
    let mut desk = Desk::new(1);
    desk.push(1, 1);
    let first = desk.settle().remove(0);
    desk.end(&first.id, passed("k"));
    for comment in 1..=500 {
        desk.ask(1, Asked::Nothing, Some(comment));
    }
    for comment in [1, 250, 500] {
        desk.ask(1, Asked::Retest { tests: Vec::new() }, Some(comment));
        assert_eq!(desk.settle(), [], "{comment}");
    }
    desk.ask(1, Asked::Retest { tests: Vec::new() }, Some(501));
    assert_eq!(desk.settle().len(), 1);
    assert!(desk.facts.checks[&id(1)].heard.len() <= 200, "bounded");
}

/// A check of some tests, or of all, as somebody asks for it; how the pull request stands afterwards.
fn asked(desk: &mut Desk, tests: &[&str], outcome: Outcome) -> &'static str {
    desk.ask(1, Asked::Retest { tests: tests.iter().map(|test| (*test).to_owned()).collect() }, None);
    let run = desk.settle().remove(0);
    assert_eq!(work(&run).tests, tests);
    desk.end(&run.id, outcome);
    desk.word(1)
}

#[test]
fn single_tests_that_pass_make_up_for_nothing_else() {
    let (well, badly) = (|| passed("k"), || failed(FailureClass::Own));
    let mut desk = Desk::new(1);
    desk.push(1, 1);
    // Asked for while all of it waits, they are part of that.
    desk.ask(1, Asked::Retest { tests: vec!["a".into()] }, None);
    let first = desk.settle().remove(0);
    assert!(work(&first).tests.is_empty());
    desk.end(&first.id, badly());
    for (tests, outcome, stands) in [
        (vec!["a"], well(), "failed"),
        (vec!["a", "b"], well(), "failed"),
        (vec![], well(), "passed"),
        (vec!["a"], well(), "passed"),
        (vec!["a"], badly(), "failed"),
        (vec!["b"], well(), "failed"),
        (vec!["b"], badly(), "failed"),
        (vec!["b"], well(), "failed"),
        (vec!["a"], well(), "failed"),
        (vec!["a", "b", "c"], well(), "passed"),
        (vec!["a"], badly(), "failed"),
        (vec![], badly(), "failed"),
        (vec!["a"], well(), "failed"),
        (vec![], well(), "passed"),
    ] {
        assert_eq!(asked(&mut desk, &tests, outcome.clone()), stands, "{tests:?} {outcome:?}");
    }
    // Of a commit that was never checked as a whole, they say nothing.
    desk.push(1, 2);
    desk.ask(1, Asked::Cancel, None);
    desk.ask(1, Asked::Retest { tests: vec!["b".into()] }, None);
    desk.ask(1, Asked::Retest { tests: vec!["a".into()] }, None);
    let both = desk.settle().remove(0);
    assert_eq!(work(&both).tests, ["a", "b"], "what is asked for twice is asked for together");
    desk.end(&both.id, well());
    let whole = desk.settle().remove(0);
    assert!(work(&whole).tests.is_empty());
    desk.end(&whole.id, well());
    assert_eq!(desk.word(1), "passed");
}

#[test]
fn what_is_cancelled_rests_until_somebody_asks_or_pushes() {
    let mut desk = Desk::new(1);
    desk.push(1, 1);
    let run = desk.settle().remove(0);
    desk.ask(1, Asked::Cancel, Some(1));
    assert_eq!(is_wanted(&desk.catalog, &desk.facts, work(&run)), Err(Unwanted::Cancelled("ben".into())));
    desk.end(&run.id, Outcome::Cancelled { by: "ben".into() });
    assert_eq!(desk.word(1), "cancelled");
    assert!(desk.settle().is_empty());
    desk.push(1, 2);
    assert_eq!(desk.settle().len(), 1);
    // A run that is cancelled as a run is cancelled for its pull request, too.
    let mut desk = Desk::new(1);
    desk.push(1, 1);
    let run = desk.settle().remove(0);
    desk.tell(Event::CancelRequested { run: run.id.clone(), by: "cy".into(), why: "x".into() });
    desk.end(&run.id, Outcome::Cancelled { by: "cy".into() });
    assert_eq!(desk.standing(1), CheckStanding::Cancelled { by: "cy".into() });
    desk.tell(Event::RetryRequested { subject: Subject::Check(id(1)), by: "cy".into(), why: "x".into() });
    assert_eq!(desk.settle().len(), 1);
}

#[test]
fn a_fork_is_checked_only_at_the_commit_that_somebody_vouched_for() {
    let fork = |desk: &mut Desk, head| desk.seen("web", 1, head, |pull| pull.from_fork = true);
    let mut desk = Desk::new(1);
    fork(&mut desk, 1);
    assert_eq!(desk.word(1), "held", "the source says nothing of forks");
    desk.ask(1, Asked::OkToTest { head: commit(1) }, Some(1));
    assert!(desk.settle().is_empty());

    let mut desk = Desk::new(1).with(|source| {
        Arc::make_mut(source.check.as_mut().unwrap()).forks = Some(ForkCheck { pool: None });
    });
    fork(&mut desk, 1);
    assert_eq!(desk.word(1), "needs-ok");
    assert!(desk.settle().is_empty());
    // Of another commit than the newest one it says nothing.
    desk.ask(1, Asked::OkToTest { head: commit(9) }, Some(1));
    assert!(desk.settle().is_empty());
    desk.ask(1, Asked::OkToTest { head: commit(1) }, Some(2));
    let run = desk.settle().remove(0);
    assert!(work(&run).from_fork);
    // What is pushed next, nobody has looked at.
    fork(&mut desk, 2);
    assert!(matches!(is_wanted(&desk.catalog, &desk.facts, work(&run)), Err(Unwanted::Superseded(_))));
    desk.end(&run.id, Outcome::Superseded { by: "x".into() });
    assert!(desk.settle().is_empty());
    desk.ask(1, Asked::Retest { tests: Vec::new() }, Some(3));
    assert_eq!(desk.word(1), "needs-ok");
    // And what came back to the commit that was vouched for, somebody has.
    fork(&mut desk, 1);
    assert_eq!(desk.settle().len(), 1);
}

#[test]
fn a_forks_image_is_not_built_where_the_build_has_credentials() {
    let mut desk = Desk::new(1).with(|source| {
        source.build.push = true;
        Arc::make_mut(source.check.as_mut().unwrap()).forks = Some(ForkCheck { pool: None });
    });
    desk.seen("web", 1, 1, |pull| pull.from_fork = true);
    desk.ask(1, Asked::OkToTest { head: commit(1) }, Some(1));
    assert_eq!(desk.word(1), "held");
    assert!(desk.settle().is_empty());
}

#[test]
fn only_who_may_is_heard() {
    let mut desk = Desk::new(1).with(|source| {
        Arc::make_mut(source.check.as_mut().unwrap()).forks = Some(ForkCheck { pool: None });
    });
    desk.seen("web", 1, 1, |pull| pull.from_fork = true);
    let fact = desk.facts.checks[&id(1)].clone();
    let tests = ["smoke".to_owned()];
    let asker = |is_author, may| Asker { is_author, may, at: fact.head_since.plus(Span::from_millis(1)), edited: false };
    let said = |text: &str, asker: Asker| may_ask(&commands(text)[0], asker, &fact, &tests);
    // A stranger.
    for text in ["/retest", "/cancel", "/test smoke", "/ok-to-test"] {
        assert!(said(text, asker(false, false)).is_err(), "{text}");
    }
    // The author may not vouch for themselves.
    assert!(said("/ok-to-test", asker(true, false)).is_err());
    assert_eq!(said("/cancel", asker(true, false)), Ok(Asked::Cancel));
    assert_eq!(said("/TEST smoke", asker(false, true)), Ok(Asked::Retest { tests: vec!["smoke".into()] }));
    let refused = said("/test other", asker(false, true)).unwrap_err();
    assert_eq!(refused.to_string(), "there is no test other; there are: smoke");
    assert_eq!(said("/ok-to-test", asker(false, true)), Ok(Asked::OkToTest { head: commit(1) }));
    // What was written before this commit was seen was written of another one.
    let early = Asker { at: fact.head_since, ..asker(false, true) };
    assert!(said("/ok-to-test", early).is_err());
    assert!(said(&format!("/ok-to-test {}", commit(1).short(12)), early).is_ok(), "unless it names it");
    for other in [commit(2).to_string(), "0000".to_owned()] {
        assert!(said(&format!("/ok-to-test {other}"), asker(false, true)).is_err(), "{other}");
    }
    // What somebody with power over the forge put into another's mouth.
    assert!(said("/ok-to-test", Asker { edited: true, ..asker(false, true) }).is_err());
}

#[test]
fn what_looks_like_a_command_and_is_none_is_not_heard() {
    for text in ["> /retest", "```\n/retest\n```", "please /retest", "/lgtm", "/retesting", "<!-- /retest -->", "/etc/passwd"] {
        assert_eq!(commands(text), [], "{text}");
    }
    let said = commands("looks fine\n/ok-to-test 1234567\r\n/test a b\n/cancel");
    assert_eq!(said, [Command::OkToTest(Some("1234567".into())), Command::Test(vec!["a".into(), "b".into()]), Command::Cancel]);
}

#[test]
fn the_same_tree_is_known_by_the_run_that_found_it_well_and_by_no_other() {
    let mut desk = Desk::new(2);
    desk.push(1, 1);
    desk.push(2, 2);
    let runs = desk.settle();
    desk.end(&runs[0].id, passed("key"));
    desk.end(&runs[1].id, failed(FailureClass::Own));
    let web = SourceName::new("web").unwrap();
    assert_eq!(desk.facts.checked(&web, "key").map(|tree| tree.run.clone()), Some(runs[0].id.clone()));
    assert!(desk.facts.checked(&web, "other").is_none());
    desk.push(2, 3);
    let reusing = desk.settle().remove(0);
    let reused = Some(runs[0].id.clone());
    desk.end(&reusing.id, Outcome::Checked { key: Some("key".into()), digests: BTreeMap::new(), reused, summary: String::new() });
    assert_eq!(desk.facts.checked(&web, "key").map(|tree| tree.run.clone()), Some(runs[0].id.clone()));
    assert!(desk.standing(2).text().contains(runs[0].id.as_str()));
}

#[test]
fn facts_survive_the_ledger() {
    let mut desk = Desk::new(1);
    desk.push(1, 1);
    let run = desk.settle().remove(0);
    desk.end(&run.id, passed("key"));
    desk.ask(1, Asked::Cancel, Some(4));
    let mut again = Facts::default();
    let keys = desk.facts.keys();
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        again.put(&key, desk.facts.get(&key).unwrap()).unwrap();
    }
    assert_eq!((again.checks, again.checked_trees), (desk.facts.checks, desk.facts.checked_trees));
}

/// Something that happens, at random.
#[derive(Debug, Clone)]
enum Step {
    Push { source: u8, pull: u8 },
    Close { source: u8, pull: u8 },
    Ask { source: u8, pull: u8, cancel: bool },
    Urgent { source: u8, pull: u8 },
    Start(Index),
    End(Index, u8),
    Later,
}

fn step() -> impl Strategy<Value = Step> {
    let which = || (0_u8..3, 1_u8..6);
    prop_oneof![
        6 => which().prop_map(|(source, pull)| Step::Push { source, pull }),
        1 => which().prop_map(|(source, pull)| Step::Close { source, pull }),
        1 => (which(), any::<bool>()).prop_map(|((source, pull), cancel)| Step::Ask { source, pull, cancel }),
        1 => which().prop_map(|(source, pull)| Step::Urgent { source, pull }),
        3 => any::<Index>().prop_map(Step::Start),
        5 => (any::<Index>(), 0_u8..5).prop_map(|(which, how)| Step::End(which, how)),
        1 => Just(Step::Later),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Never more than the source allows, never two of one pull request; every last push that is open and not cancelled comes to a verdict of its
    /// own; nobody is overtaken by who came later in the same lane.
    #[test]
    fn whatever_happens_every_last_push_has_its_one_verdict(steps in prop::collection::vec(step(), 1..120)) {
        let names = ["web", "shop", "mail"];
        let mut desk = Desk::of(names.iter().zip([1, 2, 3]).map(|(name, limit)| source(name, limit)).collect());
        let mut head = 0;
        let mut urgent = BTreeSet::new();
        let of = |source: u8, pull: u8| check_of(&SourceName::new(names[source as usize]).unwrap(), u64::from(pull));
        for step in steps {
            match step {
                Step::Push { source, pull } => {
                    head += 1;
                    let is_urgent = urgent.contains(&(source, pull));
                    desk.seen(names[source as usize], u64::from(pull), head, |seen| seen.urgent = is_urgent);
                }
                Step::Close { source, pull } => desk.tell(Event::Check(CheckEvent::Ended { check: of(source, pull), merged: false })),
                Step::Ask { source, pull, cancel } => {
                    let what = if cancel { Asked::Cancel } else { Asked::Retest { tests: Vec::new() } };
                    let ask = Ask { what, by: "ben".into(), why: String::new(), comment: None };
                    desk.tell(Event::Check(CheckEvent::Asked { check: of(source, pull), ask }));
                }
                Step::Urgent { source, pull } => { urgent.insert((source, pull)); }
                Step::Start(which) => {
                    let waiting: Vec<RunId> = desk.facts.open_runs.iter().filter(|(_, open)| !open.started).map(|(id, _)| id.clone()).collect();
                    if !waiting.is_empty() {
                        desk.tell(Event::RunStarted { run: which.get(&waiting).clone() });
                    }
                }
                Step::End(which, how) => {
                    let open: Vec<RunId> = desk.facts.open_runs.keys().cloned().collect();
                    if !open.is_empty() {
                        finish(&mut desk, which.get(&open), how);
                    }
                }
                Step::Later => desk.now = desk.now.plus("1h".parse().unwrap()),
            }
            // Those that could go, by what gives them their place.
            let open: BTreeSet<Subject> = desk.facts.open_runs.values().map(|open| open.subject.clone()).collect();
            let could = |id: &CheckId, fact: &CheckFact| !open.contains(&Subject::Check(id.clone())) && fact.cancelled.is_none();
            let ranks: BTreeMap<CheckId, (bool, Timestamp)> = desk.facts.checks.iter()
                .filter(|(id, fact)| could(id, fact))
                .filter_map(|(id, fact)| Some((id.clone(), (!fact.pull.urgent, fact.wanted.as_ref()?.since))))
                .collect();
            let queued: BTreeSet<CheckId> = desk.settle().iter().map(|spec| work(spec).id.clone()).collect();
            for id in &queued {
                let Some(rank) = ranks.get(id) else { continue };
                let left = ranks.iter().filter(|(other, _)| source_of(other) == source_of(id) && !queued.contains(*other));
                for (other, left) in left {
                    prop_assert!(left >= rank, "{} went before {}", id, other);
                }
            }
            for (name, limit) in names.iter().zip([1_usize, 2, 3]) {
                let own = desk.facts.open_runs.values().filter(|open| matches!(&open.spec.work, Work::Check(work) if work.source.as_str() == *name));
                let ids: Vec<_> = own.map(|open| open.subject.clone()).collect();
                prop_assert!(ids.len() <= limit, "{name}: {ids:?}");
                prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
            }
        }
        // The world comes to rest.
        for _ in 0..1000 {
            desk.settle();
            let Some(run) = desk.facts.open_runs.keys().next().cloned() else { break };
            finish(&mut desk, &run, 0);
        }
        prop_assert!(desk.facts.open_runs.is_empty() && desk.settle().is_empty());
        for (id, fact) in &desk.facts.checks {
            let standing = &desk.plan().standings[id];
            match standing {
                CheckStanding::Cancelled { .. } => prop_assert!(fact.cancelled.is_some()),
                CheckStanding::Passed { .. } | CheckStanding::Failed { .. } | CheckStanding::Backoff { .. } => {
                    prop_assert_eq!(fact.last.as_ref().map(|last| last.head), Some(fact.pull.head));
                }
                other => prop_assert!(false, "{}: {:?}", id, other),
            }
        }
    }
}

/// Ends a run as a worker would: what is not wanted any more is given up.
fn finish(desk: &mut Desk, run: &RunId, how: u8) {
    let spec = desk.facts.open_runs[run].spec.clone();
    let outcome = match is_wanted(&desk.catalog, &desk.facts, work(&spec)) {
        Err(Unwanted::Superseded(by)) => Outcome::Superseded { by },
        Err(Unwanted::Cancelled(by)) => Outcome::Cancelled { by },
        Ok(()) => match how {
            0 => passed(&work(&spec).head.to_string()),
            1 => failed(FailureClass::Own),
            2 => failed(FailureClass::Environment),
            3 => failed(FailureClass::Flaky),
            _ => Outcome::Cancelled { by: "ben".into() },
        },
    };
    desk.end(run, outcome);
}

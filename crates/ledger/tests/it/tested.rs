//! What tests did is counted once a run, and says what is flaky and since when something fails.

use std::time::Instant;

use towpath_domain::RunId;
use towpath_ledger::{Error, Ledger, TEST_RUNS_MAX, TestFilter, TestOutcome, TestStanding, Tested, TestedRun, Trial, test_id};

use TestOutcome::{Failed, Passed, Skipped};

use crate::support::*;

const SMOKE: &str = "target:smoke";

fn trial(name: &str, outcome: TestOutcome) -> Trial {
    Trial { class: "shop".into(), name: name.into(), outcome, flaky: false, attempts: 1, took_ms: Some(5) }
}

/// Begins a run of the target `smoke`.
async fn begin(ledger: &Ledger, name: &str) -> RunId {
    ledger.append(None, "c", at(0), vec![queued(deploy(name, "smoke", 1)), started(name)]).await.unwrap();
    run_id(name)
}

/// A run of these tests on a tree, at a moment; what failed in it.
async fn ran(ledger: &Ledger, name: &str, tree: &str, ms: i64, trials: Vec<Trial>) -> Vec<Tested> {
    let run = begin(ledger, name).await;
    count(ledger, run, tree, ms, trials).await
}

async fn count(ledger: &Ledger, run: RunId, tree: &str, ms: i64, trials: Vec<Trial>) -> Vec<Tested> {
    let run = TestedRun { run, commit: Some(commit(1)), tree: tree.into(), at: at(ms) };
    let epoch = ledger.run(&run.run).await.unwrap().epoch;
    ledger.count_tests(run, epoch, trials).await.unwrap().bad
}

async fn test(ledger: &Ledger, name: &str) -> Option<Tested> {
    ledger.test(&test_id(SMOKE, "shop", name)).await.unwrap()
}

#[tokio::test]
async fn the_tests_of_pull_requests_are_their_sources_so_that_one_knows_what_was_flaky_in_another() {
    let (_directory, ledger) = fresh().await;
    for (name, pull, outcome) in [("c1", "api#1", Failed), ("c2", "api#2", Passed)] {
        ledger.append(None, "c", at(0), vec![queued(check(name, pull)), started(name)]).await.unwrap();
        count(&ledger, run_id(name), "a", 1, vec![trial("checkout", outcome)]).await;
    }
    let test = ledger.test(&test_id("source:api", "shop", "checkout")).await.unwrap().unwrap();
    assert_eq!((test.subject.as_str(), test.flakes), ("source:api", 1));
}

#[tokio::test]
async fn a_test_that_fails_and_passes_on_the_same_tree_is_flaky_and_a_broken_one_fails_since_it_broke() {
    let (directory, ledger) = fresh().await;
    ran(&ledger, "r1", "a", 1, vec![trial("checkout", Passed), trial("search", Passed)]).await;
    let bad = ran(&ledger, "r2", "b", 2, vec![trial("checkout", Failed), trial("search", Failed)]).await;
    assert!(bad.iter().all(|test| test.flakes == 0 && test.since_run == run_id("r2")), "{bad:?}");
    let bad = ran(&ledger, "r3", "b", 3, vec![trial("checkout", Passed), trial("search", Failed)]).await;
    assert_eq!(bad.len(), 1);
    assert_eq!((bad[0].name.as_str(), &bad[0].since_run, bad[0].since), ("search", &run_id("r2"), at(2)));
    let checkout = test(&ledger, "checkout").await.unwrap();
    assert_eq!((checkout.flakes, checkout.flaky_at, checkout.outcome), (1, Some(at(3)), Passed));
    // As it stood when the second run had ended, nobody knew.
    let then = ledger.tests_of(&run_id("r2")).await.unwrap();
    assert_eq!(then.iter().map(|test| test.flakes).collect::<Vec<_>>(), [0, 0]);

    let times = ledger.test_times(&checkout.id).await.unwrap();
    assert_eq!(
        times.iter().map(|time| (time.run.as_str(), time.outcome)).collect::<Vec<_>>(),
        [("r3", Passed), ("r2", Failed), ("r1", Passed)]
    );
    ledger.close().await;
    drop(ledger);
    let ledger = Ledger::open(directory.path()).await.unwrap();
    assert_eq!(test(&ledger, "checkout").await, Some(checkout), "after a restart");
    assert!(ledger.rebuild().await.unwrap().is_empty() && ledger.verify().await.unwrap().is_clean());
    assert_eq!(ledger.test_times(&test_id(SMOKE, "shop", "search")).await.unwrap().len(), 3, "counting anew leaves it as it is");
}

#[tokio::test]
async fn a_run_that_is_counted_again_is_counted_once_and_a_worker_that_lost_it_counts_nothing() {
    let (_directory, ledger) = fresh().await;
    let run = begin(&ledger, "r1").await;
    count(&ledger, run.clone(), "a", 1, vec![trial("checkout", Failed), trial("gone", Passed)]).await;
    // The next worker found another report than the first one.
    count(&ledger, run.clone(), "a", 2, vec![trial("checkout", Passed)]).await;
    let checkout = test(&ledger, "checkout").await.unwrap();
    assert_eq!((checkout.outcome, checkout.flakes), (Passed, 0), "one run is no flaky test");
    assert_eq!(ledger.test_times(&checkout.id).await.unwrap().len(), 1);
    assert_eq!(test(&ledger, "gone").await, None);
    let tested = TestedRun { run: run.clone(), commit: None, tree: "a".into(), at: at(3) };
    let lost = ledger.count_tests(tested, 77, vec![trial("checkout", Failed)]).await.unwrap_err();
    assert!(matches!(lost, Error::Fenced { .. }), "{lost}");
    assert_eq!(test(&ledger, "checkout").await.unwrap().outcome, Passed);
}

#[tokio::test]
async fn the_same_test_in_two_suites_counts_by_the_worst_and_is_not_flaky_for_it() {
    let (_directory, ledger) = fresh().await;
    for (name, tree) in [("r1", "a"), ("r2", "b")] {
        let bad = ran(&ledger, name, tree, 1, vec![trial("login", Passed), trial("login", Failed), trial("login", Skipped)]).await;
        assert_eq!((bad.len(), bad[0].flakes), (1, 0));
    }
    let tried = Trial { flaky: true, attempts: 2, ..trial("login", Passed) };
    ran(&ledger, "r3", "c", 2, vec![tried]).await;
    let login = test(&ledger, "login").await.unwrap();
    assert_eq!((login.outcome, login.flakes, login.flaky_at), (Passed, 1, Some(at(2))));
}

#[tokio::test]
async fn tests_are_found_by_text_and_standing_flaky_ones_first() {
    let (_directory, ledger) = fresh().await;
    let names = ["alpha", "beta_100%", "gamma"];
    ran(&ledger, "r1", "a", 1, names.map(|name| trial(name, Passed)).to_vec()).await;
    ran(&ledger, "r2", "a", 2, vec![trial("alpha", Passed), trial("beta_100%", Passed), trial("gamma", Failed)]).await;
    let found =
        async |filter: TestFilter| ledger.tests(&filter, 2).await.unwrap().rows.into_iter().map(|test| test.name).collect::<Vec<_>>();
    assert_eq!(found(TestFilter::default()).await, ["gamma", "alpha"]);
    assert_eq!(found(TestFilter { skip: 2, ..TestFilter::default() }).await, ["beta_100%"]);
    assert_eq!(found(TestFilter { text: Some("_100%".into()), ..TestFilter::default() }).await, ["beta_100%"]);
    assert_eq!(found(TestFilter { text: Some("SHOP".into()), ..TestFilter::default() }).await.len(), 2);
    let standing = |standing| TestFilter { standing: Some(standing), ..TestFilter::default() };
    assert_eq!(found(standing(TestStanding::Failing)).await, ["gamma"]);
    assert_eq!(found(standing(TestStanding::FlakySince(at(2)))).await, ["gamma"]);
    assert_eq!(found(standing(TestStanding::FlakySince(at(3)))).await, [""; 0]);
    assert_eq!(found(TestFilter { subjects: Some(vec!["target:other".into()]), ..TestFilter::default() }).await, [""; 0]);
    assert_eq!(ledger.tested_subjects().await.unwrap()[SMOKE], 3);
}

#[tokio::test]
async fn history_is_bounded_and_forgets_tests_that_no_run_has_any_more() {
    let (_directory, ledger) = fresh().await;
    ran(&ledger, "first", "t", 0, vec![trial("checkout", Failed), trial("removed", Passed)]).await;
    for number in 0..TEST_RUNS_MAX {
        assert!(test(&ledger, "removed").await.is_some());
        ran(&ledger, &format!("r{number}"), "t", 1, vec![trial("checkout", Passed)]).await;
    }
    assert_eq!(test(&ledger, "removed").await, None);
    let checkout = test(&ledger, "checkout").await.unwrap();
    assert_eq!(ledger.test_times(&checkout.id).await.unwrap().len(), TEST_RUNS_MAX);
    assert_eq!(checkout.flakes, 0, "its failure is forgotten");
}

#[tokio::test]
async fn twenty_thousand_tests_are_counted_in_seconds_whatever_their_history() {
    let (_directory, ledger) = fresh().await;
    let trials = |odd: usize| -> Vec<Trial> {
        let one = |number: usize| Trial {
            class: format!("com.example.shop.module{}.SmokeTest", number % 100),
            outcome: if number % 1000 == odd { Failed } else { Passed },
            ..trial(&format!("test_something_that_people_care_for_{number}"), Passed)
        };
        (0..20_000).map(one).collect()
    };
    let mut slowest = 0.0_f64;
    for number in 0..12 {
        let run = begin(&ledger, &format!("r{number}")).await;
        let began = Instant::now();
        count(&ledger, run, &format!("t{number}"), 1, trials(number)).await;
        slowest = slowest.max(began.elapsed().as_secs_f64());
    }
    println!("the slowest of 12 runs of 20,000 tests took {slowest:.2} s to count");
    assert!(slowest < 10.0, "{slowest}");
}

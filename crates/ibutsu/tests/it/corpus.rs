//! Whatever reports there are, they make an archive that is taken, and the counts agree.

use proptest::prelude::*;
use serde_json::Value;
use towpath_ibutsu::fake::PROJECT;
use towpath_ibutsu::{Limits, Mode, Told, Upload, archive};
use towpath_junit::{Case, Detail, Outcome, Property, Report, Summary};

use crate::given::*;

/// Holds what the server has against what the reports say.
#[track_caller]
fn agree(world: &World, upload: &Upload, mode: Mode) {
    let mut summary = Summary::default();
    let distinct = upload.reports.iter().enumerate().filter(|(at, one)| one.1.cases.is_empty() || !upload.reports[..*at].contains(one));
    distinct.for_each(|(_, (name, report))| summary.add(name, report));
    let run = world.run();
    let id = run["id"].as_str().unwrap();
    let has = ends(&world.server, id);
    let has = |end: &str| has.get(end).copied().unwrap_or(0);
    assert_eq!(world.server.results(id).len() as u64, summary.tests, "{mode:?}");
    assert_eq!((has("failed"), has("error"), has("passed")), (summary.failed, summary.errors, summary.passed));
    assert_eq!(has("skipped") + has("xfailed") + has("xpassed"), summary.skipped);
    // Ours, and the server's own when it counted anew.
    for moment in ["as we said", "as the server counts"] {
        let said = |name: &str| run_of(world)["summary"][name].as_u64().unwrap_or_else(|| panic!("{moment}: {name}"));
        assert_eq!((said("tests"), said("passes"), said("failures")), (summary.tests, summary.passed, summary.failed), "{moment}");
        assert_eq!((said("errors"), said("collected"), said("not_run")), (summary.errors, summary.tests, 0), "{moment}");
        assert_eq!(said("skips") + said("xfailures") + said("xpasses"), summary.skipped, "{moment}");
        assert_eq!(said("pass_percent"), (summary.passed * 100).checked_div(summary.tests).unwrap_or(0), "{moment}");
        world.server.five_seconds_later();
    }
}

fn run_of(world: &World) -> Value {
    world.run()
}

#[tokio::test]
async fn every_report_of_the_corpus_arrives_whole_in_both_ways() {
    let corpus = corpus();
    assert!(corpus.len() >= 8, "{:?}", corpus.keys());
    for (name, report) in corpus {
        for mode in [Mode::Archive, Mode::Api] {
            let world = World::new().await;
            let upload = upload("deploy-web-1", vec![(name.as_str(), report.clone())]);
            let uploaded = send(&world.ibutsu(mode), &upload).await.unwrap_or_else(|error| panic!("{name} {mode:?}: {error}"));
            assert_eq!(uploaded.results, report.cases.len() as u64);
            agree(&world, &upload, mode);
        }
    }
}

#[tokio::test]
async fn all_of_them_together_are_one_run() {
    for mode in [Mode::Archive, Mode::Api] {
        let world = World::new().await;
        let all = corpus();
        let upload = upload("deploy-web-1", all.iter().map(|(name, report)| (name.as_str(), report.clone())).collect());
        send(&world.ibutsu(mode), &upload).await.unwrap();
        agree(&world, &upload, mode);
    }
}

#[test]
fn an_archive_has_the_same_bytes_each_time() {
    let all = corpus();
    let upload = upload("deploy-web-1", all.iter().map(|(name, report)| (name.as_str(), report.clone())).collect());
    let bytes = || archive(&Told::of(&upload, PROJECT.0, &Limits::default()), STARTED).unwrap();
    assert_eq!(bytes(), bytes());
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["", "[a-z]{1,6}", "[a-z.\\[\\]/ \"'<&\n\u{0}ä€]{0,12}", Just("../../etc".to_owned()), Just("run.json".to_owned())]
}

fn cases() -> impl Strategy<Value = Vec<Case>> {
    let outcome = prop_oneof![Just(Outcome::Passed), Just(Outcome::Skipped), Just(Outcome::Failed), Just(Outcome::Error)];
    let detail = prop::option::of((text(), text(), text()).prop_map(|(kind, message, text)| Detail { kind, message, text }));
    let property = (text(), text()).prop_map(|(name, value)| Property { name, value });
    let rest = (prop::option::of(text()), prop::option::of(any::<u64>()), 1..4_u32, any::<bool>(), prop::collection::vec(property, 0..3));
    let case = (text(), text(), text(), outcome, detail, rest).prop_map(|(suite, class, name, outcome, detail, rest)| {
        let (output, line, attempts, flaky, properties) = rest;
        let flaky = flaky && outcome == Outcome::Passed;
        Case { suite: suite.into(), class, name, outcome, detail, output, line, attempts, flaky, properties, ..Case::default() }
    });
    prop::collection::vec(case, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn whatever_a_report_holds_the_server_takes_it(
        reports in prop::collection::vec((text(), cases()), 0..4),
        files in prop::collection::vec((text(), prop::collection::vec(any::<u8>(), 0..20)), 0..4),
        api in any::<bool>(),
    ) {
        let mode = if api { Mode::Api } else { Mode::Archive };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let mut upload = upload("deploy-web-1", Vec::new());
            upload.reports = reports.into_iter().map(|(name, cases)| (name, Report { cases, ..Report::default() })).collect();
            upload.artifacts = files;
            send(&world.ibutsu(mode), &upload).await.unwrap();
            agree(&world, &upload, mode);
        });
    }
}

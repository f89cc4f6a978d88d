//! The generated installation is what it says: sound to the ledger, and at rest but for what it names.
#![cfg(feature = "generated")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use towpath_catalog::{InputFile, load};
use towpath_domain::Timestamp;
use towpath_engine::{Action, Hold, State, Subject, plan};
use towpath_ledger::Ledger;
use towpath_testbed::generated::{Generated, Shape};

fn files(folder: &Path, root: &Path, found: &mut Vec<InputFile>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files(&path, root, found);
        } else {
            found.push(InputFile::new(path.strip_prefix(root).unwrap().to_str().unwrap(), std::fs::read(&path).unwrap()));
        }
    }
}

#[tokio::test]
async fn the_planner_finds_it_at_rest_but_for_what_it_names_and_the_ledger_adds_up() {
    let made = Generated::kept(Shape::SMALL);
    let ledger = Ledger::read_only(made.folder.join(".towpath")).await.unwrap();
    let report = ledger.verify().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.differences.first());
    assert_eq!((report.runs, report.events), (made.known().runs, made.known().events));
    assert!(report.runs >= u64::try_from(Shape::SMALL.runs).unwrap(), "{} runs", report.runs);

    let mut input = Vec::new();
    let config = made.folder.join("config");
    files(&config.join("data"), &config, &mut input);
    let loaded = load(input);
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(loaded.catalog.targets.len(), 24 * 3 + 8);
    let facts = ledger.facts().clone();
    let now = Timestamp::from_millis(facts.config_at.unwrap().as_millis() + 3_600_000);
    let found = plan(&loaded.catalog, &facts, now);
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for (subject, verdict) in &found.verdicts {
        let of = match (subject, &verdict.state) {
            (_, State::UpToDate) => continue,
            (Subject::Source(_), State::Act { action: Action::Run { .. } }) => "builds".to_owned(),
            (_, State::Act { action }) => format!("{action:?}"),
            (_, State::Held { holds }) => match holds.first().unwrap() {
                Hold::Failed { .. } => "failed".to_owned(),
                Hold::BuildFailed { .. } => "not built".to_owned(),
                Hold::Building { .. } => "waits for its image".to_owned(),
                Hold::Frozen { .. } => "frozen".to_owned(),
                other => format!("{other:?}"),
            },
        };
        *states.entry(of).or_default() += 1;
    }
    let wanted = [("builds", 1), ("failed", 3), ("frozen", 1), ("not built", 1), ("waits for its image", 1)];
    assert_eq!(states, wanted.map(|(state, count)| (state.to_owned(), count)).into());
}

#[test]
#[ignore = "takes a minute, and is what the load benches and the pages' tests begin with anyway"]
fn the_large_one_is_made_within_a_minute() {
    let begun = std::time::Instant::now();
    let made = Generated::kept(Shape::LARGE);
    println!("{} runs, {} events, made in {:.1} s", made.known().runs, made.known().events, begun.elapsed().as_secs_f64());
}

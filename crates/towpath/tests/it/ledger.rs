//! `towpath ledger` on a ledger that the test makes.

use towpath_domain::Timestamp;
use towpath_engine::Event;
use towpath_ledger::Ledger;

use crate::harness::Place;

fn with_ledger() -> Place {
    let place = Place::new();
    place.write("towpath.toml", "[config]\nurl = \"config\"\n");
    let state = place.path(".towpath");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::open(&state).await.unwrap();
        let commit = "a".repeat(40).parse().unwrap();
        ledger.append(None, "towpath", Timestamp::from_millis(1), vec![Event::ConfigSeen { commit, errors: 0 }]).await.unwrap();
        ledger.close().await;
    });
    place
}

#[test]
fn a_ledger_is_verified_copied_and_put_back() {
    let place = with_ledger();
    let said = place.towpath(&["ledger", "verify"]).ok();
    assert_eq!(said.stdout, "1 events, 1 facts, 0 runs, 0 steps: everything adds up.\n");
    let said = place.towpath(&["ledger", "verify", "--output", "json"]).ok().json();
    assert_eq!((&said["events"], &said["differences"]), (&1.into(), &serde_json::json!([])));

    let said = place.towpath(&["ledger", "backup", "copy.db"]).ok();
    assert!(said.stdout.is_empty() && said.stderr.contains("copy.db"), "{said:?}");
    place.towpath(&["ledger", "backup", "copy.db"]).exits(1).refusal();
    place.towpath(&["ledger", "verify", "--file", "copy.db"]).ok().stdout.clear();

    let refused = place.towpath(&["ledger", "restore", "copy.db"]).exits(1);
    assert!(refused.refusal().1.contains("--force"), "{refused:?}");
    let said = place.towpath(&["ledger", "restore", "copy.db", "--force"]).ok();
    assert!(said.stderr.contains("The one that was there"), "{said:?}");
    place.towpath(&["ledger", "verify"]).ok().stdout.clear();
}

#[test]
fn a_ledger_that_does_not_add_up_or_is_not_there_is_told() {
    let place = Place::new();
    place.write("towpath.toml", "[config]\nurl = \"config\"\n");
    let said = place.towpath(&["ledger", "verify"]).exits(3);
    assert!(said.refusal().0.contains("there is no ledger"), "{said:?}");
    place.write("not-a-ledger.db", "hello, this is no database at all, but a text of some length\n");
    let said = place.towpath(&["ledger", "verify", "--file", "not-a-ledger.db"]);
    assert!(said.code == 1 || said.code == 5, "{said:?}");
    said.refusal();
}

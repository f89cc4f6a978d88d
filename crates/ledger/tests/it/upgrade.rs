//! What earlier versions wrote is read, and what later ones write is kept and counted like all else.

use towpath_engine::{Event, FactKey, Subject};
use towpath_ledger::{EventFilter, EventId, Ledger, event_kind};

use crate::support::*;

/// Events as the first version wrote them.
const OLD: [&str; 3] = [
    r#"{"event":"rendered","target":"stage","commit":"0000001000000000000000000000000000000001","input_hash":"i1","outcome":{"outcome":"rendered","fingerprint":"f","images":["registry.example.com/api:1"],"only_jobs":false,"objects":3}}"#,
    r#"{"event":"rendered","target":"stage","commit":"0000001000000000000000000000000000000001","input_hash":"i1","outcome":{"outcome":"failed","class":"own","message":"no such parameter"}}"#,
    r#"{"event":"run-queued","id":"r1","attempt":1,"work":{"work":"deploy","target":"stage","commit":"0000001000000000000000000000000000000001","fingerprint":"f","input_hash":"i1","publish":["stage-ok"],"config_hash":"c","release":{},"vouchers":[],"only_jobs":false},"why":"it is wanted"}"#,
];

#[tokio::test]
async fn a_ledger_of_the_first_version_is_read_verified_and_counted_anew() {
    let (directory, ledger) = fresh().await;
    for text in OLD {
        let event: Event = serde_json::from_str(text).unwrap();
        // To the byte: what an event or a fact holds that nobody says is not written, so that sums over old rows come out the same.
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
        ledger.append(None, "c", at(1), vec![event]).await.unwrap();
    }
    let facts = ledger.facts().clone();
    let row = facts.get(&FactKey::Renders(towpath_domain::TargetId::new("stage").unwrap())).unwrap();
    assert!(!row.to_string().contains("secrets"), "{row}");
    ledger.close().await;
    drop(ledger);
    // The first version's facts: other limits, other rules.
    tamper(
        &directory.path().join("ledger.db"),
        "UPDATE counted SET version = '0.1.0'; UPDATE facts SET value = '[]' WHERE key LIKE '%renders%'",
    )
    .await;
    let ledger = Ledger::open(directory.path()).await.unwrap();
    assert_eq!(*ledger.facts(), facts);
    assert!(ledger.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn what_was_seen_of_images_secrets_and_memory_is_kept_verified_and_counted_anew() {
    let (directory, ledger) = fresh().await;
    let stage = Subject::Target(towpath_domain::TargetId::new("stage").unwrap());
    ledger.append(None, "c", at(1), vec![queued(deploy("r1", "stage", 1)), started("r1")]).await.unwrap();
    let events = vec![
        image_looked(1, true),
        image_looked(2, false),
        Event::ImageAnnounced { image: image(2) },
        secret_seen("web/db", "7"),
        memory_raised("r1", 2 << 30),
    ];
    let kinds: Vec<&str> = events.iter().map(event_kind).collect();
    ledger.append(None, "c", at(2), events).await.unwrap();
    let facts = ledger.facts().clone();
    assert_eq!((facts.images[&image(1)].looks, facts.images[&image(2)].announced), (1, true));
    assert_eq!((facts.secrets["web/db"].version.as_str(), facts.memory[&stage]), ("7", 2 << 30));
    for key in [FactKey::Image(image(1)), FactKey::Secret("web/db".to_owned()), FactKey::Memory(stage.clone())] {
        assert!(facts.keys().contains(&key) && facts.get(&key).is_some(), "{key:?}");
    }
    let touched = ledger.touched_since(EventId::new(6)).unwrap().1;
    assert_eq!(touched, [FactKey::Memory(stage.clone())]);

    let stored = ledger.events(&EventFilter::default(), 10).await.unwrap().rows;
    let stored: Vec<&str> = stored.iter().map(|recorded| event_kind(&recorded.event)).collect();
    assert!(kinds.iter().all(|kind| stored.contains(kind)), "{stored:?}");
    let of_run = EventFilter { run: Some(run_id("r1")), ..EventFilter::default() };
    let of_run = ledger.events(&of_run, 10).await.unwrap().rows;
    assert!(of_run.iter().any(|recorded| event_kind(&recorded.event) == "memory-raised"), "a run's story tells of its memory");
    assert!(ledger.verify().await.unwrap().is_clean());
    ledger.close().await;
    drop(ledger);

    let ledger = Ledger::open(directory.path()).await.unwrap();
    assert_eq!(*ledger.facts(), facts, "after a restart");
    ledger.close().await;
    drop(ledger);
    tamper(&directory.path().join("ledger.db"), "DELETE FROM facts WHERE key LIKE '%image%' OR key LIKE '%secret%' OR key LIKE '%memory%'")
        .await;
    let ledger = Ledger::open(directory.path()).await.unwrap();
    assert_eq!(ledger.verify().await.unwrap().differences.len(), 4, "what is missing is found");
    assert!(ledger.rebuild().await.unwrap().is_empty());
    assert_eq!(*ledger.facts(), facts);
    assert!(ledger.verify().await.unwrap().is_clean());
}

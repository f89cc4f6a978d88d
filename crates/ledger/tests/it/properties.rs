//! Whatever happens in whatever order: memory, rows and events say the same.

use proptest::prelude::*;
use towpath_domain::Span;
use towpath_engine::Event;
use towpath_ledger::{Ledger, WorkKind};

use crate::support::*;

/// Something that somebody does to the ledger; much of it is nonsense and is refused.
#[derive(Debug, Clone)]
enum Op {
    Append(Vec<Event>),
    Claim {
        lease_ms: u64,
    },
    /// Finishes what was claimed as the n-th.
    Finish(usize),
    Withdraw(u32),
    ReleaseAll,
    Reopen,
}

fn spec(n: u32) -> Event {
    let name = format!("r{n}");
    queued(match n % 3 {
        0 => build(&name, n / 2),
        1 => deploy(&name, ["stage", "prod"][(n as usize / 3) % 2], n),
        _ => change(&name, &format!("p{}", n / 6)),
    })
}

fn event() -> impl Strategy<Value = Event> {
    let run = (0..9_u32).prop_map(|n| format!("r{n}"));
    prop_oneof![
        2 => (0..5_u32).prop_map(config_seen),
        2 => (0..5_u32).prop_map(branch_seen),
        6 => (0..9_u32).prop_map(spec),
        2 => run.clone().prop_map(|run| started(&run)),
        2 => (run.clone(), "[ab]").prop_map(|(run, step)| step_started(&run, &step)),
        2 => (run.clone(), "[ab]").prop_map(|(run, step)| step_done(&run, &step)),
        1 => ((0..3_u32), any::<bool>()).prop_map(|(n, there)| image_looked(n, there)),
        1 => (0..3_u32).prop_map(|n| Event::ImageAnnounced { image: image(n) }),
        1 => (0..3_u32).prop_map(|n| secret_seen("web/db", &n.to_string())),
        1 => (run.clone(), 0..3_u64).prop_map(|(run, bytes)| memory_raised(&run, bytes)),
        3 => (run, 0..3_u32).prop_map(|(run, how)| finished(&run, match how { 0 => built(1), 1 => deployed(), _ => failed() })),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => prop::collection::vec(event(), 1..4).prop_map(Op::Append),
        4 => (0..50_u64).prop_map(|lease_ms| Op::Claim { lease_ms }),
        3 => (0..6_usize).prop_map(Op::Finish),
        1 => (0..9_u32).prop_map(Op::Withdraw),
        1 => Just(Op::ReleaseAll),
        1 => Just(Op::Reopen),
    ]
}

async fn carry_out(ops: Vec<Op>) {
    let (directory, mut ledger) = fresh().await;
    let mut claims = Vec::new();
    for (n, op) in (0_i64..).zip(ops) {
        let now = at(n * 10);
        let (facts, latest) = (ledger.facts().clone(), ledger.latest());
        let refused = match op {
            Op::Append(events) => ledger.append(None, "c", now, events).await.is_err(),
            Op::Claim { lease_ms } => {
                claims.extend(ledger.claim("w", &WorkKind::ALL, Span::from_millis(lease_ms), now).await.unwrap());
                false
            }
            Op::Finish(which) => match claims.get(which) {
                Some(claim) => {
                    let run = &claim.spec.id;
                    let current = ledger.run(run).await.unwrap();
                    let done = ledger.run_append(run, claim.epoch, now, vec![finished(run.as_str(), failed())]).await;
                    assert_eq!(done.is_ok(), current.epoch == claim.epoch && current.finished.is_none());
                    done.is_err()
                }
                None => false,
            },
            Op::Withdraw(run) => {
                let newer = towpath_engine::Outcome::Superseded { by: "newer".into() };
                ledger.withdraw(&run_id(&format!("r{run}")), newer, None, "c", now).await.is_err()
            }
            Op::ReleaseAll => ledger.release_leases().await.is_err(),
            Op::Reopen => {
                ledger.close().await;
                drop(ledger);
                ledger = Ledger::open(directory.path()).await.unwrap();
                assert_eq!((ledger.facts().clone(), ledger.latest()), (facts.clone(), latest));
                false
            }
        };
        if refused {
            assert_eq!((ledger.facts().clone(), ledger.latest()), (facts, latest), "a refusal left something behind");
        }
        let report = ledger.verify().await.unwrap();
        assert!(report.is_clean(), "{:?}", report.differences);
    }
    let facts = ledger.facts().clone();
    drop(ledger);
    assert_eq!(*Ledger::open(directory.path()).await.unwrap().facts(), facts);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_sequence_of_events_everything_adds_up(ops in prop::collection::vec(op(), 1..30)) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(carry_out(ops));
    }
}

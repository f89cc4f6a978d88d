use std::collections::BTreeMap;

use towpath_domain::{ChangeId, Channel, Digest, ImageRef, RunId, SourceName, TargetId};
use towpath_engine::pool::PoolEvent;
use towpath_engine::{RunSpec, Voucher};
use towpath_ledger::{EventId, RunState};

use super::*;

struct Town;

impl Names for Town {
    fn last_lines(&self, _: &RunId, step: &str, count: usize) -> Vec<String> {
        assert!(["compile", "test"].contains(&step) && count == LAST_LINES);
        vec!["Run `cargo check`.".to_owned(), "error: could not compile `api`".to_owned(), String::new()]
    }

    fn title(&self, subject: &Subject) -> Option<String> {
        matches!(subject, Subject::Target(_)).then(|| "api / production".to_owned())
    }

    fn environment(&self, _: &Subject) -> Option<String> {
        Some("production".to_owned())
    }

    fn lease(&self, reservation: &ReservationId) -> Option<Lease> {
        let (namespace, pool) = ("smoke-3f9a".to_owned(), "smoke".to_owned());
        let lease =
            Lease { namespace, pool, requester: "ann".to_owned(), purpose: "trying\nthe new queue.".to_owned(), about: About::default() };
        (reservation.as_str() == "for-ann").then_some(lease)
    }
}

fn commit() -> CommitId {
    "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap()
}

fn deploy(vouchers: Vec<Voucher>, only_jobs: bool) -> Work {
    Work::Deploy(DeployWork {
        target: TargetId::new("4fd1").unwrap(),
        commit: commit(),
        fingerprint: "f".into(),
        input_hash: "i".into(),
        publish: Vec::new(),
        config_hash: "c".into(),
        release: BTreeMap::new(),
        vouchers,
        only_jobs,
        takeover: false,
    })
}

fn voucher() -> Voucher {
    Voucher { channel: Channel::new("stage-ok").unwrap(), target: TargetId::new("77aa").unwrap(), fingerprint: "f".into(), runs: 1 }
}

fn build() -> Work {
    Work::Build { source: SourceName::new("api").unwrap(), commit: commit(), build_hash: "b".into() }
}

fn change(kind: ChangeKind) -> Work {
    Work::Change(ChangeSpec {
        id: ChangeId::new("promote-api-5f8f0e1").unwrap(),
        kind,
        edits: Vec::new(),
        title: "Promote api to 5f8f0e1 in production".into(),
        description: String::new(),
        by: "towpath".into(),
        pull: None,
        replaces: Vec::new(),
        parts: Vec::new(),
        moved: Vec::new(),
    })
}

fn failed(class: FailureClass) -> Outcome {
    Outcome::Failed {
        class,
        step: "compile".into(),
        message: "src/main.rs:3: expected `;`\nRun `cargo check`.".into(),
        refused: false,
        blame: None,
    }
}

fn told(work: Work, outcome: Outcome, attempt: u32) -> Option<Message> {
    told_after(None, work, outcome, attempt)
}

fn told_after(after: Option<FailureClass>, work: Work, outcome: Outcome, attempt: u32) -> Option<Message> {
    let id = RunId::new("build-api 1").unwrap();
    let at = Timestamp::from_millis(1_700_000_000_000);
    let spec = RunSpec { id: id.clone(), attempt, work, why: "its channels vouch for 5f8f0e1.".into(), after };
    let run = Run {
        spec,
        state: RunState::Finished,
        queued: EventId::new(5),
        queued_at: at,
        started: Some(EventId::new(6)),
        started_at: Some(at),
        finished: Some(EventId::new(7)),
        finished_at: Some(at),
        outcome: Some(outcome.clone()),
        worker: Some("w1".into()),
        epoch: 1,
        cancel: None,
        lease_until: None,
    };
    let event = Event::RunFinished { run: id, outcome };
    let recorded = Recorded { id: EventId::new(7), cause: Some(EventId::new(6)), at, actor: "w1".into(), event };
    Writer { names: &Town, pages: Some(&Pages::new("https://towpath.example.com")) }.write(&recorded, &run)
}

fn text(message: Option<Message>) -> String {
    message.map_or_else(|| "(nothing)".to_owned(), |message| format!("[{:?}] {}\n{}", message.kind, message.title, message.body))
}

#[test]
fn who_has_a_namespace_hears_when_its_end_is_near_and_how_to_keep_it() {
    let told = |name: &str| {
        let (reservation, at) = (ReservationId::new(name).unwrap(), Timestamp::from_millis(1_700_000_000_000));
        let until = at.plus(Span::from_secs(600));
        let event = Event::Pool(PoolEvent::Expires { reservation: reservation.clone(), until });
        let recorded = Recorded { id: EventId::new(7), cause: None, at, actor: "towpath".into(), event };
        let writer = Writer { names: &Town, pages: Some(&Pages::new("https://towpath.example.com")) };
        writer.lease_ends(&recorded, &reservation, until)
    };
    insta::assert_snapshot!("lease", text(told("for-ann")));
    assert_eq!(told("over"), None);
}

#[test]
fn people_are_told_what_failed_where_why_and_what_happens_next() {
    let all = [
        text(told(build(), failed(FailureClass::Own), 1)),
        text(told(deploy(vec![voucher()], false), failed(FailureClass::Environment), 2)),
        text(told(deploy(vec![voucher()], true), failed(FailureClass::Flaky), 1)),
        text(told(change(ChangeKind::Rollback), failed(FailureClass::Unknown), 1)),
        text(told(Work::Delete { target: TargetId::new("4fd1").unwrap() }, failed(FailureClass::Own), 1)),
    ];
    insta::assert_snapshot!("failures", all.join("\n\n"));
}

#[test]
fn a_pass_after_flaky_tests_failed_is_told_as_a_retried_one_and_any_other_is_not() {
    let deployed = || Outcome::Deployed { digests: BTreeMap::new() };
    let title = |after| told_after(after, deploy(vec![voucher()], true), deployed(), 2).unwrap().title;
    assert!(title(Some(FailureClass::Flaky)).ends_with(", as a retried pass"), "{}", title(Some(FailureClass::Flaky)));
    for after in [None, Some(FailureClass::Environment), Some(FailureClass::Own)] {
        assert!(!title(after).contains("retried"), "{after:?}");
    }
}

#[test]
fn people_are_told_what_arrived_and_what_was_merged() {
    let deployed = || Outcome::Deployed { digests: BTreeMap::new() };
    let all = [
        text(told(deploy(Vec::new(), false), deployed(), 1)),
        text(told(deploy(vec![voucher()], false), deployed(), 1)),
        text(told(deploy(vec![voucher()], true), deployed(), 1)),
        text(told(change(ChangeKind::Promotion), Outcome::Merged { commit: commit() }, 1)),
        text(told(change(ChangeKind::Hold), Outcome::Merged { commit: commit() }, 1)),
    ];
    insta::assert_snapshot!("successes", all.join("\n\n"));
}

#[test]
fn what_another_message_tells_asks_for_nobodys_attention() {
    let image = ImageRef::tagged("registry.example.com/api", "5f8f0e1").unwrap();
    for outcome in [
        Outcome::Built { image, digest: Digest::from_bytes([1; 32]) },
        Outcome::Superseded { by: "a newer commit".into() },
        Outcome::Cancelled { by: "Ada".into() },
    ] {
        let message = told(build(), outcome, 1).unwrap();
        assert_eq!(message.kind.weight(), Weight::Progress, "{}", message.title);
        assert!(!crate::Route::default().wants(message.kind), "{}", message.title);
    }
    assert_eq!(told(build(), Outcome::Deleted, 1), None);
}

#[test]
fn machines_get_the_event_its_subject_its_run_and_links() {
    insta::assert_json_snapshot!("payload", told(build(), failed(FailureClass::Own), 1).unwrap());
}

#[test]
fn the_last_lines_are_told_but_not_what_the_failure_says_already() {
    let message = told(build(), failed(FailureClass::Own), 1).unwrap();
    assert_eq!(message.last_lines, ["error: could not compile `api`"]);
    let links: Vec<&str> = message.links.iter().map(|link| link.text.as_str()).collect();
    assert_eq!(links, ["Run", "Logs", "Retry"]);
    let message = told(deploy(vec![voucher()], false), failed(FailureClass::Own), 1).unwrap();
    assert_eq!(message.links.last().map(|link| link.url.as_str()), Some("https://towpath.example.com/runs/build-api%201/rollback"));
}

#[test]
fn how_long_it_took_is_told_as_people_say_it() {
    let said: Vec<String> = [40, 1_234, 61_700, 3_723_456].map(|ms| rough(Span::from_millis(ms))).into();
    assert_eq!(said, ["0s", "1s200ms", "1m1s", "1h2m"]);
}

#[test]
fn a_failure_of_a_thousand_lines_is_told_by_its_beginning() {
    let outcome =
        Outcome::Failed { class: FailureClass::Own, step: "test".into(), message: "ärger\n".repeat(1000), refused: false, blame: None };
    let message = told(build(), outcome, 1).unwrap();
    assert!(message.body.chars().count() < MAX_DETAIL_CHARS + 300 && message.body.contains('…'), "{}", message.body);
    assert!(!message.title.contains('\n'));
}

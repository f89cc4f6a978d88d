use super::*;

fn wanted() -> ReservationWanted {
    ReservationWanted {
        name: "pr-1".into(),
        installation: "test".into(),
        pool: "default".into(),
        requester: "ann".into(),
        lasting: Span::from_secs(5400),
        team: None,
    }
}

fn live(change: impl FnOnce(&mut Value)) -> Value {
    let mut live = object(&wanted(), "cloud.redhat.com/v1alpha1");
    live["metadata"]["creationTimestamp"] = json!("2026-01-02T03:00:00Z");
    change(&mut live);
    live
}

#[test]
fn a_reservation_always_has_a_duration_as_go_writes_it() {
    assert_eq!(live(|_| {})["spec"], json!({"requester": "ann", "pool": "default", "duration": "5400s"}));
    let of = |text: &str| duration(&json!({"spec": {"duration": text}}));
    assert_eq!(of("1h30m0s"), Some(Span::from_secs(5400)));
    assert_eq!((of("0s"), of("0")), (Some(Span::from_millis(0)), Some(Span::from_millis(0))));
    assert_eq!(of(""), Some(Span::from_secs(3600)), "the operator's own");
    assert_eq!((of("soon"), duration(&json!({"spec": {}}))), (None, None));
}

#[test]
fn each_state_of_the_operator_is_understood() {
    let of = |state: &str, namespace: &str| {
        let status = json!({"state": state, "namespace": namespace, "expiration": "2026-01-02T04:30:00Z"});
        standing(&live(|live| live["status"] = status), None)
    };
    let end = live(|_| {}).pointer("/metadata/creationTimestamp").map(|_| Timestamp::from_millis(1_767_328_200_000));
    assert_eq!(
        of("active", "ephemeral-x"),
        ReservationStanding::Active { namespace: NamespaceName::new("ephemeral-x").unwrap(), expires: end }
    );
    assert_eq!((of("deleting", "a"), of("expired", "a")), (ReservationStanding::Ending, ReservationStanding::Ending));
    let why = |standing: ReservationStanding| match standing {
        ReservationStanding::Waiting { why, expires } => {
            assert_eq!(expires, end);
            why
        }
        other => panic!("{other:?}"),
    };
    assert!(why(of("active", "")).contains("names no namespace"));
    assert!(why(of("error", "")).contains("\"error\""));
    // Before the operator has looked, its end is what was asked for.
    assert!(why(standing(&live(|_| {}), None)).contains("has not looked at it yet"));
    assert_eq!(standing(&live(|live| live["spec"]["duration"] = json!("0s")), None), ReservationStanding::Ending, "released");
    assert_eq!(standing(&live(|live| live["metadata"]["deletionTimestamp"] = json!("now")), None), ReservationStanding::Ending);
}

#[test]
fn a_reservation_that_waits_says_how_full_its_pool_is() {
    let waiting = live(|live| live["status"] = json!({"state": "waiting", "namespace": "", "expiration": "2026-01-02T04:30:00Z"}));
    let pool = json!({"spec": {"sizeLimit": 5}, "status": {"ready": 0, "creating": 2, "reserved": 3}});
    let ReservationStanding::Waiting { why, .. } = standing(&waiting, Some(&pool)) else { panic!() };
    assert!(why.contains("pool default has no namespace free: 0 ready, 2 being made, 3 reserved of at most 5"), "{why}");
    let ReservationStanding::Waiting { why, .. } = standing(&waiting, None) else { panic!() };
    assert!(why.contains("waits in vain"), "{why}");
}

#[test]
fn a_reservation_of_that_name_is_the_one_only_if_it_is_for_the_same() {
    assert_eq!(other(&live(|live| live["spec"]["duration"] = json!("9h")), &wanted()), None, "it may have been extended");
    assert!(other(&live(|live| live["metadata"]["annotations"] = json!({})), &wanted()).unwrap().contains("not made by Towpath"));
    assert!(
        other(&live(|live| live["metadata"]["annotations"][INSTALLATION] = json!("x")), &wanted()).unwrap().contains("another Towpath")
    );
    assert!(other(&live(|live| live["spec"]["requester"] = json!("bob")), &wanted()).unwrap().contains("for bob"));
    assert!(other(&live(|live| live["spec"]["duration"] = json!("0s")), &wanted()).unwrap().contains("has ended"));
}

//! Namespaces leased from the ephemeral-namespace-operator, whose part the test plays.

use serde_json::{Value, json};
use towpath_cluster::{Cluster as _, ClusterError, KubeCluster, ReservationStanding, ReservationWanted, Reservations};
use towpath_domain::{NamespaceName, Span};

use super::bench::{INSTALLATION, Real};
use super::permissions::{as_holder, documented};

/// A cluster with the operator's kinds and a pool, seen by whoever holds the documented role.
fn given() -> Option<(Real, KubeCluster, String)> {
    let bench = Real::start()?;
    bench.kube.install_crds();
    let pool = bench.kube.new_name("pool");
    let spec = json!({"size": 1, "sizeLimit": 3, "local": true, "limitrange": {"spec": {"limits": []}}, "resourcequotas": {"items": []}});
    let object = json!({"apiVersion": "cloud.redhat.com/v1alpha1", "kind": "NamespacePool", "metadata": {"name": pool}, "spec": spec});
    bench.kube.apply(&object.to_string());
    let cluster = as_holder(&bench, &documented("towpath-reservations"));
    Some((bench, cluster, pool))
}

fn wanted(bench: &Real, pool: &str) -> ReservationWanted {
    ReservationWanted {
        name: bench.kube.new_name("pr"),
        installation: INSTALLATION.to_owned(),
        pool: pool.to_owned(),
        requester: "ann".to_owned(),
        lasting: Span::from_secs(3600),
        team: None,
    }
}

/// What the operator says of a reservation.
fn says(bench: &Real, name: &str, state: &str, namespace: &str) {
    let status = json!({"state": state, "namespace": namespace, "expiration": "2026-01-02T04:30:00Z", "pool": "default"});
    bench.kube.set_status(&format!("/apis/cloud.redhat.com/v1alpha1/namespacereservations/{name}"), &status);
}

fn live(bench: &Real, name: &str) -> Value {
    bench.kube.get(&["namespacereservation", name])
}

async fn waits(leases: &dyn Reservations, name: &str) -> String {
    match leases.look(name).await.unwrap() {
        ReservationStanding::Waiting { why, expires } => {
            assert!(expires.is_some());
            why
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_leased_extended_and_given_back() {
    let Some((bench, cluster, pool)) = given() else { return };
    let (leases, wanted) = (cluster.reservations().unwrap(), wanted(&bench, &pool));
    let name = wanted.name.as_str();
    assert_eq!(leases.look(name).await.unwrap(), ReservationStanding::Absent);
    assert!(leases.release(name, INSTALLATION).await.unwrap());
    leases.reserve(&wanted).await.unwrap();
    leases.reserve(&wanted).await.unwrap();
    assert_eq!(live(&bench, name)["spec"], json!({"requester": "ann", "pool": pool, "duration": "3600s"}), "never without a duration");
    assert!(waits(leases, name).await.contains("has not looked at it yet"));

    bench
        .kube
        .set_status(&format!("/apis/cloud.redhat.com/v1alpha1/namespacepools/{pool}"), &json!({"ready": 0, "creating": 1, "reserved": 2}));
    says(&bench, name, "waiting", "");
    let why = waits(leases, name).await;
    assert!(why.contains("0 ready, 1 being made, 2 reserved of at most 3"), "{why}");
    says(&bench, name, "active", "");
    assert!(waits(leases, name).await.contains("names no namespace yet"));
    says(&bench, name, "active", "ephemeral-abc123");
    let ReservationStanding::Active { namespace, expires } = leases.look(name).await.unwrap() else { panic!() };
    assert_eq!(namespace, NamespaceName::new("ephemeral-abc123").unwrap());
    assert_eq!(expires.unwrap().to_string(), "2026-01-02T04:30:00.000Z");

    for _ in 0..2 {
        leases.extend(name, INSTALLATION, Span::from_secs(7200)).await.unwrap();
        assert_eq!(live(&bench, name)["spec"]["duration"], "7200s");
    }
    leases.extend(name, INSTALLATION, Span::from_secs(60)).await.unwrap();
    assert_eq!(live(&bench, name)["spec"]["duration"], "7200s", "never shorter");

    for _ in 0..2 {
        assert!(!leases.release(name, INSTALLATION).await.unwrap());
        assert_eq!(live(&bench, name)["spec"]["duration"], "0s");
    }
    assert_eq!(leases.look(name).await.unwrap(), ReservationStanding::Ending);
    let ended = leases.extend(name, INSTALLATION, Span::from_secs(9000)).await.unwrap_err();
    assert!(matches!(ended, ClusterError::NotFound { .. }), "{ended}");
    assert!(leases.reserve(&wanted).await.unwrap_err().to_string().contains("has ended"));
    bench.kube.kubectl(&["delete", "namespacereservation", name]);
    assert!(leases.release(name, INSTALLATION).await.unwrap());
    assert_eq!(leases.look(name).await.unwrap(), ReservationStanding::Absent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_wait_for_ever_or_is_somebody_elses_is_refused() {
    let Some((bench, cluster, pool)) = given() else { return };
    let (leases, good) = (cluster.reservations().unwrap(), wanted(&bench, &pool));
    for (bad, words) in [
        (ReservationWanted { pool: "no-such-pool".to_owned(), ..good.clone() }, "wait for ever; it has "),
        (ReservationWanted { lasting: Span::from_millis(10), ..good.clone() }, "less than a second"),
        (ReservationWanted { name: "PR_1".to_owned(), ..good.clone() }, "no DNS label"),
    ] {
        let refused = leases.reserve(&bad).await.unwrap_err();
        assert!(matches!(&refused, ClusterError::Refused { .. }) && refused.to_string().contains(words), "{refused}");
    }
    assert_eq!(leases.look(&good.name).await.unwrap(), ReservationStanding::Absent, "nothing was made");

    leases.reserve(&good).await.unwrap();
    let other = ReservationWanted { installation: "another".to_owned(), ..good.clone() };
    assert!(leases.reserve(&other).await.unwrap_err().to_string().contains("belongs to another Towpath"));
    let for_bob = ReservationWanted { requester: "bob".to_owned(), ..good.clone() };
    assert!(leases.reserve(&for_bob).await.unwrap_err().to_string().contains("is there already for ann"));
    assert!(leases.extend(&good.name, "another", Span::from_secs(9000)).await.is_err());
    assert!(leases.release(&good.name, "another").await.unwrap(), "nothing of theirs is there");
    assert_eq!(live(&bench, &good.name)["spec"]["duration"], "3600s");

    // A pool that goes while something waits for it.
    says(&bench, &good.name, "waiting", "");
    bench.kube.kubectl(&["delete", "namespacepool", &pool]);
    assert!(waits(leases, &good.name).await.contains("waits in vain"));
}

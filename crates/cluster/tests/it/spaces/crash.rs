//! A process that dies between any two calls to the API server: whoever comes after it finds done what was done.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{self, StreamExt as _};
use serde_json::json;
use towpath_cluster::{Cluster as _, EphemeralNamespaces, KubeCluster, NamespaceStanding, NamespaceWanted, Requester, Subject};
use towpath_domain::NamespaceName;

use super::bench::{Bench, INSTALLATION, Real, gone, secret, secrets};
use crate::kube::proxy::{Answer, Proxy};

/// What a server says to whoever may no longer write: nothing that anybody would try again.
const DEAD: &str = "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A Towpath that dies when it has written so many times.
struct Mortal {
    cluster: KubeCluster,
    writes: Arc<AtomicUsize>,
    _proxy: Proxy,
}

impl Mortal {
    fn new(bench: &Real, life: usize) -> Self {
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&writes);
        let proxy = Proxy::of_requests(bench.kube, move |first| {
            let writes =
                if first.starts_with("GET ") { counted.load(Ordering::SeqCst) } else { counted.fetch_add(1, Ordering::SeqCst) + 1 };
            if writes > life { Answer::Say(DEAD.to_owned()) } else { Answer::Pass }
        });
        Self { cluster: proxy.cluster(), writes, _proxy: proxy }
    }

    fn spaces(&self) -> &dyn EphemeralNamespaces {
        self.cluster.namespaces().unwrap()
    }

    /// Whether it came to the end of what it had to do.
    fn survived(&self, life: usize) -> bool {
        self.writes.load(Ordering::SeqCst) <= life
    }
}

/// More writes than anything here takes.
const LONGEST: usize = 9;

/// How many live at the same time.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_cut_short_is_done_by_whoever_comes_after() {
    let Some(bench) = Real::start() else { return };
    let base = bench.ordinary().await;
    bench.put(&base, &secret("login", "hunter2")).await;
    let lives = stream::iter(0..=LONGEST).map(|life| lived(&bench, &base, life));
    let survived: Vec<bool> = lives.buffered(AT_ONCE).collect().await;
    // The namespace, its quota, its limits, a secret and two manifests: whoever writes less than that does not make it.
    assert_eq!(survived.iter().position(|survived| *survived), Some(6), "{survived:?}");
    assert_eq!(survived.last(), Some(&true));
}

/// A namespace is made, given and ended, each by one who dies after so many writes, and each time by another who comes after. Whether nobody had to.
async fn lived(bench: &Real, base: &NamespaceName, life: usize) -> bool {
    let ann = Requester { name: "ann".to_owned(), subject: Some(Subject::User("ann".to_owned())), role: "edit".to_owned() };
    let mut wanted = NamespaceWanted { secrets: secrets(base, &["login"]), ..bench.wanted() };
    let outside = format!("of-{}", wanted.name);
    wanted
        .manifests
        .push(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": outside}, "rules": []}));

    let maker = Mortal::new(bench, life);
    let made = maker.spaces().make(&wanted).await;
    assert_eq!(made.is_ok(), maker.survived(life), "{made:?}");
    drop(maker);
    bench.make_ready(&wanted).await;

    let giver = Mortal::new(bench, life);
    let given = giver.spaces().grant(&wanted.name, INSTALLATION, &ann).await;
    assert_eq!(given.is_ok(), giver.survived(life), "{given:?}");
    drop(giver);
    if life > 0 {
        assert!(matches!(bench.made(&wanted).await, NamespaceStanding::Dirty { .. }), "begun to be given, it is given to nobody else");
    }
    bench.spaces().grant(&wanted.name, INSTALLATION, &ann).await.unwrap();

    let ender = Mortal::new(bench, life);
    let ended = ender.spaces().end(&wanted.name, INSTALLATION).await;
    assert_eq!(ended.is_ok(), ender.survived(life), "{ended:?}");
    gone(bench.spaces(), &wanted.name).await;
    assert_eq!(bench.spaces().standing(&wanted).await.unwrap(), NamespaceStanding::Absent);
    assert!(bench.spaces().found(INSTALLATION).await.unwrap().iter().all(|found| found.name != wanted.name));
    assert!(!bench.kube.try_kubectl(&["get", "clusterrole", &outside]).status.success(), "what was outside of it went with it");
    made.is_ok() && given.is_ok() && ended.is_ok()
}

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::*;
use crate::contents::Field;
use crate::error::SecretErrorKind;

/// Counts how often it is asked, waits for a go, and then answers or fails.
struct Counting {
    asked: Arc<AtomicUsize>,
    go: Arc<Notify>,
    lease: Option<Duration>,
    fails: bool,
}

impl Backend for Counting {
    fn load<'a>(&'a self, _: &'a str, _: Option<u64>) -> BoxFuture<'a, Result<Contents, SecretError>> {
        Box::pin(async move {
            let count = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            self.go.notified().await;
            if self.fails {
                return Err(SecretError::new(SecretErrorKind::Unreachable, "away", "wait"));
            }
            let fields = BTreeMap::from([("f".to_owned(), Field::new(format!("value {count}").into_bytes()))]);
            Ok(Contents { fields, version: count.to_string(), lease: self.lease })
        })
    }

    fn examine(&self) -> BoxFuture<'_, Result<Health, SecretError>> {
        Box::pin(async { Ok(Health { summary: String::new(), warnings: Vec::new() }) })
    }
}

struct Scene {
    store: Arc<Cached<Counting>>,
    asked: Arc<AtomicUsize>,
    go: Arc<Notify>,
}

fn scene(longest: u64, lease: Option<u64>, fails: bool) -> Scene {
    let (asked, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let backend = Counting { asked: Arc::clone(&asked), go: Arc::clone(&go), lease: lease.map(Duration::from_secs), fails };
    Scene { store: Arc::new(Cached::new(backend, Duration::from_secs(longest))), asked, go }
}

impl Scene {
    fn read(&self) -> tokio::task::JoinHandle<Result<Fetched, SecretError>> {
        let store = Arc::clone(&self.store);
        tokio::spawn(async move { store.read(&Request::new("a", "f")).await })
    }

    async fn read_now(&self) -> String {
        self.go.notify_one();
        let fetched = self.read().await.expect("joined").expect("read");
        fetched.value.expose().to_owned()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn many_at_once_ask_once_and_share_the_answer() {
    let scene = scene(60, None, false);
    let reads: Vec<_> = (0..50).map(|_| scene.read()).collect();
    while scene.asked() == 0 {
        tokio::task::yield_now().await;
    }
    scene.go.notify_one();
    for read in reads {
        assert_eq!(read.await.expect("joined").expect("read").value.expose(), "value 1");
    }
    assert_eq!(scene.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_by_those_who_waited_and_is_not_kept() {
    let scene = scene(60, None, true);
    let reads: Vec<_> = (0..10).map(|_| scene.read()).collect();
    while scene.asked() == 0 {
        tokio::task::yield_now().await;
    }
    scene.go.notify_one();
    for read in reads {
        let error = read.await.expect("joined").expect_err("failed");
        assert_eq!(error.to_string(), "secret `a`, field `f`: away; wait");
    }
    assert_eq!(scene.asked(), 1);
    scene.go.notify_one();
    assert!(scene.read().await.expect("joined").is_err());
    assert_eq!(scene.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn values_leave_the_memory_when_their_time_is_over_though_nobody_asks() {
    let scene = scene(60, None, false);
    assert_eq!(scene.read_now().await, "value 1");
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(scene.read_now().await, "value 1");
    assert_eq!(scene.store.inner.slots().len(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(scene.store.inner.slots().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_shortens_the_time_and_nothing_lengthens_it_beyond_a_minute() {
    let short = scene(60, Some(5), false);
    assert_eq!(short.read_now().await, "value 1");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(short.read_now().await, "value 2");

    let long = scene(100_000, Some(2_764_800), false);
    assert_eq!(long.read_now().await, "value 1");
    tokio::time::sleep(LONGEST_KEPT + Duration::from_secs(1)).await;
    assert_eq!(long.read_now().await, "value 2");

    let none = scene(0, None, false);
    assert_eq!(none.read_now().await, "value 1");
    assert_eq!(none.read_now().await, "value 2");
}

#[tokio::test(start_paused = true)]
async fn one_who_goes_away_does_not_take_the_answer_from_the_others() {
    let scene = scene(60, None, false);
    let (first, second) = (scene.read(), scene.read());
    while scene.asked() == 0 {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.is_err());
    scene.go.notify_one();
    assert_eq!(second.await.expect("joined").expect("read").value.expose(), "value 1");
}

#[tokio::test(start_paused = true)]
async fn after_all_went_away_the_next_one_starts_anew() {
    let scene = scene(60, None, false);
    let first = scene.read();
    while scene.asked() == 0 {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.is_err());
    assert_eq!(scene.read_now().await, "value 2");
}

#[tokio::test]
async fn a_path_that_climbs_never_reaches_the_store() {
    let scene = scene(60, None, false);
    let error = scene.store.read(&Request::new("a/../b", "f")).await.expect_err("refused");
    assert_eq!(error.kind(), SecretErrorKind::Refused);
    assert!(scene.store.version("../b", None).await.is_err());
    assert_eq!(scene.asked(), 0);
}

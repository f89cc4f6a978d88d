//! Who follows what happens: nothing is missed, nothing is told twice, nothing is told that may not be seen.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use towpath_control::view::HistoryLine;
use towpath_domain::Timestamp;
use towpath_web::Endpoint;
use towpath_web::fake::Shown;

use crate::harness::{Server, server};

const ANY: &str = "127.0.0.1:0";

fn event(id: i64) -> HistoryLine {
    let event = serde_json::json!({ "event": "config-seen" });
    let text = format!("event number {id}");
    HistoryLine { id, at: Timestamp::from_millis(id), cause: None, actor: "towpath".into(), text, scopes: Vec::new(), event }
}

/// One who follows, and all that they got so far.
pub struct Follower {
    stream: TcpStream,
    pub got: String,
}

impl Follower {
    pub async fn new(server: &Server, path: &str, header: &str) -> Self {
        let Endpoint::Tcp(address) = &server.endpoint else { panic!("not over TCP") };
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{header}\r\n").as_bytes()).await.unwrap();
        let mut follower = Self { stream, got: String::new() };
        follower.until("retry: ").await;
        follower
    }

    /// Reads until there is this text.
    async fn until(&mut self, text: &str) {
        let reading = async {
            while !self.got.contains(text) {
                let mut buffer = [0; 8192];
                let read = self.stream.read(&mut buffer).await.unwrap();
                assert!(read > 0, "it ended before {text:?}: {}", self.got);
                self.got.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap_or_else(|_| panic!("no {text:?} came"));
    }

    async fn until_its_end(&mut self) {
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(20), self.stream.read_to_end(&mut rest)).await.unwrap().unwrap();
        self.got.push_str(std::str::from_utf8(&rest).unwrap());
    }

    /// Until the answer ends, at once: sooner than anybody looks again by time. The connection stays for other requests.
    pub async fn until_it_is_over(&mut self) {
        let reading = async {
            while !self.got.ends_with("\r\n0\r\n\r\n") {
                let mut buffer = [0; 8192];
                let read = self.stream.read(&mut buffer).await.unwrap();
                assert!(read > 0, "it broke off: {}", self.got);
                self.got.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(4), reading).await.unwrap();
    }

    /// The numbers of the events that were told, in order.
    fn told(&self) -> Vec<i64> {
        let data = self.got.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter_map(|data| serde_json::from_str::<HistoryLine>(data).ok()).map(|line| line.id).collect()
    }
}

#[tokio::test]
async fn who_follows_hears_of_what_happens_from_now_on_and_who_was_away_of_what_they_missed() {
    let server = server(ANY, Shown { history: (1..=3).map(event).collect(), ..Shown::default() }).await;
    server.brain.show(|_| {});
    let mut now = Follower::new(&server, "/api/v1/events", "").await;
    let mut away = Follower::new(&server, "/api/v1/events?after=1", "").await;
    let mut back = Follower::new(&server, "/api/v1/events?after=1", "last-event-id: 2\r\n").await;
    server.brain.show(|shown| shown.history.push(event(4)));
    for follower in [&mut now, &mut away, &mut back] {
        follower.until("event number 4").await;
    }
    assert_eq!(now.told(), [4]);
    assert_eq!(away.told(), [2, 3, 4]);
    assert_eq!(back.told(), [3, 4], "what was received last counts before what the page knew");
    assert!(now.got.contains("content-type: text/event-stream") && now.got.contains("cache-control: no-store"), "{}", now.got);
}

#[tokio::test]
async fn a_burst_that_is_longer_than_what_is_kept_reaches_all_as_a_whole_and_once() {
    let server = server(ANY, Shown::default()).await;
    let mut followers = Vec::new();
    for _ in 0..20 {
        followers.push(Follower::new(&server, "/api/v1/events?after=0", "").await);
    }
    // In one go, and more than one reading of the ledger brings.
    server.brain.show(|shown| shown.history.extend((1..=1700).map(event)));
    server.brain.show(|shown| shown.history.push(event(1701)));
    for follower in &mut followers {
        follower.until("event number 1701\"").await;
        assert_eq!(follower.told(), (1..=1701).collect::<Vec<_>>());
    }
    // Twenty who follow cost no twenty readings: one, and what was missed by those who were too slow for it.
    let readings = server.brain.asked().iter().filter(|asked| asked.starts_with("events after")).count();
    assert!(readings < 20 * 6, "{readings}");
}

#[tokio::test]
async fn who_missed_too_much_or_comes_from_another_ledger_is_told_to_load_anew() {
    let server = server(ANY, Shown::default()).await;
    server.brain.show(|shown| shown.history.push(event(50_000)));
    for after in [1, 60_000] {
        let mut follower = Follower::new(&server, &format!("/api/v1/events?after={after}"), "").await;
        follower.until("event: reset").await;
        assert!(follower.got.contains("id: 50000"), "{}", follower.got);
    }
    let mut follower = Follower::new(&server, "/api/v1/events?after=49000", "").await;
    follower.until("event number 50000").await;
}

#[tokio::test]
async fn a_stopped_server_ends_its_streams() {
    let server = server(ANY, Shown::default()).await;
    let mut follower = Follower::new(&server, "/api/v1/events", "").await;
    server.stop.send(true).unwrap();
    follower.until_its_end().await;
    server.ended.await.unwrap();
}

#[tokio::test]
async fn what_is_no_number_of_an_event_is_refused() {
    let server = server(ANY, Shown::default()).await;
    for id in ["abc", "-1", "1.5", "99999999999999999999"] {
        let said = server.raw(&format!("GET /api/v1/events HTTP/1.1\nhost: localhost\nlast-event-id: {id}"), "").await;
        assert_eq!((said.status, said.problem().as_str()), (400, "bad-header"), "{id}");
    }
    assert_eq!(server.get("/api/v1/events?after=x").await.problem(), "bad-query");
}

/// 1,000 streams that wait, 200 of which are asked when the event reaches them. The machine's own memory figures; Linux only.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_streams_take_little_memory_and_an_event_reaches_all_within_a_second() {
    if towpath_web::open_files(4096) < 4096 {
        let _: Option<()> = towpath_testbed::skipped("this process may not open 4096 files");
        return;
    }
    let server = server(ANY, Shown::default()).await;
    Follower::new(&server, "/api/v1/events", "").await;
    let before = resident_kib();
    let mut followers = Vec::new();
    for _ in 0..1000 {
        followers.push(Follower::new(&server, "/api/v1/events", "").await);
    }
    let grown = resident_kib().saturating_sub(before);
    // Both ends are in this process.
    assert!(grown < 100 * 1024, "{grown} KiB for 1,000 streams");
    let begun = std::time::Instant::now();
    server.brain.show(|shown| shown.history.push(event(7)));
    for follower in followers.iter_mut().take(200) {
        follower.until("event number 7").await;
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    println!("1,000 idle streams: {grown} KiB at both ends; an event reached 200 of them within {:?}", begun.elapsed());
    // The API is not kept out by streams.
    assert_eq!(server.get("/api/v1/status").await.status, 200);
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

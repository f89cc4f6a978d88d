//! Open pages: how soon they know, and what they cost while nothing happens.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::Instant;

use crate::server::Server;
use crate::{addresses, load, ms, process};

/// Pages that wait for an event, and how often one is sent.
const OPEN: usize = 200;
const EVENTS: usize = 20;

/// Streams that stand open.
const IDLE: usize = 1000;

/// How long they do.
const FOR: Duration = Duration::from_secs(20);

struct Stream {
    lines: Lines<BufReader<OwnedReadHalf>>,
    _asked: tokio::net::tcp::OwnedWriteHalf,
}

impl Stream {
    async fn open(server: &Server) -> Self {
        let host = server.base.trim_start_matches("http://").to_owned();
        let (answered, mut asked) = TcpStream::connect(&host).await.unwrap().into_split();
        let head = format!("GET /api/v1/events HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n\r\n");
        asked.write_all(head.as_bytes()).await.unwrap();
        let mut stream = Self { lines: BufReader::new(answered).lines(), _asked: asked };
        let status = stream.lines.next_line().await.unwrap().unwrap();
        assert!(status.contains(" 200 "), "{status}");
        stream.after("retry:").await;
        stream
    }

    /// Reads on to a line that begins so.
    async fn after(&mut self, wanted: &str) {
        while !self.lines.next_line().await.unwrap().expect("a stream goes on").starts_with(wanted) {}
    }
}

pub async fn measure(server: &Server, pid: u32) {
    let before = process::memory_mib(pid, "VmRSS");
    let mut streams = Vec::new();
    for _ in 0..OPEN {
        streams.push(Stream::open(server).await);
    }
    let (asking, what) = (load::asking(), addresses::incident(server));
    let mut all = Vec::new();
    for _ in 0..EVENTS {
        let begun = Instant::now();
        let reading = streams.into_iter().map(|mut stream| {
            tokio::spawn(async move {
                stream.after("data:").await;
                (begun.elapsed(), stream)
            })
        });
        let reading: Vec<_> = reading.collect();
        load::see_to(&asking, &server.base, &what).await;
        streams = Vec::new();
        let mut last = Duration::ZERO;
        for one in reading {
            let (took, stream) = one.await.unwrap();
            last = last.max(took);
            streams.push(stream);
        }
        all.push(last);
    }
    all.sort_unstable();
    println!("| | median | worst of {EVENTS} |");
    println!("| --- | --- | --- |");
    println!("| from the request that causes an event to the last of {OPEN} streams | {} | {} |", ms(all[EVENTS / 2]), ms(all[EVENTS - 1]));

    while streams.len() < IDLE {
        streams.push(Stream::open(server).await);
    }
    tokio::time::sleep(FOR).await;
    let after = process::memory_mib(pid, "VmRSS");
    println!(
        "\n{IDLE} streams that stand open for {} s: {before} MiB before, {after} MiB then, {} MiB more",
        FOR.as_secs(),
        after.saturating_sub(before)
    );
}

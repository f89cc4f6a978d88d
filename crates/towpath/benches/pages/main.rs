//! What pages cost on a large installation: `cargo bench -p towpath --bench pages [-- --seconds N] [--only NAME]`.
//!
//! A server on the generated installation of 300 apps, 1,000 targets and 100,000 runs, with its production of a machine's two cores shared
//! between it and this client. Each page's HTML is asked for 50 times a second, whether earlier answers have come or not: times count from when
//! a request was due. Once at rest, and once while something happens every second, so that nothing that was reckoned before holds for long.
//! Then an event is sent to 200 open streams, and 1,000 of them stand open.
//!
//! Goals: 50 ms at the median and 150 ms at p99, 100 kB compressed; an event to 200 pages within 1 s; 1,000 idle streams in 100 MiB.

// A benchmark that cannot run should say so loudly.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod addresses;
mod load;
#[path = "../scale/process.rs"]
#[expect(dead_code, reason = "it tells of CPU, too")]
mod process;
#[path = "../../tests/it/pages/server.rs"]
#[expect(dead_code, reason = "tests ask for more of it")]
mod server;
mod streams;

use std::time::{Duration, Instant};

use towpath_testbed::generated::Shape;

use self::server::Server;

/// How long each page is asked for.
const SECONDS: u64 = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag: &str| arguments.iter().position(|a| a == flag).and_then(|at| arguments.get(at + 1));
    let seconds = after("--seconds").and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let only = after("--only").map(String::as_str);
    let begun = Instant::now();
    let (server, made) = Server::with(Shape::LARGE);
    let known = made.known();
    println!("{} runs, {} events; the server answers {:.1} s after the start", known.runs, known.events, begun.elapsed().as_secs_f64());
    let pid = server.pid();
    println!("memory at rest: {} MiB\n", process::memory_mib(pid, "VmRSS"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let pages = addresses::all(&server, &made);
    println!("| page | at rest: median | p99 | while things happen: median | p99 | worst | compressed |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (name, address) in pages.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        let rest = runtime.block_on(load::page(&server.base, address, Duration::from_secs(seconds), None));
        let busy = runtime.block_on(load::page(&server.base, address, Duration::from_secs(seconds), Some(&addresses::incident(&server))));
        println!(
            "| {name} | {} | {} | {} | {} | {} | {:.1} kB |",
            ms(rest.at(50)),
            ms(rest.at(99)),
            ms(busy.at(50)),
            ms(busy.at(99)),
            ms(busy.at(100)),
            rest.bytes as f64 / 1000.0
        );
    }
    println!("\nmemory after that: {} MiB\n", process::memory_mib(pid, "VmRSS"));
    if only.is_none() {
        runtime.block_on(streams::measure(&server, pid));
    }
}

fn ms(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}

//! A server on the repository: what it costs to start, to stand idle, to answer, and to follow a small commit.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use towpath_ledger::{EventFilter, Ledger};

use crate::process::{cpu, memory_mib};
use crate::reading::median;
use crate::repository::Repository;
use crate::tell;

/// How long the idle server is watched.
const IDLE: Duration = Duration::from_secs(30);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(600);

pub fn measure(folder: &Path, repository: &Repository) {
    let config = folder.join("towpath.toml");
    std::fs::write(&config, format!("[config]\nurl = {:?}\n", repository.bare.display().to_string())).unwrap();
    let log = std::fs::File::create(folder.join("server.log")).unwrap();
    let begun = Instant::now();
    let mut server = towpath(&config, &["serve"]).stdout(Stdio::null()).stderr(log).spawn().expect("the server can be started");
    let pid = server.id();
    until(&mut server, || status(&config).is_some_and(|s| s["targets"].as_array().is_some_and(|t| !t.is_empty())));
    tell("server: from its start to its first answer with all targets", begun.elapsed());
    // Every source is looked at once, and found unreachable.
    until(&mut server, || {
        let sources = status(&config).unwrap_or_default();
        let of =
            |source: &Value| source["verdict"]["holds"].as_array().is_some_and(|holds| holds.iter().any(|h| h["reason"] == "unreachable"));
        sources["sources"].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(of))
    });
    tell("server: from its start to having looked at all sources", begun.elapsed());
    tell("server: CPU up to then, with its git processes", cpu(pid));

    let mut answers: Vec<Duration> = (0..7)
        .map(|_| {
            let begun = Instant::now();
            status(&config).unwrap();
            begun.elapsed()
        })
        .collect();
    tell("`towpath status --output json` (median)", median(&mut answers));

    let mut followed: Vec<Duration> = (0..3)
        .map(|_| {
            let seen = in_force(folder);
            repository.small_commit();
            let pushed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            until(&mut server, || in_force(folder) > seen);
            in_force(folder).saturating_sub(pushed)
        })
        .collect();
    tell("server: from a one-file commit's push to it being in force (median)", median(&mut followed));

    let before = cpu(pid);
    std::thread::sleep(IDLE);
    let share = (cpu(pid) - before).as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    println!("{:<70} {share:>9.1} %", "server: idle, share of one core, with its git processes");
    println!("{:<70} {:>7} MiB", "server: memory, idle", memory_mib(pid, "VmRSS"));
    println!("{:<70} {:>7} MiB", "server: memory, the most ever", memory_mib(pid, "VmHWM"));
    let ended =
        rustix::process::Pid::from_raw(pid.cast_signed()).map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
    assert!(matches!(ended, Some(Ok(()))), "the server was still there");
    server.wait().unwrap();
}

fn towpath(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_towpath"));
    command.args(arguments).arg("--config").arg(config).stdin(Stdio::null());
    // The sources' host: a port on this machine where nobody listens, so that no network decides the figures.
    command.env("GIT_CONFIG_COUNT", "1");
    command.env("GIT_CONFIG_KEY_0", "url.http://127.0.0.1:9/.insteadOf").env("GIT_CONFIG_VALUE_0", "https://git.example.com/");
    command
}

fn status(config: &Path) -> Option<Value> {
    let output = towpath(config, &["status", "--output", "json"]).output().expect("the binary can be started");
    serde_json::from_slice(&output.stdout).ok()
}

/// When the catalog that counts was adopted, since 1970.
fn in_force(folder: &Path) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::read_only(folder.join(".towpath")).await.unwrap();
        let filter = EventFilter { kind: Some("config-seen".to_owned()), ..EventFilter::default() };
        let last = ledger.events(&filter, 1).await.unwrap().rows.pop();
        let at = last.map_or(0, |recorded| u64::try_from(recorded.at.as_millis()).unwrap_or_default());
        ledger.close().await;
        Duration::from_millis(at)
    })
}

fn until(server: &mut Child, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        let ended = server.try_wait().unwrap();
        assert!(ended.is_none() && begun.elapsed() < PATIENCE, "the server does not get there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

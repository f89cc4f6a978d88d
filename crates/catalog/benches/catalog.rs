//! How long a catalog takes to load, and how much memory: `cargo bench -p towpath-catalog --features generator`.
//!
//! Prints one row for each size. Goals, on two cores: 10,000 targets within 0.5 s and 200 MiB, 100,000 within ten times that.

use std::io;
use std::time::{Duration, Instant};

use towpath_catalog::{InputFile, Loader, folder, generate, load};

fn main() -> io::Result<()> {
    let quiet = std::env::args().any(|argument| argument == "--quiet");
    if !quiet {
        head();
    }
    // Each size is measured in a process of its own, so that the peaks do not mix.
    let sizes: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    if let [services] = sizes.as_slice() {
        return measure(*services);
    }
    let program = std::env::current_exe()?;
    for services in [334, 3334, 33_334] {
        std::process::Command::new(&program).arg(services.to_string()).arg("--quiet").status()?;
    }
    Ok(())
}

fn head() {
    println!(
        "{:>8} {:>8} {:>6} {:>10} {:>10} {:>10} {:>10} {:>10} {:>9}",
        "targets", "files", "MB", "folder", "(its CPU)", "read only", "bytes", "reload", "peak MiB"
    );
}

fn measure(services: usize) -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    generate::write(dir.path(), services)?;

    let before = cpu();
    let (read_time, files) = timed(|| folder::read(dir.path()));
    let files = files?;
    let (load_time, loaded) = timed(|| load(files.clone()));
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics.first());
    let targets = loaded.catalog.targets.len();
    let spent = Duration::from_millis((cpu() - before) * 10);
    let peak = peak_mib();
    drop(loaded);
    let (bytes_time, loaded) = best(|| load(files.clone()));
    drop(loaded);

    let mut loader = Loader::default();
    let _first = loader.load(files.clone());
    let mut changed = files.clone();
    let at = changed.iter().position(|file| file.path.ends_with("deploy.yml")).unwrap_or_default();
    let text = String::from_utf8_lossy(&changed[at].bytes).replace("REPLICAS: ", "REPLICAS: 1");
    changed[at] = InputFile::new(changed[at].path.clone(), text.into_bytes());
    let (reload_time, _) = timed(|| loader.load(changed));
    let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    println!(
        "{targets:>8} {:>8} {:>6.1} {:>10.1?} {:>10.1?} {:>10.1?} {:>10.1?} {:>10.1?} {peak:>9}",
        files.len(),
        bytes as f64 / 1e6,
        read_time + load_time,
        spent,
        read_time,
        bytes_time,
        reload_time,
    );
    Ok(())
}

/// CPU time of this process up to now, in hundredths of a second, from Linux.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed(), done)
}

fn best<T>(mut work: impl FnMut() -> T) -> (Duration, T) {
    let (mut time, mut done) = timed(&mut work);
    for _ in 0..2 {
        drop(done);
        let (again, result) = timed(&mut work);
        (time, done) = (time.min(again), result);
    }
    (time, done)
}

/// The most memory that this process ever held, from Linux.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}

//! Many promotions at once in one config repository: `cargo bench -p towpath --bench promotions [-- --apps N]`.
//!
//! So many apps (100 if nothing else is said) wait behind one freeze; a commit lifts it, and all are promoted at the same moment. Told are
//! the time from that commit to the last merge, how often a change was checked, and how many pushes it took, beside the serial way: one
//! change after the other, each checked on where the one before it landed. Of both, all must be merged, each once.

// A benchmark that cannot run should say so loudly.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use towpath_engine::{Event, Outcome, Work};
use towpath_ledger::{EventFilter, EventId, Ledger, MAX_PAGE, Order, Recorded};

const MAP: &str = "apiVersion: template.openshift.io/v1\nkind: Template\nmetadata: {name: map}\nparameters: [{name: NAME, required: true}]\n\
    objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: '${NAME}'}, data: {name: '${NAME}'}}]\n";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let asked = arguments.iter().position(|a| a == "--apps").and_then(|at| arguments.get(at + 1)?.parse().ok());
    let apps = asked.unwrap_or(100);
    println!("{apps} promotions at once, plain Git\n");
    println!("| way | until all are merged | checks | merged | median wait | longest wait |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let together = play("together", apps, apps.max(1));
    let serial = play("one by one", apps, 1);
    println!("\none by one takes {:.1} times as long", serial.as_secs_f64() / together.as_secs_f64());
}

/// Plays it once, prints its line, and tells how long it took.
fn play(way: &str, apps: usize, together: usize) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    installation(dir, apps, together);
    let mut server = Server::start(dir);
    let waiting = |status: &Value| status["targets"].as_array().unwrap().iter().filter(|t| t.to_string().contains("all at once")).count();
    until(|| status(dir).is_some_and(|status| waiting(&status) == apps));

    fs::remove_file(dir.join("config/data/freeze.yml")).unwrap();
    let begun = Instant::now();
    commit(dir, "config", "All may go");
    let merges = || git(dir, "config.git", &["rev-list", "--count", "--merges", "--first-parent", "main"]).parse::<usize>().unwrap();
    until(|| merges() >= apps);
    let took = begun.elapsed();
    let arrived = |status: &Value| {
        status["targets"].as_array().unwrap().iter().filter(|t| t["environment"] == "production" && !t["current"].is_null()).count()
    };
    until(|| status(dir).is_some_and(|status| arrived(&status) == apps));
    server.stop();
    assert_eq!(merges(), apps, "each is merged once");
    let subjects = git(dir, "config.git", &["log", "--no-merges", "--format=%s", "--grep=^Promote", "main"]);
    assert_eq!(subjects.lines().count(), apps, "no commit is lost");

    let events = events(&dir.join(".towpath"));
    let checks = events.iter().filter(|e| matches!(&e.event, Event::StepDone { step, .. } if step.starts_with("check"))).count();
    let mut waits: Vec<f64> = events.iter().filter_map(|event| wait(&events, event)).collect();
    waits.sort_by(f64::total_cmp);
    assert_eq!(waits.len(), apps);
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!("| {way} | {:.2} s | {checks} | {} | {median:.2} s | {longest:.2} s |", took.as_secs_f64(), merges());
    took
}

/// How long a change that this event ends was under way, in seconds.
fn wait(events: &[Recorded], end: &Recorded) -> Option<f64> {
    let Event::RunFinished { run, outcome: Outcome::Merged { .. } } = &end.event else { return None };
    let queued =
        events.iter().find(|e| matches!(&e.event, Event::RunQueued(spec) if spec.id == *run && matches!(spec.work, Work::Change(_))))?;
    let millis = end.at.as_millis() - queued.at.as_millis();
    Some(f64::from(i32::try_from(millis).unwrap()) / 1000.0)
}

/// A config repository with so many apps, whose productions wait for their stages.
fn installation(dir: &Path, apps: usize, together: usize) {
    for name in ["source", "config"] {
        git(dir, ".", &["init", "--quiet", "--bare", "--initial-branch=main", &format!("{name}.git")]);
        git(dir, ".", &["clone", "--quiet", &format!("{name}.git"), name]);
        git(dir, name, &["checkout", "--quiet", "-B", "main"]);
    }
    let url = dir.join("source.git").display().to_string();
    write(dir, "source/map.yaml", MAP);
    commit(dir, "source", "first");
    write(dir, "config/data/cluster.yml", "$schema: /openshift/cluster-1.yml\nname: laptop\nserverUrl: local\n");
    let freeze = "$schema: /towpath/policy-1.yml\nname: together\nselect: {environments: [production]}\nfreezes: [{reason: all at once}]\n";
    write(dir, "config/data/freeze.yml", freeze);
    let app = format!("$schema: /app-sre/app-1.yml\nname: many\ncodeComponents:\n  - {{name: many, resource: upstream, url: '{url}'}}\n");
    write(dir, "config/data/app.yml", &app);
    for environment in ["stage", "production"] {
        write(dir, &format!("config/data/{environment}.yml"), &format!("$schema: /app-sre/environment-1.yml\nname: {environment}\n"));
        for n in 0..apps {
            let namespace = format!(
                "$schema: /openshift/namespace-1.yml\nname: app-{n}-{environment}\ncluster: {{$ref: /cluster.yml}}\napp: {{$ref: /app.yml}}\n\
                 environment: {{$ref: /{environment}.yml}}\n"
            );
            write(dir, &format!("config/data/app-{n}/{environment}.yml"), &namespace);
        }
    }
    for n in 0..apps {
        let saas = format!(
            "$schema: /app-sre/saas-file-2.yml\nname: app-{n}\napp: {{$ref: /app.yml}}\nmanagedResourceTypes: [ConfigMap]\nresourceTemplates:\n\
             - name: map\n  url: '{url}'\n  path: /map.yaml\n  parameters: {{NAME: app-{n}}}\n  targets:\n\
             \x20 - namespace: {{$ref: /app-{n}/stage.yml}}\n    ref: main\n    promotion: {{publish: [app-{n}]}}\n\
             \x20 - namespace: {{$ref: /app-{n}/production.yml}}\n    ref: '0000000000000000000000000000000000000000'\n\
             \x20   promotion: {{auto: true, subscribe: [app-{n}]}}\n"
        );
        write(dir, &format!("config/data/app-{n}/deploy.yml"), &saas);
    }
    commit(dir, "config", "Many apps");
    let config = dir.join("config.git").display().to_string();
    write(dir, "towpath.toml", &format!("[config]\nurl = {config:?}\n[poll]\nlocal = \"50ms\"\n[changes]\ntogether = {together}\n"));
}

fn write(dir: &Path, path: &str, text: &str) {
    let file = dir.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn commit(dir: &Path, clone: &str, subject: &str) {
    git(dir, clone, &["add", "--all"]);
    git(dir, clone, &["commit", "--quiet", "--message", subject]);
    git(dir, clone, &["push", "--quiet", "origin", "main"]);
}

fn git(dir: &Path, place: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=Bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgSign=false"]);
    let output = command.args(arguments).current_dir(dir.join(place)).env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn towpath(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_towpath"));
    command.current_dir(dir).env("HOME", dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn status(dir: &Path) -> Option<Value> {
    let output = towpath(dir).args(["status", "--output", "json"]).stdout(Stdio::piped()).output().unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// Waits for something outside; a minute a hundred changes is far more than it takes.
fn until(mut it_is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !it_is_so() {
        assert!(begun.elapsed() < Duration::from_secs(600), "it never came");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

struct Server(Child);

impl Server {
    fn start(dir: &Path) -> Self {
        Self(towpath(dir).arg("serve").spawn().unwrap())
    }

    fn stop(&mut self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        self.0.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// All events of a ledger that nobody has open any more, oldest first.
fn events(state: &Path) -> Vec<Recorded> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::read_only(state).await.unwrap();
        let mut all: Vec<Recorded> = Vec::new();
        loop {
            let after = Some(all.last().map_or(EventId::NONE, |last| last.id));
            let filter = EventFilter { after, order: Order::OldestFirst, ..EventFilter::default() };
            let page = ledger.events(&filter, MAX_PAGE).await.unwrap();
            all.extend(page.rows);
            if !page.more {
                return all;
            }
        }
    })
}

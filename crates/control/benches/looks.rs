//! What the answers cost that pages are made of: `cargo bench -p towpath-control`. On the generated installation of 300 apps, 1,000 targets and
//! 100,000 runs; each answer is asked for while nothing happens, and again right after each of many events.

// A benchmark that cannot run should say so loudly.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::future::Future;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use towpath_cluster::{Cluster, UnnamedCluster};
use towpath_control::view::{BoardFilter, ChangeFilter, CompareRequest, GraphFilter, ImageFilter, InsightFilter, Problem};
use towpath_control::{Control, Pace, Sight};
use towpath_domain::{BranchName, ClusterName, RepoUrl, Span};
use towpath_engine::{Event, Subject};
use towpath_forge::PlainGit;
use towpath_git::{Git, Identity, Settings};
use towpath_ledger::logs::{Limits, Logs};
use towpath_ledger::{EventFilter, Ledger};
use towpath_registry::{LayoutRegistry, Registries};
use towpath_runs::Train;
use towpath_runs::world::{Artifacts, Builders, Catalogs, Clock, Clusters, ConfigRepository, Current, Mirrors, SourceForges, World};
use towpath_secrets::Stores;
use towpath_testbed::generated::{Fate, Generated, Shape};

const TIMES: usize = 50;

fn main() {
    let made = Generated::kept(shape());
    // Git finds the generated sources by its environment, which is set for a process of its own.
    if std::env::var_os("GIT_CONFIG_COUNT").is_none() {
        let mut own = Command::new(std::env::current_exe().unwrap());
        let status = own.args(std::env::args_os().skip(1)).envs(made.environment()).status().unwrap();
        std::process::exit(status.code().unwrap_or(1));
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(run());
}

/// The large one; the small one with `--small`.
fn shape() -> Shape {
    if std::env::args().any(|argument| argument == "--small") { Shape::SMALL } else { Shape::LARGE }
}

async fn run() {
    let folder = tempfile::tempdir().unwrap();
    let made = Generated::copied(shape(), folder.path());
    let begun = Instant::now();
    let (control, ledger) = open(&made.folder).await;
    let (stop, stopped) = watch::channel(false);
    let going = tokio::spawn(Arc::clone(&control).keep_going(stopped));
    let app = made.app(Fate::ProductionFailed).to_owned();
    let board = loop {
        let board = control.board(Sight::Everything, BoardFilter::default()).await.unwrap();
        if board.totals.targets > 0 {
            break board;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    println!(
        "{} targets, {} runs, {} events; first board after {} ms",
        board.totals.targets,
        made.known().runs,
        made.known().events,
        begun.elapsed().as_millis()
    );
    println!("{:<44} {:>9} {:>9} {:>9} {:>9} {:>9}", "milliseconds", "first", "median", "p99", "anew", "anew p99");

    let stuck = board.rows.iter().find(|row| row.app == app).unwrap();
    let target = stuck.cells.iter().flatten().last().unwrap().target.clone();
    let bench = Bench { control: Arc::clone(&control), ledger, target: Subject::Target(target.clone()) };
    let all = Sight::Everything;
    bench.tell("board", |c| async move { c.board(Sight::Everything, BoardFilter::default()).await }).await;
    let filter = BoardFilter { app: Some(app.clone()), ..BoardFilter::default() };
    bench
        .tell("board, of one app", |c| {
            let filter = filter.clone();
            async move { c.board(Sight::Everything, filter).await }
        })
        .await;
    let arrived = made.known().arrived.clone();
    bench
        .tell("release", |c| {
            let commit = arrived.clone();
            async move { c.release_of(Sight::Everything, commit).await }
        })
        .await;
    let what = target.to_string();
    bench
        .tell("why, of a target", |c| {
            let what = what.clone();
            async move { c.why(Sight::Everything, what).await }
        })
        .await;
    let source = control.status(&all).await.unwrap().sources[0].name.clone();
    bench
        .tell("why, of a source", |c| {
            let what = source.clone();
            async move { c.why(Sight::Everything, what).await }
        })
        .await;
    bench.tell("graph", |c| async move { c.graph(Sight::Everything, GraphFilter::default()).await }).await;
    let filter = GraphFilter { app: Some(app.clone()), ..GraphFilter::default() };
    bench
        .tell("graph, of one app", |c| {
            let filter = filter.clone();
            async move { c.graph(Sight::Everything, filter).await }
        })
        .await;
    bench
        .tell("graph, around a target", |c| {
            let filter = GraphFilter { around: Some(what.clone()), ..GraphFilter::default() };
            async move { c.graph(Sight::Everything, filter).await }
        })
        .await;
    bench.tell("runs", |c| async move { c.runs(&Sight::Everything, None, None, None, 50).await }).await;
    bench.tell("runs that failed", |c| async move { c.runs(&Sight::Everything, None, Some("failed"), None, 50).await }).await;
    let runs = control.runs(&all, None, Some("failed"), None, 50).await.unwrap();
    let run = runs.items.iter().find(|run| run.kind == "deploy").unwrap_or(&runs.items[0]).id.to_string();
    bench
        .tell("run, one that failed", |c| {
            let id = run.clone();
            async move { c.run_detail(Sight::Everything, id).await }
        })
        .await;
    bench.tell("changes", |c| async move { c.changes(Sight::Everything, ChangeFilter::default()).await }).await;
    let changes = control.changes(all.clone(), ChangeFilter::default()).await.unwrap();
    let change = changes.items[0].id.to_string();
    bench
        .tell("change", |c| {
            let id = change.clone();
            async move { c.change(Sight::Everything, id).await }
        })
        .await;
    bench.tell("incidents", |c| async move { c.incidents(Sight::Everything).await }).await;
    bench.tell("images", |c| async move { c.images(Sight::Everything, ImageFilter::default()).await }).await;
    bench
        .tell("images that run", |c| async move {
            c.images(Sight::Everything, ImageFilter { running: Some(true), ..ImageFilter::default() }).await
        })
        .await;
    bench.tell("history", |c| async move { c.history(&Sight::Everything, None, EventFilter::default(), None, 50, false).await }).await;
    bench
        .tell("history, of a commit", |c| {
            let commit = arrived.clone();
            async move { c.history(&Sight::Everything, Some(&commit), EventFilter::default(), None, 50, false).await }
        })
        .await;
    bench
        .tell("history, a text that is nowhere", |c| async move {
            let filter = EventFilter { text: Some("no such text anywhere".to_owned()), ..EventFilter::default() };
            c.history(&Sight::Everything, None, filter, None, 50, false).await
        })
        .await;
    bench
        .tell("events since 50 ago", |c| {
            let after = made.known().events as i64 - 50;
            async move { c.events(Sight::Everything, after, 50).await }
        })
        .await;
    bench.tell("insight, 30 days", |c| async move { c.insight(Sight::Everything, InsightFilter::default()).await }).await;
    bench
        .tell("insight, 120 days", |c| async move {
            c.insight(Sight::Everything, InsightFilter { days: Some(120), ..InsightFilter::default() }).await
        })
        .await;
    bench.tell("pulse", |c| async move { c.pulse().await }).await;
    bench
        .tell("scopes of a target", |c| {
            let what = what.clone();
            async move { c.scopes(&what).await }
        })
        .await;
    bench.tell("status", |c| async move { c.status(&Sight::Everything).await }).await;
    let request = CompareRequest { target: what.clone(), ..CompareRequest::default() };
    bench
        .tell("compare", |c| {
            let request = request.clone();
            async move { c.compare(Sight::Everything, request).await }
        })
        .await;
    stop.send_replace(true);
    going.await.unwrap();
}

struct Bench {
    control: Arc<Control>,
    ledger: Ledger,
    target: Subject,
}

impl Bench {
    async fn tell<T, F: Future<Output = Result<T, Problem>>>(&self, name: &str, ask: impl Fn(Arc<Control>) -> F) {
        let first = self.ask(&ask).await;
        let mut rest = Vec::new();
        for _ in 0..TIMES {
            rest.push(self.ask(&ask).await);
        }
        let mut anew = Vec::new();
        for _ in 0..TIMES {
            let event = Event::Acknowledged { subject: self.target.clone(), by: "bench".to_owned(), why: "measured".to_owned() };
            self.ledger.append(None, "bench", Clock::system().now(), vec![event]).await.unwrap();
            anew.push(self.ask(&ask).await);
        }
        let ms = |at: Duration| format!("{:.2}", at.as_secs_f64() * 1000.0);
        let (median, p99) = middle(&mut rest);
        let (anew, anew_p99) = middle(&mut anew);
        println!("{name:<44} {:>9} {:>9} {:>9} {:>9} {:>9}", ms(first), ms(median), ms(p99), ms(anew), ms(anew_p99));
    }

    async fn ask<T, F: Future<Output = Result<T, Problem>>>(&self, ask: impl Fn(Arc<Control>) -> F) -> Duration {
        let begun = Instant::now();
        let answer = ask(Arc::clone(&self.control)).await;
        let took = begun.elapsed();
        if let Err(problem) = answer {
            panic!("{}: {}", problem.title, problem.detail);
        }
        took
    }
}

fn middle(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

async fn open(folder: &Path) -> (Arc<Control>, Ledger) {
    let state = folder.join(".towpath");
    let ledger = Ledger::open(&state).await.unwrap();
    let identity = Identity::new("Bench".to_owned(), "bench@example.com".to_owned()).unwrap();
    let mirrors = Mirrors::new(Git::new(Settings::new(identity)), state.join("mirrors"));
    let url = RepoUrl::new(folder.join("config.git").display().to_string()).unwrap();
    let branch = BranchName::new("main").unwrap();
    let mirror = mirrors.get(&url).await.unwrap();
    let registry = Registries::new(LayoutRegistry::open(state.join("registry")).unwrap(), Vec::new()).unwrap();
    let nowhere: Arc<dyn Cluster> = Arc::new(UnnamedCluster::new(ClusterName::new("nowhere").unwrap()));
    let world = Arc::new(World {
        current: Current::default(),
        ledger: ledger.clone(),
        forges: SourceForges::plain(mirrors.clone()),
        mirrors,
        config: ConfigRepository {
            url,
            branch: branch.clone(),
            forge: Arc::new(PlainGit::new((*mirror).clone(), branch)),
            kind: None,
            commits: Default::default(),
        },
        pages: None,
        train: Train::new(NonZeroUsize::MIN),
        catalogs: Catalogs::default(),
        registry: Arc::new(registry),
        clusters: Clusters::new(HashMap::new(), nowhere),
        artifacts: Artifacts::new(HashMap::new()),
        secrets: Arc::new(Stores::none()),
        clock: Clock::system(),
        builders: Builders::new(None),
        memory_max: 1 << 30,
        builds: state.join("builds"),
        logs: Logs::new(state.join("logs"), Limits::default()),
        results: None,
        host_env: Vec::new(),
    });
    let pace = Pace { local: Span::from_secs(1), remote: Span::from_secs(3600) };
    (Control::new(world, pace), ledger)
}

//! From the outbox to the server: each run once, whatever dies on the way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use towpath_domain::{CommitId, RunId, SourceName, Span};
use towpath_engine::{Event, Outcome, RunSpec, Work};
use towpath_ibutsu::fake::{FakeIbutsu, Importer, Mishap, TOKEN};
use towpath_ibutsu::{Delivery, Ibutsu, Mode, SINK, Upload, UploadSource, Uploader, run_uuid, uploaded};
use towpath_ledger::Ledger;

use crate::given::*;

/// Longer than anything here takes; only to fail instead of hanging.
const DEADLINE: Duration = Duration::from_secs(30);

/// Runs that were kept.
#[derive(Default)]
struct Archive {
    uploads: Mutex<BTreeMap<RunId, Upload>>,
    /// It cannot be read for so many times.
    fails: Mutex<u32>,
}

impl Archive {
    fn put(&self, upload: Upload) {
        self.uploads.lock().unwrap().insert(upload.run.clone(), upload);
    }
}

impl UploadSource for Archive {
    fn upload<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Option<Upload>, String>> {
        Box::pin(async {
            let mut fails = self.fails.lock().unwrap();
            if *fails > 0 {
                *fails -= 1;
                return Err("the disk is away".into());
            }
            Ok(self.uploads.lock().unwrap().get(run).cloned())
        })
    }
}

/// A run that ended, in the ledger and as it was kept.
async fn ended(ledger: &Ledger, archive: &Archive, name: &str) {
    let upload = upload(name, vec![("junit.xml", three())]);
    let id = upload.run.clone();
    archive.put(upload);
    finish(ledger, id).await;
}

async fn finish(ledger: &Ledger, id: RunId) {
    let commit: CommitId = "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap();
    let work = Work::Build { source: SourceName::new(id.as_str()).unwrap(), commit, build_hash: "b".into() };
    let spec = RunSpec { id: id.clone(), attempt: 1, work, why: "no image".into(), after: None };
    let started = Event::RunStarted { run: id.clone() };
    let events = vec![Event::RunQueued(spec), started, Event::RunFinished { run: id, outcome: Outcome::Deleted }];
    ledger.append(None, "test", STARTED, events).await.unwrap();
}

/// An uploader at work.
struct Worker {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Worker {
    fn start(world: &World, ledger: &Ledger, archive: &Arc<Archive>, mode: Mode, address: &str) -> Self {
        let (stop, stopped) = watch::channel(false);
        let settings = settings(address, world.folder.path().join("token"), mode);
        let delivery =
            Delivery { attempts: 40, attempts_if_failing: 3, first_wait: Span::from_millis(1), longest_wait: Span::from_millis(20) };
        let uploader = Uploader {
            ledger: ledger.clone(),
            ibutsu: Arc::new(Ibutsu::new(settings, world.clock()).unwrap()),
            source: Arc::clone(archive) as Arc<dyn UploadSource>,
            delivery,
            clock: world.clock(),
        };
        Self { stop, task: tokio::spawn(uploader.run(stopped)) }
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        tokio::time::timeout(DEADLINE, self.task).await.expect("it stops").unwrap();
    }

    /// As `kill -9` does: nothing is done after.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Once the sink has nothing left to tell.
async fn settled(ledger: &Ledger) {
    let enough = async {
        while !ledger.sinks().await.unwrap().iter().any(|sink| sink.name == SINK && sink.waiting == 0) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, enough).await.expect("all is told");
}

async fn open(folder: &tempfile::TempDir) -> Ledger {
    Ledger::open(folder.path()).await.unwrap()
}

#[tokio::test]
async fn runs_that_end_are_told_of_and_their_links_are_written_down() {
    let (world, folder, archive) = (World::new().await, tempfile::tempdir().unwrap(), Arc::new(Archive::default()));
    let ledger = open(&folder).await;
    let worker = Worker::start(&world, &ledger, &archive, Mode::Archive, &world.server.address());
    settled(&ledger).await;
    for name in ["a", "b"] {
        ended(&ledger, &archive, name).await;
    }
    let without = RunId::new("without-tests").unwrap();
    finish(&ledger, without.clone()).await;
    settled(&ledger).await;
    let ids: Vec<_> = world.server.runs().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect();
    let wanted = ["a", "b"].map(|name| run_uuid("towpath", &RunId::new(name).unwrap()).to_string());
    assert_eq!(ids, wanted);
    let told = uploaded(&ledger, &RunId::new("a").unwrap()).await.unwrap().unwrap();
    assert_eq!((told.id.as_str(), told.results), (wanted[0].as_str(), 3));
    assert!(told.link.unwrap().ends_with(&format!("/runs/{}#summary", wanted[0])));
    assert_eq!(uploaded(&ledger, &without).await.unwrap(), None);
    worker.stop().await;
}

#[tokio::test]
async fn a_server_that_is_away_for_long_gets_everything_when_it_is_back() {
    let (world, folder, archive) = (World::new().await, tempfile::tempdir().unwrap(), Arc::new(Archive::default()));
    let ledger = open(&folder).await;
    ledger.outbox_register(SINK).await.unwrap();
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = away.local_addr().unwrap();
    drop(away);
    ended(&ledger, &archive, "a").await;
    ended(&ledger, &archive, "b").await;
    let worker = Worker::start(&world, &ledger, &archive, Mode::Archive, &format!("http://{address}"));
    let failing = async {
        loop {
            let sinks = ledger.sinks().await.unwrap();
            if let Some(sink) = sinks.iter().find(|sink| sink.name == SINK && sink.attempts >= 2) {
                break sink.error.clone().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let told = tokio::time::timeout(DEADLINE, failing).await.unwrap();
    assert!(told.starts_with("run a: Ibutsu at") && told.ends_with("(the environment's fault)"), "{told}");
    assert!(!told.contains(TOKEN));
    let back = FakeIbutsu::start_at(address).await.unwrap();
    settled(&ledger).await;
    assert_eq!((back.runs().len(), ledger.dead_letters(9).await.unwrap().len()), (2, 0));
    worker.stop().await;
}

#[tokio::test]
async fn a_process_that_is_killed_at_every_request_in_turn_tells_each_run_once() {
    for importer in [Importer::Observed, Importer::Mended] {
        for mode in [Mode::Archive, Mode::Api] {
            // As many as there are: from there on the upload is over before it is killed.
            for killed_at in 1.. {
                let (world, folder, archive) = (World::new().await, tempfile::tempdir().unwrap(), Arc::new(Archive::default()));
                world.server.importer(importer);
                let ledger = open(&folder).await;
                ledger.outbox_register(SINK).await.unwrap();
                ended(&ledger, &archive, "a").await;
                let worker = Worker::start(&world, &ledger, &archive, mode, &world.server.address());
                let is_over = async {
                    tokio::select! {
                        () = world.server.wait_for("", "", killed_at) => false,
                        () = settled(&ledger) => true,
                    }
                };
                let is_over = tokio::time::timeout(DEADLINE, is_over).await.unwrap();
                worker.kill().await;
                ledger.close().await;
                drop(ledger);
                if mode == Mode::Archive {
                    // What was taken is imported while nobody looks.
                    look(&world).await;
                }
                let ledger = open(&folder).await;
                let worker = Worker::start(&world, &ledger, &archive, mode, &world.server.address());
                settled(&ledger).await;
                let run = world.run();
                let id = run["id"].as_str().unwrap();
                let told = format!("{importer:?} {mode:?} killed at request {killed_at}");
                assert_eq!((world.server.results(id).len(), world.server.files(id).len()), (3, 1), "{told}");
                assert!(uploaded(&ledger, &RunId::new("a").unwrap()).await.unwrap().is_some(), "{told}");
                assert_eq!(ledger.dead_letters(9).await.unwrap().len(), 0, "{told}");
                worker.stop().await;
                if is_over {
                    assert!(killed_at > 4, "{told}");
                    break;
                }
            }
        }
    }
}

/// Looks at all imports until they are done.
async fn look(world: &World) {
    for import in world.server.imports() {
        for _ in 0..3 {
            let url = format!("{}/api/import/{}", world.server.address(), import["id"].as_str().unwrap());
            reqwest::Client::new().get(url).bearer_auth(TOKEN).send().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_a_dead_letter_and_the_next_is_told() {
    let (world, folder, archive) = (World::new().await, tempfile::tempdir().unwrap(), Arc::new(Archive::default()));
    let ledger = open(&folder).await;
    ledger.outbox_register(SINK).await.unwrap();
    // One that is refused, and one that the server fails at while it answers everything else.
    world.server.plan("POST", "/import", 1, Mishap::Says(400, "Bad request".into()));
    world.server.plan("POST", "/import", 3, Mishap::Status(500));
    for name in ["a", "b", "c"] {
        ended(&ledger, &archive, name).await;
    }
    let worker = Worker::start(&world, &ledger, &archive, Mode::Archive, &world.server.address());
    settled(&ledger).await;
    let dead: Vec<_> = ledger.dead_letters(9).await.unwrap().into_iter().map(|letter| (letter.error, letter.attempts)).collect();
    assert_eq!(dead.len(), 2, "{dead:?}");
    assert!(dead[1].0.starts_with("run a: ") && dead[1].0.contains("(400): Bad request") && dead[1].1 == 1, "{dead:?}");
    assert!(dead[0].0.starts_with("run b: ") && dead[0].0.contains("the server is well otherwise") && dead[0].1 == 3, "{dead:?}");
    assert_eq!(world.run()["id"], run_uuid("towpath", &RunId::new("c").unwrap()).to_string());
    worker.stop().await;
}

#[tokio::test]
async fn a_token_that_is_wrong_loses_nothing_until_it_is_mended() {
    let (world, folder, archive) = (World::new().await, tempfile::tempdir().unwrap(), Arc::new(Archive::default()));
    let ledger = open(&folder).await;
    ledger.outbox_register(SINK).await.unwrap();
    world.token("garbage");
    ended(&ledger, &archive, "a").await;
    *archive.fails.lock().unwrap() = 2;
    let worker = Worker::start(&world, &ledger, &archive, Mode::Api, &world.server.address());
    world.server.wait_for("PUT", "/run", 4).await;
    world.token(TOKEN);
    settled(&ledger).await;
    assert_eq!(
        (world.run()["metadata"]["title"].as_str(), ledger.dead_letters(9).await.unwrap().len()),
        (Some("smoke of web in stage"), 0)
    );
    worker.stop().await;
}

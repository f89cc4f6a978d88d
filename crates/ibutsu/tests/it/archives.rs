//! A run as an archive, and its import followed to its end.

use std::time::Duration;

use towpath_domain::{FailureClass, Span};
use towpath_ibutsu::fake::{Importer, Mishap, PROJECT};
use towpath_ibutsu::{IbutsuErrorKind, Limits, Mode, Progress, run_uuid};

use crate::given::*;

#[tokio::test]
async fn a_run_arrives_with_its_results_and_files_and_has_a_link() {
    let world = World::new().await;
    world.server.frontend("https://ibutsu.example.com");
    let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
    let uploaded = send(&world.ibutsu(Mode::Archive), &upload).await.unwrap();
    let run = world.run();
    let id = run_uuid("towpath", &upload.run).to_string();
    assert_eq!((run["id"].as_str(), uploaded.id.as_str()), (Some(id.as_str()), id.as_str()));
    assert_eq!((&run["project_id"], &run["component"], &run["env"]), (&PROJECT.1.into(), &"web".into(), &"stage".into()));
    assert_eq!((&run["source"], &run["start_time"]), (&"towpath".into(), &"2026-11-22T20:54:00.000Z".into()));
    assert_eq!(run["metadata"]["towpath"]["url"], "https://towpath.example.com/runs/x");
    assert_eq!(uploaded.link.unwrap(), format!("https://ibutsu.example.com/project/{}/runs/{id}#summary", PROJECT.1));
    assert_eq!(world.server.files(&id), [("wait.log".to_owned(), b"the web is ready\n".to_vec())]);
    let results = world.server.results(&id);
    let failed = results.iter().find(|result| result["test_id"] == "shop.sells").unwrap();
    let files = world.server.files(failed["id"].as_str().unwrap());
    assert_eq!(files, [("traceback.log".to_owned(), b"E: no such button\n\nat line 7".to_vec())]);
    assert_eq!((world.server.count("POST", "/import"), world.server.imports()[0]["status"].as_str()), (1, Some("done")));
    assert!(world.server.seen().iter().all(|seen| seen.with_token != seen.path.starts_with("/health")), "{:?}", world.server.seen());
}

#[tokio::test]
async fn an_answer_that_was_lost_makes_no_second_import_while_the_first_is_there() {
    for importer in [Importer::Observed, Importer::Mended] {
        let world = World::new().await;
        world.server.importer(importer);
        world.server.plan("POST", "/import", 1, Mishap::Lost);
        let (ibutsu, notes, mut progress) = (world.ibutsu(Mode::Archive), Notes::default(), Progress::default());
        let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
        let error = ibutsu.send(&upload, &mut progress, &notes).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (IbutsuErrorKind::Away, Some(Duration::from_millis(1))), "{error}");
        // The server imports it meanwhile.
        let import = world.server.imports()[0]["id"].as_str().unwrap().to_owned();
        look(&world, &import, 3).await;
        ibutsu.send(&upload, &mut progress, &notes).await.unwrap();
        assert_eq!((world.server.count("POST", "/import"), world.server.results(world.run()["id"].as_str().unwrap()).len()), (1, 3));
    }
}

/// Looks at an import so often, as anybody may: it goes on with each look.
async fn look(world: &World, import: &str, times: usize) {
    let token = towpath_ibutsu::fake::TOKEN;
    for _ in 0..times {
        let url = format!("{}/api/import/{import}", world.server.address());
        reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap();
    }
}

#[tokio::test]
async fn whoever_is_killed_at_any_note_goes_on_where_it_was() {
    for importer in [Importer::Observed, Importer::Mended] {
        for dies_after in 1..=2 {
            let world = World::new().await;
            world.server.importer(importer);
            let (ibutsu, upload) = (world.ibutsu(Mode::Archive), upload("deploy-web-1", vec![("junit.xml", three())]));
            let notes = Notes { dies_after: Some(dies_after), ..Notes::default() };
            let mut progress = Progress::default();
            let killed = tokio::time::timeout(Duration::from_millis(500), ibutsu.send(&upload, &mut progress, &notes)).await;
            assert!(killed.is_err(), "it was killed");
            // What was kept is all that is known: which import it is, before anybody looks at it.
            let mut kept = notes.kept.lock().unwrap().last().unwrap().clone();
            assert_eq!((kept.import.is_some(), world.server.count("GET", "/import")), (dies_after == 2, 0));
            ibutsu.send(&upload, &mut kept, &Notes::default()).await.unwrap();
            assert_eq!(world.server.count("POST", "/import"), 1, "killed after note {dies_after}");
            assert_eq!(world.server.results(world.run()["id"].as_str().unwrap()).len(), 3);
        }
    }
}

#[tokio::test]
async fn sending_twice_from_the_beginning_leaves_one_run_with_each_result_once() {
    let world = World::new().await;
    let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
    let ibutsu = world.ibutsu(Mode::Archive);
    let (notes, mut progress) = (Notes::default(), Progress::default());
    ibutsu.send(&upload, &mut progress, &notes).await.unwrap();
    // Somebody who knows no more than that something was sent.
    let mut begun = notes.kept.lock().unwrap()[0].clone();
    assert!(begun.begun.is_some() && begun.import.is_none());
    ibutsu.send(&upload, &mut begun, &notes).await.unwrap();
    assert_eq!((world.server.imports().len(), world.server.results(world.run()["id"].as_str().unwrap()).len()), (1, 3));
}

#[tokio::test]
async fn an_import_that_stays_running_for_ever_is_told_with_what_to_do() {
    let world = World::new().await;
    world.server.fail_imports_after(Some(2));
    let (ibutsu, mut progress) = (world.ibutsu(Mode::Archive), Progress::default());
    let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
    let notes = Notes::default();
    let waited = async {
        // Long enough to have seen it running.
        world.server.wait_for("GET", "/import", 5).await;
        world.pass(Limits::default().stuck);
    };
    let (error, ()) = tokio::join!(ibutsu.send(&upload, &mut progress, &notes), waited);
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.class(), error.is_final()), (IbutsuErrorKind::Stuck, FailureClass::Unknown, true));
    let told = error.to_string();
    assert!(told.contains("is running since 2026-11-22T20:54:00.000Z without an end") && told.contains("worker (celery)"), "{told}");
}

#[tokio::test]
async fn an_import_that_only_says_that_it_is_running_has_arrived_when_all_is_there() {
    let world = World::new().await;
    // All three results, and then its end is lost.
    world.server.fail_imports_after(Some(3));
    let (ibutsu, upload) = (world.ibutsu(Mode::Archive), upload("deploy-web-1", vec![("junit.xml", three())]));
    let (notes, mut progress) = (Notes::default(), Progress::default());
    let waited = async {
        world.server.wait_for("GET", "/import", 5).await;
        world.pass(Limits::default().stuck);
    };
    let (sent, ()) = tokio::join!(ibutsu.send(&upload, &mut progress, &notes), waited);
    assert_eq!((sent.unwrap().results, world.server.imports()[0]["status"].as_str()), (3, Some("running")));
    assert_eq!(world.server.results(world.run()["id"].as_str().unwrap()).len(), 3);
}

#[tokio::test]
async fn a_server_whose_worker_is_down_keeps_the_import_and_it_is_waited_for() {
    let world = World::new().await;
    world.server.worker(false);
    let (ibutsu, mut progress) = (world.ibutsu(Mode::Archive), Progress::default());
    let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
    let waited = async {
        world.server.wait_for("GET", "/import", 3).await;
        world.pass(Limits::default().stuck);
    };
    let notes = Notes::default();
    let (error, ()) = tokio::join!(ibutsu.send(&upload, &mut progress, &notes), waited);
    let error = error.unwrap_err();
    assert!(!error.is_final() && error.class() == FailureClass::Environment, "{error}");
    assert!(
        error.to_string().contains("has not begun with the import") && error.to_string().contains("look whether its worker"),
        "{error}"
    );
    // An hour later it runs, and has as long as any.
    world.pass(Span::from_secs(3600));
    world.server.worker(true);
    ibutsu.send(&upload, &mut progress, &notes).await.unwrap_err();
    ibutsu.send(&upload, &mut progress, &notes).await.unwrap();
    assert!(progress.import.unwrap().running.is_some());
    assert_eq!(world.server.count("POST", "/import"), 1);
}

#[tokio::test]
async fn an_import_that_failed_is_sent_again() {
    let world = World::new().await;
    world.server.importer(Importer::Mended);
    world.server.fail_imports_after(Some(1));
    let (ibutsu, mut progress) = (world.ibutsu(Mode::Archive), Progress::default());
    let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
    let error = ibutsu.send(&upload, &mut progress, &Notes::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_final()), (IbutsuErrorKind::Failing, false), "{error}");
    assert!(world.server.runs().is_empty());
    world.server.fail_imports_after(None);
    ibutsu.send(&upload, &mut progress, &Notes::default()).await.unwrap();
    assert_eq!(world.server.results(world.run()["id"].as_str().unwrap()).len(), 3);
}

#[tokio::test]
async fn what_is_too_large_for_one_archive_comes_without_files_and_says_so() {
    let mut seed = 1_u64;
    let noise = std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    });
    let noise: Vec<u8> = noise.take(25_000).flatten().collect();
    let mut upload = upload("deploy-web-1", vec![("junit.xml", three())]);
    upload.artifacts.push(("screenshot.png".into(), noise));
    // By our own bound, and by that of a proxy before the server.
    for by_proxy in [false, true] {
        let world = World::new().await;
        let mut settings = world.settings(Mode::Archive);
        if by_proxy {
            world.server.largest_body(Some(50_000));
        } else {
            settings.limits.archive = 50_000;
        }
        let ibutsu = towpath_ibutsu::Ibutsu::new(settings, world.clock()).unwrap();
        let uploaded = send(&ibutsu, &upload).await.unwrap();
        let (run, why) = (world.run(), uploaded.without_files.unwrap());
        assert!(why.contains("bytes"), "{why}");
        let notes = run["metadata"]["notes"].as_array().unwrap().last().unwrap().as_str().unwrap();
        assert!(notes.starts_with("3 files with ") && notes.ends_with(&why), "{notes}");
        assert_eq!(world.server.results(run["id"].as_str().unwrap()).len(), 3);
        assert!(world.server.files(run["id"].as_str().unwrap()).is_empty());
    }
}

#[tokio::test]
async fn what_is_too_large_even_without_files_is_the_runs_own_fault() {
    let world = World::new().await;
    let mut settings = world.settings(Mode::Archive);
    settings.limits.archive = 500;
    let ibutsu = towpath_ibutsu::Ibutsu::new(settings, world.clock()).unwrap();
    let error = send(&ibutsu, &upload("deploy-web-1", vec![("junit.xml", three())])).await.unwrap_err();
    assert_eq!((error.kind(), error.class(), error.is_final()), (IbutsuErrorKind::TooLarge, FailureClass::Own, true));
    assert!(error.to_string().contains("even without files, and 500 are sent at most"), "{error}");
    assert_eq!(world.server.count("POST", "/import"), 0);
    world.server.largest_body(Some(100));
    let (kind, told) = refused(&world.ibutsu(Mode::Archive), &upload("deploy-web-1", vec![("junit.xml", three())])).await;
    assert!(kind == IbutsuErrorKind::TooLarge && told.contains("(413)"), "{told}");
}

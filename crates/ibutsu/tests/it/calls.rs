//! A run call by call.

use std::collections::BTreeSet;
use std::time::Duration;

use towpath_ibutsu::fake::{Mishap, PROJECT};
use towpath_ibutsu::{IbutsuErrorKind, Mode, Progress, run_uuid};

use crate::given::*;

#[tokio::test]
async fn a_run_arrives_with_our_ids_and_is_updated_last() {
    let world = World::new().await;
    let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
    let uploaded = send(&world.ibutsu(Mode::Api), &upload).await.unwrap();
    let id = run_uuid("towpath", &upload.run).to_string();
    assert_eq!((uploaded.id.as_str(), world.run()["id"].as_str().unwrap()), (id.as_str(), id.as_str()));
    assert!(uploaded.link.unwrap().ends_with(&format!("/project/{}/runs/{id}#summary", PROJECT.1)));
    let writes: Vec<_> =
        world.server.seen().into_iter().filter(|seen| seen.method != "GET").map(|seen| seen.method + " " + &seen.path).collect();
    let run = format!("PUT /run/{id}");
    let expected = [&run, "POST /run", "POST /artifact", "POST /result", "POST /result", "POST /artifact", "POST /result", &run];
    assert_eq!(writes, expected);
    world.server.five_seconds_later();
    let run = world.run();
    assert_eq!((&run["summary"]["tests"], &run["summary"]["not_run"], &run["duration"]), (&3.into(), &0.into(), &1.75.into()));
    let results = world.server.results(&id);
    assert!(results.iter().all(|result| result["project_id"] == PROJECT.1 && result["env"] == "stage"), "{results:?}");
}

#[tokio::test]
async fn sending_twice_is_sending_once() {
    let world = World::new().await;
    let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
    let ibutsu = world.ibutsu(Mode::Api);
    send(&ibutsu, &upload).await.unwrap();
    let files = |world: &World| {
        let owners = world.server.results(world.run()["id"].as_str().unwrap());
        let owners =
            owners.iter().map(|result| result["id"].as_str().unwrap().to_owned()).chain([world.run()["id"].as_str().unwrap().to_owned()]);
        owners.map(|owner| world.server.files(&owner).len()).sum::<usize>()
    };
    let before = (world.run(), world.server.results(world.run()["id"].as_str().unwrap()), files(&world));
    // A process that knows of nothing.
    send(&ibutsu, &upload).await.unwrap();
    // One that knows that something was sent.
    let mut progress = Progress { begun: Some(STARTED), ..Progress::default() };
    ibutsu.send(&upload, &mut progress, &Notes::default()).await.unwrap();
    assert_eq!((world.run(), world.server.results(world.run()["id"].as_str().unwrap()), files(&world)), before);
}

#[tokio::test]
async fn whatever_answer_is_lost_nothing_is_there_twice() {
    for (method, path) in [("POST", "/run"), ("POST", "/result"), ("POST", "/artifact"), ("PUT", "/run")] {
        let world = World::new().await;
        world.server.plan(method, path, 2, Mishap::Lost);
        let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
        send(&world.ibutsu(Mode::Api), &upload).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let run = world.run();
        let results = world.server.results(run["id"].as_str().unwrap());
        assert_eq!(results.len(), 3, "{method} {path}");
        assert_eq!(world.server.files(run["id"].as_str().unwrap()).len(), 1, "{method} {path}");
        let of_failed = results.iter().find(|result| result["result"] == "failed").unwrap()["id"].as_str().unwrap().to_owned();
        assert_eq!(world.server.files(&of_failed).len(), 1, "{method} {path}");
    }
}

#[tokio::test]
async fn a_server_that_fails_for_a_moment_is_asked_again_and_one_that_asks_to_wait_is_left_alone() {
    let world = World::new().await;
    world.server.plan("PUT", "/run", 2, Mishap::Status(503));
    world.server.plan("POST", "/result", 1, Mishap::Later(429, Duration::from_secs(1)));
    let before = std::time::Instant::now();
    send(&world.ibutsu(Mode::Api), &upload("deploy-web-1", vec![("junit.xml", three())])).await.unwrap();
    assert!(before.elapsed() >= Duration::from_secs(1), "it waited as it was asked to");
    // Longer than anybody's patience: that is handed on.
    world.server.plan("PUT", "/run", 9, Mishap::Later(503, Duration::from_secs(3600)));
    let error = send(&world.ibutsu(Mode::Api), &upload("deploy-web-2", vec![])).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (IbutsuErrorKind::Away, Some(Duration::from_secs(3600))));
    assert_eq!(world.server.count("PUT", "/run"), 5);
}

#[tokio::test]
async fn a_long_upload_goes_on_where_it_was_kept() {
    let world = World::new().await;
    let cases: String = (0..450).map(|n| format!("<testcase classname=\"c\" name=\"t{n}\"/>")).collect();
    let upload = upload("deploy-web-1", vec![("junit.xml", read(&format!("<testsuite>{cases}</testsuite>")))]);
    // The note that it began, one after 200 results, one after 400: then it is killed.
    let (notes, ibutsu) = (Notes { dies_after: Some(3), ..Notes::default() }, world.ibutsu(Mode::Api));
    let mut progress = Progress::default();
    let sending = ibutsu.send(&upload, &mut progress, &notes);
    let killed = async {
        while notes.kept.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await
        }
    };
    tokio::select! { _ = sending => panic!("it ended"), () = killed => {} }
    let mut kept = notes.kept.lock().unwrap().last().unwrap().clone();
    assert_eq!(kept.results, 400);
    ibutsu.send(&upload, &mut kept, &Notes::default()).await.unwrap();
    assert_eq!(world.server.count("POST", "/result"), 450);
    let names: BTreeSet<_> = world.server.results(world.run()["id"].as_str().unwrap()).iter().map(|r| r["test_id"].to_string()).collect();
    assert_eq!(names.len(), 450);
}

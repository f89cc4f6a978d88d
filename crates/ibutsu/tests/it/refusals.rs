//! What the server does not take is told with how to mend it, and without the token.

use towpath_ibutsu::fake::{Mishap, TOKEN};
use towpath_ibutsu::{Ibutsu, IbutsuErrorKind, IbutsuSettings, Mode};

use crate::given::*;

const MODES: [Mode; 2] = [Mode::Archive, Mode::Api];

#[tokio::test]
async fn a_token_that_the_server_does_not_take_is_told_as_such_in_either_of_its_ways() {
    for mode in MODES {
        let world = World::new().await;
        let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
        world.server.expire_token();
        let (kind, told) = refused(&world.ibutsu(mode), &upload).await;
        assert!(kind == IbutsuErrorKind::Token && told.contains("does not take the token") && told.contains("(401)"), "{told}");
        // What it cannot read it falls over.
        world.token("not-a-token-of-this-server");
        let (kind, told) = refused(&world.ibutsu(mode), &upload).await;
        assert!(kind == IbutsuErrorKind::Token && told.contains("fails (500) with this one"), "{told}");
        assert!(!told.contains("not-a-token"), "{told}");
        for bad in ["", "two words", "tök"] {
            world.token(bad);
            let (kind, told) = refused(&world.ibutsu(mode), &upload).await;
            assert!(kind == IbutsuErrorKind::Token && told.contains("put a token there"), "{told}");
        }
        std::fs::remove_file(world.folder.path().join("token")).unwrap();
        let (kind, told) = refused(&world.ibutsu(mode), &upload).await;
        assert!(kind == IbutsuErrorKind::Token && told.contains("cannot read") && told.contains("token_file"), "{told}");
    }
}

#[tokio::test]
async fn a_token_that_is_mended_counts_at_once() {
    let world = World::new().await;
    world.token("garbage");
    let ibutsu = world.ibutsu(Mode::Archive);
    let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
    refused(&ibutsu, &upload).await;
    world.token(TOKEN);
    send(&ibutsu, &upload).await.unwrap();
}

#[tokio::test]
async fn a_project_that_is_not_there_or_not_ours_is_told_as_such() {
    for mode in MODES {
        let world = World::new().await;
        let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
        let elsewhere = Ibutsu::new(IbutsuSettings { project: "insigths".into(), ..world.settings(mode) }, world.clock()).unwrap();
        let (kind, told) = refused(&elsewhere, &upload).await;
        assert!(kind == IbutsuErrorKind::Project && told.contains("project `insigths`"), "{told}");
        world.server.leave_project();
        let (kind, told) = refused(&world.ibutsu(mode), &upload).await;
        assert!(kind == IbutsuErrorKind::Project && told.contains("add the user"), "{told}");
    }
}

#[tokio::test]
async fn a_server_that_fails_at_one_thing_alone_is_told_from_one_that_is_away() {
    for (mode, method, path) in [(Mode::Archive, "POST", "/import"), (Mode::Api, "POST", "/result")] {
        let world = World::new().await;
        let upload = upload("deploy-web-1", vec![("junit.xml", three())]);
        world.server.plan(method, path, 99, Mishap::Status(500));
        let (kind, told) = refused(&world.ibutsu(mode), &upload).await;
        assert!(kind == IbutsuErrorKind::Failing && told.contains("the server is well otherwise"), "{told}");
        world.server.plan("GET", "/health", 99, Mishap::Status(500));
        let (kind, told) = refused(&world.ibutsu(mode), &upload).await;
        assert!(kind == IbutsuErrorKind::Away && told.contains("it is tried again"), "{told}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let (world, trap) = (World::new().await, World::new().await);
    for status in [301, 307, 308] {
        world.server.plan("POST", "/import", 1, Mishap::Redirect(status, trap.server.address()));
        let (kind, told) = refused(&world.ibutsu(Mode::Archive), &upload("deploy-web-1", vec![])).await;
        assert!(kind == IbutsuErrorKind::Setup && told.contains("no redirect is followed"), "{told}");
    }
    assert_eq!(trap.server.seen(), []);
}

#[tokio::test]
async fn what_is_no_ibutsu_is_told_as_such() {
    towpath_testbed::init();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    // A web server that has a page for everything, as that of Ibutsu's own pages has.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(|| async { axum::response::Html("<html>Ibutsu</html>") });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let world = World::new().await;
    for mode in MODES {
        let ibutsu = Ibutsu::new(settings(&address, folder.path().join("token"), mode), world.clock()).unwrap();
        let (kind, told) = refused(&ibutsu, &upload("deploy-web-1", vec![("junit.xml", three())])).await;
        assert!(kind == IbutsuErrorKind::Setup && told.contains("does not answer as Ibutsu does"), "{told}");
        let error = ibutsu.examine().await.unwrap_err();
        assert_eq!(error.kind(), IbutsuErrorKind::Setup, "{error}");
    }
    let nobody = Ibutsu::new(settings("http://127.0.0.1:1", folder.path().join("token"), Mode::Archive), world.clock()).unwrap();
    let (kind, told) = refused(&nobody, &upload("deploy-web-1", vec![])).await;
    assert!(kind == IbutsuErrorKind::Away && told.contains("is not reached"), "{told}");
}

#[tokio::test]
async fn a_token_that_the_server_repeats_is_not_repeated_by_us() {
    let world = World::new().await;
    world.server.plan("POST", "/import", 1, Mishap::Says(400, format!("no good: Bearer {TOKEN} says\u{1b}[31m <b>so</b>")));
    let (kind, told) = refused(&world.ibutsu(Mode::Archive), &upload("deploy-web-1", vec![])).await;
    assert!(kind == IbutsuErrorKind::Content && told.contains("no good: Bearer (secret) says"), "{told}");
    assert!(!told.contains('\u{1b}'), "{told}");
}

#[tokio::test]
async fn doctor_says_whether_the_server_answers_and_takes_the_token() {
    let world = World::new().await;
    world.server.frontend("https://ibutsu.example.com/");
    let health = world.ibutsu(Mode::Archive).examine().await.unwrap();
    assert!(health.summary.ends_with("project insights, pages at https://ibutsu.example.com"), "{health:?}");
    assert_eq!(health.warnings, []);
    // By its id, too.
    let by_id = IbutsuSettings { project: towpath_ibutsu::fake::PROJECT.1.into(), ..world.settings(Mode::Archive) };
    Ibutsu::new(by_id, world.clock()).unwrap().examine().await.unwrap();
    // As a server says that nobody configured.
    world.server.frontend("http://localhost:3000");
    let health = world.ibutsu(Mode::Archive).examine().await.unwrap();
    assert!(
        health.warnings[0].0.contains("says that its pages are at http://localhost:3000") && health.warnings[0].1.contains("`frontend`")
    );
    let known = IbutsuSettings { frontend: Some("https://pages.example.com".into()), ..world.settings(Mode::Archive) };
    assert_eq!(Ibutsu::new(known, world.clock()).unwrap().examine().await.unwrap().warnings, []);
    world.server.expire_token();
    assert_eq!(world.ibutsu(Mode::Archive).examine().await.unwrap_err().kind(), IbutsuErrorKind::Token);
    world.token("garbage");
    assert_eq!(world.ibutsu(Mode::Archive).examine().await.unwrap_err().kind(), IbutsuErrorKind::Token);
}

#[tokio::test]
async fn a_link_is_known_before_anything_is_sent() {
    let world = World::new().await;
    let ibutsu =
        Ibutsu::new(IbutsuSettings { frontend: Some("https://i.example.com/".into()), ..world.settings(Mode::Archive) }, world.clock());
    let (upload, ibutsu) = (upload("deploy-web-1", vec![]), ibutsu.unwrap());
    let before = ibutsu.link("towpath", &upload.run).await.unwrap().unwrap();
    let id = towpath_ibutsu::run_uuid("towpath", &upload.run);
    assert_eq!(before, format!("https://i.example.com/project/insights/runs/{id}#summary"));
    assert_eq!(world.server.seen(), []);
}

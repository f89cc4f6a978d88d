//! Sessions: what they may, and when that is over.

use std::sync::Arc;

use towpath_domain::Span;
use towpath_web::auth::Everybody;

use super::house::{Browser, House, house, house_of, people, with_role_of_ann};
use crate::stream::Follower;

async fn status(house: &House, browser: &mut Browser) -> u16 {
    house.send(browser, "GET", "/api/v1/status", "", "").await.status
}

fn cookies(browser: &Browser) -> String {
    format!("cookie: towpath={}\r\n", browser.cookies["towpath"])
}

#[tokio::test]
async fn a_session_is_new_with_each_sign_in_and_one_that_was_slipped_in_counts_for_nothing() {
    let house = house(|_| {}).await;
    let mut eve = house.signed_in("carl").await;
    let mut ann = Browser { cookies: eve.cookies.clone(), ..Browser::default() };
    let way = house.way_back(&mut ann, "ann", "%2F").await;
    house.open(&mut ann, &way).await;
    assert_ne!(ann.cookies["towpath"], eve.cookies["towpath"]);
    assert_eq!(status(&house, &mut eve).await, 401, "the one from before is over");
    assert_eq!(status(&house, &mut ann).await, 200);
    let mut made_up = Browser { cookies: [("towpath".to_owned(), "made-up".to_owned())].into(), ..Browser::default() };
    let way = house.way_back(&mut made_up, "ann", "%2F").await;
    house.open(&mut made_up, &way).await;
    assert_ne!(made_up.cookies["towpath"], "made-up");
}

#[tokio::test]
async fn a_page_of_another_site_does_nothing_with_somebodys_cookie() {
    let house = house(|_| {}).await;
    let mut root = house.signed_in("root").await;
    let csrf = house.open(&mut root, "/").await.csrf().to_owned();
    let fields = "what=web&why=x&back=%2F";
    let before = house.server.brain.asked().len();
    assert_eq!(house.form(&mut root, "/act/hold", fields).await.status, 403, "without the form's token");
    assert_eq!(house.form(&mut root, "/act/hold", &format!("{fields}&csrf={}", "0".repeat(64))).await.status, 403);
    let headers = "accept: text/html\norigin: https://evil.example\ncontent-type: application/x-www-form-urlencoded";
    let said = house.send(&mut root, "POST", "/act/hold", headers, &format!("{fields}&csrf={csrf}")).await;
    assert_eq!(said.status, 403, "from elsewhere, even with it");
    let json = r#"{"what":"web","why":"x"}"#;
    let said = house.send(&mut root, "POST", "/api/v1/hold", "content-type: application/json", json).await;
    assert_eq!((said.status, said.problem().as_str()), (403, "foreign-form"), "a program in a browser");
    assert_eq!(house.send(&mut root, "POST", "/auth/logout", headers, "").await.status, 403);
    assert_eq!(house.form(&mut root, "/auth/logout", "").await.status, 403);
    assert_eq!(house.server.brain.asked().len(), before, "nothing was asked");
    let said = house.form(&mut root, "/act/hold", &format!("{fields}&csrf={csrf}")).await;
    assert_eq!(said.status, 303, "{said:?}");
    let said =
        house.send(&mut root, "POST", "/api/v1/hold", &format!("content-type: application/json\nx-towpath-csrf: {csrf}"), json).await;
    assert_eq!(said.status, 202, "{said:?}");
    assert!(
        house.server.brain.asked().iter().filter(|asked| asked.contains("by: \"root\"")).count() == 2,
        "{:?}",
        house.server.brain.asked()
    );
    let mut ann = house.signed_in("ann").await;
    assert_eq!(house.form(&mut ann, "/act/hold", &format!("{fields}&csrf={csrf}")).await.status, 403, "another session's token");
}

#[tokio::test]
async fn signing_out_ends_what_is_open_at_once_here_and_everywhere_where_that_is_asked_for() {
    let house = house(|_| {}).await;
    let (mut one, mut two, mut other) = (house.signed_in("ann").await, house.signed_in("ann").await, house.signed_in("root").await);
    let mut follows = Follower::new(&house.server, "/api/v1/events", &cookies(&one)).await;
    let csrf = house.open(&mut one, "/").await.csrf().to_owned();
    let before = one.clone();
    let said = house.form(&mut one, "/auth/logout", &format!("csrf={csrf}")).await;
    assert_eq!((said.status, said.to()), (303, "/auth/login"));
    follows.until_it_is_over().await;
    assert_eq!(status(&house, &mut before.clone()).await, 401, "the cookie itself counts no more");
    assert_eq!(status(&house, &mut two).await, 200);
    let mut three = house.signed_in("ann").await;
    let csrf = house.open(&mut three, "/tokens").await.csrf().to_owned();
    let mut follows = Follower::new(&house.server, "/api/v1/events", &cookies(&two)).await;
    house.form(&mut three, "/auth/logout", &format!("csrf={csrf}&everywhere=yes")).await;
    follows.until_it_is_over().await;
    assert_eq!((status(&house, &mut two).await, status(&house, &mut other).await), (401, 200));
    assert_eq!(house.keeper.kept_sessions().len(), 1);
}

#[tokio::test]
async fn a_role_that_is_taken_away_counts_at_once_and_ends_what_is_open() {
    let house = house(|settings| settings.everybody = Everybody::Nothing).await;
    let mut ann = house.signed_in("ann").await;
    assert_eq!(status(&house, &mut ann).await, 200);
    let mut follows = Follower::new(&house.server, "/api/v1/events", &cookies(&ann)).await;
    house.keeper.set_catalog(with_role_of_ann("permissions: []\n"));
    follows.until_it_is_over().await;
    let said = house.send(&mut ann, "GET", "/api/v1/status", "", "").await;
    assert_eq!((said.status, said.problem().as_str()), (403, "no-role"));
    let page = house.open(&mut ann, "/").await;
    assert!(
        page.status == 403 && page.words().contains("ann is signed in, and has no role here") && page.body.contains("Sign out"),
        "{page:?}"
    );
    let csrf = page.csrf().to_owned();
    house.keeper.set_catalog(people());
    assert_eq!(status(&house, &mut ann).await, 200, "and what is given counts at once");
    house.keeper.set_catalog(with_role_of_ann("permissions: []\n"));
    assert_eq!(house.form(&mut ann, "/auth/logout", &format!("csrf={csrf}")).await.status, 303, "who may nothing may sign out");
}

#[tokio::test]
async fn a_role_that_expires_and_a_session_that_ends_by_time_end_what_is_open() {
    let house = house(|settings| settings.everybody = Everybody::Nothing).await;
    house.keeper.set_catalog(with_role_of_ann("expirationDate: '2027-01-16'\npermissions: [{$ref: /hold.yml}]\n"));
    let mut ann = house.signed_in("ann").await;
    let mut follows = Follower::new(&house.server, "/api/v1/events", &cookies(&ann)).await;
    house.keeper.pass(Span::from_secs(11 * 3600));
    assert_eq!(status(&house, &mut ann).await, 200, "it is used, so it goes on");
    house.keeper.pass(Span::from_secs(8 * 3600));
    follows.until_it_is_over().await;
    assert_eq!(status(&house, &mut ann).await, 403, "the role has expired at midnight, the session has not");
    house.keeper.pass(Span::from_secs(12 * 3600));
    assert_eq!(status(&house, &mut ann).await, 401, "nobody used it for half a day");
}

#[tokio::test]
async fn a_session_ends_after_a_week_however_often_it_is_used_and_a_restart_ends_none() {
    let house = house(|_| {}).await;
    let mut ann = house.signed_in("ann").await;
    for _ in 0..15 {
        house.keeper.pass(Span::from_secs(11 * 3600));
        assert_eq!(status(&house, &mut ann).await, 200);
    }
    // The notes of its use are written behind the requests.
    while house.keeper.kept_sessions()[0].seen != towpath_web::auth::Keeper::now(&*house.keeper) {
        tokio::task::yield_now().await;
    }
    let again = house_of(Arc::clone(&house.keeper), |_| {}).await;
    assert_eq!(status(&again, &mut ann).await, 200);
    again.keeper.pass(Span::from_secs(4 * 3600));
    assert_eq!(status(&again, &mut ann).await, 401);
}

#[tokio::test]
async fn every_answer_tells_browsers_what_may_be_done_with_it() {
    let house = house(|settings| settings.base_url = "https://towpath.example.com".parse().unwrap()).await;
    let host = "host: towpath.example.com";
    for (head, status) in [
        ("GET /healthz HTTP/1.1", 200),
        ("GET /api/v1/status HTTP/1.1", 401),
        ("GET /auth/login HTTP/1.1\naccept: text/html", 200),
        ("GET / HTTP/1.1\naccept: text/html", 303),
        ("GET /nothing HTTP/1.1", 401),
        ("POST /hooks/github HTTP/1.1", 404),
        ("GET /assets/x/y HTTP/1.1", 404),
        ("GET /api/v1/status HTTP/1.1\norigin: https://evil.example", 403),
    ] {
        let said = house.server.raw(&format!("{head}\n{host}"), "").await;
        assert_eq!(said.status, status, "{head}: {said:?}");
        for header in [
            "content-security-policy: default-src 'none'",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "permissions-policy: accelerometer=()",
            "strict-transport-security: max-age=63072000",
        ] {
            assert!(said.head.contains(header), "{head}: {header}: {}", said.head);
        }
    }
    let said = house.server.raw(&format!("GET /auth/start HTTP/1.1\n{host}"), "").await;
    assert!(said.sent.contains("__Host-towpath-signing-in=") && said.sent.contains("; Secure"), "{}", said.sent);
}

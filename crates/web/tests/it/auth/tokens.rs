//! Tokens: never more than their owner may, and one answer for all that do not count.

use futures_util::future::join_all;
use towpath_domain::Span;

use super::house::{Browser, House, house, with_role_of_ann};
use crate::harness::Said;
use crate::stream::Follower;

fn secret(said: &Said) -> String {
    assert_eq!(said.status, 201, "{said:?}");
    assert!(said.head.contains("cache-control: no-store"), "{}", said.head);
    said.json()["token"].as_str().unwrap().to_owned()
}

fn id(said: &Said) -> String {
    said.json()["id"].as_str().unwrap().to_owned()
}

async fn status(house: &House, token: &str) -> u16 {
    house.with(token, "GET", "/api/v1/status", "").await.status
}

const HOLD: &str = r#"{"what":"web","why":"x"}"#;

#[tokio::test]
async fn a_token_does_what_it_was_made_for_in_its_owners_name_and_no_more_than_they_may_now() {
    let house = house(|_| {}).await;
    house
        .server
        .brain
        .show(|shown| shown.scopes = vec![towpath_control::Scope { app: Some("web".into()), environment: Some("stage".into()) }]);
    let mut ann = house.signed_in("ann").await;
    let looks = secret(&house.token(&mut ann, r#"{"name":"eyes","expiresInDays":30,"may":["look"]}"#).await);
    let holds = secret(&house.token(&mut ann, r#"{"name":"hands","expiresInDays":30,"may":["hold","promote"],"apps":["web"]}"#).await);
    assert_eq!((status(&house, &looks).await, status(&house, &holds).await), (200, 200));
    assert_eq!(house.with(&looks, "POST", "/api/v1/hold", HOLD).await.problem(), "not-allowed");
    assert_eq!(house.with(&holds, "POST", "/api/v1/hold", HOLD).await.status, 202);
    assert!(house.server.brain.asked().last().unwrap().contains("by: \"ann\""));
    let promote = r#"{"target":"web","why":"x"}"#;
    assert_eq!(house.with(&holds, "POST", "/api/v1/promote", promote).await.problem(), "not-allowed", "she may not herself");
    house.keeper.set_catalog(with_role_of_ann("permissions: []\n"));
    assert_eq!(house.with(&holds, "POST", "/api/v1/hold", HOLD).await.status, 403, "she may no longer");
    let kept = format!("{:?}", house.keeper.kept_tokens());
    assert!(kept.contains("hands") && !kept.contains(&holds) && !kept.contains(&holds[8..40]), "only a hash is kept");
    let listed = house.with(&looks, "GET", "/api/v1/tokens", "").await;
    assert!(listed.json().as_array().unwrap().len() == 2 && !listed.body.contains(&holds), "{}", listed.body);
}

#[tokio::test]
async fn one_answer_for_tokens_that_are_wrong_over_or_taken_back() {
    let house = house(|_| {}).await;
    let mut ann = house.signed_in("ann").await;
    let made = house.token(&mut ann, r#"{"name":"a","expiresInDays":1,"may":["look"]}"#).await;
    let other = house.token(&mut ann, r#"{"name":"b","expiresInDays":30,"may":["look"]}"#).await;
    let mut follows = Follower::new(&house.server, "/api/v1/events", &format!("authorization: Bearer {}\r\n", secret(&other))).await;
    let taken_back = house.with(&secret(&made), "POST", &format!("/api/v1/tokens/{}/revoke", id(&other)), "").await;
    assert!(taken_back.status == 200 && taken_back.json()["counts"] == false, "{taken_back:?}");
    follows.until_it_is_over().await;
    house.keeper.pass(Span::from_days(1));
    let made_up = towpath_web::auth::Secret::make().unwrap();
    let mut answers = Vec::new();
    for token in [secret(&made), secret(&other), made_up.text().to_owned(), "x".to_owned(), String::new(), format!("{}x", secret(&made))] {
        let said = house.with(&token, "GET", "/api/v1/status", "").await;
        assert_eq!((said.status, said.problem().as_str()), (401, "bad-token"), "{token}");
        answers.push(said.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    let twice = format!("authorization: Bearer {}\nauthorization: Bearer {}", house.key, house.key);
    assert_eq!(house.send(&mut Browser::default(), "GET", "/api/v1/status", &twice, "").await.problem(), "bad-token");
    let basic = "authorization: Basic eDp5";
    assert_eq!(house.send(&mut Browser::default(), "GET", "/api/v1/status", basic, "").await.problem(), "bad-token");
    let in_url = format!("/api/v1/status?access_token={}", house.key);
    assert_eq!(house.send(&mut Browser::default(), "GET", &in_url, "", "").await.status, 401, "never in an address");
}

#[tokio::test]
async fn a_token_that_is_made_with_a_token_ends_with_it_and_is_never_wider() {
    let house = house(|_| {}).await;
    let mut root = house.signed_in("root").await;
    let parent = house.token(&mut root, r#"{"name":"p","expiresInDays":10,"may":["look","hold"],"apps":["web"]}"#).await;
    let child =
        house.with(&secret(&parent), "POST", "/api/v1/tokens", r#"{"name":"c","expiresInDays":300,"may":["hold","administer"]}"#).await;
    assert_eq!(child.json()["ends"], parent.json()["ends"]);
    assert_eq!(child.json()["parent"], parent.json()["id"]);
    assert_eq!(house.with(&secret(&child), "GET", "/api/v1/doctor", "").await.status, 403);
    house.server.brain.show(|shown| shown.scopes = vec![towpath_control::Scope { app: Some("shop".into()), environment: None }]);
    assert_eq!(house.with(&secret(&child), "POST", "/api/v1/hold", HOLD).await.status, 404, "another app than its parent's");
    let machine = r#"{"name":"m","expiresInDays":1,"may":["look"],"machine":true}"#;
    assert_eq!(house.with(&secret(&parent), "POST", "/api/v1/tokens", machine).await.status, 403);
    house.send(&mut root, "GET", "/", "", "").await;
    let revoked = house.with(&house.key, "POST", &format!("/api/v1/tokens/{}/revoke", id(&parent)), "").await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(status(&house, &secret(&child)).await, 401);
}

#[tokio::test]
async fn a_machine_has_a_token_of_an_administrator_who_may_all_that_it_may() {
    let house = house(|_| {}).await;
    let wanted = r#"{"name":"bot","expiresInDays":30,"may":["hold"],"machine":true}"#;
    for name in ["ann", "carl"] {
        let mut browser = house.signed_in(name).await;
        assert_eq!(house.token(&mut browser, wanted).await.problem(), "not-allowed", "{name}");
    }
    let mut amy = house.signed_in("amy").await;
    assert_eq!(house.token(&mut amy, wanted).await.problem(), "not-allowed", "who only administers gives no more than that");
    let mut root = house.signed_in("root").await;
    let bot = secret(&house.token(&mut root, wanted).await);
    assert_eq!(house.with(&bot, "POST", "/api/v1/hold", HOLD).await.status, 202);
    assert!(house.server.brain.asked().last().unwrap().contains("by: \"bot (machine)\""));
    assert_eq!(house.with(&bot, "POST", "/api/v1/hold", r#"{"what":"web","why":"x","by":"root"}"#).await.problem(), "not-yourself");
    let by_key = house.with(&house.key, "POST", "/api/v1/tokens", wanted).await;
    assert_eq!(status(&house, &secret(&by_key)).await, 200);
    let owned = r#"{"name":"bot","expiresInDays":30,"may":["hold"]}"#;
    assert_eq!(house.with(&house.key, "POST", "/api/v1/tokens", owned).await.problem(), "bad-token-request", "nobody would own it");
}

#[tokio::test]
async fn tokens_have_a_name_an_end_and_something_to_do_and_others_are_not_told_of() {
    let house = house(|_| {}).await;
    let mut ann = house.signed_in("ann").await;
    for wanted in [
        r#"{"name":" ","expiresInDays":30,"may":["look"]}"#,
        r#"{"name":"a\nb","expiresInDays":30,"may":["look"]}"#,
        r#"{"name":"a","expiresInDays":0,"may":["look"]}"#,
        r#"{"name":"a","expiresInDays":366,"may":["look"]}"#,
        r#"{"name":"a","expiresInDays":4294967295,"may":["look"]}"#,
        r#"{"name":"a","expiresInDays":30,"may":[]}"#,
        r#"{"name":"a","expiresInDays":30,"may":["look"],"apps":[]}"#,
    ] {
        let said = house.token(&mut ann, wanted).await;
        assert_eq!((said.status, said.problem().as_str()), (422, "bad-token-request"), "{wanted}");
    }
    let endless = house.token(&mut ann, r#"{"name":"a","may":["look"]}"#).await;
    assert_eq!(endless.problem(), "bad-body", "there is none without an end");
    let hers = house.token(&mut ann, r#"{"name":"a","expiresInDays":30,"may":["look"]}"#).await;
    let mut carl = house.signed_in("carl").await;
    let his = secret(&house.token(&mut carl, r#"{"name":"a","expiresInDays":30,"may":["look"]}"#).await);
    let missing = house.with(&his, "POST", "/api/v1/tokens/tok-0/revoke", "").await;
    let foreign = house.with(&his, "POST", &format!("/api/v1/tokens/{}/revoke", id(&hers)), "").await;
    assert_eq!((missing.status, foreign.status), (404, 404));
    assert_eq!(missing.body.replace("tok-0", &id(&hers)), foreign.body);
    assert_eq!(house.with(&his, "GET", "/api/v1/tokens", "").await.json().as_array().unwrap().len(), 1);
    let mut root = house.signed_in("root").await;
    assert_eq!(house.send(&mut root, "GET", "/api/v1/tokens", "", "").await.json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_token_is_made_once_for_one_key_and_told_once() {
    let house = house(|_| {}).await;
    let mut ann = house.signed_in("ann").await;
    let first = secret(&house.token(&mut ann, r#"{"name":"a","expiresInDays":30,"may":["look"]}"#).await);
    let headers = format!("authorization: Bearer {first}\ncontent-type: application/json\nidempotency-key: k1");
    let wanted = r#"{"name":"b","expiresInDays":30,"may":["look"]}"#;
    let one = house.send(&mut Browser::default(), "POST", "/api/v1/tokens", &headers, wanted).await;
    let two = house.send(&mut Browser::default(), "POST", "/api/v1/tokens", &headers, wanted).await;
    assert!(!secret(&one).is_empty() && two.json()["token"] == "" && id(&one) == id(&two), "{two:?}");
}

#[tokio::test]
async fn the_page_of_tokens_shows_a_secret_once_and_takes_tokens_back() {
    let house = house(|_| {}).await;
    let mut ann = house.signed_in("ann").await;
    let csrf = house.open(&mut ann, "/tokens").await.csrf().to_owned();
    let made = house.form(&mut ann, "/tokens", &format!("csrf={csrf}&name=bot&days=30&look=yes&apps=web%2C+shop")).await;
    let shown = made.body.split("<code class=\"break\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(made.status == 200 && made.head.contains("cache-control: no-store"), "{made:?}");
    assert_eq!(status(&house, &shown).await, 200);
    let page = house.open(&mut ann, "/tokens").await;
    assert!(page.words().contains("bot") && page.words().contains("web, shop") && !page.body.contains(&shown), "{}", page.words());
    let token = house.keeper.kept_tokens()[0].id.clone();
    assert_eq!(house.form(&mut ann, &format!("/tokens/{token}/revoke"), "").await.status, 403);
    assert_eq!(house.form(&mut ann, &format!("/tokens/{token}/revoke"), &format!("csrf={csrf}")).await.status, 303);
    assert_eq!(status(&house, &shown).await, 401);
    let bad = house.form(&mut ann, "/tokens", &format!("csrf={csrf}&name=bot&days=30")).await;
    assert!(bad.status == 422 && bad.words().contains("No such token can be made"), "{bad:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_wrong_tokens_at_once_are_no_way_around_the_limit_and_right_ones_pass() {
    let house = house(|_| {}).await;
    let mut ann = house.signed_in("ann").await;
    let right = secret(&house.token(&mut ann, r#"{"name":"a","expiresInDays":30,"may":["look"]}"#).await);
    let wrong = towpath_web::auth::Secret::make().unwrap();
    let tries = join_all((0..100).map(|_| house.with(wrong.text(), "GET", "/api/v1/status", ""))).await;
    let (told, waits): (Vec<&Said>, Vec<&Said>) = tries.iter().partition(|said| said.status == 401);
    assert!((20..=24).contains(&told.len()), "{}", told.len());
    assert!(waits.iter().all(|said| said.status == 429 && said.head.contains("retry-after: ")), "{waits:?}");
    assert_eq!(status(&house, &right).await, 200);
    assert_eq!(status(&house, &house.key).await, 200);
    assert_eq!(house.open(&mut ann, "/").await.status, 200);
}

#[tokio::test]
async fn where_nobody_signs_in_there_are_no_tokens() {
    let server = crate::harness::server("127.0.0.1:0", towpath_web::fake::Shown::default()).await;
    for said in
        [server.get("/api/v1/tokens").await, server.post("/api/v1/tokens", r#"{"name":"a","expiresInDays":1,"may":["look"]}"#).await]
    {
        assert_eq!((said.status, said.problem().as_str()), (409, "no-sign-in"));
    }
    assert_eq!(server.get("/auth/login").await.status, 404);
    for open in ["0.0.0.0:0", "[::]:0"] {
        let refused = towpath_web::Listener::bind(&open.parse().unwrap()).await.unwrap_err();
        assert!(refused.to_string().contains("nobody has to sign in"), "{refused}");
    }
}

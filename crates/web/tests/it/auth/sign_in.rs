//! Signing in at a provider, and those who try to get in otherwise.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use towpath_domain::Span;

use super::house::{Browser, House, NOW, house};
use towpath_testbed::oidc::{Inner, unsigned};

fn session(browser: &Browser) -> Option<&String> {
    browser.cookies.get("towpath").filter(|value| !value.is_empty())
}

#[tokio::test]
async fn who_is_led_to_the_sign_in_comes_back_to_where_they_wanted_to_go() {
    let house = house(|_| {}).await;
    let mut ann = Browser::default();
    let said = house.open(&mut ann, "/runs?state=failed").await;
    assert_eq!((said.status, said.to()), (303, "/auth/login?back=%2Fruns%3Fstate%3Dfailed"));
    let page = house.open(&mut ann, said.to()).await;
    assert!(page.status == 200 && page.words().contains("Sign in with Example SSO"), "{page:?}");
    assert!(page.body.contains("href=\"/auth/start?back=%2Fruns%3Fstate%3Dfailed\""), "{}", page.body);
    let way = house.way_back(&mut ann, "ann", "%2Fruns%3Fstate%3Dfailed").await;
    let back = house.open(&mut ann, &way).await;
    assert_eq!((back.status, back.to()), (303, "/runs?state=failed"), "{back:?}");
    let cookie = back.all("set-cookie")[0];
    assert!(cookie.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(back.head.contains("cache-control: no-store") && back.head.contains("referrer-policy: no-referrer"), "{}", back.head);
    let board = house.open(&mut ann, "/").await;
    assert!(board.status == 200 && board.body.contains(">ann</a>") && !board.csrf().is_empty(), "{board:?}");
    let kept = format!("{:?}", house.keeper.kept_sessions());
    assert!(kept.contains("\"ann\"") && !kept.contains(session(&ann).unwrap()), "only a hash is kept");
}

/// RFC 6749, section 2.3.1: in a header where the provider says nothing else, in the form where it takes that alone.
#[tokio::test]
async fn a_provider_gets_the_secret_the_way_it_takes_it() {
    for in_form in [false, true] {
        let house = house(|_| {}).await;
        house.provider.inner().secret_in_form = in_form;
        let mut ann = Browser::default();
        let way = house.way_back(&mut ann, "ann", "%2F").await;
        let back = house.open(&mut ann, &way).await;
        assert!(back.status == 303 && session(&ann).is_some(), "in the form: {in_form}: {back:?}");
    }
}

#[tokio::test]
async fn nobody_who_is_not_signed_in_sees_anything_wherever_they_come_from() {
    let house = house(|_| {}).await;
    let mut nobody = Browser::default();
    for path in ["/api/v1/status", "/api/v1/nothing", "/api/v1/openapi.json", "/api/v1/tokens", "/nothing", "/problems", "/tokens"] {
        let said = house.send(&mut nobody, "GET", path, "", "").await;
        assert_eq!((said.status, said.problem().as_str()), (401, "not-signed-in"), "{path}");
        assert!(said.head.contains("www-authenticate: bearer"), "{said:?}");
    }
    assert_eq!(house.send(&mut nobody, "POST", "/act/hold", "accept: text/html", "").await.status, 401);
    assert_eq!(house.send(&mut nobody, "GET", "/", "accept: text/html\nx-fragment: live", "").await.status, 401, "what a page fetches");
    assert_eq!(house.server.get("/healthz").await.status, 200, "by any name");
    assert_eq!(house.server.get("/api/v1/status").await.problem(), "foreign-site", "loopback is no name of this server's");
    assert_eq!(house.server.brain.asked(), [""; 0]);
}

type Change = fn(&mut Value);
type Sign = fn(&Inner, Value) -> String;

/// One whose proxies are trusted, so that each browser is counted alone.
async fn behind_a_proxy() -> House {
    house(|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await
}

async fn refused(house: &House, what: &str) {
    let from = format!("198.51.100.{}", what.bytes().fold(0u8, u8::wrapping_add));
    let mut mallory = Browser { from: Some(from), ..Browser::default() };
    let way = house.way_back(&mut mallory, "root", "%2F").await;
    let said = house.open(&mut mallory, &way).await;
    assert_eq!(said.status, 403, "{what}: {said:?}");
    assert!(said.words().contains("You are not signed in") && session(&mallory).is_none(), "{what}: {said:?}");
    assert!(house.keeper.kept_sessions().is_empty(), "{what}");
}

#[tokio::test]
async fn a_token_that_is_not_for_this_server_and_this_sign_in_signs_nobody_in() {
    let house = behind_a_proxy().await;
    let changes: [(&str, Change); 14] = [
        ("another audience", |claims| claims["aud"] = json!("other")),
        ("no audience", |claims| claims["aud"] = Value::Null),
        ("several audiences without azp", |claims| claims["aud"] = json!(["towpath-client", "other"])),
        ("another azp", |claims| claims["azp"] = json!("other")),
        ("another issuer", |claims| claims["iss"] = json!("https://evil.example")),
        ("an issuer that begins alike", |claims| claims["iss"] = json!(format!("{}/", claims["iss"].as_str().unwrap()))),
        ("another nonce", |claims| claims["nonce"] = json!("x")),
        ("no nonce", |claims| drop(claims.as_object_mut().unwrap().remove("nonce"))),
        ("expired", |claims| claims["exp"] = json!(NOW - 61)),
        ("without an end", |claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
        ("from the future", |claims| claims["iat"] = json!(NOW + 61)),
        ("not yet", |claims| claims["nbf"] = json!(NOW + 61)),
        ("no subject", |claims| claims["sub"] = json!("")),
        ("a subject that is none", |claims| claims["sub"] = json!(1)),
    ];
    for (what, change) in changes {
        house.provider.inner().change = Some(Arc::new(change));
        refused(&house, what).await;
    }
}

#[tokio::test]
async fn a_token_that_the_provider_did_not_sign_signs_nobody_in() {
    let house = behind_a_proxy().await;
    let signs: [(&str, Sign); 6] = [
        ("alg none", |_, claims| unsigned(&json!({ "alg": "none", "typ": "JWT" }), &claims)),
        ("alg none with a kid", |provider, claims| unsigned(&json!({ "alg": "nOnE", "kid": provider.kid }), &claims)),
        ("the public key as a secret", |provider, claims| {
            let public = serde_json::to_vec(&provider.published[0]).unwrap();
            let header = Header { kid: Some(provider.kid.clone()), ..Header::new(Algorithm::HS256) };
            encode(&header, &claims, &EncodingKey::from_secret(&public)).unwrap()
        }),
        ("unknown kid", |provider, claims| {
            encode(&Header { kid: Some("other".into()), ..Header::new(provider.algorithm) }, &claims, &provider.key).unwrap()
        }),
        ("another's signature", |provider, claims| {
            let token = provider.signed(&claims);
            let other = provider.signed(&json!({ "sub": "x" }));
            format!("{}.{}", token.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1)
        }),
        ("nonsense", |_, _| "a.b".to_owned()),
    ];
    for (what, sign) in signs {
        house.provider.inner().sign = Some(Arc::new(sign));
        refused(&house, what).await;
    }
}

#[tokio::test]
async fn a_new_key_of_the_provider_counts_at_once_and_its_old_one_no_more() {
    let house = house(|_| {}).await;
    house.signed_in("ann").await;
    house.provider.inner().rotate(Algorithm::RS256, "two");
    house.signed_in("ann").await;
    let old = house.provider.inner().key.clone();
    house.provider.inner().rotate(Algorithm::ES256, "three");
    house.signed_in("ann").await;
    house.provider.inner().sign = Some(Arc::new(move |_, claims| {
        encode(&Header { kid: Some("two".into()), ..Header::new(Algorithm::RS256) }, &claims, &old).unwrap()
    }));
    let mut late = Browser::default();
    let way = house.way_back(&mut late, "ann", "%2F").await;
    assert_eq!(house.open(&mut late, &way).await.status, 403);
}

#[tokio::test]
async fn a_sign_in_is_for_one_browser_once_and_not_for_ever() {
    let house = house(|_| {}).await;
    let (mut ann, mut eve) = (Browser::default(), Browser::default());
    let way = house.way_back(&mut ann, "ann", "%2F").await;
    house.way_back(&mut eve, "eve", "%2F").await;
    // Eve's victim is led to the end of a sign-in that Eve began, or Eve takes the end of Ann's.
    for (what, browser) in [("another browser", &mut eve), ("one without a cookie", &mut Browser::default())] {
        let said = house.open(browser, &way).await;
        assert!(said.status == 400 && session(browser).is_none() && said.words().contains("not begun in this browser"), "{what}: {said:?}");
    }
    assert_eq!(house.provider.inner().asked, 0, "the provider hears nothing of it");
    assert_eq!(house.open(&mut ann, &way).await.status, 303);
    assert_eq!(house.open(&mut ann, &way).await.status, 400, "the same once more");
    let state = way.split("state=").nth(1).unwrap().split('&').next().unwrap();
    assert_eq!(house.open(&mut ann, &format!("/auth/callback?code=code-9&state={state}")).await.status, 400);
    let code = way.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let other = house.way_back(&mut ann, "ann", "%2F").await;
    let state = other.split("state=").nth(1).unwrap().split('&').next().unwrap();
    assert_eq!(house.open(&mut ann, &format!("/auth/callback?code={code}&state={state}")).await.status, 403, "a code that was used");
    let late = house.way_back(&mut ann, "ann", "%2F").await;
    house.keeper.pass(Span::from_secs(601));
    assert_eq!(house.open(&mut ann, &late).await.status, 400);
    assert_eq!(house.open(&mut ann, "/auth/callback?error=access_denied&error_description=call+evil+now&state=x").await.status, 400);
}

#[tokio::test]
async fn the_way_back_leads_to_this_server_and_says_nothing_that_others_wrote() {
    let house = house(|_| {}).await;
    for back in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2F%5Cevil.example", "javascript%3Aalert(1)"] {
        let mut ann = Browser::default();
        let page = house.open(&mut ann, &format!("/auth/login?back={back}")).await;
        assert!(page.body.contains("href=\"/auth/start?back=%2F\""), "{}", page.body);
        let way = house.way_back(&mut ann, "ann", back).await;
        assert_eq!(house.open(&mut ann, &way).await.to(), "/", "{back}");
    }
    let mut ann = Browser::default();
    let way = house.way_back(&mut ann, "ann", "%2F").await;
    let state = way.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let said = house.open(&mut ann, &format!("/auth/callback?error=access_denied&error_description=call+evil+now&state={state}")).await;
    assert!(said.status == 403 && said.words().contains("(access_denied)") && !said.body.contains("evil"), "{said:?}");
    assert_eq!(house.open(&mut ann, "/auth/callback?state=a&state=b&code=c").await.status, 400, "twice the same");
}

#[tokio::test]
async fn a_provider_that_calls_itself_otherwise_is_not_asked_for_anybody() {
    let house = house(|_| {}).await;
    house.provider.call_itself("https://sso.example.com");
    let said = house.open(&mut Browser::default(), "/auth/start").await;
    assert!(said.status == 502 && said.words().contains("the identity provider cannot be used now"), "{said:?}");
    assert!(!said.body.contains("sso.example.com") && !said.body.contains(&house.provider.url), "why is for the log");
}

#[tokio::test]
async fn an_address_for_mail_names_people_only_where_the_provider_verified_it_and_a_name_that_people_choose_names_nobody_else() {
    let by_mail = house(|settings| settings.oidc.as_mut().unwrap().username_claim = "email".into()).await;
    refused(&by_mail, "an address that was not verified").await;
    by_mail.provider.inner().change = Some(Arc::new(|claims: &mut Value| claims["email_verified"] = json!("true")));
    refused(&by_mail, "a text in place of yes").await;
    by_mail.provider.inner().change = Some(Arc::new(|claims: &mut Value| claims["email_verified"] = json!(true)));
    by_mail.signed_in("ann").await;
    // The provider calls carl `root` by a name that he chose; `sub` counts.
    let house = house(|_| {}).await;
    let mut carl = house.signed_in("carl").await;
    assert!(house.open(&mut carl, "/").await.body.contains(">carl</a>"));
    assert_eq!(house.send(&mut carl, "GET", "/api/v1/doctor", "", "").await.problem(), "not-allowed");
}

#[tokio::test]
async fn strangers_who_begin_many_sign_ins_wait_and_who_they_claim_to_be_changes_nothing() {
    let house = house(|_| {}).await;
    let mut ann = house.signed_in("ann").await;
    let mut told = Vec::new();
    for n in 0..40 {
        let headers = format!("accept: text/html\nx-forwarded-for: 198.51.100.{n}");
        told.push(house.send(&mut Browser::default(), "GET", "/auth/start", &headers, "").await);
    }
    assert!((15..=22).contains(&told.iter().filter(|said| said.status == 303).count()), "{told:?}");
    let last = told.last().unwrap();
    assert!(last.status == 429 && last.head.contains("retry-after: "), "{last:?}");
    assert_eq!(house.open(&mut ann, "/").await.status, 200, "who is signed in is not kept out");
}

//! Sessions and tokens outlive a restart, and end.

use towpath_ledger::{Identity, Ledger, Session, Token};

use crate::support::*;

fn ann() -> Identity {
    Identity { issuer: "https://sso.example.com".into(), subject: "8271".into(), username: "ann".into() }
}

fn token(id: &str, owner: Option<Identity>) -> Token {
    Token {
        id: id.into(),
        hash: format!("hash of {id}"),
        name: "ci".into(),
        owner,
        allows: "{}".into(),
        parent: None,
        made_by: "Ann <ann>".into(),
        made: at(1),
        ends: at(100),
        used: None,
        revoked: None,
    }
}

#[tokio::test]
async fn a_session_outlives_a_restart_and_is_forgotten_when_it_ends_or_is_ended() {
    let (directory, ledger) = fresh().await;
    let mut session = Session { hash: "h1".into(), identity: ann(), began: at(1), seen: at(1), ends: at(50) };
    ledger.keep_session(&session, at(1)).await.unwrap();
    session.seen = at(9);
    ledger.keep_session(&session, at(9)).await.unwrap();
    let other = Session { hash: "h2".into(), ends: at(200), ..session.clone() };
    ledger.keep_session(&other, at(9)).await.unwrap();
    assert!(ledger.verify().await.unwrap().is_clean());
    ledger.close().await;
    drop(ledger);

    let ledger = Ledger::open(directory.path()).await.unwrap();
    assert_eq!(ledger.sessions().await.unwrap(), [session, other.clone()]);
    let third = Session { hash: "h3".into(), began: at(60), ..other.clone() };
    ledger.keep_session(&third, at(60)).await.unwrap();
    assert_eq!(ledger.sessions().await.unwrap(), [other.clone(), third.clone()], "the first one has ended");
    ledger.forget_session(&other.hash).await.unwrap();
    assert_eq!(ledger.sessions().await.unwrap(), [third]);
}

#[tokio::test]
async fn of_a_token_only_its_use_and_its_end_change_and_it_is_listed_a_while_after_it_ended() {
    let (_directory, ledger) = fresh().await;
    let mut personal = token("t1", Some(ann()));
    let machine = Token { made: at(2), parent: Some("t1".into()), ..token("t2", None) };
    ledger.keep_token(&personal, at(1)).await.unwrap();
    ledger.keep_token(&machine, at(2)).await.unwrap();
    personal.used = Some(at(5));
    personal.revoked = Some(at(6));
    ledger.keep_token(&Token { name: "other".into(), allows: "all".into(), ends: at(9999), ..personal.clone() }, at(6)).await.unwrap();
    assert_eq!(ledger.tokens().await.unwrap(), [personal, machine]);
    let days = |count: i64| towpath_domain::Timestamp::from_millis(at(100).as_millis() + count * 24 * 3_600_000);
    let later = Token { made: days(89), ends: days(400), ..token("t3", None) };
    ledger.keep_token(&later, days(89)).await.unwrap();
    assert_eq!(ledger.tokens().await.unwrap().len(), 3);
    for _ in 0..2 {
        ledger.keep_token(&later, days(91)).await.unwrap();
    }
    assert_eq!(ledger.tokens().await.unwrap(), [later], "children first, then their parents");
}

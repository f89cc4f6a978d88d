//! Signing in, staying so, and doing it anew.

use std::fs;
use std::sync::Arc;

use serde_json::json;
use towpath_secrets::fake::FakeVault;
use towpath_secrets::{SecretErrorKind, SecretSource, SecretStore as _, SecretValue, SignIn, VaultConfig};

use super::{app_role, config, read, store, token};

async fn vault() -> FakeVault {
    let vault = FakeVault::start().await.expect("started");
    vault.put("secret", "a", json!({"x": "1"}));
    vault.policy("reader", &["secret/data/*"]);
    vault.app_role("approle", "towpath", "the-secret-id", &["reader"], 3600);
    vault.kubernetes_role("kubernetes/blue", "towpath", "the.service.account", &["reader"], 3600);
    vault
}

#[tokio::test]
async fn each_way_to_sign_in_leads_to_the_secret() {
    let vault = vault().await;
    vault.token("a-token", &["reader"], 0, false);
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("token");
    fs::write(&file, "the.service.account\n").expect("written");
    let kubernetes = SignIn::Kubernetes {
        mount: "kubernetes/blue".into(),
        role: "towpath".into(),
        service_account_token: SecretSource::File(file.clone()),
    };
    let ways = [
        (token("a-token"), "signed in by token"),
        (app_role("the-secret-id"), "signed in by AppRole"),
        (kubernetes, "signed in by Kubernetes"),
    ];
    for (sign_in, words) in ways {
        let store = store(config(&vault, sign_in));
        assert_eq!(read(&store, "secret/a", "x").await.as_deref(), Ok("1"));
        let health = store.examine().await.expect("well");
        assert!(health.summary.contains(words) && health.summary.contains("policies: reader"), "{}", health.summary);
        assert_eq!(health.warnings, Vec::<String>::new());
    }
    assert_eq!(vault.count("POST", "auth/approle/login"), 1);
    assert_eq!(vault.count("POST", "auth/kubernetes/blue/login"), 1);
    let root = store(config(&vault, token("root"))).examine().await.expect("well");
    assert!(root.warnings[0].contains("policy `root`"), "{:?}", root.warnings);
}

#[tokio::test]
async fn a_wrong_credential_is_told_as_such() {
    let vault = vault().await;
    let error = read(&store(config(&vault, app_role("wrong-secret-id"))), "secret/a", "x").await.expect_err("refused");
    assert_eq!(error.kind(), SecretErrorKind::SignIn);
    assert!(error.to_string().contains("does not accept the sign-in by AppRole: invalid role or secret ID"), "{error}");
    assert!(!error.to_string().contains("wrong-secret-id"));
    let value = SecretSource::Value(SecretValue::new("another.account"));
    let kubernetes = SignIn::Kubernetes { mount: "kubernetes/blue".into(), role: "towpath".into(), service_account_token: value };
    let error = read(&store(config(&vault, kubernetes)), "secret/a", "x").await.expect_err("refused");
    assert_eq!(error.kind(), SecretErrorKind::SignIn);
    let error = store(config(&vault, token("no-such-token"))).examine().await.expect_err("refused");
    assert_eq!(error.kind(), SecretErrorKind::SignIn);
    let missing = SignIn::Token(SecretSource::File("/nowhere/token".into()));
    let error = read(&store(config(&vault, missing)), "secret/a", "x").await.expect_err("refused");
    assert_eq!(error.kind(), SecretErrorKind::Setup);
}

#[tokio::test]
async fn many_at_once_sign_in_once() {
    let vault = vault().await;
    for name in 0..20 {
        vault.put("secret", &name.to_string(), json!({"x": "1"}));
    }
    let store = Arc::new(store(config(&vault, app_role("the-secret-id"))));
    let reads: Vec<_> = (0..20)
        .map(|name| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { read(&store, &format!("secret/{name}"), "x").await })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.expect("joined").as_deref(), Ok("1"));
    }
    assert_eq!(vault.count("POST", "auth/approle/login"), 1);
}

#[tokio::test]
async fn a_token_that_vault_no_longer_takes_is_replaced_once_for_all_who_meet_it() {
    let vault = vault().await;
    let store = Arc::new(store(config(&vault, app_role("the-secret-id"))));
    assert_eq!(read(&store, "secret/a", "x").await.as_deref(), Ok("1"));
    for round in 2..4 {
        vault.expire_tokens();
        let reads: Vec<_> = (0..10)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { read(&store, "secret/a", "x").await })
            })
            .collect();
        for read in reads {
            assert_eq!(read.await.expect("joined").as_deref(), Ok("1"));
        }
        assert_eq!(vault.count("POST", "auth/approle/login"), round);
    }
}

#[tokio::test]
async fn a_missing_policy_is_named_and_costs_one_sign_in_not_one_per_request() {
    let vault = vault().await;
    vault.mount("other", 2);
    vault.policy("reader", &["secret/data/*", "other/data/open"]);
    vault.put("other", "closed", json!({"x": "1"}));
    let store = store(config(&vault, app_role("the-secret-id")));
    for _ in 0..5 {
        let error = read(&store, "other/closed", "x").await.expect_err("not allowed");
        assert_eq!(error.kind(), SecretErrorKind::Denied);
        assert!(error.to_string().contains(r#"`path "other/data/closed" { capabilities = ["read"] }`"#), "{error}");
    }
    assert_eq!(vault.count("POST", "auth/approle/login"), 2);
    assert_eq!(read(&store, "secret/a", "x").await.as_deref(), Ok("1"));
    let error = read(&store, "elsewhere/a", "x").await.expect_err("not mounted");
    assert_eq!(error.kind(), SecretErrorKind::Denied);
    assert!(error.to_string().contains("does not tell which engine"), "{error}");
}

#[tokio::test]
async fn a_token_file_is_read_again_when_its_token_is_refused() {
    let vault = vault().await;
    vault.token("old", &["reader"], 600, false);
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("token");
    fs::write(&file, "old").expect("written");
    let store = store(config(&vault, SignIn::Token(SecretSource::File(file.clone()))));
    assert_eq!(read(&store, "secret/a", "x").await.as_deref(), Ok("1"));
    vault.expire_tokens();
    assert_eq!(read(&store, "secret/a", "x").await.expect_err("refused").kind(), SecretErrorKind::Denied);
    vault.token("new", &["reader"], 600, false);
    fs::write(&file, "new").expect("written");
    assert_eq!(read(&store, "secret/a", "x").await.as_deref(), Ok("1"));
}

#[tokio::test]
async fn a_token_is_renewed_before_its_lease_ends_though_nobody_reads() {
    let vault = vault().await;
    vault.token("periodic", &["reader"], 1, true);
    let store = store(config(&vault, token("periodic")));
    assert_eq!(read(&store, "secret/a", "x").await.as_deref(), Ok("1"));
    vault.wait_for("POST", "auth/token/renew-self", 3).await;
    assert_eq!(read(&store, "secret/a", "x").await.as_deref(), Ok("1"));
}

#[tokio::test]
async fn when_renewals_grow_short_it_signs_in_anew() {
    let vault = vault().await;
    vault.app_role("approle", "towpath", "the-secret-id", &["reader"], 3);
    vault.renew_for(Some(1));
    let store = store(VaultConfig { ..config(&vault, app_role("the-secret-id")) });
    assert_eq!(read(&store, "secret/a", "x").await.as_deref(), Ok("1"));
    vault.wait_for("POST", "auth/approle/login", 2).await;
    assert!(vault.count("POST", "auth/token/renew-self") >= 1);
    assert_eq!(read(&store, "secret/a", "x").await.as_deref(), Ok("1"));
}

#[tokio::test]
async fn the_namespace_goes_with_every_request() {
    let vault = vault().await;
    vault.demand_namespace("team/blue");
    assert!(read(&store(config(&vault, app_role("the-secret-id"))), "secret/a", "x").await.is_err());
    let with = store(VaultConfig { namespace: Some("team/blue".into()), ..config(&vault, app_role("the-secret-id")) });
    assert_eq!(read(&with, "secret/a", "x").await.as_deref(), Ok("1"));
}

//! Vaults that are sealed, broken, silent, or no Vault.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use towpath_domain::FailureClass;
use towpath_secrets::fake::FakeVault;
use towpath_secrets::{SecretErrorKind, SecretStore as _, Vault, VaultConfig};

use super::{app_role, config, read, store, token};

#[tokio::test]
async fn a_server_in_trouble_is_the_environments_fault() {
    let vault = FakeVault::start().await.expect("started");
    vault.put("secret", "a", json!({"x": "1"}));
    let store = store(config(&vault, token("root")));
    assert_eq!(read(&store, "secret/a", "x").await.as_deref(), Ok("1"));
    let class = async |words: &str| {
        let error = read(&store, "secret/a", "x").await.expect_err("in trouble");
        assert!(error.to_string().contains(words), "{error}");
        error.class()
    };
    vault.seal(true);
    assert_eq!(class("is sealed").await, FailureClass::Environment);
    assert!(store.examine().await.expect_err("sealed").to_string().contains("is sealed"));
    vault.seal(false);
    for (status, words) in
        [(500, "fails with 500"), (502, "fails with 502"), (429, "asked too often"), (412, "fails with 412"), (307, "points elsewhere")]
    {
        vault.fail_with(Some((status, "internal error")));
        assert_eq!(class(words).await, FailureClass::Environment);
    }
    vault.fail_with(Some((400, "unsupported path")));
    assert_eq!(class("refuses with 400 Bad Request: unsupported path").await, FailureClass::Own);
    vault.fail_with(None);
    assert_eq!(read(&store, "secret/a", "x").await.as_deref(), Ok("1"));
}

#[tokio::test]
async fn one_that_never_answers_costs_all_who_wait_one_timeout() {
    let vault = FakeVault::start().await.expect("started");
    vault.hang(true);
    let config = VaultConfig { timeout: Duration::from_millis(200), ..config(&vault, app_role("x")) };
    let store = Arc::new(store(config));
    let reads: Vec<_> = (0..30)
        .map(|name| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { read(&store, &format!("secret/{name}"), "x").await })
        })
        .collect();
    for read in reads {
        let error = read.await.expect("joined").expect_err("silent");
        assert_eq!(error.class(), FailureClass::Environment);
        assert!(error.to_string().contains("does not answer in time"), "{error}");
    }
    assert!(vault.count("POST", "auth/approle/login") <= 1, "each of them waited for a timeout of its own");
}

#[tokio::test]
async fn a_token_never_follows_where_an_answer_points() {
    let (vault, other) = (FakeVault::start().await.expect("started"), FakeVault::start().await.expect("started"));
    other.put("secret", "a", json!({"x": "1"}));
    vault.redirect_to(&other.address());
    for sign_in in [token("root"), app_role("x")] {
        let error = read(&store(config(&vault, sign_in)), "secret/a", "x").await.expect_err("pointed elsewhere");
        assert!(error.to_string().contains("points elsewhere"), "{error}");
    }
    assert_eq!(other.seen(), []);
}

#[tokio::test]
async fn one_that_is_not_there_is_told_with_its_address() {
    let vault = FakeVault::start().await.expect("started");
    let config = config(&vault, token("root"));
    let address = vault.address();
    drop(vault);
    // The port may still take connections until the server's task is gone.
    let store = store(VaultConfig { timeout: Duration::from_secs(2), ..config });
    let error = read(&store, "secret/a", "x").await.expect_err("gone");
    assert_eq!(error.class(), FailureClass::Environment);
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn what_is_no_vault_is_told() {
    let vault = FakeVault::start().await.expect("started");
    vault.fail_with(Some((200, "hello")));
    let error = read(&store(config(&vault, token("root"))), "secret/a", "x").await.expect_err("no Vault");
    assert!(error.to_string().contains("does not answer as Vault does"), "{error}");
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_before_anything_is_asked() {
    let vault = FakeVault::start().await.expect("started");
    let refused = |change: fn(&mut VaultConfig)| {
        let mut config = config(&vault, token("root"));
        change(&mut config);
        let error = Vault::new(config).err().expect("refused");
        assert_eq!(error.kind(), SecretErrorKind::Setup);
        error.to_string()
    };
    assert!(refused(|config| config.address = "vault".into()).contains("no URL"));
    assert!(refused(|config| config.address = "ftp://vault".into()).contains("neither https nor http"));
    assert!(refused(|config| config.address = "http://vault.example.com".into()).contains("plain http"));
    let with_password = refused(|config| config.address = "https://me:hunter2@vault.example.com".into());
    assert!(with_password.contains("carries credentials") && !with_password.contains("hunter2"), "{with_password}");
    assert!(refused(|config| config.namespace = Some("a\nb".into())).contains("namespace"));
    assert!(refused(|config| config.ca_file = Some("/nowhere/ca.pem".into())).contains("/nowhere/ca.pem"));
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, "no certificate").expect("written");
    let mut empty = config(&vault, token("root"));
    empty.ca_file = Some(file);
    assert!(Vault::new(empty).err().expect("refused").to_string().contains("no certificate"));
    let mut allowed = config(&vault, token("root"));
    (allowed.address, allowed.allow_plain_http) = ("http://vault.example.com".into(), true);
    assert!(Vault::new(allowed).is_ok());
}

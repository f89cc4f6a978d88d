//! What is read, and which version it is said to have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use towpath_secrets::fake::FakeVault;
use towpath_secrets::{KvVersion, Pins, Request, SecretErrorKind, SecretStore as _, VaultConfig};

use super::{config, read, read_at, store, token};

#[tokio::test]
async fn the_latest_and_pinned_versions_of_an_engine_that_keeps_them() {
    let vault = FakeVault::start().await.expect("started");
    vault.put("secret", "app/stage/db", json!({"password": "first"}));
    vault.put("secret", "app/stage/db", json!({"password": "second", "port": 5432}));
    let store = store(config(&vault, token("root")));
    assert_eq!(read(&store, "secret/app/stage/db", "password").await.as_deref(), Ok("second"));
    assert_eq!(read(&store, "secret/app/stage/db", "port").await.as_deref(), Ok("5432"));
    assert_eq!(read_at(&store, "secret/app/stage/db", "password", Some(1)).await.as_deref(), Ok("first"));
    assert_eq!(store.version("secret/app/stage/db", Some(1)).await.as_deref(), Ok("1"));
    assert_eq!(store.version("secret/app/stage/db", None).await.as_deref(), Ok("2@2026-11-24T10:00:00.000000002Z"));
}

#[tokio::test]
async fn a_pinned_version_is_named_without_asking_for_it() {
    let vault = FakeVault::start().await.expect("started");
    vault.put("secret", "a", json!({"x": "1"}));
    let store = store(config(&vault, token("root")));
    assert_eq!(store.version("secret/a", Some(1)).await.as_deref(), Ok("1"));
    assert_eq!(store.version("secret/b", Some(7)).await.as_deref(), Ok("7"));
    assert_eq!(vault.count("GET", "secret/"), 0);
    assert_eq!(vault.count("GET", "sys/internal/ui/mounts/"), 1);
}

#[tokio::test]
async fn a_secret_that_was_removed_and_made_anew_has_another_version() {
    let vault = FakeVault::start().await.expect("started");
    let store = store(config(&vault, token("root")));
    vault.put("secret", "a", json!({"x": "one"}));
    let before = store.version("secret/a", None).await.expect("a version");
    vault.remove("secret", "a");
    vault.put("secret", "a", json!({"x": "two"}));
    assert_ne!(store.version("secret/a", None).await.expect("a version"), before);
}

#[tokio::test]
async fn an_engine_without_versions_is_told_apart_by_what_it_holds() {
    let vault = FakeVault::start().await.expect("started");
    vault.put("kv", "app/db", json!({"password": "one"}));
    let store = store(config(&vault, token("root")));
    assert_eq!(read(&store, "kv/app/db", "password").await.as_deref(), Ok("one"));
    let before = store.version("kv/app/db", None).await.expect("a version");
    vault.put("kv", "app/db", json!({"password": "two"}));
    assert_eq!(read(&store, "kv/app/db", "password").await.as_deref(), Ok("two"));
    assert_ne!(store.version("kv/app/db", None).await.expect("a version"), before);

    let error = read_at(&store, "kv/app/db", "password", Some(2)).await.expect_err("no versions there");
    assert_eq!(error.kind(), SecretErrorKind::Refused);
    assert!(error.to_string().contains("version 2 is asked for, but `kv` is a KV engine of version 1"), "{error}");
    let lenient = super::store(VaultConfig { pins: Pins::Ignore, ..config(&vault, token("root")) });
    assert_eq!(read_at(&lenient, "kv/app/db", "password", Some(2)).await.as_deref(), Ok("two"));
}

#[tokio::test]
async fn mounts_of_several_components_and_odd_names_are_found() {
    let vault = FakeVault::start().await.expect("started");
    vault.mount("teams/blue/kv", 2);
    vault.put("teams/blue/kv", "a b/c%2e?x#y/ä", json!({"f": "odd"}));
    let store = store(config(&vault, token("root")));
    assert_eq!(read(&store, "teams/blue/kv/a b/c%2e?x#y/ä", "f").await.as_deref(), Ok("odd"));
    assert!(vault.seen().iter().any(|seen| seen.path == "teams/blue/kv/data/a b/c%2e?x#y/ä"));
    vault.mount("transit", 0);
    let error = read(&store, "transit/key", "f").await.expect_err("no KV");
    assert!(error.to_string().contains("an engine of type `transit`, not KV"), "{error}");
    let error = read(&store, "secret", "f").await.expect_err("names nothing");
    assert!(error.to_string().contains("the path names nothing in it"), "{error}");
}

#[tokio::test]
async fn configured_mounts_are_not_looked_up() {
    let vault = FakeVault::start().await.expect("started");
    vault.put("secret", "a", json!({"x": "1"}));
    vault.policy("narrow", &["secret/data/a"]);
    vault.token("t", &["narrow"], 0, false);
    let mounts = BTreeMap::from([("secret/".to_owned(), KvVersion::V2)]);
    let configured = store(VaultConfig { mounts, ..config(&vault, token("t")) });
    assert_eq!(read(&configured, "secret/a", "x").await.as_deref(), Ok("1"));
    assert_eq!(vault.count("GET", "sys/"), 0);
    let wrong = BTreeMap::from([("secret".to_owned(), KvVersion::V1)]);
    let wrong = store(VaultConfig { mounts: wrong, ..config(&vault, token("root")) });
    let error = read(&wrong, "secret/a", "x").await.expect_err("the other version");
    assert!(error.to_string().contains("but configured as version 1"), "{error}");
}

#[tokio::test]
async fn what_is_gone_is_told_apart_with_what_to_do() {
    let vault = FakeVault::start().await.expect("started");
    for value in ["one", "two", "three"] {
        vault.put("secret", "db", json!({"password": value}));
    }
    vault.delete_version("secret", "db", 1);
    vault.destroy_version("secret", "db", 2);
    let store = store(config(&vault, token("root")));
    let text = async |path: &str, field: &str, version| {
        let error = store.read(&Request::new(path, field).at_version(version)).await.expect_err("gone");
        (error.kind(), error.to_string())
    };
    assert_eq!(
        text("secret/db", "password", Some(1)).await,
        (
            SecretErrorKind::Deleted,
            "secret `secret/db`, field `password`: version 1 was deleted on 2026-11-24T12:00:00.123456789Z; bring it back \
             (`vault kv undelete -versions=1 secret/db`), or name another version"
                .to_owned()
        )
    );
    let (kind, destroyed) = text("secret/db", "password", Some(2)).await;
    assert_eq!(kind, SecretErrorKind::Deleted);
    assert!(destroyed.contains("version 2 was destroyed"), "{destroyed}");
    let (kind, never) = text("secret/db", "password", Some(9)).await;
    assert_eq!(kind, SecretErrorKind::Missing);
    assert!(never.contains("or not its version 9"), "{never}");
    assert_eq!(text("secret/nothing", "password", None).await.0, SecretErrorKind::Missing);
    assert_eq!(text("kv/nothing", "password", None).await.0, SecretErrorKind::Missing);
    let (kind, field) = text("secret/db", "user", None).await;
    assert_eq!(kind, SecretErrorKind::Missing);
    assert!(field.starts_with("secret `secret/db`, field `user`: there is no such field: it has `password`"), "{field}");
    assert_eq!(text("secret/db", "password", Some(0)).await.0, SecretErrorKind::Refused);
}

#[tokio::test]
async fn what_is_kept_is_not_asked_for_again_and_many_at_once_ask_once() {
    let vault = FakeVault::start().await.expect("started");
    vault.put("secret", "a", json!({"x": "1", "y": "2"}));
    let store = Arc::new(store(VaultConfig { kept_for: Duration::from_secs(60), ..config(&vault, token("root")) }));
    let reads: Vec<_> = (0..40)
        .map(|index| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.read(&Request::new("secret/a", if index % 2 == 0 { "x" } else { "y" })).await })
        })
        .collect();
    for read in reads {
        read.await.expect("joined").expect("read");
    }
    assert_eq!(read(&store, "secret/a", "x").await.as_deref(), Ok("1"));
    assert_eq!(vault.count("GET", "secret/data/a"), 1);
}

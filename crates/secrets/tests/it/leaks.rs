//! Planted secrets that must appear nowhere.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use towpath_secrets::fake::FakeVault;
use towpath_secrets::{
    Fetched, Files, FilesConfig, Given, Pins, Request, SecretError, SecretSource, SecretStore, SecretValue, SignIn, VersionKey,
};

use super::{app_role, config, store, token};

const PLANTED: &str = "hunter2-hunter2-hunter2";
/// The same in base64 and in hexadecimal, as far as neither depends on what follows.
const DISGUISED: [&str; 2] = ["aHVudGVyMi1odW50ZXIyLWh1bnRlcj", "68756e746572322d68756e74657232"];

fn clean(what: &str, text: &str) {
    assert!(!text.contains("hunter2"), "{what} shows the secret: {text}");
    for disguise in DISGUISED {
        assert!(!text.contains(disguise), "{what} shows the secret, encoded: {text}");
    }
}

fn check(what: &str, outcome: &Result<Fetched, SecretError>) {
    clean(what, &format!("{outcome:?} {outcome:#?}"));
    match outcome {
        Ok(fetched) => {
            assert!(fetched.value.expose().contains("hunter2"), "{what} read something else");
            clean(what, &fetched.version);
        }
        Err(error) => clean(what, &format!("{error} {:?} {} {}", error.path(), error.why(), error.mend())),
    }
}

/// Every request that can succeed or fail after the value is known.
fn requests(path: &str) -> Vec<Request> {
    let mut all = Vec::new();
    for field in ["password", "missing", "nested", "binary"] {
        for version in [None, Some(1), Some(9)] {
            for base64 in [false, true] {
                all.push(Request::new(path, field).at_version(version).decoded(base64));
            }
        }
    }
    all
}

async fn ask_everything(what: &str, store: &dyn SecretStore, path: &str) -> (usize, usize) {
    let (mut good, mut bad) = (0, 0);
    for request in requests(path) {
        let outcome = store.read(&request).await;
        if outcome.is_ok() {
            good += 1
        } else {
            bad += 1
        }
        check(what, &outcome);
        clean(what, &format!("{:?}", store.version(&request.path, request.version).await));
    }
    clean(what, &format!("{:?}", store.examine().await));
    (good, bad)
}

#[tokio::test]
async fn no_store_shows_a_value_whatever_is_asked_of_it() {
    let vault = FakeVault::start().await.expect("started");
    let fields = json!({"password": PLANTED, "nested": {"deep": [PLANTED]}});
    vault.put("secret", "app", fields.clone());
    vault.put("kv", "app", fields.clone());
    let of_vault = store(config(&vault, token("root")));
    for path in ["secret/app", "kv/app"] {
        let (good, bad) = ask_everything(path, &of_vault, path).await;
        assert!(good >= 2 && bad >= 6, "{path}: {good} good, {bad} bad");
    }

    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("folder")).expect("made");
    std::fs::write(dir.path().join("folder/password"), PLANTED).expect("written");
    std::fs::write(dir.path().join("folder/binary"), [PLANTED.as_bytes(), &[0xff]].concat()).expect("written");
    for (name, text) in [
        ("json.json", fields.to_string()),
        ("yaml.yaml", format!("password: {PLANTED}\n")),
        ("broken1.yaml", format!("password: {PLANTED}\n {PLANTED}: [")),
        ("broken2.yaml", PLANTED.to_owned()),
        ("broken3.yaml", format!("password: !{PLANTED} *{PLANTED}")),
        ("broken4.yaml", format!("? [{PLANTED}]\n: x")),
        ("broken5.json", format!("{{\"password\": \"{PLANTED}\" {PLANTED}")),
        ("broken6.json", format!("\"{PLANTED}\"")),
    ] {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    let files = Files::new(FilesConfig {
        folder: dir.path().into(),
        pins: Pins::Ignore,
        kept_for: Duration::ZERO,
        version_key: VersionKey::new([2; 32]),
    });
    for path in ["folder", "json", "yaml", "broken1", "broken2", "broken3", "broken4", "broken5", "broken6"] {
        ask_everything(path, &files, path).await;
    }

    let secrets = BTreeMap::from([("app".to_owned(), BTreeMap::from([("password".to_owned(), SecretValue::new(PLANTED))]))]);
    ask_everything("given", &Given::new(secrets, Pins::Ignore, VersionKey::new([2; 32])), "app").await;
}

/// Its output is checked by whoever calls it; the bound makes sure that the types have one.
fn shown(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

#[tokio::test]
async fn no_credential_is_shown_by_configuration_or_errors_even_if_the_server_repeats_it() {
    let vault = FakeVault::start().await.expect("started");
    let value = || SecretSource::Value(SecretValue::new(PLANTED));
    let ways = [
        token(PLANTED),
        app_role(PLANTED),
        SignIn::Kubernetes { mount: "kubernetes".into(), role: "r".into(), service_account_token: value() },
    ];
    for sign_in in ways {
        let config = config(&vault, sign_in);
        clean("the configuration", &shown(&config));
        for status in [200, 204, 301, 400, 401, 403, 404, 412, 429, 500, 501, 503] {
            vault.fail_with(Some((status, &format!("you sent {PLANTED}"))));
            let store = store(config.clone());
            let error = store.read(&Request::new("secret/app", "password")).await.expect_err("failed");
            clean(&format!("status {status}"), &format!("{error} {error:?}"));
            clean(&format!("examining, status {status}"), &format!("{:?}", store.examine().await));
        }
    }
    let control = SignIn::Token(SecretSource::Value(SecretValue::new(format!("{PLANTED}\n"))));
    vault.fail_with(None);
    let error = store(config(&vault, control)).read(&Request::new("secret/app", "password")).await.expect_err("failed");
    clean("a token with a line break", &format!("{error} {error:?}"));
}

#[tokio::test]
async fn a_version_of_a_guessable_secret_cannot_be_guessed_without_the_key() {
    let of = async |key: u8, value: &str| {
        let fields = BTreeMap::from([("pin".to_owned(), SecretValue::new(value))]);
        let given = Given::new(BTreeMap::from([("app".to_owned(), fields)]), Pins::Refuse, VersionKey::new([key; 32]));
        let store: Arc<dyn SecretStore> = Arc::new(given);
        store.version("app", None).await.expect("a version")
    };
    assert_eq!(of(1, "0000").await, of(1, "0000").await);
    assert_ne!(of(1, "0000").await, of(1, "0001").await);
    assert_ne!(of(1, "0000").await, of(2, "0000").await);
}

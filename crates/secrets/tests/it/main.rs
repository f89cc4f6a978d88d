//! Vault over real HTTP, played by the stand-in, and what must never be seen.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

mod leaks;
mod reading;
mod sign_in;
mod tls;
mod trouble;

use std::time::Duration;

use towpath_secrets::fake::FakeVault;
use towpath_secrets::{Request, SecretError, SecretSource, SecretStore, SecretValue, SignIn, Vault, VaultConfig, VersionKey};

/// A configuration for a stand-in, which keeps nothing, so that every read is seen.
fn config(vault: &FakeVault, sign_in: SignIn) -> VaultConfig {
    // The first to come installs it; the others find it there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    VaultConfig { kept_for: Duration::ZERO, ..VaultConfig::new(vault.address(), sign_in, VersionKey::new([9; 32])) }
}

fn token(token: &str) -> SignIn {
    SignIn::Token(SecretSource::Value(SecretValue::new(token)))
}

fn app_role(secret_id: &str) -> SignIn {
    let secret_id = SecretSource::Value(SecretValue::new(secret_id));
    SignIn::AppRole { mount: "approle".into(), role_id: "towpath".into(), secret_id }
}

fn store(config: VaultConfig) -> Vault {
    Vault::new(config).expect("a store")
}

async fn read(store: &Vault, path: &str, field: &str) -> Result<String, SecretError> {
    read_at(store, path, field, None).await
}

async fn read_at(store: &Vault, path: &str, field: &str, version: Option<u64>) -> Result<String, SecretError> {
    let fetched = store.read(&Request::new(path, field).at_version(version)).await?;
    assert_eq!(store.version(path, version).await, Ok(fetched.version), "read and version tell the same");
    Ok(fetched.value.expose().to_owned())
}

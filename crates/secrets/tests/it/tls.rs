//! TLS: only who shows a certificate of the configured authority is asked for anything.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use towpath_domain::FailureClass;
use towpath_secrets::VaultConfig;
use towpath_secrets::fake::FakeVault;

use super::{config, read, store, token};

/// Writes a certificate for `localhost` that signed itself, and its key; `false`, loudly, where there is no `openssl`.
fn certificate(folder: &Path, name: &str) -> bool {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=test", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match made {
        Ok(status) => {
            assert!(status.success(), "openssl made no certificate");
            true
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "openssl is missing: {error}");
            eprintln!("SKIPPED: openssl is missing: {error}");
            false
        }
    }
}

/// Takes TLS off in front of the stand-in.
async fn with_tls(folder: &Path, name: &str, vault: SocketAddr) -> SocketAddr {
    let certificate = CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).expect("a key");
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(stream).await else { return };
                let mut behind = TcpStream::connect(vault).await.expect("connected");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut behind).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn the_ca_file_decides_whom_to_trust() {
    let dir = tempfile::tempdir().expect("a folder");
    let vault = FakeVault::start().await.expect("started");
    vault.put("secret", "a", json!({"x": "1"}));
    let config = config(&vault, token("root"));
    if !certificate(dir.path(), "vault") || !certificate(dir.path(), "stranger") {
        return;
    }
    let behind = vault.address().trim_start_matches("http://").parse().expect("an address");
    let port = with_tls(dir.path(), "vault", behind).await.port();
    let at = |host: &str, ca: &str| {
        store(VaultConfig { address: format!("https://{host}:{port}"), ca_file: Some(dir.path().join(ca)), ..config.clone() })
    };
    assert_eq!(read(&at("localhost", "vault.pem"), "secret/a", "x").await.as_deref(), Ok("1"));
    let seen = vault.seen().len();
    for (host, ca) in [("localhost", "stranger.pem"), ("127.0.0.1", "vault.pem")] {
        let error = read(&at(host, ca), "secret/a", "x").await.expect_err("not trusted");
        assert_eq!(error.class(), FailureClass::Environment);
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    assert_eq!(vault.seen().len(), seen, "nothing was asked of a stranger");
}

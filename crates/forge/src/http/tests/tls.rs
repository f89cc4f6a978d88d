//! TLS: only who shows a certificate of a trusted authority is sent the token.

use std::path::Path;
use std::process::{Command, Stdio};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use towpath_domain::FailureClass;

use super::server::{Server, say};
use super::*;

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

/// Takes TLS off in front of the server; the port.
async fn with_tls(folder: &Path, name: &str, server: &Server) -> u16 {
    let _there = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let certificate = CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let behind = server.origin().trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(stream).await else { return };
                let mut behind = TcpStream::connect(behind).await.unwrap();
                let _over = tokio::io::copy_bidirectional(&mut client, &mut behind).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn the_ca_file_decides_whom_to_trust_and_who_is_not_is_not_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    if !certificate(dir.path(), "forge") || !certificate(dir.path(), "stranger") {
        return;
    }
    let server = Server::start([say(200, "", "{}")]).await;
    let at = |port: u16, host: &str, ca: Option<&str>| {
        at_once(Settings { ca_file: ca.map(|ca| dir.path().join(ca)), ..settings(&format!("https://{host}:{port}/api/v1"), token()) })
    };
    let port = with_tls(dir.path(), "forge", &server).await;
    assert_eq!(get(&at(port, "localhost", Some("forge.pem")), "/x").await.unwrap().status, 200);
    for (host, ca) in [("localhost", Some("stranger.pem")), ("127.0.0.1", Some("forge.pem")), ("localhost", None)] {
        let error = send(&at(port, host, ca), "POST").await.unwrap_err();
        assert_eq!(error.class(), FailureClass::Own, "{error}");
        assert!(error.to_string().contains("certificate") && error.to_string().contains("ca_file"), "{error}");
    }
    assert_eq!(server.lines(), ["GET /api/v1/x"], "a stranger is sent nothing");
}

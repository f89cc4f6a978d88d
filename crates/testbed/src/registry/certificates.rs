//! Keys and certificates, made by `openssl`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A certificate and its key, and the certificate that it goes back to, in PEM.
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub ca: PathBuf,
}

/// A certificate that vouches for itself.
pub fn own(dir: &Path, name: &str) -> Pair {
    let (certificate, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        &format!("/CN={name}"),
        "-keyout",
        &text(&key),
        "-out",
        &text(&certificate),
    ]);
    Pair { ca: certificate.clone(), certificate, key }
}

/// A server's certificate for this machine, by an authority of its own.
pub fn server(dir: &Path) -> Pair {
    let ca = own(dir, "ca");
    let (certificate, key, request) = (dir.join("server.pem"), dir.join("server.key"), dir.join("server.csr"));
    let extensions = dir.join("server.ext");
    std::fs::write(&extensions, "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").expect("a file can be written");
    openssl(&["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", &text(&key), "-out", &text(&request)]);
    openssl(&[
        "x509",
        "-req",
        "-in",
        &text(&request),
        "-CA",
        &text(&ca.certificate),
        "-CAkey",
        &text(&ca.key),
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        &text(&extensions),
        "-out",
        &text(&certificate),
    ]);
    Pair { certificate, key, ca: ca.certificate }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn openssl(arguments: &[&str]) {
    let out = Command::new("openssl").args(arguments).output().expect("openssl can be started");
    assert!(out.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
}

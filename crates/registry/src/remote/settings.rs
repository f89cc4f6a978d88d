//! How a registry over the network is reached.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Url};
use secrecy::SecretString;

use super::words;
use crate::RegistryError;

/// How a registry is reached.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// The registry as it stands at the beginning of images' names: a host, with its port where it has one.
    pub host: String,
    /// It speaks HTTP without encryption. For registries on this machine.
    pub plain_http: bool,
    /// Certificates (PEM) that the server's may go back to, beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// Who we are; nobody in particular when there is none.
    pub credentials: Option<Credentials>,
}

/// A name and a password. What is formatted hides the password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password or token.
    pub password: SecretString,
}

/// How long a registry may keep Towpath waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection. Default 10 seconds.
    pub connect: Duration,
    /// For an answer to begin, and then between two pieces of it. Default 60 seconds.
    pub answer: Duration,
    /// Without any progress while a layer is sent. Default 2 minutes: some registries store all of it before they answer.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(60), stall: Duration::from_secs(120) }
    }
}

impl RemoteSettings {
    /// Where the registry's API is.
    pub(super) fn base(&self) -> Result<Url, RegistryError> {
        // Docker Hub's images are called after another host than the one that serves them.
        let host = if self.is_docker_hub() { "registry-1.docker.io" } else { &self.host };
        let scheme = if self.plain_http { "http" } else { "https" };
        let wrong = |why: &str| self.wrong(format!("{:?} is not a host with or without a port: {why}", self.host));
        let url = Url::parse(&format!("{scheme}://{host}/")).map_err(|error| wrong(&error.to_string()))?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if !plain || self.host.contains(['/', '@', ' ']) {
            return Err(wrong("write it as at the beginning of images' names"));
        }
        Ok(url)
    }

    /// Whether images without a project are in `library`, as nowhere else.
    pub(super) fn is_docker_hub(&self) -> bool {
        matches!(self.host.as_str(), "docker.io" | "index.docker.io" | "registry-1.docker.io")
    }

    /// A client for small questions and downloads, and one for uploads: while those go on, nothing comes back.
    pub(super) fn clients(&self, timeouts: &Timeouts) -> Result<(Client, Client), RegistryError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(self.wrong("this process has no cryptography installed; that is a mistake in the program".to_owned()));
        }
        let build = |client: ClientBuilder| client.build().map_err(|error| self.wrong(words(&error)));
        Ok((build(self.client(timeouts)?.read_timeout(timeouts.answer))?, build(self.client(timeouts)?)?))
    }

    fn client(&self, timeouts: &Timeouts) -> Result<ClientBuilder, RegistryError> {
        let encrypted = !self.plain_http;
        let redirects = reqwest::redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > 10 {
                attempt.error("it sends from one place to the next without end")
            } else if encrypted && attempt.url().scheme() != "https" {
                attempt.error("it sends to a place that is not encrypted")
            } else {
                attempt.follow()
            }
        });
        let mut client = Client::builder().connect_timeout(timeouts.connect).redirect(redirects).user_agent("towpath");
        if let Some(file) = &self.ca_file {
            let wrong = |why: String| self.wrong(format!("its certificates in {}: {why}", file.display()));
            let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(words(&error)))?;
            if certificates.is_empty() {
                return Err(wrong("there is none; the file must hold -----BEGIN CERTIFICATE-----".to_owned()));
            }
            client = client.tls_certs_merge(certificates);
        }
        Ok(client)
    }

    fn wrong(&self, why: String) -> RegistryError {
        RegistryError::Settings { registry: self.host.clone(), why }
    }
}

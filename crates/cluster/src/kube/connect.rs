//! How a cluster is reached.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use kube::client::{ClientBuilder, ConfigExt as _};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use secrecy::SecretString;

use super::lanes::{Connector, Lanes};
use crate::api::BoxFuture;

/// How a cluster is reached. Comes from this installation's own configuration, never from the config repository.
#[derive(Clone, Debug)]
pub enum Connection {
    /// A kubeconfig file, and the context in it; its current one when none is named.
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// The context.
        context: Option<String>,
    },
    /// The service account of the pod that Towpath runs in.
    InCluster,
    /// A server's address with a token.
    Server {
        /// The address, such as `https://api.cluster.example.com:6443`.
        url: String,
        /// Certificates (PEM) that the server's must go back to; those of the system when none is given.
        ca: Option<PathBuf>,
        /// The token.
        token: Token,
    },
}

/// A bearer token.
#[derive(Clone, Debug)]
pub enum Token {
    /// A file that is read again for each request.
    File(PathBuf),
    /// The token itself; it is never shown.
    Value(SecretString),
    /// Somebody who is asked for it again and again, and knows for how long it is good.
    Source(Arc<dyn TokenSource>),
}

/// Who knows a token that may be another one tomorrow.
pub trait TokenSource: std::fmt::Debug + Send + Sync {
    /// The token now. It is asked for before each request, so whoever has it from elsewhere keeps it for as long as it is good.
    ///
    /// # Errors
    /// Why there is none, for people; without any secret.
    fn token(&self) -> BoxFuture<'_, Result<SecretString, String>>;
}

/// Longer than a server takes to accept a connection; what takes longer is away.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// The token of a connection to a server, as it is now.
///
/// # Errors
/// Why there is none, for people.
pub(super) async fn token(connection: &Connection) -> Result<Option<SecretString>, String> {
    let Connection::Server { token, .. } = connection else { return Ok(None) };
    let cannot = |why: String| format!("its token cannot be had: {why}");
    match token {
        Token::Value(value) => Ok(Some(value.clone())),
        Token::Source(source) => source.token().await.map(Some).map_err(cannot),
        Token::File(path) => {
            let text = tokio::fs::read_to_string(path).await.map_err(|e| cannot(format!("{}: {e}", path.display())))?;
            // Editors end files with a line break, which no header may hold.
            match text.trim() {
                "" => Err(cannot(format!("{} is empty", path.display()))),
                token => Ok(Some(SecretString::from(token.to_owned()))),
            }
        }
    }
}

/// A client for the connection, with the token as it is now.
///
/// # Errors
/// What is wrong with the configuration, for people; nothing is sent yet.
pub(super) async fn client(connection: &Connection, token: Option<&SecretString>) -> Result<Client, String> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err("this process has no cryptography installed; that is a mistake in the program".to_owned());
    }
    let config = match connection {
        Connection::Kubeconfig { path, context } => {
            let file = Kubeconfig::read_from(path).map_err(|e| format!("{}: {e}", path.display()))?;
            let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
            Config::from_custom_kubeconfig(file, &options).await.map_err(|e| format!("{}: {e}", path.display()))?
        }
        Connection::InCluster => Config::incluster()
            .map_err(|e| format!("the service account of this pod cannot be used: {e}; is Towpath running in a cluster?"))?,
        Connection::Server { url, ca, .. } => server(url, ca.as_ref(), token)?,
    };
    if let Some(proxy) = &config.proxy_url {
        let host = proxy.host().unwrap_or_default();
        return Err(format!("it is to be reached through the proxy {host}, which Towpath cannot do; give it a direct way"));
    }
    assembled(&config).map_err(|e| towpath_domain::with_causes(&e))
}

/// The client over its connections. Asking again is left to [`super::request`], which knows whose turn it is.
fn assembled(config: &Config) -> Result<Client, kube::Error> {
    let lanes = Lanes::new(connector(config)?);
    let builder = ClientBuilder::new(lanes, config.default_namespace.clone()).with_layer(&config.extra_headers_layer()?);
    Ok(match config.auth_layer()? {
        Some(auth) => builder.with_layer(&auth).with_layer(&config.base_uri_layer()).build(),
        None => builder.with_layer(&config.base_uri_layer()).build(),
    })
}

/// How connections are made: with HTTP/2 where the server speaks it.
fn connector(config: &Config) -> Result<Connector, kube::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_WITHIN));
    tcp.set_nodelay(true);
    let mut builder = HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into().map_err(|e| kube::Error::Service(Box::new(e)))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    Ok(builder.enable_all_versions().wrap_connector(tcp))
}

fn server(url: &str, ca: Option<&PathBuf>, token: Option<&SecretString>) -> Result<Config, String> {
    let url = url.parse().map_err(|e| format!("{url:?} is no address of a server: {e}"))?;
    let mut config = Config::new(url);
    config.root_cert_file = ca.cloned();
    config.auth_info = AuthInfo { token: token.cloned(), ..AuthInfo::default() };
    Ok(config)
}

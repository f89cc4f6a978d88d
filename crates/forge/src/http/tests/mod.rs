//! What the client does, against a server that does as it is told.

mod answers;
mod patience;
mod server;
mod tls;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Mutex;
use towpath_domain::Span;

use super::{Bearer, Client, Reply, Settings, Token};
use crate::ForgeError;
use server::Server;

const TOKEN: &str = "hunter2-hunter2";

/// A whole minute, and some.
const PATIENCE: Span = Span::from_secs(90);

fn settings(base_url: &str, token: Token) -> Settings {
    // Another test may have been first.
    let _there = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Settings {
        forge: "Forge at localhost".to_owned(),
        base_url: base_url.to_owned(),
        authorization: Arc::new(Bearer::new("Forge at localhost", token)),
        ca_file: None,
        patience: PATIENCE,
        accept: "application/json",
        headers: vec![("x-api-version", "7")],
    }
}

fn token() -> Token {
    Token::Value(SecretString::from(TOKEN))
}

/// Lets the time between two tries pass at once. It goes on as usual while anything is on its way.
fn at_once(settings: Settings) -> Client {
    Client::sleeping_by(settings, |span| Box::pin(pass(span))).unwrap()
}

thread_local! {
    /// Held while time stands still: the server of a test lets it pass, too, and both are on one thread.
    static PASSING: Arc<Mutex<()>> = Arc::default();
}

async fn pass(span: Duration) {
    let passing = PASSING.with(Arc::clone);
    let _alone = passing.lock().await;
    tokio::time::pause();
    tokio::time::advance(span).await;
    tokio::time::resume();
}

fn client(server: &Server) -> Client {
    at_once(settings(&server.url(), token()))
}

async fn get(client: &Client, path: &str) -> Result<Reply<Value>, ForgeError> {
    client.get(path).await
}

async fn send(client: &Client, method: &str) -> Result<Reply<Value>, ForgeError> {
    client.send(method, "/x", &serde_json::json!({"a": 1})).await
}

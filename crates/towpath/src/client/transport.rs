//! One request, one answer, over TCP on loopback or a Unix socket.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use towpath_control::view::Problem;
use towpath_web::Endpoint;

use super::error::ClientError;

/// How long an answer may take: longer than the server lets a request take, so that its own refusal arrives.
pub(super) const TIMEOUT: Duration = Duration::from_secs(90);

/// The largest answer, in bytes. The status of 100,000 targets stays below it.
pub(super) const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

/// A server on this machine.
#[derive(Clone)]
pub struct Here {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Its process.
    pub pid: Option<u32>,
    /// What shows it that who asks administers this machine.
    pub key: Option<String>,
}

impl std::fmt::Debug for Here {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Here").field("endpoint", &self.endpoint).field("pid", &self.pid).finish_non_exhaustive()
    }
}

pub async fn exchange<T: DeserializeOwned>(here: &Here, method: &str, path: &str, body: Vec<u8>) -> Result<T, ClientError> {
    let (endpoint, key) = (&here.endpoint, here.key.as_deref());
    let unreachable = |source| ClientError::Unreachable { endpoint: endpoint.clone(), pid: here.pid, source };
    let answer = async {
        match endpoint {
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(|error| unreachable(error.into()))?;
                let _ = stream.set_nodelay(true);
                // Loopback's names are always served; what else the machine is called, the server may not know.
                let host = if address.ip().is_loopback() { address.to_string() } else { "localhost".to_owned() };
                send(stream, (&host, key), method, path, body).await.map_err(unreachable)
            }
            Endpoint::Unix(socket) => {
                let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(error.into()))?;
                send(stream, ("localhost", key), method, path, body).await.map_err(unreachable)
            }
        }
    };
    match tokio::time::timeout(TIMEOUT, answer).await {
        Ok(answer) => answer.and_then(|answer| read(answer.status().as_u16(), answer.body())),
        Err(_) => Err(ClientError::TimedOut { endpoint: endpoint.clone(), seconds: TIMEOUT.as_secs() }),
    }
}

type Anything = Box<dyn std::error::Error + Send + Sync>;

async fn send<S>(stream: S, (host, key): (&str, Option<&str>), method: &str, path: &str, body: Vec<u8>) -> Result<Response<Bytes>, Anything>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request =
        Request::builder().method(method).uri(path).header(header::HOST, host).header(header::CONTENT_TYPE, "application/json");
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    let request = request.body(Full::new(Bytes::from(body)))?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
    drop(sender);
    connection.abort();
    Ok(Response::from_parts(head, body))
}

/// What an answer says.
pub(super) fn read<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, ClientError> {
    let unreadable = |error: serde_json::Error| ClientError::Unreadable { what: error.to_string() };
    if (200..300).contains(&status) {
        return serde_json::from_slice(body).map_err(unreadable);
    }
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => Err(ClientError::Refused(problem)),
        Err(_) => Err(ClientError::Unreadable { what: format!("status {status} without a reason") }),
    }
}

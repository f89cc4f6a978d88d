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
const TIMEOUT: Duration = Duration::from_secs(90);

/// The largest answer, in bytes. The status of 100,000 targets stays below it.
const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

pub async fn exchange<T: DeserializeOwned>(
    endpoint: &Endpoint,
    pid: Option<u32>,
    method: &str,
    path: &str,
    body: Vec<u8>,
) -> Result<T, ClientError> {
    let unreachable = |source| ClientError::Unreachable { endpoint: endpoint.clone(), pid, source };
    let answer = async {
        match endpoint {
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(|error| unreachable(error.into()))?;
                let _ = stream.set_nodelay(true);
                send(stream, &address.to_string(), method, path, body).await.map_err(unreachable)
            }
            Endpoint::Unix(socket) => {
                let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(error.into()))?;
                send(stream, "localhost", method, path, body).await.map_err(unreachable)
            }
        }
    };
    match tokio::time::timeout(TIMEOUT, answer).await {
        Ok(answer) => read(&answer?),
        Err(_) => Err(ClientError::TimedOut { endpoint: endpoint.clone(), seconds: TIMEOUT.as_secs() }),
    }
}

type Anything = Box<dyn std::error::Error + Send + Sync>;

async fn send<S>(stream: S, host: &str, method: &str, path: &str, body: Vec<u8>) -> Result<Response<Bytes>, Anything>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
    drop(sender);
    connection.abort();
    Ok(Response::from_parts(head, body))
}

fn read<T: DeserializeOwned>(answer: &Response<Bytes>) -> Result<T, ClientError> {
    let unreadable = |error: serde_json::Error| ClientError::Unreadable { what: error.to_string() };
    if answer.status().is_success() {
        return serde_json::from_slice(answer.body()).map_err(unreadable);
    }
    match serde_json::from_slice::<Problem>(answer.body()) {
        Ok(problem) => Err(ClientError::Refused(problem)),
        Err(_) => Err(ClientError::Unreadable { what: format!("status {} without a reason", answer.status()) }),
    }
}

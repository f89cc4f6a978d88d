//! One look at a page, as a visitor would take it.

use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest page that is read.
const LONGEST: u64 = 64 * 1024;

/// The answer to `GET path` at `address` (`127.0.0.1:8080`), head and body.
pub async fn get(address: &str, path: &str) -> anyhow::Result<String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answered = tokio::time::timeout(Duration::from_secs(5), ask).await;
    answered.with_context(|| format!("http://{address}{path} does not answer"))?.with_context(|| format!("http://{address}{path}"))
}

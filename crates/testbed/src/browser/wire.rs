//! As much of HTTP/1.1 as a WebDriver speaks to a client on loopback: JSON both ways, one connection for each command.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longer than any page takes to load: only a hang comes to this.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends a command and answers with the `value` of what comes back.
///
/// # Errors
/// What the driver says is wrong, or the connection.
pub(super) fn ask(port: u16, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let (status, answer) = exchange(port, method, path, body).map_err(|error| format!("{method} {path}: {error}"))?;
    let value = answer.get("value").cloned().unwrap_or_default();
    if status == 200 {
        return Ok(value);
    }
    let said = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().lines().next().unwrap_or_default().to_owned();
    Err(format!("{method} {path}: {}: {}", said("error"), said("message")))
}

fn exchange(port: u16, method: &str, path: &str, body: &Value) -> io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = if method == "POST" { body.to_string() } else { String::new() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes())?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let mut length = 0;
    loop {
        let mut line = String::new();
        answer.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = Vec::new();
    answer.take(length).read_to_end(&mut body)?;
    Ok((status, serde_json::from_slice(&body).map_err(io::Error::other)?))
}

//! Just enough HTTP for servers on this machine that speak it plainly.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

/// What a server answered.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; nothing when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Asks `address` for something; `content` is the body with its media type, which is also what is accepted.
pub fn call(address: &str, method: &str, path: &str, content: (&str, &[u8])) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    let (kind, body) = content;
    // With this version no server sends in pieces, and each closes when it is done.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAccept: {kind}, application/json\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    let mut said = Vec::new();
    stream.read_to_end(&mut said)?;
    let end = said.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(said.len());
    let head = String::from_utf8_lossy(&said[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Ok(Answer { status, body: said.get(end + 4..).unwrap_or_default().to_vec() })
}

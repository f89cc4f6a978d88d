//! A way to a server on which things go wrong.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};

use crate::http::{Head, Request, Server};

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It goes to the server, and the answer comes back.
    Pass,
    /// It never gets there; this is the answer.
    Answer {
        /// Such as `429 Too Many Requests`.
        status: String,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The connection breaks off when the server has got so many bytes of the body.
    CutRequest(u64),
    /// The connection breaks off when so many bytes of the answer have come back.
    CutAnswer(u64),
}

impl Fate {
    /// An answer without a body.
    #[must_use]
    pub fn status(status: &str, headers: &[(&str, &str)]) -> Fate {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Fate::Answer { status: status.to_owned(), headers, body: Vec::new() }
    }
}

/// A proxy for plain HTTP. It remembers what was asked.
pub struct Proxy {
    /// Where it listens, such as `localhost:34567`.
    pub host: String,
    heads: Arc<Mutex<Vec<Head>>>,
    _server: Server,
}

impl Proxy {
    /// Stands before `upstream` (`host:port`); `fate` says what becomes of each request.
    pub fn start(upstream: &str, fate: impl Fn(&Head) -> Fate + Send + Sync + 'static) -> Proxy {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (kept, upstream) = (Arc::clone(&heads), upstream.to_owned());
        let server = Server::start(move |request| {
            let fate = fate(&request.head);
            kept.lock().expect("no test panics in here").push(request.head.clone());
            // A connection that breaks off is what this is for.
            let _done = carry(&upstream, request, fate);
        });
        Proxy { host: format!("localhost:{}", server.address.port()), heads, _server: server }
    }

    /// All requests so far.
    #[must_use]
    pub fn heads(&self) -> Vec<Head> {
        self.heads.lock().expect("no test panics in here").clone()
    }

    /// How many requests so far had this method, and this in their path.
    #[must_use]
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.heads().iter().filter(|head| head.method == method && head.path.contains(part)).count()
    }
}

fn carry(upstream: &str, mut request: Request, fate: Fate) -> std::io::Result<()> {
    let (body_bytes, answer_bytes) = match fate {
        Fate::Answer { status, headers, body } => {
            request.answer(&status, &headers, &body);
            return Ok(());
        }
        Fate::Pass => (u64::MAX, u64::MAX),
        Fate::CutRequest(bytes) => (bytes, 0),
        Fate::CutAnswer(bytes) => (u64::MAX, bytes),
    };
    let mut server = TcpStream::connect(upstream)?;
    let mut head = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", request.head.method, request.head.path);
    for (name, value) in request.head.headers.iter().filter(|(name, _)| name != "connection") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    server.write_all(format!("{head}\r\n").as_bytes())?;
    let length = request.head.length();
    std::io::copy(&mut (&mut request.body).take(length.min(body_bytes)), &mut server)?;
    if length > body_bytes {
        return request.stream.shutdown(Shutdown::Both);
    }
    std::io::copy(&mut server.take(answer_bytes), &mut request.stream)?;
    request.stream.shutdown(Shutdown::Both)
}

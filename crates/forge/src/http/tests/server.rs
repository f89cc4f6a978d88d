//! A server that answers as planned, in turn, and knows what it was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a request held.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// `GET /x`.
    pub(super) line: String,
    /// With names in small letters.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request.
pub(super) enum Act {
    /// It answers.
    Say(String),
    /// It answers with what it was sent as `Authorization`, with this status.
    Echo(u16),
    /// It lets all others run for a while, and answers.
    Dawdle,
    /// It takes the request, and the connection breaks.
    Cut,
    /// It takes the request and says nothing, for longer than anybody waits.
    Hang,
    /// It answers and does not stop.
    Flood,
}

/// An answer with these headers (lines) and this body.
pub(super) fn say(status: u16, headers: &str, body: &str) -> Act {
    let headers: String = headers.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    Act::Say(format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()))
}

pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    acts: Mutex<VecDeque<Act>>,
    asked: Mutex<Vec<Request>>,
    /// How many requests there are at once, and were at most.
    busy: Mutex<(usize, usize)>,
}

impl Server {
    pub(super) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { acts: Mutex::new(acts.into_iter().collect()), ..Shared::default() });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { address, shared }
    }

    /// Where its API is.
    pub(super) fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn plan(&self, act: Act) {
        self.shared.acts.lock().unwrap().push_back(act);
    }

    pub(super) fn asked(&self) -> Vec<Request> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// The first lines of all requests.
    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|request| request.line).collect()
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.shared.busy.lock().unwrap().1
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let authorization = request.header("authorization").unwrap_or_default().to_owned();
        shared.asked.lock().unwrap().push(request);
        let act = shared.acts.lock().unwrap().pop_front();
        {
            let mut busy = shared.busy.lock().unwrap();
            *busy = (busy.0 + 1, busy.1.max(busy.0 + 1));
        }
        let answer = match act.unwrap_or_else(|| say(418, "", r#"{"message":"nothing more is planned"}"#)) {
            Act::Say(text) => Some(text),
            Act::Echo(status) => {
                let body = serde_json::json!({"message": format!("bad header {authorization}!")}).to_string();
                Some(format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
            }
            Act::Dawdle => {
                for _ in 0..200 {
                    tokio::task::yield_now().await;
                }
                Some("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned())
            }
            Act::Cut => None,
            Act::Hang => {
                super::pass(Duration::from_secs(31)).await;
                // Whoever gives up hangs up.
                let _over = stream.read_u8().await;
                None
            }
            Act::Flood => {
                let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while stream.write_all(&[b' '; 1 << 16]).await.is_ok() {}
                None
            }
        };
        shared.busy.lock().unwrap().0 -= 1;
        match answer {
            Some(text) if stream.write_all(text.as_bytes()).await.is_ok() => {}
            _ => return,
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|count| *count > 0)?;
    let line = line.rsplit_once(' ')?.0.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok().filter(|count| *count > 0)?;
        match header.trim().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { line, headers, body: String::from_utf8(body).unwrap() })
}

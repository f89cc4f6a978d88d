//! As much of HTTP/1.1 as a server of tests needs: one request for each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What a request says before its body.
#[derive(Debug, Clone)]
pub struct Head {
    /// Such as `GET`.
    pub method: String,
    /// With what follows `?`.
    pub path: String,
    /// Names in small letters, in order.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn length(&self) -> u64 {
        self.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn read(from: &mut impl BufRead) -> Option<Head> {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Some(Head { method, path, headers })
    }
}

/// A request under way.
pub(crate) struct Request {
    pub(crate) head: Head,
    /// What follows the head; longer than the body only with a client that does not wait.
    pub(crate) body: BufReader<TcpStream>,
    pub(crate) stream: TcpStream,
}

impl Request {
    /// Answers, once the body was read, and ends the connection.
    pub(crate) fn answer(mut self, status: &str, headers: &[(String, String)], body: &[u8]) {
        let length = self.head.length();
        let _read = std::io::copy(&mut (&mut self.body).take(length), &mut std::io::sink());
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
        let content = if self.head.method == "HEAD" { &[][..] } else { body };
        let _sent = self.stream.write_all(&[head.as_bytes(), content].concat());
    }
}

/// A server on loopback; gone when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stopping: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Hands each request to `handler`, in a thread of its own.
    pub(crate) fn start(handler: impl Fn(Request) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("a listener has an address");
        let stopping = Arc::new(AtomicBool::new(false));
        let handler = Arc::new(handler);
        let accepting = std::thread::spawn({
            let stopping = Arc::clone(&stopping);
            move || {
                for stream in listener.incoming() {
                    if stopping.load(Ordering::SeqCst) {
                        return;
                    }
                    let (Ok(stream), handler) = (stream, Arc::clone(&handler)) else { continue };
                    std::thread::spawn(move || {
                        let Ok(copy) = stream.try_clone() else { return };
                        let mut body = BufReader::new(copy);
                        if let Some(head) = Head::read(&mut body) {
                            handler(Request { head, body, stream });
                        }
                    });
                }
            }
        });
        Server { address, stopping, accepting: Some(accepting) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // The listener waits for one more to come.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ended = accepting.join();
        }
    }
}

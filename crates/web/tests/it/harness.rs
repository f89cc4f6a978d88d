//! A server in the test's own process, and a client that can also say what a well-behaved one would not.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use towpath_web::fake::{FakeBrain, Shown};
use towpath_web::hooks::{HookLimits, HookSettings, Keys};
use towpath_web::{Endpoint, Listener, Settings, serve};

pub struct Server {
    pub endpoint: Endpoint,
    pub brain: Arc<FakeBrain>,
    pub stop: watch::Sender<bool>,
    pub ended: JoinHandle<()>,
}

pub async fn server(at: &str, shown: Shown) -> Server {
    server_with(at, shown, Keys::default(), HookLimits::default()).await
}

/// One that checks webhooks.
pub async fn server_with(at: &str, shown: Shown, keys: Keys, limits: HookLimits) -> Server {
    let listener = Listener::bind(&at.parse().unwrap()).await.unwrap();
    serving(listener, shown, Settings { hooks: HookSettings { keys, limits }, auth: None })
}

/// One that serves as the settings say.
pub fn serving(listener: Listener, shown: Shown, settings: Settings) -> Server {
    let endpoint = listener.endpoint().clone();
    let brain = Arc::new(FakeBrain::new(shown));
    let (stop, stopping) = watch::channel(false);
    let served = Arc::clone(&brain);
    let ended = tokio::spawn(async move { serve(listener, served, settings, stopping).await });
    Server { endpoint, brain, stop, ended }
}

/// What came back.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub head: String,
    /// The head as it was sent; `head` is in lower case.
    pub sent: String,
    pub body: String,
}

impl Said {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The rule's name of a problem, which must be one in form as well.
    pub fn problem(&self) -> String {
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status, "{self:?}");
        for field in ["title", "detail", "mend"] {
            assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {self:?}");
        }
        let rule = body["rule"].as_str().unwrap().to_owned();
        assert_eq!(body["type"], format!("/problems/{rule}"), "{self:?}");
        assert!(body["instance"].as_str().is_some_and(|path| path.starts_with('/')), "{self:?}");
        assert!(self.head.contains("cache-control: no-store"), "{self:?}");
        rule
    }
}

impl Server {
    /// The head of the answer, as it came.
    pub async fn raw_head(&self, head: &str) -> String {
        let text = format!("{}\r\nconnection: close\r\n\r\n", head.replace('\n', "\r\n"));
        let Endpoint::Tcp(address) = &self.endpoint else { panic!("not over TCP") };
        exchange(TcpStream::connect(address).await.unwrap(), &text).await.split("\r\n\r\n").next().unwrap().to_owned()
    }

    /// Sends `head` lines and a body as they are.
    pub async fn raw(&self, head: &str, body: &str) -> Said {
        let text = format!("{}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", head.replace('\n', "\r\n"), body.len());
        let answer = match &self.endpoint {
            Endpoint::Tcp(address) => exchange(TcpStream::connect(address).await.unwrap(), &text).await,
            Endpoint::Unix(path) => exchange(UnixStream::connect(path).await.unwrap(), &text).await,
        };
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Said { status, head: head.to_lowercase(), sent: head.to_owned(), body: body.to_owned() }
    }

    pub async fn get(&self, path: &str) -> Said {
        self.raw(&format!("GET {path} HTTP/1.1\nhost: localhost"), "").await
    }

    pub async fn post(&self, path: &str, json: &str) -> Said {
        self.raw(&format!("POST {path} HTTP/1.1\nhost: localhost\ncontent-type: application/json"), json).await
    }
}

async fn exchange(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, text: &str) -> String {
    // A server that refuses early may close before all is sent; what it said still counts.
    let _ = stream.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

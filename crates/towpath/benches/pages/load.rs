//! A page, asked for again and again at a steady pace.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

/// Requests in a second.
const RATE: u32 = 50;

pub type Asking = Client<HttpConnector, Full<Bytes>>;

/// What came of it.
pub struct Answers {
    took: Vec<Duration>,
    /// The size of one answer as it came over the wire, without its head.
    pub bytes: usize,
}

impl Answers {
    /// So many of a hundred were answered within this.
    pub fn at(&self, percent: usize) -> Duration {
        let last = self.took.len().saturating_sub(1);
        self.took.get((self.took.len() * percent / 100).min(last)).copied().unwrap_or_default()
    }
}

pub fn asking() -> Asking {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Asks for it; where something is named, somebody says every second that they see to it.
pub async fn page(base: &str, address: &str, within: Duration, happening: Option<&str>) -> Answers {
    let asking = asking();
    let url: Arc<str> = format!("{base}{address}").into();
    // What is reckoned once for all is not what is measured.
    let (_, bytes) = get(&asking, &url).await;
    let answers = Arc::new(Mutex::new(Vec::new()));
    let mut under_way = JoinSet::new();
    let mut due = interval(Duration::from_secs(1) / RATE);
    let begun = Instant::now();
    let mut number = 0_u32;
    while begun.elapsed() < within {
        let at = due.tick().await;
        if let Some(what) = happening.filter(|_| number.is_multiple_of(RATE)) {
            let (asking, base, what) = (asking.clone(), base.to_owned(), what.to_owned());
            under_way.spawn(async move { see_to(&asking, &base, &what).await });
        }
        number += 1;
        let (asking, url, answers) = (asking.clone(), Arc::clone(&url), Arc::clone(&answers));
        under_way.spawn(async move {
            let _answer = get(&asking, &url).await;
            answers.lock().await.push(at.elapsed());
        });
    }
    while let Some(ended) = under_way.join_next().await {
        ended.unwrap();
    }
    let mut took = std::mem::take(&mut *answers.lock().await);
    took.sort_unstable();
    Answers { took, bytes }
}

async fn get(asking: &Asking, url: &str) -> (StatusCode, usize) {
    let request = Request::get(url).header(header::ACCEPT, "text/html").header(header::ACCEPT_ENCODING, "gzip");
    let answer = asking.request(request.body(Full::default()).unwrap()).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(status.is_success(), "{url}: {status}");
    (status, body.len())
}

/// An event of its own.
pub async fn see_to(asking: &Asking, base: &str, what: &str) {
    let body = serde_json::json!({"what": what, "by": "Bench", "why": "so that something happens"}).to_string();
    let request = Request::post(format!("{base}/api/v1/ack")).header(header::CONTENT_TYPE, "application/json");
    let answer = asking.request(request.body(Full::from(body)).unwrap()).await.unwrap();
    let status = answer.status();
    let said = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&said));
}

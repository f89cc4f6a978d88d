//! The HTTP of a fake forge: real requests over loopback, entity tags, pages, tokens, and faults where a test wants them.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use towpath_domain::Timestamp;

use super::mishaps::{Mishap, Mishaps};
use super::repository::Repository;
use super::world::{Rules, World};

/// A request as a fake's language sees it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET`.
    pub method: String,
    /// The path's parts, each decoded.
    pub path: Vec<String>,
    /// What follows `?`, decoded.
    pub query: BTreeMap<String, String>,
    /// The token that was sent.
    pub token: Option<String>,
    /// The body; null when there is none.
    pub body: Value,
}

impl Asked {
    /// A text in the body.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// The body; none where there is none.
    pub body: Option<Value>,
}

impl Told {
    /// With a body.
    #[must_use]
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, body: Some(body) }
    }

    /// A refusal in words.
    #[must_use]
    pub fn no(status: u16, words: &str) -> Self {
        Self::json(status, json!({"message": words}))
    }

    /// Without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, body: None }
    }
}

/// How a fake answers: its forge's language.
pub type Language = fn(&mut World, &Asked) -> Told;

/// What sets one kind of forge apart from the others.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    /// How it answers.
    pub(super) language: Language,
    /// The name of the parameter that says how many a page holds.
    pub(super) page_size: &'static str,
    /// How a push to a protected branch is refused.
    pub(super) refusal: &'static str,
    /// What its refs of changes are below `refs/`.
    pub(super) refs: &'static str,
}

struct Shared {
    world: Mutex<World>,
    manners: Manners,
    mishaps: Mishaps,
    meanwhile: Mutex<Option<Meanwhile>>,
    asked: Mutex<Vec<(Asked, Told)>>,
}

/// What happens when something is asked for, by a part of its path.
type Meanwhile = (&'static str, Box<dyn FnOnce() + Send>);

/// A forge that runs in this process; it ends when it is dropped.
pub struct FakeForge {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Drop for FakeForge {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeForge {
    /// Starts one over the bare repository in `folder`, which it calls `name`, on a free port of loopback.
    ///
    /// # Errors
    /// There is no port to listen at.
    pub(super) async fn start(folder: &Path, name: &str, manners: Manners) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let world = Mutex::new(World::new(Repository::new(folder), name, manners.refs));
        let shared = Arc::new(Shared { world, manners, mishaps: Mishaps::default(), meanwhile: Mutex::default(), asked: Mutex::default() });
        let service = axum::Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            let _ended = axum::serve(listener, service).await;
        });
        Ok(Self { address, shared, server })
    }

    /// Where it is: `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that it knows, to look at and to change as people do.
    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.shared.world)
    }

    /// Sets the rules.
    pub fn rule(&self, rules: Rules) {
        let mut world = self.world();
        world.repository.protect(&world.into, rules.no_push.then_some(self.shared.manners.refusal));
        world.rules = rules;
    }

    /// What goes wrong.
    #[must_use]
    pub fn mishaps(&self) -> &Mishaps {
        &self.shared.mishaps
    }

    /// Lets something happen when a path with this part is asked for next: what others do in the middle of what Towpath does.
    pub fn meanwhile(&self, part: &'static str, happens: impl FnOnce() + Send + 'static) {
        *lock(&self.shared.meanwhile) = Some((part, Box::new(happens)));
    }

    /// What was asked since the last call of this, and what was answered.
    #[must_use]
    pub fn take_asked(&self) -> Vec<(Asked, Told)> {
        std::mem::take(&mut *lock(&self.shared.asked))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mishap = shared.mishaps.next();
    match mishap {
        Some(Mishap::Says(status)) => return says(status),
        Some(Mishap::CutsBefore) => return cut(),
        _ => {}
    }
    let asked = read(&method, &uri, &headers, &body);
    let (told, link, tag) = {
        let shared = Arc::clone(&shared);
        let work = move || {
            let due = lock(&shared.meanwhile).take_if(|(part, _)| asked.path.iter().any(|there| there == part));
            if let Some((_, happens)) = due {
                happens();
            }
            let mut world = lock(&shared.world);
            world.follow();
            let lets_in = match &world.github.app {
                Some(app) => app.lets_in(&asked),
                None => asked.token.as_deref() == Some(world.token.as_str()),
            };
            let mut told = if lets_in { (shared.manners.language)(&mut world, &asked) } else { Told::no(401, "401 Unauthorized") };
            let link = page(&shared, &asked, &mut told);
            lock(&shared.asked).push((asked, told.clone()));
            let tag = told.body.as_ref().map(|body| format!("W/\"{}\"", blake(body)));
            (told, link, tag)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => (Told::no(500, &error.to_string()), None, None),
        }
    };
    match mishap {
        Some(Mishap::CutsAfter) => return cut(),
        Some(Mishap::HangsAfter) => std::future::pending::<()>().await,
        _ => {}
    }
    let mut response = Response::builder().header("content-type", "application/json");
    if let Some(link) = link {
        let address = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        response = response.header("link", format!("<http://{address}{link}>; rel=\"next\""));
    }
    let fresh = tag.as_deref().is_some_and(|tag| headers.get("if-none-match").and_then(|value| value.to_str().ok()) == Some(tag));
    if let Some(tag) = tag.filter(|_| method == Method::GET && told.status == 200) {
        response = response.header("etag", tag);
        if fresh {
            return built(response.status(304).body(Body::empty()));
        }
    }
    let body = told.body.map(|body| Body::from(body.to_string())).unwrap_or_default();
    built(response.status(told.status).body(body))
}

fn built(response: Result<Response, axum::http::Error>) -> Response {
    response.unwrap_or_else(|_| says(500))
}

/// What stands before a forge and has no time.
fn says(status: u16) -> Response {
    let mut response = Response::new(Body::from(r#"{"message":"not now"}"#));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status == 403 || status == 429 {
        for (name, value) in [("retry-after", "0"), ("ratelimit-remaining", "0"), ("ratelimit-limit", "60"), ("ratelimit-reset", "0")] {
            response.headers_mut().insert(name, axum::http::HeaderValue::from_static(value));
        }
    }
    response
}

/// An answer that breaks off.
fn cut() -> Response {
    let broken = futures_util::stream::once(std::future::ready(Err::<Bytes, io::Error>(io::Error::other("cut"))));
    Response::new(Body::from_stream(broken))
}

/// Cuts a list to the page that was asked for; the address of the next one.
fn page(shared: &Shared, asked: &Asked, told: &mut Told) -> Option<String> {
    if let (Some(Value::Object(told)), "GET", "limit") = (&mut told.body, asked.method.as_str(), shared.manners.page_size) {
        combined_page(shared, asked, told);
        return None;
    }
    let all = match (&mut told.body, asked.method.as_str()) {
        (Some(Value::Array(all)), "GET") => all,
        // GitHub's lists that say how long they are.
        (Some(Value::Object(told)), "GET") if shared.manners.page_size == "per_page" && told.contains_key("total_count") => {
            told.values_mut().find_map(Value::as_array_mut)?
        }
        _ => return None,
    };
    let (page, size) = wanted(shared, asked);
    let more = all.len() > page.saturating_mul(size);
    *all = all.drain(..).skip((page - 1).saturating_mul(size)).take(size).collect();
    more.then(|| {
        let path: String = asked.path.iter().map(|part| format!("/{}", encoded(part))).collect();
        let mut query = asked.query.clone();
        query.insert("page".to_owned(), (page + 1).to_string());
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        format!("{path}?{}", query.join("&"))
    })
}

/// The page that was asked for, and how much it holds.
fn wanted(shared: &Shared, asked: &Asked) -> (usize, usize) {
    let number = |name: &str, default: usize| asked.query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default).max(1);
    (number("page", 1), number(shared.manners.page_size, 20).min(shared.mishaps.page_limit()))
}

/// Forgejo's statuses of a commit, all in one: a page of them, of which it counts only what it holds, without a word of where it goes on.
fn combined_page(shared: &Shared, asked: &Asked, told: &mut serde_json::Map<String, Value>) {
    let (page, size) = wanted(shared, asked);
    let Some(statuses) = told.get_mut("statuses").and_then(Value::as_array_mut) else { return };
    *statuses = statuses.drain(..).skip((page - 1).saturating_mul(size)).take(size).collect();
    let count = statuses.len();
    told.insert("total_count".to_owned(), count.into());
}

fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Asked {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bearer = header("authorization").and_then(|value| value.split_once(' ').map(|(_, token)| token.to_owned()));
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(&value.replace('+', " ")))
    };
    Asked {
        method: method.to_string(),
        path: uri.path().split('/').skip(1).map(decoded).collect(),
        query: pairs.map(pair).collect(),
        token: header("private-token").or(bearer),
        body: serde_json::from_slice(body).unwrap_or_default(),
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok()).and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn blake(body: &Value) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    body.to_string().hash(&mut hasher);
    hasher.finish()
}

/// RFC 3339, as forges write it.
#[must_use]
pub fn moment(seconds: i64) -> String {
    Timestamp::from_millis(seconds.saturating_mul(1000)).to_string()
}

//! Requests: how often one is sent, how long an answer may take, how long it may be, and where it may come from.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Body, Method, Response, StatusCode, Url};
use tokio::sync::watch;
use tokio::time::Instant;
use towpath_domain::with_causes;

use super::RemoteRegistry;
use crate::RegistryError;

/// How long a registry is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until it answers, and while it says nothing in the middle of an answer.
    answer: Duration,
    /// While it takes nothing of what it is sent.
    stalled: Duration,
    /// Until it answers when it has taken all: it may have to copy a blob of some gigabytes from one place to another.
    stored: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { answer: Duration::from_secs(60), stalled: Duration::from_secs(60), stored: Duration::from_secs(300) }
    }
}

/// How often a registry is asked again that is busy, and how long it is waited for in between.
pub(super) const TRIES: u32 = 4;
pub(super) const PAUSE: Duration = Duration::from_millis(300);
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// How much of a registry's complaint is told, in characters.
const COMPLAINT_MAX: usize = 300;

/// How often an answer may lead elsewhere.
const REDIRECTS: usize = 5;

/// Where answers may lead. Credentials are left behind by the client whenever scheme, host or port change.
pub(super) fn redirects() -> Policy {
    Policy::custom(|attempt| {
        let leaves_encryption = attempt.previous().last().is_some_and(|from| from.scheme() == "https") && attempt.url().scheme() != "https";
        if leaves_encryption {
            attempt.error("it leads to an address without encryption")
        } else if attempt.previous().len() > REDIRECTS {
            attempt.error("it leads from one address to the next without an end")
        } else {
            attempt.follow()
        }
    })
}

/// A request, which may be sent several times.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl RemoteRegistry {
    /// Asks for what is at `path`; `scope` says what it needs to be allowed. Asked again while the registry is busy.
    pub(crate) async fn get(&self, path: &str, scope: &str, headers: HeaderMap) -> Result<Response, RegistryError> {
        self.send(Ask { method: Method::GET, url: self.url(path)?, headers, body: Vec::new() }, scope).await
    }

    /// Asks about what is at `path`, without its content.
    pub(super) async fn head(&self, path: &str, scope: &str, headers: HeaderMap) -> Result<Response, RegistryError> {
        self.send(Ask { method: Method::HEAD, url: self.url(path)?, headers, body: Vec::new() }, scope).await
    }

    /// Sends a request that does the same when it is sent again; `scope` says what it needs to be allowed.
    pub(super) async fn send(&self, ask: Ask, scope: &str) -> Result<Response, RegistryError> {
        let mut pause = PAUSE;
        for attempt in 1.. {
            let last = attempt >= TRIES;
            let mut asked = None;
            match self.signed_in(&ask, scope).await {
                Ok(answer) if last || !is_busy(answer.status()) => return Ok(answer),
                Ok(answer) => asked = retry_after(&answer),
                Err(Fault::Cut(_)) if !last => {}
                Err(Fault::Cut(error) | Fault::Other(error)) => return Err(error),
            }
            tokio::time::sleep(asked.unwrap_or(pause).clamp(PAUSE, PAUSE_MAX)).await;
            pause *= 2;
        }
        Err(self.unreachable("it was asked too often"))
    }

    /// Sends a request, and once more with what the registry wants to know of us.
    async fn signed_in(&self, ask: &Ask, scope: &str) -> Result<Response, Fault> {
        let known = self.tokens.get(scope);
        let answer = self.once(ask, known.as_ref()).await?;
        if answer.status() != StatusCode::UNAUTHORIZED || !self.is_own(&ask.url) {
            return Ok(answer);
        }
        match self.sign_in(&answer, scope, known.as_ref()).await.map_err(Fault::Other)? {
            Some(header) => self.once(ask, Some(&header)).await,
            None => Ok(answer),
        }
    }

    async fn once(&self, ask: &Ask, authorization: Option<&HeaderValue>) -> Result<Response, Fault> {
        let mut request = self.client.request(ask.method.clone(), ask.url.clone()).headers(ask.headers.clone());
        // What is sent to another host than the registry's own goes without credentials.
        if let Some(header) = authorization.filter(|_| self.is_own(&ask.url)) {
            request = request.header(AUTHORIZATION, header);
        }
        if !matches!(ask.method, Method::GET | Method::HEAD) {
            request = request.body(ask.body.clone());
        }
        match tokio::time::timeout(self.patience.answer, request.send()).await {
            Ok(Ok(answer)) => Ok(answer),
            // A connection that broke off, perhaps one that was kept too long: another one may do. One that cannot be made will not.
            Ok(Err(error)) if !error.is_connect() && !error.is_redirect() && !error.is_builder() => Err(Fault::Cut(self.away(&error))),
            Ok(Err(error)) => Err(Fault::Other(self.away(&error))),
            Err(_) => Err(Fault::Other(self.unreachable(&format!("no answer within {} s", self.patience.answer.as_secs())))),
        }
    }

    /// Sends a long body to `url`, once. It may take as long as it moves.
    pub(super) async fn upload(
        &self,
        url: Url,
        scope: &str,
        headers: HeaderMap,
        content: tokio::fs::File,
        size: u64,
    ) -> Result<Response, RegistryError> {
        let (moves, mut moved) = watch::channel(Instant::now() + self.patience.stalled);
        let mut request = self.client.put(url.clone()).headers(headers).header(CONTENT_LENGTH, size).body(stream(
            content,
            size,
            self.patience,
            Arc::new(moves),
        ));
        if let Some(header) = self.tokens.get(scope).filter(|_| self.is_own(&url)) {
            request = request.header(AUTHORIZATION, header);
        }
        let mut sending = std::pin::pin!(request.send());
        loop {
            let until = *moved.borrow_and_update();
            tokio::select! {
                answer = &mut sending => return answer.map_err(|e| self.away(&e)),
                () = tokio::time::sleep_until(until) => {
                    if *moved.borrow() <= until {
                        return Err(self.unreachable("it takes nothing more of what it is sent"));
                    }
                }
            }
        }
    }

    /// Where `path` is.
    pub(super) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        self.base.join(path).map_err(|e| self.rejected(&format!("{path:?} is no address: {e}")))
    }

    /// Whether a request goes to the registry itself, and not to another host, port, or without encryption.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        url.scheme() == self.base.scheme()
            && url.host_str() == self.base.host_str()
            && url.port_or_known_default() == self.base.port_or_known_default()
            && url.username().is_empty()
            && url.password().is_none()
    }

    /// The next piece of an answer's content.
    pub(super) async fn chunk(&self, answer: &mut Response) -> Result<Option<impl AsRef<[u8]> + use<>>, RegistryError> {
        match tokio::time::timeout(self.patience.answer, answer.chunk()).await {
            Ok(chunk) => chunk.map_err(|e| self.away(&e)),
            Err(_) => Err(self.unreachable(&format!("its answer stands still for {} s", self.patience.answer.as_secs()))),
        }
    }

    /// The answer's content, which may be no longer than `limit` bytes.
    pub(crate) async fn limited(&self, mut answer: Response, limit: u64, what: &str, place: &str) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(&mut answer).await? {
            bytes.extend_from_slice(chunk.as_ref());
            if bytes.len() as u64 > limit {
                return Err(RegistryError::TooLarge { what: what.to_owned(), place: place.to_owned(), limit, unit: "bytes" });
            }
        }
        Ok(bytes)
    }

    pub(super) fn away(&self, error: &reqwest::Error) -> RegistryError {
        // An address may hold a signature that lets whoever has it read: it is for no message.
        let mut text = with_causes(error);
        if let Some(url) = error.url() {
            let mut shown = url.clone();
            shown.set_query(None);
            text = text.replace(url.as_str(), shown.as_str());
        }
        self.unreachable(&text)
    }

    pub(super) fn unreachable(&self, why: &str) -> RegistryError {
        RegistryError::Unreachable { registry: self.settings.host.clone(), why: why.to_owned() }
    }

    pub(super) fn rejected(&self, why: &str) -> RegistryError {
        RegistryError::Rejected { registry: self.settings.host.clone(), why: why.to_owned() }
    }

    /// An answer that was not expected, as an error.
    pub(crate) async fn unexpected(&self, answer: Response, path: &str) -> RegistryError {
        let status = answer.status();
        let said = self.limited(answer, 64 << 10, "the complaint", path).await.unwrap_or_default();
        let said: String = String::from_utf8_lossy(&said).chars().filter(|c| !c.is_control()).take(COMPLAINT_MAX).collect();
        let why = if said.is_empty() { format!("{path}: {status}") } else { format!("{path}: {status}: {said}") };
        match status {
            StatusCode::UNAUTHORIZED if self.settings.credentials.is_some() => {
                self.refused(&format!("{path}: {status}: it does not take this user and password"))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.refused(&why),
            StatusCode::NOT_FOUND => self.missing(path),
            status if is_busy(status) => self.unreachable(&why),
            _ => self.rejected(&why),
        }
    }
}

/// Why a request came to nothing.
enum Fault {
    /// The connection broke off.
    Cut(RegistryError),
    Other(RegistryError),
}

/// Whether asking again later may help.
pub(super) fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT || status.is_server_error()
}

fn retry_after(answer: &Response) -> Option<Duration> {
    answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// `size` bytes of a file as a body. `moves` says until when the next piece must have been taken, or after the last one, the answer be there.
fn stream(content: tokio::fs::File, size: u64, patience: Patience, moves: Arc<watch::Sender<Instant>>) -> Body {
    use tokio::io::AsyncReadExt as _;
    const PIECE: usize = 64 << 10;
    Body::wrap_stream(futures_util::stream::try_unfold((content, size), move |(mut content, left)| {
        let moves = Arc::clone(&moves);
        async move {
            let mut piece = vec![0; PIECE];
            let count = content.read(&mut piece).await?;
            piece.truncate(count);
            let left = left.saturating_sub(count as u64);
            // Whoever reads this may not come back for the end, knowing the size.
            moves.send_replace(Instant::now() + if left == 0 { patience.stored } else { patience.stalled });
            Ok::<_, std::io::Error>((count > 0).then_some((piece, (content, left))))
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::{Limits, RemoteSettings};

    /// Far more than what is under way in sockets.
    const SIZE: u64 = 64 << 20;

    /// Sends a large file to a server that takes it in at its own pace. It is told when the upload is over.
    async fn upload(
        patience: Patience,
        pace: impl FnOnce(&mut TcpStream, &Receiver<()>) + Send + 'static,
    ) -> Result<StatusCode, RegistryError> {
        let _there = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (over, told) = channel();
        let serving = std::thread::spawn(move || pace(&mut listener.accept().unwrap().0, &told));
        let settings = RemoteSettings { host, plain_http: true, ca_file: None, credentials: None };
        let registry = RemoteRegistry { patience, ..RemoteRegistry::new(settings, Limits::default()).unwrap() };
        let content = tempfile::tempfile().unwrap();
        content.set_len(SIZE).unwrap();
        let content = tokio::fs::File::from_std(content);
        let answer = registry.upload(registry.url("/x").unwrap(), "", HeaderMap::new(), content, SIZE).await;
        drop((over, registry));
        serving.join().unwrap();
        answer.map(|answer| answer.status())
    }

    /// Takes in so many bytes, head and all.
    fn take(stream: &mut TcpStream, bytes: u64) {
        std::io::copy(&mut stream.take(bytes), &mut std::io::sink()).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_upload_may_take_longer_than_an_answer_as_long_as_it_moves() {
        let patience = Patience { answer: Duration::from_millis(200), stalled: Duration::from_secs(5), stored: Duration::from_secs(5) };
        let status = upload(patience, |stream, _| {
            for _ in 0..8 {
                std::thread::park_timeout(Duration::from_millis(100));
                take(stream, SIZE / 8);
            }
            stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            // The head's bytes are left over; until the other end has its answer, they stay unread.
            let _rest = stream.read_to_end(&mut Vec::new());
        });
        assert_eq!(status.await.unwrap(), StatusCode::CREATED);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_upload_that_stands_still_is_given_up() {
        let patience = Patience { answer: Duration::from_secs(60), stalled: Duration::from_millis(300), stored: Duration::from_secs(60) };
        let error = upload(patience, |stream, over| {
            take(stream, 1000);
            let _over = over.recv();
        });
        let error = error.await.unwrap_err();
        assert!(error.to_string().contains("takes nothing more"), "{error}");
    }
}

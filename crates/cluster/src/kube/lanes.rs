//! The connections to one API server.
//!
//! Requests that end share one. What lasts, watches and followed logs, goes over connections of its own, several streams on each: one watch per
//! kind and namespace on a connection of its own would be a thousand connections, and all of them on one would be more streams than servers
//! allow, so that whatever came next would wait for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::Body;
use tower_service::Service;

/// How a server is connected to.
pub(super) type Connector = HttpsConnector<HttpConnector>;

type Http = Client<Connector, Body>;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How many streams share a connection: fewer than any server or proxy before it allows (100 and more).
const STREAMS_EACH: usize = 64;

/// How much of a stream is read ahead, in bytes: what nobody reads yet is kept by the server.
const STREAM_AHEAD: u32 = 128 * 1024;

/// How often a connection on which nothing comes is tried, and how long the answer may take: one that a firewall forgot never ends by itself.
const TRIED_EVERY: Duration = Duration::from_secs(20);
const TRIED_WITHIN: Duration = Duration::from_secs(20);

/// How long a connection is kept that nobody uses.
const IDLE_FOR: Duration = Duration::from_secs(60);

/// The connections to a server, as a service that takes one request at a time. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lanes {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Connector,
    requests: Http,
    lasting: Mutex<Vec<Arc<Lane>>>,
    /// Whether the server was heard to speak HTTP/2: then a lane makes one connection from the start, and not one for each of its first streams.
    multiplexes: AtomicBool,
}

/// One connection for streams.
struct Lane {
    http: Http,
    open: AtomicUsize,
}

impl Lanes {
    pub(super) fn new(connector: Connector) -> Self {
        let requests = http(connector.clone(), false);
        Self { shared: Arc::new(Shared { connector, requests, lasting: Mutex::new(Vec::new()), multiplexes: AtomicBool::new(false) }) }
    }

    /// A place on a connection that has room.
    fn place(&self) -> Place {
        let mut lanes = self.shared.lasting.lock().unwrap_or_else(PoisonError::into_inner);
        // One whose streams have all ended closes; places are only given while this is locked.
        lanes.retain(|lane| lane.open.load(Ordering::Acquire) > 0);
        let lane = lanes.iter().find(|lane| lane.open.load(Ordering::Acquire) < STREAMS_EACH).cloned();
        let lane = lane.unwrap_or_else(|| {
            let multiplexes = self.shared.multiplexes.load(Ordering::Relaxed);
            let lane = Arc::new(Lane { http: http(self.shared.connector.clone(), multiplexes), open: AtomicUsize::new(0) });
            lanes.push(Arc::clone(&lane));
            lane
        });
        lane.open.fetch_add(1, Ordering::AcqRel);
        Place(lane)
    }
}

fn http(connector: Connector, only_2: bool) -> Http {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_FOR).http2_only(only_2);
    builder.http2_keep_alive_interval(TRIED_EVERY).http2_keep_alive_timeout(TRIED_WITHIN);
    // Room for all streams of a connection at once, so that one that is not read holds up no other.
    let all = u32::try_from(STREAMS_EACH).unwrap_or(u32::MAX).saturating_mul(STREAM_AHEAD);
    builder.http2_initial_stream_window_size(STREAM_AHEAD).http2_initial_connection_window_size(all);
    builder.build(connector)
}

/// Whether the answer goes on until somebody ends it.
fn lasts(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|part| matches!(part, "watch=true" | "watch=1" | "follow=true"))
}

/// A stream's place on a connection, free again when dropped.
struct Place(Arc<Lane>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Service<Request<Body>> for Lanes {
    type Response = Response<Held>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Held>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let place = lasts(&request).then(|| self.place());
        let answer = place.as_ref().map_or(&shared.requests, |place| &place.0.http).request(request);
        Box::pin(async move {
            let answer = answer.await;
            // After a failure it is asked again which protocol is spoken: there may be another server.
            let multiplexes = answer.as_ref().is_ok_and(|answer| answer.version() == Version::HTTP_2);
            shared.multiplexes.store(multiplexes, Ordering::Relaxed);
            Ok(answer?.map(|body| Held { body, _place: place }))
        })
    }
}

/// The body of an answer, which holds its place on the connection.
pub(super) struct Held {
    body: Incoming,
    _place: Option<Place>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes() -> Lanes {
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        Lanes::new(hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions().build())
    }

    #[test]
    fn streams_share_connections_and_make_room_when_they_end() {
        let lanes = lanes();
        let open = |lanes: &Lanes| lanes.shared.lasting.lock().unwrap().len();
        let mut places: Vec<Place> = (0..STREAMS_EACH * 2 + 1).map(|_| lanes.place()).collect();
        assert_eq!(open(&lanes), 3);
        drop(places.remove(0));
        places.push(lanes.place());
        assert_eq!(open(&lanes), 3, "the first has room again");
        places.clear();
        let last = lanes.place();
        assert_eq!(open(&lanes), 1, "those that nobody used went");
        drop(last);
    }

    #[test]
    fn what_lasts_is_told_from_what_ends() {
        for (uri, expected) in [
            ("/api/v1/pods?&watch=true&timeoutSeconds=290", true),
            ("/api/v1/namespaces/a/pods/b/log?&follow=true", true),
            ("/api/v1/pods?limit=500", false),
            ("/api/v1/namespaces/a/pods/follow=true", false),
        ] {
            assert_eq!(lasts(&Request::builder().uri(uri).body(Body::empty()).unwrap()), expected, "{uri}");
        }
    }
}

//! Requests that are on their way out: how long they are still answered, and how that is told.

use std::convert::Infallible;

use axum::http::header::LINK;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware;
use axum::response::Response;
use axum::routing::MethodRouter;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::operations::PREFIX;

/// Since when it is deprecated (RFC 9745).
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");

/// From when on it is no longer answered (RFC 8594).
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// Until when an operation is answered, and what takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deprecated {
    /// The day, in UTC, from which on it is deprecated.
    pub since: Date,
    /// The day, in UTC, from which on it may be gone: at least six months later.
    pub sunset: Date,
    /// The path, below `/api/v1`, of what takes its place.
    pub instead: &'static str,
}

impl Deprecated {
    /// The same, for people.
    pub(crate) fn text(&self) -> String {
        format!("Deprecated since {}: use `{PREFIX}{}`. From {} on it may be gone.", self.since, self.instead, self.sunset)
    }

    /// The headers that every answer has. A day that no header can tell is left out: none of the years to come is one.
    fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let begin = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
        let since = begin(self.since).map(|day| format!("@{}", day.as_second()));
        let sunset = begin(self.sunset).and_then(|day| jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&day).ok());
        let link = Some(format!("<{PREFIX}{}>; rel=\"successor-version\"", self.instead));
        let all = [(DEPRECATION, since), (SUNSET, sunset), (LINK, link)];
        all.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value?).ok()?))).collect()
    }

    /// The handler, with the headers at each of its answers.
    pub(super) fn told<S: Clone + Send + Sync + 'static>(self, handler: MethodRouter<S>) -> MethodRouter<S> {
        let headers = self.headers();
        handler.layer::<_, Infallible>(middleware::map_response(move |mut response: Response| {
            let headers = headers.clone();
            async move {
                response.headers_mut().extend(headers);
                response
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use axum::routing::get;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;
    use jiff::civil::date;

    use super::*;
    use crate::api::operations;

    #[test]
    fn headers_say_since_when_until_when_and_what_instead() {
        let deprecated = Deprecated { since: date(2027, 1, 15), sunset: date(2027, 8, 1), instead: "/board" };
        let headers: Vec<(String, String)> =
            deprecated.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let expected = [
            // date -d 2027-01-15T00:00:00Z +%s
            ("deprecation", "@1799971200"),
            ("sunset", "Sun, 01 Aug 2027 00:00:00 GMT"),
            ("link", "</api/v1/board>; rel=\"successor-version\""),
        ];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[tokio::test]
    async fn every_answer_of_a_made_up_operation_on_its_way_out_says_so() {
        let deprecated = Deprecated { since: date(2027, 1, 15), sunset: date(2027, 8, 1), instead: "/board" };
        let refused = || async { (StatusCode::NOT_FOUND, "nothing") };
        let router =
            Router::new().route("/old", deprecated.told(get(|| async { "old" }).post(refused))).route("/new", get(|| async { "new" }));
        let service = TowerToHyperService::new(router);
        for (method, path, status, told) in [("GET", "/old", 200, true), ("POST", "/old", 404, true), ("GET", "/new", 200, false)] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let answer = service.call(request).await.unwrap();
            let is = |name: HeaderName| answer.headers().contains_key(name);
            assert_eq!(answer.status(), status, "{method} {path}");
            assert_eq!([is(DEPRECATION), is(SUNSET), is(LINK)], [told; 3], "{method} {path}: {answer:?}");
        }
    }

    #[test]
    fn what_is_deprecated_stays_for_six_months_and_what_takes_its_place_is_there() {
        let all = operations();
        for operation in &all {
            let Some(deprecated) = operation.deprecated else { continue };
            let earliest = deprecated.since.checked_add(jiff::Span::new().months(6)).unwrap();
            assert!(deprecated.sunset >= earliest, "{}: gone before {earliest}", operation.id);
            assert!(all.iter().any(|other| other.path == deprecated.instead && other.deprecated.is_none()), "{}", operation.id);
        }
    }
}

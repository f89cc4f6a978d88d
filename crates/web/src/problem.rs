//! Refusals as problem details (RFC 9457).

use axum::body::Body;
use axum::extract::Request;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use towpath_control::view::Problem;

/// The media type of problem details.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal as it is sent: problem details (RFC 9457) with the rule and how to mend it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemDetails {
    /// Where the rule is explained, on this server: `/problems/` and the rule's name.
    pub r#type: String,
    /// The rule's stable name, such as `unknown-target`.
    pub rule: String,
    /// A short summary.
    pub title: String,
    /// The HTTP status.
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
    /// What, where and why.
    pub detail: String,
    /// How to mend it.
    pub mend: String,
    /// The path that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

impl ProblemDetails {
    fn new(problem: Problem, instance: Option<String>) -> Self {
        let Problem { r#type: rule, title, status, detail, mend } = problem;
        Self { r#type: format!("/problems/{rule}"), rule, title, status, detail, mend, instance }
    }
}

/// Names the path that was asked in refusals.
pub(crate) async fn name_instance(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    if let Some(Refusal(problem)) = response.extensions_mut().remove::<Refusal>() {
        let body = serde_json::to_vec(&ProblemDetails::new(problem, Some(path))).unwrap_or_default();
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(body);
    }
    response
}

/// A [`Problem`] that a handler answers with.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal(pub Problem);

impl Refusal {
    /// A refusal by the API itself.
    #[must_use]
    pub fn new(status: StatusCode, rule: &str, title: &str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self(Problem {
            r#type: rule.to_owned(),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            mend: mend.into(),
        })
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        let mend = "send a JSON object with Content-Type: application/json; `towpath --help` does the same without writing JSON";
        Self::new(rejection.status(), "bad-body", "The request's body cannot be read", rejection.body_text(), mend)
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        let mend = "leave out or correct the parameter that is named";
        Self::new(rejection.status(), "bad-query", "The request's query cannot be read", rejection.body_text(), mend)
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), "bad-path", "The request's path cannot be read", rejection.body_text(), "percent-encode the path")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // A brain that names no status for a refusal must not turn it into a success.
        let status = StatusCode::from_u16(self.0.status).ok().filter(|status| status.as_u16() >= 400);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&ProblemDetails::new(self.0.clone(), None)).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match status {
            StatusCode::UNAUTHORIZED => {
                drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"towpath\"")))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_never_answered_with_a_success() {
        for (said, answered) in [(404, 404), (409, 409), (200, 500), (0, 500), (9999, 500)] {
            let problem = Problem { r#type: "x".into(), title: "t".into(), status: said, detail: "d".into(), mend: "m".into() };
            let response = Refusal(problem).into_response();
            assert_eq!(response.status().as_u16(), answered, "{said}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        }
    }
}

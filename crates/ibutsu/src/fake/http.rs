//! The stand-in's requests and answers.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use serde_json::{Value, json};

use super::form::{self, Part};
use super::state::{Answer, Mishap, Seen, State};
use super::{Shared, TOKEN};

/// More than any test sends.
const BODY_MAX: usize = 256 << 20;

pub(super) fn service(shared: Arc<Shared>) -> Router {
    Router::new().fallback(any(move |request: Request| answer(Arc::clone(&shared), request)))
}

/// A request, read.
pub(super) struct Asked {
    pub method: String,
    /// Below `/api`.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub token: Option<String>,
    pub body: Bytes,
    pub content_type: String,
}

/// What leaves.
pub(super) enum Reply {
    Json(Answer),
    /// Bytes of a file.
    File(Vec<u8>),
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Json(answer)
    }
}

async fn answer(shared: Arc<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_MAX).await.unwrap_or_default();
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().strip_prefix("/api").unwrap_or("/outside").to_owned(),
        query: query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decoded(name), decoded(value))).collect(),
        token: header(AUTHORIZATION).map(|value| value.trim_start_matches("Bearer ").to_owned()),
        body,
        content_type: header(CONTENT_TYPE).unwrap_or_default(),
    };
    let (mishap, reply) = {
        let mut state = shared.state();
        let with_token = asked.token.is_some();
        state.seen.push(Seen { method: asked.method.clone(), path: asked.path.clone(), query, with_token });
        let mishap = state.mishap(&asked.method, &asked.path);
        let reply = match &mishap {
            Some(Mishap::Status(status) | Mishap::Later(status, _)) => Reply::Json((*status, json!("as planned"))),
            Some(Mishap::Says(status, words)) => Reply::Json((*status, json!(words))),
            Some(Mishap::Hang | Mishap::Redirect(..)) => Reply::Json((500, Value::Null)),
            Some(Mishap::Lost) | None => asked.reply(&mut state),
        };
        (mishap, reply)
    };
    shared.seen.send_modify(|count| *count += 1);
    let mut response = match reply {
        Reply::Json((status, body)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
        }
        Reply::File(content) => content.into_response(),
    };
    match mishap {
        Some(Mishap::Hang) => std::future::pending::<()>().await,
        Some(Mishap::Later(_, wait)) => {
            response.headers_mut().insert(RETRY_AFTER, wait.as_secs().into());
        }
        Some(Mishap::Lost) => {
            let cut = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("the connection is cut")) });
            *response.body_mut() = Body::from_stream(cut);
        }
        Some(Mishap::Redirect(status, to)) => {
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
            if let Ok(to) = HeaderValue::from_str(&format!("{to}/api{}", asked.path)) {
                response.headers_mut().insert(LOCATION, to);
            }
        }
        Some(Mishap::Status(_) | Mishap::Says(..)) | None => {}
    }
    response
}

impl Asked {
    /// The first value of a field of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Option<Value> {
        self.content_type.starts_with("application/json").then(|| serde_json::from_slice(&self.body).ok()).flatten()
    }

    pub(super) fn form(&self) -> Option<Vec<Part>> {
        form::parse(&self.content_type, &self.body)
    }

    fn reply(&self, state: &mut State) -> Reply {
        if state.largest_body.is_some_and(|bytes| self.body.len() > bytes) {
            return (413, json!("<html>413 Request Entity Too Large</html>")).into();
        }
        let parts: Vec<&str> = self.path.split('/').skip(1).collect();
        match (self.method.as_str(), &parts[..]) {
            ("GET", ["health"]) => return (200, json!({"status": "OK", "message": "Service is running"})).into(),
            ("GET", ["health", "info"]) => {
                let api = format!("{}/api/ui/", state.frontend);
                return (200, json!({"frontend": state.frontend, "backend": state.frontend, "api_ui": api})).into();
            }
            ("POST", ["login"]) => return self.log_in().into(),
            _ => {}
        }
        match &self.token {
            None => return (401, json!({"detail": "No authorization token provided", "status": 401, "title": "Unauthorized"})).into(),
            // A server that cannot read it falls over it.
            Some(token) if token != TOKEN && !state.tokens.contains(token) => {
                return (
                    500,
                    json!({"detail": "The server encountered an internal error", "status": 500, "title": "Internal Server Error"}),
                )
                    .into();
            }
            Some(_) if state.expired => return (401, json!({"detail": "Unauthorized", "status": 401, "title": "Unauthorized"})).into(),
            Some(_) => {}
        }
        match (self.method.as_str(), &parts[..]) {
            ("POST", ["project"]) => self.add_project(state).into(),
            ("GET", ["project"]) => self.projects(state).into(),
            ("POST", ["user", "token"]) => self.add_token(state).into(),
            ("DELETE", ["user", "token", _]) => (200, json!("OK")).into(),
            ("POST", ["admin", "user"]) => self.add_user(state).into(),
            ("POST", ["run"]) => self.add_run(state).into(),
            ("GET", ["run"]) => self.list(state, "runs").into(),
            ("GET", ["run", id]) => Self::run(state, id).into(),
            ("PUT", ["run", id]) => self.update_run(state, id).into(),
            ("POST", ["runs", "bulk-update"]) => self.bulk_update(state).into(),
            ("POST", ["result"]) => self.add_result(state).into(),
            ("GET", ["result"]) => self.list(state, "results").into(),
            ("POST", ["artifact"]) => self.add_artifact(state).into(),
            ("GET", ["artifact"]) => self.artifacts(state).into(),
            (method, ["artifact", id, rest @ ..]) => Self::artifact(state, method, id, rest),
            ("POST", ["import"]) => self.add_import(state).into(),
            ("GET", ["import", id]) => Self::import(state, id).into(),
            _ => (404, json!({"detail": "The requested URL was not found on the server.", "status": 404, "title": "Not Found"})).into(),
        }
    }
}

/// A part of a query with its percent signs resolved.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| u8::from_str_radix(code, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

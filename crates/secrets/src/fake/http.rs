//! The stand-in's answers.

use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, routing::any};
use serde_json::{Value, json};

use super::Shared;
use super::state::{Engine, Seen, State, Token};

type Answer = (u16, Value);

pub(super) fn service(shared: Arc<Shared>) -> Router {
    Router::new().fallback(any(move |request: Request| answer(Arc::clone(&shared), request)))
}

async fn answer(shared: Arc<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_else(|_| Bytes::new());
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let path = decoded(parts.uri.path().strip_prefix("/v1/").unwrap_or_default());
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let asked = Asked {
        token: header("x-vault-token"),
        namespace: header("x-vault-namespace"),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        method: parts.method.to_string(),
        path,
        query,
    };
    let (hang, location, answer) = {
        let mut state = shared.state();
        state.seen.push(Seen { method: asked.method.clone(), path: asked.path.clone(), query: asked.query.clone() });
        let location = state.failure.as_ref().and_then(|failure| failure.location.as_ref()).map(|to| format!("{to}{}", parts.uri));
        (state.hang, location, asked.answer(&mut state))
    };
    shared.seen.send_modify(|count| *count += 1);
    if hang {
        std::future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(answer.0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(CONTENT_TYPE, "application/json")], answer.1.to_string()).into_response();
    if let Some(location) = location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

struct Asked {
    method: String,
    path: String,
    query: String,
    token: String,
    namespace: String,
    body: Value,
}

impl Asked {
    fn answer(&self, state: &mut State) -> Answer {
        if let Some(failure) = &state.failure {
            return errors(failure.status, &[&failure.error]);
        }
        let parts: Vec<_> = self.path.split('/').collect();
        if self.path == "sys/health" {
            let status = if state.sealed { 503 } else { 200 };
            return (status, json!({"initialized": true, "sealed": state.sealed, "standby": false, "version": "1.20.4"}));
        }
        if state.sealed {
            return errors(503, &["Vault is sealed"]);
        }
        if state.namespace.as_ref().is_some_and(|namespace| *namespace != self.namespace) {
            return errors(403, &["permission denied"]);
        }
        if let (["auth", mount @ .., "login"], "POST") = (&parts[..], self.method.as_str()) {
            return self.log_in(state, &mount.join("/"));
        }
        let Some(token) = state.tokens.get(&self.token) else {
            return errors(403, &["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]);
        };
        match (self.method.as_str(), &parts[..]) {
            ("GET", ["auth", "token", "lookup-self"]) => {
                let data = json!({
                    "ttl": token.ttl, "renewable": token.renewable, "policies": token.policies,
                    "display_name": token.display_name, "id": self.token,
                });
                (200, envelope(data))
            }
            ("POST" | "PUT", ["auth", "token", "renew-self"]) => {
                if !token.renewable {
                    return errors(400, &["lease is not renewable"]);
                }
                (200, signed_in(&self.token, &token.policies, state.renew_for.unwrap_or(token.ttl)))
            }
            ("GET", ["sys", "internal", "ui", "mounts", path @ ..]) => mount(state, token, &path.join("/")),
            ("GET", _) => self.read(state, token),
            _ => errors(405, &["unsupported operation"]),
        }
    }

    fn log_in(&self, state: &mut State, mount: &str) -> Answer {
        let text = |field: &str| self.body.get(field).and_then(Value::as_str).unwrap_or_default();
        let (role_id, role_name) = (text("role_id"), text("role"));
        let name = if role_id.is_empty() { role_name } else { role_id };
        let Some(role) = state.roles.get(&(mount.to_owned(), name.to_owned())) else {
            return errors(400, &["invalid role or secret ID"]);
        };
        let (secret, refusal) = match role.method {
            "approle" => (text("secret_id"), errors(400, &["invalid role or secret ID"])),
            _ => (text("jwt"), errors(403, &["permission denied"])),
        };
        if role.secret != secret {
            return refusal;
        }
        let policies: Vec<_> = role.policies.iter().map(String::as_str).collect();
        let token = Token::new(&policies, role.ttl, true, role.method);
        let (ttl, answer_policies) = (role.ttl, token.policies.clone());
        state.made += 1;
        let id = format!("hvs.FAKE-{}-{}", role.method, state.made);
        state.tokens.insert(id.clone(), token);
        (200, signed_in(&id, &answer_policies, ttl))
    }

    fn read(&self, state: &State, token: &Token) -> Answer {
        if !state.may_read(token, &self.path) {
            return errors(403, &["1 error occurred:\n\t* permission denied\n\n"]);
        }
        let Some((mount, inner)) = state.mount_of(&self.path) else { return none() };
        match state.mounts.get(&mount) {
            Some(Engine::Kv1(secrets)) => match secrets.get(inner) {
                Some(fields) => {
                    let mut answer = envelope(fields.clone());
                    answer["lease_duration"] = json!(2_764_800);
                    (200, answer)
                }
                None => none(),
            },
            Some(Engine::Kv2(secrets)) => {
                let Some(path) = inner.strip_prefix("data/") else {
                    let warning =
                        "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use.";
                    return (404, json!({"errors": [], "warnings": [warning]}));
                };
                let Some(versions) = secrets.get(path) else { return none() };
                let wanted = self.query.strip_prefix("version=").and_then(|version| version.parse::<usize>().ok()).unwrap_or_default();
                let number = if wanted == 0 { versions.len() } else { wanted };
                let Some(version) = number.checked_sub(1).and_then(|index| versions.get(index)) else { return none() };
                let gone = version.deleted || version.destroyed;
                let metadata = json!({
                    "created_time": version.created, "custom_metadata": null, "destroyed": version.destroyed, "version": number,
                    "deletion_time": if version.deleted { "2026-11-24T12:00:00.123456789Z" } else { "" },
                });
                let data = if gone { Value::Null } else { version.data.clone() };
                (if gone { 404 } else { 200 }, envelope(json!({"data": data, "metadata": metadata})))
            }
            _ => none(),
        }
    }
}

fn mount(state: &State, token: &Token, path: &str) -> Answer {
    let found = state.mount_of(path).filter(|(mount, _)| state.may_read_below(token, mount));
    let Some((mount, _)) = found else {
        let error = format!("preflight capability check returned 403, please ensure client's policies grant access to path \"{path}/\"");
        return errors(403, &[&error]);
    };
    let (kind, options) = match state.mounts.get(&mount) {
        Some(Engine::Kv1(_)) => ("kv", json!({"version": "1"})),
        Some(Engine::Kv2(_)) => ("kv", json!({"version": "2"})),
        _ => ("transit", Value::Null),
    };
    (200, envelope(json!({"path": format!("{mount}/"), "type": kind, "options": options, "accessor": "a", "local": false})))
}

fn envelope(data: Value) -> Value {
    json!({
        "request_id": "6f2ae6c5-0b0d-4f2b-9a3f-000000000000", "lease_id": "", "renewable": false, "lease_duration": 0,
        "data": data, "wrap_info": null, "warnings": null, "auth": null,
    })
}

fn signed_in(token: &str, policies: &[String], ttl: u64) -> Value {
    let mut answer = envelope(Value::Null);
    answer["auth"] = json!({
        "client_token": token, "accessor": "a", "policies": policies, "token_policies": policies, "metadata": {},
        "lease_duration": ttl, "renewable": true, "entity_id": "", "token_type": "service", "orphan": true,
    });
    answer
}

fn errors(status: u16, errors: &[&str]) -> Answer {
    (status, json!({"errors": errors}))
}

fn none() -> Answer {
    errors(404, &[])
}

/// The path with its percent signs resolved.
fn decoded(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| u8::from_str_radix(code, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

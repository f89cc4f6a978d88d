//! `ETag` and `If-None-Match`: who has the answer already gets none.
//!
//! A tag is a hash of the answer itself: verdicts change with time and not with events alone, and what a caller may see is in it without being named.
//! It saves sending, not asking.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

pub(super) async fn fresh(request: Request, next: Next) -> Response {
    let is_get = request.method() == Method::GET;
    let known: Vec<HeaderValue> = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect();
    let mut response = next.run(request).await;
    if !response.headers().contains_key(header::CACHE_CONTROL) {
        // Others must not keep it, and the caller must ask again each time: what they may see may have changed.
        let keep = if is_get && response.status() == StatusCode::OK { "private, no-cache" } else { "no-store" };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    }
    let is_whole = response.headers().get(header::CONTENT_TYPE).is_some_and(|media| media == "application/json");
    let is_kept = response.headers().get(header::CACHE_CONTROL).is_none_or(|keep| keep != "no-store");
    if !is_get || response.status() != StatusCode::OK || !is_whole || !is_kept {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // Answers in JSON are in memory as a whole already.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else { return Response::from_parts(parts, Body::empty()) };
    let tag = tag(&bytes);
    let is_known = matches(&known, &tag);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    if is_known {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Weak: what compresses an answer on its way keeps it.
fn tag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default()))
}

fn matches(known: &[HeaderValue], tag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| one.trim() == "*" || bare(one) == bare(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_by_itself_in_a_list_and_without_its_weakness() {
        let tag = tag(b"{}");
        for known in [tag.clone(), tag.trim_start_matches("W/").to_owned(), format!("\"x\", {tag}"), "*".to_owned()] {
            assert!(matches(&[HeaderValue::from_str(&known).unwrap()], &tag), "{known}");
        }
        assert!(!matches(&[HeaderValue::from_static("W/\"x\"")], &tag));
        assert!(!matches(&[], &tag));
    }
}

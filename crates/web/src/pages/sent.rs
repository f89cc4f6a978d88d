//! How pages are sent: not at all when the browser has them, and small otherwise; and what is refused to a browser is a page, too.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use towpath_control::view::Problem;

use super::frame::cookie;
use super::{Failed, Frame};
use crate::auth::Signed;
use crate::problem::{MEDIA_TYPE, Refusal};

/// The largest page in bytes; ours are far smaller.
const PAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Pages that are kept as they were sent: many people look at few pages, and compressing is most of their cost.
const KEPT: usize = 32;

/// Smaller answers are sent as they are.
const WORTH_IT: usize = 1024;

static PRESSED: Mutex<VecDeque<(Tag, Bytes)>> = Mutex::new(VecDeque::new());

type Tag = [u8; 16];

/// Tags and compresses pages.
pub(crate) async fn sent(request: Request, next: Next) -> Response {
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let gzip = takes_gzip(request.headers());
    let flash = cookie(request.headers(), "flash").is_some_and(|flash| !flash.is_empty());
    let response = next.run(request).await;
    let is_page = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !is_page {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, PAGE_BYTES_MAX).await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made").into_response();
    };
    if flash {
        // It is shown once.
        parts.headers.append(header::SET_COOKIE, HeaderValue::from_static("flash=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly"));
    }
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept-encoding, cookie, x-fragment"));
    let tag = tag(&bytes);
    if parts.status == StatusCode::OK {
        let text = format!("W/\"{}\"", tag.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let is_known = known.as_ref().and_then(|known| known.to_str().ok()).is_some_and(|known| known.split(',').any(|k| k.trim() == text));
        if let Ok(text) = HeaderValue::from_str(&text) {
            parts.headers.insert(header::ETAG, text);
        }
        if is_known {
            parts.status = StatusCode::NOT_MODIFIED;
            parts.headers.remove(header::CONTENT_TYPE);
            parts.headers.remove(header::CONTENT_LENGTH);
            return Response::from_parts(parts, Body::empty());
        }
    }
    if !gzip || bytes.len() < WORTH_IT {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(pressed(tag_of_all(&bytes), &bytes)))
}

/// What a page is, whatever the newest event was when it was made: it changes with all that happens, and the page may not.
fn tag(page: &[u8]) -> Tag {
    const MARK: &[u8] = b"data-event=\"";
    let at = page.windows(MARK.len()).take(8192).position(|window| window == MARK).map_or(0, |at| at + MARK.len());
    let (before, after) = page.split_at(at);
    let digits = if at == 0 { 0 } else { after.iter().take_while(|byte| byte.is_ascii_digit()).count() };
    first(Sha256::new().chain_update(before).chain_update(after.get(digits..).unwrap_or_default()))
}

fn tag_of_all(page: &[u8]) -> Tag {
    first(Sha256::new().chain_update(page))
}

fn first(hash: Sha256) -> Tag {
    let mut tag = Tag::default();
    tag.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    tag
}

fn pressed(tag: Tag, bytes: &Bytes) -> Bytes {
    let kept = || PRESSED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, pressed)) = kept().iter().find(|(kept, _)| *kept == tag) {
        return pressed.clone();
    }
    let pressed = Bytes::from(gzip(bytes));
    let mut kept = kept();
    kept.truncate(KEPT - 1);
    kept.push_front((tag, pressed.clone()));
    pressed
}

/// A text, compressed.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::new(5));
    // Writing to memory does not fail.
    let _ = out.write_all(bytes);
    out.finish().unwrap_or_default()
}

/// Whether a client says that it takes gzip, and not that it does not.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let said = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    said.map(str::trim).any(|one| {
        let (name, quality) = one.split_once(';').unwrap_or((one, ""));
        matches!(name.trim(), "gzip" | "*") && quality.trim().strip_prefix("q=").is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0))
    })
}

/// What is refused to a browser that wants a page is told on a page; programs get the problem as it is.
pub(crate) async fn dressed(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let accepts = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|a| a.contains("text/html"));
    if !accepts || ["/api/", "/hooks/", "/assets/"].iter().any(|not| path.starts_with(not)) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let Ok(frame) = Frame::from_request_parts(&mut parts, &()).await;
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes() != MEDIA_TYPE.as_bytes()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let frame = frame.of(parts.extensions.get::<Signed>());
    let body = axum::body::to_bytes(body, PAGE_BYTES_MAX).await.unwrap_or_default();
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => {
            let mut page = Failed::new(frame, Refusal(problem)).into_response();
            // Such as who may sign in how, or when to try again.
            for (name, value) in parts.headers.iter().filter(|(name, _)| **name != header::CONTENT_TYPE && **name != header::CONTENT_LENGTH)
            {
                page.headers_mut().append(name, value.clone());
            }
            page
        }
        Err(_) => Response::from_parts(parts, Body::from(body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_says_the_same_after_another_event_is_the_same_page() {
        let page = |event: &str, text: &str| format!("<body data-event=\"{event}\">{text}</body>").into_bytes();
        assert_eq!(tag(&page("1", "a")), tag(&page("1207", "a")));
        assert_ne!(tag(&page("1", "a")), tag(&page("1", "b")));
        assert_ne!(tag(b"12"), tag(b"13"));
    }

    #[test]
    fn only_those_get_gzip_that_take_it() {
        for (accept, takes) in [("gzip", true), ("br, gzip;q=0.5", true), ("*", true), ("gzip;q=0", false), ("br", false), ("", false)] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_str(accept).unwrap());
            assert_eq!(takes_gzip(&headers), takes, "{accept:?}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}

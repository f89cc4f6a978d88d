//! The files of the pages: in the binary, each under an address with the hash of what it holds, so that browsers keep it for good.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::sent::{gzip, takes_gzip};
use crate::problem::Refusal;

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    hash: String,
    pressed: Vec<u8>,
}

/// All files.
static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let all: [(&str, &str, &[u8]); 6] = [
        ("towpath.css", "text/css; charset=utf-8", include_bytes!("../../assets/towpath.css")),
        ("drawings.css", "text/css; charset=utf-8", include_bytes!("../../assets/drawings.css")),
        ("towpath.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/towpath.js")),
        ("graph.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/graph.js")),
        ("log.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/log.js")),
        ("icon.svg", "image/svg+xml", include_bytes!("../../assets/icon.svg")),
    ];
    let hash = |bytes: &[u8]| Sha256::digest(bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    all.into_iter().map(|(name, kind, bytes)| Asset { name, kind, bytes, hash: hash(bytes), pressed: gzip(bytes) }).collect()
});

/// The address of a file.
pub(crate) fn address(name: &str) -> String {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    found.map_or_else(|| format!("/assets/{name}"), |asset| format!("/assets/{}/{name}", asset.hash))
}

/// `GET /assets/{hash}/{name}`.
pub(crate) async fn get(Path((hash, name)): Path<(String, String)>, asked: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name && asset.hash == hash) else {
        let mend = "load the page again: it names the files of this version";
        return Refusal::new(StatusCode::NOT_FOUND, "unknown-path", "Not found", "this version has no such file", mend).into_response();
    };
    let small = takes_gzip(&asked);
    let mut response = if small { asset.pressed.as_slice().into_response() } else { asset.bytes.into_response() };
    let headers = response.headers_mut();
    if small {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

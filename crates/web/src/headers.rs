//! What browsers are told with every answer, whatever it is.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// For what is no page: nothing of it may run, load or be framed, wherever a browser is made to open it.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// None of a machine's devices are of use here.
const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), \
    midi=(), payment=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()";

/// Two years, as the lists of browsers ask for. Other hosts below the same domain are not this server's to speak for.
const HSTS: &str = "max-age=63072000";

/// Adds what an answer does not say itself. `https` is whether people reach this server so.
pub(crate) async fn secured(State(https): State<bool>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut usual = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    usual(header::CONTENT_SECURITY_POLICY, POLICY);
    usual(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    usual(header::X_FRAME_OPTIONS, "DENY");
    usual(header::REFERRER_POLICY, "same-origin");
    usual(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    usual(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    usual(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    if https {
        usual(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    response
}

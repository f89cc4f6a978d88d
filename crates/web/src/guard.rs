//! Keeps other sites' pages out.
//!
//! A browser speaks for any page it shows: on a single user's machine it can connect as well, and elsewhere it sends the cookie of whoever is signed
//! in. Two ways are closed:
//!
//! - *DNS rebinding*: a page's own name is made to resolve to loopback. Its requests carry that name in `Host`, so only
//!   loopback names are served; where people sign in, only the server's own name. A program that shows a token may use any name, as no page knows one.
//! - *Cross-site requests*: a page sends a request to `127.0.0.1` itself. Browsers tell where it comes from in `Origin` or
//!   `Sec-Fetch-Site`, so a request from another site is refused, and writes must be JSON, which a plain form cannot send.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::auth::BaseUrl;
use crate::problem::Refusal;

/// Refuses what [`check`] refuses; lets everything else through.
pub async fn keep_pages_out(request: Request, next: Next) -> Response {
    let checked = check_for(request.headers(), leads_here(&request), None);
    passed(checked, request, next).await
}

/// As [`keep_pages_out`], where people sign in: the server is called as it is found by them.
pub(crate) async fn keep_others_out(State(base): State<Arc<BaseUrl>>, request: Request, next: Next) -> Response {
    // Whoever looks whether the server runs calls it by its address.
    let checked = match request.uri().path() {
        "/healthz" | "/readyz" => Ok(()),
        _ => check_for(request.headers(), leads_here(&request), Some(&base)),
    };
    passed(checked, request, next).await
}

async fn passed(checked: Result<(), Refusal>, request: Request, next: Next) -> Response {
    match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::warn!(problem.detail = %refusal.0.detail, "refused a request that may come from a web page");
            refusal.into_response()
        }
    }
}

/// Whether a link was followed to a page: the browser shows the answer in a window of its own and tells the page it came from nothing of it. That
/// does nothing, wherever the link stands: messages and changes on forges lead here.
fn leads_here(request: &Request) -> bool {
    let is = |name: &str, value: &str| one(request.headers(), name).ok().flatten() == Some(value);
    request.method() == Method::GET && is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")
}

/// Whether a request with these headers is served.
///
/// # Errors
/// A refusal with status 403 when `Host` is not a loopback name, or the request comes from another site's page.
pub fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    check_for(headers, false, None)
}

fn check_for(headers: &HeaderMap, leads_here: bool, base: Option<&BaseUrl>) -> Result<(), Refusal> {
    let host = one(headers, header::HOST.as_str())?.unwrap_or("");
    let served = match base {
        None => is_loopback(host),
        // A proxy may keep the outside name or put its own: a program that shows a token is known by that.
        Some(base) => base.is_named_by(host) || headers.contains_key(header::AUTHORIZATION),
    };
    if !served {
        let host: String = host.chars().take(200).collect();
        return Err(match base {
            None => refuse(
                format!("the Host header is {host:?}, and only loopback names are served"),
                "address the server as 127.0.0.1, [::1] or localhost",
            ),
            Some(base) => refuse(
                format!("the Host header is {host:?}, and this server is {base}"),
                format!("go to {base}; where that was done, have the proxy before this server keep the Host header"),
            ),
        });
    }
    if let Some(origin) = one(headers, header::ORIGIN.as_str())?
        && base.map_or(origin.strip_prefix("http://") != Some(host), |base| !origin.eq_ignore_ascii_case(&base.to_string()))
    {
        return Err(refuse(
            format!("the request comes from a page of {origin:?}"),
            "use the command line, or a program that is no web page",
        ));
    }
    match one(headers, "sec-fetch-site")? {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) if leads_here => Ok(()),
        Some(site) => {
            Err(refuse(format!("the request comes from a {site} page"), "use the command line, or a program that is no web page"))
        }
    }
}

fn refuse(detail: String, mend: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "foreign-site", "The request is not served", detail, mend)
}

/// The one value of a header. Two of them would let a proxy and this server disagree on which counts.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    let text =
        value.map(|value| value.to_str().map_err(|_| refuse(format!("the {name} header is no text"), "send plain ASCII"))).transpose()?;
    if values.next().is_some() {
        return Err(refuse(format!("there are several {name} headers"), "send one"));
    }
    Ok(text)
}

/// Whether a `Host` header's value names this machine's loopback, with or without a port.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn programs_on_this_machine_are_served() {
        for host in ["127.0.0.1", "127.0.0.1:7001", "127.8.8.8", "localhost:80", "LOCALHOST", "localhost.", "[::1]", "[::1]:7001"] {
            assert!(check(&headers(&[("host", host)])).is_ok(), "{host}");
        }
        assert!(
            check(&headers(&[("host", "127.0.0.1:7001"), ("origin", "http://127.0.0.1:7001"), ("sec-fetch-site", "same-origin")])).is_ok()
        );
    }

    #[test]
    fn where_people_sign_in_the_server_has_one_name_and_one_origin() {
        let base: BaseUrl = "https://towpath.example.com".parse().unwrap();
        let served = |pairs: &[(&'static str, &'static str)]| check_for(&headers(pairs), false, Some(&base)).is_ok();
        let (host, origin) = (("host", "towpath.example.com"), ("origin", "https://towpath.example.com"));
        assert!(served(&[host]) && served(&[host, origin]) && served(&[("host", "towpath.example.com:443"), ("sec-fetch-site", "none")]));
        assert!(served(&[("host", "10.0.0.7:7001"), ("authorization", "Bearer x")]), "a program with a token");
        for refused in [
            &[("host", "127.0.0.1:7001")][..],
            &[("host", "evil.example")],
            &[],
            &[host, ("origin", "http://towpath.example.com")],
            &[host, ("origin", "https://towpath.example.com:8443")],
            &[host, ("origin", "https://evil.example")],
            &[host, ("origin", "null")],
            &[host, ("sec-fetch-site", "cross-site")],
            &[host, ("sec-fetch-site", "same-site")],
            &[("host", "10.0.0.7:7001"), ("authorization", "Bearer x"), ("origin", "https://evil.example")],
        ] {
            assert!(!served(refused), "{refused:?}");
        }
    }

    #[test]
    fn a_page_whose_name_was_rebound_to_loopback_is_refused() {
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", "[::2]", "", "[::1", "127.0.0.1:x"]
        {
            assert!(check(&headers(&[("host", host)])).is_err(), "{host:?}");
        }
        assert!(check(&headers(&[])).is_err(), "no Host at all");
        assert!(check(&headers(&[("host", "localhost"), ("host", "evil.example")])).is_err(), "two Hosts");
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        for origin in
            ["https://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1:7001", "http://127.0.0.1:7001.evil.example"]
        {
            assert!(check(&headers(&[("host", "127.0.0.1:7001"), ("origin", origin)])).is_err(), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert!(check(&headers(&[("host", "127.0.0.1:7001"), ("sec-fetch-site", site)])).is_err(), "{site}");
        }
    }
}

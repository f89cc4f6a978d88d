//! The two cookies: the session's, and the one that ties a sign-in to the browser that began it.

use axum::http::{HeaderMap, HeaderValue};

use super::settings::BaseUrl;
use crate::pages::cookie;

/// A cookie of this server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The session's secret.
    Session,
    /// What ties a sign-in to its browser.
    SignIn,
}

impl Cookie {
    /// Its name. Browsers take one that begins so only over https, for this very host, for all of its paths: no neighbour can set it.
    fn name(self, base: &BaseUrl) -> &'static str {
        match (self, base.is_https()) {
            (Self::Session, true) => "__Host-towpath",
            (Self::Session, false) => "towpath",
            (Self::SignIn, true) => "__Host-towpath-signing-in",
            (Self::SignIn, false) => "towpath-signing-in",
        }
    }

    /// Its value in a request.
    pub(crate) fn read(self, headers: &HeaderMap, base: &BaseUrl) -> Option<String> {
        cookie(headers, self.name(base)).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// The header that sets it for so many seconds; for none, it is taken away.
    pub(crate) fn set(self, value: &str, seconds: u64, base: &BaseUrl) -> HeaderValue {
        let secure = if base.is_https() { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.name(base));
        // What is set is of this server's own making: letters and digits.
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_for_this_host_alone_and_no_script_reads_them() {
        let base: BaseUrl = "https://towpath.example.com".parse().unwrap();
        assert_eq!(Cookie::Session.set("x", 60, &base), "__Host-towpath=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
        let mut headers = HeaderMap::new();
        headers.insert("cookie", "towpath=evil; __Host-towpath-signing-in=b; __Host-towpath=a".parse().unwrap());
        assert_eq!(Cookie::Session.read(&headers, &base).as_deref(), Some("a"));
        assert_eq!(Cookie::SignIn.read(&headers, &base).as_deref(), Some("b"));
        let local: BaseUrl = "http://127.0.0.1:1".parse().unwrap();
        assert_eq!(Cookie::Session.read(&headers, &local).as_deref(), Some("evil"));
    }
}

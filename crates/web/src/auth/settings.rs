//! How people sign in, and how long that counts.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use towpath_domain::Span;

use super::token::{NoRandomness, Secret};

const HOUR: u64 = 3600;

/// What `serve` needs to know of sign-in.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// Where people find this server.
    pub base_url: BaseUrl,
    /// What they may do who are signed in and have no role.
    pub everybody: Everybody,
    /// The identity provider; without one, only tokens and the local key count.
    pub oidc: Option<OidcSettings>,
    /// Whose word on where a request comes from counts (`X-Forwarded-For`).
    pub trusted_proxies: Vec<Network>,
    /// A session that was not used for so long ends.
    pub session_idle: Span,
    /// A session that is so old ends.
    pub session_max: Span,
    /// For how long a token may be made at most.
    pub token_max: Span,
    /// What this machine's command line shows that it may do everything.
    pub local_key: LocalKey,
}

impl AuthSettings {
    /// The usual ones: people look at everything, sessions end after 12 hours without use and after 7 days, tokens after a year.
    ///
    /// # Errors
    /// When the system gives no random bytes for the local key.
    pub fn new(base_url: BaseUrl) -> Result<Self, NoRandomness> {
        Ok(Self {
            base_url,
            everybody: Everybody::Look,
            oidc: None,
            trusted_proxies: Vec::new(),
            session_idle: Span::from_secs(12 * HOUR),
            session_max: Span::from_secs(7 * 24 * HOUR),
            token_max: Span::from_secs(365 * 24 * HOUR),
            local_key: LocalKey::make()?,
        })
    }
}

/// What everybody may do who is signed in, whatever their roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Everybody {
    /// To look at everything.
    #[default]
    Look,
    /// Nothing.
    Nothing,
}

/// An identity provider, and what it knows this server by.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// Its issuer, letter by letter as it writes it in its tokens.
    pub issuer: String,
    /// The name that it gave this server.
    pub client_id: String,
    /// The secret that it gave with it.
    pub client_secret: ClientSecret,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that is matched against `org_username`. The usual one is `sub`: no other is sure never to pass to somebody else, or to be
    /// something that people choose for themselves.
    pub username_claim: String,
    /// Its name on the button.
    pub name: String,
    /// The authorities that it is trusted by, in a PEM file; without one, the system's.
    pub ca: Option<PathBuf>,
}

/// The claim that names people where nothing else is set.
pub const USERNAME_CLAIM: &str = "sub";

/// A secret that is read where it is kept each time that it is needed, so that a new one counts without a restart.
#[derive(Clone)]
pub struct ClientSecret(Arc<dyn Fn() -> BoxFuture<'static, Result<SecretString, String>> + Send + Sync>);

impl ClientSecret {
    /// One that `read` reads; its error is why it cannot be read, without anything of it.
    pub fn new(read: impl Fn() -> BoxFuture<'static, Result<SecretString, String>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The secret that counts now.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn read(&self) -> Result<SecretString, String> {
        (self.0)().await
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret")
    }
}

/// 256 random bits of this start: whoever can read them in the state directory is this machine's administrator.
#[derive(Debug, Clone)]
pub struct LocalKey(Secret);

impl LocalKey {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn make() -> Result<Self, NoRandomness> {
        Secret::make().map(Self)
    }

    /// The key as clients send it, as a bearer token.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.text()
    }

    pub(crate) fn is(&self, text: &str) -> bool {
        self.0.is(text)
    }
}

/// Where people find this server: `https://` and a host, or `http://` and a loopback name; nothing after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    https: bool,
    host: String,
}

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBaseUrl {
    /// It is no URL with a host and nothing after it.
    #[error("{text:?} is no address for signing in: write https://host or https://host:port, and nothing after it")]
    Unreadable {
        /// The text.
        text: String,
    },
    /// What goes over it can be read by others.
    #[error("{text:?} is not https, and what people sign in with would go over it as it is: write https://, and let a proxy do the TLS")]
    Open {
        /// The text.
        text: String,
    },
}

impl FromStr for BaseUrl {
    type Err = BadBaseUrl;
    fn from_str(text: &str) -> Result<Self, BadBaseUrl> {
        let cut = || text.chars().take(200).collect::<String>();
        let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(BadBaseUrl::Unreadable { text: cut() }),
        };
        let host = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
        let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']' | b'_');
        let port_sound = host.rsplit_once(':').is_none_or(|(_, port)| port.ends_with(']') || port.parse::<u16>().is_ok());
        if host.is_empty() || host.starts_with(':') || !host.bytes().all(sound) || !port_sound {
            return Err(BadBaseUrl::Unreadable { text: cut() });
        }
        if !https && !crate::guard::is_loopback(&host) {
            return Err(BadBaseUrl::Open { text: cut() });
        }
        // Browsers leave a port out that is the scheme's own.
        let usual = if https { ":443" } else { ":80" };
        let host = host.strip_suffix(usual).unwrap_or(&host).to_owned();
        Ok(Self { https, host })
    }
}

impl BaseUrl {
    /// Whether it is https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Host and port as browsers send them in `Host`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether a `Host` header names it: case counts for nothing, nor does the scheme's own port.
    pub(crate) fn is_named_by(&self, host: &str) -> bool {
        let usual = if self.https { ":443" } else { ":80" };
        let host = host.strip_suffix(usual).unwrap_or(host);
        host.eq_ignore_ascii_case(&self.host)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.host)
    }
}

/// Addresses that begin alike: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: u128,
    mask: u128,
    v4: bool,
}

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no network: write an address, or one and the bits that count, as in 10.0.0.0/8")]
pub struct BadNetwork {
    /// The text.
    pub text: String,
}

/// An address as a number, IPv4 within IPv6 counted as IPv4.
fn number(address: IpAddr) -> (u128, bool) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), true),
        IpAddr::V6(v6) => (u128::from(v6), false),
    }
}

impl FromStr for Network {
    type Err = BadNetwork;
    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork { text: text.chars().take(100).collect() };
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let (number, v4) = number(address);
        let all: u32 = if v4 { 32 } else { 128 };
        let bits = match bits {
            None => all,
            Some(bits) => bits.parse::<u32>().ok().filter(|bits| *bits <= all).ok_or_else(bad)?,
        };
        let mask = match all - bits {
            128 => 0,
            rest => u128::MAX << rest,
        };
        Ok(Self { first: number & mask, mask, v4 })
    }
}

impl Network {
    /// Whether the address is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (number, v4) = number(address);
        v4 == self.v4 && number & self.mask == self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_people_find_the_server_is_https_or_this_machine() {
        for (text, shown) in [
            ("https://towpath.example.com", "https://towpath.example.com"),
            ("https://Towpath.example.com:443/", "https://towpath.example.com"),
            ("https://towpath.example.com:8443", "https://towpath.example.com:8443"),
            ("http://127.0.0.1:7001", "http://127.0.0.1:7001"),
            ("http://[::1]:7001", "http://[::1]:7001"),
            ("http://localhost", "http://localhost"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().unwrap().to_string(), shown);
        }
        for text in ["http://towpath.example.com", "http://10.0.0.1", "http://localhost.example.com"] {
            assert!(matches!(text.parse::<BaseUrl>(), Err(BadBaseUrl::Open { .. })), "{text}");
        }
        for text in ["", "https://", "https://a/b", "https://u@a", "https://a?b", "ftp://a", "https://a:x", "https://:443", "https://a b"] {
            assert!(matches!(text.parse::<BaseUrl>(), Err(BadBaseUrl::Unreadable { .. })), "{text}");
        }
        let base: BaseUrl = "https://towpath.example.com".parse().unwrap();
        assert!(base.is_named_by("TOWPATH.example.com:443") && base.is_named_by("towpath.example.com"));
        for host in ["towpath.example.com:8443", "towpath.example.com.evil.example", "evil.example", ""] {
            assert!(!base.is_named_by(host), "{host}");
        }
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_as_it_does() {
        for (network, address, holds) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.1.2.3/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
        ] {
            assert_eq!(network.parse::<Network>().unwrap().contains(address.parse().unwrap()), holds, "{network} {address}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/-1", "example.com", "10.0.0.0/8/8"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}

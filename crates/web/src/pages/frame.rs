//! What every page stands in: navigation, who is signed in, how the server is reached.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::assets;
use crate::api::Shared;
use crate::auth::Signed;
use crate::caller::Caller;

/// A page of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nav {
    Board,
    Graph,
    Runs,
    Tests,
    Changes,
    Checks,
    Incidents,
    Images,
    Namespaces,
    History,
    Compare,
    Insight,
    Health,
    /// One that the navigation does not name.
    Elsewhere,
}

/// The navigation, in its order.
const NAVIGATION: [(Nav, &str, &str); 13] = [
    (Nav::Board, "/", "Board"),
    (Nav::Graph, "/graph", "Graph"),
    (Nav::Runs, "/runs", "Runs"),
    (Nav::Tests, "/tests", "Tests"),
    (Nav::Changes, "/changes", "Changes"),
    (Nav::Checks, "/checks", "Pull requests"),
    (Nav::Incidents, "/incidents", "Incidents"),
    (Nav::Images, "/images", "Images"),
    (Nav::Namespaces, "/namespaces", "Namespaces"),
    (Nav::History, "/history", "History"),
    (Nav::Compare, "/compare", "Compare"),
    (Nav::Insight, "/insight", "Insight"),
    (Nav::Health, "/health", "Health"),
];

/// An entry of the navigation.
pub(crate) struct Item {
    pub(crate) name: &'static str,
    pub(crate) address: &'static str,
    pub(crate) here: bool,
}

/// What a page stands in. A handler takes it as an argument, and names its page with [`Frame::on`].
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The page's name, for the window and for those who hear it.
    pub(crate) title: String,
    /// Where it is in the navigation.
    pub(crate) nav: Nav,
    /// This page's address, to come back to.
    pub(crate) path: String,
    /// Who is signed in; nobody on a single user's own machine.
    pub(crate) who: Option<String>,
    /// What forms must send back, so that only this server's pages can send them.
    pub(crate) csrf: String,
    /// `light`, `dark`, or `auto`.
    pub(crate) theme: &'static str,
    /// What came of the last form.
    pub(crate) flash: Option<String>,
    /// Whether the page may follow events: nobody who is not signed in does.
    pub(crate) live: bool,
    /// The number of the newest event that the page knows; live parts go on from it.
    pub(crate) event: i64,
}

/// The token of the form's session, put into the request by whoever knows the session.
#[derive(Debug, Clone)]
pub struct Csrf(pub std::sync::Arc<str>);

impl Frame {
    /// The frame of this page.
    pub(crate) fn on(self, nav: Nav, title: impl Into<String>) -> Self {
        Self { nav, title: title.into(), ..self }
    }

    /// The frame of a page that is made of a refusal, for whoever is signed in.
    pub(super) fn of(self, signed: Option<&Signed>) -> Self {
        let Some(signed) = signed else { return self };
        let csrf = signed.csrf.as_ref().map(|csrf| csrf.0.to_string()).unwrap_or_default();
        Self { who: signed.name.as_deref().map(str::to_owned), csrf, ..self }
    }

    /// With the newest event that the page will know, before anything of it is read.
    pub(crate) async fn known_to(self, shared: &Shared) -> Self {
        Self { event: shared.brain.newer_than(-1).await, ..self }
    }

    /// The frame of a page that the navigation does not name.
    pub(crate) fn titled(&self, title: &str) -> Self {
        self.clone().on(Nav::Elsewhere, title)
    }

    /// A file of the pages, by its address with the hash of what it holds.
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = Item> + '_ {
        NAVIGATION.iter().map(|(nav, address, name)| Item { name, address, here: *nav == self.nav })
    }

    /// What the switch changes to.
    pub(crate) fn other_theme(&self) -> &'static str {
        match self.theme {
            "auto" => "dark",
            "dark" => "light",
            _ => "auto",
        }
    }

    pub(crate) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|text| text.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

impl<S: Send + Sync> FromRequestParts<S> for Frame {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let theme = match cookie(&parts.headers, "theme") {
            Some("dark") => "dark",
            Some("light") => "light",
            _ => "auto",
        };
        let flash = cookie(&parts.headers, "flash").and_then(decoded).filter(|text| !text.is_empty());
        Ok(Self {
            title: String::new(),
            nav: Nav::Elsewhere,
            path: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            who: parts.extensions.get::<Caller>().and_then(|caller| caller.name.as_deref().map(str::to_owned)),
            csrf: parts.extensions.get::<Csrf>().map(|csrf| csrf.0.to_string()).unwrap_or_default(),
            theme,
            flash,
            live: parts.extensions.get::<Caller>().is_some(),
            event: 0,
        })
    }
}

/// A text as a cookie can hold it.
pub(crate) fn encoded(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text.chars().take(500).collect::<String>())
}

fn decoded(text: &str) -> Option<String> {
    use base64::Engine as _;
    String::from_utf8(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

//! `[auth]`: how people sign in.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use towpath_domain::Span;
use towpath_web::auth::{BaseUrl, Everybody, Network};

use super::keys::{SECRET, Shape};
use super::outside::{Credential, Outside, SecretRef};
use super::read::Wrong;

/// What may stand at `[auth]`.
pub const SHAPE: Shape = Shape::Table(&[
    ("everybody", Shape::Value),
    ("trusted_proxies", Shape::Value),
    ("session_idle", Shape::Value),
    ("session_max", Shape::Value),
    ("token_max", Shape::Value),
    (
        "oidc",
        Shape::Table(&[
            ("issuer", Shape::Value),
            ("client_id", Shape::Value),
            ("client_secret_file", Shape::Value),
            ("client_secret", SECRET),
            ("scopes", Shape::Value),
            ("username_claim", Shape::Value),
            ("name", Shape::Value),
            ("ca", Shape::Value),
        ]),
    ),
]);

/// How people sign in. Where the section is missing, nobody does: whoever can connect is this machine's single user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Where people find this server: `[server] base_url`.
    pub base_url: BaseUrl,
    /// What they may do who have no role.
    pub everybody: Everybody,
    /// Who may say on whose behalf they ask.
    pub trusted_proxies: Vec<Network>,
    /// A session that was not used for so long ends; the usual time when nothing is said.
    pub session_idle: Option<Span>,
    /// A session that is so old ends.
    pub session_max: Option<Span>,
    /// The longest that a token may be made for.
    pub token_max: Option<Span>,
    /// The identity provider; none when only tokens count.
    pub oidc: Option<Oidc>,
}

/// The identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// Its issuer.
    pub issuer: String,
    /// What it calls this server.
    pub client_id: String,
    /// Where the secret is that it gave this server.
    pub client_secret: Credential,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that is matched against `org_username`.
    pub username_claim: Option<String>,
    /// Its name on the button.
    pub name: Option<String>,
    /// The authorities that it is trusted by.
    pub ca: Option<PathBuf>,
}

/// `[auth]` as it is written.
#[derive(Deserialize)]
pub struct Raw {
    #[serde(default)]
    everybody: RawEverybody,
    #[serde(default)]
    trusted_proxies: Vec<RawNetwork>,
    session_idle: Option<While>,
    session_max: Option<While>,
    token_max: Option<While>,
    oidc: Option<RawOidc>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum RawEverybody {
    #[default]
    Look,
    Nothing,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct RawNetwork(Network);

impl TryFrom<String> for RawNetwork {
    type Error = towpath_web::auth::BadNetwork;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// A span in which a person can do something.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct While(Span);

/// The shortest: less, and nobody gets anything done.
const WHILE_MIN: Span = Span::from_secs(60);

impl TryFrom<String> for While {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let span: Span = text.parse().map_err(|error: towpath_domain::SpanError| error.to_string())?;
        if span < WHILE_MIN { Err(format!("{span} is too short: at least {WHILE_MIN}")) } else { Ok(Self(span)) }
    }
}

#[derive(Deserialize)]
#[serde(try_from = "RawParts")]
struct RawOidc(Oidc);

#[derive(Deserialize)]
struct RawParts {
    issuer: String,
    client_id: String,
    client_secret_file: Option<PathBuf>,
    client_secret: Option<SecretRef>,
    #[serde(default)]
    scopes: Vec<String>,
    username_claim: Option<String>,
    name: Option<String>,
    ca: Option<PathBuf>,
}

impl TryFrom<RawParts> for RawOidc {
    type Error = String;
    fn try_from(raw: RawParts) -> Result<Self, String> {
        let client_secret = Credential::of(raw.client_secret_file, raw.client_secret, ("client_secret_file", "client_secret"))?
            .ok_or("the provider wants to know this server: name `client_secret_file`, the file that holds the secret, or `client_secret`, its place in the secret store")?;
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !plain(&raw.client_id) {
            return Err(format!("client_id {:?} is none: it is what the provider calls this server", raw.client_id));
        }
        if let Some(scope) = raw.scopes.iter().find(|scope| !plain(scope)) {
            return Err(format!("{scope:?} is no scope: scopes are single words, such as profile"));
        }
        Ok(Self(Oidc {
            issuer: raw.issuer,
            client_id: raw.client_id,
            client_secret,
            scopes: raw.scopes,
            username_claim: raw.username_claim,
            name: raw.name,
            ca: raw.ca,
        }))
    }
}

impl Raw {
    /// How people sign in at `base_url`, with paths meant from `folder`.
    ///
    /// # Errors
    /// What is missing for it.
    pub(super) fn at(raw: Spanned<Self>, base_url: Option<&Spanned<String>>, folder: &Path) -> Result<Auth, Wrong> {
        let span = raw.span();
        let Some(url) = base_url else {
            let message = "[auth] needs to know where people find this server: set base_url under [server]";
            return Err((Some(span), message.to_owned()));
        };
        let base_url = url.get_ref().parse().map_err(|error: towpath_web::auth::BadBaseUrl| (Some(url.span()), error.to_string()))?;
        let raw = raw.into_inner();
        Ok(Auth {
            base_url,
            everybody: match raw.everybody {
                RawEverybody::Look => Everybody::Look,
                RawEverybody::Nothing => Everybody::Nothing,
            },
            trusted_proxies: raw.trusted_proxies.into_iter().map(|network| network.0).collect(),
            session_idle: raw.session_idle.map(|span| span.0),
            session_max: raw.session_max.map(|span| span.0),
            token_max: raw.token_max.map(|span| span.0),
            oidc: raw.oidc.map(|RawOidc(oidc)| Oidc {
                client_secret: oidc.client_secret.from(folder),
                ca: oidc.ca.map(|ca| folder.join(ca)),
                ..oidc
            }),
        })
    }
}

impl Auth {
    /// Whether what stands in the secret store can be read from there.
    ///
    /// # Errors
    /// That there is no store.
    pub fn consistent(&self, outside: &Outside) -> Result<(), String> {
        let in_store = self.oidc.as_ref().is_some_and(|oidc| matches!(oidc.client_secret, Credential::Secret(_)));
        if in_store && outside.secrets.is_none() {
            return Err("[auth.oidc] client_secret stands in a secret store, but there is no [secrets]; add it, or name a file".to_owned());
        }
        Ok(())
    }
}

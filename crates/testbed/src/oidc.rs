//! An identity provider in the test's own process, which can be wicked. It speaks OpenID Connect: discovery, keys, and the code flow with PKCE.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::extract::{Form, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What the provider calls the server under test.
pub const CLIENT: &str = "towpath-client";
/// The secret that it gave it.
pub const SECRET: &str = "s3cret/with+signs";

/// Says otherwise who signs in.
type Change = Arc<dyn Fn(&mut Value) + Send + Sync>;
/// Makes a token that the provider would never make.
type Sign = Arc<dyn Fn(&Inner, Value) -> String + Send + Sync>;

/// The provider.
pub struct Provider {
    /// Where it is, which is its issuer, too.
    pub url: String,
    inner: Arc<Mutex<Inner>>,
}

/// What it knows, and how it behaves.
pub struct Inner {
    /// The key that it signs with.
    pub key: EncodingKey,
    /// How it signs.
    pub algorithm: Algorithm,
    /// What it calls its key.
    pub kid: String,
    /// The keys that it shows.
    pub published: Vec<Jwk>,
    url: String,
    issuer: String,
    codes: HashMap<String, Code>,
    /// Signs otherwise.
    pub sign: Option<Sign>,
    /// Changes what is said of who signs in.
    pub change: Option<Change>,
    /// Whether it wants the secret in the form, and not in a header.
    pub secret_in_form: bool,
    /// Whom it signs in who comes with a browser.
    pub here: String,
    /// How often a code was brought to it.
    pub asked: usize,
}

fn key(algorithm: Algorithm) -> EncodingKey {
    if algorithm == Algorithm::ES256 {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        return EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
    }
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8 = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    // Behind the 26 bytes that wrap it is the key as PKCS #1 has it.
    EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..])
}

impl Inner {
    /// Takes another key, and publishes it in the place of the last one.
    pub fn rotate(&mut self, algorithm: Algorithm, kid: &str) {
        (self.key, self.algorithm, self.kid) = (key(algorithm), algorithm, kid.to_owned());
        let mut public = Jwk::from_encoding_key(&self.key, algorithm).unwrap();
        public.common.key_id = Some(kid.to_owned());
        self.published = vec![public];
    }

    /// These claims, signed as it does.
    pub fn signed(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }
}

/// These claims, with no signature at all.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

impl Provider {
    /// Starts one on loopback, for as long as the runtime lasts.
    pub async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let algorithm = Algorithm::ES256;
        let mut inner = Inner {
            key: key(algorithm),
            algorithm,
            kid: String::new(),
            published: Vec::new(),
            url: url.clone(),
            issuer: url.clone(),
            codes: HashMap::new(),
            sign: None,
            change: None,
            secret_in_form: false,
            here: "ann".to_owned(),
            asked: 0,
        };
        inner.rotate(algorithm, "one");
        let inner = Arc::new(Mutex::new(inner));
        let served = Self { url: url.clone(), inner: Arc::clone(&inner) };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(Arc::clone(&inner))
            .layer(axum::Extension(Arc::new(served)));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inner }
    }

    /// What it knows, to look at or to change.
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Calls itself otherwise from now on.
    pub fn call_itself(&self, issuer: &str) {
        self.inner().issuer = issuer.to_owned();
    }

    /// Signs `subject` in who was sent here: the code, and what else goes back.
    pub fn authorize(&self, sent_to: &str, subject: &str, now: i64) -> String {
        let (at, query) = sent_to.split_once('?').unwrap();
        assert_eq!(at, format!("{}/authorize", self.url));
        let query: HashMap<String, String> =
            query.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(k, v)| (k.into(), plain(v))).collect();
        assert_eq!(
            (query["client_id"].as_str(), query["response_type"].as_str(), query["code_challenge_method"].as_str()),
            (CLIENT, "code", "S256")
        );
        let mut claims = json!({
            "iss": self.url, "sub": subject, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": query["nonce"],
            "preferred_username": "root", "email": "ann@example.com", "email_verified": false,
        });
        if let Some(change) = &self.inner().change {
            change(&mut claims);
        }
        let mut inner = self.inner();
        let code = format!("code-{}", inner.codes.len() + 1);
        let (challenge, redirect_uri) = (query["code_challenge"].clone(), query["redirect_uri"].clone());
        assert!(redirect_uri.ends_with("/auth/callback"), "not registered: {redirect_uri}");
        inner.codes.insert(code.clone(), Code { claims, challenge, redirect_uri, used: false });
        format!("code={code}&state={}&session_state=x", query["state"])
    }
}

fn plain(text: &str) -> String {
    let (mut out, mut bytes) = (Vec::new(), text.bytes());
    while let Some(b) = bytes.next() {
        out.push(if b == b'%' {
            u8::from_str_radix(&String::from_utf8(bytes.by_ref().take(2).collect()).unwrap(), 16).unwrap()
        } else {
            b
        });
    }
    String::from_utf8(out).unwrap()
}

/// What a code stands for: it counts once.
#[derive(Clone)]
struct Code {
    claims: Value,
    challenge: String,
    redirect_uri: String,
    used: bool,
}

type Shared = State<Arc<Mutex<Inner>>>;

async fn discovery(State(inner): Shared) -> Json<Value> {
    let inner = inner.lock().unwrap();
    let url = &inner.url;
    let mut said = json!({
        "issuer": inner.issuer,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/jwks"),
    });
    // Left out, it means `client_secret_basic` (OpenID Connect Discovery 1.0, section 3).
    if inner.secret_in_form {
        said["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    }
    Json(said)
}

/// Signs in at once, as a provider does that knows the browser already, and sends it back.
async fn authorize(axum::Extension(provider): axum::Extension<Arc<Provider>>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let query = query.unwrap_or_default();
    let to = query.split('&').find_map(|pair| pair.strip_prefix("redirect_uri=")).map(plain).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let here = provider.inner().here.clone();
    let back = provider.authorize(&format!("{}/authorize?{query}", provider.url), &here, i64::try_from(now).unwrap());
    (StatusCode::SEE_OTHER, [("location", format!("{to}?{back}"))])
}

async fn jwks(State(inner): Shared) -> Json<Value> {
    let inner = inner.lock().unwrap();
    let mut keys: Vec<Value> = inner.published.iter().map(|key| serde_json::to_value(key).unwrap()).collect();
    keys.push(json!({ "kty": "of another time", "kid": "strange" }));
    Json(json!({ "keys": keys }))
}

async fn token(State(inner): Shared, headers: HeaderMap, Form(form): Form<HashMap<String, String>>) -> (StatusCode, Json<Value>) {
    let mut inner = inner.lock().unwrap();
    inner.asked += 1;
    let no = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error, "error_description": "<b>no</b>" })));
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:s3cret%2Fwith%2Bsigns")));
    let header = headers.get("authorization").map(|sent| sent.to_str().unwrap());
    let of_form = (form.get("client_id").map(String::as_str), form.get("client_secret").map(String::as_str));
    let is_known = match inner.secret_in_form {
        true => header.is_none() && of_form == (Some(CLIENT), Some(SECRET)),
        false => header == Some(&basic) && of_form.1.is_none(),
    };
    if !is_known {
        return no("invalid_client");
    }
    let Some(code) = inner.codes.get_mut(&form["code"]) else { return no("invalid_grant") };
    if std::mem::replace(&mut code.used, true) {
        return no("invalid_grant");
    }
    let code = code.clone();
    // RFC 6749, section 4.1.3: the same address again.
    if form.get("redirect_uri") != Some(&code.redirect_uri) {
        return no("invalid_grant");
    }
    if URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"])) != code.challenge {
        return no("invalid_grant");
    }
    let claims = code.claims;
    let token = match inner.sign.clone() {
        Some(sign) => sign(&inner, claims),
        None => inner.signed(&claims),
    };
    (StatusCode::OK, Json(json!({ "id_token": token, "access_token": "never needed", "token_type": "Bearer" })))
}

//! Signing in, and staying so.

use std::fs;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::{Method, StatusCode};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answers::{Auth, SignedIn, TokenAnswer};
use super::config::{SecretSource, SignIn};
use super::refusal;
use super::wire::{Call, Wire};
use crate::error::{SecretError, SecretErrorKind, clean};
use crate::value::SecretValue;

/// A session that was begun because of a refusal is not replaced for another refusal within this time: a missing policy would
/// otherwise cost a sign-in per request.
const TRUSTED_FOR: Duration = Duration::from_secs(10);
/// The shortest time between two tries to renew.
const BREATH: Duration = Duration::from_secs(1);

/// Signs in when needed, once for all who need it.
pub(super) struct Sessions {
    sign_in: SignIn,
    wire: Arc<Wire>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    serial: u64,
    current: Option<Arc<Session>>,
    /// The last failure to begin a session, and when it was known.
    failed: Option<(Instant, SecretError)>,
}

impl State {
    /// Who waited while beginning a session failed does not try it once more: a hundred of them would wait for a hundred timeouts.
    fn failed_since(&self, asked: Instant) -> Result<(), SecretError> {
        match &self.failed {
            Some((at, error)) if *at >= asked => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

/// A token and what is known of it.
pub(super) struct Session {
    serial: u64,
    pub token: SecretValue,
    lease: Option<Lease>,
    /// Until when another refusal does not replace it.
    trusted_until: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Lease {
    /// As first granted.
    granted: Duration,
    ends: Instant,
    renewable: bool,
}

impl Lease {
    /// `None` for a token that never ends.
    fn new(seconds: u64, renewable: bool) -> Option<Self> {
        let granted = Duration::from_secs(seconds);
        (seconds > 0).then(|| Self { granted, ends: Instant::now() + granted, renewable })
    }
}

impl Sessions {
    pub fn new(sign_in: SignIn, wire: Arc<Wire>) -> Self {
        Self { sign_in, wire, state: Mutex::default() }
    }

    /// The session, begun if there is none or its lease has ended.
    pub async fn current(self: &Arc<Self>) -> Result<Arc<Session>, SecretError> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        state.failed_since(asked)?;
        match &state.current {
            Some(session) if session.lease.is_none_or(|lease| lease.ends > Instant::now()) => Ok(Arc::clone(session)),
            _ => self.begin(&mut state, None).await,
        }
    }

    /// Another session than one that was refused; `None` if there cannot be one that is better.
    pub async fn instead_of(self: &Arc<Self>, refused: &Session, token_is_invalid: bool) -> Result<Option<Arc<Session>>, SecretError> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(current) = state.current.as_ref().filter(|current| current.serial != refused.serial) {
            return Ok(Some(Arc::clone(current)));
        }
        state.failed_since(asked)?;
        let now = Instant::now();
        if !token_is_invalid && refused.trusted_until.is_some_and(|until| until > now) {
            return Ok(None);
        }
        match &self.sign_in {
            SignIn::Token(SecretSource::Value(_)) => return Ok(None),
            SignIn::Token(source) if read(source, "the Vault token")?.expose() == refused.token.expose() => return Ok(None),
            _ => {}
        }
        self.begin(&mut state, Some(now + TRUSTED_FOR)).await.map(Some)
    }

    /// How it is signed in, for people, and what should be mended.
    pub async fn describe(self: &Arc<Self>) -> Result<(String, Vec<String>), SecretError> {
        let how = self.how();
        let mut session = self.current().await?;
        let mut answer = self.look_up(&session.token).await?;
        if answer.status == StatusCode::FORBIDDEN
            && let Some(better) = self.instead_of(&session, answer.says("invalid token")).await?
        {
            session = better;
            answer = self.look_up(&session.token).await?;
        }
        match answer.status {
            StatusCode::OK => {}
            StatusCode::FORBIDDEN => {
                let why = format!("Vault at {} does not accept the token", self.wire.address());
                return Err(SecretError::new(
                    SecretErrorKind::SignIn,
                    why,
                    "it may have expired or been revoked: put a valid one in its place",
                ));
            }
            _ => return Err(refusal::of_server(&self.wire, &answer)),
        }
        let TokenAnswer { data } = answer.parse().ok_or_else(|| refusal::strange(&self.wire))?;
        let mut warnings = Vec::new();
        if data.policies.iter().any(|policy| policy == "root") {
            warnings.push("the Vault token may do everything (policy `root`): give Towpath a role of its own".to_owned());
        }
        if data.ttl > 0 && !data.renewable && matches!(self.sign_in, SignIn::Token(_)) {
            warnings
                .push(format!("the Vault token ends in {} s and cannot be renewed: use a renewable or periodic one, or AppRole", data.ttl));
        }
        let policies = data.policies.iter().map(|policy| clean(policy)).collect::<Vec<_>>().join(", ");
        let name = if data.display_name.is_empty() { String::new() } else { format!(" as {}", clean(&data.display_name)) };
        Ok((format!("signed in by {how}{name}, policies: {policies}"), warnings))
    }

    fn how(&self) -> &'static str {
        match &self.sign_in {
            SignIn::Token(_) => "token",
            SignIn::AppRole { .. } => "AppRole",
            SignIn::Kubernetes { .. } => "Kubernetes",
        }
    }

    async fn begin(self: &Arc<Self>, state: &mut State, trusted_until: Option<Instant>) -> Result<Arc<Session>, SecretError> {
        let (token, lease) = self.obtain().await.inspect_err(|error| state.failed = Some((Instant::now(), error.clone())))?;
        state.serial += 1;
        let session = Arc::new(Session { serial: state.serial, token, lease, trusted_until });
        state.current = Some(Arc::clone(&session));
        if let Some(lease) = lease {
            tokio::spawn(keep_alive(Arc::downgrade(self), session.serial, lease));
        }
        Ok(session)
    }

    async fn obtain(&self) -> Result<(SecretValue, Option<Lease>), SecretError> {
        let (mount, fields, secret) = match &self.sign_in {
            SignIn::Token(source) => {
                let token = read(source, "the Vault token")?;
                self.wire.hide(&token);
                let answer = self.look_up(&token).await?;
                // A token may be forbidden to look at itself; whether it is good for anything, the first read tells.
                let lease = match answer.status {
                    StatusCode::OK => answer.parse::<TokenAnswer>().and_then(|answer| Lease::new(answer.data.ttl, answer.data.renewable)),
                    StatusCode::FORBIDDEN => None,
                    _ => return Err(refusal::of_server(&self.wire, &answer)),
                };
                return Ok((token, lease));
            }
            SignIn::AppRole { mount, role_id, secret_id } => {
                (mount, ("role_id", role_id, "secret_id"), read(secret_id, "the AppRole secret id")?)
            }
            SignIn::Kubernetes { mount, role, service_account_token } => {
                (mount, ("role", role, "jwt"), read(service_account_token, "the service account's token")?)
            }
        };
        self.wire.hide(&secret);
        let path: Vec<_> = std::iter::once("auth").chain(mount.trim_matches('/').split('/')).chain(["login"]).collect();
        let body = [(fields.0, fields.1.as_str()), (fields.2, secret.expose())];
        let answer = self.wire.call(Call { method: Method::POST, path: &path, body: Some(&body), ..Call::get() }).await?;
        if answer.status != StatusCode::OK {
            return Err(refusal::of_sign_in(&self.wire, &answer, self.how()));
        }
        let SignedIn { auth } = answer.parse().ok_or_else(|| refusal::strange(&self.wire))?;
        self.wire.hide(&auth.client_token);
        let lease = Lease::new(auth.lease_duration, auth.renewable);
        Ok((auth.client_token, lease))
    }

    async fn look_up(&self, token: &SecretValue) -> Result<super::Answer, SecretError> {
        self.wire.call(Call { path: &["auth", "token", "lookup-self"], token: Some(token), ..Call::get() }).await
    }

    /// Renews the session, or begins another one if it cannot be renewed for long. `None` when this session is over or another
    /// one has taken its place; else how its lease is now.
    async fn renew(self: &Arc<Self>, serial: u64) -> Option<Lease> {
        let mut state = self.state.lock().await;
        let session = Arc::clone(state.current.as_ref().filter(|current| current.serial == serial)?);
        let lease = session.lease?;
        let can_begin_anew = !matches!(self.sign_in, SignIn::Token(_));
        if lease.renewable {
            match self.renewed(&session.token).await {
                Ok(Some(auth)) => {
                    let renewed = Lease::new(auth.lease_duration, auth.renewable).map(|new| Lease { granted: lease.granted, ..new });
                    // Near its longest life a token is renewed for less and less.
                    let is_short = renewed.is_some_and(|new| new.ends.saturating_duration_since(Instant::now()) < lease.granted / 2);
                    if !(is_short && can_begin_anew) {
                        let token = session.token.clone();
                        state.current = Some(Arc::new(Session { serial, token, lease: renewed, trusted_until: session.trusted_until }));
                        return renewed;
                    }
                }
                Ok(None) => {}
                // It is tried again while the lease lasts.
                Err(error) => {
                    tracing::warn!(%error, "the Vault token was not renewed");
                    return Some(lease);
                }
            }
        }
        if can_begin_anew {
            return match self.begin(&mut state, None).await {
                Ok(_) => None,
                Err(error) => {
                    tracing::warn!(%error, "signing in to Vault anew failed");
                    Some(lease)
                }
            };
        }
        tracing::warn!(address = self.wire.address(), "the Vault token cannot be renewed and ends with its lease");
        None
    }

    /// `None` if Vault does not renew it.
    async fn renewed(&self, token: &SecretValue) -> Result<Option<Auth>, SecretError> {
        let call =
            Call { method: Method::POST, path: &["auth", "token", "renew-self"], token: Some(token), body: Some(&[]), ..Call::get() };
        let answer = self.wire.call(call).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.parse::<SignedIn>().map(|signed_in| signed_in.auth)),
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN => Ok(None),
            _ => Err(refusal::of_server(&self.wire, &answer)),
        }
    }
}

/// Renews a session when two thirds of its lease are over, until it ends or the store is dropped.
fn keep_alive(sessions: Weak<Sessions>, serial: u64, mut lease: Lease) -> BoxFuture<'static, ()> {
    // Boxed, because it begins sessions that begin it again.
    Box::pin(async move {
        loop {
            let left = lease.ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            // A renewal that failed is tried again in a third of what is left.
            let fresh = left > lease.granted / 2;
            let wait = if fresh { left * 2 / 3 } else { left / 3 };
            tokio::time::sleep(wait.max(BREATH.min(lease.granted / 4))).await;
            let Some(alive) = sessions.upgrade() else { return };
            match alive.renew(serial).await {
                Some(renewed) => lease = renewed,
                None => return,
            }
        }
    })
}

fn read(source: &SecretSource, what: &str) -> Result<SecretValue, SecretError> {
    let file = match source {
        SecretSource::Value(value) => return Ok(value.clone()),
        SecretSource::File(file) => file,
    };
    let setup = |why: String| SecretError::new(SecretErrorKind::Setup, why, "correct the file's name in towpath.toml, or write the file");
    let text = fs::read_to_string(file).map_err(|error| setup(format!("{what} cannot be read from {}: {error}", file.display())))?;
    let text = secrecy::zeroize::Zeroizing::new(text);
    if text.trim().is_empty() {
        return Err(setup(format!("{what} in {} is empty", file.display())));
    }
    Ok(SecretValue::new(text.trim()))
}

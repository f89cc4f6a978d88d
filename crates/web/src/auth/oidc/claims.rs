//! Whether an ID token counts (OpenID Connect Core 1.0, section 3.1.3.7), and whom it means.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};
use towpath_ledger::Identity;

/// By how many seconds clocks may differ.
const SKEW: f64 = 60.0;

/// The longest names that are taken, in bytes: OpenID Connect bounds `sub` so.
const NAME_MAX: usize = 255;

/// The algorithms that are taken: all of them with a public key, and none that is broken.
const ALGORITHMS: [Algorithm; 5] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];

/// What a token must say to count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// Seconds since 1970.
    pub(super) now: f64,
    /// The claim that `org_username` is matched with.
    pub(super) username: &'a str,
}

/// Why a token does not count. Nothing of the token is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The provider may have a new key.
    #[error("it is signed with a key that the provider does not publish")]
    UnknownKey,
    /// It is wrong.
    #[error("{0}")]
    Wrong(&'static str),
    /// It does not name people as the configuration wants.
    #[error("it has no claim {0:?} that names somebody")]
    NoName(String),
}

/// Whom the token means, if it is one of the provider's, for this server, for this very sign-in.
pub(super) fn check(token: &str, keys: &[Jwk], expected: Expected<'_>) -> Result<Identity, Fault> {
    let claims = signed(token, keys)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(Fault::Wrong("it is of another issuer"));
    }
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !audience.contains(&expected.client_id) {
        return Err(Fault::Wrong("it is for somebody else (aud)"));
    }
    // Whoever is not the only one it is for must be the one it was given to.
    if claims.contains_key("azp") || audience.len() > 1 {
        match text("azp") {
            Some(party) if party == expected.client_id => {}
            _ => return Err(Fault::Wrong("it was given to somebody else (azp)")),
        }
    }
    in_time(&claims, expected.now)?;
    if text("nonce") != Some(expected.nonce) {
        return Err(Fault::Wrong("it belongs to another sign-in (nonce)"));
    }
    let name = |claim: &str| {
        let sound = |name: &&str| !name.trim().is_empty() && name.len() <= NAME_MAX && !name.chars().any(char::is_control);
        text(claim).filter(sound).map(str::to_owned).ok_or_else(|| Fault::NoName(claim.to_owned()))
    };
    let (subject, username) = (name("sub")?, name(expected.username)?);
    if expected.username == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
        return Err(Fault::Wrong("the provider has not verified the e-mail address that names people here"));
    }
    Ok(Identity { issuer: expected.issuer.to_owned(), subject, username })
}

/// What the token says, if one of the keys signed it.
fn signed(token: &str, keys: &[Jwk]) -> Result<Map<String, Value>, Fault> {
    // "none" and whatever else is not known is no header that can be read.
    let header = decode_header(token).map_err(|_| Fault::Wrong("it is no signed token, or signed in a way that is not taken"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Fault::Wrong("it is signed in a way that is not taken (alg)"));
    }
    if header.crit.is_some() {
        return Err(Fault::Wrong("it asks for something that is not known here (crit)"));
    }
    // Only the provider's published keys count: whatever else the header names or brings along is not looked at.
    let fits = |key: &&Jwk| suits(key, header.alg) && header.kid.as_ref().is_none_or(|kid| key.common.key_id.as_ref() == Some(kid));
    let mut fitting = keys.iter().filter(fits);
    let key = match (fitting.next(), fitting.next()) {
        (Some(key), None) => key,
        (None, _) => return Err(Fault::UnknownKey),
        (Some(_), Some(_)) => return Err(Fault::Wrong("it does not say which of the provider's keys signed it")),
    };
    let key = DecodingKey::from_jwk(key).map_err(|_| Fault::Wrong("the provider's key cannot be read"))?;
    // What it says is looked at here, by the clock that everything here goes by.
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let token = decode::<Map<String, Value>>(token, &key, &validation).map_err(|_| Fault::Wrong("its signature is wrong"))?;
    Ok(token.claims)
}

fn in_time(claims: &Map<String, Value>, now: f64) -> Result<(), Fault> {
    let time = |name: &str| claims.get(name).map(|value| value.as_f64().filter(|at| at.is_finite()));
    match time("exp") {
        Some(Some(at)) if now < at + SKEW => {}
        _ => return Err(Fault::Wrong("it has ended (exp)")),
    }
    match time("iat") {
        Some(Some(at)) if at <= now + SKEW => {}
        _ => return Err(Fault::Wrong("it is from the future, by this machine's clock (iat)")),
    }
    match time("nbf") {
        None => Ok(()),
        Some(Some(at)) if at <= now + SKEW => Ok(()),
        Some(_) => Err(Fault::Wrong("it does not count yet (nbf)")),
    }
}

/// Whether a key may have signed so.
fn suits(key: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256 | Algorithm::PS256) => true,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => curve.curve == EllipticCurve::P256,
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES384) => curve.curve == EllipticCurve::P384,
        (AlgorithmParameters::OctetKeyPair(pair), Algorithm::EdDSA) => pair.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    let named = match key.common.key_algorithm {
        None => true,
        Some(KeyAlgorithm::RS256) => algorithm == Algorithm::RS256,
        Some(KeyAlgorithm::PS256) => algorithm == Algorithm::PS256,
        Some(KeyAlgorithm::ES256) => algorithm == Algorithm::ES256,
        Some(KeyAlgorithm::ES384) => algorithm == Algorithm::ES384,
        Some(KeyAlgorithm::EdDSA) => algorithm == Algorithm::EdDSA,
        Some(_) => false,
    };
    let used = key.common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
    let verifies = key.common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    kind && named && used && verifies
}

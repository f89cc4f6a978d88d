//! What Vault's refusals mean to people.

use reqwest::StatusCode;

use super::wire::{Answer, Wire};
use crate::error::{SecretError, SecretErrorKind, clean};

/// What a read of `api_path` (as policies name it) came to, if neither a value nor a 404.
pub(super) fn of_read(wire: &Wire, answer: &Answer, api_path: &str) -> SecretError {
    if answer.status != StatusCode::FORBIDDEN {
        return of_server(wire, answer);
    }
    let api_path = clean(api_path);
    let why = format!("Vault at {} does not allow it", wire.address());
    let mend = format!(
        "the token's policies need `path \"{api_path}\" {{ capabilities = [\"read\"] }}`; if they have it, the token is no longer valid"
    );
    SecretError::new(SecretErrorKind::Denied, why, mend)
}

/// What a sign-in came to, if not a token.
pub(super) fn of_sign_in(wire: &Wire, answer: &Answer, how: &str) -> SecretError {
    if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS || answer.status.is_redirection() {
        return of_server(wire, answer);
    }
    let why = format!("Vault at {} does not accept the sign-in by {how}{}", wire.address(), wire.said(answer));
    let mend = "look at the role, its credential and the method's mount in towpath.toml and in Vault";
    SecretError::new(SecretErrorKind::SignIn, why, mend)
}

/// What any other status means.
pub(super) fn of_server(wire: &Wire, answer: &Answer) -> SecretError {
    let (status, address) = (answer.status, wire.address());
    let unreachable = |why: String, mend: &str| SecretError::new(SecretErrorKind::Unreachable, why, mend);
    let said = wire.said(answer);
    match status.as_u16() {
        503 if answer.says("sealed") || said.is_empty() => unreachable(
            format!("Vault at {address} is sealed or down for maintenance"),
            "unseal it (`vault operator unseal`); it is tried again",
        ),
        501 => unreachable(format!("Vault at {address} is not initialised"), "initialise it (`vault operator init`)"),
        429 => {
            unreachable(format!("Vault at {address} is asked too often{said}"), "raise its quota, or keep values longer; it is tried again")
        }
        300..=399 => unreachable(
            format!("Vault at {address} points elsewhere, and secrets are asked for only where the address says"),
            "use the address of the active node, or of a load balancer before it",
        ),
        412 | 472 | 473 | 500..=599 => {
            unreachable(format!("Vault at {address} fails with {status}{said}"), "look at Vault's own log; it is tried again")
        }
        _ => SecretError::new(
            SecretErrorKind::Refused,
            format!("Vault at {address} refuses with {status}{said}"),
            "look at the path: mount, then the path in it, without `data/`",
        ),
    }
}

/// Vault answered, but not as its API says.
pub(super) fn strange(wire: &Wire) -> SecretError {
    let why = format!("what answers at {} does not answer as Vault does", wire.address());
    SecretError::new(SecretErrorKind::Unreachable, why, "look whether the address is that of a Vault, and which version the engine has")
}

//! Whether a hook's sender knows the secret.
//!
//! What a sender shows is taken out of the headers first ([`Claim`]); then the body is hashed as it comes in, and never held for it; then what
//! came out is compared, in a time that does not depend on what is compared.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::Receiver;

type HmacSha256 = Hmac<Sha256>;

/// What GitLab's signing tokens begin with; the key follows in Base64. Other secrets of GitLab's are sent as they are.
const SIGNING: &str = "whsec_";

/// What a sender shows.
pub(super) enum Claim {
    /// A signature of the body.
    Signed([u8; 32]),
    /// A signature of the body and of what stands before it, by a signing token; several while a token is replaced.
    Standard { before: Vec<u8>, signatures: Vec<[u8; 32]> },
    /// The secret itself.
    Token(Vec<u8>),
}

/// Takes out what the sender shows; `None` when there is nothing that could ever be right.
pub(super) fn claim(receiver: Receiver, headers: &HeaderMap) -> Option<Claim> {
    match receiver {
        Receiver::GitHub => hub(headers),
        Receiver::Forgejo => {
            // A bad one of the one is not mended by a good one of the other.
            let name = if headers.contains_key("x-forgejo-signature") { "x-forgejo-signature" } else { "x-gitea-signature" };
            Some(Claim::Signed(hex(one(headers, name)?)?))
        }
        Receiver::GitLab if headers.contains_key("webhook-signature") => standard(headers),
        Receiver::GitLab => Some(Claim::Token(one(headers, "x-gitlab-token")?.as_bytes().to_vec())),
        Receiver::Registry if headers.contains_key("x-hub-signature-256") => hub(headers),
        Receiver::Registry => {
            let value = one(headers, "authorization")?;
            let token = value.strip_prefix("Bearer ").unwrap_or(value);
            Some(Claim::Token(token.as_bytes().to_vec()))
        }
    }
}

fn hub(headers: &HeaderMap) -> Option<Claim> {
    Some(Claim::Signed(hex(one(headers, "x-hub-signature-256")?.strip_prefix("sha256=")?)?))
}

/// The form of <https://www.standardwebhooks.com>, which GitLab's signing tokens use: `v1,` and Base64, several with blanks between them.
fn standard(headers: &HeaderMap) -> Option<Claim> {
    let (id, time) = (one(headers, "webhook-id")?, one(headers, "webhook-timestamp")?);
    let signature = |text: &str| BASE64_STANDARD.decode(text.strip_prefix("v1,")?).ok()?.try_into().ok();
    let signatures: Vec<[u8; 32]> = one(headers, "webhook-signature")?.split(' ').filter_map(signature).collect();
    let before = format!("{id}.{time}.").into_bytes();
    (!signatures.is_empty()).then_some(Claim::Standard { before, signatures })
}

/// The one value of a header. Of two, nobody could say which counts.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// A claim that is being checked, by each secret that counts.
pub(super) struct Checking {
    claim: Claim,
    /// One for each secret that a claim of this kind can be made with.
    macs: Vec<HmacSha256>,
}

impl Checking {
    pub(super) fn new(claim: Claim, secrets: &[SecretString]) -> Self {
        let of = |secret: &SecretString| {
            let secret = secret.expose_secret();
            match &claim {
                Claim::Signed(_) => HmacSha256::new_from_slice(secret.as_bytes()).ok(),
                Claim::Standard { before, .. } => {
                    let key = BASE64_STANDARD.decode(secret.strip_prefix(SIGNING)?).ok().filter(|key| !key.is_empty())?;
                    Some(HmacSha256::new_from_slice(&key).ok()?.chain_update(before))
                }
                // Both are hashed before they are compared, so that not even lengths show. A signing token is never sent.
                Claim::Token(_) if secret.starts_with(SIGNING) => None,
                Claim::Token(_) => Some(hash(secret.as_bytes())?),
            }
        };
        let macs = secrets.iter().filter_map(of).collect();
        Self { claim, macs }
    }

    /// More of the body.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        if !matches!(self.claim, Claim::Token(_)) {
            self.macs.iter_mut().for_each(|mac| mac.update(bytes));
        }
    }

    /// Whether the sender knows one of the secrets. All are looked at, whichever is right.
    pub(super) fn verify(self) -> bool {
        let shown: Vec<Vec<u8>> = match &self.claim {
            Claim::Signed(signature) => vec![signature.to_vec()],
            Claim::Standard { signatures, .. } => signatures.iter().map(|signature| signature.to_vec()).collect(),
            Claim::Token(token) => hash(token).map(|mac| mac.finalize().into_bytes().to_vec()).into_iter().collect(),
        };
        let right = |mac: HmacSha256| shown.iter().fold(false, |right, shown| mac.clone().verify_slice(shown).is_ok() | right);
        self.macs.into_iter().fold(false, |found, mac| right(mac) | found)
    }
}

fn hash(bytes: &[u8]) -> Option<HmacSha256> {
    Some(HmacSha256::new_from_slice(b"towpath: compare two tokens").ok()?.chain_update(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn right(receiver: Receiver, secret: &str, pairs: &[(&'static str, &str)], body: &str) -> bool {
        let Some(claim) = claim(receiver, &headers(pairs)) else { return false };
        let mut checking = Checking::new(claim, &[SecretString::from("another secret of the right length"), SecretString::from(secret)]);
        // As it comes in, in pieces.
        body.as_bytes().chunks(3).for_each(|piece| checking.update(piece));
        checking.verify()
    }

    /// The example of GitHub's documentation on validating deliveries.
    const GITHUB: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn githubs_own_example_is_right_and_nothing_near_it() {
        let check = |signature: &str, body: &str| {
            right(Receiver::GitHub, "It's a Secret to Everybody", &[("x-hub-signature-256", signature)], body)
        };
        assert!(check(GITHUB, "Hello, World!"));
        assert!(check(&GITHUB.to_uppercase().replace("SHA256", "sha256"), "Hello, World!"));
        assert!(!check(GITHUB, "Hello, World"));
        for bad in [
            "",
            "sha256=",
            &GITHUB[7..],
            &GITHUB[..70],
            &format!("{GITHUB}0"),
            &format!("{GITHUB}00"),
            &GITHUB.replace('7', "8"),
            &GITHUB.replace("sha256", "sha1"),
        ] {
            assert!(!check(bad, "Hello, World!"), "{bad}");
        }
        let two = headers(&[("x-hub-signature-256", GITHUB), ("x-hub-signature-256", GITHUB)]);
        assert!(claim(Receiver::GitHub, &two).is_none());
    }

    #[test]
    fn forgejo_and_gitea_sign_alike_under_names_of_their_own() {
        let bare = &GITHUB[7..];
        let check = |pairs: &[(&'static str, &str)]| right(Receiver::Forgejo, "It's a Secret to Everybody", pairs, "Hello, World!");
        assert!(check(&[("x-forgejo-signature", bare)]) && check(&[("x-gitea-signature", bare)]));
        assert!(!check(&[("x-forgejo-signature", &"0".repeat(64)), ("x-gitea-signature", bare)]));
        assert!(!check(&[("x-hub-signature-256", GITHUB)]));
    }

    #[test]
    fn gitlabs_token_is_the_secret_and_its_signing_token_signs_by_the_standard() {
        let token = |sent: &str| right(Receiver::GitLab, "a token of GitLab's own", &[("x-gitlab-token", sent)], "{}");
        assert!(token("a token of GitLab's own"));
        assert!(!token("a token of GitLab's owN") && !token("") && !token("a token of GitLab's own, and more"));

        // The example of the Standard Webhooks specification's own libraries.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = r#"{"test": 2432232314}"#;
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let check = |id: &str, signature: &str, body: &str| {
            let pairs = [("webhook-id", id), ("webhook-timestamp", "1614265330"), ("webhook-signature", signature)];
            right(Receiver::GitLab, secret, &pairs, body)
        };
        assert!(check("msg_p5jXN8AQM9LWM0D4loKWxJek", good, body));
        assert!(check("msg_p5jXN8AQM9LWM0D4loKWxJek", &format!("v1,{} {good}", "A".repeat(43) + "="), body));
        assert!(!check("msg_other", good, body));
        assert!(!check("msg_p5jXN8AQM9LWM0D4loKWxJek", good, "{}"));
        assert!(!check("msg_p5jXN8AQM9LWM0D4loKWxJek", &good.replace("v1", "v2"), body));
        // A signing token is never taken as a plain one.
        assert!(!right(Receiver::GitLab, secret, &[("x-gitlab-token", secret)], body));
    }

    #[test]
    fn registries_send_the_secret_or_githubs_signature() {
        let check = |pairs: &[(&'static str, &str)]| right(Receiver::Registry, "It's a Secret to Everybody", pairs, "Hello, World!");
        assert!(check(&[("authorization", "Bearer It's a Secret to Everybody")]));
        assert!(check(&[("authorization", "It's a Secret to Everybody")]));
        assert!(check(&[("x-hub-signature-256", GITHUB)]));
        assert!(!check(&[("authorization", "Bearer ")]) && !check(&[]));
    }
}

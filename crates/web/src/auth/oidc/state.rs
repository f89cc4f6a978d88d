//! What ties the two halves of a sign-in together: the way to the provider, and the way back.
//!
//! Nothing of a sign-in is kept here until it comes back, so that nobody fills anything by beginning many. What must come back is in `state`,
//! authenticated by a key of this start's together with a random value in a cookie of the browser: a `state` that another browser was given is
//! none. Nonce and PKCE verifier derive from the same, and never leave this server before they are needed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use towpath_domain::Timestamp;

use crate::auth::same;
use crate::auth::token::{NoRandomness, random};
use crate::limits;
use crate::pages::local;

/// A page's address that is longer is not come back to.
const BACK_MAX: usize = 1000;

/// 32 random bytes as text.
const BROWSER_CHARS: usize = 43;

/// Makes states and knows its own.
pub(super) struct States {
    key: [u8; 32],
}

/// What a sign-in is known by on its way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Begun {
    /// Of this sign-in alone.
    pub(super) id: String,
    pub(super) state: String,
    pub(super) nonce: String,
    /// PKCE's secret; [`Begun::challenge`] is what the provider is told first.
    pub(super) verifier: String,
    /// Where to go on, on this server.
    pub(super) back: String,
}

impl Begun {
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }
}

#[derive(Serialize, Deserialize)]
struct Payload {
    i: String,
    t: i64,
    b: String,
}

/// The browser's random value, where it sent one.
pub(super) fn browser(cookie: Option<String>) -> Result<String, NoRandomness> {
    let sound = |text: &String| text.len() == BROWSER_CHARS && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    match cookie.filter(sound) {
        Some(cookie) => Ok(cookie),
        None => Ok(URL_SAFE_NO_PAD.encode(random::<32>()?)),
    }
}

impl States {
    pub(super) fn new() -> Result<Self, NoRandomness> {
        Ok(Self { key: random()? })
    }

    fn mac(&self, what: &str, browser: &str, text: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        for part in [what, browser, text] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    fn begun(&self, id: String, state: String, back: String, browser: &str) -> Begun {
        let (nonce, verifier) = (self.mac("nonce", browser, &id), self.mac("verifier", browser, &id));
        Begun { id, state, nonce, verifier, back }
    }

    /// Begins a sign-in of this browser.
    pub(super) fn begin(&self, browser: &str, back: &str, now: Timestamp) -> Result<Begun, NoRandomness> {
        let id = URL_SAFE_NO_PAD.encode(random::<16>()?);
        let back = if back.len() > BACK_MAX { "/" } else { local(back) }.to_owned();
        let payload = serde_json::to_vec(&Payload { i: id.clone(), t: now.as_millis(), b: back.clone() }).unwrap_or_default();
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let state = format!("{payload}.{}", self.mac("state", browser, &payload));
        Ok(self.begun(id, state, back, browser))
    }

    /// The sign-in that this state belongs to, if this browser began it here, not too long ago.
    pub(super) fn come_back(&self, browser: &str, state: &str, now: Timestamp) -> Option<Begun> {
        let (payload, mac) = state.split_once('.')?;
        if !same(self.mac("state", browser, payload).as_bytes(), mac.as_bytes()) {
            return None;
        }
        let Payload { i, t, b } = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let age = now.as_millis().checked_sub(t)?;
        let young = i64::try_from(limits::SIGN_IN_TIME.as_millis()).is_ok_and(|max| (0..=max).contains(&age));
        young.then(|| self.begun(i, state.to_owned(), local(&b).to_owned(), browser))
    }
}

#[cfg(test)]
mod tests {
    use towpath_domain::Span;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn a_sign_in_comes_back_to_the_browser_that_began_it_and_to_no_other() {
        let states = States::new().unwrap();
        let (ann, bob) = (browser(None).unwrap(), browser(None).unwrap());
        let begun = states.begin(&ann, "/targets/a?b=c", NOW).unwrap();
        assert_eq!(
            states.come_back(&ann, &begun.state, NOW),
            Some(states.begun(begun.id.clone(), begun.state.clone(), begun.back.clone(), &ann))
        );
        assert_eq!(begun.back, "/targets/a?b=c");
        assert_eq!(states.come_back(&bob, &begun.state, NOW), None);
        assert_eq!(States::new().unwrap().come_back(&ann, &begun.state, NOW), None, "another start's");
        assert_ne!(states.begin(&ann, "/", NOW).unwrap().nonce, begun.nonce);
        assert_ne!(begun.nonce, begun.verifier);
        assert!(begun.verifier.len() == 43 && begun.challenge().len() == 43 && !begun.state.contains(&begun.verifier));
    }

    #[test]
    fn a_state_that_was_changed_or_is_too_old_is_none() {
        let states = States::new().unwrap();
        let ann = browser(None).unwrap();
        let begun = states.begin(&ann, "/", NOW).unwrap();
        assert!(states.come_back(&ann, &begun.state, NOW.plus(Span::from_secs(600))).is_some());
        assert!(states.come_back(&ann, &begun.state, NOW.plus(Span::from_secs(601))).is_none());
        assert!(states.come_back(&ann, &begun.state, Timestamp::from_millis(0)).is_none(), "from the future");
        let evil = URL_SAFE_NO_PAD.encode(format!(r#"{{"i":"{}","t":{},"b":"//evil.example"}}"#, begun.id, NOW.as_millis()));
        let (payload, mac) = begun.state.split_once('.').unwrap();
        for bad in
            [format!("{evil}.{mac}"), format!("{payload}."), payload.to_owned(), String::new(), ".".to_owned(), format!("{payload}.{mac}x")]
        {
            assert!(states.come_back(&ann, &bad, NOW).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_sign_in_leads_on_to_this_server_only() {
        let states = States::new().unwrap();
        let ann = browser(None).unwrap();
        let long = format!("/{}", "a".repeat(2000));
        for back in ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", long.as_str()] {
            assert_eq!(states.begin(&ann, back, NOW).unwrap().back, "/");
        }
    }

    #[test]
    fn a_cookie_that_is_none_of_ours_is_not_taken_over() {
        let own = browser(None).unwrap();
        assert_eq!(browser(Some(own.clone())).unwrap(), own);
        for foreign in ["", "x", &"é".repeat(43), &" ".repeat(43)] {
            assert_ne!(browser(Some(foreign.to_owned())).unwrap(), foreign);
        }
    }
}

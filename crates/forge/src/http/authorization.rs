//! What proves to a forge who asks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use towpath_domain::FailureClass;

use crate::{Answer, ForgeError};

/// Whoever knows what to send as `Authorization`.
pub(crate) trait Authorization: Send + Sync {
    /// The whole value of the header, such as `Bearer TOKEN`; it may be another one each time. What is good for longer is kept: this is asked
    /// before each request.
    fn value(&self) -> Answer<'_, SecretString>;

    /// The forge does not take this value: if it is the one that is kept, it is to be forgotten. The next one is asked for at once, and sent if
    /// it is another one.
    fn refused<'a>(&'a self, value: &'a SecretString) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// A token. What is formatted hides it.
#[derive(Debug, Clone)]
pub enum Token {
    /// The token itself.
    Value(SecretString),
    /// Somebody who is asked for it: when it is needed first, and whenever the forge does not take it any more.
    Source(Arc<dyn TokenSource>),
}

impl From<SecretString> for Token {
    fn from(value: SecretString) -> Self {
        Self::Value(value)
    }
}

/// Who knows a token that may be another one tomorrow.
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// The token now.
    ///
    /// # Errors
    /// Why there is none, for people; without any secret.
    fn token(&self) -> Pin<Box<dyn Future<Output = Result<SecretString, String>> + Send + '_>>;
}

/// `Bearer TOKEN`, as all three forges take it.
pub(crate) struct Bearer {
    forge: String,
    token: Token,
    kept: Mutex<Option<SecretString>>,
}

impl Bearer {
    /// By this token; `forge` is its name for people.
    pub(crate) fn new(forge: &str, token: Token) -> Self {
        Self { forge: forge.to_owned(), token, kept: Mutex::default() }
    }

    fn error(&self, why: &str, class: FailureClass) -> ForgeError {
        ForgeError::Api { forge: self.forge.clone(), what: "having its token".to_owned(), why: why.to_owned(), class }
    }
}

impl Authorization for Bearer {
    fn value(&self) -> Answer<'_, SecretString> {
        Box::pin(async move {
            let mut kept = self.kept.lock().await;
            if let Some(value) = &*kept {
                return Ok(value.clone());
            }
            let token = match &self.token {
                Token::Value(token) => token.clone(),
                // A store that is away comes back.
                Token::Source(source) => source.token().await.map_err(|why| self.error(&why, FailureClass::Environment))?,
            };
            let plain = token.expose_secret().trim();
            if plain.is_empty() || !plain.bytes().all(|byte| byte.is_ascii_graphic()) {
                let why = if plain.is_empty() { "it is empty" } else { "it is more than one word on one line, which no token is" };
                return Err(self.error(why, FailureClass::Own));
            }
            Ok(kept.insert(SecretString::from(format!("Bearer {plain}"))).clone())
        })
    }

    fn refused<'a>(&'a self, value: &'a SecretString) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            // Another request may have had a new one already.
            self.kept.lock().await.take_if(|kept| kept.expose_secret() == value.expose_secret());
        })
    }
}

//! Secrets that messages are sent with, and that none may leave in one.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use towpath_ledger::logs::Masker;

use crate::message::Message;

/// Values remembered: tokens that are renewed every hour must not pile up for ever.
const KNOWN_MAX: usize = 200;

/// Where a secret is.
pub trait SecretSource: std::fmt::Debug + Send + Sync {
    /// The secret as it is now. Asked for before each use, so that a new one counts at once.
    ///
    /// # Errors
    /// Why there is none, for people; without any secret.
    fn get(&self) -> Pin<Box<dyn Future<Output = Result<SecretString, String>> + Send + '_>>;
}

/// A secret in a file, without the line break that editors put at its end.
#[derive(Debug, Clone)]
pub struct InFile(pub PathBuf);

impl SecretSource for InFile {
    fn get(&self) -> Pin<Box<dyn Future<Output = Result<SecretString, String>> + Send + '_>> {
        Box::pin(async {
            let text = tokio::fs::read_to_string(&self.0).await;
            let text = text.map_err(|error| format!("cannot read {}: {error}", self.0.display()))?;
            let text = text.trim_end_matches(['\n', '\r']);
            if text.is_empty() { Err(format!("{} is empty", self.0.display())) } else { Ok(SecretString::from(text.to_owned())) }
        })
    }
}

/// All secrets that were used up to now; cheap to clone, all clones are one. Whatever leaves in a message goes through it.
#[derive(Clone, Default)]
pub struct Hidden {
    known: Arc<RwLock<(BTreeSet<String>, Masker)>>,
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hidden").finish_non_exhaustive()
    }
}

impl Hidden {
    /// Hides this value from now on.
    pub fn learn(&self, value: &str) {
        if self.known.read().unwrap_or_else(PoisonError::into_inner).0.contains(value) {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.0.len() >= KNOWN_MAX {
            known.0.clear();
        }
        known.0.insert(value.to_owned());
        known.1 = Masker::new(&known.0);
    }

    /// The text with every known secret in it replaced.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        self.known.read().unwrap_or_else(PoisonError::into_inner).1.mask(text)
    }

    /// The message with every known secret in it replaced, wherever it stands.
    #[must_use]
    pub fn mask_message(&self, message: Message) -> Message {
        let mut message = message;
        let mut all: Vec<&mut String> = vec![&mut message.title, &mut message.body];
        all.extend(&mut message.last_lines);
        all.extend(message.links.iter_mut().flat_map(|link| [&mut link.text, &mut link.url]));
        if let Some(release) = &mut message.about.release {
            all.extend([&mut release.subject, &mut release.author].into_iter().flatten());
            all.extend([&mut release.name, &mut release.repository]);
        }
        if let Some(stage) = &mut message.stage {
            all.extend(std::iter::once(&mut stage.title).chain(&mut stage.link));
        }
        for text in all {
            *text = self.mask(text);
        }
        self.mask_value(&mut message.payload);
        message
    }

    fn mask_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.mask(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.mask_value(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// A secret that is hidden from the moment it is read.
#[derive(Debug, Clone)]
pub struct Secret {
    source: Arc<dyn SecretSource>,
    hidden: Hidden,
}

impl Secret {
    /// The secret at `source`, hidden by `hidden`.
    #[must_use]
    pub fn new(source: Arc<dyn SecretSource>, hidden: Hidden) -> Self {
        Self { source, hidden }
    }

    /// The secret as it is now.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub async fn get(&self) -> Result<SecretString, String> {
        let secret = self.source.get().await?;
        self.hidden.learn(secret.expose_secret());
        Ok(secret)
    }
}

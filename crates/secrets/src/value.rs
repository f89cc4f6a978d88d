//! A text that must not be seen.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

/// A secret text. Its `Debug` hides it, it has no `Display`, it is not serialised, and its memory is wiped when it is dropped.
///
/// ```compile_fail
/// let value = towpath_secrets::SecretValue::new("hunter2");
/// println!("{value}");
/// ```
#[derive(Clone)]
pub struct SecretValue(SecretString);

impl SecretValue {
    /// Hides `text`. Copies that the caller made of it are the caller's to wipe.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself: hand it on to what needs it, and to nothing that keeps or shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(hidden)")
    }
}

impl From<String> for SecretValue {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_hidden_wherever_it_is_nested() {
        let value = SecretValue::new("hunter2");
        let nested = Some(vec![("password", value.clone())]);
        assert_eq!(format!("{nested:?}"), r#"Some([("password", SecretValue(hidden))])"#);
        assert!(!format!("{nested:#?}").contains("hunter2"));
        assert_eq!(value.expose(), "hunter2");
    }
}

//! The content of config maps and secrets.

use std::collections::BTreeMap;

use serde_json::Value;

/// Keys and their content. Never shown by `Debug`: it may be a secret's.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConfigData {
    entries: BTreeMap<String, Vec<u8>>,
}

/// Why the content could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataError {
    /// The field.
    pub field: String,
    /// What is wrong with it; holds nothing of its content.
    pub why: &'static str,
}

impl std::fmt::Debug for ConfigData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

impl ConfigData {
    /// The content of a `ConfigMap`: `data` as it is, `binaryData` decoded.
    ///
    /// # Errors
    /// [`DataError`] naming the key whose content is not text or not Base64.
    pub fn of_config_map(object: &Value) -> Result<Self, DataError> {
        let mut data = Self::default();
        data.take(object, "data", false)?;
        data.take(object, "binaryData", true)?;
        Ok(data)
    }

    /// The content of a `Secret`: `data` decoded, `stringData` as it is and stronger.
    ///
    /// # Errors
    /// As [`ConfigData::of_config_map`].
    pub fn of_secret(object: &Value) -> Result<Self, DataError> {
        let mut data = Self::default();
        data.take(object, "data", true)?;
        data.take(object, "stringData", false)?;
        Ok(data)
    }

    fn take(&mut self, object: &Value, section: &str, encoded: bool) -> Result<(), DataError> {
        let bad = |field: String, why| DataError { field, why };
        let map = match object.get(section) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Object(map)) => map,
            Some(_) => return Err(bad(section.to_owned(), "is not a map")),
        };
        for (key, value) in map {
            let field = || format!("{section}.{key}");
            let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if key.is_empty() || key == "." || key.starts_with("..") || !key.chars().all(good) {
                return Err(bad(field(), "is not a key (letters, digits, dashes, underscores and dots)"));
            }
            let text = match value {
                Value::String(text) => text.as_str(),
                Value::Null => "",
                _ => return Err(bad(field(), "is not text; put it in quotes")),
            };
            let content =
                if encoded { decode_base64(text).ok_or_else(|| bad(field(), "is not Base64"))? } else { text.as_bytes().to_vec() };
            self.entries.insert(key.clone(), content);
        }
        Ok(())
    }

    /// The content of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.entries.get(key).map(Vec::as_slice)
    }

    /// All keys with their content.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries.iter().map(|(key, content)| (key.as_str(), content.as_slice()))
    }
}

/// Standard Base64 (RFC 4648, section 4) with line breaks allowed and padding checked.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held, mut digits, mut padding) = (0_u32, 0_u32, 0_usize, 0_usize);
    for byte in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        digits += 1;
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
        bits &= (1 << held) - 1;
    }
    ((digits + padding).is_multiple_of(4) && padding <= 2 && bits == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_decoded_and_never_shown() {
        let secret = ConfigData::of_secret(&json!({"data": {"a": "aHVudGVyMg=="}, "stringData": {"b": "plain"}})).unwrap();
        assert_eq!(secret.get("a"), Some(&b"hunter2"[..]));
        assert_eq!(secret.get("b"), Some(&b"plain"[..]));
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[test]
    fn base64_is_decoded_exactly_or_not_at_all() {
        for (text, bytes) in
            [("", &b""[..]), ("Zg==", b"f"), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("Zm9v\nYg==", b"foob"), ("/+8=", &[0xff, 0xef])]
        {
            assert_eq!(decode_base64(text).as_deref(), Some(bytes), "{text}");
        }
        for bad in ["Z", "Zg", "Zg=", "Zg===", "Z===", "Zg==Zg==", "Zh==", "Z-8=", "Zm9v!"] {
            assert_eq!(decode_base64(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_key_never_names_a_path() {
        for bad in ["", "..", "../x", "a/b", "."] {
            assert!(ConfigData::of_config_map(&json!({"data": {bad: "x"}})).is_err(), "{bad:?}");
        }
        assert!(ConfigData::of_config_map(&json!({"data": {"n": 5}})).is_err());
    }
}

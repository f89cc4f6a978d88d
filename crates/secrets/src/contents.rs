//! All fields of one secret, as a store holds it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor, value};

use crate::error::{SecretError, SecretErrorKind, clean};
use crate::request::Request;
use crate::store::Fetched;
use crate::value::SecretValue;

/// As written by most tools, with or without padding.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// How many field names an error lists.
const NAMES_TOLD: usize = 12;

/// The bytes of one field, wiped when dropped. It has no `Debug`.
#[derive(Clone)]
pub(crate) struct Field(Zeroizing<Vec<u8>>);

impl Field {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// All fields of one secret at one version.
pub(crate) struct Contents {
    pub fields: BTreeMap<String, Field>,
    pub version: String,
    /// How long it may be kept, if the store says so.
    pub lease: Option<Duration>,
}

impl Contents {
    /// The field that is asked for, as text.
    pub fn pick(&self, request: &Request) -> Result<Fetched, SecretError> {
        let Some(field) = self.fields.get(&request.field) else { return Err(self.no_such_field(request)) };
        let unusable =
            |why: &str, mend: &str| Err(SecretError::new(SecretErrorKind::Unusable, why, mend).at(&request.path).field(&request.field));
        let decoded;
        let bytes = if request.base64 {
            // Encoders break lines, which is no fault of the value.
            let packed = Zeroizing::new(field.bytes().iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>());
            match BASE64.decode(&*packed) {
                Ok(bytes) => decoded = Zeroizing::new(bytes),
                Err(_) => return unusable("the value is not base64", "remove `format: base64`, or store the value encoded"),
            }
            &*decoded
        } else {
            field.bytes()
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Fetched { value: SecretValue::new(text), version: self.version.clone() }),
            Err(_) => unusable("the value is not text (UTF-8), and a parameter is text", "store it encoded, for example as base64"),
        }
    }

    fn no_such_field(&self, request: &Request) -> SecretError {
        let names: Vec<_> = self.fields.keys().take(NAMES_TOLD).map(|name| format!("`{}`", clean(name))).collect();
        let more = if self.fields.len() > NAMES_TOLD { ", …" } else { "" };
        let has = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}{more}", names.join(", ")) };
        SecretError::new(SecretErrorKind::Missing, format!("there is no such field: {has}"), "name one of these, or add the field")
            .at(&request.path)
            .field(&request.field)
    }
}

/// Any JSON value as a field: texts as they are, numbers and yes/no as they are written, lists and mappings as JSON. A null is no
/// field.
pub(crate) struct AnyField(pub Option<Field>);

impl<'de> Deserialize<'de> for AnyField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = AnyField;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<AnyField, E> {
        Ok(AnyField(Some(Field::new(text.as_bytes().to_vec()))))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<AnyField, E> {
        Ok(AnyField(Some(Field::new(text.into_bytes()))))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<AnyField, E> {
        self.visit_string(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<AnyField, E> {
        self.visit_string(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<AnyField, E> {
        self.visit_string(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<AnyField, E> {
        self.visit_string(value.to_string())
    }

    fn visit_unit<E: Error>(self) -> Result<AnyField, E> {
        Ok(AnyField(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<AnyField, A::Error> {
        as_json(value::SeqAccessDeserializer::new(seq))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AnyField, A::Error> {
        as_json(value::MapAccessDeserializer::new(map))
    }
}

fn as_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AnyField, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(AnyField(Some(Field::new(value.to_string().into_bytes()))))
}

/// The fields of a JSON object, nulls left out.
#[derive(serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct AnyFields(BTreeMap<String, AnyField>);

impl AnyFields {
    pub fn into_fields(self) -> BTreeMap<String, Field> {
        self.0.into_iter().filter_map(|(name, field)| Some((name, field.0?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(json: &str) -> Contents {
        let fields: AnyFields = serde_json::from_str(json).unwrap_or_else(|_| panic!("bad test"));
        Contents { fields: fields.into_fields(), version: "3".into(), lease: None }
    }

    fn read(json: &str, field: &str, base64: bool) -> Result<String, SecretError> {
        contents(json).pick(&Request::new("app/db", field).decoded(base64)).map(|fetched| fetched.value.expose().to_owned())
    }

    #[test]
    fn every_json_value_has_a_text() {
        let json = r#"{"s":"a b","i":-3,"u":18446744073709551615,"b":true,"f":1.5,"l":[1,"x"],"m":{"k":"v"},"n":null,"e":""}"#;
        for (field, text) in [
            ("s", "a b"),
            ("i", "-3"),
            ("u", "18446744073709551615"),
            ("b", "true"),
            ("f", "1.5"),
            ("l", r#"[1,"x"]"#),
            ("m", r#"{"k":"v"}"#),
            ("e", ""),
        ] {
            assert_eq!(read(json, field, false).as_deref(), Ok(text));
        }
        let error = read(json, "n", false).expect_err("null is no value").to_string();
        assert_eq!(
            error,
            "secret `app/db`, field `n`: there is no such field: it has `b`, `e`, `f`, `i`, `l`, `m`, `s`, `u`; name one of these, or add the field"
        );
    }

    #[test]
    fn base64_is_decoded_with_or_without_padding_and_line_breaks() {
        assert_eq!(read(r#"{"f":"aHVudGVyMg=="}"#, "f", true).as_deref(), Ok("hunter2"));
        assert_eq!(read(r#"{"f":"aHVu\ndGVyMg\n"}"#, "f", true).as_deref(), Ok("hunter2"));
        let not_base64 = read(r#"{"f":"hunter2!"}"#, "f", true).expect_err("decoded").to_string();
        assert!(not_base64.contains("not base64") && !not_base64.contains("hunter2"), "{not_base64}");
        let not_text = read(r#"{"f":"/w=="}"#, "f", true).expect_err("decoded").to_string();
        assert!(not_text.contains("not text"), "{not_text}");
    }
}

//! `-l a=b,c=d`.

use std::collections::BTreeMap;

/// Why a text is not a list of labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The text is empty.
    #[error("no labels given; write key=value, several separated by commas")]
    Empty,
    /// A part is not `key=value`.
    #[error("unexpected label spec: {text:?}; write key=value")]
    Spec {
        /// The part.
        text: String,
    },
    /// A key is empty.
    #[error("unexpected empty label key in {text:?}; write key=value")]
    EmptyKey {
        /// The part.
        text: String,
    },
}

/// Reads `key=value` pairs separated by commas; of a key given twice, the last counts.
///
/// # Errors
/// [`LabelError`] for the first part that is not `key=value`.
pub fn parse_labels(text: &str) -> Result<BTreeMap<String, String>, LabelError> {
    if text.is_empty() {
        return Err(LabelError::Empty);
    }
    text.split(',')
        .map(|part| match part.split_once('=') {
            Some((_, value)) if value.contains('=') => Err(LabelError::Spec { text: part.to_owned() }),
            Some(("", _)) => Err(LabelError::EmptyKey { text: part.to_owned() }),
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(LabelError::Spec { text: part.to_owned() }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read() {
        let labels = parse_labels("app=web,tier=,app=api").unwrap();
        assert_eq!(labels, BTreeMap::from([("app".to_owned(), "api".to_owned()), ("tier".to_owned(), String::new())]));
    }

    #[test]
    fn everything_else_is_refused() {
        assert_eq!(parse_labels(""), Err(LabelError::Empty));
        assert!(matches!(parse_labels("=a"), Err(LabelError::EmptyKey { .. })));
        for text in ["======", "a", "a=b,", "a=b=c"] {
            assert!(matches!(parse_labels(text), Err(LabelError::Spec { .. })), "{text}");
        }
    }
}

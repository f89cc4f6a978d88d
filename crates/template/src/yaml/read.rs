//! Reading YAML or JSON text into values, within bounds.

use serde_json::Value;

use crate::limits::{DEPTH_MAX, NODES_MAX, TEXT_BYTES_MAX};

/// Why a text could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The text is longer than can be read.
    #[error("the text has {bytes} bytes, more than the {TEXT_BYTES_MAX} that are read; split it")]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The text is no YAML, or goes beyond a limit (nesting, number of nodes, expansion of aliases).
    #[error("not readable as YAML: {reason}")]
    Syntax {
        /// What the parser says, beginning with line and column where it knows them. Holds no text of the file.
        reason: String,
    },
}

/// All non-empty documents of a YAML or JSON text.
///
/// Plain scalars mean what they mean to `oc` and `kubectl`, which read YAML 1.1: `yes` and `on` are booleans and `0644` is
/// the octal for 420. Duplicate keys of a YAML map are refused. Integers keep 64 bits; larger ones become floats.
///
/// # Errors
/// [`ReadError`] when the text is too large, malformed, or expands beyond the limits.
pub fn documents(text: &str) -> Result<Vec<Value>, ReadError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ReadError::TooLarge { bytes: text.len() });
    }
    // JSON goes to its own reader: it is many times faster.
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(vec![value]);
    }
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        // A snippet would put the file's text, which may hold a secret, into messages.
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
        },
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 2 * NODES_MAX,
            max_total_scalar_bytes: 2 * TEXT_BYTES_MAX,
            max_recorded_anchor_bytes: 2 * TEXT_BYTES_MAX,
            // The replay limit above bounds aliases by what they cost; a much-used anchor is no attack.
            enforce_alias_anchor_ratio: false,
        },
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let text = error.to_string();
        ReadError::Syntax { reason: text.strip_prefix("error: ").unwrap_or(&text).to_owned() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_mean_what_they_mean_to_oc() {
        let text = "a: yes\nb: off\nc: 0644\nd: 0o644\ne: 9223372036854775807\nf: 'no'\ng: ~\nh: 1.5\n";
        let want = json!({"a": true, "b": false, "c": 420, "d": 420, "e": i64::MAX, "f": "no", "g": null, "h": 1.5});
        assert_eq!(documents(text), Ok(vec![want]));
    }

    #[test]
    fn empty_documents_are_passed_over_and_json_is_read() {
        assert_eq!(documents("---\n---\na: 1\n---\nb: 2\n").unwrap(), [json!({"a": 1}), json!({"b": 2})]);
        assert_eq!(documents("  {\"a\": [1, \"\\ud83d\\ude00\"]}").unwrap(), [json!({"a": [1, "😀"]})]);
        assert_eq!(documents("{a: 1}").unwrap(), [json!({"a": 1})]);
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_without_the_files_text() {
        let ReadError::Syntax { reason } = documents("a: 1\npassword: hunter2: x\n").unwrap_err() else { panic!() };
        assert!(reason.contains("line 2"), "{reason}");
        assert!(!reason.contains("hunter2"), "{reason}");
        assert!(documents("a: 1\na: 2\n").unwrap_err().to_string().contains("duplicate"));
    }

    #[test]
    fn size_depth_and_aliases_are_bounded() {
        assert!(matches!(documents(&"#".repeat(TEXT_BYTES_MAX + 1)), Err(ReadError::TooLarge { .. })));
        assert!(documents(&format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000))).is_err());
        assert!(documents(&format!("{{\"a\":{}", "[".repeat(50_000))).is_err());
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..10 {
            let last = format!("*a{},", i - 1).repeat(10);
            bomb.push_str(&format!("a{i}: &a{i} [{last}]\n"));
        }
        assert!(documents(&bomb).is_err());
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a,".repeat(10_000));
        assert!(documents(&long).is_err(), "a megabyte repeated ten thousand times");
    }

    #[test]
    fn an_anchor_may_be_used_often() {
        let text = format!("a: &a 1\nb: [{}]\n", "*a,".repeat(500));
        assert_eq!(documents(&text).unwrap()[0]["b"].as_array().unwrap().len(), 500);
    }
}

//! Secrets are taken out of lines before the lines are written.

use std::fmt;

use aho_corasick::{AhoCorasick, MatchKind};

/// What stands in a line instead of a secret.
const MASK: &str = "••••";

/// Shorter values are not masked: they would black out half of every log and give away little.
const MIN_CHARS: usize = 4;

/// Finds secrets in text, in the forms in which they travel: as they are, in base64 (also as a part of something longer, as
/// in an `Authorization` header), percent-encoded, and escaped in JSON and XML. A secret of many lines is masked line by line.
#[derive(Clone, Default)]
pub struct Masker {
    /// None when there is nothing to mask.
    find: Option<AhoCorasick>,
    longest: usize,
}

impl fmt::Debug for Masker {
    /// Says nothing about the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker").field("patterns", &self.find.as_ref().map_or(0, AhoCorasick::patterns_len)).finish()
    }
}

impl Masker {
    /// A masker for these values. Those shorter than four characters are let through.
    #[must_use]
    pub fn new<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Self {
        let mut patterns: Vec<String> = Vec::new();
        for value in values {
            let value = value.as_ref();
            patterns.extend(forms(value));
            for line in value.lines().map(str::trim).filter(|line| *line != value) {
                patterns.extend(forms(line));
            }
        }
        patterns.sort();
        patterns.dedup();
        let longest = patterns.iter().map(String::len).max().unwrap_or(0);
        // Patterns are few and short; the builder refuses only sets of gigabytes.
        let find = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns).ok();
        Self { find: find.filter(|_| longest > 0), longest }
    }

    /// The text with every secret in it replaced.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        match &self.find {
            Some(find) => {
                let mut out = String::with_capacity(text.len());
                find.replace_all_with(text, &mut out, |_, _, out| {
                    out.push_str(MASK);
                    true
                });
                out
            }
            None => text.to_owned(),
        }
    }

    /// Where an overlong line may be cut: as late as possible, so that no secret lies across the cut or may go on after it.
    pub(super) fn cut(&self, bytes: &[u8]) -> usize {
        // A character has at most four bytes, and the last one may not be whole yet.
        let mut cut = bytes.len().saturating_sub(self.longest.max(4));
        while cut > 0 && bytes.get(cut).is_some_and(|byte| byte & 0xc0 == 0x80) {
            cut -= 1;
        }
        let across = self.find.iter().flat_map(|find| find.find_iter(bytes)).find(|found| found.start() < cut && found.end() > cut);
        across.map_or(cut, |found| found.end())
    }
}

/// All forms of one value, each long enough to be worth masking.
fn forms(value: &str) -> Vec<String> {
    if value.chars().count() < MIN_CHARS {
        return Vec::new();
    }
    let mut forms = vec![value.to_owned(), percent(value, b"-._~"), percent(value, b"-._~").replace("%20", "+")];
    forms.push(percent(value, b"-._~/:@!$&'()*+,;="));
    let xml = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for quote in ["&quot;", "&#34;"] {
        forms.push(xml.replace('"', quote).replace('\'', if quote == "&#34;" { "&#39;" } else { "&apos;" }));
    }
    forms.push(xml);
    if let Ok(json) = serde_json::to_string(value) {
        forms.push(json.trim_matches('"').to_owned());
    }
    for offset in 0..3 {
        for alphabet in [STANDARD, URL_SAFE] {
            forms.push(base64_inside(value.as_bytes(), offset, alphabet));
        }
    }
    forms.retain(|form| form.chars().count() >= MIN_CHARS);
    forms
}

/// RFC 3986 percent-encoding, upper-case, with these bytes and alphanumerics left as they are.
fn percent(value: &str, keep: &[u8]) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || keep.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The characters of a base64 text that depend on nothing but `value`, when `value` begins `offset` bytes after a group of
/// three: what stays the same whatever stands before and after it.
fn base64_inside(value: &[u8], offset: usize, alphabet: &[u8; 64]) -> String {
    let bits: Vec<bool> = std::iter::repeat_n(0, offset)
        .chain(value.iter().copied())
        .flat_map(|byte: u8| (0..8).rev().map(move |bit| byte >> bit & 1 == 1))
        .collect();
    let first = (offset * 8).div_ceil(6);
    let digits = bits.chunks_exact(6).skip(first);
    digits
        .map(|six| six.iter().fold(0_usize, |number, bit| number << 1 | usize::from(*bit)))
        .filter_map(|at| alphabet.get(at))
        .copied()
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_in_every_form_it_travels_in() {
        let masker = Masker::new(["pa ss\"wörd/1"]);
        for line in [
            "login with pa ss\"wörd/1 now",
            "https://x/?q=pa%20ss%22w%C3%B6rd%2F1&y",
            "q=pa+ss%22w%C3%B6rd%2F1",
            r#"{"token":"pa ss\"wörd/1"}"#,
            "<failure message=\"pa ss&quot;wörd/1\"/>",
            "<failure message=\"pa ss&#34;wörd/1\"/>",
        ] {
            let masked = masker.mask(line);
            assert!(masked.contains(MASK) && !masked.contains("rd"), "{masked}");
        }
    }

    #[test]
    fn a_secret_is_masked_inside_of_longer_base64_wherever_it_begins() {
        let masker = Masker::new(["s3cr3t-token"]);
        // printf '…s3cr3t-token…' | base64
        for encoded in [
            "czNjcjN0LXRva2Vu",
            "dTpzM2NyM3QtdG9rZW4=",
            "dXM6czNjcjN0LXRva2VuOng=",
            "dXNlcjpzM2NyM3QtdG9rZW46eHk=",
            "eHh4eHM6czNjcjN0LXRva2Vu",
            "YWI6OnMzY3IzdC10b2tlbg==",
        ] {
            let masked = masker.mask(&format!("Authorization: Basic {encoded}"));
            assert!(masked.contains(MASK), "{masked}");
            let left = masked.trim_start_matches("Authorization: Basic ").replace(MASK, "");
            assert!(left.len() < encoded.len() / 2, "{masked}");
        }
    }

    #[test]
    fn a_key_of_many_lines_is_masked_on_each_of_them() {
        let masker = Masker::new(["-----BEGIN KEY-----\nAbCdEfGh\nIjKlMnOp\n-----END KEY-----\n"]);
        assert_eq!(masker.mask("key: IjKlMnOp"), format!("key: {MASK}"));
        assert_eq!(masker.mask("AbCdEfGh"), MASK);
    }

    #[test]
    fn short_values_and_values_that_are_not_there_leave_lines_as_they_are() {
        assert_eq!(Masker::new(["abc", ""]).mask("abcabc"), "abcabc");
        assert_eq!(Masker::default().mask("anything"), "anything");
        assert_eq!(Masker::new(["geheim"]).mask("nothing here"), "nothing here");
        assert!(!format!("{:?}", Masker::new(["geheim"])).contains("geheim"));
    }

    #[test]
    fn the_longer_of_two_secrets_that_begin_alike_is_masked_whole() {
        assert_eq!(Masker::new(["token", "token-of-all-tokens"]).mask("token-of-all-tokens!"), format!("{MASK}!"));
    }
}

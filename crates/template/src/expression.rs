//! The expressions of generated parameters, such as `db-[a-z0-9]{8}`.
//!
//! The grammar is library-go's, quirks included, so that every template that works with `oc` works here and what `oc`
//! refuses is refused. Two things differ on purpose: ranges include their upper end (`oc` leaves it out, against its own
//! documentation, and panics on `[a-a]`), and generated text is never read as an expression again.

use crate::limits::GENERATED_BYTES_MAX;

/// Why an expression cannot generate anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// The class is none of those that are understood.
    #[error("malformed expression syntax: {class}; a class is one of \\w \\d \\a \\A, or ends with a range such as a-z")]
    Malformed {
        /// The class with its brackets.
        class: String,
    },
    /// A range runs backwards in the order a-z, A-Z, 0-9, symbols.
    #[error("invalid range specified: {from}-{to}; the order is a-z, A-Z, 0-9")]
    Range {
        /// Its first character.
        from: char,
        /// Its last character.
        to: char,
    },
    /// The count is outside 1 to 255.
    #[error("range must be within [1-255] characters ({count})")]
    Count {
        /// The count as written.
        count: String,
    },
    /// All parts together would be longer than a value may be.
    #[error("the expression would generate more than {GENERATED_BYTES_MAX} bytes; shorten it")]
    TooLong,
}

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const SYMBOLS: &str = "~!@#$%^&*()-_+={}[]\\|<,>.?/\"';:`";

/// A checked expression, ready to generate values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Text that stays as it is.
    Literal(String),
    /// `count` characters of `alphabet`, which has no character twice and is never empty.
    Random { alphabet: Vec<u8>, count: usize },
}

impl Expression {
    /// Reads `text`. Whatever is not of the form `[class]{n}` is literal text.
    ///
    /// # Errors
    /// [`ExpressionError`] for the first part that cannot generate anything.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut bytes = 0;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let Some((class, count, after)) = split_part(rest) else {
                literal.push(first);
                bytes += first.len_utf8();
                rest = rest.get(first.len_utf8()..).unwrap_or("");
                continue;
            };
            if !is_well_formed(class) {
                return Err(ExpressionError::Malformed { class: format!("[{class}]") });
            }
            let Some(size) = count.parse().ok().filter(|n| (1..=255).contains(n)) else {
                return Err(ExpressionError::Count { count: count.to_owned() });
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Random { alphabet: alphabet(class)?, count: size });
            bytes += size;
            if bytes > GENERATED_BYTES_MAX {
                return Err(ExpressionError::TooLong);
            }
            rest = after;
        }
        if bytes > GENERATED_BYTES_MAX {
            return Err(ExpressionError::TooLong);
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// The value itself, when nothing in the expression is random.
    #[must_use]
    pub fn constant(&self) -> Option<String> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => Some(text.as_str()),
                Part::Random { .. } => None,
            })
            .collect()
    }

    /// Generates a value. `pick` is asked for an index below its argument, which is between 1 and 95, once per character.
    ///
    /// # Errors
    /// Whatever `pick` fails with.
    pub fn generate<E>(&self, mut pick: impl FnMut(u8) -> Result<u8, E>) -> Result<String, E> {
        let mut value = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => value.push_str(text),
                Part::Random { alphabet, count } => {
                    let size = u8::try_from(alphabet.len()).unwrap_or(u8::MAX);
                    for _ in 0..*count {
                        let index = usize::from(pick(size)?);
                        value.extend(alphabet.get(index % alphabet.len().max(1)).map(|b| char::from(*b)));
                    }
                }
            }
        }
        Ok(value)
    }
}

/// `[class]{digits}` at the start of `text`: the class, the digits, what follows. A class has letters, digits, `-` and `\` only.
fn split_part(text: &str) -> Option<(&str, &str, &str)> {
    let (class, rest) = text.strip_prefix('[')?.split_once(']')?;
    let (count, after) = rest.strip_prefix('{')?.split_once('}')?;
    let class_ok = !class.is_empty() && class.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'\\');
    let count_ok = !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
    (class_ok && count_ok).then_some((class, count, after))
}

/// A class begins with one of the four named sets, or ends with a range.
fn is_well_formed(class: &str) -> bool {
    let named = ["\\w", "\\d", "\\a", "\\A"].iter().any(|set| class.starts_with(set));
    let ends_with_range = matches!(class.as_bytes(), [.., from, b'-', to] if from.is_ascii_alphanumeric() && to.is_ascii_alphanumeric());
    named || ends_with_range
}

/// The characters of a class, each once, in the order of their first mention.
///
/// Read as the reference reads it: an optional `\`, a character, an optional `-`, an optional character. The first and the
/// last of these make a range or name a set, so `[\wA-Z]` is the symbols (`\A`) and a lone `Z`.
fn alphabet(class: &str) -> Result<Vec<u8>, ExpressionError> {
    let mut set = Vec::new();
    let mut rest = class.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let (escaped, body) = if first == b'\\' { (true, tail) } else { (false, rest) };
        let Some((&start, mut after)) = body.split_first().filter(|(b, _)| b.is_ascii_alphanumeric()) else {
            rest = tail;
            continue;
        };
        let mut last = start;
        if let Some((&b'-', next)) = after.split_first() {
            last = b'-';
            after = next;
        }
        if let Some((&end, next)) = after.split_first().filter(|(b, _)| b.is_ascii_alphanumeric()) {
            last = end;
            after = next;
        }
        push_range(&mut set, if escaped { b'\\' } else { start }, last)?;
        rest = after;
    }
    Ok(set)
}

fn push_range(set: &mut Vec<u8>, from: u8, to: u8) -> Result<(), ExpressionError> {
    let all = || LOWER.bytes().chain(UPPER.bytes()).chain(DIGITS.bytes()).chain(SYMBOLS.bytes());
    let chars: Vec<u8> = match (from, to) {
        (b'\\', b'w') => LOWER.bytes().chain(UPPER.bytes()).chain(DIGITS.bytes()).chain([b'_']).collect(),
        (b'\\', b'd') => DIGITS.bytes().collect(),
        (b'\\', b'a') => LOWER.bytes().chain(UPPER.bytes()).chain(DIGITS.bytes()).collect(),
        (b'\\', b'A') => SYMBOLS.bytes().collect(),
        _ => {
            let (low, high) = (all().position(|b| b == from), all().position(|b| b == to));
            match (low, high) {
                (Some(low), Some(high)) if low <= high => all().skip(low).take(high - low + 1).collect(),
                _ => return Err(ExpressionError::Range { from: char::from(from), to: char::from(to) }),
            }
        }
    };
    for b in chars {
        if !set.contains(&b) {
            set.push(b);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    /// Every character that the first random part of `text` can yield.
    fn yields(text: &str) -> String {
        let expression = Expression::parse(text).unwrap();
        let mut all: Vec<char> =
            (0..=u8::MAX).filter_map(|n| expression.generate(|size| Ok::<_, Infallible>(n % size)).unwrap().chars().next()).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter().collect()
    }

    fn refuses(text: &str, want: &str) {
        let error = Expression::parse(text).unwrap_err().to_string();
        assert!(error.contains(want), "{text}: {error}");
    }

    #[test]
    fn ranges_include_both_ends_and_follow_the_order_of_the_reference() {
        assert_eq!(yields("[0-9]{1}"), "0123456789");
        assert_eq!(yields("[A-Z]{1}"), UPPER);
        assert_eq!(yields("[0-1]{8}"), "01");
        assert_eq!(yields("[a-a]{1}"), "a");
        assert_eq!(yields("[9-9]{1}"), "9");
        assert_eq!(yields("[y-B]{1}"), "AByz");
        assert_eq!(yields("[z-A]{1}"), "Az");
        assert_eq!(yields("[a-Z]{1}").len(), 52);
        assert_eq!(yields("[a-9]{1}").len(), 62);
    }

    #[test]
    fn named_sets_are_complete() {
        assert_eq!(yields("[\\w]{1}").len(), 63);
        assert_eq!(yields("[\\d]{1}"), DIGITS);
        assert_eq!(yields("[\\a]{1}").len(), 62);
        assert_eq!(yields("[\\A]{1}").len(), SYMBOLS.len());
        assert_eq!(yields("[\\w\\d]{1}").len(), 63);
        assert_eq!(yields("[a-z0-9]{6}").len(), 36);
    }

    #[test]
    fn what_is_not_a_part_is_literal() {
        for text in ["plain-text", "[a-z_]{3}", "[^a-z]{3}", "[0-9]", "[a-z]{}", "[a-z]{x}", "[]{3}", "${B}", "", "é[", "[a-z"] {
            assert_eq!(Expression::parse(text).unwrap().constant().as_deref(), Some(text), "{text}");
        }
        let mixed = Expression::parse("${B}[a-b]{2}-[[0-1]{1}]").unwrap();
        assert_eq!(mixed.constant(), None);
        assert_eq!(mixed.generate(|_| Ok::<_, Infallible>(0)).unwrap(), "${B}aa-[0]");
    }

    #[test]
    fn generated_text_is_not_read_as_an_expression_again() {
        let expression = Expression::parse("[\\A]{1}a-a]{3}").unwrap();
        let bracket = u8::try_from(SYMBOLS.find('[').unwrap()).unwrap();
        assert_eq!(expression.generate(|_| Ok::<_, Infallible>(bracket)).unwrap(), "[a-a]{3}");
    }

    #[test]
    fn the_same_expressions_are_refused_as_by_the_reference() {
        for text in ["[ABC]{3}", "[a-cX]{3}", "[a-c\\d]{3}", "[0-9A]{3}", "[\\s]{3}"] {
            refuses(text, "malformed expression syntax");
        }
        for (text, range) in [
            ("[Z-A]{3}", "Z-A"),
            ("[A-z]{3}", "A-z"),
            ("[0-a]{3}", "0-a"),
            ("[Xa-c]{3}", "X-a"),
            ("[\\w-]{3}", "\\--"),
            ("[\\d-f]{3}", "\\-f"),
        ] {
            refuses(text, &format!("invalid range specified: {range}"));
        }
        for count in ["0", "256", "300", "99999999999999999999999"] {
            refuses(&format!("[A-Z]{{{count}}}"), &format!("range must be within [1-255] characters ({count})"));
        }
        assert!(Expression::parse("[a-z]{255}").is_ok());
    }

    #[test]
    fn a_named_set_followed_by_a_letter_is_read_as_the_reference_reads_it() {
        let mut symbols_and_z: Vec<char> = SYMBOLS.chars().chain(['Z']).collect();
        symbols_and_z.sort_unstable();
        assert_eq!(yields("[\\wA-Z]{1}"), symbols_and_z.into_iter().collect::<String>());
    }

    #[test]
    fn the_upstream_examples_have_the_right_shape() {
        let shape = |text: &str| {
            let value = Expression::parse(text).unwrap().generate(|_| Ok::<_, Infallible>(0)).unwrap();
            (value.len(), value)
        };
        assert_eq!(shape("test[A-Z0-9]{4}template"), (16, "testAAAAtemplate".into()));
        assert_eq!(shape("[\\d]{3}").0, 3);
        assert_eq!(shape("[\\w]{20}").0, 20);
        assert_eq!(shape("[\\a]{10}").0, 10);
        assert_eq!(shape("[\\A]{10}").0, 10);
        assert_eq!(shape("strongPassword[\\w]{3}[\\A]{3}").1, "strongPasswordaaa~~~");
        assert_eq!(shape("admin[0-9]{2}[A-Z]{2}").1, "admin00AA");
    }

    #[test]
    fn a_value_has_a_longest_length() {
        assert_eq!(Expression::parse(&"[a-z]{255}".repeat(300)), Err(ExpressionError::TooLong));
        assert_eq!(Expression::parse(&"x".repeat(GENERATED_BYTES_MAX + 1)), Err(ExpressionError::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}a-zA-Z0-9\\\\é-]{0,30}", n in any::<u8>()) {
            if let Ok(expression) = Expression::parse(&text) {
                let value = expression.generate(|size| { assert!(size > 0); Ok::<_, Infallible>(n % size) }).unwrap();
                prop_assert!(value.len() <= GENERATED_BYTES_MAX);
            }
        }
    }
}

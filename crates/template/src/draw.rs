//! Where generated values come from.

use std::collections::BTreeMap;

use crate::expression::{Expression, ExpressionError};

/// Why no value could be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DrawError {
    /// The expression is not one.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// The system gave no random bytes.
    #[error("the system's random source failed: {reason}; try again")]
    Entropy {
        /// What the system says.
        reason: String,
    },
}

/// Gives the values of generated parameters.
pub trait Draw {
    /// A value for `parameter` after `expression`.
    ///
    /// # Errors
    /// [`DrawError`] when the expression is malformed, in every implementation, or when there is no randomness.
    fn draw(&mut self, parameter: &str, expression: &str) -> Result<String, DrawError>;
}

/// Fresh values from the system's cryptographic random source, each character equally likely.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Draw for OsRandom {
    fn draw(&mut self, _parameter: &str, expression: &str) -> Result<String, DrawError> {
        Expression::parse(expression)?.generate(|size| pick_evenly(size, random_byte))
    }
}

/// Values that were drawn before, so that a run that is taken up again uses the same names; fresh ones for the rest.
// No debug print: values may be secrets.
#[derive(Clone)]
pub struct Recorded<'a> {
    /// Earlier values by parameter, from [`crate::Processed::generated`].
    pub values: &'a BTreeMap<String, String>,
    /// Who gives the others.
    pub otherwise: OsRandom,
}

impl<'a> Recorded<'a> {
    /// Uses `values`, and the system's random source for what is not among them.
    #[must_use]
    pub fn new(values: &'a BTreeMap<String, String>) -> Self {
        Self { values, otherwise: OsRandom }
    }
}

impl Draw for Recorded<'_> {
    fn draw(&mut self, parameter: &str, expression: &str) -> Result<String, DrawError> {
        Expression::parse(expression)?;
        match self.values.get(parameter) {
            Some(value) => Ok(value.clone()),
            None => self.otherwise.draw(parameter, expression),
        }
    }
}

/// A fixed marker instead of each random value, so that fingerprints and plans do not change from one look to the next.
///
/// An expression without a random part gives its own text: that text is what would be deployed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Placeholder;

impl Draw for Placeholder {
    fn draw(&mut self, parameter: &str, expression: &str) -> Result<String, DrawError> {
        Ok(Expression::parse(expression)?.constant().unwrap_or_else(|| placeholder(parameter)))
    }
}

/// The marker that [`Placeholder`] puts for `parameter`: `<generated:NAME>`.
#[must_use]
pub fn placeholder(parameter: &str) -> String {
    format!("<generated:{parameter}>")
}

fn random_byte() -> Result<u8, DrawError> {
    let mut byte = [0; 1];
    getrandom::fill(&mut byte).map_err(|error| DrawError::Entropy { reason: error.to_string() })?;
    Ok(byte[0])
}

/// An index below `size`, each equally likely: bytes beyond the last whole multiple of `size` are thrown away.
fn pick_evenly(size: u8, mut byte: impl FnMut() -> Result<u8, DrawError>) -> Result<u8, DrawError> {
    let size = u16::from(size.max(1));
    let fair = 256 - 256 % size;
    loop {
        let drawn = u16::from(byte()?);
        if drawn < fair {
            return Ok(u8::try_from(drawn % size).unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_index_comes_equally_often() {
        for size in 1..=95u8 {
            let mut seen = vec![0; usize::from(size)];
            for first in 0..=u8::MAX {
                // A refused byte is followed by 0; leave those out of the count.
                let mut calls = 0;
                let index = pick_evenly(size, || {
                    calls += 1;
                    Ok(if calls == 1 { first } else { 0 })
                })
                .unwrap();
                if calls == 1 {
                    seen[usize::from(index)] += 1;
                }
            }
            assert!(seen.iter().all(|n| *n == seen[0] && *n > 0), "{size}: {seen:?}");
        }
    }

    #[test]
    fn fresh_values_follow_the_expression_and_differ() {
        let draw = || OsRandom.draw("A", "x-[a-z0-9]{40}").unwrap();
        let value = draw();
        assert_eq!(value.len(), 42);
        assert!(value.strip_prefix("x-").unwrap().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        assert_ne!(value, draw());
    }

    #[test]
    fn a_run_that_is_taken_up_again_gets_the_same_values() {
        let earlier = BTreeMap::from([("A".to_owned(), "k3x".to_owned())]);
        let mut recorded = Recorded::new(&earlier);
        assert_eq!(recorded.draw("A", "[a-z0-9]{3}").unwrap(), "k3x");
        assert_eq!(recorded.draw("B", "[a-z]{3}").unwrap().len(), 3);
    }

    #[test]
    fn placeholders_stand_for_randomness_only() {
        assert_eq!(Placeholder.draw("UID", "[a-z]{6}").unwrap(), "<generated:UID>");
        assert_eq!(Placeholder.draw("UID", "fixed").unwrap(), "fixed");
    }

    #[test]
    fn nobody_takes_a_malformed_expression() {
        let known = BTreeMap::from([("A".to_owned(), "v".to_owned())]);
        let drawers: [&mut dyn Draw; 3] = [&mut OsRandom, &mut Recorded::new(&known), &mut Placeholder];
        for drawer in drawers {
            assert!(matches!(drawer.draw("A", "[ABC]{3}"), Err(DrawError::Expression(ExpressionError::Malformed { .. }))));
        }
    }
}

//! How a command that cannot go on says so: once, with what would help.

use std::error::Error;
use std::fmt;

use crate::exit::Exit;

/// Why a command ends early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// With which code.
    pub exit: Exit,
    /// What, where and why. Empty when everything was said already.
    pub message: String,
    /// What to do next; may be empty.
    pub help: String,
}

impl Failure {
    /// A failure that says `message`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: String::new() }
    }

    /// An end with a code other than 0 where everything was said already.
    pub fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// The same, with what to do next.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// A failure that says what `error` and all its sources say, without saying anything twice.
    pub fn of(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        Self::new(exit, chain(error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "\nhelp: {}", self.help) }
    }
}

impl Error for Failure {}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(failure) => failure,
            Err(error) => Self::of(Exit::Failed, error.as_ref()),
        }
    }
}

/// What an error and its sources say, joined by colons; a source that the message before it quotes already is left out.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_and_its_sources_are_told_once() {
        let inner = std::io::Error::other("disk full");
        let error = anyhow::Error::new(inner).context("cannot write /x: disk full").context("cannot start");
        assert_eq!(Failure::from(error).to_string(), "cannot start: cannot write /x: disk full");
    }

    #[test]
    fn a_failure_keeps_its_code_on_its_way_up() {
        let failure = Failure::new(Exit::Held, "held").help("wait");
        assert_eq!(Failure::from(anyhow::Error::new(failure.clone())), failure);
    }
}

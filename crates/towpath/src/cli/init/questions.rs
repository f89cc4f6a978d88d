//! Questions on a terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::cli::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::words;

/// Asks, when somebody is there to answer.
pub(super) struct Asker {
    asks: bool,
}

impl Asker {
    /// One that asks unless `yes`, or nobody is there.
    pub(super) fn new(context: &Context, yes: bool) -> Self {
        Self { asks: !yes && context.out.terminal_err && io::stdin().is_terminal() }
    }

    /// What was given by a flag; else what is answered; else what is usual.
    ///
    /// # Errors
    /// When the answer cannot be read, or whoever is asked goes away.
    pub(super) fn ask(&self, given: Option<&str>, question: &str, usual: Option<&str>) -> Result<Option<String>, Failure> {
        if given.is_some() || !self.asks {
            return Ok(given.or(usual).map(str::to_owned));
        }
        answer(question, usual, &mut io::stdin().lock(), &mut io::stderr().lock()).map(Some)
    }
}

/// Asks until there is an answer; an empty one means what is usual.
fn answer(question: &str, usual: Option<&str>, input: &mut impl BufRead, output: &mut impl Write) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::new(Exit::Failed, format!("the answer cannot be read: {error}"));
    let hint = usual.filter(|usual| !usual.is_empty()).map(|usual| format!(" [{}]", words::line(usual))).unwrap_or_default();
    loop {
        write!(output, "{question}{hint} ").and_then(|()| output.flush()).map_err(failed)?;
        let mut typed = String::new();
        if input.read_line(&mut typed).map_err(failed)? == 0 {
            return Err(Failure::new(Exit::Failed, "no answer was given, and nothing was written")
                .help("give the answers as flags: `towpath init --help`"));
        }
        match (typed.trim(), usual) {
            ("", Some(usual)) => return Ok(usual.to_owned()),
            ("", None) => {}
            (typed, _) => return Ok(typed.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(usual: Option<&str>, typed: &str) -> (Result<String, Failure>, String) {
        let mut shown = Vec::new();
        let answer = answer("Name?", usual, &mut typed.as_bytes(), &mut shown);
        (answer, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn an_empty_answer_means_what_is_usual_and_is_asked_again_when_nothing_is() {
        assert_eq!(ask(Some("web"), "\n"), (Ok("web".to_owned()), "Name? [web] ".to_owned()));
        assert_eq!(ask(Some("web"), "  api \n"), (Ok("api".to_owned()), "Name? [web] ".to_owned()));
        assert_eq!(ask(Some(""), "\n"), (Ok(String::new()), "Name? ".to_owned()));
        assert_eq!(ask(None, "\n\nweb\n"), (Ok("web".to_owned()), "Name? Name? Name? ".to_owned()));
    }

    #[test]
    fn whoever_goes_away_leaves_nothing_behind() {
        assert_eq!(ask(None, "").0.unwrap_err().message, "no answer was given, and nothing was written");
    }
}

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
        let failed = |error: io::Error| Failure::new(Exit::Failed, format!("the answer cannot be read: {error}"));
        loop {
            let mut stderr = io::stderr().lock();
            let hint = usual.filter(|usual| !usual.is_empty()).map(|usual| format!(" [{}]", words::line(usual))).unwrap_or_default();
            write!(stderr, "{question}{hint} ").and_then(|()| stderr.flush()).map_err(failed)?;
            drop(stderr);
            let mut answer = String::new();
            if io::stdin().lock().read_line(&mut answer).map_err(failed)? == 0 {
                return Err(Failure::new(Exit::Failed, "no answer was given, and nothing was written"));
            }
            match (answer.trim(), usual) {
                ("", Some(usual)) => return Ok(Some(usual.to_owned())),
                ("", None) => {}
                (answer, _) => return Ok(Some(answer.to_owned())),
            }
        }
    }
}

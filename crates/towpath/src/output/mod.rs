//! How views are shown: tables and sentences to people, one JSON document to programs.
//!
//! Results go to standard output and nothing else does. Progress and remarks go to standard error, progress only when
//! somebody looks. Colour only repeats what words say.

pub mod checks;
pub mod differences;
pub mod explain;
pub mod findings;
pub mod history;
pub mod namespaces;
pub mod plan;
pub mod progress;
pub mod runs;
pub mod status;
pub mod table;
pub mod tokens;
pub mod words;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;
use towpath_domain::Timestamp;

use crate::env::Environment;
use crate::exit::Exit;
use crate::failure::Failure;

/// For whom results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Tables and sentences for people.
    #[default]
    Human,
    /// One JSON document for programs.
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How results look: decided once, from the terminal and what was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The width of the terminal in columns; none when there is no terminal, and lines are as long as they are.
    pub width: Option<u16>,
    /// Now, for ages.
    pub now: Timestamp,
}

/// Where results and remarks go.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    /// How results look.
    pub look: Look,
    /// Colours on standard output.
    pub color: bool,
    /// Colours on standard error.
    pub color_err: bool,
    /// Somebody looks at standard output.
    pub terminal: bool,
    /// Somebody looks at standard error.
    pub terminal_err: bool,
}

impl Out {
    /// Looks at the terminal, once.
    pub fn detect(color: Color, environment: &Environment) -> Self {
        let (terminal, terminal_err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let wanted = |terminal: bool| match color {
            Color::Auto => terminal && !environment.no_color,
            Color::Always => true,
            Color::Never => false,
        };
        let width = if terminal { terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0.max(60)) } else { None };
        Self { look: Look { width, now: now() }, color: wanted(terminal), color_err: wanted(terminal_err), terminal, terminal_err }
    }

    /// Prints a result.
    ///
    /// # Errors
    /// A failure when it cannot be written; a silent one when the reader went away, as `head` does.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| if text.ends_with('\n') { Ok(()) } else { stdout.write_all(b"\n") });
        written.and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::silent(Exit::Ok),
            _ => Failure::new(Exit::Failed, format!("cannot write to standard output: {error}")),
        })
    }

    /// Prints one JSON document.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string_pretty(value).map_err(|error| Failure::new(Exit::Failed, format!("cannot write JSON: {error}")))?;
        self.print(&text)
    }

    /// Prints a view in the asked-for format.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub fn show<T: Serialize>(&self, format: Format, view: &T, human: impl FnOnce(&T, &Look) -> String) -> Result<(), Failure> {
        match format {
            Format::Human => self.print(&human(view, &self.look)),
            Format::Json => self.json(view),
        }
    }

    /// A remark on standard error.
    pub fn note(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", words::clean(text));
    }

    /// Tells a failure, once.
    pub fn fail(&self, failure: &Failure) {
        if failure.message.is_empty() {
            return;
        }
        let (red, cyan, plain) = if self.color_err { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
        let mut text = format!("{red}error:{plain} {}\n", words::clean(&failure.message));
        if !failure.help.is_empty() {
            text.push_str(&format!("{cyan}help:{plain} {}\n", words::clean(&failure.help)));
        }
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// The clock.
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

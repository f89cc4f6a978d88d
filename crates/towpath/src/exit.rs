//! Exit codes. Scripts rely on them: a code never changes its meaning.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked.
    Ok = 0,
    /// It failed, or was refused.
    Failed = 1,
    /// It was called in a way that makes no sense. (clap uses the same code.)
    Usage = 2,
    /// What it is about is held, or not there.
    Held = 3,
    /// No server answers.
    Unreachable = 4,
    /// What was checked is not well: errors in a config repository, in `towpath.toml`, or in the ledger.
    Findings = 5,
}

/// The codes as `towpath --help` shows them.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  failed or refused
  2  called in a way that makes no sense
  3  held, or not there
  4  no server answers
  5  what was checked is not well";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

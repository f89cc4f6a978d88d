//! Every environment variable that Towpath reads. It reads them once, here.

use std::ffi::OsString;
use std::path::PathBuf;

/// The variables and what they mean, as `towpath --help` shows them.
pub const VARIABLES: &[(&str, &str)] = &[
    ("TOWPATH_CONFIG", "the towpath.toml to use (as --config)"),
    ("TOWPATH_BY", "who asks for promotions, rollbacks, holds and releases (as --by)"),
    ("TOWPATH_SERVER", "the server to ask (as --server)"),
    ("TOWPATH_TOKEN", "the token that shows a server elsewhere who asks (as --token-file)"),
    ("TOWPATH_LOG", "what the server logs: error, warn, info, debug or trace; per part: info,towpath_runs=debug"),
    ("TOWPATH_LOG_FORMAT", "how: text for people, or json, one object a line"),
    ("TOWPATH_CRASH_AFTER_EVENT", "for tests: the server kills itself once it has recorded this many events"),
    ("PATH", "where builds and containers find commands that they do not bring along"),
    ("HOME", "handed to builds"),
    ("LANG", "handed to builds"),
    ("TMPDIR", "where temporary files go; handed to builds"),
    ("NO_COLOR", "no colours when set to anything"),
    ("TERM", "no colours when it is dumb"),
    ("USER", "who asks, when nothing else says"),
];

/// A token, shown by nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(pub String);

impl std::fmt::Debug for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenText")
    }
}

/// What the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `TOWPATH_CONFIG`.
    pub config: Option<PathBuf>,
    /// `TOWPATH_BY`.
    pub by: Option<String>,
    /// `TOWPATH_SERVER`.
    pub server: Option<String>,
    /// `TOWPATH_TOKEN`.
    pub token: Option<TokenText>,
    /// `TOWPATH_LOG`.
    pub log: Option<String>,
    /// `TOWPATH_LOG_FORMAT`.
    pub log_format: Option<String>,
    /// `NO_COLOR` is set, or `TERM` is `dumb`.
    pub no_color: bool,
    /// `USER`.
    pub user: Option<String>,
    /// `TOWPATH_CRASH_AFTER_EVENT`.
    pub crash_after: Option<i64>,
    /// What builds get of it: `PATH`, `HOME`, `LANG`, `TMPDIR`, `USER`.
    pub host: Vec<(String, String)>,
}

impl Environment {
    /// Reads the environment by `var`. An empty variable counts as not set.
    pub fn read(var: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| {
            debug_assert!(VARIABLES.iter().any(|(known, _)| *known == name), "{name} is missing in the table");
            var(name).filter(|value| !value.is_empty())
        };
        let text = |name: &str| set(name).map(|value| value.to_string_lossy().into_owned());
        Self {
            config: set("TOWPATH_CONFIG").map(PathBuf::from),
            by: text("TOWPATH_BY"),
            server: text("TOWPATH_SERVER"),
            token: text("TOWPATH_TOKEN").map(|token| TokenText(token.trim().to_owned())),
            log: text("TOWPATH_LOG"),
            log_format: text("TOWPATH_LOG_FORMAT"),
            no_color: set("NO_COLOR").is_some() || text("TERM").is_some_and(|term| term == "dumb"),
            user: text("USER"),
            crash_after: text("TOWPATH_CRASH_AFTER_EVENT").and_then(|number| number.parse().ok()),
            host: ["PATH", "HOME", "LANG", "TMPDIR", "USER"].iter().filter_map(|name| Some(((*name).to_owned(), text(name)?))).collect(),
        }
    }

    /// The table as help text.
    pub fn help() -> String {
        let width = VARIABLES.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let lines: Vec<String> = VARIABLES.iter().map(|(name, meaning)| format!("  {name:width$}  {meaning}")).collect();
        format!("Environment:\n{}", lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_variable_of_the_table_is_read_and_no_other() {
        let asked = RefCell::new(BTreeSet::new());
        Environment::read(|name| {
            asked.borrow_mut().insert(name.to_owned());
            None
        });
        assert_eq!(asked.into_inner(), VARIABLES.iter().map(|(name, _)| (*name).to_owned()).collect());
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        assert_eq!(Environment::read(|_| Some(OsString::new())), Environment::default());
        assert!(Environment::read(|name| (name == "TERM").then(|| "dumb".into())).no_color);
    }
}

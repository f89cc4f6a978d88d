//! What people may ask for on a pull request, and who may.

use towpath_domain::{CommitId, Timestamp};

use super::event::Asked;
use super::facts::CheckFact;
use crate::review;

/// A command in a comment, of those that are about checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `/retest`: all of it once more.
    Retest,
    /// `/test NAME…`: only these tests.
    Test(Vec<String>),
    /// `/cancel`: no check of the newest commit.
    Cancel,
    /// `/ok-to-test [COMMIT]`: this commit of a fork may be checked.
    OkToTest(Option<String>),
}

/// The commands in a comment's text that are about checks, in their order. What looks like a command and is none of these is somebody else's.
#[must_use]
pub fn commands(body: &str) -> Vec<Command> {
    review::commands(body).into_iter().filter_map(of).collect()
}

fn of(command: review::Command) -> Option<Command> {
    let text = match command {
        review::Command::Retest => return Some(Command::Retest),
        review::Command::Unknown(text) => text,
        _ => return None,
    };
    let mut words = text.split_ascii_whitespace();
    let name = words.next()?.to_ascii_lowercase();
    let rest: Vec<String> = words.map(str::to_owned).collect();
    match (name.as_str(), rest.as_slice()) {
        ("/test", []) => Some(Command::Retest),
        ("/test", [all]) if all.eq_ignore_ascii_case("all") => Some(Command::Retest),
        ("/test", _) => Some(Command::Test(rest)),
        ("/cancel", []) => Some(Command::Cancel),
        ("/ok-to-test", []) => Some(Command::OkToTest(None)),
        ("/ok-to-test", [commit]) => Some(Command::OkToTest(Some(commit.clone()))),
        _ => None,
    }
}

/// Who asks, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// They opened the pull request.
    pub is_author: bool,
    /// The config repository allows them to have the source's pull requests checked.
    pub may: bool,
    /// When they wrote it.
    pub at: Timestamp,
    /// They, or somebody with power over the forge, changed it afterwards.
    pub edited: bool,
}

/// Why something is not done that somebody asked for, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// What a command comes to by the word of `asker`; `tests` are the names of those that the source has.
///
/// # Errors
/// [`Refusal`], when they may not, or it cannot be done.
pub fn may_ask(command: &Command, asker: Asker, fact: &CheckFact, tests: &[String]) -> Result<Asked, Refusal> {
    let no = |why: String| Err(Refusal(why));
    let allowed =
        "ask somebody whose role has a permission with `check` for this app (`/towpath/permission-1.yml` in the config repository)";
    match command {
        Command::OkToTest(commit) => {
            if !fact.pull.from_fork {
                return no("it does not come from a fork, and needs no /ok-to-test".to_owned());
            }
            // An author's own word for their own code is none, unless they are somebody who may.
            if !asker.may || asker.edited {
                let why = if asker.may { "the comment was changed after it was written: write a new one" } else { allowed };
                return no(format!("/ok-to-test was not heard: {why}"));
            }
            let head = fact.pull.head;
            is_meant(commit.as_deref(), head, asker.at, fact.head_since)?;
            Ok(Asked::OkToTest { head })
        }
        _ if !asker.may && !asker.is_author => no(format!("this was not heard: {allowed}")),
        Command::Cancel => Ok(Asked::Cancel),
        Command::Retest => Ok(Asked::Retest { tests: Vec::new() }),
        Command::Test(names) => {
            let mut wanted = Vec::new();
            for name in names {
                match tests.iter().find(|test| test.eq_ignore_ascii_case(name)) {
                    Some(test) if !wanted.contains(test) => wanted.push(test.clone()),
                    Some(_) => {}
                    None if tests.is_empty() => {
                        return no(format!("there is no test {name}: the source's `check` names none; /retest runs all of it"));
                    }
                    None => return no(format!("there is no test {name}; there are: {}", tests.join(", "))),
                }
            }
            wanted.sort();
            Ok(Asked::Retest { tests: wanted })
        }
    }
}

/// Somebody who says that a commit may be tested has looked at that one, and not at one that was pushed a moment before.
fn is_meant(commit: Option<&str>, head: CommitId, at: Timestamp, head_since: Timestamp) -> Result<(), Refusal> {
    let text = head.to_string();
    match commit {
        Some(named) if named.len() >= 7 && text.starts_with(&named.to_ascii_lowercase()) => Ok(()),
        Some(named) => Err(Refusal(format!(
            "/ok-to-test was not heard: {named} is not the newest commit, which is {text}; name at least 7 of its digits, after a look at it"
        ))),
        None if at > head_since => Ok(()),
        None => Err(Refusal(format!(
            "/ok-to-test was not heard: {} came after it was written, or at the same time; look at it, and write /ok-to-test {}",
            text.get(..12).unwrap_or(&text),
            text.get(..12).unwrap_or(&text)
        ))),
    }
}

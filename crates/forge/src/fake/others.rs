//! Checks that others run on commits, and run again when they are asked to.

/// Who runs a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// The forge itself: a workflow of Actions, a pipeline.
    Itself,
    /// An App.
    App,
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// It is under way.
    NotYet,
    /// It passed.
    Well,
    /// It failed.
    Badly,
}

/// A check of somebody else's on a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherCheck {
    /// Its number in the order of coming.
    pub id: u64,
    /// The commit.
    pub commit: String,
    /// Its name.
    pub name: String,
    /// Who runs it.
    pub runs: Runs,
    /// How it stands.
    pub ends: Ends,
    /// How often it was asked to run again.
    pub again: usize,
    /// Why it is not run again, where it is not.
    pub refuses: Option<String>,
}

/// Runs a check again that ended; why not, else.
pub(super) fn rerun(checks: &mut [OtherCheck], id: &str, runs: Runs) -> Option<Result<(), String>> {
    let check = checks.iter_mut().find(|check| check.id.to_string() == id && check.runs == runs)?;
    Some(match (&check.refuses, check.ends) {
        (Some(why), _) => Err(why.clone()),
        (None, Ends::NotYet) => Err("This workflow is already running".to_owned()),
        (None, _) => {
            (check.ends, check.again) = (Ends::NotYet, check.again + 1);
            Ok(())
        }
    })
}

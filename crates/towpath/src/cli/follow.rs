//! Steps of a run, told as they begin and end.

use std::collections::BTreeSet;
use std::time::Duration;

use towpath_control::view::StepView;
use towpath_domain::RunId;

use crate::output::words;

/// How long between two looks.
pub(super) const PAUSE: Duration = Duration::from_millis(300);

/// What was told of a run's steps.
#[derive(Debug, Default)]
pub(super) struct Steps {
    run: Option<RunId>,
    begun: BTreeSet<String>,
    ended: BTreeSet<String>,
}

impl Steps {
    /// What was not told yet of `steps`, a line for each. Another run is told from its beginning. `is_open` says that the run goes on: a step that
    /// has no end although its run is over did not end well.
    pub(super) fn news(&mut self, run: &RunId, steps: &[StepView], is_open: bool) -> Vec<String> {
        if self.run.as_ref() != Some(run) {
            *self = Self { run: Some(run.clone()), ..Self::default() };
        }
        let mut news = Vec::new();
        for step in steps {
            let is_over = step.finished_at.is_some() || !is_open;
            // What is over before it was seen to begin is told once.
            if self.begun.insert(step.name.clone()) && !is_over {
                news.push(format!("{} …", step.name));
            }
            if is_over && self.ended.insert(step.name.clone()) {
                news.push(match step.finished_at {
                    Some(end) => format!("{} done ({})", step.name, words::took(end.since(step.started_at).as_millis())),
                    None => format!("{} did not end well", step.name),
                });
            }
        }
        news
    }

    /// The newest step that goes on.
    pub(super) fn current(steps: &[StepView]) -> Option<&str> {
        steps.iter().rev().find(|step| step.finished_at.is_none()).map(|step| step.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use towpath_domain::Timestamp;

    use super::*;

    fn step(name: &str, end: Option<i64>) -> StepView {
        StepView { name: name.into(), started_at: Timestamp::from_millis(1000), finished_at: end.map(Timestamp::from_millis) }
    }

    #[test]
    fn each_step_is_told_once_when_it_begins_and_once_when_it_ends() {
        let run = RunId::new("check-1").unwrap();
        let mut steps = Steps::default();
        assert_eq!(steps.news(&run, &[step("build", None)], true), ["build …"]);
        assert!(steps.news(&run, &[step("build", None)], true).is_empty());
        let later = [step("build", Some(3000)), step("reserve", Some(1500)), step("deploy", None)];
        assert_eq!(steps.news(&run, &later, true), ["build done (2.0 s)", "reserve done (500 ms)", "deploy …"]);
        assert_eq!(Steps::current(&later), Some("deploy"));
        assert_eq!(steps.news(&run, &later, false), ["deploy did not end well"]);
        assert!(steps.news(&run, &later, false).is_empty());
        let other = RunId::new("check-2").unwrap();
        assert_eq!(steps.news(&other, &[step("build", None)], true), ["build …"], "another run begins anew");
    }
}

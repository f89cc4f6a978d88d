//! The tests of a check: each runs to its end whatever became of the others, and what failed is told together.

use serde::{Deserialize, Serialize};
use towpath_cluster::ObjectKey;
use towpath_domain::FailureClass;
use towpath_engine::check::{Blame, CheckWork};
use towpath_engine::{TestRules, test_rules};

use super::inputs::{Inputs, Role};
use super::merge::Merged;
use super::objects::stand_in;
use super::parts::{Component, Prepared};
use super::place::Place;
use super::rollout::{apply, look_over};
use super::{Check, blame};
use crate::journal::{Journal, Stop};
use crate::tested::keep::What;
use crate::work::deploy;
use crate::work::heard::artifacts::Expected;
use crate::work::heard::{self, Heard, Rules, Waiting};
use crate::world::World;

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Tried {
    /// What failed; none for a test that passed. Read by whoever tells of single steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    /// Whose fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<(Blame, FailureClass)>,
    /// Test cases that passed.
    #[serde(default)]
    passed: u64,
}

/// What the tests of a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    /// Tests of the check.
    pub(super) tests: usize,
    /// Test cases of theirs that passed.
    pub(super) cases: u64,
}

/// Runs all tests, one after another.
pub(super) async fn try_all(
    check: &Check<'_>,
    place: &Place,
    inputs: &Inputs,
    merged: &Merged,
    prepared: &Prepared,
) -> Result<Passed, Stop> {
    let mut names: Vec<&str> = Vec::new();
    for one in &prepared.components {
        if let Role::Test(name) = &one.role
            && !names.contains(&name.as_str())
        {
            names.push(name);
        }
    }
    let mut ended: Vec<(String, Tried)> = Vec::with_capacity(names.len());
    for name in names {
        let of = |one: &&Component| matches!(&one.role, Role::Test(test) if test == name);
        let components: Vec<&Component> = prepared.components.iter().filter(of).collect();
        let step = step(name);
        let tried = check.journal.step(&step, || try_one(check, place, inputs, merged, prepared, &components)).await?;
        ended.push((step, tried));
    }
    match together(&ended) {
        None => Ok(Passed { tests: ended.len(), cases: ended.iter().map(|(_, tried)| tried.passed).sum() }),
        Some((step, stop)) => {
            check.journal.return_to(step);
            Err(stop)
        }
    }
}

fn step(name: &str) -> String {
    format!("test {name}")
}

/// How a test ended. That it failed is what the step found, so that the others run, and no worker runs it again.
async fn try_one(
    check: &Check<'_>,
    place: &Place,
    inputs: &Inputs,
    merged: &Merged,
    prepared: &Prepared,
    components: &[&Component],
) -> Result<Tried, Stop> {
    match run(check, place, inputs, merged, prepared, components).await {
        Ok(passed) => Ok(Tried { passed, ..Tried::default() }),
        Err(Stop::Blamed { blame, class, message }) => {
            let failed = Some(check.journal.sink().masked(&message));
            check.journal.note(format!("failed: {message}"));
            Ok(Tried { failed, fault: Some((blame, class)), passed: 0 })
        }
        Err(other) => Err(other),
    }
}

async fn run(
    check: &Check<'_>,
    place: &Place,
    inputs: &Inputs,
    merged: &Merged,
    prepared: &Prepared,
    components: &[&Component],
) -> Result<u64, Stop> {
    let Check { world, journal, said, catalog, .. } = check;
    let Some(first) = components.first() else { return Ok(0) };
    for one in components {
        look_over(check, one).await?;
    }
    for one in components {
        apply(check, one).await?;
    }
    let keys: Vec<ObjectKey> = components.iter().flat_map(|one| one.keys.iter().cloned()).collect();
    let expected = Expected::together(components.iter().map(|one| &one.expected));
    let waiting = Waiting {
        target: &first.target,
        keys: &keys,
        only_jobs: true,
        expected: &expected,
        until: prepared.began.plus(said.timeout),
        by: Rules {
            rules: &rules(test_rules(catalog, &first.target)),
            retried: check.retried(),
            what: What { commit: Some(merged.commit), tree: inputs.tested.clone() },
            of_check: true,
        },
    };
    debug_assert_eq!(place.namespace, first.target.namespace);
    let heard = heard::wait(world, journal, waiting).await?;
    verdict(check, heard).map_err(|stop| blame::on(&Blame::Source, stop))
}

/// A check that failed of nothing but flaky tests is tried again once, where no policy says more.
pub(super) fn rules(rules: TestRules) -> TestRules {
    TestRules { flaky_retries: rules.flaky_retries.max(1), ..rules }
}

/// How many test cases passed; or what failed.
fn verdict(check: &Check<'_>, heard: Heard) -> Result<u64, Stop> {
    let journal = check.journal;
    let ready = match &heard.waited {
        Ok(ready) => ready,
        Err(failure) => return Err(heard.failed(journal, failure)),
    };
    ready.notes.iter().for_each(|note| journal.note(note));
    let unread = heard::unread(ready);
    let passed = heard.reports.as_ref().map_or(0, |reports| reports.passed);
    if let Some(bad) = heard.reports.and_then(|reports| reports.verdict).or(unread) {
        return Err(bad);
    }
    if let Some(excused) = heard.judged.excused() {
        journal.note(excused);
    }
    Ok(passed)
}

/// What failed of all tests, told together, at the step of the first that counts most.
fn together(ended: &[(String, Tried)]) -> Option<(&str, Stop)> {
    let failed: Vec<(&str, &str, &(Blame, FailureClass))> =
        ended.iter().filter_map(|(step, tried)| Some((step.as_str(), tried.failed.as_deref()?, tried.fault.as_ref()?))).collect();
    let weight = |class: FailureClass| match class {
        FailureClass::Own => 0,
        FailureClass::Unknown => 1,
        FailureClass::Environment => 2,
        FailureClass::Flaky => 3,
    };
    let (step, _, (blame, class)) = failed.iter().min_by_key(|(_, _, (_, class))| weight(*class))?;
    let message = match failed.as_slice() {
        [(_, message, _)] => (*message).to_owned(),
        several => several.iter().map(|(step, message, _)| format!("{step}: {message}")).collect::<Vec<_>>().join("; "),
    };
    Some((step, Stop::Blamed { blame: blame.clone(), class: *class, message }))
}

/// After a check that was cut short: its tests end also where the namespace stays, since it is a person's.
pub(super) async fn give_up(world: &World, journal: &Journal, work: &CheckWork) {
    if work.overrides.namespace.is_none() && work.overrides.keep.is_none() {
        return;
    }
    let (Ok(Some(inputs)), Ok(Some(place))) = (journal.found::<Inputs>("inputs").await, journal.found::<Place>("reserve").await) else {
        return;
    };
    let catalog = std::sync::Arc::clone(&world.current().catalog);
    for part in inputs.parts.iter().filter(|part| matches!(part.role, Role::Test(_))) {
        let (Some(target), Some(stand_in)) = (catalog.targets.get(&part.target), stand_in(&part.target, &place.namespace)) else {
            continue;
        };
        let owner = towpath_cluster::Owner { target: stand_in, ..deploy::owner(target, journal.run(), part.commit) };
        match world.clusters.get(&place.cluster).delete(&place.namespace, &owner).await {
            Ok(gone) => gone.iter().for_each(|key| journal.note(format!("{key} ended"))),
            Err(error) => journal.note(format!("the jobs of {} could not be ended: {error}", target.title())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(step: &str, failed: Option<(&str, Blame, FailureClass)>) -> (String, Tried) {
        let tried = match failed {
            None => Tried { passed: 3, ..Tried::default() },
            Some((message, blame, class)) => Tried { failed: Some(message.to_owned()), fault: Some((blame, class)), passed: 0 },
        };
        (step.to_owned(), tried)
    }

    #[test]
    fn what_failed_is_told_together_and_the_pull_requests_own_fault_counts_most() {
        assert!(together(&[ended("test a", None)]).is_none());
        let flaky = || ended("test a", Some(("shaky failed", Blame::FlakyTest, FailureClass::Flaky)));
        let own = || ended("test b", Some(("1 failed", Blame::Source, FailureClass::Own)));
        let away = || ended("test c", Some(("no node", Blame::Environment, FailureClass::Environment)));
        for (ended, step, blamed, message) in [
            (vec![flaky()], "test a", Blame::FlakyTest, "shaky failed"),
            (vec![flaky(), own(), ended("test d", None)], "test b", Blame::Source, "test a: shaky failed; test b: 1 failed"),
            (vec![flaky(), away()], "test c", Blame::Environment, "test a: shaky failed; test c: no node"),
        ] {
            let (at, stop) = together(&ended).unwrap();
            let Stop::Blamed { blame, message: told, .. } = stop else { panic!("{stop}") };
            assert_eq!((at, blame, told.as_str()), (step, blamed, message));
        }
    }

    #[test]
    fn who_tells_of_single_steps_finds_what_failed_in_what_the_step_found() {
        let (_, tried) = ended("test a", Some(("1 failed", Blame::Source, FailureClass::Own)));
        let written = serde_json::to_value(&tried).unwrap();
        assert_eq!(written["failed"], "1 failed");
        assert_eq!(serde_json::from_value::<Tried>(written).unwrap(), tried);
        assert!(serde_json::to_value(Tried::default()).unwrap().get("failed").is_none());
    }
}

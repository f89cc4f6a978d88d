//! Checks a pull request: builds it, deploys it with what it depends on into a namespace of its own, tests it.
//!
//! - `merge`: what is checked. `inputs`: what that is made of, and whether the same was found well before.
//! - `image`: its image, by the code that makes a release's.
//! - `place`: the namespace. `objects`, `parts`: what is applied there. `rollout`: applies it, and waits.
//! - `trial`: the tests. `command`: the source's own command, with `definition` and `files`. `diagnosis`: what is told of a failure.
//! - `wanted`: whether it is still wanted, all the while. `blame`: what a failure is the fault of.

mod blame;
mod command;
mod definition;
mod diagnosis;
mod files;
#[cfg(test)]
mod given;
mod image;
mod inputs;
mod merge;
mod objects;
mod parts;
mod paths;
mod place;
mod rollout;
mod trial;
mod wanted;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use towpath_catalog::{Catalog, PullCheck, Source};
use towpath_domain::{Digest, ImageRef, RunId};
use towpath_engine::Outcome;
use towpath_engine::check::{Blame, CheckWork};

use super::build::{self, Trust};
use crate::journal::{Journal, Stop};
use crate::world::{Snapshot, World};

/// Where the image is built, in the run's folder.
const BUILD: &str = "build";

/// Where the source's own command works, in the run's folder.
const COMMAND: &str = "command";

/// The empty home of commands that strangers wrote, in the run's folder.
const HOME: &str = "home";

/// A check that is carried out.
struct Check<'a> {
    world: &'a World,
    journal: &'a Journal,
    work: &'a CheckWork,
    source: Arc<Source>,
    /// How it is checked.
    said: Arc<PullCheck>,
    catalog: Arc<Catalog>,
    /// The run's folder on this machine.
    dir: PathBuf,
    /// What no line and no message may show.
    hidden: Mutex<Vec<String>>,
}

impl<'a> Check<'a> {
    fn new(world: &'a World, journal: &'a Journal, work: &'a CheckWork, snapshot: &Snapshot) -> Result<Self, Stop> {
        let catalog = Arc::clone(&snapshot.catalog);
        let Some(source) = catalog.sources.get(&work.source).cloned() else {
            return Err(Stop::Superseded { by: "the source is no longer in the config repository".to_owned() });
        };
        let Some(said) = source.check.clone() else {
            return Err(blame::said(format!("{} says nothing of how it is checked; add `check` to it ({})", source.name, source.place)));
        };
        let dir = folder_of(world, journal.run());
        Ok(Self { world, journal, work, source, said, catalog, dir, hidden: Mutex::default() })
    }

    /// From here on, none of these values shows.
    fn hide(&self, values: Vec<String>) {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<String> = values.into_iter().filter(|value| !hidden.contains(value)).collect();
        if !new.is_empty() {
            hidden.extend(new);
            self.journal.sink().mask(hidden.clone());
        }
    }

    /// How often this was tried before, and failed of nothing but tests known to be flaky.
    fn retried(&self) -> u32 {
        if self.work.anew { 0 } else { self.world.ledger.facts().flaky_checks(&self.work.id, self.work.head) }
    }

    /// The home of commands that strangers wrote.
    fn home(&self) -> PathBuf {
        self.dir.join(HOME)
    }

    fn trust<'h>(&self, home: &'h Path) -> Trust<'h> {
        if self.work.from_fork { Trust::None { home } } else { Trust::Full }
    }
}

/// The run's folder on this machine; gone with the run.
fn folder_of(world: &World, run: &RunId) -> PathBuf {
    world.builds.join(run.as_str())
}

/// Carries a check out. It ends at once when it is not wanted any more.
pub(crate) async fn run(world: &World, journal: &Journal, work: &CheckWork) -> Result<Outcome, Stop> {
    end_leftovers(world, journal.run());
    tokio::select! {
        biased;
        stop = wanted::until_unwanted(world, journal.run(), work) => Err(stop),
        result = carry_out(world, journal, work) => result.map_err(|stop| blame::on(&Blame::Environment, stop)),
    }
}

/// Ends what a worker that died left running on this machine.
fn end_leftovers(world: &World, run: &RunId) {
    let dir = folder_of(world, run);
    build::end_leftover(&dir.join(BUILD));
    command::end_leftover(&dir.join(COMMAND));
}

/// After a check's end, however it came: nothing of it goes on, and nothing of it stays on this machine.
pub(crate) async fn tidy(world: &World, journal: &Journal, work: &CheckWork, outcome: &Outcome) {
    if !matches!(outcome, Outcome::Checked { .. }) {
        build::give_up(world, journal).await;
    }
    if matches!(outcome, Outcome::Superseded { .. } | Outcome::Cancelled { .. }) {
        trial::give_up(world, journal, work).await;
    }
    end_leftovers(world, journal.run());
    let dir = folder_of(world, journal.run());
    if let Err(error) = tokio::fs::remove_dir_all(&dir).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        journal.note(format!("{} stays behind: {error}", dir.display()));
    }
}

async fn carry_out(world: &World, journal: &Journal, work: &CheckWork) -> Result<Outcome, Stop> {
    // What a worker that died left of the source's commands is nobody's; what it built may still be pushed.
    for folder in [COMMAND, HOME] {
        match tokio::fs::remove_dir_all(folder_of(world, journal.run()).join(folder)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => journal.note(format!("{folder} stays behind: {error}")),
            _ => {}
        }
    }
    let mut snapshot = world.snapshot().await?;
    let mut check = Check::new(world, journal, work, &snapshot)?;
    let merged = journal.step("merge", || merge::merge(&check)).await?;
    merge::is_here(&check, &merged).await?;
    let inputs = journal.step("inputs", || inputs::inputs(&check, snapshot.commit, &merged)).await?;
    if let Some(commit) = inputs.config.filter(|commit| snapshot.commit != Some(*commit)) {
        // A worker that takes it over goes on by what was decided on, whatever the config repository says now.
        let mirror = world.mirrors.with_commit(&world.config.url, commit).await.map_err(|e| Stop::git(&e))?;
        snapshot = world.catalogs.at(&mirror, commit).await.map_err(|e| Stop::failed(e.source.class(), e))?;
        check = Check::new(world, journal, work, &snapshot)?;
    }
    if let Some(run) = inputs.reused {
        let summary = format!("the same tree was found well in {run}, by the same instructions");
        return Ok(Outcome::Checked { key: inputs.key, digests: BTreeMap::new(), reused: Some(run), summary });
    }
    let made = image::make(&check, &merged).await?;
    let mut done = Done { summary: vec![format!("built {}", made.image)], digests: [(made.image.clone(), made.digest)].into() };
    let place = match place::from(&check.said, work) {
        Some(from) => Some(journal.step("reserve", || place::take(&check, &from)).await?),
        None => None,
    };
    let about = About { check: &check, merged: &merged, inputs: &inputs, made: &made };
    if let Err(stop) = about.tested(place.as_ref(), &mut done).await {
        if let (Some(place), Stop::Failed { .. } | Stop::Blamed { .. }) = (&place, &stop) {
            diagnosis::tell(&check, place).await;
        }
        return Err(stop);
    }
    Ok(Outcome::Checked { key: inputs.key, digests: done.digests, reused: None, summary: done.summary.join("; ") })
}

/// What a check did.
struct Done {
    summary: Vec<String>,
    digests: BTreeMap<ImageRef, Digest>,
}

/// What is deployed and tested.
struct About<'a> {
    check: &'a Check<'a>,
    merged: &'a merge::Merged,
    inputs: &'a inputs::Inputs,
    made: &'a image::Made,
}

impl About<'_> {
    /// Deploys, runs the tests, and then the source's own command.
    async fn tested(&self, place: Option<&place::Place>, done: &mut Done) -> Result<(), Stop> {
        let &Self { check, merged, inputs, made } = self;
        let mut until = check.world.clock.now().plus(check.said.timeout);
        if let Some(place) = place.filter(|_| !inputs.parts.is_empty()) {
            let prepared = parts::prepare(check, inputs, place, made).await?;
            until = prepared.began.plus(check.said.timeout);
            let components = rollout::roll_out(check, place, inputs, merged, &prepared).await?;
            done.digests.extend(prepared.digests.clone());
            done.summary.push(format!("{} well", counted(components as u64, "component")));
            let passed = trial::try_all(check, place, inputs, merged, &prepared).await?;
            if passed.tests > 0 {
                done.summary.push(format!("{}, {} passed", counted(passed.tests as u64, "test"), passed.cases));
            }
        }
        // With only some tests asked for, nothing else is run.
        if check.work.tests.is_empty() && check.said.command.is_some() {
            let passed = command::run(check, &command::About { merged, inputs, made, place, until }).await?;
            done.summary.push(match passed {
                Some(passed) => format!("the command, {passed} passed"),
                None => "the command".to_owned(),
            });
        }
        Ok(())
    }
}

/// `1 test`, `2 tests`.
fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

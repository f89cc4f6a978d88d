//! The source's own command, run in a checkout of what is checked with the namespace and the image in its environment.

use std::path::{Path, PathBuf};

use towpath_domain::{CommitId, FailureClass, Timestamp};
use towpath_engine::check::Blame;
use towpath_engine::{TestRules, test_rules};
use towpath_git::OutsideLinks;

use super::image::Made;
use super::inputs::{Inputs, Role};
use super::merge::Merged;
use super::place::Place;
use super::{Check, blame, definition, files, trial};
use crate::journal::Stop;
use crate::tested::keep::What;
use crate::work::heard::{self, reports::Looking};
use crate::work::process::{self, Program};

/// The step that runs it.
const STEP: &str = "command";

/// Where its process group is written down.
const GROUP_FILE: &str = "process-group";

/// What a command works on.
pub(super) struct About<'a> {
    pub(super) merged: &'a Merged,
    pub(super) inputs: &'a Inputs,
    pub(super) made: &'a Made,
    pub(super) place: Option<&'a Place>,
    /// Until when it may take.
    pub(super) until: Timestamp,
}

/// Runs it, where the source has one. Answers with how many test cases passed, by its reports; none where it left no reports.
pub(super) async fn run(check: &Check<'_>, about: &About<'_>) -> Result<Option<u64>, Stop> {
    let Some(command) = &check.said.command else { return Ok(None) };
    let dir = check.dir.join(super::COMMAND);
    let done = check.journal.step(STEP, || carry_out(check, about, command, &dir)).await;
    if let Err(error) = tokio::fs::remove_dir_all(&dir).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        check.journal.note(format!("{} stays behind: {error}", dir.display()));
    }
    done.map_err(|stop| blame::on(&Blame::Source, stop))
}

/// Ends what a worker that died left running of a command that works in `dir`.
pub(super) fn end_leftover(dir: &Path) {
    process::end_leftover(&dir.join(GROUP_FILE));
}

async fn carry_out(check: &Check<'_>, about: &About<'_>, command: &[String], dir: &Path) -> Result<Option<u64>, Stop> {
    let Check { world, journal, said, .. } = check;
    end_leftover(dir);
    // One that was cut short starts from a clean checkout.
    let checkout = check_out(check, about.merged, dir).await?;
    let home = check.home();
    let mut env = check.trust(&home).environment(world).await?;
    env.extend(told(check, about));
    let left = about.until.since(world.clock.now());
    let program = Program { of: "check", command, dir: &checkout, env, within: left.to_std(), group_file: dir.join(GROUP_FILE) };
    let ended = process::to_its_end(journal, program).await?;
    let (at, paths) = (checkout.clone(), said.reports.clone());
    let found = tokio::task::spawn_blocking(move || files::found(&at, &paths)).await;
    let found = found.map_err(|e| Stop::failed(FailureClass::Environment, format!("reports could not be looked for: {e}")))?;
    found.notes.iter().for_each(|note| journal.note(note));
    let what = What { commit: Some(about.merged.commit), tree: about.inputs.tested.clone() };
    let looking = Looking { trouble: found.trouble, ..Looking::default() };
    let rules = rules(check, about.inputs);
    let judged = heard::judge(
        world,
        journal,
        found.reports,
        looking,
        &heard::Rules { rules: &rules, retried: check.retried(), what, of_check: true },
    )
    .await?;
    let named = judged.reports.as_ref().and_then(|reports| reports.named_failures()).map(str::to_owned);
    let passed = judged.reports.as_ref().map(|reports| reports.passed);
    match ended {
        Ok(()) => {
            if let Some(bad) = judged.reports.and_then(|reports| reports.verdict) {
                return Err(bad);
            }
        }
        // It ended badly by tests that do not count, and by nothing else.
        Err(why) if judged.judged.explains(&judged.kept, |_| true) => match judged.judged.class() {
            None => journal.note(format!("{why}; that does not count")),
            Some(class) => return Err(Stop::failed(class, named.map_or(why.clone(), |named| format!("{why}; {named}")))),
        },
        Err(why) => return Err(Stop::own(named.map_or(why.clone(), |named| format!("{why}; {named}")))),
    }
    if let Some(excused) = judged.judged.excused() {
        journal.note(excused);
    }
    Ok(passed)
}

/// A checkout of what is checked. How a fork's is checked is said by the branch that it is for.
async fn check_out(check: &Check<'_>, merged: &Merged, dir: &Path) -> Result<PathBuf, Stop> {
    let Check { work, said, .. } = check;
    let io = |e: std::io::Error| Stop::failed(FailureClass::Environment, format!("{}: {e}", dir.display()));
    match tokio::fs::remove_dir_all(dir).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => tokio::fs::create_dir_all(dir).await.map_err(io)?,
    }
    let checkout = dir.join("checkout");
    export(check, merged.commit, &checkout).await?;
    if !work.from_fork || said.definition.is_empty() {
        return Ok(checkout);
    }
    let Some(base) = merged.base else {
        return Err(blame::environment("it is not known which commit of its branch the pull request is for"));
    };
    let from = dir.join("base");
    export(check, base, &from).await?;
    let (to, paths) = (checkout.clone(), said.definition.clone());
    let taken = tokio::task::spawn_blocking(move || definition::take_from(&from, &to, &paths)).await;
    let taken = taken.map_err(|e| Stop::failed(FailureClass::Environment, format!("taking the definition from the branch: {e}")))?;
    let wrong =
        |e: std::io::Error| Stop::own(format!("what says how it is checked cannot be taken from the branch at {}: {e}", base.short(12)));
    taken.map_err(wrong)?.iter().for_each(|line| check.journal.note(line));
    Ok(checkout)
}

async fn export(check: &Check<'_>, commit: CommitId, to: &Path) -> Result<(), Stop> {
    let stop = |e: towpath_git::GitError| Stop::failed(e.class(), e);
    let mirror = check.world.mirrors.with_commit(&check.source.url, commit).await.map_err(stop)?;
    mirror.export(commit, to, OutsideLinks::Refuse).await.map_err(stop)
}

/// What policies say of the command's tests: as of the source's own target in the reference environment, where it has one.
fn rules(check: &Check<'_>, inputs: &Inputs) -> TestRules {
    let own = inputs.parts.iter().find(|part| part.role == Role::Own).and_then(|part| check.catalog.targets.get(&part.target));
    trial::rules(own.map(|target| test_rules(&check.catalog, target)).unwrap_or_default())
}

/// What the command is told: by Towpath, and by the source's file.
fn told(check: &Check<'_>, about: &About<'_>) -> Vec<(String, String)> {
    let Check { work, source, said, journal, .. } = check;
    let About { merged, made, place, .. } = about;
    let mut env = vec![
        ("TOWPATH_SOURCE", source.name.to_string()),
        ("TOWPATH_COMMIT", merged.commit.to_string()),
        ("TOWPATH_HEAD", work.head.to_string()),
        ("TOWPATH_BRANCH", source.branch.to_string()),
        ("TOWPATH_IMAGE", made.image.name().to_owned()),
        ("TOWPATH_IMAGE_TAG", made.tag().to_owned()),
        ("TOWPATH_IMAGE_DIGEST", made.digest.to_string()),
        ("TOWPATH_RUN", journal.run().to_string()),
        ("TOWPATH_FORK", work.from_fork.to_string()),
    ];
    env.extend(work.number.map(|number| ("TOWPATH_PULL_REQUEST", number.to_string())));
    if let Some(place) = place {
        env.extend([("NAMESPACE", place.namespace.to_string()), ("TOWPATH_CLUSTER", place.cluster.to_string())]);
    }
    let env = env.into_iter().map(|(name, value)| (name.to_owned(), value));
    env.chain(said.env.iter().map(|(name, value)| (name.clone(), value.clone()))).collect()
}

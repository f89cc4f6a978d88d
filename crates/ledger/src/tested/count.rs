//! Counts the tests of a run.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{Connection, QueryBuilder, Row};
use towpath_domain::RunId;

use super::codec::{Entry, decode, encode};
use super::query::{self, Remembered};
use super::sum::{Seen, sum};
use super::{Counted, OUTCOME_BYTES_MAX, TEST_RUNS_MAX, TESTS_MAX, TestOutcome, Tested, TestedRun, Trial, test_id};
use crate::error::{Error, Result};
use crate::ledger::{Ledger, detached};
use crate::record::subject_key;
use crate::writer::held;

/// Rows of one statement.
const ROWS: usize = 64;

impl Ledger {
    /// Counts what the tests of a run did, for the worker that holds it with `epoch`. A run that was counted before is counted anew, in its place.
    ///
    /// Of several trials of the same test the worst counts: they are in different suites, and one that fails in one of them fails.
    ///
    /// # Errors
    /// [`Error::UnknownRun`], [`Error::RunOver`], [`Error::Fenced`], [`Error::ReadOnly`], [`Error::Closed`], [`Error::Environment`].
    pub async fn count_tests(&self, run: TestedRun, epoch: u64, trials: Vec<Trial>) -> Result<Counted> {
        let inner = self.inner.clone();
        detached(async move {
            let mut writer = inner.writer().await?;
            let failed = |error: sqlx::Error| Error::database("write to", &inner.file, &error);
            let counted = async {
                let mut tx = writer.db.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
                let subject = subject_key(&held(&mut tx, &run.run, epoch, &failed).await?.tests_of());
                let counted = count(&mut tx, &subject, &run, trials).await.map_err(failed)?;
                tx.commit().await.map_err(failed)?;
                Ok(counted)
            }
            .await;
            writer.settle(&inner.published, counted).await
        })
        .await
    }
}

async fn count(db: &mut SqliteConnection, subject: &str, run: &TestedRun, trials: Vec<Trial>) -> std::result::Result<Counted, sqlx::Error> {
    let trials = merged(trials);
    let mut known: HashMap<String, (i64, Tested)> =
        query::of_subject(db, subject).await?.into_iter().map(|(number, test)| (test.id.clone(), (number, test))).collect();
    let mut runs = query::runs_of(db, subject, None).await?;
    let place = place(db, subject, run, &mut runs).await?;
    let old: Vec<Remembered> = runs.drain(..runs.len().saturating_sub(TEST_RUNS_MAX)).collect();
    let Some(place) = place.checked_sub(old.len()) else { return Ok(Counted::default()) };
    let (all, mut next): (i64, i64) =
        sqlx::query_as("SELECT count(*), coalesce(max(number), 0) + 1 FROM tests").fetch_one(&mut *db).await?;
    let mut room = usize::try_from(TESTS_MAX - all).unwrap_or(0);
    let mut entries = Vec::with_capacity(trials.len());
    let mut uncounted = 0;
    let mut numbers: BTreeMap<i64, String> = BTreeMap::new();
    for ((class, name), trial) in trials {
        let id = test_id(subject, &class, &name);
        let number = match known.get(&id) {
            Some((number, _)) => *number,
            None if room == 0 => {
                uncounted += 1;
                continue;
            }
            None => {
                room -= 1;
                let (since, since_run) = (run.at, run.run.clone());
                let outcome = trial.outcome;
                let subject = subject.to_owned();
                let test = Tested { id: id.clone(), subject, class, name, outcome, since, since_run, flakes: 0, flaky_at: None };
                known.insert(id.clone(), (next, test));
                next += 1;
                next - 1
            }
        };
        numbers.insert(number, id);
        let Trial { outcome, flaky, attempts, took_ms, .. } = trial;
        entries.push(Entry { test: number, outcome, flaky, attempts, took_ms });
    }
    entries.sort_by_key(|entry| entry.test);
    if let Some(own) = runs.get_mut(place) {
        // What the same run was counted with before, and has no longer, stands otherwise, too.
        let lost: HashSet<i64> = own.entries.iter().map(|entry| entry.test).filter(|test| !numbers.contains_key(test)).collect();
        numbers.extend(known.iter().filter(|(_, (number, _))| lost.contains(number)).map(|(id, (number, _))| (*number, id.clone())));
        own.entries = entries;
        put_run(db, own, subject).await?;
    }
    let (changed, bad) = changed(&runs, &numbers, &mut known, place);
    put_tests(db, &changed).await?;
    forget(db, &old, &runs, &numbers).await?;
    make_room(db, subject).await?;
    Ok(Counted { bad, uncounted })
}

/// One trial a test: the worst of several.
fn merged(trials: Vec<Trial>) -> BTreeMap<(String, String), Trial> {
    let mut merged: BTreeMap<(String, String), Trial> = BTreeMap::new();
    for trial in trials {
        match merged.get_mut(&(trial.class.clone(), trial.name.clone())) {
            None => {
                merged.insert((trial.class.clone(), trial.name.clone()), trial);
            }
            Some(known) => {
                let weight = |outcome: TestOutcome| if outcome == TestOutcome::Skipped { -1 } else { outcome.number() };
                known.flaky |= trial.flaky;
                known.attempts = known.attempts.max(trial.attempts);
                known.took_ms = known.took_ms.max(trial.took_ms);
                if weight(trial.outcome) > weight(known.outcome) {
                    known.outcome = trial.outcome;
                }
                known.flaky &= known.outcome == TestOutcome::Passed;
            }
        }
    }
    merged
}

/// The run's place among the runs of its subject; it is added if it is new.
async fn place(
    db: &mut SqliteConnection,
    subject: &str,
    run: &TestedRun,
    runs: &mut Vec<Remembered>,
) -> std::result::Result<usize, sqlx::Error> {
    if let Some((place, known)) = runs.iter_mut().enumerate().find(|(_, known)| known.run == run.run) {
        known.tree.clone_from(&run.tree);
        return Ok(place);
    }
    let number: i64 = sqlx::query(
        "INSERT INTO test_runs (run, subject, commit_id, tree, at, outcomes) VALUES ($1, $2, $3, $4, $5, x'') RETURNING number",
    )
    .bind(run.run.as_str())
    .bind(subject)
    .bind(run.commit.map(|commit| commit.to_string()))
    .bind(&run.tree)
    .bind(run.at.as_millis())
    .fetch_one(db)
    .await?
    .try_get("number")?;
    let (commit, tree) = (run.commit, run.tree.clone());
    runs.push(Remembered { number, run: run.run.clone(), commit, tree, at: run.at, entries: Vec::new() });
    Ok(runs.len() - 1)
}

async fn put_run(db: &mut SqliteConnection, run: &Remembered, subject: &str) -> std::result::Result<(), sqlx::Error> {
    sqlx::query("UPDATE test_runs SET outcomes = $2, tree = $4 WHERE number = $1 AND subject = $3")
        .bind(run.number)
        .bind(encode(&run.entries))
        .bind(subject)
        .bind(&run.tree)
        .execute(db)
        .await?;
    Ok(())
}

/// The tests of a run, by their numbers, whose sum is another now or which are new; and those that failed in it.
fn changed(
    runs: &[Remembered],
    numbers: &BTreeMap<i64, String>,
    known: &mut HashMap<String, (i64, Tested)>,
    place: usize,
) -> (Vec<(i64, Tested)>, Vec<Tested>) {
    let histories = histories(runs, |test| numbers.contains_key(&test));
    let (mut changed, mut bad) = (Vec::new(), Vec::new());
    for (number, id) in numbers {
        let Some((_, test)) = known.get_mut(id) else { continue };
        let before = test.clone();
        let history = histories.get(number).map(Vec::as_slice).unwrap_or_default();
        if history.is_empty() {
            continue;
        }
        let is_new = history.len() == 1;
        apply(test, runs, history);
        if history.iter().any(|seen| seen.run == place && seen.outcome.is_bad()) {
            bad.push(test.clone());
        }
        if is_new || *test != before {
            changed.push((*number, test.clone()));
        }
    }
    (changed, bad)
}

/// The outcomes of the wanted tests over these runs, oldest first.
pub(super) fn histories(runs: &[Remembered], wanted: impl Fn(i64) -> bool) -> HashMap<i64, Vec<Seen<'_>>> {
    let mut histories: HashMap<i64, Vec<Seen<'_>>> = HashMap::new();
    for (run, of) in runs.iter().enumerate() {
        for entry in of.entries.iter().filter(|entry| wanted(entry.test)) {
            let seen = Seen { run, tree: &of.tree, outcome: entry.outcome, flaky: entry.flaky };
            histories.entry(entry.test).or_default().push(seen);
        }
    }
    histories
}

/// Makes the test say what its outcomes add up to.
pub(super) fn apply(test: &mut Tested, runs: &[Remembered], history: &[Seen<'_>]) {
    let Some(sum) = sum(history) else { return };
    test.outcome = sum.outcome;
    test.flakes = sum.flakes;
    test.flaky_at = sum.flaky_in.and_then(|run| runs.get(run)).map(|run| run.at);
    if let Some(since) = runs.get(sum.since) {
        (test.since, test.since_run) = (since.at, since.run.clone());
    }
}

async fn put_tests(db: &mut SqliteConnection, tests: &[(i64, Tested)]) -> std::result::Result<(), sqlx::Error> {
    for some in tests.chunks(ROWS) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO tests (number, id, subject, class, name, outcome, since, since_run, flakes, flaky_at) ",
        );
        insert.push_values(some, |mut row, (number, test)| {
            row.push_bind(*number)
                .push_bind(&test.id)
                .push_bind(&test.subject)
                .push_bind(&test.class)
                .push_bind(&test.name)
                .push_bind(test.outcome.number())
                .push_bind(test.since.as_millis())
                .push_bind(test.since_run.as_str())
                .push_bind(i64::from(test.flakes))
                .push_bind(test.flaky_at.map(|at| at.as_millis()));
        });
        insert.push(
            " ON CONFLICT (number) DO UPDATE SET outcome = excluded.outcome, since = excluded.since, since_run = excluded.since_run,
             flakes = excluded.flakes, flaky_at = excluded.flaky_at",
        );
        insert.build().execute(&mut *db).await?;
    }
    Ok(())
}

/// Forgets old runs, and the tests that none of the others has.
async fn forget(
    db: &mut SqliteConnection,
    old: &[Remembered],
    kept: &[Remembered],
    touched: &BTreeMap<i64, String>,
) -> std::result::Result<(), sqlx::Error> {
    let there: HashSet<i64> = kept.iter().flat_map(|run| &run.entries).map(|entry| entry.test).collect();
    let of_old = old.iter().flat_map(|run| &run.entries).map(|entry| entry.test);
    let gone: BTreeSet<i64> = of_old.chain(touched.keys().copied()).filter(|test| !there.contains(test)).collect();
    delete(db, "DELETE FROM tests WHERE number IN (", &gone.into_iter().collect::<Vec<_>>()).await?;
    delete(db, "DELETE FROM test_runs WHERE number IN (", &old.iter().map(|run| run.number).collect::<Vec<_>>()).await
}

/// Forgets the oldest runs of all, while they take too much.
async fn make_room(db: &mut SqliteConnection, but: &str) -> std::result::Result<(), sqlx::Error> {
    loop {
        let bytes: i64 = sqlx::query_scalar("SELECT coalesce(sum(length(outcomes)), 0) FROM test_runs").fetch_one(&mut *db).await?;
        let oldest = sqlx::query("SELECT subject FROM test_runs WHERE subject <> $1 ORDER BY number LIMIT 1").bind(but);
        let Some(oldest) = oldest.fetch_optional(&mut *db).await?.filter(|_| bytes > OUTCOME_BYTES_MAX) else { return Ok(()) };
        let mut old = query::runs_of(db, &oldest.try_get::<String, _>("subject")?, None).await?;
        let kept = old.split_off(1);
        forget(db, &old, &kept, &BTreeMap::new()).await?;
    }
}

async fn delete(db: &mut SqliteConnection, begin: &'static str, numbers: &[i64]) -> std::result::Result<(), sqlx::Error> {
    for some in numbers.chunks(500) {
        let mut sql = QueryBuilder::<Sqlite>::new(begin);
        let mut list = sql.separated(", ");
        some.iter().for_each(|number| {
            list.push_bind(*number);
        });
        sql.push(")").build().execute(&mut *db).await?;
    }
    Ok(())
}

/// A run as its row says.
pub(super) fn remembered(row: &sqlx::sqlite::SqliteRow) -> std::result::Result<Remembered, sqlx::Error> {
    let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
    let run: String = row.try_get("run")?;
    let commit: Option<String> = row.try_get("commit_id")?;
    let bytes: Vec<u8> = row.try_get("outcomes")?;
    Ok(Remembered {
        number: row.try_get("number")?,
        run: RunId::new(run).map_err(|error| unreadable(error.into()))?,
        commit: commit.map(|text| text.parse()).transpose().map_err(|error: towpath_domain::CommitIdError| unreadable(error.into()))?,
        tree: row.try_get("tree")?,
        at: towpath_domain::Timestamp::from_millis(row.try_get("at")?),
        entries: decode(&bytes).ok_or_else(|| unreadable("column outcomes: it is no list of outcomes".into()))?,
    })
}

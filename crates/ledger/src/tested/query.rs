//! Questions about tests.

use std::collections::HashMap;

use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row};
use towpath_domain::{CommitId, RunId, Timestamp};

use super::codec::Entry;
use super::count::{apply, histories, remembered};
use super::{TestOutcome, TestTime, Tested};
use crate::error::Result;
use crate::ledger::Ledger;
use crate::query::{MAX_PAGE, Page};

/// A run that is remembered, with the outcomes of its tests.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Remembered {
    pub(super) number: i64,
    pub(super) run: RunId,
    pub(super) commit: Option<CommitId>,
    pub(super) tree: String,
    pub(super) at: Timestamp,
    pub(super) entries: Vec<Entry>,
}

/// How a test stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestStanding {
    /// It failed last.
    Failing,
    /// It was found to be flaky then or later.
    FlakySince(Timestamp),
}

/// Which tests are asked for: flaky ones first, the most often found first, then failing ones, then by name. All that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct TestFilter {
    /// Of one of these subjects ([`subject_key`](crate::subject_key)).
    pub subjects: Option<Vec<String>>,
    /// With this text in class or name, in any case.
    pub text: Option<String>,
    /// That stand so.
    pub standing: Option<TestStanding>,
    /// After so many others.
    pub skip: u32,
}

impl Ledger {
    /// Tests that match, at most `limit` (and [`MAX_PAGE`]) of them.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub async fn tests(&self, filter: &TestFilter, limit: u32) -> Result<Page<Tested>> {
        let limit = limit.min(MAX_PAGE);
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM tests WHERE 1 = 1");
        if let Some(subjects) = &filter.subjects {
            sql.push(" AND subject IN (");
            let mut list = sql.separated(", ");
            subjects.iter().for_each(|subject| {
                list.push_bind(subject);
            });
            sql.push(")");
        }
        if let Some(text) = &filter.text {
            let pattern = crate::query::like(text);
            sql.push(" AND (class LIKE ")
                .push_bind(pattern.clone())
                .push(" ESCAPE '!' OR name LIKE ")
                .push_bind(pattern)
                .push(" ESCAPE '!')");
        }
        match filter.standing {
            Some(TestStanding::Failing) => sql.push(" AND outcome >= ").push_bind(TestOutcome::Failed.number()),
            Some(TestStanding::FlakySince(at)) => sql.push(" AND flaky_at >= ").push_bind(at.as_millis()),
            None => &mut sql,
        };
        sql.push(" ORDER BY flakes DESC, outcome >= ").push_bind(TestOutcome::Failed.number());
        sql.push(" DESC, class, name, id LIMIT ").push_bind(i64::from(limit) + 1).push(" OFFSET ").push_bind(i64::from(filter.skip));
        let mut db = self.reader().await?;
        let found = sql.build().fetch_all(&mut *db).await.map_err(self.reading())?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let rows = found.iter().take(limit).map(|row| Ok(test(row)?.1)).collect::<std::result::Result<Vec<_>, _>>();
        Ok(Page { rows: rows.map_err(self.reading())?, more: found.len() > limit })
    }

    /// One test, by its stable name.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub async fn test(&self, id: &str) -> Result<Option<Tested>> {
        Ok(self.numbered(id).await?.map(|(_, test)| test))
    }

    /// The times that a test ran, as far as they are remembered, newest first; none for an unknown one.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub async fn test_times(&self, id: &str) -> Result<Vec<TestTime>> {
        let Some((number, test)) = self.numbered(id).await? else { return Ok(Vec::new()) };
        let mut db = self.reader().await?;
        let runs = runs_of(&mut db, &test.subject, None).await.map_err(self.reading())?;
        let time = |run: Remembered| {
            let at = run.entries.binary_search_by_key(&number, |entry| entry.test).ok()?;
            let Entry { outcome, flaky, attempts, took_ms, .. } = *run.entries.get(at)?;
            Some(TestTime { run: run.run, commit: run.commit, tree: run.tree, at: run.at, outcome, flaky, attempts, took_ms })
        };
        Ok(runs.into_iter().rev().filter_map(time).collect())
    }

    /// The tests of a run that failed in it or were flaky, as they stood when it had ended; none for a run that was not counted, or is forgotten.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub async fn tests_of(&self, run: &RunId) -> Result<Vec<Tested>> {
        let mut db = self.reader().await?;
        let row = sqlx::query("SELECT number, subject FROM test_runs WHERE run = $1").bind(run.as_str()).fetch_optional(&mut *db).await;
        let Some(row) = row.map_err(self.reading())? else { return Ok(Vec::new()) };
        let (number, subject) =
            row.try_get("number").and_then(|number: i64| Ok((number, row.try_get::<String, _>("subject")?))).map_err(self.reading())?;
        let runs = runs_of(&mut db, &subject, Some(number)).await.map_err(self.reading())?;
        let own = runs.last().map(|run| run.entries.as_slice()).unwrap_or_default();
        let told: Vec<i64> = own.iter().filter(|entry| entry.outcome.is_bad() || entry.flaky).map(|entry| entry.test).collect();
        let histories = histories(&runs, |test| told.binary_search(&test).is_ok());
        let mut tests = Vec::with_capacity(told.len());
        for some in told.chunks(500) {
            let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM tests WHERE number IN (");
            let mut list = sql.separated(", ");
            some.iter().for_each(|number| {
                list.push_bind(*number);
            });
            let found = sql.push(")").build().fetch_all(&mut *db).await.map_err(self.reading())?;
            for row in &found {
                let (number, mut test) = test(row).map_err(self.reading())?;
                apply(&mut test, &runs, histories.get(&number).map(Vec::as_slice).unwrap_or_default());
                tests.push(test);
            }
        }
        Ok(tests)
    }

    /// Whose runs tests are remembered of ([`subject_key`](crate::subject_key)), and how many of each.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub async fn tested_subjects(&self) -> Result<HashMap<String, u64>> {
        let mut db = self.reader().await?;
        let found: Vec<(String, i64)> =
            sqlx::query_as("SELECT subject, count(*) FROM tests GROUP BY subject").fetch_all(&mut *db).await.map_err(self.reading())?;
        Ok(found.into_iter().map(|(subject, count)| (subject, u64::try_from(count).unwrap_or(0))).collect())
    }

    async fn numbered(&self, id: &str) -> Result<Option<(i64, Tested)>> {
        let mut db = self.reader().await?;
        let row = sqlx::query("SELECT * FROM tests WHERE id = $1").bind(id).fetch_optional(&mut *db).await.map_err(self.reading())?;
        row.as_ref().map(test).transpose().map_err(self.reading())
    }
}

/// All tests of a subject, with their numbers.
pub(super) async fn of_subject(db: &mut SqliteConnection, subject: &str) -> std::result::Result<Vec<(i64, Tested)>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM tests WHERE subject = $1").bind(subject).fetch_all(db).await?;
    rows.iter().map(test).collect()
}

/// The remembered runs of a subject, oldest first; those up to a number, if one is given.
pub(super) async fn runs_of(
    db: &mut SqliteConnection,
    subject: &str,
    to: Option<i64>,
) -> std::result::Result<Vec<Remembered>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM test_runs WHERE subject = $1 AND number <= $2 ORDER BY number")
        .bind(subject)
        .bind(to.unwrap_or(i64::MAX))
        .fetch_all(db)
        .await?;
    rows.iter().map(remembered).collect()
}

fn test(row: &SqliteRow) -> std::result::Result<(i64, Tested), sqlx::Error> {
    let outcome: i64 = row.try_get("outcome")?;
    let since_run: String = row.try_get("since_run")?;
    let test = Tested {
        id: row.try_get("id")?,
        subject: row.try_get("subject")?,
        class: row.try_get("class")?,
        name: row.try_get("name")?,
        outcome: TestOutcome::from_number(outcome).ok_or_else(|| sqlx::Error::Decode("column outcome: there is no such outcome".into()))?,
        since: Timestamp::from_millis(row.try_get("since")?),
        since_run: RunId::new(since_run).map_err(|error| sqlx::Error::Decode(error.into()))?,
        flakes: u32::try_from(row.try_get::<i64, _>("flakes")?).unwrap_or(u32::MAX),
        flaky_at: row.try_get::<Option<i64>, _>("flaky_at")?.map(Timestamp::from_millis),
    };
    Ok((row.try_get("number")?, test))
}

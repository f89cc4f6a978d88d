//! Questions to the ledger. They see what is committed, and hold up nobody.

use sqlx::QueryBuilder;
use sqlx::sqlite::Sqlite;
use towpath_domain::{CommitId, RunId, Timestamp};
use towpath_engine::Subject;

use crate::db::rows;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::record::{EventId, Recorded, subject_key};
use crate::run::{Run, RunState, Step, StepState, WorkKind};

/// The most rows that one question answers with, whatever was asked for.
pub const MAX_PAGE: u32 = 1000;

/// Which of two ends comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest.
    #[default]
    NewestFirst,
    /// The oldest.
    OldestFirst,
}

/// Which events are asked for. All that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// About this subject; events of its runs included.
    pub subject: Option<Subject>,
    /// Of this run.
    pub run: Option<RunId>,
    /// Of this kind ([`crate::event_kind`]).
    pub kind: Option<String>,
    /// About this commit ([`crate::event_commits`]).
    pub commit: Option<CommitId>,
    /// Caused by this event.
    pub cause: Option<EventId>,
    /// Recorded after this event.
    pub after: Option<EventId>,
    /// Recorded before this event.
    pub before: Option<EventId>,
    /// Not recorded earlier than this.
    pub since: Option<Timestamp>,
    /// Recorded earlier than this.
    pub until: Option<Timestamp>,
    /// With this text in them or in their actor, in any case.
    pub text: Option<String>,
    /// Which come first.
    pub order: Order,
}

/// Which runs are asked for, newest first. All that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// About this subject.
    pub subject: Option<Subject>,
    /// This far.
    pub state: Option<RunState>,
    /// Doing this.
    pub kind: Option<WorkKind>,
    /// Ended like this ([`crate::outcome_kind`]).
    pub outcome: Option<String>,
    /// Queued before this event: the [`Run::queued`] of the last row of the page before.
    pub before: Option<EventId>,
}

/// A part of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// There are more: ask again from the last row on.
    pub more: bool,
}

impl Ledger {
    /// Events that match, at most `limit` (and [`MAX_PAGE`]) of them.
    ///
    /// # Errors
    /// [`Error::Environment`], [`Error::Damaged`], [`Error::Closed`]; so all questions here.
    pub async fn events(&self, filter: &EventFilter, limit: u32) -> Result<Page<Recorded>> {
        let mut sql = Where::new("SELECT id, cause, at, actor, body FROM events");
        sql.eq("subject", filter.subject.as_ref().map(subject_key));
        sql.eq("run", filter.run.as_ref().map(|run| run.as_str().to_owned()));
        // Of one thing there are few events, of a kind very many. SQLite cannot know, and must not take the index over kinds for the better one:
        // a column with a plus before it is looked at, but not searched by.
        let narrow = filter.commit.is_some() || filter.run.is_some() || filter.subject.is_some() || filter.cause.is_some();
        sql.eq(if narrow { "+kind" } else { "kind" }, filter.kind.clone());
        if let Some(commit) = filter.commit {
            sql.and().push("id IN (SELECT event FROM commits WHERE commit_id = ").push_bind(commit.to_string()).push(")");
        }
        sql.number("cause = ", filter.cause.map(EventId::get));
        sql.number("id > ", filter.after.map(EventId::get));
        sql.number("id < ", filter.before.map(EventId::get));
        sql.number("at >= ", filter.since.as_ref().map(Timestamp::as_millis));
        sql.number("at < ", filter.until.as_ref().map(Timestamp::as_millis));
        if let Some(text) = &filter.text {
            let pattern = like(text);
            sql.and()
                .push("(body LIKE ")
                .push_bind(pattern.clone())
                .push(" ESCAPE '!' OR actor LIKE ")
                .push_bind(pattern)
                .push(" ESCAPE '!')");
        }
        let order = if filter.order == Order::NewestFirst { " ORDER BY id DESC" } else { " ORDER BY id ASC" };
        self.page(sql, order, limit, rows::event).await
    }

    /// One event.
    ///
    /// # Errors
    /// [`Error::UnknownEvent`].
    pub async fn event(&self, id: EventId) -> Result<Recorded> {
        let mut db = self.reader().await?;
        let row = sqlx::query("SELECT id, cause, at, actor, body FROM events WHERE id = $1")
            .bind(id.get())
            .fetch_optional(&mut *db)
            .await
            .map_err(self.reading())?;
        rows::event(&row.ok_or(Error::UnknownEvent { id })?).map_err(self.reading())
    }

    /// An event and what led to it: the event first, then its cause, and so on to where it all began.
    ///
    /// # Errors
    /// [`Error::UnknownEvent`].
    pub async fn causes(&self, id: EventId) -> Result<Vec<Recorded>> {
        let mut db = self.reader().await?;
        // A cause is always earlier, so this ends.
        let found = sqlx::query(
            "WITH RECURSIVE chain (id, cause) AS (
                 SELECT id, cause FROM events WHERE id = $1
                 UNION SELECT events.id, events.cause FROM events JOIN chain ON events.id = chain.cause)
             SELECT id, cause, at, actor, body FROM events WHERE id IN (SELECT id FROM chain) ORDER BY id DESC",
        )
        .bind(id.get())
        .fetch_all(&mut *db)
        .await
        .map_err(self.reading())?;
        if found.is_empty() {
            return Err(Error::UnknownEvent { id });
        }
        found.iter().map(rows::event).collect::<std::result::Result<_, _>>().map_err(self.reading())
    }

    /// Runs that match, newest first, at most `limit` (and [`MAX_PAGE`]) of them.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub async fn runs(&self, filter: &RunFilter, limit: u32) -> Result<Page<Run>> {
        let mut sql = Where::new("SELECT * FROM runs");
        sql.eq("subject", filter.subject.as_ref().map(subject_key));
        // As with events: of one subject there are few runs, of a state or an outcome many.
        let (state, outcome) = if filter.subject.is_some() { ("+state", "+outcome_kind") } else { ("state", "outcome_kind") };
        sql.eq(state, filter.state.map(|state| state.as_str().to_owned()));
        sql.eq("kind", filter.kind.map(|kind| kind.as_str().to_owned()));
        sql.eq(outcome, filter.outcome.clone());
        sql.number("queued < ", filter.before.map(EventId::get));
        self.page(sql, " ORDER BY queued DESC, id", limit, rows::run_of).await
    }

    /// Runs that ended after the event `after`, in the order in which they did, at most `limit` (and [`MAX_PAGE`]) of them.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub async fn ended_after(&self, after: EventId, limit: u32) -> Result<Page<Run>> {
        let mut sql = Where::new("SELECT * FROM runs");
        sql.number("finished > ", Some(after.get()));
        self.page(sql, " ORDER BY finished", limit, rows::run_of).await
    }

    /// Reports that tests left after the event `after`: run, the step's first event, and what it found; oldest first, at most `limit` (and
    /// [`MAX_PAGE`]) of them.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub async fn reports_after(&self, after: EventId, limit: u32) -> Result<Page<(RunId, EventId, serde_json::Value)>> {
        let mut sql = Where::new("SELECT run, first, output FROM steps");
        sql.and().push("name = 'reports'");
        sql.and().push("output IS NOT NULL");
        sql.number("first > ", Some(after.get()));
        self.page(sql, " ORDER BY first", limit, rows::report).await
    }

    /// One run.
    ///
    /// # Errors
    /// [`Error::UnknownRun`].
    pub async fn run(&self, id: &RunId) -> Result<Run> {
        let mut db = self.reader().await?;
        rows::run(&mut db, id).await.map_err(self.reading())?.ok_or_else(|| Error::UnknownRun { run: id.clone() })
    }

    /// A run's steps, in the order in which they first began; none for an unknown run.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub async fn steps(&self, run: &RunId) -> Result<Vec<Step>> {
        let mut db = self.reader().await?;
        let found = sqlx::query("SELECT * FROM steps WHERE run = $1 ORDER BY first")
            .bind(run.as_str())
            .fetch_all(&mut *db)
            .await
            .map_err(self.reading())?;
        found.iter().map(rows::step_of).collect::<std::result::Result<_, _>>().map_err(self.reading())
    }

    /// What a step found, when it is done: a resumed run then skips it.
    ///
    /// # Errors
    /// As [`Self::events`].
    pub async fn step_output(&self, run: &RunId, step: &str) -> Result<Option<serde_json::Value>> {
        let mut db = self.reader().await?;
        let row = rows::step(&mut db, run, step).await.map_err(self.reading())?;
        Ok(row.filter(|row| row.state == StepState::Done).and_then(|row| row.output))
    }

    async fn page<T>(
        &self,
        mut sql: Where,
        order: &'static str,
        limit: u32,
        read: impl Fn(&sqlx::sqlite::SqliteRow) -> std::result::Result<T, sqlx::Error>,
    ) -> Result<Page<T>> {
        let limit = limit.min(MAX_PAGE);
        sql.sql.push(order).push(" LIMIT ").push_bind(i64::from(limit) + 1);
        let mut db = self.reader().await?;
        let found = sql.sql.build().fetch_all(&mut *db).await.map_err(self.reading())?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let rows = found.iter().take(limit).map(read).collect::<std::result::Result<Vec<_>, _>>().map_err(self.reading())?;
        Ok(Page { rows, more: found.len() > limit })
    }

    pub(crate) async fn reader(&self) -> Result<sqlx::pool::PoolConnection<Sqlite>> {
        self.inner.readers.acquire().await.map_err(self.reading())
    }

    pub(crate) fn reading(&self) -> impl Fn(sqlx::Error) -> Error + '_ {
        |error| Error::database("read", &self.inner.file, &error)
    }
}

/// A `SELECT` whose conditions are added one by one.
struct Where {
    sql: QueryBuilder<Sqlite>,
    any: bool,
}

impl Where {
    fn new(select: &'static str) -> Self {
        Self { sql: QueryBuilder::new(select), any: false }
    }

    fn and(&mut self) -> &mut QueryBuilder<Sqlite> {
        self.sql.push(if self.any { " AND " } else { " WHERE " });
        self.any = true;
        &mut self.sql
    }

    fn eq(&mut self, column: &'static str, value: Option<String>) {
        if let Some(value) = value {
            self.and().push(column).push(" = ").push_bind(value);
        }
    }

    fn number(&mut self, condition: &'static str, value: Option<i64>) {
        if let Some(value) = value {
            self.and().push(condition).push_bind(value);
        }
    }
}

/// A `LIKE` pattern for a text anywhere, its own wildcards taken literally.
pub(crate) fn like(text: &str) -> String {
    format!("%{}%", text.replace('!', "!!").replace('%', "!%").replace('_', "!_"))
}

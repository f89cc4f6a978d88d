//! Who is signed in, and the tokens of programs.
//!
//! Of a secret only its SHA-256 comes here. That is enough, without salt or stretching, because each secret is 256 random bits: nobody can
//! try them all, nor make tables of them beforehand.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use towpath_domain::{Span, Timestamp};

use crate::error::{Error, Result};
use crate::ledger::{Ledger, detached};

/// For how long a token that has ended is still listed, so that people see what became of it.
const ENDED_KEPT: Span = Span::from_secs(90 * 24 * 3600);

/// Somebody as an identity provider knows them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The provider.
    pub issuer: String,
    /// What it calls them, and nobody else ever.
    pub subject: String,
    /// The name that the organisation knows them by.
    pub username: String,
}

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of its secret, in hex.
    pub hash: String,
    /// Who it is.
    pub identity: Identity,
    /// Since when.
    pub began: Timestamp,
    /// When they were last seen; noted now and then only.
    pub seen: Timestamp,
    /// When it ends, whatever happens.
    pub ends: Timestamp,
}

/// A token of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its name for the machine, which is no secret.
    pub id: String,
    /// SHA-256 of the token, in hex.
    pub hash: String,
    /// Its name for people.
    pub name: String,
    /// Whose it is; none for a machine's.
    pub owner: Option<Identity>,
    /// What it is restricted to, in the words of whoever made it: JSON.
    pub allows: String,
    /// The token that it was made with; it ends with it.
    pub parent: Option<String>,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
    /// When it was last used; noted now and then only.
    pub used: Option<Timestamp>,
    /// When it was taken back.
    pub revoked: Option<Timestamp>,
}

impl Ledger {
    /// All sessions.
    ///
    /// # Errors
    /// [`Error::Environment`], [`Error::Damaged`].
    pub async fn sessions(&self) -> Result<Vec<Session>> {
        let mut db = self.reader().await?;
        let rows = sqlx::query("SELECT * FROM sessions ORDER BY began, hash").fetch_all(&mut *db).await.map_err(self.reading())?;
        rows.iter().map(session).collect::<std::result::Result<_, _>>().map_err(self.reading())
    }

    /// Keeps a session, new or changed, and forgets those that have ended.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Closed`], [`Error::Environment`].
    pub async fn keep_session(&self, session: &Session, now: Timestamp) -> Result<()> {
        let (inner, session) = (self.inner.clone(), session.clone());
        detached(async move {
            let failed = |error: sqlx::Error| Error::database("write to", &inner.file, &error);
            let mut writer = inner.writer().await?;
            let Session { hash, identity: Identity { issuer, subject, username }, began, seen, ends } = session;
            sqlx::query("DELETE FROM sessions WHERE ends <= $1").bind(now.as_millis()).execute(&mut writer.db).await.map_err(failed)?;
            sqlx::query(
                "INSERT INTO sessions (hash, issuer, subject, username, began, seen, ends) VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (hash) DO UPDATE SET seen = excluded.seen",
            )
            .bind(hash)
            .bind(issuer)
            .bind(subject)
            .bind(username)
            .bind(began.as_millis())
            .bind(seen.as_millis())
            .bind(ends.as_millis())
            .execute(&mut writer.db)
            .await
            .map_err(failed)?;
            Ok(())
        })
        .await
    }

    /// Forgets a session.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Closed`], [`Error::Environment`].
    pub async fn forget_session(&self, hash: &str) -> Result<()> {
        let (inner, hash) = (self.inner.clone(), hash.to_owned());
        detached(async move {
            let mut writer = inner.writer().await?;
            let done = sqlx::query("DELETE FROM sessions WHERE hash = $1").bind(hash).execute(&mut writer.db).await;
            done.map(|_| ()).map_err(|error| Error::database("write to", &inner.file, &error))
        })
        .await
    }

    /// All tokens, those included that have ended of late.
    ///
    /// # Errors
    /// [`Error::Environment`], [`Error::Damaged`].
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        let mut db = self.reader().await?;
        let rows = sqlx::query("SELECT * FROM tokens ORDER BY made, id").fetch_all(&mut *db).await.map_err(self.reading())?;
        rows.iter().map(token).collect::<std::result::Result<_, _>>().map_err(self.reading())
    }

    /// Keeps a token, new or changed, and forgets those that ended long ago. Of one that is known, only its use and its end change.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Closed`], [`Error::Environment`].
    pub async fn keep_token(&self, token: &Token, now: Timestamp) -> Result<()> {
        let (inner, token) = (self.inner.clone(), token.clone());
        let oldest = now.as_millis().saturating_sub(i64::try_from(ENDED_KEPT.as_millis()).unwrap_or(i64::MAX));
        detached(async move {
            let failed = |error: sqlx::Error| Error::database("write to", &inner.file, &error);
            let mut writer = inner.writer().await?;
            // A child never ends after its parent, so a parent goes last.
            sqlx::query("DELETE FROM tokens WHERE ends < $1 AND id NOT IN (SELECT parent FROM tokens WHERE parent IS NOT NULL)")
                .bind(oldest)
                .execute(&mut writer.db)
                .await
                .map_err(failed)?;
            let (issuer, subject, username) = match token.owner {
                Some(Identity { issuer, subject, username }) => (Some(issuer), Some(subject), Some(username)),
                None => (None, None, None),
            };
            sqlx::query(
                "INSERT INTO tokens (id, hash, name, issuer, subject, username, allows, parent, made_by, made, ends, used, revoked)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
                 ON CONFLICT (id) DO UPDATE SET used = excluded.used, revoked = excluded.revoked",
            )
            .bind(token.id)
            .bind(token.hash)
            .bind(token.name)
            .bind(issuer)
            .bind(subject)
            .bind(username)
            .bind(token.allows)
            .bind(token.parent)
            .bind(token.made_by)
            .bind(token.made.as_millis())
            .bind(token.ends.as_millis())
            .bind(token.used.map(|at| at.as_millis()))
            .bind(token.revoked.map(|at| at.as_millis()))
            .execute(&mut writer.db)
            .await
            .map_err(failed)?;
            Ok(())
        })
        .await
    }
}

type Read<T> = std::result::Result<T, sqlx::Error>;

fn at(row: &SqliteRow, column: &str) -> Read<Timestamp> {
    row.try_get(column).map(Timestamp::from_millis)
}

fn session(row: &SqliteRow) -> Read<Session> {
    let identity = Identity { issuer: row.try_get("issuer")?, subject: row.try_get("subject")?, username: row.try_get("username")? };
    Ok(Session { hash: row.try_get("hash")?, identity, began: at(row, "began")?, seen: at(row, "seen")?, ends: at(row, "ends")? })
}

fn token(row: &SqliteRow) -> Read<Token> {
    let owner = match row.try_get::<Option<String>, _>("issuer")? {
        Some(issuer) => Some(Identity { issuer, subject: row.try_get("subject")?, username: row.try_get("username")? }),
        None => None,
    };
    let maybe = |column: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis));
    Ok(Token {
        id: row.try_get("id")?,
        hash: row.try_get("hash")?,
        name: row.try_get("name")?,
        owner,
        allows: row.try_get("allows")?,
        parent: row.try_get("parent")?,
        made_by: row.try_get("made_by")?,
        made: at(row, "made")?,
        ends: at(row, "ends")?,
        used: maybe("used")?,
        revoked: maybe("revoked")?,
    })
}

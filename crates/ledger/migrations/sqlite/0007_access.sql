-- Who is signed in, and the tokens of programs. Not from events: they end by themselves. Of every secret only a SHA-256 is here, so that whoever
-- reads a backup can use none of them.
CREATE TABLE sessions (
    hash     TEXT NOT NULL PRIMARY KEY,
    -- Who it is, in the words of the identity provider.
    issuer   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    username TEXT NOT NULL,
    began    INTEGER NOT NULL,
    seen     INTEGER NOT NULL,
    ends     INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_end ON sessions (ends);

CREATE TABLE tokens (
    id       TEXT NOT NULL PRIMARY KEY,
    hash     TEXT NOT NULL UNIQUE,
    name     TEXT NOT NULL,
    -- Whose it is, in the words of the identity provider; NULL for a machine's.
    issuer   TEXT,
    subject  TEXT,
    username TEXT,
    -- What it is restricted to: JSON.
    allows   TEXT NOT NULL,
    -- The token that it was made with; it ends with it.
    parent   TEXT REFERENCES tokens (id),
    made_by  TEXT NOT NULL,
    made     INTEGER NOT NULL,
    ends     INTEGER NOT NULL,
    used     INTEGER,
    revoked  INTEGER,
    CHECK ((issuer IS NULL) = (subject IS NULL) AND (subject IS NULL) = (username IS NULL))
) STRICT;

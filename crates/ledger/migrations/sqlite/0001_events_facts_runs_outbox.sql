-- Times are milliseconds since 1970. JSON is text. Only `events` is the truth: facts, runs, steps and the outbox are
-- what the events add up to, and can be checked against them. Leases and the sinks' positions are the exception.

CREATE TABLE events (
    id      INTEGER PRIMARY KEY CHECK (id > 0),
    cause   INTEGER REFERENCES events (id),
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    kind    TEXT NOT NULL,
    subject TEXT,
    run     TEXT,
    body    TEXT NOT NULL,
    -- A hash over this row and the hash of the row before: an edit or a gap shows.
    chain   TEXT NOT NULL,
    CHECK (cause < id)
) STRICT;
CREATE INDEX events_by_run ON events (run, id);
CREATE INDEX events_by_subject ON events (subject, id);
CREATE INDEX events_by_kind ON events (kind, id);
CREATE INDEX events_by_cause ON events (cause, id);

-- The last event: shows when the newest events were cut off.
CREATE TABLE head (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    event INTEGER NOT NULL,
    chain TEXT NOT NULL
) STRICT;
INSERT INTO head (one, event, chain) VALUES (1, 0, '');

CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- The Towpath that counted facts, runs and steps. Another one counts them anew, by its own rules.
CREATE TABLE counted (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    version TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    subject      TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('queued', 'running', 'finished')),
    spec         TEXT NOT NULL,
    queued       INTEGER NOT NULL REFERENCES events (id),
    queued_at    INTEGER NOT NULL,
    started      INTEGER REFERENCES events (id),
    started_at   INTEGER,
    finished     INTEGER REFERENCES events (id),
    finished_at  INTEGER,
    outcome      TEXT,
    outcome_kind TEXT,
    worker       TEXT,
    epoch        INTEGER NOT NULL DEFAULT 0,
    cancel       TEXT,
    -- Not from events: until when the worker is believed to live.
    lease_until  INTEGER
) STRICT;
CREATE INDEX runs_by_state ON runs (state, queued);
CREATE INDEX runs_by_subject ON runs (subject, queued);
CREATE INDEX runs_by_queued ON runs (queued);

CREATE TABLE steps (
    run         TEXT NOT NULL REFERENCES runs (id),
    name        TEXT NOT NULL,
    first       INTEGER NOT NULL REFERENCES events (id),
    state       TEXT NOT NULL CHECK (state IN ('running', 'done')),
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    output      TEXT,
    PRIMARY KEY (run, name)
) STRICT;

-- Events that people want to hear of.
CREATE TABLE outbox (
    event INTEGER PRIMARY KEY REFERENCES events (id)
) STRICT;

-- How far each way of telling people has come. `settled` is the last event that is told or given up.
CREATE TABLE sinks (
    name     TEXT PRIMARY KEY,
    settled  INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error    TEXT
) STRICT;

CREATE TABLE dead_letters (
    sink     TEXT NOT NULL REFERENCES sinks (name),
    event    INTEGER NOT NULL REFERENCES events (id),
    at       INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    error    TEXT NOT NULL,
    PRIMARY KEY (sink, event)
) STRICT;

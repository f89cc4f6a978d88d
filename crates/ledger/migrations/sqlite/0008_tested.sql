-- What tests did. Not from events: it is counted from reports as they come, bounded, and lets nothing through by itself. It goes into every backup.
CREATE TABLE tests (
    number    INTEGER PRIMARY KEY,
    -- A hash of what follows: the address of its page.
    id        TEXT NOT NULL UNIQUE,
    -- Whose runs it belongs to: a key as in `runs`.
    subject   TEXT NOT NULL,
    class     TEXT NOT NULL,
    name      TEXT NOT NULL,
    -- What follows is what its kept outcomes add up to.
    outcome   INTEGER NOT NULL,
    since     INTEGER NOT NULL,
    since_run TEXT NOT NULL,
    flakes    INTEGER NOT NULL,
    flaky_at  INTEGER
) STRICT;
CREATE INDEX tests_by_subject ON tests (subject);
CREATE INDEX tests_flaky ON tests (flaky_at) WHERE flaky_at IS NOT NULL;

-- Runs that tests were counted of, the newest last, with all outcomes of one in a row.
CREATE TABLE test_runs (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    run       TEXT NOT NULL UNIQUE,
    subject   TEXT NOT NULL,
    commit_id TEXT,
    -- What was tested: the same for what is the same.
    tree      TEXT NOT NULL,
    at        INTEGER NOT NULL,
    outcomes  BLOB NOT NULL
) STRICT;
CREATE INDEX test_runs_by_subject ON test_runs (subject, number);

-- Requests that are to be done once, by the key that their sender gave them. No facts: nothing is derived from them, and they are forgotten in time.
CREATE TABLE once (
    key     TEXT NOT NULL PRIMARY KEY,
    -- What tells this request from another one with the same key.
    request TEXT NOT NULL,
    begun   INTEGER NOT NULL,
    -- What it came to; NULL until then.
    answer  TEXT
) STRICT;
CREATE INDEX once_by_age ON once (begun);

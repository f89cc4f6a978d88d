-- What a sink keeps of each thing that it tells of in more than one message, such as where the message of a release stands.
-- Like the sinks' positions it is not from events, and goes with the ledger into every backup.
CREATE TABLE threads (
    sink  TEXT NOT NULL REFERENCES sinks (name),
    key   TEXT NOT NULL,
    -- The last event that was told here, or given up; 0 while the first one is under way.
    event INTEGER NOT NULL,
    -- The sink's own words: JSON.
    state TEXT NOT NULL,
    -- Why the event was given up.
    error TEXT,
    at    INTEGER NOT NULL,
    PRIMARY KEY (sink, key)
) STRICT;
CREATE INDEX threads_by_age ON threads (sink, at);

-- Which events are about a commit: the story of one is found without reading all that ever happened. From the events, like runs and steps.
CREATE TABLE commits (
    commit_id TEXT NOT NULL,
    event     INTEGER NOT NULL REFERENCES events (id),
    PRIMARY KEY (commit_id, event)
) STRICT, WITHOUT ROWID;

//! Events, facts, the run queue and the outbox, in SQLite.

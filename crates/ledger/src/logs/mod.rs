//! Logs of runs.
